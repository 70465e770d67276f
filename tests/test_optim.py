"""Every row of the optimizer table: the path of 50 updates, in place; threads; state. Groups and errors."""
import gc
import re
import threading
import weakref

import numpy as np
import pytest
from optimtable import ROWS

import cdl
from cdl.optim import OPTIMIZERS

EACH = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
# Per step about one rounding of p, 50 steps.
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
SHAPES = [(4, 3), (3,), (), (0, 2), (257, 129)]


def start(dtype):
    rng = np.random.default_rng(0)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]


def gradients(dtype, steps=50):
    rng = np.random.default_rng(1)
    return [[np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES] for _ in range(steps)]


def reference(row, dtype):
    params, states = [p.astype(np.float64) for p in start(dtype)], [{} for _ in SHAPES]
    for t, grads in enumerate(gradients(dtype), 1):
        grads = row.clip([g.astype(np.float64) for g in grads])
        params = [row.formula(p, g, s, t) for p, g, s in zip(params, grads, states, strict=True)]
    return params


def leaf(*values, dtype=np.float64):
    return cdl.Tensor(np.array(values, dtype), requires_grad=True)


# --- the rows ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", TOLERANCE)
@EACH
def test_update_changes_arrays_in_place_as_the_formula_says(row, dtype):
    params = start(dtype)
    held, optimizer = list(params), row.make(params)
    for grads in gradients(dtype):
        before = [g.copy() for g in grads]
        optimizer.update(params, grads)
        assert all(np.array_equal(a, b) for a, b in zip(grads, before, strict=True))
    for p, same, wanted in zip(params, held, reference(row, dtype), strict=True):
        assert p is same
        np.testing.assert_allclose(p, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@EACH
def test_step_takes_the_same_path_on_tensors(row):
    arrays = start(np.float32)
    tensors = [cdl.Tensor(p, requires_grad=True) for p in arrays]
    on_arrays, on_tensors = row.make(arrays), row.make(tensors)
    for grads in gradients(np.float32, 5):
        on_arrays.update(arrays, grads)
        for t, g in zip(tensors, grads, strict=True):
            t.grad = g
        on_tensors.step()
    for a, t in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(a, t.numpy())


@EACH
def test_state_goes_on_where_it_was(row):
    params, grads = start(np.float32), gradients(np.float32, 6)
    optimizer = row.make(params)
    for g in grads[:3]:
        optimizer.update(params, g)
    copy = [p.copy() for p in params]
    other = row.make(copy)
    other.load_state_dict(optimizer.state_dict())
    for g in grads[3:]:
        optimizer.update(params, g)
        other.update(copy, g)
    for a, b in zip(params, copy, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [len(s) for s in optimizer.state_dict()["state"]] == [row.slots] * len(SHAPES)
    assert other.t == 6


def many(dtype):
    """Parameters smaller, equal to and larger than what a task takes, and what a cache line takes."""
    rng = np.random.default_rng(2)
    sizes = [1, 63, 64, 65, 2, 16383, 16384, 16385, 5, 0, 40001, 100_000, *[70] * 40]
    return [rng.standard_normal((2, n)).astype(dtype) for n in sizes]


@EACH
def test_same_bits_for_every_thread_count(row):
    grads, before, results = many(np.float32), cdl.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 5, 8):
            cdl.set_num_threads(threads)
            params = [p[0].copy() for p in grads]
            optimizer = row.make(params)
            for _ in range(3):
                optimizer.update(params, [g[1] for g in grads])
            results.append(params)
    finally:
        cdl.set_num_threads(before)
    for params in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], params, strict=True))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if "norm" not in row.name])
def test_an_update_of_many_is_many_updates_of_one(row, dtype):
    arrays = many(dtype)
    together, alone = [p[0].copy() for p in arrays], [p[0].copy() for p in arrays]
    optimizer = row.make(together)
    for _ in range(2):
        optimizer.update(together, [g[1] for g in arrays])
    for p, g in zip(alone, arrays, strict=True):
        optimizer = row.make([p])
        for _ in range(2):
            optimizer.update([p], [g[1]])
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


@EACH
def test_agrees_with_torch(row):
    torch = pytest.importorskip("torch")
    if row.torch is None:
        pytest.skip("torch has none like it")
    params = start(np.float32)
    theirs = [torch.tensor(p.copy(), requires_grad=True) for p in params]
    mine, other = row.make(params), row.torch(torch.optim, theirs)
    for grads in gradients(np.float32):
        mine.update(params, grads)
        for t, g in zip(theirs, grads, strict=True):
            t.grad = torch.tensor(g)
        row.torch_clip(torch.nn.utils, theirs)
        other.step()
    for p, t in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p, t.detach().numpy(), rtol=1e-5, atol=1e-5)


@EACH
def test_repr_names_the_class_and_the_rate(row):
    optimizer = row.make([leaf(1.0)])
    assert re.match(rf"{type(optimizer).__name__}\(lr=0\.0\d", repr(optimizer))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_trains(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    model = cdl.Sequential([cdl.Dense(1)])
    cdl.seed(0)
    history = model.fit(x, x @ [[1.0], [2.0], [-1.0]] + 1, loss="mse", optimizer=name, epochs=20, progress=False)
    assert history["loss"][-1] < 0.99 * history["loss"][0]


# --- numbers at their ends --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_root_is_right_for_every_size(dtype):
    """rho 0 and eps 0: the step is g / sqrt(g²), ±1, whatever g. Subnormal squares have few bits, and no root is exact."""
    info = np.finfo(dtype)
    g = np.logspace(np.log10(info.tiny) / 2 + 1, np.log10(info.max) / 2 - 1, 5000).astype(dtype)
    g[::2] *= -1
    p = [np.zeros(5000, dtype)]
    cdl.RMSprop(p, lr=1.0, rho=0.0, eps=0.0).update(p, [g])
    np.testing.assert_allclose(p[0], -np.sign(g), rtol=4 * info.eps)


def test_a_square_beyond_float32_stops_the_element_and_no_other():
    p = [np.ones(40, np.float32)]
    g = np.ones(40, np.float32)
    g[::3] = 1e25
    cdl.RMSprop(p, lr=0.5).update(p, [g])
    assert (p[0][::3] == 1).all()
    assert (np.delete(p[0], np.s_[::3]) < 1).all()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.slots])
@pytest.mark.parametrize("dtype, small", [(np.float32, 1e-17), (np.float64, 1e-151)])
def test_moments_without_gradient_fade_to_nothing_and_not_to_subnormals(row, dtype, small):
    """Subnormal numbers would stay for ever, and take twenty times as long."""
    p, zero = np.zeros(20, dtype), np.zeros(20, dtype)
    optimizer = row.make([p])
    optimizer.update([p], [np.full(20, small, dtype)])
    assert all(np.all(s.numpy() > 0) for s in optimizer.state[0].values())
    for _ in range(7000):               # 0.999**7000 = 0.0009
        p[...] = 0                      # so that no decay renews the gradient
        optimizer.update([p], [zero])
    for name in {"m", "v", "mean"} & set(optimizer.state[0]):
        values = optimizer.state[0][name].numpy()
        assert not values.any() or (dtype is np.float64 and values.min() >= np.finfo(dtype).tiny), name


def test_no_gradient_no_step():
    for make in (cdl.Adam, cdl.RMSprop, cdl.Adagrad, cdl.Momentum):
        p = [np.ones(40, np.float32)]
        make(p).update(p, [np.zeros(40, np.float32)])
        assert (p[0] == 1).all()


def test_nan_in_a_gradient_is_not_hidden():
    for make in (cdl.Adam, cdl.SGD, cdl.RMSprop, cdl.Adagrad, lambda p: cdl.SGD(p, clip_value=1.0),
                 lambda p: cdl.Adam(p, amsgrad=True), lambda p: cdl.RMSprop(p, centred=True)):
        p = [np.ones(3, np.float32)]
        make(p).update(p, [np.array([0.0, np.nan, 1.0])])
        assert np.isnan(p[0]).tolist() == [False, True, False]


# --- parameters -------------------------------------------------------------------------------------------------------
def test_parameters_without_gradient_stay():
    a, b = (leaf(1.0) for _ in range(2))
    optimizer = cdl.Adam([a, b], lr=0.5)
    a.grad = np.ones(1)
    optimizer.step()
    assert a.item() != 1.0 and b.item() == 1.0
    assert optimizer.state[1] == {}
    optimizer.zero_grad()
    assert a.grad is None


def test_a_step_between_forward_and_backward_is_refused():
    w = leaf(2.0)
    y = cdl.matmul(leaf(1.0), w)
    w.grad = np.ones(1)
    cdl.SGD([w]).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_strided_and_byte_swapped_parameters_are_updated():
    base = np.ones((4, 6), np.float32)
    params = [base[:, ::2], np.ones(3, ">f8"), np.ones((3, 2), np.float64).T]
    cdl.SGD(params, lr=1.0).update(params, [np.ones(p.shape) for p in params])
    assert not any(p.any() for p in params)
    assert base[:, 1::2].all()


@pytest.mark.parametrize("threads", [1, 3])
def test_parameters_that_share_memory_are_updated_one_after_the_other(threads):
    before = cdl.get_num_threads()
    cdl.set_num_threads(threads)
    try:
        base = np.zeros(200_000, np.float32)
        params = [base[:150_000], base[100_000:150_000]]
        optimizer = cdl.SGD(params, lr=1.0)
        optimizer.update(params, [base[50_000:] - 1, np.full(50_000, -2, np.float32)])
        assert (base[:100_000] == 1).all() and (base[100_000:150_000] == 3).all() and not base[150_000:].any()
    finally:
        cdl.set_num_threads(before)


def test_a_second_update_within_an_update_is_refused():
    w = leaf(1.0)
    w.grad = np.ones(1)
    seen = []

    def nested(step):
        if step > 0:
            with pytest.raises(RuntimeError, match="under way"):
                inner()
            seen.append(step)
        return 0.1

    nested.per = "step"
    optimizer = cdl.SGD([w], lr=nested)
    inner = optimizer.step
    optimizer.step()
    optimizer.step()
    assert seen == [1]
    assert optimizer.t == 2


def test_two_threads_that_change_gradients_meanwhile():
    """The arrays of a step stay alive until it is done."""
    w = cdl.Tensor(np.ones(300_000, np.float32), requires_grad=True)
    optimizer, done = cdl.Adam([w]), threading.Event()

    def replace():
        while not done.is_set():
            w.grad = np.ones(300_000, np.float32)
            w.grad = None

    other = threading.Thread(target=replace)
    other.start()
    try:
        for _ in range(50):
            optimizer.step()
    finally:
        done.set()
        other.join()
    assert np.isfinite(w.numpy()).all()


# --- groups -----------------------------------------------------------------------------------------------------------
def test_groups_have_their_own_options():
    arrays = [np.ones(3), np.ones(4), np.ones(5)]
    grads = [np.full(n, 0.5) for n in (3, 4, 5)]
    optimizer = cdl.Adam([{"params": arrays[:2], "weight_decay": 0.1}, {"params": arrays[2:], "lr": 0.5, "beta1": 0.5}], lr=0.1)
    apart = [np.ones(3), np.ones(4)], [np.ones(5)]
    first, second = cdl.Adam(apart[0], lr=0.1, weight_decay=0.1), cdl.Adam(apart[1], lr=0.5, beta1=0.5)
    for _ in range(3):
        optimizer.update(arrays, grads)
        first.update(apart[0], grads[:2])
        second.update(apart[1], grads[2:])
    for a, b in zip(arrays, apart[0] + apart[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert [len(group.params) for group in optimizer.groups] == [2, 1]
    assert "2 groups" in repr(optimizer)


def test_options_are_read_and_changed():
    w, b = leaf(1.0), leaf(1.0)
    optimizer = cdl.SGD([{"params": [w], "lr": 0.5}, {"params": [b]}], lr=0.25)
    assert optimizer.lr == 0.5
    optimizer.groups[1]["lr"] = 0.125
    w.grad = b.grad = np.ones(1)
    optimizer.step()
    assert (w.item(), b.item()) == (0.5, 0.875)
    optimizer.lr = 0.25
    assert [group["lr"] for group in optimizer.groups] == [0.25, 0.25]
    assert dict(optimizer.groups[0]) == {"lr": 0.25, "weight_decay": 0.0, "decoupled": False, "momentum": 0.0}
    optimizer.add_group({"params": [leaf(1.0)], "momentum": 0.9})
    assert [group["momentum"] for group in optimizer.groups] == [0.0, 0.0, 0.9]
    assert optimizer.groups[2]["lr"] == 0.25


def test_a_group_that_is_refused_leaves_everything_as_it_was():
    w = leaf(1.0)
    optimizer = cdl.SGD([w])
    for group in ({"params": [leaf(2.0)], "lr": -1}, {"params": [leaf(2.0), w]}, {"params": [leaf(1.0) * 2]},
                  {"params": [leaf(2.0)], "speed": 1}):
        with pytest.raises(ValueError):
            optimizer.add_group(group)
    with pytest.raises(ValueError, match="lr must be above 0"):
        optimizer.lr = 0
    assert len(optimizer.groups) == 1 and optimizer.params == [w] and optimizer.lr == 0.01


def test_an_optimizer_that_nobody_holds_is_freed_at_once():
    """Its state may be most of a process's memory."""
    gc.disable()
    try:
        optimizer = cdl.Adam([leaf(1.0)])
        gone = weakref.ref(optimizer)
        group = optimizer.groups[0]
        del optimizer
        assert gone() is None
        group["lr"] = 0.5                       # a group stands alone
        assert group["lr"] == 0.5 and len(group.params) == 1
    finally:
        gc.enable()


def test_an_optimizer_made_again_begins_again():
    p = [np.ones(100_000), np.ones(3)]
    optimizer = cdl.Adam(p)
    optimizer.update(p, p)
    optimizer.__init__([p[1]], lr=0.5)
    optimizer.update([p[1]], [np.ones(3)])
    assert optimizer.t == 1 and len(optimizer.state) == 1
    np.testing.assert_allclose(p[1], 1 - 0.001 - 0.5, rtol=1e-6)


def test_groups_made_from_nothing_are_refused():
    group = type(cdl.Adam([leaf(1.0)]).groups[0])()
    for use in (lambda: group["lr"], lambda: group.__setitem__("lr", 1), lambda: group.params, lambda: repr(group)):
        with pytest.raises(TypeError):
            use()
    assert cdl.Adam.__new__(cdl.Adam).t == 0


# --- state ------------------------------------------------------------------------------------------------------------
def trained():
    params = [np.ones(3, np.float32), np.ones((2, 2), np.float32)]
    optimizer = cdl.Adam([{"params": params[:1], "lr": 0.5}, {"params": params[1:]}])
    optimizer.update(params, [np.ones(3), np.ones((2, 2))])
    optimizer.next_epoch()
    return optimizer


def test_state_has_options_and_position():
    state = trained().state_dict()
    other = cdl.Adam([{"params": [np.ones(3, np.float32)]}, {"params": [np.ones((2, 2), np.float32)]}])
    other.load_state_dict(state)
    assert (other.t, other.epoch) == (1, 1)
    assert [group["lr"] for group in other.groups] == [0.5, 0.001]
    again = other.state_dict()
    assert again["groups"] == state["groups"]
    state["state"][0]["m"][:] = 7                    # copies
    assert other.state[0]["m"].numpy()[0] != 7


def damage(change):
    state = trained().state_dict()
    change(state)
    return state


@pytest.mark.parametrize("change, words", [
    (lambda s: s.update(optimizer="SGD"), "the state is that of SGD"),
    (lambda s: s.pop("t"), "lacks t"),
    (lambda s: s.update(extra=1), "has extra too many"),
    (lambda s: s.update(t=-1), "t of the state must be an integer"),
    (lambda s: s.update(epoch=1.5), "epoch of the state must be an integer"),
    (lambda s: s.update(state=5), "state of the state must be a list of dicts, got int"),
    (lambda s: s["state"].__setitem__(0, [np.ones(3)]), "state of the state must be a list of dicts"),
    (lambda s: s["groups"].__setitem__(0, 3), "groups of the state must be a list of dicts"),
    (lambda s: s["state"].pop(), "for 1 parameters in 2 groups"),
    (lambda s: s["groups"].pop(), "for 2 parameters in 1 groups"),
    (lambda s: s["groups"][0].update(params=2), "group 0 of the state has 2 parameters"),
    (lambda s: s["groups"][1].pop("eps"), "group 1 of the state lacks eps"),
    (lambda s: s["groups"][1].update(beta1=2.0), r"beta1 must be in \[0, 1\)"),
    (lambda s: s["groups"][1].update(lr=float("nan")), "lr must be above 0"),
    (lambda s: s["groups"][1].update(scheduled=True), "saved with a schedule"),
    (lambda s: s["state"][1].update(v=np.ones(3)), r"does not fit a parameter of shape \(2, 2\)"),
    (lambda s: s["state"][1].pop("v"), "which needs m, v"),
    (lambda s: s["state"][1].update(w=np.ones((2, 2))), "does not fit"),
    (lambda s: s["state"][1].update(v=np.ones((2, 2), complex)), "must be floating"),
])
def test_a_state_that_does_not_fit_changes_nothing(change, words):
    optimizer = trained()
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict(damage(change))
    after = optimizer.state_dict()
    for a, b in zip(before.pop("state"), after.pop("state"), strict=True):
        for name, array in a.items():
            np.testing.assert_array_equal(array, b[name])
    assert before == after


# --- errors -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make, error, words", [
    (lambda: cdl.Adam(np.ones(3)), TypeError, "list of parameters"),
    (lambda: cdl.Adam({"params": [np.ones(3)]}), TypeError, "got one group"),
    (lambda: cdl.Adam([np.ones(3), {"params": [np.ones(3)]}]), TypeError, "both in one list"),
    (lambda: cdl.Adam([{"parameters": [np.ones(3)]}]), TypeError, "under 'params'"),
    (lambda: cdl.Adam([{"params": np.ones(3)}]), TypeError, "under 'params'"),
    (lambda: cdl.Adam([{"params": [np.ones(3)], "lrr": 1}]), ValueError,
     "unknown option 'lrr'; did you mean 'lr'.; known are lr, weight_decay"),
    (lambda: cdl.Adam([np.ones(3, int)]), TypeError, "float32 or float64"),
    (lambda: cdl.Adam(cdl.Sequential([cdl.Dense(2, in_features=3)])), TypeError, r"got \w+; of a model or layer pass"),
    (lambda: cdl.Adam([3.0]), TypeError, "must be a Tensor or an array, got float"),
    (lambda: cdl.Adam(3), TypeError, "list of parameters or of groups, got int"),
    (lambda: cdl.Adam([{"params": 3}]), TypeError, "under 'params'"),
    (lambda: cdl.Adam([np.ones(3)]).load_state_dict(3), ValueError, "the state must be a dict, got int"),
    (lambda: cdl.Adam([leaf(1.0)] * 2), ValueError, r"the same parameter, of shape \(1,\), was given twice"),
    (lambda: cdl.Adam([np.ones(3)], lr=-1), ValueError, "lr must be above 0 and finite, got -1"),
    (lambda: cdl.Adam([np.ones(3)], lr=0), ValueError, "lr must be above 0"),
    (lambda: cdl.Adam([np.ones(3)], lr=float("nan")), ValueError, "lr must be above 0"),
    (lambda: cdl.Adam([np.ones(3)], lr=float("inf")), ValueError, "lr must be above 0 and finite"),
    (lambda: cdl.Adam([np.ones(3)], lr="0.1"), TypeError, "lr must be a number, got str"),
    (lambda: cdl.Adam([np.ones(3)], beta1=1.0), ValueError, r"beta1 must be in \[0, 1\)"),
    (lambda: cdl.Adam([np.ones(3)], eps=-1.0), ValueError, "eps must be 0 or more"),
    (lambda: cdl.Adam([np.ones(3)], weight_decay=-1.0), ValueError, "weight_decay must be 0 or more"),
    (lambda: cdl.SGD([np.ones(3)], momentum=1.5), ValueError, "momentum must be in"),
    (lambda: cdl.SGD([np.ones(3)], nesterov=True), ValueError, "needs momentum"),
    (lambda: cdl.RMSprop([np.ones(3)], rho=1.0), ValueError, "rho must be in"),
    (lambda: cdl.Adagrad([np.ones(3)], start=-1.0), ValueError, "start must be 0 or more"),
    (lambda: cdl.SGD([np.ones(3)], clip_norm=0), ValueError, "clip_norm must be above 0"),
    (lambda: cdl.SGD([np.ones(3)], clip_value=-1), ValueError, "clip_value must be 0 or more"),
    (lambda: cdl.SGD([np.ones(3)], clip_norm=1, clip_value=1), ValueError, "not by both"),
    (lambda: cdl.Adam([np.ones(3)], learning_rate=1), TypeError,
     "unknown option 'learning_rate'; did you mean 'lr'.; known are"),
    (lambda: cdl.Adam([np.ones(3)], beta_1=0.5), TypeError, "Adam: unknown option 'beta_1'; did you mean 'beta1'"),
    (lambda: cdl.SGD([np.ones(3)], epsilon=0.5), TypeError, "SGD: unknown option 'epsilon'; known are params, lr"),
    (lambda: cdl.RMSprop([np.ones(3)], centered=True), TypeError, "did you mean 'centred'"),
    (lambda: cdl.SGD([np.ones(3)]).step(), TypeError, "need Tensors"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.ones(3)], []), ValueError, "1 and 0 gradients"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.ones(3)], [np.ones(4)]), ValueError, r"shape \(3,\), its gradient \(4,\)"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.ones(4)], [np.ones(4)]), ValueError, r"was float64 of shape \(3,\)"),
    (lambda: cdl.SGD([np.ones(3)]).update([[1.0, 2.0, 3.0]], [np.ones(3)]), TypeError, "changed in place, got list"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.broadcast_to(1.0, 3)], [np.ones(3)]), TypeError, "read-only"),
])
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()
