"""Dense weights packed once: the product has the bits that it has with the weights as they were."""
import copy
import pickle

import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl
from cdl._core.dense import dense
from cdl._core.panels import Panels, dense_of_panels, panels

SHAPES = [(1, 1, 1), (1, 70, 33), (3, 40, 64), (14, 1030, 100), (57, 768, 96), (130, 300, 520), (600, 1100, 40)]


def operands(m, k, n, dtype):
    r = np.random.default_rng(m + k + n)
    return r.standard_normal((m, k)).astype(dtype), r.standard_normal((k, n)).astype(dtype), r.standard_normal(n).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_bits(shape, dtype):
    x, w, b = operands(*shape, dtype)
    held = panels(cdl.Tensor(w))
    assert held.shape == w.shape and held.dtype == w.dtype and not held.rounded
    for bias, act in ((None, None), (b, None), (b, "gelu")):
        np.testing.assert_array_equal(dense_of_panels(x, held, bias, act).numpy(), dense(x, w, bias, act))
    np.testing.assert_array_equal(dense_of_panels(x[::-1, None], held).numpy(), dense(x[::-1, None], w))
    assert_same_bits(lambda: [dense_of_panels(x, held, b, "tanh").numpy()])


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (1, 1), (33, 65)])
def test_the_weights_come_back(shape):
    w = np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape)
    held = panels(cdl.Tensor(w))
    for again in (held, pickle.loads(pickle.dumps(held)), copy.deepcopy(held)):
        np.testing.assert_array_equal(again.plain().numpy(), w)
    np.testing.assert_array_equal(dense_of_panels(np.ones((2, shape[0])), held).numpy(), np.ones((2, shape[0])) @ w)
    assert dense_of_panels(np.ones((0, shape[0])), held).shape == (0, shape[1])


def test_where_a_gradient_is_asked_for():
    x, w, b = operands(6, 50, 40, "float32")
    held, tx, tb = panels(cdl.Tensor(w)), cdl.Tensor(x, requires_grad=True), cdl.Tensor(b, requires_grad=True)
    dense_of_panels(tx, held, tb).sum().backward()
    np.testing.assert_allclose(tx.grad.numpy(), np.ones((6, 40)) @ w.T, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(tb.grad.numpy(), np.full(40, 6))
    y = dense_of_panels(x.astype(np.float64), held)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.numpy(), x.astype(np.float64) @ w, rtol=1e-12)


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"expected weights of two axes, got float32 of shape \(2, 2, 1\)"):
        panels(cdl.Tensor(np.ones((2, 2, 1), np.float32)))
    with pytest.raises(ValueError, match=r"expected 5 features \(w is \(5, 6\)\) .* of x, got x of shape \(2, 3\)"):
        dense_of_panels(np.ones((2, 3)), panels(cdl.Tensor(np.ones((5, 6)))))


def test_a_fused_model_holds_large_weights_so(tmp_path):
    model = cdl.Sequential([cdl.Dense(600, activation="relu", in_features=512, rng=0), cdl.Dense(10, in_features=600, rng=1)])
    x, state = np.random.default_rng(0).standard_normal((20, 512), np.float32), model.state_dict()
    wanted = model.predict(x)
    model.fuse()
    assert type(vars(model.layers[0])["weight"]) is Panels and type(vars(model.layers[1])["weight"]) is cdl.Tensor
    np.testing.assert_array_equal(model.predict(x), wanted)
    model.save(tmp_path / "model.safetensors")      # unpacks
    assert type(vars(model.layers[0])["weight"]) is cdl.Tensor
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    again = cdl.load(tmp_path / "model.safetensors")
    assert again.fused and again.frozen and type(vars(again.layers[0])["weight"]) is Panels
    np.testing.assert_array_equal(again.predict(x), wanted)
    again.unfreeze().save(tmp_path / "trained.safetensors")
    plain = cdl.load(tmp_path / "trained.safetensors")
    assert not plain.fused and not plain.frozen
