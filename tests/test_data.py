"""Data: the digits, IDX and MNIST, splitting, standardising; and what each does with input that is wrong."""
import contextlib
import gzip
import os
import struct

import numpy as np
import pytest

from cdl.data import StandardScaler, load_digits, load_mnist, read_idx, train_test_split, write_idx
from cdl.io import FileFormatError

RNG = np.random.default_rng(0)


# The digits.

def test_digits_are_the_test_part_of_the_uci_set():
    x, y = load_digits()
    assert x.shape == (1797, 64) and x.dtype == np.float32 and y.dtype == np.int64
    assert (x.min(), x.max()) == (0, 1) and x.flags.writeable
    np.testing.assert_array_equal(x * 16, np.rint(x * 16))
    # The class counts in the data set's own description.
    np.testing.assert_array_equal(np.bincount(y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    np.testing.assert_array_equal((x[0] * 16)[:16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0])


def test_digits_are_those_of_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    x, y = load_digits()
    np.testing.assert_array_equal(x * 16, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)


def test_digits_say_where_they_are_from():
    import cdl.data.digits as digits
    with open(os.path.join(os.path.dirname(digits.__file__), "uci_digits", "LICENSE"), encoding="ascii") as file:
        text = file.read()
    for word in ("E. Alpaydin, C. Kaynak", "CC BY 4.0", "10.24432/C50P49"):
        assert word in text and word in load_digits.__doc__


# IDX.

IDX_DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def idx(code=8, sizes=(2, 3), data=bytes(range(6))):
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}i", *sizes) + data


@pytest.mark.parametrize("name", ["a-idx", "a-idx.gz"])
@pytest.mark.parametrize("dtype", IDX_DTYPES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0,), (0, 28, 28)])
def test_idx_round_trip(tmp_path, name, dtype, shape):
    array = (RNG.standard_normal(shape) * 50).astype(dtype)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    np.testing.assert_array_equal(back, array, strict=True)
    assert back.flags.writeable and back.dtype.isnative
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b" if name.endswith("gz") else b"\0\0")


def test_idx_as_the_format_describes_it(tmp_path):
    (tmp_path / "a").write_bytes(idx(0x0B, (2,), b"\x01\x02\xff\xfe"))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), np.array([258, -2], np.int16), strict=True)


def test_idx_is_written_the_same_every_time_and_whatever_the_layout(tmp_path):
    array = np.arange(12, dtype=">i4").reshape(3, 4).T
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "b.gz", np.ascontiguousarray(array, np.int32))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array.astype(np.int32), strict=True)


@pytest.mark.parametrize("array, error", [(np.zeros(3, np.int64), TypeError), (np.array(["a"]), TypeError),
                                          (np.uint8(3), ValueError)])
def test_idx_refuses_what_it_cannot_hold(tmp_path, array, error):
    with pytest.raises(error, match="write_idx"):
        write_idx(tmp_path / "a", array)
    assert not os.listdir(tmp_path)


BAD_IDX = {
    "empty": (b"", "it starts with nothing"),
    "three bytes": (b"\0\0\x08", "not an IDX file"),
    "png": (b"\x89PNG\r\n\x1a\n", "it starts with 89 50 4e 47"),
    "unknown type": (idx(0x0A), "not an IDX file"),
    "no axes": (idx(sizes=()), "expected 1 to 32 axes, the file says 0"),
    "33 axes": (idx(sizes=[1] * 33), "the file says 33"),
    "truncated sizes": (idx()[:9], "within the sizes of its 2 axes"),
    "negative size": (idx(sizes=(-2, -3)), r"negative size in the shape \(-2, -3\)"),
    "size 2**31 as unsigned": (bytes([0, 0, 8, 1]) + b"\x80\0\0\0", "negative size"),
    "petabytes": (idx(sizes=(2**31 - 1,) * 2), "truncated"),
    "product wraps to 0": (idx(sizes=(2**16,) * 4), "truncated"),
    "zero times huge": (idx(sizes=(0,) + (2**31 - 1,) * 3, data=b""), "truncated"),
    "one byte missing": (idx(data=bytes(5)), "truncated"),
    "one byte more": (idx(data=bytes(7)), "bytes follow"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("case", BAD_IDX)
def test_bad_idx_files_are_refused(tmp_path, case, zipped):
    content, message = BAD_IDX[case]
    path = tmp_path / "bad-idx"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_small_gzip_file_cannot_ask_for_much_memory(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(sizes=(2**30,), data=b"")))
    with pytest.raises(FileFormatError, match="the file holds at most"):
        read_idx(path)


def test_gzip_with_a_wrong_checksum_is_refused(tmp_path):
    content = bytearray(gzip.compress(idx()))
    content[-5] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FileFormatError, match="gzip stream is damaged"):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("whole", [idx(), gzip.compress(idx(), mtime=0)], ids=["plain", "gzip"])
def test_damaged_idx_never_does_more_than_be_refused(tmp_path, whole):
    path = tmp_path / "a"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            read_idx(path)
    rng = np.random.default_rng(0)
    for _ in range(500):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(len(whole))] ^= rng.integers(1, 256)
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(FileFormatError):
            assert read_idx(path).nbytes <= 1032 * len(whole)


def test_idx_paths_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)


# MNIST.

def make_mnist(folder, mark="-", end="", count=5, **changes):
    """A small MNIST in `folder`; changes replace the array of one of the four files."""
    arrays = {"train-images": RNG.integers(0, 256, (count, 4, 3)).astype(np.uint8), "train-labels": np.arange(count),
              "t10k-images": RNG.integers(0, 256, (2, 4, 3)).astype(np.uint8), "t10k-labels": np.arange(2)}
    arrays.update({name.replace("_", "-"): array for name, array in changes.items()})
    for name, array in arrays.items():
        axes = 3 if "images" in name else 1
        write_idx(folder / f"{name}{mark}idx{axes}-ubyte{end}", np.asarray(array).astype(np.uint8))
    return arrays


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_mnist_under_its_usual_names(tmp_path, mark, end):
    arrays = make_mnist(tmp_path, mark, end)
    (x_train, y_train), (x_test, y_test) = load_mnist(tmp_path)
    assert x_train.shape == (5, 4, 3, 1) and x_test.shape == (2, 4, 3, 1)
    assert x_train.dtype == np.float32 and y_train.dtype == np.int64
    np.testing.assert_array_equal(x_train[..., 0], arrays["train-images"] / np.float32(255), strict=True)
    np.testing.assert_array_equal(y_train, arrays["train-labels"])
    np.testing.assert_array_equal(y_test, [0, 1])
    assert x_test.max() <= 1


def test_mnist_errors_name_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte, .* or train-images.idx3-ubyte.gz"):
        load_mnist(tmp_path)
    make_mnist(tmp_path)
    os.remove(tmp_path / "t10k-labels-idx1-ubyte")
    with pytest.raises(FileNotFoundError, match="t10k-labels"):
        load_mnist(tmp_path)
    with pytest.raises(NotADirectoryError):
        load_mnist(tmp_path / "train-labels-idx1-ubyte")
    with pytest.raises(NotADirectoryError):
        load_mnist(tmp_path / "none")


@pytest.mark.parametrize("changes, message", [
    ({"train_labels": np.arange(4)}, "5 images, but 4 labels"),
    ({"train_images": np.zeros((0, 4, 3))}, "holds no images"),
    ({"t10k_images": np.zeros((2, 3, 4))}, r"training images are \(4, 3\), test images \(3, 4\)"),
    ({"train_images": np.zeros(5)}, "train-images-idx3-ubyte: expected unsigned bytes with 3 axes"),
])
def test_mnist_whose_parts_do_not_fit(tmp_path, changes, message):
    make_mnist(tmp_path, **changes)
    with pytest.raises(FileFormatError, match=message):
        load_mnist(tmp_path)


def test_mnist_of_another_type(tmp_path):
    make_mnist(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(5, dtype=np.int32))
    with pytest.raises(FileFormatError, match="expected unsigned bytes with 1 axes, got int32"):
        load_mnist(tmp_path)


# Splitting.

@pytest.mark.parametrize("test_size, count, test_count", [(0.2, 10, 2), (0.25, 10, 3), (0.07, 100, 7), (0.01, 10, 1),
                                                          (3, 10, 3), (np.int64(1), 2, 1), (np.float32(0.5), 10, 5)])
def test_split_sizes(test_size, count, test_count):
    x = np.arange(count)
    train, test = train_test_split(x, test_size=test_size, rng=0)
    assert len(test) == test_count
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), x)


def test_split_keeps_rows_together_and_follows_the_generator():
    x, y = np.arange(40).reshape(20, 2), np.arange(20)
    x_train, x_test, y_train, y_test, names_train, names_test = train_test_split(x, y, [str(n) for n in y], rng=1)
    np.testing.assert_array_equal(x_train[:, 0], 2 * y_train)
    np.testing.assert_array_equal(x_test[:, 1], 2 * y_test + 1)
    assert names_test == [str(n) for n in y_test] and isinstance(names_train, list)
    assert not np.shares_memory(x, x_train)
    for other, equal in ((1, True), (2, False), (np.random.default_rng(1), True)):
        assert np.array_equal(train_test_split(y, rng=other)[0], y_train) is equal
    assert not np.array_equal(y_train, np.sort(y_train))


def test_split_of_a_sequence_in_time():
    train, test = train_test_split(np.arange(10), test_size=3, shuffle=False)
    np.testing.assert_array_equal(train, np.arange(7))
    np.testing.assert_array_equal(test, [7, 8, 9])


@pytest.mark.parametrize("seed", range(20))
def test_stratified_split_gives_every_label_its_share(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 50, rng.integers(2, 12))
    y = np.repeat([f"label {n}" for n in range(len(sizes))], sizes)
    rng.shuffle(y)
    count = len(y) // 4
    if count == 0 or (sizes - 1).sum() < count:
        pytest.skip("too few rows")
    train, test = train_test_split(y, test_size=count, rng=rng, stratify=y)
    assert len(test) == count
    tested = np.array([(test == f"label {n}").sum() for n in range(len(sizes))])
    trained = np.array([(train == f"label {n}").sum() for n in range(len(sizes))])
    np.testing.assert_array_equal(tested + trained, sizes)
    assert (trained >= 1).all()
    assert (np.abs(tested - sizes * count / len(y)) < 1).all()
    assert (np.diff(train.argsort(kind="stable")) != 1).any()  # the parts are shuffled, not sorted by label


def test_split_of_data_frames_keeps_them():
    class Frame:  # the part of pandas' interface that is used
        shape = (4, 1)

        def __init__(self):
            self.iloc = np.arange(4)

        def __len__(self):
            return 4

    train, test = train_test_split(Frame(), test_size=1, shuffle=False)
    assert list(train) == [0, 1, 2] and list(test) == [3]


@pytest.mark.parametrize("arrays, options, error, message", [
    ([], {}, TypeError, "at least one array"),
    ([[1, 2], [1]], {}, ValueError, r"arrays of one length, got \[2, 1\]"),
    ([[]], {}, ValueError, "each part needs at least one"),
    ([[1]], {}, ValueError, "of 1 rows leaves 0 to train on and 1 to test"),
    ([[1, 2]], {"test_size": 0.0}, ValueError, "between 0 and 1"),
    ([[1, 2]], {"test_size": 1.0}, ValueError, "between 0 and 1"),
    ([[1, 2]], {"test_size": float("nan")}, ValueError, "between 0 and 1"),
    ([[1, 2]], {"test_size": 2}, ValueError, "leaves 0 to train on"),
    ([[1, 2]], {"test_size": -1}, ValueError, "leaves 3 to train on and -1 to test"),
    ([[1, 2]], {"test_size": True}, TypeError, "got a bool"),
    ([[1, 2]], {"test_size": "half"}, TypeError, "str"),
    ([[1, 2]], {"stratify": [0]}, ValueError, r"each of the 2 rows, got shape \(1,\)"),
    ([[1, 2]], {"stratify": [0, 0], "shuffle": False}, ValueError, "needs shuffle=True"),
    ([[1, 2, 3]], {"stratify": [0, 1, 2]}, ValueError, "only 0 are left"),
    ([[1, 2]], {"rng": "seed"}, TypeError, "rng: expected an integer"),
])
def test_splits_that_cannot_be(arrays, options, error, message):
    with pytest.raises(error, match=message):
        train_test_split(*arrays, **options)


# Standardising.

@pytest.mark.parametrize("dtype, result", [("f8", "f8"), ("f4", "f4"), ("f2", "f2"), (">f4", "f4"), ("i8", "f4"),
                                           ("u1", "f4"), ("?", "f4")])
def test_standardise_as_the_notes_write_it(dtype, result):
    x = (RNG.standard_normal((3000, 5)) * [1, 2, 3, 4, 50] + 7).astype(dtype)
    scaler = StandardScaler(eps=1e-3)
    out = scaler.fit_transform(x)
    wide = x.astype(np.float64)
    expected = (wide - wide.mean(0)) / (wide.std(0) + 1e-3)
    assert out.dtype == np.dtype(result)
    tolerance = {"f8": 1e-12, "f4": 1e-5, "f2": 1e-2}[result]
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(scaler.inverse_transform(out), wide, rtol=tolerance * 10, atol=tolerance * 100)


def test_standardise_keeps_the_last_axis_apart():
    x = RNG.standard_normal((4, 6, 6, 3))
    out = StandardScaler(eps=0).fit_transform(x)
    np.testing.assert_allclose(out.mean((0, 1, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(out.std((0, 1, 2)), 1, rtol=1e-14)


def test_standardise_a_target():
    y = np.array([1.0, 2.0, 6.0])
    scaler = StandardScaler().fit(y)
    assert scaler.mean == 3 and np.ndim(scaler.mean) == 0 and "1 features" in repr(scaler)
    np.testing.assert_allclose(scaler.transform(y), (y - 3) / y.std(), rtol=1e-7)
    np.testing.assert_allclose(scaler.inverse_transform([[0.0], [1.0]]), [[3], [3 + y.std()]], rtol=1e-7)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 + 0.1, -7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_feature_is_only_centred(constant, dtype):
    x = np.full((1777, 1), constant, dtype)
    scaler = StandardScaler().fit(x)
    assert scaler.std == 0 and (scaler.transform(x) == 0).all()
    # A later value is off by the difference itself, not by the difference over eps.
    np.testing.assert_allclose(scaler.transform(x.astype(np.float64) + 0.0625), 0.0625, rtol=1e-5)


def test_large_offsets_do_not_lose_the_deviation():
    x = RNG.standard_normal((5000, 2)) + np.array([1.7e9, -1e12])
    scaler = StandardScaler(eps=0).fit(x)
    np.testing.assert_allclose(scaler.std, x.std(0), rtol=1e-6)
    np.testing.assert_allclose(scaler.transform(x).std(0), 1, rtol=1e-6)


def test_standardise_leaves_its_argument_alone():
    x = RNG.standard_normal((50, 2)).astype(np.float32)[::-1]
    before = x.copy()
    x.flags.writeable = False
    out = StandardScaler().fit_transform(x)
    np.testing.assert_array_equal(x, before)
    assert not np.shares_memory(out, x) and out.flags.writeable


def test_the_scaler_goes_through_a_file(tmp_path):
    from cdl.io import load_safetensors, save_safetensors
    for x in (RNG.standard_normal((50, 3)), RNG.standard_normal(50)):
        scaler = StandardScaler(eps=0.5).fit(x)
        save_safetensors(tmp_path / "s", scaler.state_dict())
        again = StandardScaler().load_state_dict(load_safetensors(tmp_path / "s")[0])
        np.testing.assert_array_equal(again.transform(x), scaler.transform(x), strict=True)
        assert again.eps == 0.5


@pytest.mark.parametrize("x, error, message", [
    (np.zeros((0, 3)), ValueError, r"no rows: shape \(0, 3\)"),
    ([[1.0, np.nan], [2.0, 3.0]], ValueError, "feature 1 holds NaN"),
    ([[1.0], [np.inf]], ValueError, "feature 0 holds NaN, infinity"),
    ([["a"]], TypeError, "real numbers, got dtype <U1"),
    ([[1j]], TypeError, "complex128"),
    (np.array([[None]]), TypeError, "object"),
    (np.ma.array([[1.0]], mask=[[True]]), TypeError, "mask would be lost"),
])
def test_what_cannot_be_standardised(x, error, message):
    with pytest.raises(error, match=message):
        StandardScaler().fit(x)


def test_wrong_use_of_the_scaler():
    for method in ("transform", "inverse_transform"):
        with pytest.raises(ValueError, match=f"{method}: call fit first"):
            getattr(StandardScaler(), method)([[1.0]])
        with pytest.raises(ValueError, match=r"expected 2 features \(as in fit\), got x of shape \(1, 3\)"):
            getattr(StandardScaler().fit([[1.0, 2.0]]), method)([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="call fit first"):
        StandardScaler().state_dict()
    with pytest.raises(ValueError, match="eps must be finite"):
        StandardScaler(eps=-1)
    assert "not fitted" in repr(StandardScaler())


@pytest.mark.parametrize("change, message", [
    ({"std": None}, "expected mean, std and eps"), ({"std": np.ones(3)}, "one shape"),
    ({"eps": np.ones(1)}, "one shape"),
    ({"std": np.array([1.0, -1.0])}, "not negative"), ({"mean": np.array([1.0, np.nan])}, "finite"),
])
def test_what_is_no_scalers_state(change, message):
    state = {**StandardScaler().fit([[1.0, 2.0], [2.0, 4.0]]).state_dict(), **change}
    state = {key: value for key, value in state.items() if value is not None}
    scaler = StandardScaler()
    with pytest.raises(ValueError, match=message):
        scaler.load_state_dict(state)
    assert scaler.mean is None
