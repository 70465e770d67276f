"""Files: the safetensors reader and writer, atomic replacement, and what they do with what is not theirs."""
import errno
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from cdl.io import FileFormatError, atomic_write, load_safetensors, save_safetensors

RNG = np.random.default_rng(0)
TENSORS = {
    "layer1.0.conv1.weight": RNG.standard_normal((3, 3, 4, 5)).astype(np.float32),
    "double": RNG.standard_normal((7,)),
    "half": RNG.standard_normal((2, 3)).astype(np.float16),
    "empty": np.zeros((0, 4), np.float32),
    "scalar": np.array(2.5, np.float32),
    "flag": np.array([True, False, True]),
    **{dtype: np.array([np.iinfo(dtype).min, 0, np.iinfo(dtype).max], dtype)
       for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], strict=True)


def raw(header, data=b"", length=None):
    """The bytes of a safetensors file with this header (a dict or its text)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize("mmap", [False, True])
def test_round_trip(tmp_path, mmap):
    path = tmp_path / "t.safetensors"
    save_safetensors(path, TENSORS, metadata={"format": "cdl", "größe": "\"quoted\"\n"})
    tensors, metadata = load_safetensors(path, mmap=mmap)
    same(TENSORS, tensors)
    assert metadata == {"format": "cdl", "größe": "\"quoted\"\n"}
    for array in tensors.values():
        assert array.flags.aligned and array.dtype.isnative and array.flags.writeable is not mmap
    assert struct.unpack("<Q", path.read_bytes()[:8])[0] % 8 == 0


def test_nothing_at_all_can_be_saved(tmp_path):
    save_safetensors(tmp_path / "t", {})
    assert load_safetensors(tmp_path / "t") == load_safetensors(tmp_path / "t", mmap=True) == ({}, {})


@pytest.mark.parametrize("array", [np.arange(24.0).reshape(4, 6).T, np.arange(6.0)[::-1], np.arange(12.0)[::3],
                                   np.arange(6, dtype=">f8"), np.asfortranarray(np.ones((3, 2))), [[1.0, 2.0]], 3.0])
def test_any_layout_is_saved_by_value(tmp_path, array):
    save_safetensors(tmp_path / "t", {"a": array})
    back = load_safetensors(tmp_path / "t")[0]["a"]
    np.testing.assert_array_equal(back, np.asarray(array).astype(np.float64), strict=True)


def test_mapped_arrays_keep_the_old_content_when_the_file_is_replaced(tmp_path):
    path = tmp_path / "t"
    save_safetensors(path, {"a": np.arange(4.0)})
    old = load_safetensors(path, mmap=True)[0]["a"]
    save_safetensors(path, {"a": np.zeros(2)})
    np.testing.assert_array_equal(old, np.arange(4.0))
    with pytest.raises(ValueError, match="read-only"):
        old[0] = 1


def test_unaligned_data_of_other_writers_is_copied(tmp_path):
    values = np.arange(3.0, dtype=np.float32)
    header = {"flag": entry("BOOL", (1,), (0, 1)), "a": entry("F32", (3,), (1, 13))}
    (tmp_path / "t").write_bytes(raw(header, b"\1" + values.tobytes()))
    for mmap in (False, True):
        array = load_safetensors(tmp_path / "t", mmap=mmap)[0]["a"]
        assert array.flags.aligned
        np.testing.assert_array_equal(array, values)


def test_bf16_is_the_nearest_value_and_ties_go_to_even(tmp_path):
    # 8 bits of precision: around 1 the values lie 2**-7 apart; 1 + 2**-8 is a tie down to 1, 1 + 3·2**-8 one up.
    exact = [(1 + 2**-8, 1.0), (1 + 3 * 2**-8, 1 + 2**-6), (1 + 2**-8 + 2**-20, 1 + 2**-7), (-3.0, -3.0), (0.0, 0.0),
             (np.inf, np.inf), (-np.inf, -np.inf), (3.4028235e38, np.inf), (1e-45, 0.0)]
    given, wanted = np.array(exact, np.float32).T
    tensors = {"a": given, "nan": np.float32(np.nan), "s": np.array(0.5)}
    save_safetensors(tmp_path / "t", tensors, bf16=list(tensors))
    back, _ = load_safetensors(tmp_path / "t", mmap=True)
    np.testing.assert_array_equal(back["a"], wanted, strict=True)
    assert np.isnan(back["nan"]) and back["s"].shape == () and back["s"] == 0.5


def test_bf16_keeps_a_nan_whose_payload_is_in_the_lower_half(tmp_path):
    quiet = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    save_safetensors(tmp_path / "t", {"a": quiet}, bf16=["a"])
    assert np.isnan(load_safetensors(tmp_path / "t")[0]["a"]).all()


def test_the_reference_implementation_reads_and_writes_the_same(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "t"
    save_safetensors(path, TENSORS, metadata={"k": "v"})
    same(TENSORS, dict(safetensors.load_file(path)))
    safetensors.save_file(TENSORS, path, metadata={"k": "v"})
    tensors, metadata = load_safetensors(path)
    same(TENSORS, tensors)
    assert metadata == {"k": "v"}


def test_bf16_as_the_reference_implementation_has_it(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    values = np.concatenate([RNG.standard_normal(1000), 10.0 ** RNG.uniform(-40, 38, 1000)]).astype(np.float32)
    save_safetensors(tmp_path / "t", {"a": values}, bf16={"a"})
    theirs = safetensors.load_file(tmp_path / "t")["a"]
    assert theirs.dtype == bfloat16
    np.testing.assert_array_equal(theirs.astype(np.float32), values.astype(bfloat16).astype(np.float32))
    safetensors.save_file({"a": theirs}, tmp_path / "t")
    np.testing.assert_array_equal(load_safetensors(tmp_path / "t")[0]["a"], theirs.astype(np.float32), strict=True)


@pytest.mark.parametrize("tensors, options, error, message", [
    ({"a": np.array(["x"])}, {}, TypeError, "'a' has dtype <U1, which the format cannot hold"),
    ({"a": np.array([None])}, {}, TypeError, "'a' has dtype object"),
    ({"a": np.array([1j])}, {}, TypeError, "'a' has dtype complex128"),
    ({"a": np.array(["2020-01-01"], "M8[D]")}, {}, TypeError, "datetime64"),
    ({"a": np.ma.array([1.0], mask=[True])}, {}, TypeError, "mask would be lost"),
    ({1: np.zeros(1)}, {}, TypeError, "names are text, got 1"),
    ({"__metadata__": np.zeros(1)}, {}, ValueError, "for itself"),
    ({"a": np.zeros(1)}, {"metadata": {"epoch": 3}}, TypeError, "metadata maps text to text, got 'epoch': 3"),
    ({"a": np.zeros(1)}, {"bf16": ["b"]}, ValueError, "bf16 names arrays that are not there: 'b'"),
    ({"a": np.zeros(1, int)}, {"bf16": ["a"]}, TypeError, "only floating arrays"),
])
def test_what_cannot_be_saved_leaves_the_file_alone(tmp_path, tensors, options, error, message):
    path = tmp_path / "t"
    path.write_bytes(b"old")
    with pytest.raises(error, match=message):
        save_safetensors(path, tensors, **options)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["t"]


BAD = {
    "empty": (b"", "has 0 bytes"),
    "seven bytes": (b"\0" * 7, "has 7 bytes"),
    "no header": (raw(b""), "does not start with '{'"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "the format allows"),
    "length 2**64 - 1": (raw(b"{}", length=2**64 - 1), "the format allows"),
    "length over the limit": (raw(b"{}", length=100_000_001), "the format allows"),
    "length beyond the file": (raw(b"{}", length=3), "truncated: the header has 3 bytes, 2 follow"),
    "space first": (raw(b" {}"), "does not start with"),
    "a list": (raw(b"[]"), "does not start with"),
    "UTF-16": (raw('{"a": 1}'.encode("utf-16")), "does not start with"),
    "not UTF-8": (raw(b'{"\xff": 1}'), "not valid JSON"),
    "half a surrogate": (raw(b'{"\\ud800": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}'), "not valid JSON"),
    "two documents": (raw(b"{}{}"), "not valid JSON"),
    "deep": (raw(b'{"a":' * 100_000), "not valid JSON"),
    "a million digits": (raw(b'{"a": ' + b"9" * 1_000_000 + b"}"), "not valid JSON"),
    "duplicate": (raw(b'{"a": 1, "a": 2}'), "the key 'a' occurs twice"),
    "duplicate inside": (raw(b'{"a": {"dtype": "F32", "dtype": "F64"}}'), "the key 'dtype' occurs twice"),
    "not an entry": (raw({"a": 3}), "'a' must have dtype, shape and data_offsets, got 3"),
    "no offsets": (raw({"a": {"dtype": "F32", "shape": [2]}}), "must have dtype, shape and data_offsets"),
    "unknown dtype": (raw({"a": entry("F128")}, b"\0" * 8), "'a' has dtype 'F128'; known are F64"),
    "dtype a list": (raw({"a": entry(["F32"])}, b"\0" * 8), "known are"),
    "shape a number": (raw({"a": {**entry(), "shape": 2}}, b"\0" * 8), "must have a shape"),
    "shape of bools": (raw({"a": entry(shape=[True, 2])}, b"\0" * 8), "must have a shape"),
    "shape of floats": (raw({"a": entry(shape=[2.0])}, b"\0" * 8), "must have a shape"),
    "negative size": (raw({"a": entry(shape=[-2])}, b"\0" * 8), "must have a shape"),
    "33 axes": (raw({"a": entry(shape=[1] * 32 + [2])}, b"\0" * 8), "at most 32 sizes"),
    "size 2**63": (raw({"a": entry(shape=[2**63])}, b"\0" * 8), "must have a shape"),
    "product wraps to 8": (raw({"a": entry("U8", [2**32, 2**32, 8])}, b"\0" * 8), "too large for any machine"),
    "zero times huge": (raw({"a": entry("U8", [0, 2**62, 2**62], [0, 0])}), "too large for any machine"),
    "larger than its bytes": (raw({"a": entry(shape=[3])}, b"\0" * 8), r"takes 12 bytes, its data_offsets \[0, 8\]"),
    "one offset": (raw({"a": entry(offsets=[0])}, b"\0" * 8), "must have data_offsets"),
    "backwards": (raw({"a": entry(offsets=[8, 0])}, b"\0" * 8), "must have data_offsets"),
    "negative offset": (raw({"a": entry(offsets=[-8, 0])}, b"\0" * 8), "must have data_offsets"),
    "offsets NaN": (raw({"a": entry(offsets=[float("nan"), 8])}, b"\0" * 8), "must have data_offsets"),
    "truncated data": (raw({"a": entry()}, b"\0" * 7), "truncated: the arrays take 8 bytes, the file holds 7"),
    "data after": (raw({"a": entry()}, b"\0" * 9), "too long: the arrays take 8 bytes, the file holds 9"),
    "gap": (raw({"a": entry(), "b": entry(offsets=[9, 17])}, b"\0" * 17), "'b' starts at 9 .* leaves a gap"),
    "gap at the start": (raw({"a": entry(offsets=[1, 9])}, b"\0" * 9), "leaves a gap"),
    "overlap": (raw({"a": entry(), "b": entry(offsets=[4, 12])}, b"\0" * 12), "overlaps the array before it"),
    "same place": (raw({"a": entry(), "b": entry()}, b"\0" * 8), "overlaps the array before it"),
    "bool of 2": (raw({"a": entry("BOOL", [1], [0, 1])}, b"\2"), "neither 0 nor 1"),
    "metadata a list": (raw({"__metadata__": []}), "must map text to text"),
    "metadata of numbers": (raw({"__metadata__": {"a": 1}}), "must map text to text"),
}


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused(tmp_path, case, mmap):
    content, message = BAD[case]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        load_safetensors(path, mmap=mmap)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 600


SMALL = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False]), "h": np.ones(3, np.float16)}


def loads_or_is_refused(path, content):
    """What happens to a damaged file: arrays of the bytes that are there, or FileFormatError; anything else raises."""
    path.write_bytes(content)
    try:
        tensors, _ = load_safetensors(path, mmap=True)
    except FileFormatError:
        return False
    assert sum(array.nbytes for array in tensors.values()) <= 2 * len(content)  # bf16 doubles
    return True


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "t"
    save_safetensors(path, SMALL, metadata={"k": "v"}, bf16=["h"])
    whole = path.read_bytes()
    assert loads_or_is_refused(path, whole)
    assert not any(loads_or_is_refused(path, whole[:length]) for length in range(len(whole)))


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_never_do_more_than_be_refused(tmp_path, seed):
    path = tmp_path / "t"
    save_safetensors(path, SMALL, metadata={"k": "v"}, bf16=["h"])
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(500):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(whole), rng.integers(1, 4))
        damaged[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
        refused += not loads_or_is_refused(path, damaged.tobytes())
    assert refused > 250  # most of this file is header, where a flip is seen


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_that_is_truncated_while_it_is_read(tmp_path, monkeypatch, mmap):
    path = tmp_path / "t"
    save_safetensors(path, SMALL)
    real = os.fstat

    def fstat_then_truncate(descriptor):
        status = real(descriptor)
        if status.st_size:
            os.truncate(path, status.st_size - 1)
        return status

    monkeypatch.setattr(os, "fstat", fstat_then_truncate)
    with pytest.raises(FileFormatError, match="changed its size while it was read"):
        load_safetensors(path, mmap=mmap)


def test_a_header_over_the_formats_limit_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="the format allows 100000000"):
        save_safetensors(tmp_path / "t", {}, metadata={"k": "x" * 100_000_000})
    assert not os.listdir(tmp_path)


# What the operating system refuses.

@pytest.fixture
def unprivileged():
    """A user whom permissions bind; root is not bound by them."""
    if not hasattr(os, "geteuid"):
        pytest.skip("needs POSIX users")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)  # nobody
    yield
    os.seteuid(0)


def test_missing_folder_and_forbidden_files(tmp_path, request):
    with pytest.raises(FileNotFoundError):
        load_safetensors(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load_safetensors(tmp_path)
    with pytest.raises(IsADirectoryError):
        save_safetensors(tmp_path, SMALL)
    with pytest.raises(FileNotFoundError) as caught:
        save_safetensors(tmp_path / "none" / "t", SMALL)
    assert caught.value.filename.endswith("t")  # not the temporary name
    path = tmp_path / "t"
    save_safetensors(path, SMALL)
    path.chmod(0)
    request.getfixturevalue("unprivileged")
    with pytest.raises(PermissionError):
        load_safetensors(path)
    with pytest.raises(PermissionError):
        save_safetensors(path, SMALL)


def test_a_write_protected_file_or_folder_stays_as_it_is(request):
    import tempfile
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies below folders that only their owner may enter
        path = os.path.join(folder, "t")
        with open(path, "w") as file:
            file.write("old")
        os.chmod(path, 0o444)
        os.chmod(folder, 0o777)
        try:
            request.getfixturevalue("unprivileged")
            with pytest.raises(PermissionError, match="write-protected"), atomic_write(path):
                pass
            if os.getuid() != 0:
                os.chmod(folder, 0o555)
                with pytest.raises(PermissionError), atomic_write(os.path.join(folder, "new")):
                    pass
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            os.chmod(folder, 0o700)
        assert os.listdir(folder) == ["t"]


# Replacing a file.

def test_atomic_write_makes_files_as_open_does(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_atomic_write_keeps_mode_and_link(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o754)
    link.symlink_to(os.path.join("folder", "target"))
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o754
    assert os.listdir(tmp_path / "folder") == ["target"]


def test_atomic_write_through_a_link_to_nothing_makes_the_file(tmp_path):
    (tmp_path / "link").symlink_to("target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_atomic_write_leaves_nothing_of_a_failed_block(tmp_path, error):
    path = tmp_path / "t"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"n" * 100_000)
        raise error
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["t"]


def test_atomic_write_survives_a_full_disk(tmp_path):
    """A file-size limit stands for the full disk: the write fails in the middle."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "t"
    path.write_bytes(b"old")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError) as caught:
            save_safetensors(path, {"a": np.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["t"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(b"old")
    code = textwrap.dedent("""
        import os, signal, sys
        from cdl.io import atomic_write
        with atomic_write(sys.argv[1]) as file:
            file.write(b"n" * 100_000)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    result = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert result.returncode == -signal.SIGKILL and path.read_bytes() == b"old"


def test_devices_and_pipes_are_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, "/dev/null"):
        with pytest.raises(OSError, match="only a regular file") as caught, atomic_write(path):
            pass
        assert caught.value.errno == errno.EINVAL
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "t"
    with atomic_write(path) as first:
        first.write(b"first")
        with atomic_write(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first" and os.listdir(tmp_path) == ["t"]


def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path, monkeypatch):
    real, refused = os.fsync, []

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refused.append(descriptor)
            raise OSError(error, os.strerror(error))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    error = errno.EINVAL
    save_safetensors(tmp_path / "t", SMALL)
    same(SMALL, load_safetensors(tmp_path / "t")[0])
    error = errno.EIO
    with pytest.raises(OSError):
        save_safetensors(tmp_path / "t", SMALL)
    assert len(refused) == 2
