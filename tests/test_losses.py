"""Every row of the loss table against its formula, its reductions, weights, gradients and what it refuses; penalties."""
import numpy as np
import pytest
from losstable import ROWS

import cdl
from cdl.losses import LOSSES

EACH = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
SHAPES = [(7, 3), (2, 5, 4), (3, 40)]
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def pair(row, shape=(7, 3), dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    t, p = row.targets(rng, shape), row.predictions(rng, shape)
    return t if t.dtype.kind == "i" else t.astype(dtype), p.astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
@EACH
def test_values_and_reductions(row, shape, dtype):
    t, p = pair(row, shape, dtype)
    each = row.formula(*(x if x.dtype.kind == "i" else x.astype(float) for x in (t, p)))
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for y in (p, cdl.Tensor(p)):
        got = row.loss(t, y, reduction="none")
        assert got.shape == each.shape and got.dtype == dtype
        np.testing.assert_allclose(np.asarray(got), each, **near)
        np.testing.assert_allclose(np.asarray(row.loss(t, y)), each.mean(), **near)
        np.testing.assert_allclose(np.asarray(row.loss(t, y, reduction="sum")), each.sum(), **near)
        assert isinstance(row.loss(t, y), cdl.Tensor) == isinstance(y, cdl.Tensor)


@EACH
def test_sample_weights(row):
    t, p = pair(row, (2, 5, 4))
    each, rng = row.formula(t, p), np.random.default_rng(3)
    shapes = [each.shape] if row.name.startswith("cross_entropy") else [each.shape, (2, 5)[:each.ndim], (2,)]
    for shape in shapes:
        w = rng.integers(0, 3, shape).astype(float)
        w.flat[0] = 1
        full = np.broadcast_to(w.reshape(shape + (1,) * (each.ndim - len(shape))), each.shape)
        np.testing.assert_allclose(row.loss(t, p, sample_weight=w), (full * each).sum() / full.sum(), rtol=1e-12)
        np.testing.assert_allclose(row.loss(t, p, sample_weight=w, reduction="sum"), (full * each).sum(), rtol=1e-12)
        np.testing.assert_allclose(row.loss(t, p, sample_weight=w, reduction="none"), full * each, rtol=1e-12, atol=1e-15)
    assert row.loss(t, p, sample_weight=np.zeros(each.shape)) == 0
    for w, words in ((np.ones(3), r"sample_weight must have shape"), (-np.ones(each.shape), "0 or more, got -1"),
                     (np.full(each.shape, np.nan), "finite numbers, 0 or more, got nan")):
        with pytest.raises(ValueError, match=words):
            row.loss(t, p, sample_weight=w)


@pytest.mark.parametrize("options", [{}, {"reduction": "sum"}, {"reduction": "none"}, {"sample_weight": True}], ids=str)
@EACH
def test_gradient(row, options):
    t, p = pair(row)
    each = row.formula(t, p)
    if options.get("sample_weight"):
        options = {"sample_weight": np.random.default_rng(5).uniform(0, 2, each.shape)}
    x, along = cdl.Tensor(p, requires_grad=True), np.random.default_rng(4).standard_normal(p.shape)
    loss = row.loss(t, x, **options)
    g = np.random.default_rng(6).standard_normal(loss.shape)
    loss.backward(g, retain_graph=True)
    up, down = ((np.asarray(row.loss(t, p + step * along, **options)) * g).sum() for step in (1e-6, -1e-6))
    np.testing.assert_allclose((x.grad.numpy() * along).sum(), (up - down) / 2e-6, rtol=1e-6, atol=1e-8)
    once = x.grad.numpy().copy()
    loss.backward(g)            # a second time through the same graph adds the same
    np.testing.assert_allclose(x.grad.numpy(), 2 * once, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
@EACH
def test_torch_agrees(row, shape):
    torch = pytest.importorskip("torch")
    t, p = pair(row, shape, np.float32, seed=1)
    x, z = cdl.Tensor(p, requires_grad=True), torch.tensor(p, requires_grad=True)
    loss = row.loss(t, x, reduction="none")
    wanted = row.torch(torch, torch.nn.functional, torch.tensor(t), z)
    g = np.random.default_rng(2).standard_normal(loss.shape).astype(np.float32)
    loss.backward(g)
    wanted.backward(torch.tensor(g))
    np.testing.assert_allclose(loss.numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("soft, ignored", [(False, None), (False, 1), (False, -100), (True, None)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(9, 5), (64, 200), (3, 5000)])
def test_torch_agrees_on_the_options_of_cross_entropy(soft, smoothing, weighted, ignored, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z = rng.standard_normal(shape).astype(np.float32)
    t = rng.dirichlet(np.ones(shape[1]), shape[0]).astype(np.float32) if soft else rng.integers(0, shape[1], shape[0])
    if ignored is not None:
        t[::3] = ignored
    w = rng.uniform(0.1, 2, shape[1]).astype(np.float32) if weighted else None
    for reduction in ("mean", "sum", "none"):
        x, y = cdl.Tensor(z, requires_grad=True), torch.tensor(z, requires_grad=True)
        loss = cdl.cross_entropy(t, x, label_smoothing=smoothing, class_weight=w, ignore_index=ignored, reduction=reduction)
        wanted = torch.nn.functional.cross_entropy(y, torch.tensor(t), label_smoothing=smoothing, reduction=reduction,
                                                   weight=None if w is None else torch.tensor(w),
                                                   **({} if ignored is None else {"ignore_index": ignored}))
        loss.sum().backward()
        wanted.sum().backward()
        np.testing.assert_allclose(loss.numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("row, case", [pytest.param(row, case, id=f"{row.name}-{i}") for row in ROWS
                                       for i, case in enumerate(row.raises)])
def test_refused(row, case):
    t, p, error, words = case
    with pytest.raises(error, match=words):
        row.loss(t, p)


@EACH
def test_reduction_is_checked(row):
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none', got 'average'"):
        row.loss(*pair(row), reduction="average")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", [cdl.binary_cross_entropy, cdl.kl_divergence,
                                  lambda t, p: cdl.cross_entropy(t, p, from_logits=False)],
                         ids=["binary", "kl", "cross_entropy"])
def test_the_logarithm_of_nothing_is_finite(loss, dtype):
    for t, p in (([[1.0, 0.0]], [[0.0, 1.0]]), ([[0.0, 1.0]], [[0.0, 1.0]]), ([[0.5, 0.5]], [[0.0, 0.0]])):
        x = cdl.Tensor(np.array(p, dtype), requires_grad=True)
        value = loss(np.array(t, dtype), x)
        value.backward()
        assert np.isfinite(value.item()) and np.isfinite(x.grad.numpy()).all()
    assert loss(np.array([[1.0, 0.0]], dtype), np.array([[0.0, 1.0]], dtype)) > 15


def test_binary_cross_entropy_of_large_logits():
    z = cdl.Tensor([1000.0, -1000.0, 20.0, -20.0], requires_grad=True)
    loss = cdl.binary_cross_entropy([1, 0, 1, 0], z, from_logits=True, reduction="none")
    np.testing.assert_allclose(loss.numpy(), [0, 0, np.log1p(np.exp(-20)), np.log1p(np.exp(-20))], rtol=1e-12)
    assert float(cdl.binary_cross_entropy([0.0], [1000.0], from_logits=True)) == 1000
    with pytest.raises(ValueError, match="epsilon"):
        cdl.binary_cross_entropy(np.ones(1), np.ones(1), epsilon=0)


def test_nothing_is_learned_from_a_vector_of_no_length():
    x = cdl.Tensor([[0.0, 0.0]], requires_grad=True)
    loss = cdl.cosine_loss([[1.0, 2.0]], x)
    loss.backward()
    assert loss.item() == 1 and not x.grad.numpy().any()


def test_probabilities_of_cross_entropy():
    with pytest.raises(ValueError, match=r"y_pred must hold probabilities, 0 to 1, got -0.1 \(position 1"):
        cdl.cross_entropy([0], [[1.0, -0.1]], from_logits=False)
    assert np.isnan(cdl.cross_entropy([0], [[np.nan, 0.5]], from_logits=False))
    with pytest.raises(ValueError, match="delta must be positive"):
        cdl.huber([1.0], [1.0], delta=0)


def test_targets_may_want_a_gradient():
    a, b = (cdl.Tensor(np.random.default_rng(i).standard_normal((3, 2)), requires_grad=True) for i in (0, 1))
    for loss in (cdl.mse, cdl.mae, cdl.huber):
        a.grad = b.grad = None
        loss(a, b).backward()
        np.testing.assert_allclose(a.grad.numpy(), -b.grad.numpy())


def test_penalties():
    params = [cdl.Tensor([[1.0, -2.0]], requires_grad=True), cdl.Tensor([3.0], requires_grad=True)]
    for penalty, value, slope in ((cdl.l1_penalty, 3.0, [0.5, -0.5]), (cdl.l2_penalty, 7.0, [1.0, -2.0])):
        params[0].grad = None
        total = penalty(params, 0.5)
        total.backward()
        assert total.item() == value
        np.testing.assert_allclose(params[0].grad.numpy()[0], slope)
        assert penalty(params[1], 1).item() > 0
        with pytest.raises(ValueError, match="strength must be 0 or more"):
            penalty(params, -1)
        with pytest.raises(ValueError, match="no parameters"):
            penalty([], 1)


def test_fit_knows_every_loss_by_name(rng):
    assert sorted(LOSSES) == sorted(set(cdl.losses.__all__) - {"l1_penalty", "l2_penalty"})
    for name, targets in (("huber", rng.standard_normal((16, 2))), ("hinge", np.sign(rng.standard_normal((16, 2)))),
                          ("cosine_loss", rng.standard_normal((16, 2)))):
        model = cdl.Sequential([cdl.Dense(2, rng=0)])
        history = model.fit(rng.standard_normal((16, 3)), targets, loss=name, epochs=2, progress=False)
        assert np.isfinite(history["loss"]).all()
