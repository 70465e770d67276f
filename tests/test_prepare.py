"""Preparing data: scalers learned part by part, categories and labels, missing values, and what each does with bad input."""
import json

import numpy as np
import pytest

from cdl.data import (
    ImageScaler,
    Imputer,
    LabelEncoder,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    class_weights,
    one_hot,
    parse_table,
)
from cdl.data.labels import factorize

RNG = np.random.default_rng(0)
TABLE = parse_table("age,size,city\n20,1.5,Bonn\n30,,Ulm\n50,2.5,Bonn\n")


def structured(columns):
    out = np.zeros(len(next(iter(columns.values()))), [(name, np.asarray(v).dtype) for name, v in columns.items()])
    for name, values in columns.items():
        out[name] = values
    return out


def frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


# --- scalers ----------------------------------------------------------------------------------------------------------
SHAPES = [(1, 1), (7, 3), (1000, 1), (5000, 10), (3, 2000), (40, 5, 6), (9,), (100_000,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.uint8])
def test_standard_is_its_formula(shape, dtype):
    x = (RNG.standard_normal(shape) * 20 + 50).astype(dtype)
    scaler = StandardScaler().fit(x)
    exact = x.astype(np.float64)
    axes = tuple(range(x.ndim - 1)) or 0
    mean, std = exact.mean(axes), exact.std(axes)
    np.testing.assert_allclose(scaler.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(scaler.std, std, rtol=1e-11, atol=1e-13)
    out = scaler.transform(x)
    result = np.float32 if np.dtype(dtype).kind in "iu" else dtype
    assert out.shape == x.shape and out.dtype == result
    wanted = (exact - scaler.mean) / np.where(scaler.std == 0, 1, scaler.std + 1e-8)
    tolerance = {np.float64: 1e-12, np.float16: 2e-3}.get(result, 6e-7)     # of a result of about 1, a few ulp
    np.testing.assert_allclose(out, wanted, rtol=tolerance, atol=tolerance)
    # The inverse multiplies what out was rounded by with the deviation, 20.
    np.testing.assert_allclose(scaler.inverse_transform(out.astype(np.float64)), exact, rtol=0, atol=100 * tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{}, {"feature_range": (-1, 3)}, {"clip": True}, {"feature_range": (2, 2.5), "clip": True}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_min_max_is_its_formula(shape, options, dtype):
    x = (RNG.standard_normal(shape) * 20 + 50).astype(dtype)
    scaler = MinMaxScaler(**options).fit(x)
    low, high = options.get("feature_range", (0, 1))
    axes = tuple(range(x.ndim - 1)) or 0
    np.testing.assert_array_equal(scaler.min, x.min(axes))
    np.testing.assert_array_equal(scaler.max, x.max(axes))
    width = np.where(scaler.max == scaler.min, 1, (scaler.max - scaler.min) / (high - low))
    for later in (x, x + x.dtype.type(30)):
        wanted = low + (later.astype(np.float64) - scaler.min) / width
        wanted = np.clip(wanted, low, high) if options.get("clip") else wanted
        out = scaler.transform(later)
        assert out.dtype == (np.float64 if dtype == np.float64 else np.float32)
        np.testing.assert_allclose(out, wanted, rtol=2e-6, atol=2e-6)
    if not options.get("clip"):     # values within 150, brought to a range of 4 and back in float32
        np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(x)), x, rtol=0, atol=1e-4)


def test_min_max_reaches_the_ends_exactly_and_clips_at_them():
    x = RNG.standard_normal((1000, 4)).astype(np.float32)
    out = MinMaxScaler().fit_transform(x)
    assert (out.min(0) == 0).all() and (out.max(0) == 1).all()
    scaler = MinMaxScaler((-2, 2), clip=True).fit(x)
    assert (scaler.transform(x * 9).max(0) == 2).all() and (scaler.transform(x * 9).min(0) == -2).all()


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
def test_they_are_scikit_learns(make):
    theirs = getattr(pytest.importorskip("sklearn.preprocessing"), make.__name__)()
    x = RNG.standard_normal((500, 6)) * [1, 10, 1e3, 1e-3, 1, 0] + [0, 5, 1e6, 0, -3, 7]
    mine = StandardScaler(eps=0) if make is StandardScaler else make()
    np.testing.assert_allclose(mine.fit_transform(x), theirs.fit_transform(x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mine.inverse_transform(x), theirs.inverse_transform(x), rtol=1e-12)


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
@pytest.mark.parametrize("cuts", [[1], [1, 2, 3], [4000], [17, 5000, 5001], list(range(100, 10_000, 100))])
def test_parts_are_the_whole(make, cuts):
    """Also far from zero, where a difference of sums of squares would keep no digit."""
    x = RNG.standard_normal((10_000, 3)) * [1, 1e-3, 5] + [1e9, 1e6, 0]
    whole, parts = make().fit(x), make()
    for part in np.split(x, cuts):
        assert parts.partial_fit(part) is parts
    for name, value in whole.state_dict().items():
        # Of a mean near zero the values' own rounding is left: 5 is the largest deviation
        np.testing.assert_allclose(parts.state_dict()[name], value, rtol=1e-7 if name == "std" else 1e-14, atol=5e-15)
    np.testing.assert_allclose(parts.state_dict()["std" if make is StandardScaler else "max"],
                               x.std(0) if make is StandardScaler else x.max(0), rtol=1e-6)
    flat = make().partial_fit(x[:10, 0]).partial_fit(x[10:, 0])
    np.testing.assert_allclose(flat.transform(x[:, 0]), make().fit(x[:, 0]).transform(x[:, 0]), rtol=1e-6,
                               atol=1e-6)      # a mean of 1e9 is rounded to 1.2e-7


def test_parts_go_on_after_a_file(tmp_path):
    from cdl.io import load_safetensors, save_safetensors
    x = RNG.standard_normal((300, 4))
    save_safetensors(tmp_path / "s", StandardScaler().fit(x[:100]).state_dict())
    scaler = StandardScaler().load_state_dict(load_safetensors(tmp_path / "s")[0]).partial_fit(x[100:])
    np.testing.assert_allclose(scaler.std, x.std(0), rtol=1e-12)
    old = StandardScaler().load_state_dict({"mean": np.zeros(4), "std": np.ones(4), "eps": 0.0})     # as 0.1 wrote it
    np.testing.assert_array_equal(old.transform(x), x)
    with pytest.raises(ValueError, match="partial_fit: how many rows it was fitted on is not known"):
        old.partial_fit(x)


def test_what_is_constant_is_told():
    x = np.array([[1.0, 0.1, 5], [2, 0.1, 5], [3, 0.1, 5]])
    for make in (StandardScaler, MinMaxScaler):
        scaler = make().fit(x, columns=["a", "b", "c"])
        assert scaler.constant == ["b", "c"] and "fitted on 3 features, constant: b, c" in repr(scaler)
        assert make().fit(x).constant == [1, 2] and make().constant == []
        assert (scaler.transform(x)[:, 1:] == 0).all()
        np.testing.assert_allclose(scaler.transform(x + 0.5)[:, 1:], 0.5)
        parts = make().partial_fit(x[:1]).partial_fit(x[1:])
        assert parts.constant == [1, 2] and make().partial_fit(x[:1]).partial_fit(x[1:] + np.eye(3)[1]).constant == [2]
    assert MinMaxScaler((1, 2)).fit(x).transform(x)[:, 1].tolist() == [1, 1, 1]


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
def test_missing_and_infinite_values_are_named(make):
    x = np.array([[1.0, 2], [3, np.nan], [5, 6]])
    with pytest.raises(ValueError, match=r"fit: feature 1 holds NaN.*\(row 1: nan\); fill .*Imputer"):
        make().fit(x)
    with pytest.raises(ValueError, match=r"fit: column 'b' holds NaN"):
        make().fit(x, columns=["a", "b"])
    with pytest.raises(ValueError, match=r"fit: column 'size' holds NaN.*\(row 1: nan\)"):
        make().fit(TABLE, columns=["age", "size"])
    with pytest.raises(ValueError, match=r"column 'b' holds NaN"):
        make().fit({"a": [1, 2], "b": [1.0, np.nan]})
    with pytest.raises(ValueError, match=r"fit: feature 0 holds NaN, infinity.*\(row 2: inf\)$"):
        make().fit(np.array([[1.0], [2], [np.inf]]))
    with pytest.raises(ValueError, match="values too"):
        make().fit(np.array([[-1.7e308], [1.7e308]]))
    scaler = make().fit(x[:, :1])
    before = scaler.state_dict()
    with pytest.raises(ValueError, match="partial_fit: feature 0 holds NaN"):
        scaler.partial_fit(x[:, 1:])
    np.testing.assert_equal(scaler.state_dict(), before)


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
@pytest.mark.parametrize("form", [dict, structured, frame])
def test_columns_by_name(make, form):
    columns = {"a": np.arange(5.0), "b": np.arange(5) ** 2}
    x = np.stack(list(columns.values()), 1)
    scaler = make().fit(form(columns))
    assert scaler.columns == ["a", "b"]
    np.testing.assert_array_equal(scaler.transform(form(columns)), make().fit(x).transform(x))
    swapped = form({"b": columns["b"], "c": np.ones(5), "a": columns["a"]})
    np.testing.assert_array_equal(scaler.transform(swapped), make().fit(x).transform(x))
    np.testing.assert_array_equal(scaler.transform(x), make().fit(x).transform(x))
    with pytest.raises(ValueError, match=r"transform: no column 'b'; did you mean 'bb'\? \(columns: a, bb\)"):
        scaler.transform(form({"a": columns["a"], "bb": columns["b"]}))
    with pytest.raises(TypeError, match="column 'c' must hold real numbers.*<U1.*OneHotEncoder" if form is not frame else
                       "column 'c' must hold real numbers"):
        make().fit(form({"a": columns["a"], "c": np.array(list("abcde"))}))
    again = make().load_state_dict(scaler.state_dict())
    assert again.columns == ["a", "b"] and again.state_dict().keys() == scaler.state_dict().keys()


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
def test_wrong_use_of_scalers(make):
    x = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match="3 names in columns for 2 features"):
        make().fit(x, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"columns must have one length, got {'a': 2, 'b': 3}"):
        make().fit({"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"partial_fit: expected 2 features .* got 3"):
        make().fit(x).partial_fit(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"partial_fit: expected the columns a, b, got b, a"):
        make().fit({"a": x[:, 0], "b": x[:, 1]}).partial_fit({"b": x[:, 0], "a": x[:, 1]})
    with pytest.raises(ValueError, match="no rows"):
        make().partial_fit(x[:0])
    for state in ({}, {**make().fit(x).state_dict(), "more": 1}, {**make().fit(x).state_dict(), "columns": ["a"]}):
        with pytest.raises(ValueError, match="load_state_dict"):
            make().load_state_dict(state)
    for method in ("transform", "inverse_transform", "state_dict"):
        with pytest.raises(ValueError, match=f"{method}: call fit first"):
            getattr(make(), method)(*[x] * (method != "state_dict"))


@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (0, np.inf), 3, "ab", (0, 1, 2)])
def test_ranges_that_are_none(bounds):
    with pytest.raises(ValueError, match="feature_range must be two finite numbers, the smaller first"):
        MinMaxScaler(bounds)


def test_min_max_state_that_is_none():
    state = MinMaxScaler().fit([[1.0, 2], [2, 3]]).state_dict()
    for change in ({"min": np.zeros(3)}, {"min": np.array([9.0, 9])}, {"clip": np.array(2.0)}, {"feature_range": np.ones(2)},
                   {"max": np.array([np.nan, 3])}):
        with pytest.raises(ValueError, match="MinMaxScaler"):
            MinMaxScaler().load_state_dict({**state, **change})


def test_images_part_by_part():
    images = RNG.integers(0, 256, (20, 6, 5, 3), np.uint8)
    parts = ImageScaler().partial_fit(images[:7]).partial_fit(images[7:])
    np.testing.assert_allclose(parts.std, ImageScaler().fit(images).std, rtol=1e-12)
    np.testing.assert_allclose(ImageScaler().fit(images[:7]).partial_fit(images[7:]).mean, parts.mean, rtol=1e-12)


def test_float32_keeps_its_digits_far_from_zero():
    x = (RNG.standard_normal((1000, 2)) * [1, 40] + [1e4, -3e5]).astype(np.float32)
    scaler = StandardScaler().fit(x)
    wanted = (x.astype(np.float64) - scaler.mean) / (scaler.std + scaler.eps)
    np.testing.assert_allclose(scaler.transform(x), wanted, rtol=1e-6, atol=2e-7)


# --- labels -----------------------------------------------------------------------------------------------------------
LABELS = [
    np.array([3, 1, 3, 2]), np.array([-5, 7, -5]), np.array([2**62, -2**62, 5]), np.array([200, 3, 200], np.uint8),
    np.array([2**64 - 1, 2**64 - 3], np.uint64), np.array([-128, 127, -128], np.int8), np.array([True, False, True]),
    np.array([0.5, -1.5, 0.5]), np.array(["red", "blue", "red"]), np.array(["größe", "a", "größe", "日本"]),
    np.array([b"x", b"ab"]),
    RNG.integers(0, 1000, 5000), RNG.integers(-10**12, 10**12, 1000), np.array([f"name {i % 700}" for i in range(5000)]),
    np.array([f"{i:06d}" for i in range(100_000)]),      # more than there are hashes
    np.array(["a", "", "b"]), np.array(["2024-01-02", "2023-01-01"], "M8[D]"),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda a: f"{a.dtype}-{len(a)}")
def test_classes_and_their_numbers(labels):
    classes, codes = factorize(labels)
    wanted, numbers = np.unique(labels, return_inverse=True)
    np.testing.assert_array_equal(classes, wanted)
    np.testing.assert_array_equal(codes, numbers)
    assert codes.dtype == np.int64 and classes.dtype.kind == labels.dtype.kind
    encoder = LabelEncoder()
    np.testing.assert_array_equal(encoder.fit_transform(labels), numbers)
    np.testing.assert_array_equal(encoder.transform(labels[::-1]), numbers[::-1])
    np.testing.assert_array_equal(encoder.inverse_transform(numbers), labels)
    if labels.dtype.kind in "iufbU":
        again = LabelEncoder().load_state_dict(json.loads(json.dumps(encoder.state_dict())))
        np.testing.assert_array_equal(again.transform(labels), numbers)


def test_classes_of_any_kind():
    labels = ["b", 3, ("t", 1), "b", True]
    encoder = LabelEncoder()
    codes = encoder.fit_transform(labels)
    assert codes.tolist() == [0, 1, 2, 0, 3] and encoder.inverse_transform(codes).tolist() == labels
    assert LabelEncoder(["low", "high"]).transform(["high", "low"]).tolist() == [1, 0]
    assert LabelEncoder().fit(np.array([[1], [2]])).classes.tolist() == [1, 2]
    assert factorize(["a\0", "a"])[1].tolist() == [1, 0]
    assert LabelEncoder().fit(["x"]).transform([]).tolist() == []


def test_labels_of_pandas():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(["b", "a", "b"], index=[5, 6, 7])
    assert factorize(series)[1].tolist() == [1, 0, 1]
    assert factorize(series.astype("category"))[1].tolist() == [1, 0, 1]


@pytest.mark.parametrize("use, error, words", [
    (lambda: LabelEncoder().fit([]), ValueError, "LabelEncoder.fit: there are no labels"),
    (lambda: LabelEncoder().fit([[1, 2]]), ValueError, r"expected one label a sample, got shape \(1, 2\)"),
    (lambda: LabelEncoder().fit([1.0, np.nan]), ValueError, "the label of row 1 is nan"),
    (lambda: LabelEncoder().fit(["a", None]), ValueError, "the label of row 1 is None"),
    (lambda: LabelEncoder().transform([1]), ValueError, "transform: call fit first"),
    (lambda: LabelEncoder().fit(["cat", "dog"]).transform(["cat", "cats"]), ValueError,
     r"'cats' in row 1 is none of the classes 'cat', 'dog'; did you mean 'cat'\?"),
    (lambda: LabelEncoder().fit([1, 2]).inverse_transform([2]), IndexError, "from 0 to 1, got 2"),
    (lambda: LabelEncoder().fit([1, 2]).inverse_transform([-1]), IndexError, "got -1"),
    (lambda: LabelEncoder().fit([1, 2]).inverse_transform([0.5]), TypeError, "expected integers"),
    (lambda: LabelEncoder(["a", "a"]), ValueError, "different from each other"),
    (lambda: LabelEncoder([["a"]]), TypeError, "hashable"),
    (lambda: LabelEncoder().load_state_dict({"classes": "ab"}), ValueError, "expected a list of classes"),
    (lambda: LabelEncoder().fit(np.ma.array([1, 2])), TypeError, "masked"),
    (lambda: class_weights([]), ValueError, "there are no labels"),
    (lambda: one_hot([0, 3], 3), IndexError, "from 0 to 2, got 3"), (lambda: one_hot([-1]), IndexError, "got -1"),
    (lambda: one_hot([0.0, 1.0]), TypeError, "astype"), (lambda: one_hot(["a"], ["b"]), ValueError, "'a' in row 0 is none"),
    (lambda: one_hot(["a", "b"], 1), ValueError, "1 classes asked for, the labels have 2"),
])
def test_labels_that_are_none(use, error, words):
    with pytest.raises(error, match=words):
        use()


@pytest.mark.parametrize("classes", [3, 10, 300])
def test_one_hot_rows(classes):
    y = RNG.integers(0, classes, (50, 4))
    out = one_hot(y, classes)
    assert out.shape == (50, 4, classes) and out.dtype == np.float32
    np.testing.assert_array_equal(out, y[..., None] == np.arange(classes))
    np.testing.assert_array_equal(one_hot(y.astype(np.uint16), classes, dtype=np.int8), out)
    assert one_hot([], 4).shape == (0, 4) and one_hot(True).shape == (2,)
    assert one_hot([7, 5], [5, 6, 7]).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_weights_of_classes_are_those_of_fit():
    y = np.array([0] * 60 + [1] * 30 + [2] * 10)
    from cdl.train.weights import weights_of
    ours = class_weights(y)
    np.testing.assert_allclose(weights_of(y, None, "balanced", "t"), weights_of(y, None, ours, "t"))
    assert ours == {0: 100 / 180, 1: 100 / 90, 2: 100 / 30} and class_weights(["a"]) == {"a": 1.0}
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    theirs = sklearn.compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_array_equal(list(ours.values()), theirs)


# --- one-hot encoding -------------------------------------------------------------------------------------------------
def test_one_hot_encoder_is_scikit_learns():
    theirs = pytest.importorskip("sklearn.preprocessing").OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    for x in (RNG.integers(0, 7, (200, 3)), np.array([["a", "x"], ["b", "y"], ["a", "x"]]),
              np.array([["a", 1], ["b", 2], ["a", 3]], object), np.array([[0.5], [1.5]])):
        mine = OneHotEncoder()
        np.testing.assert_array_equal(mine.fit_transform(x), theirs.fit_transform(x))
        np.testing.assert_array_equal(mine.transform(x[:1]), theirs.transform(x[:1]))
        np.testing.assert_array_equal(mine.inverse_transform(mine.transform(x)), x)
        assert [known.tolist() for known in mine.categories] == [known.tolist() for known in theirs.categories_]


def test_unseen_categories():
    encoder = OneHotEncoder().fit([["a", 1], ["b", 2]])
    assert encoder.transform([["c", 2]]).tolist() == [[0, 0, 0, 1]]
    assert encoder.inverse_transform(encoder.transform([["c", 2]])).tolist() == [[None, 2]]
    strict = OneHotEncoder(unknown="error").fit({"colour": ["red", "blue"]})
    with pytest.raises(ValueError, match=r"transform: column 'colour': 'reed' in row 1 is none of the categories "
                       r"'blue', 'red'; did you mean 'red'\?"):
        strict.transform({"colour": ["red", "reed"]})
    with pytest.raises(ValueError, match="feature 0: 3 in row 0"):
        OneHotEncoder(unknown="error").fit([1, 2]).transform([3])


def test_one_hot_encoder_of_tables_and_parts():
    encoder = OneHotEncoder().fit(TABLE, columns=["city"])
    assert encoder.feature_names == ["city=Bonn", "city=Ulm"] and encoder.transform(TABLE).tolist() == [[1, 0], [0, 1], [1, 0]]
    parts = OneHotEncoder().partial_fit({"c": ["b"], "n": [3]}).partial_fit({"c": ["a", "b"], "n": [1, 3]})
    assert parts.feature_names == ["c=a", "c=b", "n=1", "n=3"]
    again = OneHotEncoder().load_state_dict(json.loads(json.dumps(parts.state_dict())))
    assert again.state_dict() == parts.state_dict() and repr(again) == repr(parts)


@pytest.mark.parametrize("use, error, words", [
    (lambda: OneHotEncoder(unknown="zero"), ValueError, "did you mean 'zeros'"),
    (lambda: OneHotEncoder(dtype=str), TypeError, "one of numbers"),
    (lambda: OneHotEncoder().fit({"a": ["x", None]}), ValueError, "fit: column 'a': the label of row 1 is None"),
    (lambda: OneHotEncoder().fit([[0.5], [np.nan]]), ValueError, "feature 0: the label of row 1 is nan"),
    (lambda: OneHotEncoder().fit({"a": [1], "b": [1, 2]}), ValueError, "columns of one length, got {'a': 1, 'b': 2}"),
    (lambda: OneHotEncoder().fit(np.zeros((0, 2))), ValueError, "x has no rows"),
    (lambda: OneHotEncoder().fit(np.zeros((2, 2, 2))), ValueError, "shape"),
    (lambda: OneHotEncoder().transform([1]), ValueError, "call fit first"),
    (lambda: OneHotEncoder().fit([[1, 2]]).transform([[1]]), ValueError, "expected 2 columns"),
    (lambda: OneHotEncoder().fit([[1, 2]]).partial_fit([[1]]), ValueError, "expected the 2 columns"),
    (lambda: OneHotEncoder().fit([[1, 2]]).inverse_transform([[1]]), ValueError, r"expected \(N, 2\)"),
    (lambda: OneHotEncoder().load_state_dict({}), ValueError, "load_state_dict"),
    (lambda: OneHotEncoder().fit({"a": [1]}).transform({"b": [1]}), ValueError, "no column 'a'"),
])
def test_one_hot_encoder_refuses(use, error, words):
    with pytest.raises(error, match=words):
        use()


# --- missing values ---------------------------------------------------------------------------------------------------
def test_imputer_is_scikit_learns():
    theirs = pytest.importorskip("sklearn.impute").SimpleImputer
    x = RNG.integers(0, 9, (200, 4)).astype(np.float64)
    x[RNG.random(x.shape) < 0.3] = np.nan
    for strategy in ("mean", "median", "most_frequent"):
        mine = Imputer(strategy).fit(x)
        np.testing.assert_allclose(mine.transform(x), theirs(strategy=strategy).fit_transform(x))
        again = Imputer().load_state_dict(json.loads(json.dumps(mine.state_dict())))
        np.testing.assert_array_equal(again.transform(x), mine.transform(x))
    np.testing.assert_array_equal(Imputer("constant", 7).fit_transform(x), np.where(np.isnan(x), 7, x))


def test_imputer_of_texts_and_tables():
    x = np.array([["a", ""], ["", "u"], ["a", "u"]])
    assert Imputer("most_frequent").fit_transform(x).tolist() == [["a", "u"]] * 3
    assert Imputer("constant", "none").fit_transform(x).tolist() == [["a", "none"], ["none", "u"], ["a", "u"]]
    assert Imputer("constant", "longer than a").fit_transform(np.array(["a", ""])).tolist() == ["a", "longer than a"]
    imputer = Imputer().fit(TABLE, columns=["age", "size"])
    assert imputer.transform(TABLE).tolist() == [[20, 1.5], [30, 2], [50, 2.5]] and imputer.columns == ["age", "size"]
    filled = Imputer("most_frequent").fit_transform(TABLE)
    assert filled["city"].tolist() == ["Bonn", "Ulm", "Bonn"] and filled["size"].tolist() == [1.5, 1.5, 2.5]
    assert Imputer().fit_transform(np.array([1, 2, 3])).tolist() == [1, 2, 3]
    mixed = np.array([[1.0], [None], [3]], object)
    assert Imputer().fit_transform(mixed).tolist() == [[1], [2], [3]]
    x = np.array([1.0, np.nan], np.float32)
    assert Imputer().fit_transform(x).dtype == np.float32 and np.isnan(x[1])


@pytest.mark.parametrize("use, error, words", [
    (lambda: Imputer("average"), ValueError, "unknown strategy 'average'"), (lambda: Imputer("means"), ValueError, "'mean'"),
    (lambda: Imputer("constant"), ValueError, "value"), (lambda: Imputer("mean", 3), ValueError, "value"),
    (lambda: Imputer("constant", np.nan), TypeError, "must be a number or a text"),
    (lambda: Imputer().fit([[1.0, np.nan], [2, np.nan]]), ValueError, "feature 1 holds no value, so that there is none"),
    (lambda: Imputer().fit({"a": [1.0], "b": [np.nan]}), ValueError, "column 'b' holds no value"),
    (lambda: Imputer().fit([["a"], ["b"]]), TypeError, "feature 0 does not hold numbers and so has no mean"),
    (lambda: Imputer().fit(np.zeros((0, 2))), ValueError, "no rows"),
    (lambda: Imputer().fit([1.0, np.inf]), ValueError, "holds infinity"),
    (lambda: Imputer().transform([1.0]), ValueError, "call fit first"),
    (lambda: Imputer().state_dict(), ValueError, "call fit first"),
    (lambda: Imputer().fit([[1.0, 2]]).transform([[1.0]]), ValueError, "expected 2 columns"),
    (lambda: Imputer("constant", "x").fit_transform([1.0, np.nan]), TypeError, "cannot be filled with the text 'x'"),
    (lambda: Imputer().load_state_dict({}), ValueError, "load_state_dict"),
    (lambda: Imputer().fit(np.ma.array([1.0])), TypeError, "masked"),
])
def test_imputer_refuses(use, error, words):
    with pytest.raises(error, match=words):
        use()
