"""What is saved with a model: fitted objects of cdl.data and plain values come back as they were; a file names nothing else."""
import json

import numpy as np
import pytest

import cdl
from cdl.data import ImageScaler, Imputer, LabelEncoder, MinMaxScaler, OneHotEncoder, StandardScaler, TableEncoder, parse_table
from cdl.io import FileFormatError, load_extra, load_safetensors, save_safetensors

X = np.random.default_rng(0).normal(3, 2, (50, 4))
TABLE = parse_table("n,c,y\n1,u,a\n3,,b\n2,u,a\n")


def network():
    return cdl.Sequential([cdl.Dense(3, in_features=4, rng=0)])


def saved(tmp_path, **extra):
    path = tmp_path / "m.safetensors"
    network().save(path, **extra)
    return path, load_extra(path)


@pytest.mark.parametrize("fitted, use", [
    (StandardScaler(0.5).fit(X, columns=list("abcd")), lambda s: s.transform(X)),
    (StandardScaler().fit(X[:, 0]), lambda s: s.transform(X)),
    (MinMaxScaler((-1, 2), clip=True).fit(X.astype(np.float32)), lambda s: s.transform(X * 2)),
    (OneHotEncoder(unknown="error", dtype=np.int8).fit([["a", 1], ["b", 2]]), lambda e: e.transform([["b", 1]])),
    (LabelEncoder().fit(["u", "v"]), lambda e: e.inverse_transform([1, 0])),
    (LabelEncoder([True, 3, "x"]), lambda e: e.transform([3, True])),
    (Imputer("median").fit(X), lambda i: i.transform(np.full((2, 4), np.nan))),
    (ImageScaler().fit(np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)),
     lambda s: s.transform(np.ones((1, 2, 2, 3), np.uint8))),
    (TableEncoder("y", unknown="error").fit(TABLE), lambda e: e.transform(TABLE).x),
], ids=lambda value: type(value).__name__)
def test_fitted_objects_come_back(tmp_path, fitted, use):
    path, extra = saved(tmp_path, thing=fitted, nested={"of": [fitted, 1]})
    assert extra.keys() == {"thing", "nested"} and extra["nested"]["of"][1] == 1
    for again in (extra["thing"], extra["nested"]["of"][0], cdl.load(path).extra["thing"]):
        assert type(again) is type(fitted)
        np.testing.assert_array_equal(use(again), use(fitted), strict=True)
        assert repr(again) == repr(fitted) or isinstance(fitted, TableEncoder)
    np.testing.assert_array_equal(cdl.load(path).predict(X.astype(np.float32)), network().predict(X.astype(np.float32)))
    assert network().load(path)


def test_plain_values_come_back(tmp_path):
    plain = {"a": None, "b": True, "c": 3, "d": 0.1, "e": "ü", "f": [1, [2.5, {"g": "h"}]], "i": {}, "j": 2**70}
    assert saved(tmp_path, **plain)[1] == plain
    extra = saved(tmp_path, t=(1, 2), s=np.float32(0.1), n=np.int64(3), x=X, m=np.array([[True]]),
                  e=np.zeros((0, 3), np.uint8))[1]
    assert extra["t"] == [1, 2] and extra["s"] == float(np.float32(0.1)) and extra["n"] == 3
    for name, array in (("x", X), ("m", np.array([[True]])), ("e", np.zeros((0, 3), np.uint8))):
        np.testing.assert_array_equal(extra[name], array, strict=True)
    assert saved(tmp_path)[1] == {}


def test_files_of_before(tmp_path):
    """As 0.1 wrote them: states as plain dicts; and files of others."""
    path = tmp_path / "old.safetensors"
    extra = {"encoder": TableEncoder("y").fit(TABLE).state_dict(), "scaler": {"mean": [1.0], "std": [2.0], "eps": 1e-8}}
    save_safetensors(path, network().state_dict(), metadata={"cdl": json.dumps({"version": 1, "model": None, "extra": extra})})
    assert load_extra(path) == extra and network().load(path)
    scaler = StandardScaler().load_state_dict(load_extra(path)["scaler"])
    assert scaler.transform([[5.0]])[0, 0] == pytest.approx(2)
    assert TableEncoder.from_state_dict(load_extra(path)["encoder"]).classes == ["a", "b"]
    save_safetensors(path, network().state_dict())
    assert load_extra(path) == {}


class Own(StandardScaler):
    pass


@pytest.mark.parametrize("extra, error, words", [
    ({"f": len}, TypeError, "save: f must be None, a text.*got builtin_function_or_method"),
    ({"a": {"b": [object()]}}, TypeError, r"save: a\['b'\]\[0\] must be"), ({"s": Own().fit(X)}, TypeError, "got Own"),
    ({"s": StandardScaler()}, ValueError, "state_dict: call fit first"), ({"d": {1: 2}}, TypeError, "keys of d must be texts"),
    ({"d": {"cdl": 1}}, ValueError, "has the key 'cdl'"), ({"o": np.array([None])}, TypeError, "got ndarray"),
    ({"e": LabelEncoder().fit([(1, 2), (3, 4)])}, TypeError, r"e\['classes'\]\[0\] must be.*got tuple"),
    ({"z": 1j}, TypeError, "got complex"),
])
def test_what_no_file_takes(tmp_path, extra, error, words):
    path = tmp_path / "m.safetensors"
    network().save(path, kept=1)
    with pytest.raises(error, match=words):
        network().save(path, **extra)
    assert load_extra(path) == {"kept": 1}


def written(tmp_path, value, version=1):
    path = tmp_path / "bad.safetensors"
    save_safetensors(path, {}, metadata={"cdl": json.dumps({"version": version, "model": None, "extra": value})})
    return path


SCALER = {"mean": [0.0], "std": [1.0], "eps": 0.0}


@pytest.mark.parametrize("value, words", [
    ({"s": {"cdl": "os.system", "state": {}}}, "is of kind 'os.system'; this version knows ImageScaler"),
    ({"s": {"cdl": "Loader", "state": {}}}, "is of kind 'Loader'"), ({"s": {"cdl": None}}, "is of kind 'None'"),
    ({"s": {"cdl": ["StandardScaler"]}}, "is of kind"), ({"s": {"cdl": "StandardScaler"}}, "s is damaged"),
    ({"s": {"cdl": "StandardScaler", "state": {**SCALER, "std": [-1.0]}}}, "s is damaged"),
    ({"s": {"cdl": "StandardScaler", "state": 3}}, "s is damaged"),
    ({"s": {"cdl": "TableEncoder", "state": []}}, "s is damaged"),
    ({"s": {"cdl": "array", "dtype": "O", "values": [], "shape": [0]}}, "damaged"),
    ({"s": {"cdl": "array", "dtype": "<f8", "values": [1.0], "shape": [2]}}, "damaged"),
    ({"s": {"cdl": "array", "dtype": "<u1", "values": [300], "shape": [1]}}, "damaged"),
    ({"s": {"cdl": "array", "dtype": 3, "values": [1], "shape": [1]}}, "damaged"),
    ({"s": {"cdl": "OneHotEncoder", "state": {"categories": [["a"]], "columns": None, "unknown": "zeros", "dtype": "O"}}},
     "damaged"),
    ({"s": {"cdl": "MinMaxScaler", "state": {"min": [1.0], "max": [0.0], "feature_range": [0, 1], "clip": 0}}}, "damaged"),
    ([1], "description of the model is damaged"),
])
def test_damaged_extras_are_refused(tmp_path, value, words):
    path = written(tmp_path, value)
    with pytest.raises(FileFormatError, match=words):
        load_extra(path)
    assert load_safetensors(path)[0] == {}


def test_later_versions_and_other_files(tmp_path):
    with pytest.raises(FileFormatError, match="another version"):
        load_extra(written(tmp_path, {}, version=2))
    (tmp_path / "x").write_bytes(b"no")
    with pytest.raises(FileFormatError):
        load_extra(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        load_extra(tmp_path / "none")


def test_damage_never_does_more_than_be_refused(tmp_path):
    path, _ = saved(tmp_path, s=StandardScaler().fit(X), e=TableEncoder("y").fit(TABLE), o=OneHotEncoder().fit([["a"]]))
    whole, rng = bytearray(path.read_bytes()), np.random.default_rng(0)
    start = whole.index(b"extra")
    refused = 0
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[rng.integers(start, len(whole) - 60)] ^= int(rng.integers(1, 128))
        path.write_bytes(damaged)
        try:
            load_extra(path)
        except FileFormatError:
            refused += 1
    assert refused > 50
