"""Softmax and cross-entropy: edges, what is refused, large sizes, every thread count."""
import numpy as np
import pytest

import cdl
from cdl._core import threads

inf, nan = np.inf, np.nan


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("copies", [1, 30, 200])
def test_edges(dtype, copies):
    def row(*values):
        return np.array(values, dtype).repeat(copies)

    half = 0.5 / copies
    assert np.isnan(cdl.softmax(row(-inf, -inf))).all()
    assert np.isnan(cdl.softmax(row(1, nan))).all()
    assert np.isnan(cdl.softmax(row(1, inf))).any()
    np.testing.assert_allclose(cdl.softmax(row(1e30, 1e30)), half, rtol=1e-6)
    np.testing.assert_array_equal(cdl.softmax(row(0, -inf))[copies:], 0)
    assert cdl.logsumexp(row(-inf, -inf)) == -inf
    assert cdl.logsumexp(row(1, inf)) == inf
    assert np.isnan(cdl.logsumexp(row(1, nan)))
    np.testing.assert_allclose(cdl.logsumexp(row(-1000, -1000)), np.log(2 * copies) - 1000, rtol=1e-6)
    np.testing.assert_allclose(cdl.log_softmax(row(0, -1000))[-1], -1000 - np.log(copies), rtol=1e-6)
    assert cdl.logsumexp(np.zeros((3, 0), dtype), 1).tolist() == [-inf] * 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 33, 500])
def test_confident_and_wrong_is_exact(dtype, classes):
    z = np.full((1, classes), -1e5, dtype)
    z[0, 0], z[0, 1] = 0, -1000
    t = cdl.Tensor(z, requires_grad=True)
    loss = cdl.cross_entropy(np.array([1]), t)
    loss.backward()
    assert loss.item() == 1000
    np.testing.assert_array_equal(t.grad.numpy()[0, :2], [1, -1])
    assert cdl.cross_entropy(np.array([0]), z) == 0
    assert cdl.cross_entropy(np.eye(classes)[[1]], z) == 1000
    small = np.zeros((1, classes), dtype)
    small[0, 0] = 12        # the loss is 1e-5 and less: nothing may be lost to the size of the logits
    exact = np.log1p((classes - 1) * np.exp(-12.0))
    np.testing.assert_allclose(cdl.cross_entropy(np.array([0]), small), exact, rtol=2e-2 if dtype is np.float32 else 1e-9)


def test_minus_infinity_is_a_masked_class():
    z = cdl.Tensor([[0.0, -inf, 0.0]], requires_grad=True)
    loss = cdl.cross_entropy(np.array([0]), z)
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log(2))
    np.testing.assert_allclose(z.grad.numpy(), [[-0.5, 0, 0.5]])
    np.testing.assert_allclose(cdl.cross_entropy([[1.0, 0, 0]], [[0.0, -inf, 0.0]]), np.log(2))
    assert cdl.cross_entropy([1], [[0.0, -inf, 0.0]]) == inf
    assert np.isnan(cdl.cross_entropy([0], [[0.0, nan]]))


def test_ignored_rows():
    z = cdl.Tensor([[nan, nan], [0.0, 0.0], [5.0, 5.0]], requires_grad=True)
    loss = cdl.cross_entropy(np.array([-100, 0, -100]), z, ignore_index=-100)
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log(2))
    np.testing.assert_allclose(z.grad.numpy(), [[0, 0], [-0.5, 0.5], [0, 0]])
    none = cdl.cross_entropy(np.array([-100, 0, -100]), z, ignore_index=-100, reduction="none")
    np.testing.assert_allclose(none.numpy(), [0, np.log(2), 0])
    z.grad = None
    loss = cdl.cross_entropy(np.array([7, 7, 7]), z, ignore_index=7)
    loss.backward()
    assert loss.item() == 0
    assert not z.grad.numpy().any()


@pytest.mark.parametrize("arguments, options, error, words", [
    (([0, 1], [[0.0, 1.0]]), {}, ValueError, r"labels of shape \(1,\) or probabilities of shape \(1, 2\), got shape \(2,\)"),
    (([[0], [1]], np.zeros((2, 3))), {}, ValueError, r"got shape \(2, 1\)"),
    (([0.0], [[0.0, 1.0]]), {}, TypeError, r"labels must be integers, got float64 of shape \(1,\)"),
    (([2], [[0.0, 1.0]]), {}, IndexError, "label 2 .* out of range for 2 classes, 0 to 1"),
    (([-1], [[0.0, 1.0]]), {}, IndexError, "label -1"),
    (([-1], [[0.0, 1.0]]), {"ignore_index": 0}, IndexError, "label -1"),
    (([0], [[0.0, 1.0]]), {"reduction": "max"}, ValueError, "reduction must be 'mean', 'sum' or 'none', got 'max'"),
    (([0], [[0.0, 1.0]]), {"label_smoothing": 2}, ValueError, "label_smoothing must be 0 to 1, got 2.0"),
    (([0], [[0.0, 1.0]]), {"class_weight": [1.0]}, ValueError, r"class_weight must have shape \(2,\), one a class, got \(1,\)"),
    (([0], [[0.0, 1.0]]), {"class_weight": [1.0, -1.0]}, ValueError,
     r"class_weight must hold .* 0 or more, got -1.0 \(position 1"),
    (([0], [[0.0, 1.0]]), {"sample_weight": [1.0, 1.0]}, ValueError,
     r"sample_weight must have shape \(1,\), one a row, got \(2,\)"),
    (([0], [[0.0, 1.0]]), {"sample_weight": [nan]}, ValueError, "sample_weight must hold finite numbers"),
    (([[1.0, 0]], [[0.0, 1.0]]), {"ignore_index": 0}, ValueError, "ignore_index needs integer labels"),
    ((0, 1.0), {}, ValueError, r"got shape \(\)"),
    (([], np.zeros((0, 3))), {}, ValueError, r"at least one row and one class, got shape \(0, 3\)"),
    ((cdl.Tensor([[1.0, 0]], requires_grad=True), [[0.0, 1.0]]), {}, TypeError, "y_true requires a gradient"),
])
def test_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        cdl.cross_entropy(*arguments, **options)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, np.bool_])
def test_labels_of_any_integer_type(dtype, rng):
    z = rng.standard_normal((6, 2))
    labels = rng.integers(0, 2, 6)
    assert cdl.cross_entropy(labels.astype(dtype), z) == cdl.cross_entropy(labels, z)
    assert cdl.cross_entropy(cdl.Tensor(labels), cdl.Tensor(z)).item() == cdl.cross_entropy(labels, z)
    if np.dtype(dtype).kind == "u":
        with pytest.raises(IndexError, match="label 200"):
            cdl.cross_entropy(np.array([200] * 6, dtype), z)


def test_strided_logits(rng):
    z = rng.standard_normal((5, 8))
    labels = rng.integers(0, 5, 8)
    t = cdl.Tensor(z, requires_grad=True)
    cdl.cross_entropy(labels, t.transpose(1, 0)).backward()
    u = cdl.Tensor(z.T.copy(), requires_grad=True)
    cdl.cross_entropy(labels, u).backward()
    np.testing.assert_array_equal(t.grad.numpy(), u.grad.numpy().T)


@pytest.mark.parametrize("shape", [(5000, 10), (300, 1000), (2, 60_000), (300, 15_001)])
def test_same_bits_for_every_thread_count(shape, rng):
    z = rng.standard_normal(shape).astype(np.float32)
    labels = rng.integers(0, shape[1], shape[0])
    before, results = threads.get_num_threads(), []
    try:
        for n in (1, 2, 3, 5):
            threads.set_num_threads(n)
            t = cdl.Tensor(z, requires_grad=True)
            loss = cdl.cross_entropy(labels, t)
            loss.backward()
            results.append([loss.numpy(), t.grad.numpy(), cdl.softmax(z), cdl.softmax(z, 0), cdl.log_softmax(z),
                            cdl.logsumexp(z, 1)])
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
    wide = z.astype(np.float64)
    p = np.exp(wide - wide.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    exact = -np.log(p[np.arange(shape[0]), labels]).mean()
    np.testing.assert_allclose(results[0][0], exact, rtol=1e-6)
    p[np.arange(shape[0]), labels] -= 1
    np.testing.assert_allclose(results[0][1] * shape[0], p, atol=1e-6)


def test_a_row_of_several_blocks_with_the_largest_anywhere():
    """Each block is shifted by the largest so far: a larger one later, -inf before, NaN and inf anywhere."""
    for n in (1025, 5000, 70_000):
        for at in (0, 1, n // 2, n - 1):
            z = np.full((1, n), -inf)
            z[0, at] = 3
            assert cdl.softmax(z)[0, at] == 1 and cdl.softmax(z).sum() == 1
            assert cdl.logsumexp(z, 1) == 3
            z = np.linspace(-40, 40, n)[None, :].repeat(2, 0)
            z[1] = z[1, ::-1]
            np.testing.assert_allclose(cdl.softmax(z)[0], cdl.softmax(z)[1, ::-1], rtol=1e-13, atol=1e-300)
            t = cdl.Tensor(z, requires_grad=True)
            cdl.cross_entropy([at, at], t).backward()
            p = np.exp(z - 40) / np.exp(z - 40).sum(1, keepdims=True)
            p[:, at] -= 1
            np.testing.assert_allclose(t.grad.numpy(), p / 2, atol=1e-14)
            z[0, at] = nan
            assert np.isnan(cdl.softmax(z)[0]).all() and np.isnan(cdl.logsumexp(z, 1)[0])
            z[0, at] = inf
            assert np.isnan(cdl.softmax(z)[0]).any() and cdl.logsumexp(z, 1)[0] == inf
            z[0, (at + 7) % n] = nan
            assert np.isnan(cdl.logsumexp(z, 1)[0])


@pytest.mark.parametrize("classes", [5, 50, 2000])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"class_weight": True}, {"ignore_index": 1},
                                     {"ignore_index": 1, "class_weight": True, "label_smoothing": 0.1,
                                      "sample_weight": True}], ids=str)
def test_every_way_to_the_gradient_is_the_same(classes, options, rng):
    """From the forward, scaled, by the second backward, and a gradient a row."""
    z, labels = rng.standard_normal((6, classes)), np.array([0, 1, 2, 3, 1, 4])
    options = dict(options)
    if "class_weight" in options:
        options["class_weight"] = rng.uniform(0, 2, classes)
    if "sample_weight" in options:
        options["sample_weight"] = np.array([1.0, 2, 0, 1, 3, 0.5])
    x = cdl.Tensor(z, requires_grad=True)
    loss = cdl.cross_entropy(labels, x, **options)
    loss.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    for scale, make in ((1, lambda: loss), (3, lambda: 3 * cdl.cross_entropy(labels, x, **options))):
        x.grad = None
        make().backward()
        np.testing.assert_allclose(x.grad.numpy(), scale * first, rtol=1e-13, atol=1e-16)
    x.grad = None
    total = cdl.cross_entropy(labels, x, reduction="sum", **options)
    each = cdl.cross_entropy(labels, x, reduction="none", **options)
    each.backward(np.full(6, loss.item() / total.item()))
    np.testing.assert_allclose(x.grad.numpy(), first, rtol=1e-12, atol=1e-16)
    onehot = np.eye(classes)[labels]
    if "ignore_index" not in options and "class_weight" not in options:
        x.grad = None
        cdl.cross_entropy(onehot, x, **options).backward()
        np.testing.assert_allclose(x.grad.numpy(), first, rtol=1e-12, atol=1e-16)


def test_what_has_no_weight_is_not_looked_at():
    z = cdl.Tensor([[nan, nan], [0.0, 0.0]], requires_grad=True)
    for labels in (np.array([9, 0]), np.array([[0.5, 0.5], [1.0, 0.0]])):
        if labels.ndim == 1:
            with pytest.raises(IndexError, match="label 9"):
                cdl.cross_entropy(labels, z, sample_weight=[0, 1])
            labels[0] = 1
        z.grad = None
        loss = cdl.cross_entropy(labels, z, sample_weight=[0, 1])
        loss.backward()
        np.testing.assert_allclose(loss.item(), np.log(2))
        np.testing.assert_allclose(z.grad.numpy(), [[0, 0], [-0.5, 0.5]])


def test_labels_refilled_before_the_backward(rng):
    z = cdl.Tensor(rng.standard_normal((4, 3)), requires_grad=True)
    for options in ({}, {"ignore_index": 2}):
        grads = []
        for refill in (0, 10**9):
            labels = np.array([0, 1, 2, 1])
            z.grad = None
            loss = cdl.cross_entropy(labels, z, **options)
            labels += refill
            loss.backward()
            grads.append(z.grad.numpy().copy())
        np.testing.assert_array_equal(*grads)


def test_targets_changed_before_the_backward_are_noticed(rng):
    z = cdl.Tensor(rng.standard_normal((2, 3)), requires_grad=True)
    t = cdl.Tensor(np.eye(3)[:2])
    loss = cdl.cross_entropy(t, z)
    t *= 2
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
