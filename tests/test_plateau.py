"""ReduceOnPlateau and Scheduled: when they change what, and that a resumed training goes on the same."""
import copy

import numpy as np
import pytest

import cdl
from cdl.callbacks import Callback, ReduceOnPlateau, Scheduled


class Figures(Callback):
    """Puts values into the figures, one for each epoch, and notes the learning rates."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name, self.rates = list(values), name, []

    def __call__(self, model, epoch, figures):
        figures[self.name] = self.values[epoch]

    def on_epoch_end(self, training):
        self.rates.append([group["lr"] for group in training.optimizer.groups])


def fitted(callbacks, epochs, make=lambda ps: cdl.SGD(ps, lr=1.0), model=None):
    cdl.seed(0)
    x = np.linspace(-1, 1, 64)[:, None].astype(np.float32)
    model = model or cdl.Sequential([cdl.Dense(1, in_features=1)])
    return model.fit(x * 0, x * 0, loss="mse", optimizer=make, epochs=epochs, callbacks=callbacks, progress=False, rng=1)


def rates(values, name="val_loss", **options):
    figures = Figures(values, name)
    fitted([figures, ReduceOnPlateau(name, **options)], len(values))
    return [rate for rate, in figures.rates]


# --- plateaus ---------------------------------------------------------------------------------------------------------
def test_the_rate_goes_down_after_the_patience():
    assert rates([3, 2, 2, 2, 2, 2, 1, 1], factor=0.5, patience=2) == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert rates([3, 2, 2, 2], factor=0.5, patience=1) == [1, 1, 0.5, 0.25] == rates([3, 2, 2, 2], factor=0.5, patience=0)
    assert rates([1, 2, 2, 2], name="val_accuracy", factor=0.5, patience=1) == [1, 1, 0.5, 0.25]
    assert rates([1, 2, 2, 2], name="score", mode="max", factor=0.5, patience=2) == [1, 1, 1, 0.5]
    assert rates([float("nan"), 1, float("nan"), float("nan")], factor=0.5, patience=1) == [0.5, 0.5, 0.25, 0.125]


def test_small_gains_are_none_and_cooldowns_are_waited_for():
    falling = [1 - 0.01 * k for k in range(6)]
    assert rates(falling, factor=0.5, patience=2, min_delta=0.05)[-1] == 0.25
    assert rates(falling, factor=0.5, patience=2, min_delta=0.005) == [1] * 6
    assert rates([1] * 9, factor=0.5, patience=1, cooldown=2) == [1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]
    assert rates([1] * 9, factor=0.5, patience=2, cooldown=3) == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_no_rate_goes_below_the_least_or_up_to_it():
    assert rates([1] * 6, factor=0.1, patience=1, min_lr=0.05) == pytest.approx([1, 0.1, 0.05, 0.05, 0.05, 0.05])
    figures = Figures([1] * 4)
    fitted([figures, ReduceOnPlateau(factor=0.1, patience=1, min_lr=0.05)], 4,
           lambda ps: cdl.SGD([{"params": ps[:1], "lr": 0.01}, {"params": ps[1:]}], lr=2.0))
    assert [a for a, _ in figures.rates] == [0.01] * 4                      # it was below already
    np.testing.assert_allclose([b for _, b in figures.rates], [2, 0.2, 0.05, 0.05])


def test_counts_agree_with_keras():
    keras = pytest.importorskip("keras")

    def theirs(values, **options):
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        callback = keras.callbacks.ReduceLROnPlateau("val_loss", **options)
        callback.set_model(model)
        callback.on_train_begin()
        path = []
        for epoch, value in enumerate(values):
            callback.on_epoch_end(epoch, {"val_loss": value})
            path.append(float(model.optimizer.learning_rate))
        return path

    values = np.random.default_rng(0).random(60) + np.exp(-np.arange(60) / 20)
    for options in ({"patience": 2}, {"patience": 3, "cooldown": 2}, {"patience": 1, "cooldown": 4, "min_lr": 1e-3}):
        assert rates(values, factor=0.7, **options) == pytest.approx(theirs(values, factor=0.7, **options), rel=1e-5)


@pytest.mark.parametrize("at", [1, 4, 6])
def test_a_resumed_training_goes_on_the_same(at):
    values = [3, 2, 2, 2, 2, 2.5, 2, 1, 1, 1]

    class Keep(Callback):
        def on_epoch_end(self, training):
            if training.epoch == at:
                self.kept = copy.deepcopy(training.state_dict())

    class Resume(Callback):
        def resume(self, training):
            training.load_state_dict(*keep.kept)

    keep, figures, again = Keep(), Figures(values), Figures(values)
    first, second = (ReduceOnPlateau(factor=0.5, patience=2, cooldown=1) for _ in range(2))
    fitted([figures, first, keep], 10)
    fitted([again, second, Resume()], 10)
    assert again.rates == figures.rates[at:]
    assert second.state_dict() == first.state_dict() and first.reductions > 1
    fitted([figures, first], 1)                                             # a new training forgets the old one
    assert first.reductions == 0 and first.best == 3


def test_what_plateaus_refuse():
    with pytest.raises(ValueError, match=r"ReduceOnPlateau: the learning rate of the optimizer is a schedule, StepDecay"):
        fitted([ReduceOnPlateau("loss")], 1, lambda ps: cdl.SGD(ps, lr=cdl.StepDecay(0.1)))
    with pytest.raises(ValueError, match="ReduceOnPlateau: there is no figure 'val_loss'; pass validation_data to fit, or mon"):
        fitted([ReduceOnPlateau()], 1)

    class Foreign:
        step = zero_grad = next_epoch = lambda self: None

    with pytest.raises(TypeError, match=r"ReduceOnPlateau: expected an optimizer of cdl, .* got Foreign"):
        fitted([ReduceOnPlateau("loss")], 1, Foreign())
    assert repr(ReduceOnPlateau()) == "ReduceOnPlateau('val_loss', factor=0.1, patience=10)"


@pytest.mark.parametrize("options, error, words", [
    ({"factor": 1}, ValueError, r"ReduceOnPlateau: factor must be in \(0, 1\), got 1"),
    ({"factor": 0}, ValueError, "factor must be in"), ({"factor": float("nan")}, ValueError, "factor must be in"),
    ({"factor": "0.1"}, TypeError, "factor must be a number, got str"),
    ({"patience": -1}, ValueError, "patience must be an integer, 0 or more, got -1"),
    ({"cooldown": 1.5}, ValueError, "cooldown must be an integer, 0 or more, got 1.5"),
    ({"min_lr": -1}, ValueError, "min_lr must be 0 or more"), ({"min_delta": -1}, ValueError, "min_delta must be 0 or more"),
    ({"mode": "up"}, ValueError, "ReduceOnPlateau: mode must be 'auto', 'min' or 'max', got 'up'"),
])
def test_options_out_of_range(options, error, words):
    with pytest.raises(error, match=words):
        ReduceOnPlateau(**options)


# --- schedules of anything --------------------------------------------------------------------------------------------
def by_steps(k):
    return 0.5 / (1 + k)


by_steps.per = "step"


class Watch(Callback):
    """Notes the attribute of a layer as every forward of a training batch finds it."""

    def __init__(self, layer):
        self.layer, self.seen = layer, []

    def on_fit_begin(self, model):
        forward = type(self.layer).forward
        watched = type("Dropout", (type(self.layer),), {"forward": lambda layer, x: (self.seen.append(layer.drop_prob),
                                                                                    forward(layer, x))[1]})
        self.layer.__class__ = watched


@pytest.mark.parametrize("schedule", [cdl.optim.PolynomialDecay(0.5, 10), by_steps])
def test_an_attribute_follows_its_schedule(schedule):
    model = cdl.Sequential([cdl.Dropout(0.9), cdl.Dense(1, in_features=1)])
    watch = Watch(model[0])
    fitted([Scheduled(model[0], "drop_prob", schedule), watch], 4, model=model)
    steps = getattr(schedule, "per", "epoch") == "step"
    assert watch.seen == [schedule(k if steps else k // 2) for k in range(8)]
    assert model[0].drop_prob == schedule(8 if steps else 4)


@pytest.mark.parametrize("schedule", [cdl.optim.PolynomialDecay(0.5, 10), by_steps])
def test_a_resumed_training_finds_its_place_in_the_schedule(schedule):
    class Keep(Callback):
        def on_epoch_end(self, training):
            if training.epoch == 2:
                self.kept = copy.deepcopy(training.state_dict())

    class Resume(Callback):
        def resume(self, training):
            training.load_state_dict(*keep.kept)

    keep, models = Keep(), [cdl.Sequential([cdl.Dropout(0.9), cdl.Dense(1, in_features=1)]) for _ in range(2)]
    watches = [Watch(model[0]) for model in models]
    fitted([keep, Scheduled(models[0][0], "drop_prob", schedule), watches[0]], 4, model=models[0])
    fitted([Scheduled(models[1][0], "drop_prob", schedule), Resume(), watches[1]], 4, model=models[1])
    assert watches[1].seen == watches[0].seen[4:]


@pytest.mark.parametrize("make, error, words", [
    (lambda: Scheduled(cdl.Dropout(0.5), "drop_probability", by_steps), AttributeError,
     "Scheduled: Dropout has no attribute 'drop_probability'; did you mean 'drop_prob'"),
    (lambda: Scheduled(cdl.Dropout(0.5), "drop_prob", 0.1), TypeError, "expected a schedule, .* got 0.1"),
    (lambda: Scheduled(cdl.Dropout(0.5), "drop_prob", lambda k: "x").on_fit_begin(None), TypeError, "gave 'x' at epoch 0"),
    (lambda: Scheduled(cdl.Dropout(0.5), "drop_prob", lambda k: float("nan")).on_fit_begin(None), ValueError,
     "gave nan at epoch 0"),
])
def test_what_scheduled_refuses(make, error, words):
    with pytest.raises(error, match=words):
        make()
