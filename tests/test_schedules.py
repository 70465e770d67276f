"""Schedules of the learning rate, alone, in optimizers and in fit; clipping of gradients."""
import numpy as np
import pytest
from optimtable import SCHEDULES, clip_norm, clip_value

import cdl

EACH = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in SCHEDULES])


def leaf(*values, dtype=np.float64):
    return cdl.Tensor(np.array(values, dtype), requires_grad=True)


# --- schedules --------------------------------------------------------------------------------------------------------
@EACH
@pytest.mark.parametrize("per", ["epoch", "step"])
def test_an_optimizer_follows_its_schedule(row, per):
    w = leaf(0.0)
    optimizer = cdl.SGD([w], lr=row.make(per=per))
    w.grad, path, wanted = np.ones(1), [], 0.0
    for k in range(30):
        optimizer.step()
        wanted -= row.formula(k if per == "step" else k // 2)
        path.append((w.item(), wanted))
        if k % 2:
            optimizer.next_epoch()
    np.testing.assert_allclose(*np.array(path).T, rtol=1e-12)
    assert optimizer.epoch == 15 and repr(optimizer.groups[0].schedule) in repr(optimizer)


def test_gradient_descent_follows_a_schedule():
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 3.0])
    W, b = np.zeros(1), 0.0
    for epoch in range(5):
        error = x @ W + b - y
        W, b = W - 0.1 * 0.5**epoch * (x.T @ error) / 2, b - 0.1 * 0.5**epoch * error.mean()
    got = cdl.gradient_descent(x, y, learning_rate=cdl.ExponentialDecay(0.1, 0.5), epochs=5)
    np.testing.assert_allclose(np.append(*got), np.append(W, b), rtol=1e-12)
    with pytest.raises(ValueError, match=r"the schedule gave -1\.0 at epoch 0"):
        cdl.gradient_descent(x, y, learning_rate=lambda epoch: -1.0)


@EACH
def test_schedules_agree_with_torch(row):
    torch = pytest.importorskip("torch")
    if row.torch is None:
        pytest.skip("torch has none like it")
    other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs, mine = row.torch(torch.optim.lr_scheduler, other), row.make()
    for k in range(12):
        assert mine(k) == pytest.approx(other.param_groups[0]["lr"], rel=1e-5)
        other.step()
        theirs.step()


def test_any_function_is_a_schedule_of_epochs():
    w = leaf(0.0)
    optimizer = cdl.Adam([{"params": [w], "lr": lambda epoch: 0.5 / (1 + epoch)}, {"params": [leaf(0.0)]}])
    optimizer.next_epoch()
    assert [group["lr"] for group in optimizer.groups] == [0.25, 0.001]
    optimizer.lr = cdl.StepDecay(1.0, every=1)
    assert [group["lr"] for group in optimizer.groups] == [0.5, 0.5]        # one epoch has passed
    optimizer.lr = 0.125
    optimizer.next_epoch()
    assert optimizer.lr == 0.125 and optimizer.groups[0].schedule is None


def test_fit_counts_epochs_and_steps():
    seen = []

    def schedule(epoch):
        seen.append(epoch)
        return 0.1 * 0.5**epoch

    model = cdl.Sequential([cdl.Dense(1)])
    x = np.ones((6, 2))
    optimizer = []

    def make(parameters):
        optimizer.append(cdl.SGD(parameters, lr=schedule))
        return optimizer[0]

    model.fit(x, x[:, :1], loss="mse", optimizer=make, epochs=3, batch_size=2, progress=False)
    assert seen == [0, 1, 2, 3]
    assert (optimizer[0].epoch, optimizer[0].t) == (3, 9)
    model.fit(x, x[:, :1], loss="mse", optimizer=optimizer[0], epochs=1, batch_size=2, progress=False)
    assert seen[-1] == 4                                                    # it goes on


def test_a_loaded_optimizer_goes_on_in_its_schedule():
    for schedule in (cdl.ExponentialDecay(0.1, 0.5), cdl.ExponentialDecay(0.1, 0.5, per="step")):
        w, other = leaf(1.0), leaf(1.0)
        first, second = cdl.SGD([w], lr=schedule), cdl.SGD([other], lr=schedule)
        w.grad = other.grad = np.ones(1)
        for _ in range(3):
            first.step()
            first.next_epoch()
        second.load_state_dict(first.state_dict())
        assert second.lr == (0.0125 if schedule.per == "epoch" else 0.1 * 0.5**3)
        first.step()
        second.step()
        assert first.lr == second.lr == 0.0125
    with pytest.raises(ValueError, match="saved with a schedule"):
        cdl.SGD([leaf(1.0)]).load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="saved without a schedule"):
        first.load_state_dict(cdl.SGD([leaf(1.0)]).state_dict())


# --- schedules of other options ---------------------------------------------------------------------------------------
def by_steps(function):
    function.per = "step"
    return function


@pytest.mark.parametrize("make, name, low, high", [
    (cdl.Adam, "beta1", 0.5, 0.95), (cdl.Adam, "beta2", 0.9, 0.999), (cdl.Adam, "eps", 1e-3, 1.0),
    (cdl.Adam, "weight_decay", 0.0, 0.5), (cdl.AdamW, "weight_decay", 0.0, 0.5), (cdl.SGD, "momentum", 0.0, 0.9),
    (cdl.RMSprop, "rho", 0.5, 0.99), (cdl.RMSprop, "momentum", 0.0, 0.9), (cdl.Adagrad, "eps", 1e-3, 1.0),
])
@pytest.mark.parametrize("per", ["step", "epoch"])
def test_any_option_follows_a_schedule(make, name, low, high, per):
    """The same bits as one whose option is set before every update, or epoch."""
    def value(k):
        return low + (high - low) * (0.5 + 0.5 * np.cos(1.7 * k)) if k % 4 else low       # SGD without momentum too

    schedule = by_steps(lambda k: value(k)) if per == "step" else value
    w, v = leaf(1.0, -2.0), leaf(1.0, -2.0)
    mine = make([w], **{"lr": 0.1, name: schedule})
    other = make([v], **{"lr": 0.1, name: high})        # its momentum arrays exist from the start
    grads = np.random.default_rng(0).standard_normal((12, 2))
    for k in range(12):
        setattr(other, name, value(k if per == "step" else k // 3))
        if name == "momentum" and getattr(other, name) == 0:    # without momentum what is summed up is the gradient alone
            setattr(other, name, 1e-300)
        w.grad, v.grad = grads[k], grads[k].copy()
        mine.step()
        other.step()
        assert getattr(mine, name) == value(k if per == "step" else k // 3)
        np.testing.assert_array_equal(w.numpy(), v.numpy())
        if k % 3 == 2:
            mine.next_epoch()
    assert set(mine.groups[0].schedules) == {name}


def test_schedules_of_each_group_and_of_several_options():
    first, second = cdl.optim.PolynomialDecay(0.5, 4, per="step"), cdl.optim.PiecewiseConstant([0.5, 0.9], [1])
    a, b = leaf(1.0), leaf(1.0)
    optimizer = cdl.SGD([{"params": [a], "weight_decay": first, "momentum": second}, {"params": [b]}],
                        lr=cdl.StepDecay(0.1, every=1))
    a.grad = b.grad = np.ones(1)
    for _ in range(3):
        optimizer.step()
    optimizer.next_epoch()
    assert optimizer.groups[0]["weight_decay"] == 0.5 * 0.5 and optimizer.groups[1]["weight_decay"] == 0
    assert [group["momentum"] for group in optimizer.groups] == [0.9, 0] and optimizer.lr == 0.05
    text = "SGD(lr=StepDecay(lr=0.1, factor=0.5, every=1, per='epoch'), momentum=PiecewiseConstant("
    assert repr(optimizer).startswith(text) and "weight_decay=PolynomialDecay(" in repr(optimizer)
    optimizer.weight_decay = 0.125
    optimizer.step()
    assert [group["weight_decay"] for group in optimizer.groups] == [0.125, 0.125]
    assert set(optimizer.groups[0].schedules) == {"lr", "momentum"}


def scheduled():
    w = leaf(1.0, 2.0)
    cycle = cdl.optim.OneCycle(0.1, 12)
    return w, cdl.SGD([w], lr=cycle, momentum=cycle.opposite(), weight_decay=lambda epoch: 0.1 / (1 + epoch))


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_scheduled_options_go_on_at_their_place(steps):
    (w, whole), (v, other) = scheduled(), scheduled()
    for k in range(12):
        if k == steps:
            other.load_state_dict(whole.state_dict())
            v.numpy()[...] = w.numpy()
            assert [other.groups[0][name] for name in other.groups[0].keys() if name not in ("lr", "momentum")] == \
                   [whole.groups[0][name] for name in whole.groups[0].keys() if name not in ("lr", "momentum")]
        w.grad, v.grad = np.full(2, k + 1.0), np.full(2, k + 1.0)
        whole.step()
        whole.next_epoch()
        if k >= steps:
            other.step()
            other.next_epoch()
            np.testing.assert_array_equal(w.numpy(), v.numpy())
    assert other.state_dict()["groups"] == whole.state_dict()["groups"]
    assert whole.state_dict()["groups"][0]["scheduled"] == ["lr", "momentum", "weight_decay"]


def test_states_that_told_of_lr_alone_still_load():
    first, second = (cdl.SGD([leaf(1.0)], lr=cdl.StepDecay(0.1, every=1)) for _ in range(2))
    first.next_epoch()
    state = first.state_dict()
    state["groups"][0]["scheduled"] = True
    second.load_state_dict(state)
    assert second.lr == 0.05
    plain = cdl.SGD([leaf(1.0)]).state_dict()
    plain["groups"][0]["scheduled"] = False
    cdl.SGD([leaf(1.0)]).load_state_dict(plain)
    for damaged in (5, ["speed"], None):
        state["groups"][0]["scheduled"] = damaged
        with pytest.raises(ValueError, match="scheduled of group 0 of the state must be a list of options"):
            second.load_state_dict(state)
    with pytest.raises(ValueError, match="was saved without a schedule of momentum, here it has"):
        fewer = cdl.SGD([leaf(1.0, 2.0)], lr=cdl.StepDecay(0.1), weight_decay=cdl.StepDecay(0.1))
        scheduled()[1].load_state_dict(fewer.state_dict())


@pytest.mark.parametrize("name, bad, words", [
    ("beta1", 1.0, r"beta1 must be in \[0, 1\)"), ("beta2", -0.1, r"beta2 must be in \[0, 1\)"),
    ("eps", float("nan"), "eps must be 0 or more and finite"), ("weight_decay", -1.0, "weight_decay must be 0 or more"),
])
def test_a_bad_value_of_an_option_changes_nothing(name, bad, words):
    w = leaf(1.0)
    optimizer = cdl.Adam([w], **{name: by_steps(lambda k: bad if k == 1 else 0.5)})
    w.grad = np.ones(1)
    optimizer.step()
    before = w.item()
    with pytest.raises(ValueError, match=f"gave .* at step 1; {words}"):
        optimizer.step()
    assert (w.item(), optimizer.t, getattr(optimizer, name)) == (before, 1, 0.5)
    with pytest.raises(TypeError, match="decoupled is True or False"):
        optimizer.decoupled = cdl.ConstantRate(1.0)
    assert not optimizer.decoupled


def test_one_cycle_agrees_with_torchs_momentum():
    torch = pytest.importorskip("torch")
    for phases in (False, True):
        other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
        theirs = torch.optim.lr_scheduler.OneCycleLR(other, 0.1, 20, three_phase=phases)
        mine = cdl.optim.OneCycle(0.1, 20, three_phases=phases).opposite()
        for k in range(20):
            assert mine(k) == pytest.approx(other.param_groups[0]["momentum"], rel=1e-6)
            other.step()
            if k < 19:
                theirs.step()


@pytest.mark.parametrize("mine, name, options, first", [
    (cdl.optim.PolynomialDecay(0.1, 10, 0.9, final=0.01), "PolynomialDecay", (0.1, 10, 0.01, 0.9), 0),
    (cdl.optim.CosineRestarts(0.1, 4, growth=2, shrink=0.5, final=0.01), "CosineDecayRestarts", (0.1, 4, 2.0, 0.5, 0.1), 0),
    (cdl.CosineDecay(0.1, 12, final=0.01), "CosineDecay", (0.1, 12, 0.1), 0),
    (cdl.ExponentialDecay(0.1, 0.5, every=4), "ExponentialDecay", (0.1, 4, 0.5), 0),
    (cdl.optim.PiecewiseConstant([0.1, 0.05], [4]), "PiecewiseConstantDecay", ([3], [0.1, 0.05]), 0),
])
def test_schedules_agree_with_keras(mine, name, options, first):
    keras = pytest.importorskip("keras")
    theirs = getattr(keras.optimizers.schedules, name)(*options)
    for k in range(first, 40):
        assert mine(k) == pytest.approx(float(theirs(k)), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("growth", [1, 1.1, 2, 3.7])
def test_every_cycle_begins_at_its_peak(growth):
    rate, start, length = cdl.optim.CosineRestarts(1.0, 0.1, growth=growth, shrink=0.9), 0.0, 0.1
    for i in range(40):
        assert rate(start + 1e-9 * length) == pytest.approx(0.9**i, rel=1e-6)
        start, length = start + length, length * growth


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_a_bad_rate_of_a_schedule_changes_nothing(bad):
    def per_step(k):
        return bad if k == 1 else 0.1

    per_step.per = "step"
    w, b = leaf(1.0), leaf(1.0)
    optimizer = cdl.SGD([{"params": [b], "lr": lambda epoch: 0.5}, {"params": [w], "lr": per_step}])
    w.grad = b.grad = np.ones(1)
    optimizer.step()
    with pytest.raises(ValueError, match=r"the schedule .* gave .* at step 1"):
        optimizer.step()
    assert (w.item(), b.item(), optimizer.t) == (0.9, 0.5, 1)
    optimizer.lr = lambda epoch: bad if epoch == 1 else 0.1
    with pytest.raises(ValueError, match="at epoch 1"):
        optimizer.next_epoch()
    assert (optimizer.lr, optimizer.epoch) == (0.1, 0)


@pytest.mark.parametrize("make, error, words", [
    (lambda: cdl.ExponentialDecay(0), ValueError, "ExponentialDecay: lr must be above 0"),
    (lambda: cdl.ExponentialDecay(float("nan")), ValueError, "lr must be above 0 and finite, got nan"),
    (lambda: cdl.ExponentialDecay("0.1"), TypeError, "lr must be a number, got str"),
    (lambda: cdl.ExponentialDecay(0.1, -1), ValueError, "factor must be above 0"),
    (lambda: cdl.StepDecay(0.1, every=0), ValueError, "every must be above 0"),
    (lambda: cdl.CosineDecay(0.1, 0), ValueError, "length must be above 0"),
    (lambda: cdl.CosineDecay(0.1, 5, final=-1), ValueError, "final must be above 0"),
    (lambda: cdl.StepDecay(0.1, per="batch"), ValueError, "per must be 'epoch' or 'step', got 'batch'"),
    (lambda: cdl.WarmUp(cdl.StepDecay(0.1), 5, per="step"), ValueError, "counts by epoch, so it cannot count by step"),
    (lambda: cdl.WarmUp(0, 5), ValueError, "lr must be above 0"),
    (lambda: cdl.optim.PolynomialDecay(0.1, 0), ValueError, "PolynomialDecay: length must be above 0"),
    (lambda: cdl.optim.PolynomialDecay(0.1, 5, float("nan")), ValueError, "power must be above 0 and finite, got nan"),
    (lambda: cdl.optim.PiecewiseConstant([0.1, 0.2], [1, 2]), ValueError, "2 boundaries need 3 values, got 2"),
    (lambda: cdl.optim.PiecewiseConstant([0.1, -0.2], [1]), ValueError, "values must be 0 or more and finite"),
    (lambda: cdl.optim.PiecewiseConstant([0.1, float("nan")], [1]), ValueError, "values must be 0 or more and finite"),
    (lambda: cdl.optim.PiecewiseConstant([0.1, 0.2, 0.3], [2, 2]), ValueError, "boundaries must be above 0 and increase"),
    (lambda: cdl.optim.PiecewiseConstant([0.1, 0.2], [0]), ValueError, "boundaries must be above 0 and increase"),
    (lambda: cdl.optim.PiecewiseConstant([0.1, "x"], [1]), TypeError, "each of values must be a number, got str"),
    (lambda: cdl.optim.InverseSquareRoot(0.1, 0.5), ValueError, "length must be 1 or more"),
    (lambda: cdl.optim.CosineRestarts(0.1, 5, growth=0.5), ValueError, "growth must be 1 or more and shrink at most 1"),
    (lambda: cdl.optim.CosineRestarts(0.1, 5, shrink=2), ValueError, "growth must be 1 or more and shrink at most 1"),
    (lambda: cdl.optim.OneCycle(0.1, 20, rise=1), ValueError, r"rise must be in \(0, 1\), got 1"),
    (lambda: cdl.optim.OneCycle(0.1, 20, rise=0.5, three_phases=True), ValueError, r"rise must be in \(0, 0.5\), got 0.5"),
    (lambda: cdl.optim.OneCycle(0.1, 3), ValueError, "there is a step on the way up, got 0.3 · 3"),
    (lambda: cdl.optim.OneCycle(0.1, 20, shape="cos"), ValueError, "shape must be 'cosine' or 'linear', got 'cos'"),
    (lambda: cdl.optim.OneCycle(0.1, 20).opposite(0.9, 0.8), ValueError, "low at most high"),
    (lambda: cdl.optim.OneCycle(0.1, 20).opposite(0.9, 1), ValueError, r"low and high must be in \[0, 1\)"),
    (lambda: cdl.optim.Schedule("step")(0), NotImplementedError, "define __call__"),
    (lambda: cdl.SGD([leaf(1.0)], lr=lambda epoch: "x"), TypeError, "gave 'x' at epoch 0, which is no number"),
    (lambda: cdl.SGD([leaf(1.0)], lr=lambda epoch: -1), ValueError, "gave -1.0 at epoch 0"),
])
def test_errors_of_schedules(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_reprs_can_be_read_back():
    for row in SCHEDULES:
        schedule = row.make(per="step")
        again = eval(repr(schedule), vars(cdl.optim))           # our own repr
        assert [again(k) for k in range(20)] == [schedule(k) for k in range(20)]
        assert again.per == "step"


# --- clipping ---------------------------------------------------------------------------------------------------------
def arrays(dtype=np.float32):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in ((3,), (257, 129), (), (0,), (40_000,))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [0.5, 1e6])
def test_clip_grad_norm(bound, dtype):
    grads = arrays(dtype)
    tensors = [cdl.Tensor(np.zeros(g.shape, dtype), requires_grad=True) for g in grads]
    for t, g in zip(tensors, grads, strict=True):
        t.grad = g
    exact = [g.astype(float) for g in grads]
    wanted, norm = clip_norm(exact, bound), np.sqrt(sum((g**2).sum() for g in exact))
    tensors.append(cdl.Tensor(np.zeros(3), requires_grad=True))             # without a gradient
    assert cdl.clip_grad_norm(tensors, bound) == pytest.approx(norm, rel=1e-12)
    assert cdl.clip_grad_norm(grads, bound) == pytest.approx(norm, rel=1e-12)
    for t, g, w in zip(tensors, grads, wanted, strict=False):
        np.testing.assert_allclose(g, w, rtol=1e-6)
        np.testing.assert_array_equal(t.grad.numpy(), g)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_grad_value(dtype):
    grads = arrays(dtype)
    tensors = [cdl.Tensor(np.zeros(g.shape, dtype), requires_grad=True) for g in grads]
    for t, g in zip(tensors, grads, strict=True):
        t.grad = g
    wanted = clip_value(grads, dtype(0.3))
    cdl.clip_grad_value(tensors, 0.3)
    cdl.clip_grad_value(grads, 0.3)
    for t, g, w in zip(tensors, grads, wanted, strict=True):
        np.testing.assert_array_equal(g, w)
        np.testing.assert_array_equal(t.grad.numpy(), w)


def test_the_norm_has_the_same_bits_for_every_thread_count():
    before, norms = cdl.get_num_threads(), set()
    grads = [np.random.default_rng(0).standard_normal(300_001).astype(np.float32), *arrays()]
    try:
        for threads in (1, 2, 3, 5):
            cdl.set_num_threads(threads)
            norms.add(cdl.clip_grad_norm(grads, 1e9))
    finally:
        cdl.set_num_threads(before)
    assert len(norms) == 1


def test_clipping_reaches_views_and_foreign_byte_orders():
    base = np.full((4, 6), 3.0, np.float32)
    swapped = np.full(2, 3.0, ">f8")
    cdl.clip_grad_value([base[:, ::2], swapped], 1.0)
    assert (base[:, ::2] == 1).all() and (base[:, 1::2] == 3).all() and (swapped == 1).all()
    cdl.clip_grad_norm([base[:, 1::2], swapped], 1.0)
    assert np.sqrt((base[:, 1::2] ** 2).sum() + (swapped**2).sum()) == pytest.approx(1.0)


def test_large_gradients_have_a_norm():
    g = [np.full(4, 1e30, np.float32)]                      # whose squares float32 cannot hold
    assert cdl.clip_grad_norm(g, 2.0) == pytest.approx(2e30)
    np.testing.assert_allclose(g[0], 1.0, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_changes_nothing(bad):
    w = leaf(1.0, 2.0)
    w.grad = np.array([3.0, bad])
    with pytest.raises(FloatingPointError, match=f"norm of the gradients is {bad}; they were not changed"):
        cdl.clip_grad_norm([w], 1.0)
    assert w.grad.numpy()[0] == 3
    optimizer = cdl.Adam([w], clip_norm=1.0)
    with pytest.raises(FloatingPointError, match=f"Adam: the norm of the gradients is {bad}; the parameters were not"):
        optimizer.step()
    assert w.tolist() == [1.0, 2.0] and optimizer.t == 0
    w.grad = np.array([3.0, 4.0])
    optimizer.step()                                        # and it goes on
    assert optimizer.t == 1


@pytest.mark.parametrize("clip", [cdl.clip_grad_norm, cdl.clip_grad_value])
@pytest.mark.parametrize("items, bound, error, words", [
    (leaf(1.0), 1.0, TypeError, "expected a list of parameters, got one Tensor"),
    ([np.ones(3, int)], 1.0, TypeError, "must be float32 or float64"),
    ([np.broadcast_to(1.0, 3)], 1.0, TypeError, "read-only"),
    ([[1.0]], 1.0, TypeError, "changed in place, got list"),
    ([np.ones(3)], 0.0, ValueError, "must be above 0"),
    ([np.ones(3)], float("nan"), ValueError, "0 or more and finite, got nan"),
    ([leaf(1.0)] * 2, 1.0, ValueError, "given twice"),
])
def test_errors_of_clipping(clip, items, bound, error, words):
    with pytest.raises(error, match=words):
        clip(items, bound)
