"""Normalisation: running statistics, hostile numbers, threads, modes, and what it refuses. Values: tests/rows/norm.py."""
import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl

rng = np.random.default_rng(0)


def standard(x, axes, eps=1e-5):
    x = x.astype(np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


# --- statistics without cancellation ----------------------------------------------------------------------------------
NORMS = {
    "batch": (cdl.batch_norm, lambda x: standard(x, 0)),
    "layer": (cdl.layer_norm, lambda x: standard(x, -1)),
    "group": (lambda x: cdl.ops.group_norm(x[None], 8)[0],
              lambda x: standard(x.reshape(len(x), 8, -1), (0, 2)).reshape(x.shape)),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("rows", [700, 6000])
def test_a_mean_of_1e4_costs_no_digits(name, rows):
    op, ref = NORMS[name]
    x = (1e4 + rng.standard_normal((rows, 64))).astype(np.float32)
    np.testing.assert_allclose(op(x), ref(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NORMS)
def test_gradients_at_a_mean_of_1e4(name):
    op, _ = NORMS[name]
    x, g = (1e4 + rng.standard_normal((700, 64))).astype(np.float32), rng.standard_normal((700, 64))
    found = []
    for dtype in (np.float32, np.float64):
        t = cdl.Tensor(x.astype(dtype), requires_grad=True)
        op(t).backward(g.astype(dtype))
        found.append(t.grad.numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-4, rtol=0)


def test_an_outlier_in_the_first_row_by_which_its_block_is_shifted():
    x = rng.standard_normal((5000, 4)).astype(np.float32)
    x[0] = 30
    y = cdl.batch_norm(x)
    np.testing.assert_allclose(y, standard(x, 0), rtol=1e-4, atol=1e-4)


def test_a_constant_channel_is_beta_and_has_no_gradient():
    x = cdl.Tensor(np.full((8, 3), 7.25, np.float32), requires_grad=True)
    y = cdl.batch_norm(x, np.ones(3, np.float32), np.float32([1, 2, 3]))
    np.testing.assert_array_equal(y.numpy(), np.tile(np.float32([1, 2, 3]), (8, 1)))
    y.backward(np.ones((8, 3)))
    np.testing.assert_allclose(x.grad.numpy(), 0, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_channel(bad):
    x = rng.standard_normal((40, 3)).astype(np.float32)
    x[7, 1] = bad
    for y in (cdl.batch_norm(x), cdl.batch_norm(x, activation="relu")):
        assert np.isnan(y[:, 1]).all() and np.isfinite(y[:, [0, 2]]).all()
    y = cdl.layer_norm(x)
    assert np.isnan(y[7]).all() and np.isfinite(np.delete(y, 7, 0)).all()


# --- running statistics -----------------------------------------------------------------------------------------------
def test_running_statistics_follow_their_convention():
    layer = cdl.BatchNorm(5, momentum=0.25)
    mean, var = np.zeros(5), np.ones(5)
    for _ in range(3):
        x = rng.standard_normal((9, 2, 5)) * 3 + 1
        layer(x)
        mean = 0.75 * mean + 0.25 * x.mean((0, 1))
        var = 0.75 * var + 0.25 * x.var((0, 1), ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-6)
    x = rng.standard_normal((4, 5))
    want = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(layer.eval()(x).numpy(), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-6)     # not moved in use


def test_running_statistics_may_be_plain_arrays():
    mean, var, x = np.zeros(3), np.ones(3, np.float32), rng.standard_normal((6, 3))
    cdl.batch_norm(x, running_mean=mean, running_var=var, momentum=1)
    np.testing.assert_allclose(mean, x.mean(0))
    np.testing.assert_allclose(var, x.var(0, ddof=1), rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3), (0, 3)])
def test_training_on_one_sample_changes_nothing(shape):
    layer = cdl.BatchNorm(3)
    layer(rng.standard_normal((4, 3)))
    before = layer.state_dict()
    with pytest.raises(ValueError, match=r"training needs more than one value a channel, got x of shape .* eval\(\)"):
        layer(np.ones(shape))
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert layer.eval()(np.ones(shape)).shape == shape


def test_a_refused_call_leaves_the_running_mean_alone():
    mean, x = np.zeros(3), rng.standard_normal((6, 3))
    with pytest.raises(ValueError, match="running_var must hold 3 floats"):
        cdl.batch_norm(x, running_mean=mean, running_var=np.ones(4))
    assert not mean.any()


def frozen():
    array = np.zeros(3)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("mean, error, words", [
    ([0.0, 0.0, 0.0], TypeError, "running_mean is updated in place: it must be a Tensor or a writeable float array, got list"),
    (np.zeros(3, int), TypeError, "writeable float array"),
    (frozen(), TypeError, "writeable float array"),
    (np.zeros(3, np.float16), ValueError, "contiguous float32 or float64"),
    (np.zeros(6)[::2], ValueError, "contiguous float32 or float64"),
    (np.zeros((3, 1)), ValueError, r"running_mean must hold 3 floats, one a channel, got shape \(3, 1\)"),
])
def test_running_statistics_that_cannot_be_updated(mean, error, words):
    with pytest.raises(error, match=words):
        cdl.batch_norm(np.ones((4, 3)), running_mean=mean)


def test_use_reads_running_statistics_of_any_kind():
    y = cdl.batch_norm(np.ones((4, 3)), running_mean=[1, 1, 1], running_var=[1, 1, 1], training=False)
    np.testing.assert_allclose(y, 0, atol=1e-9)
    with pytest.raises(ValueError, match="with training=False give running_mean and running_var"):
        cdl.batch_norm(np.ones((4, 3)), running_mean=np.ones(3), training=False)


@pytest.mark.parametrize("options, words", [
    ({"momentum": 1.5}, "momentum must be 0 to 1, got 1.5"), ({"momentum": float("nan")}, "momentum must be 0 to 1"),
    ({"eps": -1}, "eps must be a finite number >= 0, got -1"), ({"eps": float("nan")}, "eps must be"),
    ({"activation": "tanh"}, 'activation must be None or "relu", got \'tanh\''),
])
def test_options_out_of_range(options, words):
    for make in (lambda: cdl.batch_norm(np.ones((4, 3)), **options), lambda: cdl.BatchNorm(3, **options)):
        with pytest.raises(ValueError, match=words):
            make()


@pytest.mark.parametrize("make, words", [
    (lambda: cdl.BatchNorm(0), "BatchNorm: dim must be a positive integer, got 0"),
    (lambda: cdl.BatchNorm(True), "got True"),
    (lambda: cdl.LayerNorm((3, 0)), "LayerNorm: dim must be a positive integer, got 0"),
    (lambda: cdl.RMSNorm(()), r"RMSNorm: dim must be a positive integer, got \(\)"),
    (lambda: cdl.GroupNorm(0), "GroupNorm: groups must be a positive integer, got 0"),
    (lambda: cdl.GroupNorm(3, 4), "GroupNorm: 4 channels do not make 3 equal groups"),
    (lambda: cdl.BatchNorm()(np.ones(())), "the input needs a last axis of known length"),
    (lambda: cdl.BatchNorm(3)(np.ones((2, 4))), r"gamma must have shape \(4,\).*got \(3,\)"),
    (lambda: cdl.BatchNorm(3, affine=False)(np.ones((2, 4))), "running_mean must hold 4 floats"),
    (lambda: cdl.layer_norm(np.ones(3), eps=float("inf")), "layer_norm: eps must be a finite number"),
    (lambda: cdl.layer_norm(np.ones(3), axes=2), r"cannot normalise the last 2 axes of x of shape \(3,\)"),
])
def test_layers_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- layers -----------------------------------------------------------------------------------------------------------
def test_predict_uses_the_running_statistics():
    model = cdl.Sequential([cdl.Dense(4, in_features=3, rng=0), cdl.BatchNorm(), cdl.Dropout(0.5)])
    x = rng.standard_normal((8, 3)).astype(np.float32)
    model(x)
    before = model.state_dict()
    alone = np.concatenate([model.predict(row[None]) for row in x])
    np.testing.assert_allclose(model.predict(x), alone, rtol=1e-6, atol=1e-6)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_gamma_and_beta_are_weight_and_bias():
    layer = cdl.BatchNorm(3)
    assert layer.gamma is layer.weight and layer.beta is layer.bias
    assert {name for name, _ in layer.named_buffers()} == {"running_mean", "running_var"}
    assert not layer.running_mean.requires_grad


def test_saved_and_loaded(tmp_path):
    model = cdl.Sequential([cdl.BatchNorm(activation="relu", momentum=0.5), cdl.LayerNorm((2, 4)), cdl.GroupNorm(2),
                            cdl.RMSNorm(), cdl.Dropout(0.3), cdl.SpatialDropout(0.2)])
    x = rng.standard_normal((5, 2, 4)).astype(np.float32)
    model(x)
    model.save(tmp_path / "norm.cdl")
    again = cdl.load(tmp_path / "norm.cdl")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert repr(again) == repr(model)


def test_freezing_stops_weight_and_bias_only():
    layer = cdl.BatchNorm(3).freeze()
    x = cdl.Tensor(rng.standard_normal((4, 3)), requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None and x.grad is not None


# --- the tape ---------------------------------------------------------------------------------------------------------
def test_the_gradient_that_arrived_is_not_overwritten_where_others_read_it():
    x = cdl.Tensor(rng.standard_normal((6, 3)), requires_grad=True)
    r = cdl.Tensor(rng.standard_normal((6, 3)), requires_grad=True)
    g = rng.standard_normal((6, 3))
    for op in (cdl.batch_norm, cdl.layer_norm, lambda t: cdl.dropout(t, 0.5, rng=0)):
        x.grad = r.grad = None
        held = g.copy()
        (op(x) + r).backward(held)
        np.testing.assert_array_equal(held, g)
        np.testing.assert_array_equal(r.grad.numpy(), g)


def test_a_second_backward_gives_the_same():
    x = cdl.Tensor(rng.standard_normal((6, 3)), requires_grad=True)
    for op in (cdl.batch_norm, cdl.layer_norm, lambda t: cdl.dropout(t, 0.5, rng=0)):
        x.grad = None
        loss = (op(x * 2) * 3).sum()
        loss.backward(retain_graph=True)
        first = x.grad.numpy().copy()
        loss.backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 * first)


def test_a_change_between_forward_and_backward_is_found():
    x = cdl.Tensor(rng.standard_normal((6, 3)), requires_grad=True)
    for op in (cdl.batch_norm, cdl.layer_norm, cdl.ops.rms_norm):
        y = op(x)
        with cdl.no_grad():
            x += 1
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward(np.ones((6, 3)))


def test_bits_do_not_depend_on_threads():
    def run():
        found = []
        for shape, op in (((20000, 48), cdl.batch_norm), ((12, 40, 40, 48), lambda *a: cdl.ops.group_norm(a[0], 6, *a[1:])),
                          ((3, 120, 120, 48), lambda *a: cdl.ops.group_norm(a[0], 6, *a[1:])), ((9000, 48), cdl.layer_norm)):
            draw = np.random.default_rng(1)
            t = [cdl.Tensor(draw.standard_normal(s).astype(np.float32), requires_grad=True) for s in (shape, 48, 48)]
            y = op(*t)
            y.backward(draw.standard_normal(shape).astype(np.float32))
            found += [y.numpy(), *(a.grad.numpy() for a in t)]
        return found

    assert_same_bits(run)


# --- something added before the activation ----------------------------------------------------------------------------
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40, 3), (2, 700, 17), (3, 5, 5, 64)])
@pytest.mark.parametrize("training", [True, False])
def test_added_is_what_an_addition_after_it_is(shape, dtype, activation, training):
    layer = cdl.BatchNorm(shape[-1], activation=activation).train(training)
    plain = cdl.BatchNorm(shape[-1]).train(training)
    x, past, g = rng.standard_normal((3, *shape)).astype(dtype)
    found = []
    for forward in (layer.forward, lambda x, past: plain(x) + past):
        t, u = cdl.Tensor(x, requires_grad=True), cdl.Tensor(past, requires_grad=True)
        y = forward(t, u)
        y = cdl.relu(y) if activation and forward != layer.forward else y
        y.backward(g)
        found.append([y.numpy(), t.grad.numpy(), u.grad.numpy()])
    for got, want in zip(*found, strict=True):
        bound = 2e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(got, want, rtol=bound, atol=bound)
    for name in ("weight", "bias"):
        np.testing.assert_allclose(getattr(layer, name).grad.numpy(), getattr(plain, name).grad.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("who", ["x", "added", "weights", "all"])
@pytest.mark.parametrize("own", [True, False])
def test_gradients_of_some_of_the_inputs(who, activation, own):
    """own: the gradient that comes in is a Tensor that nobody else reads, and may be written over."""
    arrays, g = [rng.standard_normal(s) for s in ((30, 5), 5, 5, (30, 5))], rng.standard_normal((30, 5))
    wanted = {"x": (0,), "added": (3,), "weights": (1, 2), "all": (0, 1, 2, 3)}[who]

    def gradients(wanted, own):
        ts = [cdl.Tensor(a, requires_grad=i in wanted) for i, a in enumerate(arrays)]
        y = cdl.batch_norm(*ts[:3], added=ts[3], activation=activation)
        if own:
            (y * g).sum().backward()
        else:
            held = g.copy()
            y.backward(held)
            np.testing.assert_array_equal(held, g)
        return [t.grad for t in ts]

    exact = gradients((0, 1, 2, 3), False)
    for i, got in enumerate(gradients(wanted, own)):
        if i in wanted:
            np.testing.assert_allclose(got.numpy(), exact[i].numpy(), rtol=1e-12, atol=1e-12)
        else:
            assert got is None


def test_added_may_be_the_input_itself():
    x, g = rng.standard_normal((20, 4)), rng.standard_normal((20, 4))
    t, u = cdl.Tensor(x, requires_grad=True), cdl.Tensor(x, requires_grad=True)
    cdl.batch_norm(t, added=t, activation="relu").backward(g)
    cdl.relu(cdl.batch_norm(u) + u).backward(g)
    np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_nan_stays_through_the_addition():
    x, past = rng.standard_normal((2, 40, 3)).astype(np.float32)
    past[7, 1] = np.nan
    y = cdl.batch_norm(x, added=past, activation="relu")
    assert np.isnan(y).sum() == 1
    assert np.isnan(y[7, 1])


def test_bits_of_the_addition_do_not_depend_on_threads():
    def run():
        draw = np.random.default_rng(1)
        t = [cdl.Tensor(draw.standard_normal(s).astype(np.float32), requires_grad=True) for s in
             ((20000, 50), 50, 50, (20000, 50))]
        y = cdl.batch_norm(*t[:3], added=t[3], activation="relu")
        y.backward(draw.standard_normal((20000, 50)).astype(np.float32))
        return [y.numpy(), *(a.grad.numpy() for a in t)]

    assert_same_bits(run)


@pytest.mark.parametrize("shape, groups", [((6, 5), None), ((3, 4, 5, 12), None), ((4, 700, 12), 4), ((7, 12), 3)])
def test_agrees_with_torch(shape, groups):
    torch = pytest.importorskip("torch")
    c = shape[-1]
    x, g = rng.standard_normal(shape), rng.standard_normal(shape)
    w, b = rng.standard_normal(c), rng.standard_normal(c)
    ours = [cdl.Tensor(a, requires_grad=True) for a in (x, w, b)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (np.moveaxis(x, -1, 1), w, b)]
    mean, var = np.zeros(c), np.ones(c)
    t_mean, t_var = torch.zeros(c, dtype=torch.float64), torch.ones(c, dtype=torch.float64)
    if groups is None:
        y = cdl.batch_norm(*ours, running_mean=mean, running_var=var)
        z = torch.nn.functional.batch_norm(theirs[0], t_mean, t_var, *theirs[1:], training=True)
    else:
        y = cdl.ops.group_norm(ours[0], groups, *ours[1:])
        z = torch.nn.functional.group_norm(theirs[0], groups, *theirs[1:])
    y.backward(g)
    z.backward(torch.tensor(np.moveaxis(g, -1, 1)))
    np.testing.assert_allclose(y.numpy(), np.moveaxis(z.detach().numpy(), 1, -1), atol=1e-12)
    np.testing.assert_allclose(ours[0].grad.numpy(), np.moveaxis(theirs[0].grad.numpy(), 1, -1), atol=1e-11)
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), atol=1e-11)
    np.testing.assert_allclose(mean, t_mean.numpy(), atol=1e-14)
    np.testing.assert_allclose(var, t_var.numpy(), atol=1e-14)
