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
    assert optimizer.epoch == 15 and type(optimizer.groups[0].schedule).__name__ in repr(optimizer)


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
        again = eval(repr(schedule), vars(cdl))         # our own repr
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
