"""Code written for NumPy runs on Tensors as it stands: values, dtypes, gradients of every idiom; what is refused."""
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cdl
from cdl._core.tensor import METHODS

A, B, C = (3, 4), (4, 5), (2, 3, 4)
MASK = np.arange(12).reshape(3, 4) % 3 == 0
# name: (function of the arrays, their shapes)
IDIOMS = {
    "exp": (np.exp, A), "log": (np.log, A), "log1p": (np.log1p, A), "expm1": (np.expm1, A), "sqrt": (np.sqrt, A),
    "abs": (lambda x: np.abs(x - 1.0), A), "tanh": (np.tanh, A), "square": (np.square, A), "negative": (np.negative, A),
    "sin": (np.sin, A), "cos": (np.cos, A), "reciprocal": (np.reciprocal, A),
    "add": (np.add, A, A), "subtract": (np.subtract, A, (4,)), "multiply": (np.multiply, A, (3, 1)),
    "divide": (np.divide, A, A), "power": (np.power, A, A), "maximum": (np.maximum, A, A),
    "minimum": (np.minimum, A, (4,)),
    "clip": (lambda x: np.clip(x, 0.8, 1.7), A), "clip below": (lambda x: np.clip(x, 1.1, None), A),
    "where": (lambda x, y: np.where(MASK, x, y), A, A), "where a number": (lambda x: np.where(x > 1.0, x, 0.0), A),
    "sum": (np.sum, A), "sum axis": (lambda x: np.sum(x, axis=0), C),
    "sum keepdims": (lambda x: np.sum(x, 1, keepdims=True), C),
    "sum axes": (lambda x: np.sum(x, axis=(0, -1)), C), "mean": (np.mean, A),
    "mean axis": (lambda x: np.mean(x, axis=0), C),
    "var": (lambda x: np.var(x, axis=0), A), "var ddof": (lambda x: np.var(x, axis=1, ddof=1), A), "std": (np.std, A),
    "max": (lambda x: np.max(x, axis=1), A), "min": (np.min, A), "prod": (lambda x: np.prod(x, axis=0), A),
    "cumsum": (lambda x: np.cumsum(x, axis=1), A), "add.reduce": (np.add.reduce, C),
    "amax": (lambda x: np.amax(x, axis=0), A),
    "add.reduce axis": (lambda x: np.add.reduce(x, axis=(0, 1)), C), "maximum.reduce": (np.maximum.reduce, A),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, axis=1, keepdims=True), A),
    "minimum.reduce": (np.minimum.reduce, A),
    "add.reduce all": (lambda x: np.add.reduce(x, axis=None), C), "multiply.outer": (np.multiply.outer, (2,), (2, 3)),
    "norm": (np.linalg.norm, A), "norm axis": (lambda x: np.linalg.norm(x, axis=-1), A),
    "dot": (np.dot, A, B), "dot vectors": (np.dot, (4,), (4,)), "dot many axes": (np.dot, C, (5, 4, 2)),
    "dot number": (lambda x: np.dot(x, 2.0), A), "matmul": (np.matmul, C, B),
    "matmul operator": (lambda x, y: x @ y, A, B),
    "outer": (np.outer, (3,), (2, 2)), "inner": (np.inner, A, (2, 4)), "vdot": (np.vdot, A, A),
    "tensordot": (lambda x, y: np.tensordot(x, y, axes=((1, 2), (0, 1))), C, (3, 4, 2)),
    "tensordot 1": (lambda x, y: np.tensordot(x, y, axes=1), C, B),
    "tensordot 0": (lambda x, y: np.tensordot(x, y, 0), (2,), (3,)),
    "multi_dot": (lambda x, y, z: np.linalg.multi_dot([x, y, z]), A, B, (5, 2)),
    "concatenate": (lambda x, y: np.concatenate([x, y], axis=1), A, (3, 2)),
    "stack": (lambda x, y: np.stack([x, y]), A, A),
    "split": (lambda x: np.split(x, 2, axis=1)[1], A), "transpose": (np.transpose, C),
    "reshape": (lambda x: np.reshape(x, -1), C),
    "transpose axes": (lambda x: np.transpose(x, axes=(0, 2, 1)), C), "swapaxes": (lambda x: np.swapaxes(x, 0, 2), C),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1), C), "ravel": (np.ravel, C), "squeeze": (np.squeeze, (1, 3, 1)),
    "expand_dims": (lambda x: np.expand_dims(x, axis=1), A), "take": (lambda x: np.take(x, [1, 1, 0], axis=0), A),
    "pad": (lambda x: np.pad(x, ((1, 0), (2, 1))), A), "flip": (lambda x: np.flip(x, axis=1), A),
    "trace": (np.trace, A),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3, 4)), A), "diff": (np.diff, A),
    "diff 2": (lambda x: np.diff(x, 2, 0), A),
    "copy": (np.copy, A), "T": (lambda x: x.T @ x, A), "slice": (lambda x: x[1:, ::2] * 2.0, A),
    "binary cross-entropy": (lambda p: -np.mean(MASK * np.log(p) + (1 - MASK) * np.log(1 - p)), A),
    "softmax": (lambda x: np.exp(x - np.max(x, axis=-1, keepdims=True))
                / np.sum(np.exp(x - np.max(x, axis=-1, keepdims=True)), axis=-1, keepdims=True), A),
    "normalise": (lambda x: (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 1e-5), A),
    "attention": (lambda q, k: np.matmul(q, k.transpose(0, 2, 1)) / np.sqrt(q.shape[-1]), C, (2, 5, 4)),
    "array on the left": (lambda x: MASK.astype(x.dtype) * x + np.ones(4, x.dtype) / x, A),
    "NumPy number on the left": (lambda x: x.dtype.type(2) - x + x.dtype.type(3) ** x, A),
    "number": (lambda x: 2 / x - 1, A),
    "in place": (lambda x: functools.reduce(_added, [x, x, x]), A), "array in place": (lambda x: _added(x * 1.0, x), A),
}
CASES = [pytest.param(f, shapes, id=name) for name, (f, *shapes) in IDIOMS.items()]


def _added(total, x):
    total = total * 1.0
    total += x
    return total


def draw(shapes, dtype, seed=0):
    """Numbers from 0.2 to 0.9: off every kink above, and in the domain of log(1 - x)."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.2, 0.9, shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f, shapes", CASES)
def test_values_and_dtypes(f, shapes, dtype):
    arrays = draw(shapes, dtype)
    wanted = f(*(x.astype(np.float64) for x in arrays))
    got = f(*map(cdl.Tensor, arrays))
    assert isinstance(got, cdl.Tensor)
    assert got.dtype == (np.float64 if f is IDIOMS["attention"][0] else dtype)      # np.sqrt(4) is a float64, and strong
    assert got.shape == np.shape(wanted)
    bound = 2e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got.numpy(), wanted, rtol=bound, atol=bound)


@pytest.mark.parametrize("f, shapes", CASES)
def test_gradients(f, shapes):
    assert cdl.gradcheck(f, draw(shapes, np.float64))


@pytest.mark.parametrize("f, shapes", [case for case in CASES if len(case.values[1]) > 1])
def test_one_operand_may_be_an_array(f, shapes):
    arrays = draw(shapes, np.float64)
    for k in range(len(arrays)):
        mixed = [cdl.Tensor(x, requires_grad=True) if i == k else x for i, x in enumerate(arrays)]
        y = f(*mixed)
        assert isinstance(y, cdl.Tensor)
        y.sum().backward()
        assert mixed[k].grad.shape == arrays[k].shape


# --- what has no derivative -------------------------------------------------------------------------------------------
X = np.array([[1.0, -2.0, np.nan], [np.inf, 0.0, 2.5]])
TENSORS = {
    "less": lambda x: np.less(x, 1.0), "equal": lambda x: np.equal(x, x), "isnan": np.isnan, "isfinite": np.isfinite,
    "isinf": np.isinf, "logical_not": np.logical_not, "logical_and": lambda x: np.logical_and(x > 0, x < 2),
    "argmax": lambda x: np.argmax(x, axis=1), "argmin": np.argmin, "argsort": np.argsort, "zeros_like": np.zeros_like,
    "ones_like": np.ones_like, "full_like": lambda x: np.full_like(x, 2.5), "isclose": lambda x: np.isclose(x, x),
    "zeros_like shape": lambda x: np.zeros_like(x, shape=(2, 2)),
    "zeros_like dtype": lambda x: np.zeros_like(x, dtype=int),
    "any": lambda x: np.any(x > 1, axis=0), "all": lambda x: np.all(x > 1, axis=0), "trunc": np.trunc,
    "count_nonzero": lambda x: np.count_nonzero(x, axis=0), "searchsorted": lambda x: np.searchsorted([0.0, 1.0], x),
    "not a mask": lambda x: ~(x > 1), "either": lambda x: (x > 1) | (x < 0), "logical_or.reduce": lambda x:
    np.logical_or.reduce(x > 1),
}
PLAIN = {
    "shape": np.shape, "ndim": np.ndim, "size": np.size, "array_equal": lambda x: np.array_equal(x, x),
    "allclose": lambda x: np.allclose(x, x, equal_nan=True), "nonzero": lambda x: np.nonzero(x > 0)[0].tolist(),
    "result_type": lambda x: np.result_type(x, np.float32), "array2string": np.array2string,
}


@pytest.mark.parametrize("name", TENSORS)
def test_without_derivative(name):
    t = cdl.Tensor(X, requires_grad=True)
    with np.errstate(invalid="ignore"):
        wanted = TENSORS[name](X)
        got = TENSORS[name](t)
    assert isinstance(got, cdl.Tensor)
    assert not got.requires_grad
    assert got.dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_answers(name):
    got = PLAIN[name](cdl.Tensor(X, requires_grad=True))
    assert not isinstance(got, cdl.Tensor)
    assert got == PLAIN[name](X)


def test_integers_have_no_gradient_to_lose():
    labels = cdl.Tensor([3, 1, 3])
    for got, wanted in ((labels % 2, [1, 1, 1]), (7 // labels, [2, 7, 2]), (np.unique(labels), [1, 3]),
                        (labels & 1, [1, 1, 1]), (2 ^ labels, [1, 3, 1]), (np.bincount(labels), [0, 1, 0, 2])):
        assert isinstance(got, cdl.Tensor)
        assert got.tolist() == wanted
    with pytest.raises(TypeError, match=r"np\.putmask: not supported"):
        np.putmask(labels, labels > 1, 0)


def test_empty_like_has_the_shape_and_dtype():
    y = np.empty_like(cdl.Tensor(np.ones((2, 3), np.float32)))
    assert (y.shape, y.dtype, y.requires_grad) == ((2, 3), np.float32, False)


# --- what is refused --------------------------------------------------------------------------------------------------
REFUSED = {
    "unknown ufunc": (lambda t: np.arctan2(t, t), r"np\.arctan2: not supported on a Tensor"),
    "nearest": (lambda t: np.nansum(t), r"the nearest that is: np\.sum; np\.nansum\(t\.numpy\(\)\)"),
    "nearest in linalg": (lambda t: np.linalg.svd(t), r"np\.linalg\.svd: not supported"),
    "ufunc.at": (lambda t: np.add.at(t, [0], 1.0), "is not changed in place"),
    "reduceat": (lambda t: np.add.reduceat(t, [0]), r"np\.add\.reduceat: not supported"),
    "where=": (lambda t: np.exp(t, where=MASK), r"np\.exp: where= is not supported on a Tensor; use np\.where"),
    "order": (lambda t: np.reshape(t, (4, 3), order="F"), "only order 'C', got 'F'"),
    "option": (lambda t: np.sum(t, initial=3.0), "initial"),
    "integer dtype": (lambda t: np.sum(t, dtype=np.int64), "would lose the gradient"),
    "out array": (lambda t: np.exp(t, out=np.zeros((3, 4))), "would lose the gradient"),
    "out Tensor": (lambda t: np.add(t, 1.0, out=t), "would lose the gradient"),
    "sum out": (lambda t: np.sum(t, out=np.zeros(())), "would lose the gradient"),
    "array in place": (lambda t: np.ones((3, 4)).__iadd__(t), "would lose the gradient"),
    "copyto": (lambda t: np.copyto(np.zeros((3, 4)), t), "would lose the gradient"),
    "writeable windows": (lambda t: np.lib.stride_tricks.sliding_window_view(t, 2, 0, writeable=True), "read only"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, words = REFUSED[name]
    t = cdl.Tensor(np.ones((3, 4)), requires_grad=True)
    with pytest.raises(TypeError, match=words):
        call(t)
    np.testing.assert_array_equal(t.numpy(), 1.0)


# --- options that work ------------------------------------------------------------------------------------------------
def test_dtype_option_computes_in_that_dtype():
    t = cdl.Tensor(np.full((1, 3), 0.1, np.float32), requires_grad=True)
    y = np.sum(t, dtype=np.float64)
    assert y.dtype == np.float64
    y.backward()
    assert t.grad.dtype == np.float32
    assert np.exp(t, dtype=np.float64).dtype == np.float64


def test_out_of_what_is_not_followed():
    t = cdl.Tensor([1.0, 4.0])
    out = np.zeros(2)
    assert np.sqrt(t, out=out) is out
    np.testing.assert_array_equal(out, [1.0, 2.0])
    assert np.add(t, 1.0, out=t) is t
    np.testing.assert_array_equal(t.numpy(), [2.0, 5.0])
    array = np.ones(2)
    array += t
    np.testing.assert_array_equal(array, [3.0, 6.0])
    with pytest.raises(ValueError, match=r"out must have shape \(2,\), got \(3,\)"):
        np.sqrt(t, out=np.zeros(3))
    with pytest.raises(TypeError, match="out must hold float64, got int64"):
        np.sqrt(t, out=np.zeros(2, int))


def test_in_place_on_a_parameter_needs_no_grad():
    w = cdl.Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(RuntimeError, match="no_grad"):
        w += 1.0
    with cdl.no_grad():
        w += 1.0
        w -= np.float64(0.5) * np.ones(3)
    np.testing.assert_array_equal(w.numpy(), 1.5)


def test_every_method_is_bound_to_its_tensor():
    assert [name for name, method in METHODS.items() if not hasattr(method, "__get__")] == []
    t = cdl.Tensor([[1.0, 2.0], [3.0, 4.0]])
    for name, args in (("take", ([1, 0], 0)), ("reshape", (4,)), ("reshape", ((1, 4),)), ("transpose", ()), ("ravel", ()),
                       ("flatten", ()), ("squeeze", ()), ("swapaxes", (0, 1)), ("diagonal", ()), ("trace", ()),
                       ("repeat", (2,)), ("copy", ()), ("astype", (np.float32,)), ("dot", (np.ones(2),)), ("sum", (0,))):
        got, wanted = getattr(t, name)(*args), getattr(t.numpy(), name)(*args)
        assert isinstance(got, cdl.Tensor)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got.numpy(), wanted)
    np.testing.assert_array_equal(t.T.numpy(), t.numpy().T)


# --- assignment -------------------------------------------------------------------------------------------------------
def test_assignment_changes_in_place_and_the_tape_notices():
    t = cdl.Tensor(np.arange(12.0).reshape(3, 4))
    array = t.numpy().copy()
    for key, value in ((0, 5.0), ((slice(None), 1), [7.0, 8.0, 9.0]), (array > 8, -1.0), ((..., [0, 2]), 3.0)):
        t[key] = value
        array[key] = value
        np.testing.assert_array_equal(t.numpy(), array)
    t[cdl.Tensor([0, 2])] = cdl.Tensor(np.zeros(4))
    assert t.numpy()[[0, 2]].sum() == 0
    w = cdl.Tensor(np.ones((3, 4)), requires_grad=True)
    y = (w * t).sum()
    t[0] = 9.0
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_assignment_that_would_lose_a_gradient_is_refused():
    w = cdl.Tensor(np.ones(3), requires_grad=True)
    plain = cdl.Tensor(np.ones(3))
    with pytest.raises(RuntimeError, match="in-place change"):
        w[0] = 2.0
    with pytest.raises(RuntimeError, match="in-place change"):
        (w * 2.0)[0] = 2.0
    with pytest.raises(RuntimeError, match="the value is on the tape"):
        plain[0] = w[1]
    with cdl.no_grad():
        w[0] = 2.0
        plain[0] = w[0]
    np.testing.assert_array_equal(w.numpy(), plain.numpy() * [1.0, 1.0, 1.0])


@pytest.mark.parametrize("view", [lambda t: np.broadcast_to(t, (2, 3)),
                                  lambda t: np.lib.stride_tricks.sliding_window_view(t, 2)])
def test_views_that_repeat_memory_are_read_only(view):
    t = cdl.Tensor(np.arange(3.0))
    with pytest.raises(ValueError, match="same memory more than once"):
        view(t)[0] = 1.0
    np.testing.assert_array_equal(t.numpy(), np.arange(3.0))


def test_assignment_casts_nothing_silently():
    labels = cdl.Tensor([1, 2, 3])
    with pytest.raises(TypeError, match="float64 values do not fit a Tensor of int64"):
        labels[0] = 1.5
    labels[0] = 7
    assert labels.tolist() == [7, 2, 3]
    with pytest.raises(IndexError):
        labels[5] = 1


def test_a_mask_of_another_shape_and_other_bad_keys():
    t = cdl.Tensor(np.ones((3, 4)))
    for key, words in ((7, "index 7 is out of range for axis 0 with length 3"), ((0, -5), "axis 1 with length 4"),
                       (10**30, "out of range"), ((0, 0, 0), "too many indices: 3 for 2 axes"), (1.5, "got float"),
                       ("a", "got str"), ((..., ...), "only one ellipsis"), (np.ones(4, bool), r"mask of shape \(4,\)"),
                       (True, "a single True or False"), ([0, 9], "index 9 is out of range for length 3"),
                       (([0, 1], [0, 1, 2]), "do not broadcast"), (np.uint64(2**63), "out of range")):
        with pytest.raises(IndexError, match=words):
            t[key]


# --- shapes, strides and keys at random -------------------------------------------------------------------------------
ARRAYS = hnp.array_shapes(max_dims=4, max_side=4)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_basic_key_of_any_strided_view(data):
    shape = data.draw(ARRAYS)
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    t = cdl.Tensor(x, requires_grad=True)
    order = data.draw(st.permutations(range(x.ndim)))
    first = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6))
    view, seen = np.transpose(t, order), np.transpose(x, order)
    key = data.draw(hnp.basic_indices(seen.shape))
    for got, wanted in ((t[first], x[first]), (view[key], seen[key])):
        np.testing.assert_array_equal(got.numpy(), wanted)
    places = np.zeros(shape)
    np.transpose(places, order)[key] += np.arange(np.size(seen[key]), dtype=float).reshape(np.shape(seen[key]))
    view[key].backward(np.arange(np.size(seen[key]), dtype=float).reshape(np.shape(seen[key])))
    np.testing.assert_array_equal(t.grad.numpy(), places)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_integer_arrays_as_key(data):
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    key = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
    t = cdl.Tensor(x, requires_grad=True)
    y = t[key]
    np.testing.assert_array_equal(y.numpy(), x[key])
    y.backward(np.ones(y.shape))
    places = np.zeros(shape)
    np.add.at(places, key, 1.0)
    np.testing.assert_array_equal(t.grad.numpy(), places)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_reshape_of_any_strided_view(data):
    shape = data.draw(ARRAYS)
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    t = cdl.Tensor(x, requires_grad=True)
    order = data.draw(st.permutations(range(x.ndim)))
    step = data.draw(st.sampled_from([1, 2]))
    view, seen = np.transpose(t, order)[::step], np.transpose(x, order)[::step]
    factors, size = [], seen.size
    while size > 1:
        factors.append(data.draw(st.sampled_from([k for k in range(2, size + 1) if size % k == 0])))
        size //= factors[-1]
    for wanted in (tuple(factors), (-1, *factors[1:]), (1, *factors, 1)):
        if len(wanted) <= 8:
            np.testing.assert_array_equal(np.reshape(view, wanted).numpy(), seen.reshape(wanted))
    y = view.reshape(-1)
    y.backward(np.arange(float(y.size)))
    places = np.zeros(shape)
    np.transpose(places, order)[::step] = np.arange(float(y.size)).reshape(seen.shape)
    np.testing.assert_array_equal(t.grad.numpy(), places)


# --- einsum -----------------------------------------------------------------------------------------------------------
SUBSCRIPTS = [
    ("ij,jk->ik", A, B), ("ij,jk", A, B), ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", A), ("ij->", A), ("i->i", (3,)),
    ("bij,bjk->bik", C, (2, 4, 5)), ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 5)), ("i,j->ij", (3,), (4,)),
    ("ij,ij->i", A, A), ("ij,jk,kl->il", A, B, (5, 2)), ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("i,i", (4,), (4,)),
    ("ijk,ik->j", C, (2, 4)), ("iij,jk->ik", (3, 3, 4), (4, 2)), ("...,...", (3,), (3,)), ("ij,k->i", A, (2,)),
    ("ij,jk->k", (2, 1), A), ("ab,ab,ab->b", A, A, A), ("b...->...b", C), ("...j,j", C, (4,)), ("ij,jk->ki", A, B),
    (" i j , j k -> i k ", A, B), ("i,j,k->kji", (2,), (3,), (4,)), ("ij,ij->", A, A), (",i->i", (), (3,)),
]


@pytest.mark.parametrize("subscripts, shapes", [pytest.param(s, shapes, id=s) for s, *shapes in SUBSCRIPTS])
def test_einsum(subscripts, shapes):
    arrays = draw(shapes, np.float64)
    wanted = np.einsum(subscripts, *arrays)
    got = np.einsum(subscripts, *map(cdl.Tensor, arrays))
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)
    np.testing.assert_allclose(cdl.einsum(subscripts, *arrays), wanted, rtol=1e-12)
    assert cdl.gradcheck(lambda *xs: np.einsum(subscripts, *xs), arrays)


@pytest.mark.parametrize("subscripts, shapes", [
    ("ij,ij->i", ((3, 70_000), (3, 70_000))), ("i,i", ((100_003,), (100_003,))), ("ij,ji->j", ((40, 50), (50, 40))),
    ("ijk,ijk->i", ((2, 30, 40), (2, 30, 40))), ("ij,ij->ij", (A, A)), ("ij,ij->i", ((3, 0), (3, 0))),
    ("ij,ij->i", ((0, 3), (0, 3))), ("...i,...i->...", (C, C)), ("ii,ii->i", ((3, 3), (3, 3))),
])
def test_sums_of_products_in_float32(subscripts, shapes):
    arrays = draw(shapes, np.float32)
    tensors = [cdl.Tensor(x, requires_grad=True) for x in arrays]
    y = np.einsum(subscripts, *tensors)
    wanted = np.einsum(subscripts, *(x.astype(np.float64) for x in arrays))
    assert y.dtype == np.float32 and y.shape == wanted.shape
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-6, atol=1e-4)     # of 100,000 products with either sign
    g = draw((wanted.shape,), np.float32)[0]
    y.backward(g)
    letters, _, result = subscripts.partition("->")
    first, second = letters.split(",")
    if "." not in subscripts and len(set(first)) == len(first) and arrays[0].size < 5000:
        np.testing.assert_allclose(tensors[0].grad.numpy(), np.einsum(f"{result},{second}->{first}", g, arrays[1]),
                                   rtol=1e-5)


def test_sums_of_products_of_mixed_and_whole_numbers():
    x, n = draw((A,), np.float32)[0], np.arange(12).reshape(3, 4)
    for other in (n, n.astype(np.float64)):
        got = np.einsum("ij,ij->i", cdl.Tensor(x), cdl.Tensor(other))
        np.testing.assert_allclose(got.numpy(), (x * other).sum(1), rtol=1e-5)
    assert np.einsum("ij,ij->i", cdl.Tensor(n), cdl.Tensor(n)).tolist() == (n * n).sum(1).tolist()


def test_einsum_with_lists():
    x, y = draw((A, B), np.float64)
    got = np.einsum(cdl.Tensor(x), [0, 1], cdl.Tensor(y), [1, 2], [0, 2])
    np.testing.assert_allclose(got.numpy(), x @ y, rtol=1e-12)


@pytest.mark.parametrize("subscripts, shapes, words", [
    ("ij,jk->ik", (A,), "names 2 operands, got 1"), ("ijk->ik", (A,), "a letter for each of the operand's 2 axes"),
    ("ij,jk->ik", (A, A), "axis 'j' of 'ij,jk->ik' has length 4 and 3"), ("ij->k", (A,),
    "must name axes of the operands"),
    ("ij->ii", (A,), "each once"), ("...j->j", (C,), "must have '...' too"), ("i1->i", (A,), "a letter for each"),
    ("ii->i", (A,), "has length 3 and 4"),
])
def test_einsum_refuses(subscripts, shapes, words):
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        cdl.einsum(subscripts, *(cdl.Tensor(np.ones(s)) for s in shapes))
