"""Inputs that once went wrong in activations, normalisation, losses, optimizers or `fit`'s options, one test each."""
import numpy as np
import pytest

import cdl


# --- layers -----------------------------------------------------------------------------------------------------------
def test_residual_knows_every_activation_that_dense_knows():
    """gelu_tanh is no function of cdl.ops, where it was looked for."""
    block = cdl.Residual(cdl.Dense(4, in_features=4, kernel_initializer="zeros"), activation="gelu_tanh")
    x = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_array_equal(block(x).numpy(), cdl.gelu(x, approximate="tanh"))


def test_prelu_of_float64():
    """A Tensor of float64, as Dense gives for NumPy's own floats, was refused by the layer, whose slope is float32."""
    x = np.array([[-4.0, 4.0], [-2.0, 1.0]])
    layer = cdl.PReLU(channels=2)
    y = layer(cdl.Tensor(x, requires_grad=True))
    assert y.dtype == np.float64
    y.sum().backward()
    np.testing.assert_array_equal(layer.slope.grad.numpy(), [-6, 0])
    assert layer.slope.grad.dtype == np.float32
    np.testing.assert_array_equal(layer(x).numpy(), y.numpy())
    assert cdl.Sequential([cdl.Dense(3), cdl.PReLU()])(x).shape == (2, 3)


@pytest.mark.parametrize("layer", [cdl.Dense(2), cdl.BatchNorm(), cdl.LayerNorm(), cdl.RMSNorm(), cdl.GroupNorm(1),
                                   cdl.PReLU(channels=None)], ids=lambda layer: type(layer).__name__)
def test_a_list_may_be_the_first_input(layer):
    """The size of the input was asked of its attribute `shape`."""
    x = [[1.0, 2.0], [3.0, 5.0]]
    np.testing.assert_array_equal(layer(x).numpy(), layer(np.array(x)).numpy())


def test_an_activation_is_named_by_a_string():
    with pytest.raises(ValueError, match=r"Dense: unknown activation \['relu'\]"):
        cdl.Dense(2, activation=["relu"])


# --- losses -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [0.0, 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_vector_without_direction_has_no_gradient_of_the_cosine(length, dtype):
    """It was 1e8 long, which one output of ReLU with nothing but zeros is enough for."""
    p = cdl.Tensor(np.array([[length, 0.0], [1.0, 1.0]], dtype), requires_grad=True)
    loss = cdl.cosine_loss(np.array([[1.0, 0.0], [0.0, 0.0]]), p, reduction="none")
    np.testing.assert_array_equal(loss.numpy(), [1, 1])
    loss.sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), np.zeros((2, 2)))
