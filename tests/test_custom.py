"""Ops of the user's own, the gradient check, and gradients as a function."""
import numpy as np
import pytest

import cdl


class Scale(cdl.Function):
    """y = s x w, written with a setting, an option and two inputs."""

    def __init__(self, sign=1.0):
        self.sign = sign

    def forward(self, x, w, power=1):
        self.x, self.w, self.power = x, w, power
        return self.sign * x**power * w

    def backward(self, g):
        dx = self.sign * self.power * self.x ** (self.power - 1) * self.w * g
        return dx, (self.sign * self.x**self.power * g).sum(0)


X, W = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([0.5, -2.0])


def test_value_and_gradient():
    assert cdl.gradcheck(Scale.apply, [X, W])
    assert cdl.gradcheck(lambda x, w: Scale(-1.0)(x, w, power=3), [X, W])
    y = Scale.apply(X, W)
    assert isinstance(y, np.ndarray)
    np.testing.assert_array_equal(y, X * W)


def test_one_op_used_twice_before_the_backward():
    op = Scale()
    assert cdl.gradcheck(lambda x, w: op(op(x, w), w) + op(x * 2.0, w), [X, W])


def test_inputs_cannot_be_written_and_dtypes_are_kept():
    class Spoil(cdl.Function):
        def forward(self, x):
            x[0] = 0.0
            return x

    x = cdl.Tensor(X, requires_grad=True)
    with pytest.raises(ValueError, match="read-only"):
        Spoil.apply(x)
    x = cdl.Tensor(X.astype(np.float32), requires_grad=True)
    y = Scale.apply(x, W.astype(np.float32))
    y.sum().backward()
    assert (y.dtype, x.grad.dtype) == (np.float32, np.float32)


def test_a_result_shares_no_memory_with_the_input():
    class Same(cdl.Function):
        def forward(self, x):
            return x

        def backward(self, g):
            return g

    x = cdl.Tensor(X)
    assert not np.shares_memory(Same.apply(x).numpy(), x.numpy())
    assert cdl.gradcheck(Same.apply, X)


def test_none_for_an_input_without_gradient():
    class Pick(cdl.Function):
        def forward(self, x, ids):
            self.shape, self.ids = x.shape, ids
            return x[ids]

        def backward(self, g):
            dx = np.zeros(self.shape)
            np.add.at(dx, self.ids, g)
            return dx, None

    assert cdl.gradcheck(Pick.apply, [X, np.array([1, 0, 1])])


def test_a_value_changed_before_the_backward_is_noticed():
    x, w = cdl.Tensor(X, requires_grad=True), cdl.Tensor(W)
    y = Scale.apply(x, w).sum()
    w[0] = 7.0
    with pytest.raises(RuntimeError, match="CustomNode needs a value that was changed"):
        y.backward()


def wrong(backward=None, forward=None):
    class Wrong(Scale):
        pass
    if backward:
        Wrong.backward = backward
    if forward:
        Wrong.forward = forward
    return Wrong


@pytest.mark.parametrize("op, error, words", [
    (wrong(backward=lambda self, g: g), ValueError, "each of the 2 inputs, got 1"),
    (wrong(backward=lambda self, g: (g, g)), ValueError, r"gradient of shape \(2,\) for input 1, got shape \(2, 2\)"),
    (wrong(forward=lambda self, x, w: x > 0), TypeError, "must return one array of float32 or float64, got dtype bool"),
    (wrong(forward=lambda self, x, w: (x, w)), TypeError, "one array, got 2 of them"),
    (cdl.Function, NotImplementedError, "define forward"),
])
def test_errors(op, error, words):
    with pytest.raises(error, match=words):
        op.apply(cdl.Tensor(X, requires_grad=True), cdl.Tensor(W, requires_grad=True)).sum().backward()


def test_a_tensor_as_an_option_is_refused():
    with pytest.raises(TypeError, match="pass the Tensor 'power' by position"):
        Scale.apply(X, W, power=cdl.Tensor(2.0))
    with pytest.raises(TypeError, match="expected at least one array"):
        Scale.apply()


# --- gradcheck --------------------------------------------------------------------------------------------------------
def test_gradcheck_names_the_worst_place():
    bad = wrong(backward=lambda self, g: (self.w * g + [[0, 0], [0, 1e-3]], None))
    with pytest.raises(cdl.GradientError, match=r"the gradient of input 0 at \(1, 1\) is"):
        cdl.gradcheck(lambda x: bad.apply(x, W), X)
    with pytest.raises(AssertionError, match="input 1 at"):
        cdl.gradcheck(bad.apply, [X, W])


def test_gradcheck_sees_what_is_changed_or_missing():
    def change(x):
        x.detach().numpy()[0] = 9.0
        return x * 1.0
    with pytest.raises(cdl.GradientError, match="changed input 0"):
        cdl.gradcheck(change, X)
    with pytest.raises(cdl.GradientError, match=r"is 0, central"):
        cdl.gradcheck(lambda x: cdl.Tensor(x.numpy() * 2.0), X)
    with pytest.raises(cdl.GradientError, match="is nan"):
        cdl.gradcheck(wrong(backward=lambda self, g: (g * np.nan, None)).apply, [X, W])
    with pytest.raises(TypeError, match="f must return Tensors, got ndarray"):
        cdl.gradcheck(lambda x: x.numpy(), X)


def test_gradcheck_of_several_results_and_kinds():
    assert cdl.gradcheck(lambda x, n: (x * x, x[n]), [X.astype(np.float32), np.array([0, 1])])
    assert cdl.gradcheck(lambda x: (x * x).sum(), np.linspace(1, 2, 2000), places=10)
    assert cdl.gradcheck(lambda x: x * 2.0, np.zeros((0, 3)))


# --- value_and_grad ---------------------------------------------------------------------------------------------------
def test_value_and_grad_follows_the_structure():
    params = {"w": X, "more": [W, np.float64(3.0)]}
    value, grads = cdl.value_and_grad(lambda p: (p["w"] * p["more"][0]).sum() * p["more"][1], params)
    assert value == pytest.approx((X * W).sum() * 3)
    np.testing.assert_allclose(grads["w"], np.broadcast_to(3 * W, (2, 2)))
    np.testing.assert_allclose(grads["more"][0], 3 * X.sum(0))
    np.testing.assert_allclose(grads["more"][1], (X * W).sum())


def test_value_and_grad_leaves_tensors_as_they_are():
    w, unused = cdl.Tensor(W, requires_grad=True), cdl.Tensor(X)
    value, (dw, zero) = cdl.value_and_grad(lambda p: (p[0] * p[0]).sum(), (w, unused))
    assert isinstance(value, cdl.Tensor)
    np.testing.assert_array_equal(dw.numpy(), 2 * W)
    np.testing.assert_array_equal(zero.numpy(), 0 * X)
    assert w.grad is None
    assert not unused.requires_grad


def test_value_and_grad_needs_a_tensor():
    with pytest.raises(TypeError, match="f must return a Tensor, got float"):
        cdl.value_and_grad(lambda w: 1.0, W)
