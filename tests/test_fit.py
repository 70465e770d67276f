"""What fit takes beside samples: weights, early stopping, validation_split, augment, penalty, schedules, frozen layers."""
import pickle

import numpy as np
import pytest

import cdl


def weighted_mse(y_true, y_pred, *, sample_weight=None):
    """The losses' agreement: one weight a sample, the mean divides by the sum of the weights."""
    each = ((y_true - y_pred) ** 2).mean(axis=-1)
    return each.mean() if sample_weight is None else (each * sample_weight).sum() / np.sum(sample_weight)


def line(n=96):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2)).astype(np.float32)
    return x, (x @ np.array([[2.0], [-1.0]]) + 1).astype(np.float32)


def linear():
    return cdl.Sequential([cdl.Dense(1, in_features=2, rng=0)])


def sgd(parameters):
    return cdl.SGD(parameters, lr=0.1)


def test_a_sample_of_weight_two_is_a_sample_twice():
    x, y = line(32)
    weights = np.arange(32) % 3
    weighted, repeated = linear(), linear()
    options = dict(loss=weighted_mse, optimizer=sgd, epochs=5, shuffle=False, progress=False)
    first = weighted.fit(x, y, sample_weight=weights, batch_size=32, **options)
    second = repeated.fit(x.repeat(weights, 0), y.repeat(weights, 0), batch_size=100, **options)
    np.testing.assert_allclose(weighted[0].weight.numpy(), repeated[0].weight.numpy(), rtol=1e-5)
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-5)
    np.testing.assert_allclose(weighted.evaluate(x, y, loss=weighted_mse, sample_weight=weights, batch_size=7)["loss"],
                               repeated.evaluate(x.repeat(weights, 0), y.repeat(weights, 0), loss="mse")["loss"], rtol=1e-5)


@pytest.mark.parametrize("loss, targets", [
    ("mse", lambda y: y), ("mae", lambda y: y), ("huber", lambda y: y), ("cross_entropy", lambda y: (y[:, 0] > 0).astype(int)),
    ("binary_cross_entropy", lambda y: (y > 0).astype(np.float32)), ("hinge", lambda y: np.sign(y)),
])
def test_every_loss_takes_weights_of_samples(loss, targets):
    """A weight of 2 is a sample twice, of 0 none: in the steps and in the figures."""
    x, y = line(40)
    y, weights = targets(y), np.arange(40) % 3
    outputs = 2 if loss == "cross_entropy" else 1
    act = "sigmoid" if loss == "binary_cross_entropy" else None
    weighted, repeated = (cdl.Sequential([cdl.Dense(outputs, act, in_features=2, rng=0)]) for _ in range(2))
    options = dict(loss=loss, optimizer=sgd, epochs=3, batch_size=100, shuffle=False, progress=False)
    first = weighted.fit(x, y, sample_weight=weights, validation_data=(x, y, weights), **options)
    x, y = x.repeat(weights, 0), y.repeat(weights, 0)
    second = repeated.fit(x, y, validation_data=(x, y), **options)
    assert first.keys() == second.keys()
    for name, column in first.items():
        np.testing.assert_allclose(column, second[name], rtol=1e-5)
    np.testing.assert_allclose(weighted[0].weight.numpy(), repeated[0].weight.numpy(), rtol=1e-5)


def test_the_loss_of_an_epoch_is_its_mean_by_weight():
    x, y = line(10)
    weights = np.array([1, 2, 0, 0, 0, 0, 1, 1, 1, 9.0])        # the second batch is of weight 0
    model = linear()
    history = model.fit(x, y, loss=weighted_mse, sample_weight=weights, batch_size=3, shuffle=False, progress=False,
                        optimizer=lambda p: cdl.SGD(p, lr=1e-30))
    wanted = np.average(((model.predict(x) - y) ** 2)[:, 0], weights=weights)
    np.testing.assert_allclose(history["loss"], wanted, rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(x, y, loss=weighted_mse, sample_weight=weights, batch_size=3)["loss"], wanted,
                               rtol=1e-5)


def test_a_batch_of_weight_zero_is_no_step():
    x, y = line(8)
    model = linear()
    rule = cdl.Adam(model.parameters())
    model.fit(x, y, loss="mse", sample_weight=[1, 1, 0, 0, 0, 0, 1, 1], batch_size=2, shuffle=False, progress=False,
              optimizer=rule)
    assert rule.t == 2


@pytest.mark.parametrize("class_weight, wanted", [
    ({0: 1.0, 2: 5.0}, [1, 1, 1, 5]), ([1, 2, 3], [1, 1, 2, 3]), (np.array([0.5, 1, 0, 7]), [0.5, 0.5, 1, 0]),
    ("balanced", [4 / 6, 4 / 6, 4 / 3, 4 / 3])])
@pytest.mark.parametrize("labels", [
    np.array([0, 0, 1, 2]), np.array([0, 0, 1, 2], np.uint8), np.array([[0], [0], [1], [2]]), np.array([0.0, 0, 1, 2]),
    np.eye(3)[[0, 0, 1, 2]], np.eye(3, dtype=int)[[0, 0, 1, 2]]])
def test_class_weights_are_weights_of_samples(class_weight, wanted, labels):
    from cdl.train.weights import weights_of
    np.testing.assert_allclose(weights_of(labels, None, class_weight, "fit"), wanted, rtol=1e-6)
    np.testing.assert_allclose(weights_of(labels, [1, 2, 3, 4], class_weight, "fit"), np.multiply(wanted, [1, 2, 3, 4]),
                               rtol=1e-6)


def test_class_weights_of_sequences_of_labels():
    from cdl.train.weights import weights_of
    labels = np.array([[0, 1], [1, 1]])
    np.testing.assert_allclose(weights_of(labels, [1, 10], {1: 3.0}, "fit"), [[1, 3], [30, 30]])


def test_rare_classes_are_found_when_balanced():
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.03).astype(int)
    x = (rng.standard_normal((2000, 2)) + y[:, None]).astype(np.float32)
    found = []
    for class_weight in (None, "balanced"):
        model = cdl.Sequential([cdl.Dense(2, rng=0)])
        model.fit(x, y, loss="cross_entropy", epochs=20, class_weight=class_weight, progress=False, rng=0,
                  optimizer=lambda p: cdl.Adam(p, lr=0.02))
        found.append((model.predict(x).argmax(1)[y == 1] == 1).mean())
    assert found[0] < 0.3 and found[1] > 0.6


def test_early_stopping_stops_after_its_patience_and_brings_back_the_best():
    model, states = linear(), []
    stop = cdl.EarlyStopping("figure", patience=4, min_delta=0.01)
    stop.on_fit_begin(model)
    for epoch, figure in enumerate([5.0, 3.0, 2.0, 2.5, 1.9995, np.nan, 2.1, 2.3, 9.0]):
        model[0].weight.data[...] += 1
        states.append(model.state_dict())
        if stop(model, epoch, {"figure": figure}):
            break
    assert (epoch, stop.stopped_epoch, stop.best, stop.best_epoch) == (6, 6, 2.0, 2)
    stop.on_fit_end(model)
    np.testing.assert_array_equal(model[0].weight.numpy(), states[2]["0.weight"])


@pytest.mark.parametrize("mode, name, wanted", [("auto", "val_accuracy", 1), ("max", "figure", 1), ("min", "val_accuracy", 0),
                                                ("auto", "val_loss", 0), ("auto", "val_f1_macro", 1), ("auto", "val_rmse", 0)])
def test_early_stopping_knows_which_way_is_better(mode, name, wanted):
    stop = cdl.EarlyStopping(name, patience=3, mode=mode)
    for epoch, figure in enumerate([0.5, 0.9]):
        stop(linear(), epoch, {name: figure})
    assert stop.best_epoch == wanted


@pytest.mark.parametrize("restore", [True, False])
def test_fit_ends_early_or_not_with_the_best_weights(restore):
    x, y = line()
    states, losses = [], []

    def remember(model, epoch, figures):
        states.append(model.state_dict()), losses.append(figures["val_loss"])

    def too_fast(parameters):       # good steps, then ones that climb
        return cdl.SGD(parameters, lr=lambda epoch: 0.05 if epoch < 3 else 1.2)

    for patience, epochs in ((2, 30), (20, 6)):       # ended by its patience; by the number of epochs
        del states[:], losses[:]
        stop = cdl.EarlyStopping(patience=patience, restore_best=restore)
        model = linear()
        history = model.fit(x, y, loss="mse", epochs=epochs, batch_size=96, progress=False, validation_data=(x, y),
                            callbacks=[remember, stop], optimizer=too_fast)
        best = int(np.argmin(losses))
        assert stop.best_epoch == best == 3 and history.epochs == len(losses) == min(epochs, best + patience + 1)
        wanted = states[best if restore else -1]
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, wanted[name])


def test_the_best_weights_come_back_after_an_interrupt():
    x, y = line()
    states = []

    def interrupt(model, epoch, figures):
        states.append(model.state_dict())
        if epoch == 2:
            raise KeyboardInterrupt

    model = linear()
    history = model.fit(x, y, loss="mse", epochs=9, progress=False, callbacks=[cdl.EarlyStopping("loss"), interrupt],
                        optimizer=sgd)
    assert history.interrupted and history.epochs == 3
    np.testing.assert_array_equal(model[0].weight.numpy(), states[2]["0.weight"])


def test_a_stopper_can_be_used_again_and_pickled():
    x, y = line()
    stop = cdl.EarlyStopping("loss", patience=1, min_delta=1e9)
    for _ in range(2):
        assert linear().fit(x, y, loss="mse", epochs=9, progress=False, callbacks=stop, optimizer=sgd).epochs == 2
    assert pickle.loads(pickle.dumps(stop)).best == stop.best
    history = linear().fit(x, y, loss="mse", epochs=2, progress=False)
    assert pickle.loads(pickle.dumps(history)) == history


def test_validation_split_keeps_the_last_samples_apart():
    x, y = line(50)
    history = linear().fit(x, y, loss="mse", epochs=2, validation_split=0.2, progress=False, optimizer=sgd, rng=0)
    again = linear()
    same = again.fit(x[:40], y[:40], loss="mse", epochs=2, validation_data=(x[40:], y[40:]), progress=False, optimizer=sgd,
                     rng=0)
    assert history == same
    weights = np.arange(50.0)
    history = linear().fit(x, y, loss=weighted_mse, validation_split=0.2, sample_weight=weights, progress=False, rng=0)
    same = linear().fit(x[:40], y[:40], loss=weighted_mse, sample_weight=weights[:40], progress=False, rng=0,
                        validation_data=(x[40:], y[40:], weights[40:]))
    assert history == same


def test_augment_sees_copies_and_penalty_shrinks():
    x, y = line()
    kept, shapes = x.copy(), []

    def noise(a, b):
        shapes.append((type(a), a.shape, b.shape))
        a += 100
        return a - 100, b

    linear().fit(x, y, loss="mse", augment=noise, batch_size=40, shuffle=False, progress=False)
    np.testing.assert_array_equal(x, kept)
    assert shapes == [(np.ndarray, (n, 2), (n, 1)) for n in (40, 40, 16)]
    sizes = []
    for strength in (0.0, 1.0):
        model = linear()
        history = model.fit(x, y, loss="mse", epochs=60, progress=False, optimizer=sgd, rng=0,
                            penalty=lambda model, s=strength: s * (model[0].weight * model[0].weight).sum())
        sizes.append(float(np.abs(model[0].weight.numpy()).sum()))
    assert sizes[1] < 0.7 * sizes[0]
    assert history["loss"][-1] > 1      # the penalty counts


def test_every_order_is_as_likely_and_each_epoch_has_all_samples():
    from cdl._core.batches import Batches
    x = np.arange(4)
    batches, rng = Batches((x, x * 10.0, None), 3), np.random.default_rng(0)
    counts = {}
    for _ in range(4800):
        batches.shuffle(rng)
        parts = [(a.numpy(), b.numpy()) for a, b, w in batches]
        order = tuple(np.concatenate([a for a, _ in parts]).tolist())
        assert [len(a) for a, _ in parts] == [3, 1] and (np.concatenate([b for _, b in parts]) == np.multiply(order, 10)).all()
        counts[order] = counts.get(order, 0) + 1
    # 24 orders, 200 of each expected: chi-square of 23 degrees of freedom is below 49.7 with probability 0.999.
    assert len(counts) == 24 and sum((n - 200) ** 2 / 200 for n in counts.values()) < 49.7


@pytest.mark.parametrize("convert", [
    lambda x: x.astype(">f4"), np.asfortranarray, lambda x: x[:, ::-1][:, ::-1], lambda x: x.astype("f2"),
    lambda x: x.tolist()])
def test_any_layout_of_samples_trains_the_same(convert):
    x, y = line()
    x = np.round(x, 2).astype("f2").astype("f4")
    plain, other = linear(), linear()
    for model, samples in ((plain, x), (other, convert(x))):
        model.fit(samples, y, loss="mse", epochs=2, progress=False, rng=0)
    np.testing.assert_array_equal(plain[0].weight.numpy(), other[0].weight.numpy())


def test_images_of_bytes_stay_bytes_until_they_are_used():
    x = np.random.default_rng(0).integers(0, 255, (64, 6)).astype(np.uint8)
    bytes_, floats = (cdl.Sequential([cdl.Dense(2, in_features=6, rng=0)]) for _ in range(2))
    for model, samples in ((bytes_, x), (floats, x.astype(np.float32))):
        model.fit(samples, x[:, 0] % 2, loss="cross_entropy", epochs=2, progress=False, rng=0)
    np.testing.assert_array_equal(bytes_[0].weight.numpy(), floats[0].weight.numpy())


def test_schedules_move_on_with_the_epochs():
    x, y = line()
    model, rates = linear(), []
    optimizer = cdl.SGD(model.parameters(), lr=cdl.StepDecay(0.4, 0.5, 1))
    model.fit(x, y, loss="mse", epochs=3, progress=False, optimizer=optimizer,
              callbacks=[lambda model, epoch, figures: rates.append(optimizer.lr)])
    assert rates == pytest.approx([0.4, 0.2, 0.1]) and optimizer.lr == pytest.approx(0.05)


def test_fit_of_the_model_takes_what_fit_takes():
    import inspect
    own, function = (list(inspect.signature(f).parameters.values()) for f in (cdl.Model.fit, cdl.fit))
    assert own[1:] == function[1:]


@pytest.mark.parametrize("options, error, words", [
    (dict(sample_weight=np.ones(5)), ValueError, r"one weight for each of the 6 samples, got shape \(5,\)"),
    (dict(sample_weight=1.0), ValueError, "one weight for each of the 6 samples"),
    (dict(sample_weight=[1, 1, -2, 1, 1, 1]), ValueError, "sample_weight must be finite and 0 or more, got -2 at 2"),
    (dict(sample_weight=[1, 1, 1, np.nan, 1, 1]), ValueError, "got nan at 3"),
    (dict(sample_weight=[1, 1, 1, np.inf, 1, 1]), ValueError, "got inf at 3"),
    (dict(sample_weight=np.zeros(6)), ValueError, "all weights are 0"),
    (dict(sample_weight=["a"] * 6), TypeError, "sample_weight must be numbers"),
    (dict(class_weight={7: 1.0}), ValueError, "class_weight names 7; the labels are 0"),
    (dict(class_weight={0: -1.0}), ValueError, "class_weight must be finite and 0 or more, got -1.0"),
    (dict(class_weight=[]), ValueError, "a weight for each label from 0 to 0"),
    (dict(class_weight="even"), ValueError, "a dict, an array or 'balanced', got 'even'"),
    (dict(class_weight="balanced", y=np.full((6, 1), 0.5), loss="mse"), TypeError, "class_weight needs labels"),
    (dict(validation_split=1.0), ValueError, r"validation_split must be in \[0, 1\)"),
    (dict(validation_split=0.01), ValueError, "of 6 samples leaves none to evaluate"),
    (dict(validation_split=0.5, validation_data=(np.ones((6, 2)), np.zeros(6, int))), ValueError, "not both"),
    (dict(validation_data=np.ones((6, 2))), ValueError, r"validation_data must be \(x, y\)"),
    (dict(validation_data=(np.ones((6, 2)), np.zeros(5, int))), ValueError, "fit: validation_data: x and y need"),
    (dict(callbacks=[3]), TypeError, "a callback is called as callback"),
    (dict(callbacks=cdl.EarlyStopping()), ValueError, "no figure 'val_loss'; pass validation_data to fit, or monitor one of"),
    (dict(loss=lambda y, p: 1.0), TypeError, "must return a Tensor of one value, got float"),
])
def test_bad_options_are_refused(options, error, words):
    defaults = dict(x=np.ones((6, 2)), y=np.zeros(6, int), loss="cross_entropy", progress=False)
    model = cdl.Sequential([cdl.Dense(3)])
    with pytest.raises(error, match=words):
        model.fit(**{**defaults, **options})
    assert model.training


@pytest.mark.parametrize("make, words", [
    (lambda: cdl.EarlyStopping(patience=-1), "patience must be an integer, 0 or more, got -1"),
    (lambda: cdl.EarlyStopping(patience=1.5), "got 1.5"),
    (lambda: cdl.EarlyStopping(min_delta=-0.1), "min_delta must be 0 or more"),
    (lambda: cdl.EarlyStopping(min_delta=np.nan), "min_delta must be 0 or more"),
    (lambda: cdl.EarlyStopping(mode="up"), "mode must be 'auto', 'min' or 'max'"),
])
def test_early_stopping_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_frozen_model_is_not_fitted():
    model = linear().freeze()
    with pytest.raises(ValueError, match="every parameter is frozen; call unfreeze"):
        model.fit(*line(), loss="mse", progress=False)
