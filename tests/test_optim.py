"""Every row of the optimizer table: the path of 50 updates, in place; state; errors."""
import numpy as np
import pytest
from optimtable import ROWS

import cdl

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
        params = [row.formula(p, g.astype(np.float64), s, t) for p, g, s in zip(params, grads, states, strict=True)]
    return params


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


@EACH
def test_same_bits_for_every_thread_count(row):
    rng = np.random.default_rng(2)
    p0, g = rng.standard_normal((600, 700)).astype(np.float32), rng.standard_normal((600, 700)).astype(np.float32)
    before, results = cdl.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 5, 8):
            cdl.set_num_threads(threads)
            p = p0.copy()
            optimizer = row.make([p])
            for _ in range(3):
                optimizer.update([p], [g])
            results.append(p)
    finally:
        cdl.set_num_threads(before)
    assert all(np.array_equal(results[0], p) for p in results[1:])


@EACH
def test_agrees_with_torch(row):
    torch = pytest.importorskip("torch")
    params = start(np.float32)
    theirs = [torch.tensor(p.copy(), requires_grad=True) for p in params]
    mine, other = row.make(params), row.torch(torch, theirs)
    for grads in gradients(np.float32):
        mine.update(params, grads)
        for t, g in zip(theirs, grads, strict=True):
            t.grad = torch.tensor(g)
        other.step()
    for p, t in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p, t.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_parameters_without_gradient_stay():
    a, b = (cdl.Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = cdl.Adam([a, b], lr=0.5)
    a.grad = np.ones(1)
    optimizer.step()
    assert a.item() != 1.0 and b.item() == 1.0
    optimizer.zero_grad()
    assert a.grad is None


def test_a_step_between_forward_and_backward_is_refused():
    w = cdl.Tensor([2.0], requires_grad=True)
    y = cdl.matmul(cdl.Tensor([1.0], requires_grad=True), w)
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


def test_nan_in_a_gradient_is_not_hidden():
    p = [np.ones(3, np.float32)]
    cdl.Adam(p).update(p, [np.array([0.0, np.nan, 1.0])])
    assert np.isnan(p[0]).tolist() == [False, True, False]


@pytest.mark.parametrize("make, error, words", [
    (lambda: cdl.Adam(np.ones(3)), TypeError, "list of parameters"),
    (lambda: cdl.Adam([np.ones(3, int)]), TypeError, "float32 or float64"),
    (lambda: cdl.Adam([np.ones(3)], lr=-1), ValueError, "lr must be 0 or more"),
    (lambda: cdl.Adam([np.ones(3)], lr=float("nan")), ValueError, "lr must be 0 or more"),
    (lambda: cdl.Adam([np.ones(3)], beta1=1.0), ValueError, r"beta1 must be in \[0, 1\)"),
    (lambda: cdl.Adam([np.ones(3)], weight_decay=-1.0), ValueError, "weight decay must be 0 or more"),
    (lambda: cdl.SGD([np.ones(3)], momentum=1.5), ValueError, "momentum must be in"),
    (lambda: cdl.SGD([np.ones(3)], nesterov=True), ValueError, "needs momentum"),
    (lambda: cdl.SGD([np.ones(3)]).step(), TypeError, "need Tensors"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.ones(3)], []), ValueError, "1 and 0 gradients"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.ones(3)], [np.ones(4)]), ValueError, r"shape \(3,\), its gradient \(4,\)"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.ones(4)], [np.ones(4)]), ValueError, r"was float64 of shape \(3,\)"),
    (lambda: cdl.SGD([np.ones(3)]).update([[1.0, 2.0, 3.0]], [np.ones(3)]), TypeError, "changed in place, got list"),
    (lambda: cdl.SGD([np.ones(3)]).update([np.broadcast_to(1.0, 3)], [np.ones(3)]), TypeError, "read-only"),
    (lambda: cdl.SGD([np.ones(3)]).load_state_dict({"t": 1, "state": []}), ValueError, "for 0 parameters"),
])
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.slots])
@pytest.mark.parametrize("dtype, small", [(np.float32, 1e-29), (np.float64, 1e-299)])
def test_moments_without_gradient_fade_to_nothing_and_not_to_subnormals(row, dtype, small):
    """Subnormal numbers would stay for ever, and take twenty times as long."""
    p = np.zeros(40, dtype)
    optimizer = row.make([p])
    optimizer.update([p], [np.full(40, small, dtype)])
    assert np.all(optimizer.state_dict()["state"][0][0] > 0)
    for _ in range(60):
        p[...] = 0      # so that no decay renews the gradient
        optimizer.update([p], [np.zeros(40, dtype)])
    np.testing.assert_array_equal(optimizer.state_dict()["state"][0][0], 0)
