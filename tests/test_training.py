"""A training as callbacks see it: the order of their calls, going on from its state, an end by numbers that are not finite."""
import json

import numpy as np
import pytest

import cdl
from cdl.callbacks import Callback


def problem(n=96, features=6):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, features)).astype(np.float32)
    return x, (x[:, 0] > x[:, 1]).astype(int)


def network(rng=None):
    cdl.seed(0)
    return cdl.Sequential([cdl.Dense(16, "relu"), cdl.BatchNorm(), cdl.Dropout(0.3, rng=rng), cdl.Dense(2)])


def test_callbacks_are_called_in_the_order_that_is_told():
    calls = []

    class Noting(Callback):
        def __init__(self, name):
            self.name = name

        def attach(self, training):
            super().attach(training)
            calls.append(f"{self.name} attach {training.epoch}/{training.epochs}")

        def on_fit_begin(self, model):
            calls.append(f"{self.name} begin")

        def resume(self, training):
            calls.append(f"{self.name} resume")

        def on_batch_end(self, model):
            calls.append(f"{self.name} batch")

        def __call__(self, model, epoch, figures):
            calls.append(f"{self.name} epoch {epoch} of {self.training.history.epochs}")

        def on_epoch_end(self, training):
            calls.append(f"{self.name} next {training.epoch} {training.optimizer.epoch}")

        def on_fit_end(self, model):
            calls.append(f"{self.name} end")

    x, y = problem(40)
    network().fit(x, y, loss="cross_entropy", epochs=2, callbacks=[Noting("a"), lambda *_: None, Noting("b")], progress=False)
    both = [f"{name} {what}" for what in ("attach 0/2", "begin", "resume") for name in "ab"]
    for epoch in range(2):
        both += ["a batch", "b batch"] * 2
        both += [f"{name} epoch {epoch} of {epoch + 1}" for name in "ab"]
        both += [f"{name} next {epoch + 1} {epoch + 1}" for name in "ab"]
    assert calls == [*both, "a end", "b end"]


def test_stop_ends_the_training_after_the_epoch():
    class Stop(Callback):
        def on_batch_end(self, model):
            self.training.stop()

    x, y = problem()
    assert network().fit(x, y, loss="cross_entropy", epochs=5, callbacks=Stop(), progress=False).epochs == 1


class Keep(Callback):
    """Keeps the state after an epoch as a file would, or sets a training to it."""

    def __init__(self, after=None, state=None):
        self.after, self.state = after, state

    def resume(self, training):
        if self.after is None:
            arrays, text = self.state
            training.load_state_dict(arrays, json.loads(text))

    def on_epoch_end(self, training):
        if training.epoch == self.after:
            arrays, values = training.state_dict()
            self.state = {name: array.copy() for name, array in arrays.items()}, json.dumps(values)


@pytest.mark.parametrize("own", [True, False], ids=["own generators", "the library's"])
@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("kind", ["arrays", "loader"])
def test_going_on_gives_the_bits_of_never_having_stopped(kind, after, own):
    x, y = problem()
    generators = dict(rng=7) if own else {}

    def fit(epochs, keep, seed):
        model = network(rng=3 if own else None)
        data = (x, y)
        options = dict(batch_size=40, **generators)
        if kind == "loader":
            data, options = (cdl.data.Loader((x, y), shuffle=True, **options),), {}
        stop = cdl.EarlyStopping("val_loss", patience=4)
        if not own:
            cdl.seed(seed)
        return model.fit(*data, loss="cross_entropy", epochs=epochs, progress=False, validation_data=(x, y), **options,
                         optimizer=lambda p: cdl.Adam(p, lr=cdl.ExponentialDecay(0.01, 0.9)), callbacks=[keep, stop]), model

    keep = Keep(after)
    wanted_history, wanted = fit(5, keep, seed=5)
    history, model = fit(5, Keep(state=keep.state), seed=6)
    assert history == wanted_history
    for name, array in wanted.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array, err_msg=name)


def test_a_training_that_had_stopped_is_not_taken_up_again():
    x, y = problem()
    keep = Keep(2)
    options = dict(loss="cross_entropy", epochs=5, progress=False)
    network().fit(x, y, **options, callbacks=[keep, lambda model, epoch, figures: epoch == 1])
    assert network().fit(x, y, **options, callbacks=Keep(state=keep.state)).epochs == 2


@pytest.mark.parametrize("change, words", [
    (lambda arrays, values: values.pop("epoch"), "damaged"),
    (lambda arrays, values: values["history"]["loss"].append(1.0), "damaged: 2 epochs"),
    (lambda arrays, values: values["generators"].append(values["generators"][0]), "2 random generators, this training 1"),
    (lambda arrays, values: arrays.pop("model.0.weight"), "missing 0.weight"),
    (lambda arrays, values: values["optimizer"].update(optimizer="SGD"), "that of SGD"),
    (lambda arrays, values: arrays.pop("optimizer.0.m"), "does not fit a parameter"),
])
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, words):
    x, y = problem()
    keep = Keep(2)
    network().fit(x, y, loss="cross_entropy", epochs=2, progress=False, callbacks=keep)
    arrays, values = keep.state[0], json.loads(keep.state[1])
    change(arrays, values)
    model = network()
    model.build((None, 6))
    before = model.state_dict()
    with pytest.raises(ValueError, match=words):
        model.fit(x, y, loss="cross_entropy", progress=False, callbacks=Keep(state=(arrays, json.dumps(values))))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


class Broken(cdl.Layer):
    """Gives infinity where it is asked to."""

    def __init__(self, value):
        self._value = value

    def forward(self, x):
        return x * self._value


@pytest.mark.parametrize("value, words", [(np.inf, "layer 1 Broken"), (1e30, "layer 2.inner.0 Dense")])
def test_the_first_layer_without_a_finite_output_is_named(value, words):
    x, y = problem()

    class Inside(cdl.Layer):
        def __init__(self):
            self.inner = [cdl.Dense(3)]

        def build(self, input_shape):
            self.inner[0].build(input_shape)
            self.inner[0].weight[...] = np.full((4, 3), 1e30)

        def output_shape(self, input_shape):
            return self.inner[0].output_shape(input_shape)

        def forward(self, x):
            return self.inner[0](x)

    cdl.seed(0)
    model = cdl.Sequential([cdl.Dense(4), Broken(np.float32(value)), Inside(), cdl.BatchNorm(), cdl.Dense(2)])
    model.ensure_built(x)
    before = model.state_dict()
    with pytest.raises(FloatingPointError, match=f"first output that is not finite is that of {words}") as caught:
        model.fit(x, y, loss="cross_entropy", progress=False)
    assert caught.value.history.epochs == 0
    after = model.state_dict()
    for name, _ in model.named_parameters():
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)      # the step was not taken


def test_other_sources_of_numbers_that_are_not_finite_are_named():
    x, y = problem()
    bad = x.copy()
    bad[70, 4] = np.nan
    with pytest.raises(FloatingPointError, match=r"epoch 1, at sample .*: x holds nan \(column 4\)"):
        network().fit(bad, y, loss="cross_entropy", progress=False)
    model = network()
    model.build((None, 6))
    with cdl.no_grad():
        model[3].bias[...] = np.array([np.inf, 0])
    with pytest.raises(FloatingPointError, match=r"the parameter 3\.bias is not finite"):
        model.fit(x, y, loss="cross_entropy", progress=False)
    with pytest.raises(FloatingPointError, match="it is the loss"):
        network().fit(x, y, loss=lambda y_true, y_pred: cdl.ops.log(y_pred.sum() * 0 - 1), progress=False)
    target = x[:, :1].copy()
    target[3] = np.inf
    with pytest.raises(FloatingPointError, match="y holds inf"):
        cdl.Sequential([cdl.Dense(1)]).fit(x, target, loss="mse", progress=False)


@pytest.mark.parametrize("option, words", [(dict(loss="cross_entropi"), "mean 'cross_entropy'"),
                                           (dict(loss="cross_entropy", optimizer="adm"), "mean 'adam'")])
def test_the_nearest_name_is_offered(option, words):
    with pytest.raises(ValueError, match=words):
        network().fit(*problem(), progress=False, **option)


def test_metrics_are_figures_of_the_training_and_of_the_validation():
    x, y = problem()
    seen = []

    def share_of_ones(y_true, y_pred):
        seen.append(len(y_true))
        return float(np.mean(np.asarray(y_pred).argmax(-1)))

    model = network()
    history = model.fit(x, y, loss="cross_entropy", epochs=2, batch_size=40, progress=False, validation_data=(x, y),
                        metrics=["accuracy", share_of_ones])
    assert list(history) == ["loss", "accuracy", "share_of_ones", "val_loss", "val_accuracy", "val_share_of_ones"]
    figures = model.evaluate(x, y, loss="cross_entropy", metrics=share_of_ones)
    assert seen == [40, 40, 16, 96] * 2 + [96]
    assert figures["accuracy"] == history["val_accuracy"][-1] == np.mean(model.predict(x).argmax(-1) == y)
    assert figures["share_of_ones"] == history["val_share_of_ones"][-1] == np.mean(model.predict(x).argmax(-1))


def test_a_metric_of_the_training_is_that_of_its_own_outputs():
    x, y = problem()
    outputs, targets = [], []

    class Outputs:
        name = "seen"

        def reset(self):
            outputs.clear(), targets.clear()

        def update(self, y_true, y_pred, sample_weight=None):
            outputs.append(np.array(y_pred)), targets.append(np.array(y_true))

        def result(self):
            return float(np.mean(np.concatenate(outputs).argmax(-1) == np.concatenate(targets)))

    history = network().fit(x, y, loss="cross_entropy", progress=False, metrics=["accuracy", Outputs()])
    assert history["seen"] == history["accuracy"] and len(np.concatenate(outputs)) == len(x)


@pytest.mark.parametrize("metrics, error, words", [
    ("acuracy", ValueError, "fit: unknown metric 'acuracy'; did you mean 'accuracy'"),
    (["accuracy", "accuracy"], ValueError, "two figures would have the name 'accuracy'"),
    ([3], TypeError, "fit: a metric is a name"),
])
def test_metrics_that_are_none_are_refused(metrics, error, words):
    with pytest.raises(error, match=words):
        network().fit(*problem(), loss="cross_entropy", metrics=metrics, progress=False)
