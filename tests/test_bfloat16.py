"""set_precision("bfloat16"): products of rounded operands, on every unit that this processor has."""
import copy
import pickle

import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl
from cdl._core import bfloat16
from cdl._core.panels import Panels, dense_of_panels, panels

UNITS = {"floats": 0, "pairs": 1, "tiles": 2}
SHAPES = [(64, 64, 64), (100, 77, 45), (33, 1000, 130), (300, 33, 70), (129, 257, 385)]     # (m, k, n)


@pytest.fixture(params=UNITS)
def unit(request):
    """The setting, with one unit; skipped where the processor has it not."""
    cdl.set_precision("bfloat16")
    try:
        if bfloat16._use_unit(UNITS[request.param]) != UNITS[request.param]:
            pytest.skip(f"this processor has no {request.param}")
        yield request.param
    finally:
        cdl.set_precision("float32")


def halves_of(x):
    """x rounded to bfloat16, as float32."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def operands(m, k, n, turned=(False, False), seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k, m) if turned[0] else (m, k)).astype(np.float32)
    b = rng.standard_normal((n, k) if turned[1] else (k, n)).astype(np.float32)
    return a.T if turned[0] else a, b.T if turned[1] else b


def assert_product_of_halves(y, a, b, added=0):
    """y is the product of the rounded operands, up to the rounding of sums in float32."""
    a, b = (halves_of(operand).astype(np.float64) for operand in (a, b))
    bound = (a.shape[1] + 2) * 2.0**-24 * (np.abs(a) @ np.abs(b) + np.abs(added))
    assert (np.abs(y - (a @ b + added)) <= bound).all()


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("shape", SHAPES)
def test_product(unit, shape, turned):
    a, b = operands(*shape, turned)
    y = cdl.matmul(a, b)
    assert y.dtype == np.float32
    assert_product_of_halves(y, a, b)


def test_strides_of_every_kind(unit):
    a, b = operands(200, 160, 180)
    assert_product_of_halves(cdl.matmul(a[::2, ::2], b[::-2, 1::2]), a[::2, ::2], b[::-2, 1::2])


def test_batches(unit):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((3, 70, 90)).astype(np.float32), rng.standard_normal((90, 80)).astype(np.float32)
    for y, one in zip(cdl.matmul(a, b), a, strict=True):
        assert_product_of_halves(y, one, b)


def test_dense_forward_and_backward(unit):
    x, w = operands(96, 120, 72)
    g, bias = operands(96, 72, 72)[0], np.linspace(-3, 3, 72, dtype=np.float32)
    tx, tw, tb = (cdl.Tensor(array, requires_grad=True) for array in (x, w, bias))
    y = cdl.dense(tx, tw, tb)
    y.backward(cdl.Tensor(g))
    assert_product_of_halves(y.numpy(), x, w, bias)
    assert_product_of_halves(tx.grad.numpy(), g, w.T)
    assert_product_of_halves(tw.grad.numpy(), x.T, g)
    np.testing.assert_allclose(tb.grad.numpy(), g.sum(0), rtol=1e-5, atol=1e-5)     # no product: as ever
    tx.grad = tw.grad = None
    cdl.dense(tx, tw, tb, act="relu").backward(cdl.Tensor(g))
    kept = g * (halves_of(x) @ halves_of(w) + bias > 0)
    assert np.abs(tw.grad.numpy() - halves_of(x).T @ halves_of(kept)).max() < 1e-3


def test_threads(unit):
    for turned in ((False, False), (True, True)):
        a, b = operands(500, 300, 400, turned)
        assert_same_bits(lambda: [cdl.matmul(a, b)])    # noqa: B023


def test_nan_and_infinity_stay_in_their_row_and_column(unit):
    a, b = operands(64, 64, 96)
    a[5, 7], b[3, 90] = np.nan, np.inf
    y = cdl.matmul(a, b)
    assert np.isnan(y[5]).all() and not np.isfinite(y[:, 90]).any()
    assert np.isfinite(np.delete(np.delete(y, 5, 0), 90, 1)).all()


@pytest.mark.parametrize("dtype, shape", [(np.float64, (64, 64, 64)), (np.float32, (64, 31, 64)), (np.float32, (31, 900, 64)),
                                          (np.float32, (64, 900, 31)), (np.float32, (1, 900, 900))])
def test_others_are_computed_as_ever(unit, dtype, shape):
    a, b = (operand.astype(dtype) for operand in operands(*shape))
    y = cdl.matmul(a, b)
    cdl.set_precision("float32")
    np.testing.assert_array_equal(y, cdl.matmul(a, b))


def test_arguments_are_left_alone(unit):
    a, b = operands(70, 80, 90)
    kept = a.copy(), b.copy()
    cdl.matmul(a, b)
    np.testing.assert_array_equal(a, kept[0])
    np.testing.assert_array_equal(b, kept[1])


def test_a_network_trains(unit):
    x, y = cdl.load_digits()
    cdl.seed(0)
    model = cdl.Sequential([cdl.Dense(64, activation="relu"), cdl.Dense(64, activation="relu"), cdl.Dense(10)])
    model.fit(x[:1000], y[:1000], loss="cross_entropy", epochs=12, batch_size=50, progress=False)
    assert np.mean(np.argmax(model.predict(x[1000:]), axis=-1) == y[1000:]) > 0.9


def test_what_it_is_set_to():
    assert bfloat16.get_precision() == "float32"
    assert cdl.set_precision("bfloat16") == "float32" and cdl.set_precision("float32") == "bfloat16"
    assert bfloat16.bfloat16_unit() in ("none", "AVX-512 BF16", "AMX")
    with pytest.raises(ValueError, match="expected 'float32' or 'bfloat16', got 'float16'"):
        cdl.set_precision("float16")
    assert bfloat16.get_precision() == "float32"


# --- weights held as bfloat16 -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(1, 33, 40), (7, 64, 64), (17, 100, 130), (40, 77, 33), (130, 256, 300)])
def test_dense_of_halves(unit, shape):
    x, w = operands(*shape)
    bias = np.linspace(-1, 1, shape[2], dtype=np.float32)
    held = panels(cdl.Tensor(w), True)
    assert held.shape == w.shape
    assert_product_of_halves(dense_of_panels(x, held, bias).numpy(), x, w, bias)
    np.testing.assert_array_equal(dense_of_panels(x, held, bias, "relu").numpy(),
                                  np.maximum(dense_of_panels(x, held, bias).numpy(), 0))
    assert_same_bits(lambda: [dense_of_panels(x, held).numpy()])


def test_halves_are_the_rounded_weights():
    w = operands(50, 1, 70)[1].repeat(33, 0) * np.linspace(1, 2, 33, dtype=np.float32)[:, None]
    held = panels(cdl.Tensor(w), True)
    np.testing.assert_array_equal(held.plain().numpy(), halves_of(w))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(held)).plain().numpy(), halves_of(w))
    np.testing.assert_array_equal(copy.deepcopy(held).plain().numpy(), halves_of(w))


def test_halves_where_a_gradient_is_asked_for():
    x, w = operands(40, 50, 60)
    held, t = panels(cdl.Tensor(w), True), cdl.Tensor(x, requires_grad=True)
    dense_of_panels(t, held).backward(cdl.Tensor(np.ones((40, 60), np.float32)))
    np.testing.assert_allclose(t.grad.numpy(), np.ones((40, 60), np.float32) @ halves_of(w).T, rtol=1e-5, atol=1e-5)
    y = dense_of_panels(x.astype(np.float64), held)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.numpy(), x.astype(np.float64) @ halves_of(w), rtol=1e-12)


def test_what_halves_refuse():
    with pytest.raises(TypeError, match=r"expected float32 weights of two axes, got float64 of shape \(2, 2\)"):
        panels(cdl.Tensor(np.ones((2, 2))), True)
    with pytest.raises(ValueError, match=r"expected 50 features \(w is \(50, 60\)\) .* of x, got x of shape \(2, 3\)"):
        dense_of_panels(np.ones((2, 3), np.float32), panels(cdl.Tensor(operands(1, 50, 60)[1]), True))


def test_a_fused_model_holds_halves(unit, tmp_path):
    x = operands(40, 64, 1)[0]
    model = cdl.Sequential([cdl.Dense(96, activation="gelu", in_features=64, rng=0), cdl.Dense(10, in_features=96, rng=1)])
    weight = model.layers[0].weight.numpy().copy()
    wanted = model.predict(x)
    model.fuse()
    assert type(vars(model.layers[0])["weight"]) is Panels and type(vars(model.layers[1])["weight"]) is cdl.Tensor
    np.testing.assert_allclose(model.predict(x), wanted, atol=1e-5)     # what is rounded is the same, before or in the call
    np.testing.assert_allclose(model.predict(x[:1]), wanted[:1], atol=0.05)      # one row is rounded here, and was not before
    model.save(tmp_path / "model.safetensors")      # unpacks
    np.testing.assert_array_equal(model.layers[0].weight.numpy(), halves_of(weight))
    np.testing.assert_array_equal(cdl.load(tmp_path / "model.safetensors").layers[0].weight.numpy(), halves_of(weight))
    assert type(vars(model.fuse().layers[0])["weight"]) is Panels
    cdl.set_precision("float32")
    np.testing.assert_allclose(model.predict(x), wanted, atol=0.05)     # what is held stays so
