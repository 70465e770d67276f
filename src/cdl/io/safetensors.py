"""The safetensors format: named arrays in one file that holds data only, never code.

A file is, in this order: the header's length (8 bytes, little-endian), the header (JSON: for each name its dtype, shape
and begin and end in the data), the data. The arrays follow each other without gaps. Everything a file claims is checked
before anything of that size is allocated.

Source: the format's description in the README of https://github.com/huggingface/safetensors.
"""
import json
import math
import mmap
import os
import struct

import numpy as np

from .atomic import atomic_write
from .errors import FileFormatError

# The format's own limit, against headers made to exhaust the reader's memory.
_HEADER_LIMIT = 100_000_000
# Where the data starts in files written here: a cache line, so that a mapped file's first array starts one too.
_DATA_ALIGNMENT = 64
# NumPy 1.26 takes no more axes than this.
_MAX_AXES = 32

# BF16 is read through its bits: it is the upper half of a float32, and NumPy has no type of its own for it.
_DTYPES = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items() if name != "BF16"}


def save_safetensors(path, tensors, *, metadata=None, bf16=()):
    """Write named arrays to `path`, replacing the file all at once (see `atomic_write`).

    Parameters
    ----------
    path : str or os.PathLike
    tensors : mapping of str to array
        Any shape; float16/32/64, signed and unsigned integers, bool. Anything `numpy.asarray` takes.
    metadata : mapping of str to str, optional
        Kept beside the arrays, in the header.
    bf16 : collection of str, default ()
        Names of floating arrays stored as bfloat16 (rounded to nearest, ties to even): half a float32's size, its
        range, 8 bits of precision. They are read back as float32.

    Raises
    ------
    TypeError
        A name or metadata entry that is not text, or an array of complex, object, text or date type.
    ValueError
        The name ``__metadata__``, which the format reserves; a name in `bf16` that is not in `tensors`.
    OSError
        As `atomic_write`.

    Examples
    --------
    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "model.safetensors")
    >>> save_safetensors(path, {"dense.bias": np.zeros(3, np.float32)}, metadata={"format": "cdl"})
    >>> load_safetensors(path)
    ({'dense.bias': array([0., 0., 0.], dtype=float32)}, {'format': 'cdl'})
    >>> folder.cleanup()
    """
    unknown = sorted(set(bf16) - set(tensors))
    if unknown:
        raise ValueError(f"save_safetensors: bf16 names arrays that are not there: {', '.join(map(repr, unknown))}")
    stored = [_to_stored(name, value, name in bf16) for name, value in tensors.items()]
    # Wide types first, so that every array starts at a multiple of its own element size.
    stored.sort(key=lambda item: (-item[2].itemsize, item[0]))
    entries, position = {}, 0
    if metadata:
        entries["__metadata__"] = _checked_metadata(metadata)
    for name, dtype, array in stored:
        entries[name] = {"dtype": dtype, "shape": list(array.shape),
                         "data_offsets": [position, position + array.nbytes]}
        position += array.nbytes
    header = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    header += b" " * (-(8 + len(header)) % _DATA_ALIGNMENT)
    if len(header) > _HEADER_LIMIT:
        raise ValueError(f"save_safetensors: the header would have {len(header)} bytes, the format allows "
                         f"{_HEADER_LIMIT}: fewer names or less metadata")
    with atomic_write(path) as file:
        file.write(struct.pack("<Q", len(header)))
        file.write(header)
        for _, _, array in stored:
            file.write(array.reshape(-1).view(np.uint8).data)


def load_safetensors(path, *, mmap=False):
    """Read the named arrays of a safetensors file.

    Parameters
    ----------
    path : str or os.PathLike
    mmap : bool, default False
        True: the arrays are read-only views of the file's pages, nothing is read until it is used. The file must then
        not be truncated while they live (replacing it with `atomic_write` is fine: the views keep the old content).
        Arrays that the file stores as BF16, or at an address their type cannot have, are copies all the same.
        False: the arrays are read into memory of their own.

    Returns
    -------
    tensors : dict of str to numpy.ndarray
        In the order of the file's data; BF16 widened to float32, which is exact.
    metadata : dict of str to str

    Raises
    ------
    FileFormatError
        Not a safetensors file, or a truncated or damaged one: every claim of the header is checked.
    OSError
        The file cannot be opened or read.

    Examples
    --------
    >>> load_safetensors("no such file")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no such file'
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = _read_header(file, size, path)
        start = file.tell()
        rows, metadata = _checked_header(header, size - start, path)
        pages = _mapped(file, size, path) if mmap else None
        tensors = {}
        for name, dtype, shape, begin, end in rows:
            data = _read_bytes(file, end - begin, path) if pages is None else pages[start + begin:start + end]
            tensors[name] = _from_stored(name, dtype, shape, data, path)
    return tensors, metadata


def _to_stored(name, value, as_bf16):
    """(name, dtype's name, little-endian C-ordered array) of what goes into the file."""
    if not isinstance(name, str):
        raise TypeError(f"save_safetensors: names are text, got {name!r}")
    if name == "__metadata__":
        raise ValueError("save_safetensors: the format keeps the name '__metadata__' for itself")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"save_safetensors: {name!r} is a masked array, and its mask would be lost; fill it first")
    array = np.asarray(value)
    if as_bf16:
        if array.dtype.kind != "f":
            raise TypeError(f"save_safetensors: {name!r} is {array.dtype}; only floating arrays can be stored as bf16")
        return name, "BF16", _bf16_bits(array)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise TypeError(f"save_safetensors: {name!r} has dtype {array.dtype}, which the format cannot hold; "
                        f"convert it to one of {', '.join(str(d) for d in _NAMES)}")
    return name, _NAMES[dtype], np.asarray(array, dtype=dtype, order="C")


def _bf16_bits(array):
    """The upper 16 bits of float32 values, rounded to nearest even; NaN stays NaN."""
    single = np.asarray(array, dtype="<f4", order="C")
    bits = single.view("<u4") if single.ndim else single.reshape(1).view("<u4").reshape(())
    # Adding half of the lower part, less one where the upper part is even, carries exactly when rounding goes up.
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype("<u2")
    # The carry would run through a NaN's payload; its sign and quiet bit are what matters.
    return np.where(np.isnan(single), ((bits >> 16) | 0x40).astype("<u2"), rounded)


def _checked_metadata(metadata):
    for key, value in metadata.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"save_safetensors: metadata maps text to text, got {key!r}: {value!r}")
    return dict(metadata)


def _read_header(file, size, path):
    """The header's JSON text, its length checked against the file and the format's limit before it is read."""
    start = file.read(8)
    if len(start) < 8:
        raise FileFormatError(f"{path}: not a safetensors file: it has {len(start)} bytes, the header's length takes 8")
    (length,) = struct.unpack("<Q", start)
    if start.startswith(b"PK\x03\x04") and length > size - 8:
        raise FileFormatError(f"{path}: not a safetensors file but a zip file, as torch.save and numpy.savez write them; write "
                              "it again with safetensors.torch.save_file or cdl.io.save_safetensors")
    if length > _HEADER_LIMIT:
        raise FileFormatError(f"{path}: not a safetensors file: its header would have {length} bytes, the format "
                              f"allows {_HEADER_LIMIT}")
    if length > size - 8:
        raise FileFormatError(f"{path}: truncated: the header has {length} bytes, {size - 8} follow")
    header = file.read(length)
    if not header.startswith(b"{"):
        raise FileFormatError(f"{path}: not a safetensors file: the header does not start with '{{'")
    return header


def _checked_header(header, data_size, path):
    """[(name, dtype, shape, begin, end)] in the order of the data, and the metadata."""
    try:
        entries = json.loads(header.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: the header is not valid JSON: {error}") from None
    metadata = entries.pop("__metadata__", {})
    if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
        raise FileFormatError(f"{path}: __metadata__ must map text to text")
    rows = sorted((_checked_entry(name, entry, path) for name, entry in entries.items()), key=lambda row: row[3:])
    position = 0
    for name, _, _, begin, end in rows:
        if begin != position:
            what = "overlaps the array before it" if begin < position else "leaves a gap before it"
            raise FileFormatError(f"{path}: {name!r} starts at {begin} where {position} is expected: it {what}")
        position = end
    if position != data_size:
        state = "truncated" if position > data_size else "too long"
        raise FileFormatError(f"{path}: {state}: the arrays take {position} bytes, the file holds {data_size}")
    return rows, metadata


def _without_duplicates(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        seen = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice!r} occurs twice")
    for text in (*result, *result.values()):
        if isinstance(text, str):
            text.encode("utf-8")  # half a surrogate pair, which JSON can spell, is not text: UnicodeEncodeError
    return result


def _checked_entry(name, entry, path):
    """(name, dtype, shape, begin, end) of one array; its size in bytes agrees with its shape."""
    if not (isinstance(entry, dict) and {"dtype", "shape", "data_offsets"} <= entry.keys()):
        raise FileFormatError(f"{path}: {name!r} must have dtype, shape and data_offsets, got {str(entry)[:80]}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (isinstance(dtype, str) and dtype in _DTYPES):
        raise FileFormatError(f"{path}: {name!r} has dtype {str(dtype)[:40]!r}; known are {', '.join(_DTYPES)}")
    if not (_are_sizes(shape) and len(shape) <= _MAX_AXES):
        raise FileFormatError(f"{path}: {name!r} must have a shape of at most {_MAX_AXES} sizes, got {str(shape)[:80]}")
    if not (_are_sizes(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1]):
        raise FileFormatError(f"{path}: {name!r} must have data_offsets [begin, end], got {str(offsets)[:80]}")
    # Axes of size 0 left out, because NumPy wants the product of the others to be representable too.
    if math.prod(n for n in shape if n) * _DTYPES[dtype].itemsize >= 2**63:
        raise FileFormatError(f"{path}: {name!r} has a shape too large for any machine: {shape}")
    size = math.prod(shape) * _DTYPES[dtype].itemsize
    if size != offsets[1] - offsets[0]:
        raise FileFormatError(f"{path}: {name!r} of dtype {dtype} and shape {shape} takes {size} bytes, its "
                              f"data_offsets {offsets} hold {offsets[1] - offsets[0]}")
    return name, dtype, tuple(shape), *offsets


def _are_sizes(values):
    # Each below 2**63: Python's integers have no bound, and a message with a million digits helps nobody.
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**63 for n in values)


def _mapped(file, size, path):
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if len(pages) != size:
        raise FileFormatError(f"{path}: the file changed its size while it was read")
    return np.frombuffer(pages, np.uint8)


def _read_bytes(file, count, path):
    data = np.empty(count, np.uint8)
    if file.readinto(data) != count:
        raise FileFormatError(f"{path}: the file changed its size while it was read")
    return data


def _from_stored(name, dtype, shape, data, path):
    """The array behind the bytes `data`: aligned, in this machine's byte order."""
    if dtype == "BOOL" and data.size and data.max() > 1:
        raise FileFormatError(f"{path}: {name!r} is BOOL and holds a byte that is neither 0 nor 1")
    if dtype == "BF16":
        return (data.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    array = data.view(_DTYPES[dtype]).reshape(shape)
    return np.require(array, array.dtype.newbyteorder("="), "A")
