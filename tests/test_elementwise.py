"""Elementwise ops beyond their rows: promotion, broadcasting, numbers, in-place changes, edge values."""
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cdl
from cdl import Tensor

F32, F64, I64, BOOL = (np.dtype(t) for t in (np.float32, np.float64, np.int64, np.bool_))
OPERATORS = (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow)
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow)
nan, inf = float("nan"), float("inf")


def unbroadcast(g, shape):
    """The sum of g over the axes along which an operand of `shape` was repeated."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


# --- dtypes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("a, b, wanted", [
    (F32, F32, F32), (F32, F64, F64), (F64, F32, F64), (F64, F64, F64),
    (F32, I64, F32), (I64, F32, F32), (F64, I64, F64), (BOOL, F32, F32), (F64, BOOL, F64),
    (I64, I64, I64), (I64, BOOL, I64), (BOOL, BOOL, BOOL),
])
@pytest.mark.parametrize("kind", ["tensor", "array", "mixed"])
def test_promotion(a, b, wanted, kind):
    x, y = np.ones(3, a), np.ones(3, b)
    left = x if kind == "array" else Tensor(x)
    right = Tensor(y) if kind == "tensor" else y
    for op in (cdl.ops.add, cdl.ops.multiply, cdl.maximum):
        z = op(left, right)
        assert z.dtype == wanted and z.shape == (3,)
        assert isinstance(z, np.ndarray if kind == "array" else Tensor)


@pytest.mark.parametrize("a, number, wanted", [
    (F32, 2.0, F32), (F32, 2, F32), (F32, True, F32), (F64, 2.0, F64), (F32, np.float64(2), F64),
    (F32, np.float32(2), F32), (F64, np.float32(2), F64),
    (I64, 2, I64), (I64, 2.0, F32), (BOOL, 1.0, F32), (BOOL, 1, I64),
    (I64, np.float64(2), F64),
])
def test_python_numbers_are_weak_and_numpy_scalars_strong(a, number, wanted):
    t = Tensor(np.ones(3, a))
    for z in (t + number, number + t, t * number, number * t):
        assert isinstance(z, Tensor) and z.dtype == wanted
        assert z.shape == (3,)


def test_integers_divide_into_float32():
    z = Tensor([1, 2]) / Tensor([2, 4])
    assert z.dtype == F32 and z.tolist() == [0.5, 0.5]


def test_integers_have_numpys_own_results_and_errors():
    t = Tensor([2, -3])
    assert (t ** 2).tolist() == [4, 9] and (-t).tolist() == [-2, 3] and abs(t).tolist() == [2, 3]
    assert cdl.ops.sign(t).dtype == I64 and cdl.ops.floor(t).tolist() == [2, -3]
    with pytest.raises(ValueError, match="negative integer powers"):
        t ** -1
    with pytest.raises(TypeError, match="boolean subtract"):
        Tensor([True]) - Tensor([False])


def test_the_gradient_comes_back_in_the_operands_dtype():
    a, b = Tensor(np.ones(3, F32), requires_grad=True), Tensor(np.full(3, 2.0), requires_grad=True)
    (a * b).backward(np.ones(3))
    assert a.grad.dtype == F32 and b.grad.dtype == F64
    assert a.grad.tolist() == [2.0] * 3


def test_what_is_no_operand_is_refused():
    t = Tensor([1.0])
    for wrong in (None, "x", object()):
        for op in OPERATORS:
            with pytest.raises(TypeError):
                op(t, wrong)
            with pytest.raises(TypeError):
                op(wrong, t)
    with pytest.raises(TypeError, match="add: expected arrays or numbers, got Tensor and NoneType"):
        cdl.ops.add(t, None)


def test_floor_division_has_no_gradient_and_the_remainder_is_refused():
    t = Tensor([5.0, 7.0], requires_grad=True)
    assert (t // 2).tolist() == [2, 3] and not (t // 2).requires_grad
    with pytest.raises(TypeError, match="remainder"):
        np.remainder(t, 2)


def test_an_unknown_type_may_answer_itself():
    class Symbol:
        def __radd__(self, other):
            return "mine"

        def __eq__(self, other):
            return "mine"

        __hash__ = None

    assert Tensor([1.0]) + Symbol() == "mine"
    assert (Tensor([1.0]) == Symbol()) == "mine"


def test_a_number_in_is_a_numpy_number_out():
    assert type(cdl.relu(60.0)) is np.float64 and cdl.relu(60.0) == 60.0
    assert type(cdl.ops.add(1.5, 2)) is np.float64
    assert type(cdl.ops.add(1, 2)) is np.int64
    assert type(cdl.exp(np.float32(0))) is np.float32


# --- broadcasting -----------------------------------------------------------------------------------------------------
@st.composite
def two_shapes(draw):
    """Two shapes that broadcast, of up to 5 axes."""
    whole = draw(st.lists(st.integers(1, 5), max_size=5))
    shapes = []
    for _ in range(2):
        kept = [1 if draw(st.booleans()) else n for n in whole]
        shapes.append(tuple(kept[draw(st.integers(0, len(kept))):]))
    return shapes


@settings(max_examples=300, deadline=None, derandomize=True)
@given(two_shapes(), st.sampled_from(["add", "subtract", "multiply", "divide", "maximum", "where"]), st.randoms())
def test_broadcasting(shapes, name, random):
    rng = np.random.default_rng(random.randint(0, 999))
    a, b = (rng.uniform(0.5, 2.0, s) for s in shapes)
    mask = rng.random(np.broadcast_shapes(*shapes)) < 0.5
    ta, tb = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    if name == "where":
        y, ref = cdl.where(mask, ta, tb), np.where(mask, a, b)
        da, db = mask, ~mask
    else:
        y, ref = getattr(cdl.ops, name)(ta, tb), getattr(np, name)(a, b)
        da, db = {"add": (1, 1), "subtract": (1, -1), "multiply": (b, a), "divide": (1 / b, -a / b ** 2),
                  "maximum": (a > b, b > a)}[name]
    assert y.shape == ref.shape
    np.testing.assert_array_equal(y.numpy(), ref)
    g = rng.standard_normal(ref.shape)
    y.backward(g)
    np.testing.assert_allclose(ta.grad.numpy(), unbroadcast(g * da, a.shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(tb.grad.numpy(), unbroadcast(g * db, b.shape), rtol=1e-12, atol=1e-12)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_views_with_gaps(shape, data):
    """Operands that are slices, transposes and repeats of larger arrays."""
    rng = np.random.default_rng(0)
    operands = []
    for _ in range(2):
        wide = rng.uniform(0.5, 2.0, [2 * n for n in shape])
        cut = tuple(data.draw(st.sampled_from([slice(None, n), slice(None, None, 2), slice(n, None)])) for n in shape)
        x = wide[cut]
        if data.draw(st.booleans()):
            x = np.broadcast_to(x[..., :1], x.shape)
        if data.draw(st.booleans()):
            x = wide.transpose()[tuple(slice(None, n) for n in reversed(shape))].transpose()
        operands.append(x)
    a, b = operands
    np.testing.assert_array_equal(cdl.ops.multiply(a, b), a * b)
    np.testing.assert_array_equal(cdl.where(a > b, a, b), np.where(a > b, a, b))


@pytest.mark.parametrize("dtype, bound", [(np.float32, 3e-7), (np.float64, 1e-15)])
@pytest.mark.parametrize("shapes", [((200000, 3), (3,)), ((200000, 70), (70,)), ((3, 200000), (3, 1)), ((600000,), ()),
                                    ((4, 50000, 3), (4, 1, 3))])
def test_long_sums_of_gradients_stay_exact(shapes, dtype, bound):
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 1.5, s).astype(dtype) for s in shapes)
    t = Tensor(b, requires_grad=True)
    (Tensor(a) * t).backward(np.ones(shapes[0], dtype))
    wanted = unbroadcast(a.astype(np.longdouble), shapes[1])
    assert np.max(np.abs(t.grad.numpy() - wanted) / wanted) < bound


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"multiply: shapes \(3, 4\) and \(3,\) do not broadcast"):
        Tensor(np.ones((3, 4))) * np.ones(3)
    with pytest.raises(ValueError, match=r"where: shapes \(2,\) and \(\) and \(3,\) do not broadcast"):
        cdl.where(np.ones(3), Tensor([1.0, 2.0]), 0.0)


# --- gradients --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function, slope", [
    (lambda t: t * 3.0, lambda x: 3 + 0 * x), (lambda t: 3.0 * t, lambda x: 3 + 0 * x),
    (lambda t: t + 3, lambda x: 1 + 0 * x),
    (lambda t: 3 - t, lambda x: -1 + 0 * x), (lambda t: t - 3, lambda x: 1 + 0 * x),
    (lambda t: t / 4, lambda x: 0.25 + 0 * x),
    (lambda t: 4 / t, lambda x: -4 / x ** 2), (lambda t: t ** 3, lambda x: 3 * x ** 2),
    (lambda t: 2.0 ** t, lambda x: np.log(2) * 2 ** x), (lambda t: cdl.maximum(t, 1.0), lambda x: (x > 1) * 1.0),
    (lambda t: cdl.minimum(1, t), lambda x: (x < 1) * 1.0), (lambda t: t * t, lambda x: 2 * x),
    (lambda t: t + t, lambda x: 2 + 0 * x), (lambda t: t / t, lambda x: 0 * x), (lambda t: -t, lambda x: -1 + 0 * x),
    (lambda t: cdl.where(t > 1, t * 2, 0.5), lambda x: (x > 1) * 2.0),
    (lambda t: t.astype("float32") * 2, lambda x: 2 + 0 * x),
    (lambda t: t.clip(0.7, 1.5), lambda x: ((x > 0.7) & (x < 1.5)) * 1.0),
    (lambda t: t.clip(max=1), lambda x: (x < 1) * 1.0),
    (lambda t: t.clip(np.full(40, 0.7), None), lambda x: (x > 0.7) * 1.0),
])
def test_gradients_of_numbers_and_repeated_operands(function, slope):
    x = np.linspace(0.5, 2.01, 40)      # on none of the kinks
    t = Tensor(x, requires_grad=True)
    function(t).backward(np.ones(40))
    np.testing.assert_allclose(t.grad.numpy(), slope(x), rtol=1e-12, atol=1e-12)


def test_only_wanted_gradients_are_computed():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0])
    for op in (*OPERATORS, lambda x, y: cdl.where([True, False], x, y)):
        op(a, b).backward(np.ones(2))
        op(b, a).backward(np.ones(2))
    assert b.grad is None and a.grad is not None
    assert not (b + b).requires_grad
    with cdl.no_grad():
        assert not (a * b).requires_grad and not (a * 2).requires_grad and not cdl.exp(a).requires_grad


def test_gradients_do_not_share_memory():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    (a + b).backward(np.ones(2))
    a.grad.data[0] = 7
    assert b.grad.tolist() == [1.0, 1.0]


def test_a_value_changed_before_the_backward_is_noticed():
    w, x = Tensor([2.0], requires_grad=True), Tensor([3.0])
    for y in (x * w, w / x, cdl.maximum(w, x)):
        x += 1.0
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward()
    (x + w).backward()                          # a sum reads no value …
    y = w * 2.0
    with cdl.no_grad():
        w += 1.0
    y.backward()                                # … nor does a product with a number
    assert w.grad.tolist() == [3.0]


# --- in place ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("op", IN_PLACE)
@pytest.mark.parametrize("other", [2, 2.5, np.full((3, 4), 2.0, F32), np.full(4, 2.0, F32), np.full((3, 4), 2.0),
                                   np.full((3, 1), 2, I64), Tensor(np.full((3, 4), 2.0, F32)), Tensor(2.0)])
def test_a_plain_tensor_changes_in_place(op, other):
    start = np.arange(12, dtype=F32).reshape(3, 4) + 1
    x = Tensor(start)
    same, memory = x, x.numpy()
    x = op(x, other)
    assert x is same and x.dtype == F32
    wanted = start.copy()
    wanted = op(wanted, np.asarray(other).astype(F32))
    np.testing.assert_allclose(memory, wanted, rtol=1e-6)


def test_views_change_what_they_view():
    x = Tensor(np.zeros((3, 4), F32))
    row, column = x.detach()[1], x.detach()[:, 2]
    row += 1
    column += Tensor(np.full(3, 2.0, F32))
    assert x.numpy()[1].tolist() == [1, 1, 3, 1] and x.numpy()[0, 2] == 2


def test_an_operand_that_overlaps_is_read_before_it_is_written():
    memory = np.arange(6.0)
    x = Tensor(memory)
    a, b = x[:5], x[1:]
    b += a
    np.testing.assert_array_equal(x.numpy()[1:], memory[1:] + memory[:5])
    x = Tensor(np.ones((3, 2)))
    x += x[0]
    assert x.tolist() == [[2, 2]] * 3
    x *= x
    assert x.tolist() == [[4, 4]] * 3


def test_a_recorded_tensor_is_bound_anew():
    w = Tensor([1.0, 2.0], requires_grad=True)
    x = w * 1.0
    before = x
    x += w
    x *= 2
    assert x is not before and before.tolist() == [1, 2]
    x.backward(np.ones(2))
    assert w.grad.tolist() == [4.0, 4.0]
    plain = Tensor([1.0, 1.0])
    old = plain
    plain *= w
    assert plain is not old and plain.requires_grad and old.tolist() == [1, 1]


def test_a_leaf_that_requires_a_gradient_changes_only_under_no_grad():
    w = Tensor([1.0, 2.0], requires_grad=True)
    same = w
    for op in IN_PLACE:
        with pytest.raises(RuntimeError, match=r"x = x \+ y .*no_grad"):
            op(w, 2.0)
    assert w.tolist() == [1, 2]
    with cdl.no_grad():
        w -= 0.5
        w *= Tensor([2.0, 2.0])
        w += np.ones(2)
    assert w is same and w.tolist() == [2, 4] and w.requires_grad and w.is_leaf


def test_in_place_refuses_another_shape_or_a_float_in_integers():
    with pytest.raises(ValueError, match=r"result has shape \(3, 2\), this Tensor \(2,\)"):
        operator.iadd(Tensor([1.0, 2.0]), np.ones((3, 2)))
    with pytest.raises(TypeError, match="result is float32, this Tensor int64"):
        operator.itruediv(Tensor([1, 2]), 2)
    with pytest.raises(TypeError):
        operator.iadd(Tensor([1.0]), None)
    ids = Tensor([1, 2])
    same = ids
    ids += 1
    assert ids is same and ids.tolist() == [2, 3]


# --- comparisons ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge])
def test_comparisons(op):
    x, y = np.array([1.0, 2.0, nan]), np.array([2.0, 2.0, nan])
    t = Tensor(x, requires_grad=True)
    for other in (y, Tensor(y), 2.0, 2, [2.0, 2.0, nan]):
        z = op(t, other)
        assert isinstance(z, Tensor) and z.dtype == BOOL and not z.requires_grad
        np.testing.assert_array_equal(z.numpy(), op(x, np.asarray(other)))
    assert op(x, t).tolist() == op(x, x).tolist()


def test_a_tensor_equals_neither_none_nor_a_string():
    t = Tensor([1.0])
    assert (t == None) is False and (t != "x") is True      # noqa: E711
    with pytest.raises(TypeError):
        t < None                                            # noqa: B015


# --- where, clip, astype ----------------------------------------------------------------------------------------------
def test_where_takes_every_kind_of_condition():
    a, b = np.array([1.0, 2.0, 3.0], F32), np.zeros(3, F32)
    for condition in ([True, False, True], np.array([1, 0, 5]), Tensor([1.0, 0.0, nan]), Tensor([True, False, True])):
        assert np.asarray(cdl.where(condition, a, b)).tolist() == [1, 0, 3]
    assert cdl.where(True, 1.5, 2).dtype == F64 and cdl.where([True, False], 1, 2).tolist() == [1, 2]
    assert cdl.where([True], Tensor([1]), Tensor([2.5])).dtype == F64
    assert isinstance(cdl.where(Tensor([True]), a[:1], b[:1]), Tensor)
    assert cdl.where([True, False, True], a, 0).dtype == F32


def test_where_stops_nan():
    x = Tensor([-1.0, 4.0], requires_grad=True)
    y = cdl.where(x > 0, cdl.sqrt(cdl.where(x > 0, x, 1.0)), 0.0)
    y.backward(np.ones(2))
    assert y.tolist() == [0, 2] and x.grad.tolist() == [0, 0.25]


def test_clip_follows_numpy():
    x = np.array([-2.0, 0.0, 3.0, nan, inf, -inf])
    for bounds in ((-1, 1), (None, 1), (-1, None), (2, 1), (np.zeros(6), 1.0), (None, np.arange(6.0))):
        np.testing.assert_array_equal(cdl.clip(x, *bounds), np.clip(x, *bounds))
        np.testing.assert_array_equal(np.clip(Tensor(x), *bounds).numpy(), np.clip(x, *bounds))
    np.testing.assert_array_equal(cdl.clip(x), x)
    np.testing.assert_array_equal(np.clip(Tensor(x), a_min=0, a_max=1).numpy(), np.clip(x, 0, 1))


def test_astype_copies_and_converts():
    x = Tensor([1.5, -2.5], requires_grad=True)
    for dtype in ("float32", "float64", np.int64, bool):
        y = x.astype(dtype)
        assert y.dtype == np.dtype(dtype) and not np.shares_memory(y.numpy(), x.numpy())
        np.testing.assert_array_equal(y.numpy(), x.numpy().astype(dtype))
        assert y.requires_grad == (y.dtype.kind == "f")
    assert cdl.astype(np.array([True, False]), "float32").tolist() == [1, 0]
    assert cdl.astype(np.arange(3), "float64").dtype == F64
    with pytest.raises(TypeError, match="dtype must be"):
        x.astype("complex64")


# --- edge values ------------------------------------------------------------------------------------------------------
EDGES = np.array([nan, inf, -inf, 0.0, -0.0, 1e-40, -1e-40, 1e38, -1e38, 1.0, -1.0, 90.0, -110.0, 5e-324, 1e308, 800.0])
SAME = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "square", "reciprocal", "negative", "abs",
        "floor", "ceil", "round", "sin", "cos", "tanh")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SAME)
def test_edge_values_are_numpys(name, dtype):
    with np.errstate(all="ignore"):
        x = EDGES.astype(dtype)
        wanted = getattr(np, name)(x)
    got = getattr(cdl.ops, name)(x)
    np.testing.assert_allclose(got, wanted, rtol=1e-6 if dtype is np.float32 else 1e-14, atol=5e-324)
    np.testing.assert_array_equal(np.signbit(got[wanted == 0]), np.signbit(wanted[wanted == 0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"])
def test_edge_values_of_two_operands_are_numpys(name, dtype):
    with np.errstate(all="ignore"):
        x = EDGES.astype(dtype)
        a, b = (v.ravel() for v in np.meshgrid(x, x))
        wanted = getattr(np, name)(a, b)
    np.testing.assert_allclose(getattr(cdl.ops, name)(a, b), wanted, rtol=2e-6 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("name, at, wanted, slope", [
    ("relu", [nan, inf, -inf, 0.0, -1.0], [nan, inf, 0, 0, 0], [1, 1, 0, 0, 0]),
    ("leaky_relu", [nan, inf, -inf, 0.0, -1.0], [nan, inf, -inf, 0, -0.01], [None, 1, 0.01, 0.01, 0.01]),
    ("abs", [inf, -inf, 0.0, -0.0], [inf, inf, 0, 0], [1, -1, 0, 0]),
    ("sigmoid", [nan, inf, -inf, 1000.0, -1000.0], [nan, 1, 0, 1, 0], [nan, 0, 0, 0, 0]),
    ("softplus", [nan, inf, -inf, 1000.0, -1000.0], [nan, inf, 0, 1000, 0], [nan, 1, 0, 1, 0]),
    ("log_sigmoid", [nan, inf, -inf, 1000.0, -1000.0], [nan, 0, -inf, 0, -1000], [nan, 0, 1, 0, 1]),
    ("gelu", [nan, inf, -inf, 100.0, -100.0], [nan, inf, 0, 100, 0], [nan, 1, 0, 1, 0]),
    ("silu", [nan, inf, -inf, 100.0, -1000.0], [nan, inf, 0, 100, 0], [nan, 1, 0, 1, 0]),
    ("elu", [nan, inf, -inf, 0.0], [nan, inf, -1, 0], [nan, 1, 0, 1]),
    ("hard_sigmoid", [nan, inf, -inf, 3.0, -3.0], [nan, 1, 0, 1, 0], [None, 0, 0, 0, 0]),
    ("hard_swish", [nan, inf, -100.0, 100.0], [nan, inf, 0, 100], [None, 1, 0, 1]),
    ("relu6", [nan, inf, -inf, 6.0, 0.0], [nan, 6, 0, 6, 0], [None, 0, 0, 0, 0]),
    ("tanh", [nan, inf, -inf, 0.0], [nan, 1, -1, 0], [nan, 0, 0, 1]),
    ("sqrt", [0.0, 4.0], [0, 2], [inf, 0.25]),
])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kinks_and_limits(name, at, wanted, slope, dtype):
    t = Tensor(np.array(at, dtype), requires_grad=True)
    y = getattr(cdl.ops, name)(t)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-6)
    y.backward(np.ones(len(at), dtype))
    for got, expected in zip(t.grad.tolist(), slope, strict=True):
        if expected is not None:
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_equal_operands_share_the_gradient():
    for op in (cdl.maximum, cdl.minimum):
        a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        op(a, b).backward()
        assert a.grad.item() == b.grad.item() == 0.5


def test_gelu_names_its_two_forms():
    with pytest.raises(ValueError, match='"none" or "tanh", got \'erf\''):
        cdl.gelu(1.0, approximate="erf")


def test_numpy_functions_reach_ours():
    t = Tensor(np.array([0.5, 1.5], F32), requires_grad=True)
    for function in (np.exp, np.log, np.sqrt, np.abs, np.tanh, np.square, np.negative, np.reciprocal, np.sin, np.cos,
                     np.log1p):
        y = function(t)
        assert isinstance(y, Tensor) and y.requires_grad
        np.testing.assert_allclose(y.numpy(), function(t.numpy()), rtol=1e-6)
    for function in (np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum):
        for y in (function(t, np.float32(2)), function(np.ones(2, F32), t)):
            assert isinstance(y, Tensor) and y.requires_grad
    assert np.where(t > 1, t, 0.0).tolist() == [0, 1.5]
    assert isinstance(np.ones(2) * t, Tensor) and isinstance(np.float64(2) * t, Tensor)
