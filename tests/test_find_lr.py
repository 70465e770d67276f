"""The learning-rate finder: what it tries, what it suggests, and that everything is as before."""
import numpy as np
import pytest

import cdl
from cdl.train.find_lr import RateCurve, smoothed_losses


def data(n=256, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    return x, (x @ rng.standard_normal((6, 3))).argmax(1)


def network():
    return cdl.Sequential([cdl.Dense(16, activation="relu", in_features=6), cdl.BatchNorm(16), cdl.Dropout(0.2, rng=3),
                           cdl.Dense(3, in_features=16)])


def everything(model, optimizer, rng):
    """All that must not change, as plain values and bytes."""
    state = optimizer.state_dict()
    for group in state["groups"]:
        if "lr" in group["scheduled"]:
            del group["lr"]     # one by steps is asked anew by every update: between two it may be that of the last or the next
    arrays = [a.tobytes() for a in model.state_dict().values()]
    arrays += [a.tobytes() for slots in state.pop("state") for a in slots.values()]
    grads = [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
    return (arrays, grads, state, [layer.training for layer in model.layers_inside()],
            cdl.random.generator().bit_generator.state, rng.bit_generator.state, model[2]._rng.bit_generator.state)


def trained(schedule=None):
    """A model, optimizer and generator in the middle of their life."""
    cdl.seed(0)
    model, rng = network(), np.random.default_rng(5)
    optimizer = cdl.Adam([{"params": model[0].parameters(), "lr": 0.002, "beta1": 0.8},
                          {"params": [p for layer in model[1:] for p in layer.parameters()]}], lr=schedule or 0.001)
    model.fit(*data(), loss="cross_entropy", optimizer=optimizer, epochs=2, progress=False, rng=rng)
    return model, optimizer, rng


def schedule(step):
    return 0.001 / (1 + step)


schedule.per = "step"


@pytest.mark.parametrize("rate", [None, schedule, cdl.StepDecay(0.01, every=1)])
def test_everything_is_as_before(rate):
    model, optimizer, rng = trained(rate)
    before, lr = everything(model, optimizer, rng), optimizer.groups[1].schedule
    curve = cdl.optim.find_lr(model, *data(), loss="cross_entropy", optimizer=optimizer, rng=rng, steps=40)
    assert len(curve.losses) > 10
    assert everything(model, optimizer, rng) == before
    assert optimizer.groups[1].schedule is lr
    model.fit(*data(), loss="cross_entropy", optimizer=optimizer, epochs=1, progress=False, rng=rng)
    other, second, same = trained(rate)
    other.fit(*data(), loss="cross_entropy", optimizer=second, epochs=1, progress=False, rng=same)
    assert everything(model, optimizer, rng) == everything(other, second, same)


def failing(error, at):
    calls = []

    def loss(y_true, y_pred):
        calls.append(1)
        value = cdl.cross_entropy(y_true, y_pred)
        if len(calls) == at and error is not None:
            raise error
        return value * float("nan") if len(calls) == at else value
    return loss


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a loss of somebody's"), None])
def test_everything_is_as_before_whatever_ends_it(error):
    model, optimizer, rng = trained()
    before = everything(model, optimizer, rng)

    def find():
        return cdl.optim.find_lr(model, *data(), loss=failing(error, 9), optimizer=optimizer, rng=rng, steps=40)

    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError, match="of somebody's"):
            find()
    else:
        curve = find()
        assert (curve.interrupted, curve.diverged) == (error is not None, error is None)
        assert len(curve.losses) == (8 if error is not None else 9)
        assert "interrupted" in repr(curve) or "diverged" in repr(curve)
    assert everything(model, optimizer, rng) == before


def test_an_interrupt_before_anything_was_seen_is_raised():
    model, optimizer, rng = trained()
    before = everything(model, optimizer, rng)
    with pytest.raises(KeyboardInterrupt):
        cdl.optim.find_lr(model, *data(), loss=failing(KeyboardInterrupt(), 2), optimizer=optimizer, rng=rng)
    assert everything(model, optimizer, rng) == before


def test_an_interrupt_while_it_puts_back_is_made_good(monkeypatch):
    model, optimizer, rng = trained()
    before, put = everything(model, optimizer, rng), model.load_state_dict
    calls = []

    def interrupted(state):
        put({name: array + 1 for name, array in state.items()} if not calls else state)
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(model, "load_state_dict", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        cdl.optim.find_lr(model, *data(), loss="cross_entropy", optimizer=optimizer, rng=rng, steps=5)
    assert everything(model, optimizer, rng) == before and len(calls) == 2


def test_a_model_that_knows_no_sizes_is_built_as_fit_would():
    def fitted(find):
        cdl.seed(1)
        model = cdl.Sequential([cdl.Dense(8, activation="relu"), cdl.Dropout(0.5), cdl.Dense(3)])
        if find:
            cdl.optim.find_lr(model, *data(), loss="cross_entropy", steps=20)
        return model.fit(*data(), loss="cross_entropy", epochs=2, progress=False)

    assert dict(fitted(True)) == dict(fitted(False))


def test_every_step_has_its_rate_and_groups_keep_their_share():
    model, optimizer, _ = trained()
    held = []

    def loss(y_true, y_pred):
        held.append([group["lr"] for group in optimizer.groups])        # of the step before
        return cdl.mean(y_pred * 0) + 1.0

    curve = cdl.optim.find_lr(model, *data(), loss=loss, optimizer=optimizer, low=1e-4, high=1.0, steps=5)
    seen = np.array(held)
    np.testing.assert_allclose(curve.rates, [1e-4, 1e-3, 1e-2, 1e-1, 1.0], rtol=1e-12)
    np.testing.assert_allclose(seen[:, 0], curve.rates, rtol=1e-12)
    np.testing.assert_allclose(seen[:, 1], curve.rates / 2, rtol=1e-12)
    assert curve.losses.tolist() == [1.0] * 5 and not curve.diverged


def test_the_suggestion_trains():
    """The best constant rates of these: Adam 0.01 to 0.03, SGD 0.3 to 1, momentum 0.1, RMSprop 0.01 to 0.03."""
    x, y = cdl.load_digits()
    x = x.reshape(len(x), -1)
    for name, least, most in [("adam", 3e-3, 0.1), ("sgd", 0.03, 1), ("momentum", 0.01, 0.5), ("rmsprop", 1e-3, 0.05)]:
        for seed in range(3):
            cdl.seed(seed)
            model = cdl.Sequential([cdl.Dense(32, activation="relu"), cdl.Dense(10)])
            curve = cdl.optim.find_lr(model, x, y, loss="cross_entropy", optimizer=name)
            assert least < curve.suggestion < most, (name, seed, curve)
            assert np.isfinite(curve.smoothed).all() and len(curve.rates) == len(curve.losses) == len(curve.smoothed)


def test_penalty_augment_weights_and_loaders_go_with_it():
    x, y = data()
    seen = []

    def augment(x, y):
        seen.append(len(x))
        return x, y

    plain = cdl.optim.find_lr(network(), x, y, loss="cross_entropy", steps=8, batch_size=64, shuffle=False, low=1e-9, high=1e-8)
    more = cdl.optim.find_lr(network(), x, y, loss="cross_entropy", steps=8, batch_size=64, shuffle=False, low=1e-9, high=1e-8,
                             penalty=lambda model: cdl.mean(model[3].weight * 0) + 100.0, augment=augment,
                             sample_weight=np.ones(len(x)))
    assert seen == [64] * 8
    assert (more.losses > 99).all() and (plain.losses < 10).all()
    loader = cdl.data.Loader((x, y), batch_size=32, shuffle=True, rng=0)
    before = cdl.data.Loader((x, y), batch_size=32, shuffle=True, rng=0)
    assert len(cdl.optim.find_lr(network(), loader, loss="cross_entropy", steps=20).losses) > 8
    for (a, _), (b, _) in zip(loader, before, strict=True):
        np.testing.assert_array_equal(a, b)             # its orders go on as if nothing had been


def test_smoothing_by_the_formula():
    losses = np.array([3.0, 2.0, 2.5, 1.0, 0.5, 9.0])
    k = np.arange(6)
    wanted = []
    for i in k:
        w = np.exp(-((k - i) ** 2) / 2 / 1.5**2)
        wanted.append((w * np.minimum(losses, 3)).sum() / w.sum())
    np.testing.assert_allclose(smoothed_losses(losses, 1.5), wanted, rtol=1e-12)
    np.testing.assert_array_equal(smoothed_losses(losses, 0), np.minimum(losses, 3))
    assert RateCurve(np.logspace(-3, 0, 4), [1.0, 2.0, 3.0, 4.0], width=0).suggestion is None


def test_the_curve_is_drawn(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    curve = cdl.optim.find_lr(network(), *data(), loss="cross_entropy", rng=0)
    figure = curve.plot()
    axes = figure.axes[0]
    assert axes.get_xscale() == "log" and len(axes.lines) == 3
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), curve.smoothed)
    assert axes.lines[2].get_xdata()[0] == curve.suggestion
    figure.savefig(tmp_path / "rates.png")
    assert curve.plot(axes) is figure


@pytest.mark.parametrize("options, error, words", [
    ({"low": 0}, ValueError, "find_lr: low must be above 0 and finite, got 0"),
    ({"high": float("nan")}, ValueError, "high must be above 0 and finite, got nan"),
    ({"low": "a"}, TypeError, "low must be a number, got str"),
    ({"low": 1, "high": 1}, ValueError, "low must be below high, got 1 and 1"),
    ({"steps": 1}, ValueError, "steps must be 2 or more, got 1"),
    ({"steps": 2.5}, ValueError, "steps must be a positive integer"),
    ({"smoothing": 1}, ValueError, r"smoothing must be in \[0, 1\), got 1"),
    ({"divergence": 1}, ValueError, "divergence must be above 1, got 1"),
    ({"loss": "cross_entropi"}, ValueError, "find_lr: unknown loss 'cross_entropi'; did you mean 'cross_entropy'"),
    ({"optimizer": "adm"}, ValueError, "unknown optimizer 'adm'; did you mean 'adam'"),
    ({"batch_size": 0}, ValueError, "batch_size must be a positive integer"),
    ({"penalty": 3}, TypeError, "penalty must be a function"),
])
def test_errors(options, error, words):
    model, optimizer, rng = trained()
    before = everything(model, optimizer, rng)
    with pytest.raises(error, match=words):
        cdl.optim.find_lr(model, *data(), **{"loss": "cross_entropy", "optimizer": optimizer, "rng": rng, **options})
    assert everything(model, optimizer, rng) == before
