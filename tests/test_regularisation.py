"""What keeps weights in bounds: penalties, label smoothing, max-norm, the soft threshold; averages of weights."""
import copy
from functools import partial

import numpy as np
import pytest

import cdl
from cdl._core.optim import Sweep, limit_norms
from cdl.callbacks import EarlyStopping, ExponentialMovingAverage, MaxNorm, SoftThreshold, StochasticWeightAverage
from cdl.losses import Penalty
from cdl.nn.weights import named_weights


def data(n=128, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 5)).astype(np.float32)
    return x, (x @ rng.standard_normal((5, 2)) + 0.1 * rng.standard_normal((n, 2))).astype(np.float32)


def network(norm=False):
    return cdl.Sequential([cdl.Dense(8, activation="tanh", in_features=5), *([cdl.BatchNorm(8)] if norm else []),
                           cdl.Dense(2, in_features=8)])


def fitted(callbacks=(), model=None, epochs=3, lr=0.05, make=cdl.SGD, **options):
    cdl.seed(0)
    model = model or network()
    made = make(model.parameters(), lr=lr)
    history = model.fit(*data(), loss="mse", optimizer=made, epochs=epochs, callbacks=callbacks, progress=False, rng=1,
                        **options)
    return model, history


# --- which parameters are weights -------------------------------------------------------------------------------------
def test_weights_are_not_biases_norms_or_what_is_frozen():
    model = cdl.Sequential([cdl.Embedding(9, 4), cdl.LSTM(3, in_features=4), cdl.LayerNorm((5, 3)),
                            cdl.Conv1D(2, 3, in_channels=3), cdl.Dense(2, in_features=2), cdl.Dense(2, in_features=2)])
    model[5].freeze()
    names = ["0.weight", "1.weight_ih_l0", "1.weight_hh_l0", "3.weight", "4.weight"]
    assert [name for name, _ in named_weights(model)] == names
    assert [name for name, _ in named_weights(model, tables=False)] == names[1:]
    shared = cdl.Dense(4, in_features=4)
    assert len(list(named_weights(cdl.Sequential([shared, shared])))) == 1
    with pytest.raises(RuntimeError, match="does not know the size of its input yet"):
        list(named_weights(cdl.Sequential([cdl.Dense(3)])))


# --- penalties --------------------------------------------------------------------------------------------------------
def test_penalties_of_a_model_are_those_of_its_weights():
    model = network(norm=True)
    weights = [model[0].weight.numpy(), model[2].weight.numpy()]
    l1, l2 = sum(np.abs(w).sum() for w in weights), sum((w**2).sum() for w in weights)
    assert float(cdl.l1_penalty(model, 0.5)) == pytest.approx(0.5 * l1, rel=1e-6)
    assert float(cdl.l2_penalty(model, 0.5)) == pytest.approx(0.5 * l2, rel=1e-6)
    assert float(Penalty(0.5, 0.25)(model)) == pytest.approx(0.5 * l1 + 0.25 * l2, rel=1e-6)
    assert float(Penalty(l1=1.0, layers=model[2])(model)) == pytest.approx(np.abs(weights[1]).sum(), rel=1e-6)
    assert float(Penalty(l2=1.0, layers=[model[0], model])(model)) == pytest.approx(l2, rel=1e-6)     # each weight once
    assert Penalty()(model) == 0
    Penalty(0.5, 0.25)(model).backward()
    np.testing.assert_allclose(model[0].weight.grad.numpy(), 0.5 * np.sign(weights[0]) + 0.5 * weights[0], rtol=1e-6)
    assert model[0].bias.grad is None and model[1].weight.grad is None


def test_a_penalty_in_fit_takes_the_steps_of_coupled_decay():
    decayed, _ = fitted(make=lambda ps, lr: cdl.SGD([{"params": ps[::2], "weight_decay": 0.2}, {"params": ps[1::2]}], lr=lr))
    penalised, history = fitted(penalty=Penalty(l2=0.1))
    for a, b in zip(decayed.parameters(), penalised.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)
    plain, without = fitted()
    assert history["loss"][0] > without["loss"][0]
    assert (penalised[0].weight.numpy() ** 2).sum() < (plain[0].weight.numpy() ** 2).sum()


def test_a_penalty_follows_a_schedule():
    penalty, seen = Penalty(l2=1.0), []
    follow = cdl.callbacks.Scheduled(penalty, "l2", lambda epoch: 0.5**epoch)
    fitted([follow, lambda *_: seen.append(penalty.l2)], penalty=penalty)
    assert seen == [0.5, 0.25, 0.125]                     # after each epoch that of the next


# --- label smoothing --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_binary_label_smoothing(smoothing, logits):
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, 50), rng.standard_normal(50)
    p = 1 / (1 + np.exp(-z))
    t = y * (1 - smoothing) + smoothing / 2
    wanted = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    given = cdl.Tensor(z if logits else p, requires_grad=True)
    weights = rng.random(50)
    for labels in (y, y.astype(bool), y.astype(np.float32), cdl.Tensor(y.astype(float))):
        each = cdl.binary_cross_entropy(labels, given, from_logits=logits, label_smoothing=smoothing, reduction="none")
        np.testing.assert_allclose(each.numpy(), wanted, rtol=1e-6)
    loss = cdl.binary_cross_entropy(y, given, from_logits=logits, label_smoothing=smoothing, sample_weight=weights)
    assert loss.item() == pytest.approx((wanted * weights).sum() / weights.sum(), rel=1e-9)
    loss.backward()
    slope = (p - t) * weights / weights.sum()
    np.testing.assert_allclose(given.grad.numpy(), slope if logits else slope / (p * (1 - p)), rtol=1e-6, atol=1e-12)
    two = np.stack([np.zeros_like(z), z], -1)
    assert cdl.cross_entropy(y, two, label_smoothing=smoothing) == pytest.approx(wanted.mean(), rel=1e-9)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_label_smoothing_out_of_range(bad):
    with pytest.raises(ValueError, match="binary_cross_entropy: label_smoothing must be 0 to 1"):
        cdl.binary_cross_entropy([1.0], [0.5], label_smoothing=bad)
    with pytest.raises(ValueError, match="cross_entropy: label_smoothing must be 0 to 1"):
        cdl.cross_entropy([1], [[0.5, 1.0]], label_smoothing=bad)


def test_smoothing_of_labels_and_of_one_hot_rows_is_the_same_in_fit():
    x, y = data()[0], np.random.default_rng(1).integers(0, 3, 128)
    states = []
    for labels in (y, np.eye(3, dtype=np.float32)[y]):
        cdl.seed(0)
        model = cdl.Sequential([cdl.Dense(3, in_features=5)])
        model.fit(x, labels, loss=partial(cdl.cross_entropy, label_smoothing=0.2), epochs=2, progress=False, rng=0)
        states.append(model[0].weight.numpy().copy())
    np.testing.assert_allclose(*states, rtol=1e-5, atol=1e-7)


# --- max-norm ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 3), (3, 1), (1, 600), (3, 3, 2, 257), (0, 3), (5, 0), (300, 256)])
def test_norms_of_units_are_limited(shape, dtype):
    w = np.random.default_rng(0).standard_normal(shape).astype(dtype) * 2
    units = w.reshape(int(np.prod(shape[:-1])), shape[-1]).astype(float)
    norms = np.sqrt((units**2).sum(0))
    limit = np.median(norms) if norms.size and norms.any() else 1.0
    wanted = units * np.where(norms > limit, limit / np.maximum(norms, 1e-9), 1)
    held = cdl.Tensor(w.copy())
    limit_norms(held, limit)
    got = held.numpy().reshape(units.shape)
    np.testing.assert_allclose(got, wanted, rtol=3e-6 if dtype is np.float32 else 1e-12)
    np.testing.assert_array_equal(got[:, norms < 0.99 * limit], units[:, norms < 0.99 * limit].astype(dtype))
    view = np.asfortranarray(w.copy())          # whatever its steps
    limit_norms(view, limit)
    np.testing.assert_array_equal(view.reshape(units.shape), got)


def test_a_norm_that_is_not_finite_is_left_alone():
    w = np.array([[np.nan, np.inf, 3.0, 1e30], [1.0, 2.0, 4.0, 0.0]], np.float32)
    held = cdl.Tensor(w.copy())
    limit_norms(held, 1.0)
    np.testing.assert_array_equal(held.numpy()[:, [0, 1, 3]], w[:, [0, 1, 3]])
    np.testing.assert_allclose(held.numpy()[:, 2], [0.6, 0.8], rtol=1e-6)
    for bad in (cdl.Tensor([1, 2]), cdl.Tensor(3.0)):
        with pytest.raises(TypeError, match="limit_norms: expected weights"):
            limit_norms(bad, 1.0)


def test_max_norm_has_the_same_bits_for_every_thread_count():
    w, before, results = np.random.default_rng(0).standard_normal((700, 1500)).astype(np.float32), cdl.get_num_threads(), set()
    try:
        for threads in (1, 2, 3, 5):
            cdl.set_num_threads(threads)
            held = cdl.Tensor(w.copy())
            limit_norms(held, 26.0)
            results.add(held.numpy().tobytes())
    finally:
        cdl.set_num_threads(before)
    assert len(results) == 1


def unit_norms(w):
    return np.sqrt((w.numpy().astype(float) ** 2).sum(axis=tuple(range(w.ndim - 1))))


def test_max_norm_holds_after_every_step_and_where_it_is_told_to():
    most = []

    def watch(model, epoch, figures):
        most.append([unit_norms(model[k].weight).max() for k in (0, 1)])

    fitted([MaxNorm(0.4), watch], lr=0.5)
    assert np.max(most) <= 0.4 * (1 + 1e-6) and np.min(most) > 0.3
    for layers in ("1", ["1"], lambda model: model[1], lambda model: [model[1]]):
        model = network()
        most.clear()
        fitted([MaxNorm(0.4, layers(model) if callable(layers) else layers), watch], model, lr=0.5)
        assert np.max(most, 0)[0] > 0.6 and np.max(most, 0)[1] <= 0.4 * (1 + 1e-6)


def test_max_norm_agrees_with_torchs_renorm():
    torch = pytest.importorskip("torch")
    w = np.random.default_rng(0).standard_normal((7, 5))
    held = cdl.Tensor(w.copy())
    limit_norms(held, 2.0)
    np.testing.assert_allclose(held.numpy(), torch.renorm(torch.tensor(w), 2, 1, 2.0).numpy(), rtol=1e-6)


def test_max_norm_agrees_with_keras():
    keras = pytest.importorskip("keras")
    w = np.random.default_rng(0).standard_normal((3, 3, 4, 5)).astype(np.float32)
    held = cdl.Tensor(w.copy())
    limit_norms(held, 4.0)
    np.testing.assert_allclose(held.numpy(), np.asarray(keras.constraints.MaxNorm(4.0, axis=[0, 1, 2])(w)), rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_units_of_transposed_convolutions_are_their_filters(groups):
    layer = cdl.ConvTranspose2D(6, 3, in_channels=4, groups=groups)
    model = cdl.Sequential([layer])
    w = layer.weight.numpy().copy()             # (rows, columns, filters / groups, channels)
    MaxNorm(0.3).on_fit_begin(model)
    within = w.reshape(3, 3, 6 // groups, groups, 4 // groups)
    norms = np.sqrt((within**2).sum((0, 1, 4), keepdims=True))
    assert (norms > 0.3).any()
    np.testing.assert_allclose(layer.weight.numpy(), (within * np.minimum(1, 0.3 / norms)).reshape(w.shape), rtol=1e-5)


# --- the soft threshold -----------------------------------------------------------------------------------------------
def test_the_soft_threshold_is_the_proximal_step():
    w = np.random.default_rng(0).standard_normal(1001)
    for dtype in (np.float32, np.float64):
        held = cdl.Tensor(w.astype(dtype))
        Sweep([held]).shrink(0.7)
        wanted = np.sign(w) * np.maximum(np.abs(w) - 0.7, 0)
        np.testing.assert_allclose(held.numpy(), wanted, rtol=2e-6, atol=1e-6 if dtype is np.float32 else 1e-15)
        assert ((held.numpy() == 0) == (np.abs(w.astype(dtype)) <= dtype(0.7))).all()


def test_the_lasso_is_solved():
    """Proximal descent on mean((y - x w)²) + λ Σ|w| ends where the optimality conditions hold."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6))
    y = x[:, :1] * 2 - x[:, 3:4] + 0.1 * rng.standard_normal((200, 1))
    model = cdl.Sequential([cdl.Dense(1, use_bias=False)])
    model.fit(x, y, loss="mse", optimizer=lambda ps: cdl.SGD(ps, lr=0.1), epochs=200, batch_size=200, progress=False,
              callbacks=[SoftThreshold(0.4)])
    w = model[0].weight.numpy().astype(float)
    slope = 2 * x.T @ (x @ w - y) / 200
    assert (w != 0).ravel().tolist() == [True, False, False, True, False, False]
    np.testing.assert_allclose(slope[w != 0], -0.4 * np.sign(w[w != 0]), atol=1e-3)
    assert (np.abs(slope[w == 0]) <= 0.4).all()


def test_each_group_is_pulled_at_its_own_rate():
    model = network()
    before = [model[k].weight.numpy().copy() for k in (0, 1)]
    groups = [{"params": model[0].parameters(), "lr": cdl.ConstantRate(0.5)}, {"params": model[1].parameters()}]
    optimizer = cdl.SGD(groups, lr=0.25)
    soft = SoftThreshold(0.1)
    soft.attach(type("Training", (), {"optimizer": optimizer}))
    soft.on_fit_begin(model)
    soft.on_batch_end(model)
    for k, by in ((0, 0.05), (1, 0.025)):
        wanted = np.sign(before[k]) * np.maximum(np.abs(before[k]) - by, 0)
        np.testing.assert_allclose(model[k].weight.numpy(), wanted, rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="1 of the weights are not among the parameters of the optimizer"):
        fitted([SoftThreshold(0.1)], make=lambda ps, lr: cdl.SGD(ps[:1], lr=lr))


# --- averages ---------------------------------------------------------------------------------------------------------
class Note(cdl.callbacks.Callback):
    """Keeps a copy of the state after every step."""

    def on_fit_begin(self, model):
        self.states = [model.state_dict()]

    def on_batch_end(self, model):
        self.states.append(model.state_dict())


@pytest.mark.parametrize("warm_up", [False, True])
def test_the_moving_average_by_the_formula(warm_up):
    note, average = Note(), ExponentialMovingAverage(0.9, warm_up=warm_up)
    model, _ = fitted([note, average], network(norm=True))
    for name, got in model.state_dict().items():
        wanted = note.states[0][name].astype(float)
        for t, state in enumerate(note.states[1:]):
            d = min(0.9, (1 + t) / (10 + t)) if warm_up else 0.9
            wanted = d * wanted + (1 - d) * state[name]
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(average.averages()[name], got)
    assert average.updates == len(note.states) - 1 == 12


def test_a_slow_average_has_no_bias():
    """With the weights d and 1 - d each rounded to float32, weights that stay would come out 0.02 % too small."""
    w = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    average = cdl.Tensor(w.copy())
    sweep = Sweep([average], [cdl.Tensor(w)])
    for _ in range(50_000):
        sweep.blend(1e-4)
    np.testing.assert_array_equal(average.numpy(), w)


def test_training_goes_on_with_the_weights_that_are_trained():
    plain, without = fitted(epochs=4, validation_data=data(64, 1))
    model, history = fitted([ExponentialMovingAverage(0.9, keep=False)], epochs=4, validation_data=data(64, 1))
    assert history["loss"] == without["loss"] and history["val_loss"] != without["val_loss"]
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("average", [ExponentialMovingAverage(0.9), StochasticWeightAverage(1)])
def test_figures_and_best_weights_are_those_of_the_average(average):
    stop = EarlyStopping(patience=50)
    model, history = fitted([average, stop], epochs=6, lr=0.3, validation_data=data(64, 1))
    assert model.evaluate(*data(64, 1), loss="mse")["loss"] == pytest.approx(min(history["val_loss"]), rel=1e-6)
    last, history = fitted([average], epochs=6, lr=0.3, validation_data=data(64, 1))
    assert last.evaluate(*data(64, 1), loss="mse")["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-6)
    with pytest.raises(ValueError, match="must stand before EarlyStopping in callbacks"):
        fitted([stop, average])
    fitted([EarlyStopping("loss", restore_best=False), average])


def test_the_average_of_epochs_by_the_formula():
    for start, every, epochs in ((0, 1, 4), (1, 2, 6), (9, 1, 3)):
        kept, average = [], StochasticWeightAverage(start, every, keep=False)

        class Keep(cdl.callbacks.Callback):
            def on_measure_begin(self, model, kept=kept):
                kept.append(model.state_dict())

        model, _ = fitted([Keep(), average], network(norm=True), epochs=epochs)
        taken = kept[start::every]
        assert average.updates == len(taken)
        for name, got in average.averages().items():
            if taken:
                np.testing.assert_allclose(got, np.mean([state[name] for state in taken], 0), rtol=1e-4, atol=1e-6)
        for name, got in model.state_dict().items():
            np.testing.assert_array_equal(got, kept[-1][name])


@pytest.mark.parametrize("when", ["step", "validation", "figures"])
@pytest.mark.parametrize("keep", [True, False])
def test_an_end_in_the_middle_leaves_what_was_asked_for(keep, when):
    class Stop(cdl.callbacks.Callback):
        steps = 0

        def on_batch_end(self, model):
            self.steps += 1
            if when == "step" and self.steps == 6:
                raise KeyboardInterrupt

        def on_measure_begin(self, model):
            if when == "validation":
                raise KeyboardInterrupt

        def __call__(self, model, epoch, figures):
            if when == "figures":
                raise RuntimeError("somebody's")

    note, average = Note(), ExponentialMovingAverage(0.5, keep=keep)
    model = network()
    try:
        fitted([note, average, Stop()], model)
    except RuntimeError:
        assert when == "figures"
    wanted = average.averages() if keep else note.states[-1]
    other = note.states[-1] if keep else average.averages()
    for name, got in model.state_dict().items():
        np.testing.assert_array_equal(got, wanted[name])
    assert any(not np.array_equal(got, other[name]) for name, got in model.state_dict().items())


@pytest.mark.parametrize("make", [lambda: [ExponentialMovingAverage(0.9)], lambda: [StochasticWeightAverage(1)],
                                  lambda: [MaxNorm(0.5), ExponentialMovingAverage(0.9), EarlyStopping()]])
def test_a_resumed_training_has_the_same_average(make):
    class Keep(cdl.callbacks.Callback):
        def on_epoch_end(self, training):
            if training.epoch == 2:
                self.kept = copy.deepcopy(training.state_dict())

    class Resume(cdl.callbacks.Callback):
        def __init__(self, kept):
            self.kept = kept

        def resume(self, training):
            training.load_state_dict(*self.kept)

    keep = Keep()
    whole, first = fitted([keep, *make()], network(norm=True), epochs=5, validation_data=data(64, 1))
    again, second = fitted([*make(), Resume(keep.kept)], network(norm=True), epochs=5, validation_data=data(64, 1))
    assert dict(first) == dict(second)
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)
    with pytest.raises(ValueError, match=r"ExponentialMovingAverage: the state has no average of 0\.weight"):
        average = ExponentialMovingAverage()
        average.on_fit_begin(whole)
        average.load_state_dict({"updates": 3})


def test_contents_are_exchanged():
    x, y = cdl.Tensor(np.zeros((4, 3))), cdl.Tensor(np.ones((4, 3)))
    sweep = Sweep([x], [y])
    for _ in range(2):
        sweep.exchange()
        assert sweep.exchanged and x.numpy().all() and not y.numpy().any()
        sweep.exchange()
        assert not sweep.exchanged and y.numpy().all() and not x.numpy().any()
    for other in (cdl.Tensor(np.ones(3)), cdl.Tensor(np.ones((4, 3), np.float32)), cdl.Tensor([1, 2])):
        with pytest.raises(TypeError, match="same shapes and types"):
            Sweep([x], [other])
    w = cdl.Tensor(np.ones((4, 3)), requires_grad=True)
    loss = (w * w).sum()
    Sweep([w]).shrink(0.5)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
    assert ExponentialMovingAverage().averages() == {}
    with pytest.raises(ValueError, match="1 Tensors beside 0"):
        Sweep([x], [])


# --- errors -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make, error, words", [
    (lambda: Penalty(-1), ValueError, "Penalty: l1 must be 0 or more and finite, got -1"),
    (lambda: Penalty(l2=float("nan")), ValueError, "Penalty: l2 must be 0 or more and finite, got nan"),
    (lambda: Penalty("l2"), TypeError, "Penalty: l1 must be a number, got str"),
    (lambda: MaxNorm(0), ValueError, "MaxNorm: limit must be above 0 and finite, got 0"),
    (lambda: MaxNorm(float("nan")), ValueError, "MaxNorm: limit must be above 0"),
    (lambda: fitted([MaxNorm(1.0, "dense")]), ValueError, "MaxNorm: the model has no layer 'dense'; there are 0, 1"),
    (lambda: fitted([MaxNorm(1.0, [cdl.Dense(3)])]), ValueError, "MaxNorm: Dense.* is not in the model"),
    (lambda: fitted([MaxNorm(1.0, "1")], network(norm=True)), ValueError, "there are no weights that are trained"),
    (lambda: SoftThreshold(-1), ValueError, "SoftThreshold: strength must be 0 or more and finite, got -1"),
    (lambda: ExponentialMovingAverage(1.0), ValueError, r"decay must be in \(0, 1\), got 1.0"),
    (lambda: ExponentialMovingAverage(0), ValueError, r"decay must be in \(0, 1\), got 0"),
    (lambda: StochasticWeightAverage(-1), ValueError, "start must be an integer, 0 or more, got -1"),
    (lambda: StochasticWeightAverage(0, 0), ValueError, "every must be a positive integer"),
])
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()
