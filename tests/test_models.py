"""Models in files: what is saved comes back, and nothing but a whole file of ours is taken."""
import json

import numpy as np
import pytest

import cdl
from cdl.io import FileFormatError, load_safetensors, save_safetensors


@pytest.fixture
def model():
    return cdl.Sequential([cdl.Dense(8, "gelu", in_features=4, rng=0), cdl.Sequential([cdl.ReLU()]),
                           cdl.Dense(3, use_bias=False, in_features=8, rng=1)])


@pytest.fixture
def path(tmp_path, model):
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_a_model_comes_back_with_the_same_outputs(model, path):
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    again = cdl.load(path)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert repr(again) == repr(model)


def test_weights_go_into_a_model_of_ones_own(tmp_path):
    class Net(cdl.Model):
        def __init__(self):
            self.out = cdl.Dense(2, in_features=3)

        def forward(self, x):
            return self.out(x)

    first, second = Net(), Net()
    first.save(tmp_path / "net.safetensors")
    second.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(first.out.weight.numpy(), second.out.weight.numpy())
    with pytest.raises(FileFormatError, match="without a description"):
        cdl.load(tmp_path / "net.safetensors")


def test_another_models_weights_are_refused(path):
    other = cdl.Sequential([cdl.Dense(3, in_features=4)])
    before = other.state_dict()
    with pytest.raises(FileFormatError, match="does not fit this model"):
        other.load(path)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_unbuilt_model_is_not_saved(tmp_path):
    with pytest.raises(RuntimeError, match="does not know the size of its input"):
        cdl.Sequential([cdl.Dense(3)]).save(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_is_refused(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            cdl.load(path)


@pytest.mark.parametrize("change, words", [
    (lambda d: d.update(version=99), "another version"),
    (lambda d: d.pop("model"), "description of the model is damaged"),
    (lambda d: d["model"].update(layer="os.system"), "unknown layer 'os.system'"),
    (lambda d: d["model"].update(layer="Layer"), "unknown layer"),
    (lambda d: d["model"].update(layers=[]), "unknown"),
    (lambda d: d["model"]["layers"][0].update(units=10**12), "does not fit"),
    (lambda d: d["model"]["layers"][0].update(units="many"), "does not fit"),
    (lambda d: d["model"]["layers"][0].update(__class__="x"), "does not fit"),
])
def test_a_changed_description_is_refused(path, change, words):
    state, metadata = load_safetensors(path)
    description = json.loads(metadata["cdl"])
    change(description)
    save_safetensors(path, state, metadata={"cdl": json.dumps(description)})
    with pytest.raises(FileFormatError, match=words):
        cdl.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        cdl.load(tmp_path / "nowhere.safetensors")


def test_a_file_of_version_1_still_loads():
    from pathlib import Path

    model = cdl.load(Path(__file__).parent / "data" / "model_v1.safetensors")
    expected = json.loads((Path(__file__).parent / "data" / "model_v1.json").read_text())
    np.testing.assert_allclose(model.predict(np.asarray(expected["x"], np.float32)), expected["y"], rtol=1e-5)


def test_residual_blocks_add_what_they_say():
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    body, shortcut = cdl.Dense(3, in_features=4, rng=0), cdl.Dense(3, in_features=4, use_bias=False, rng=1)
    wanted = body(x).numpy() + shortcut(x).numpy()
    np.testing.assert_array_equal(cdl.Residual(body, shortcut)(x), wanted)
    np.testing.assert_array_equal(cdl.Residual(body, [shortcut], "relu")(x), np.maximum(wanted, 0))
    inner = cdl.Dense(4, in_features=4, rng=0)
    np.testing.assert_array_equal(cdl.Residual(inner, activation="linear")(x), inner(x).numpy() + x)
    before = x.copy()
    cdl.Residual(cdl.ReLU())(x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("make, error, words", [
    (lambda x: cdl.Residual(cdl.Dense(3))(x), ValueError, r"gives shape \(5, 3\) for an input of shape \(5, 4\); keep the"),
    (lambda x: cdl.Residual(cdl.Dense(1))(x), ValueError, r"gives shape \(5, 1\)"),       # no broadcasting
    (lambda x: cdl.Residual(cdl.Dense(3), cdl.Dense(2))(x), ValueError, r"\(5, 3\), the shortcut \(5, 2\)"),
    (lambda x: cdl.Residual(cdl.Dense(3)).output_shape((None, 4)), ValueError, r"\(None, 3\)"),
    (lambda x: cdl.Residual(np.tanh), TypeError, "body must be a layer or a list of layers"),
    (lambda x: cdl.Residual(cdl.ReLU(), cdl.Dense), TypeError, "shortcut must be a layer"),
    (lambda x: cdl.Residual(cdl.ReLU(), activation="rleu"), ValueError, "Residual: unknown activation 'rleu'"),
])
def test_residual_errors(make, error, words):
    with pytest.raises(error, match=words):
        make(np.ones((5, 4), np.float32))


def test_residual_networks_come_back_from_files_and_learn(tmp_path):
    block = cdl.Residual([cdl.Dense(16, "tanh"), cdl.Dense(8)], cdl.Dense(8, use_bias=False), "relu")
    model = cdl.Sequential([block, cdl.Residual([cdl.Dense(8, "relu")]), cdl.Dense(2)])
    x = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model.fit(x, y, loss="cross_entropy", optimizer=lambda p: cdl.Adam(p, lr=0.01), epochs=60, progress=False, rng=0)
    assert model.evaluate(x, y, loss="cross_entropy")["accuracy"] > 0.9
    model.save(tmp_path / "m.safetensors")
    again = cdl.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert repr(again) == repr(model)


def test_a_model_with_a_layer_of_ones_own_inside_has_no_description(tmp_path):
    class Own(cdl.Layer):
        def forward(self, x):
            return x

    cdl.Sequential([cdl.Dense(2, in_features=2), cdl.Residual(Own())]).save(tmp_path / "m.safetensors")
    with pytest.raises(FileFormatError, match="without a description"):
        cdl.load(tmp_path / "m.safetensors")
