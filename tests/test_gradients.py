"""What becomes of a gradient's memory: written over where one op alone reads it, and one value where it is repeated."""
import numpy as np
import pytest

import cdl

# --- gradients written over the one that came in ----------------------------------------------------------------------
RNG_SHAPE = (3, 4)


def values(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape or RNG_SHAPE)


def softmax_slope(x, g, axis):
    p = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    return p * (g - (g * p).sum(axis, keepdims=True))


CHAINS = {      # by name: a function of x, and its derivative times g, in NumPy
    "unary": (lambda x: cdl.tanh(cdl.exp(x * 0.5)),
              lambda x, g: g * (1 - np.tanh(np.exp(x / 2)) ** 2) * np.exp(x / 2) / 2),
    "numbers": (lambda x: 3 / (2 - (x * x + 4) / 5),
                lambda x, g: g * 3 / (2 - (x * x + 4) / 5) ** 2 * 2 * x / 5),
    "of a constant": (lambda x: (7.0 - cdl.Tensor(values(5)) * x) * cdl.Tensor(values(6, 4)),
                      lambda x, g: -g * values(6, 4) * values(5)),
    "constant minus": (lambda x: cdl.Tensor(values(5)) - cdl.sin(x), lambda x, g: -g * np.cos(x)),
    "both operands": (lambda x: cdl.sin(x) * cdl.cos(x), lambda x, g: g * np.cos(2 * x)),
    "quotient": (lambda x: cdl.sin(x) / cdl.exp(x), lambda x, g: g * (np.cos(x) - np.sin(x)) / np.exp(x)),
    "residual": (lambda x: cdl.exp(x) + cdl.tanh(cdl.exp(x)) + x,
                 lambda x, g: g * (np.exp(x) * (2 - np.tanh(np.exp(x)) ** 2) + 1)),
    "difference of itself": (lambda x: cdl.exp(x) - cdl.sin(x) - x, lambda x, g: g * (np.exp(x) - np.cos(x) - 1)),
    "flattened": (lambda x: cdl.exp(cdl.sin(x).ravel()).reshape(4, 3).reshape(3, 4) * 1,
                  lambda x, g: g * np.exp(np.sin(x)) * np.cos(x)),
    "views": (lambda x: (cdl.exp(x).reshape(4, 3).T * 2)[::-1].T.reshape(3, 4),
              lambda x, g: 2 * np.exp(x) * g.reshape(4, 3).T[::-1].T.reshape(3, 4)),
    "broadcast": (lambda x: cdl.exp(x[0]) * cdl.Tensor(values(7)) + cdl.sin(x),
                  lambda x, g: g * np.cos(x) + np.outer([1, 0, 0], np.exp(x[0]) * (g * values(7)).sum(0))),
    "softmax": (lambda x: cdl.softmax(cdl.sin(x)) * 2, lambda x, g: softmax_slope(np.sin(x), 2 * g, 1) * np.cos(x)),
    "softmax of columns": (lambda x: cdl.softmax(cdl.sin(x), axis=0) * 2,
                           lambda x, g: softmax_slope(np.sin(x), 2 * g, 0) * np.cos(x)),
    "dense": (lambda x: cdl.dense(cdl.sin(x), cdl.Tensor(values(8, 4, 4)), cdl.Tensor(values(9, 4)), "tanh") * 2,
              lambda x, g: 2 * g * (1 - np.tanh(np.sin(x) @ values(8, 4, 4) + values(9, 4)) ** 2) @ values(8, 4, 4).T
              * np.cos(x)),
    "leading axis of 1": (lambda x: cdl.exp(cdl.sin(x).sum(0)) + cdl.Tensor(np.zeros((3, 4))),
                          lambda x, g: np.cos(x) * np.exp(np.sin(x).sum(0)) * g.sum(0)),
}


@pytest.mark.parametrize("f, wanted", CHAINS.values(), ids=CHAINS)
def test_a_chain_writes_over_nothing_that_somebody_reads(f, wanted):
    x, g = cdl.Tensor(values(1), requires_grad=True), values(2)
    before, y = x.numpy().copy(), None
    for times in (1, 2, 3):     # retained graphs give the same again; the user's g stays what it was
        y = f(x) if y is None else y
        y.backward(g, retain_graph=True)
        np.testing.assert_allclose(x.grad.numpy(), times * wanted(before, values(2)), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(g, values(2))
    np.testing.assert_array_equal(x.numpy(), before)
    np.testing.assert_array_equal(y.numpy(), f(x.detach()).numpy())


def test_a_gradient_for_two_inputs_is_written_over_by_neither():
    x, z, g = cdl.Tensor(values(1), requires_grad=True), cdl.Tensor(values(3), requires_grad=True), values(2)
    y = (cdl.exp(x) * 1 + cdl.exp(z) * 1) * 2 - (cdl.sin(x) - cdl.cos(z))
    y.backward(g)
    np.testing.assert_allclose(x.grad.numpy(), g * (2 * np.exp(x.numpy()) - np.cos(x.numpy())), rtol=1e-12)
    np.testing.assert_allclose(z.grad.numpy(), g * (2 * np.exp(z.numpy()) - np.sin(z.numpy())), rtol=1e-12)


def test_a_kept_gradient_is_not_written_over():
    x, g = cdl.Tensor(values(1), requires_grad=True), values(2)
    inner = cdl.exp(x).retain_grad()
    middle = (inner * 2).retain_grad()
    y = cdl.tanh(middle).retain_grad()
    (y * 1).backward(g)
    slope = g * (1 - y.numpy() ** 2)
    np.testing.assert_allclose(y.grad.numpy(), g, rtol=1e-12)
    np.testing.assert_allclose(middle.grad.numpy(), slope, rtol=1e-12)
    np.testing.assert_allclose(inner.grad.numpy(), 2 * slope, rtol=1e-12)
    arrays = [t.grad.numpy() for t in (x, inner, middle, y)] + [g]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_an_array_that_an_op_of_ones_own_was_given_is_not_written_over():
    seen = []

    class Twice(cdl.Function):
        def forward(self, x):
            return 2 * x

        def backward(self, g):
            seen.append((g, g.copy()))
            return g        # not doubled: what matters is that g itself goes on

    x = cdl.Tensor(values(1), requires_grad=True)
    (Twice()(cdl.exp(Twice()(cdl.sin(x)))) * 3).backward(values(2))
    for g, copy in seen:
        np.testing.assert_array_equal(g, copy)


def test_an_elementwise_chain_needs_no_memory_of_its_own_for_gradients():
    n = 1 << 20
    x = cdl.Tensor(np.zeros(n, np.float32), requires_grad=True)
    y = x
    for _ in range(6):
        y = cdl.tanh(y + 1).reshape(1024, -1).ravel() * 0.5
    before = cdl.memory_stats()
    if not before["pooled"]:
        pytest.skip("blocks are not counted in this build")
    cdl.clear_memory()
    y.backward(np.ones(n, np.float32))
    stats = cdl.memory_stats()
    assert stats["in_use"] + stats["held"] - before["in_use"] < 1.5 * 4 * n    # x.grad, which was every other on the way


@pytest.mark.parametrize("f", [cdl.softmax, lambda x: cdl.dense(x, cdl.Tensor(np.eye(512, dtype=np.float32)), None, "tanh")],
                         ids=["softmax", "dense"])
def test_softmax_and_activations_of_layers_write_over_their_gradient(f):
    x = cdl.Tensor(np.zeros((2048, 512), np.float32), requires_grad=True)
    y = x
    for _ in range(4):
        y = f(y) * 0.5
    before = cdl.memory_stats()
    if not before["pooled"]:
        pytest.skip("blocks are not counted in this build")
    cdl.clear_memory()
    y.backward(np.ones(x.shape, np.float32))
    stats = cdl.memory_stats()
    most = 1.5 if f is cdl.softmax else 2.5     # the product of a layer reads one gradient while it writes the next
    assert stats["in_use"] + stats["held"] - before["in_use"] < most * 4 * x.size


# --- a gradient of one repeated value ---------------------------------------------------------------------------------
LARGE = (1 << 15) + 300         # from which on a sum hands its gradient on as one value
OF_ONE_VALUE = {
    "leaf": lambda x: x, "unary": cdl.tanh, "square": lambda x: x**2, "product": lambda x: cdl.sin(x) * cdl.cos(x),
    "sum of two": lambda x: cdl.sin(x) + cdl.exp(x), "difference": lambda x: cdl.sin(x) - cdl.exp(x),
    "number": lambda x: 3 - (2 / (x * x + 1) + 4) * 0.5, "itself twice": lambda x: (y := cdl.exp(x)) + y,
    "row": lambda x: x.reshape(4, -1) * cdl.sin(x)[:LARGE // 4], "row added": lambda x: x.reshape(4, -1) + x[:LARGE // 4],
    "flattened": lambda x: cdl.exp(x).reshape(4, -1).ravel(), "reshaped": lambda x: cdl.exp(x).reshape(2, -1).T,
    "softmax": lambda x: cdl.softmax(x.reshape(-1, 4)),
    "cast": lambda x: x.astype(np.float32), "matmul": lambda x: x.reshape(-1, 2) @ x.reshape(2, -1)[:, :3],
    "joined": lambda x: cdl.concatenate([x, cdl.exp(x)]), "maximum": lambda x: cdl.maximum(cdl.sin(x), cdl.cos(x)),
    "kept": lambda x: cdl.exp(cdl.sin(x).retain_grad()).retain_grad(), "where": lambda x: cdl.where(x > 0, x, x * 2),
}


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("f", OF_ONE_VALUE.values(), ids=OF_ONE_VALUE)
def test_the_gradient_of_a_sum_is_that_of_ones(f, reduce):
    x, z = (cdl.Tensor(values(3, LARGE), requires_grad=True) for _ in range(2))
    y, w = f(x), f(z)
    getattr(y, reduce)().backward()
    one = np.ones(w.shape, w.dtype) / (w.size if reduce == "mean" else 1)
    w.backward(one)
    # One rounding apart where a mean's 1 / n is used: 1 / n times the gradient 1, or the gradient of ones / n.
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-15 if y.dtype == np.float64 else 1e-7)
    if y.requires_grad and not y.is_leaf and y.grad is not None:
        np.testing.assert_allclose(y.grad.numpy(), one, rtol=1e-15)


def test_an_op_of_ones_own_gets_an_array_from_a_sum():
    class Same(cdl.Function):
        def forward(self, x):
            return x + 0

        def backward(self, g):
            assert g.shape == (LARGE,) and g.flags.c_contiguous
            return 2 * g

    x = cdl.Tensor(np.ones(LARGE), requires_grad=True)
    Same()(x * 1).sum().backward()
    assert (x.grad.numpy() == 2).all()


def test_sums_of_gradients_of_one_value():
    x = cdl.Tensor(np.ones(LARGE), requires_grad=True)
    y = x * 1
    (y.sum() * 2 + y.mean() * LARGE + cdl.exp(y).sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 + np.e, rtol=1e-14)
