"""The IDX format, in which MNIST and the data sets made after it (Fashion, Kuzushiji, EMNIST) are distributed.

A file is two zero bytes, a byte for the type, a byte for the number of axes, the size of each axis (4 bytes,
big-endian), then the values in C order, big-endian. Files may be compressed with gzip; that is seen from their first
bytes, not from their name.

Source: the section "FILE FORMATS FOR THE MNIST DATABASE" of http://yann.lecun.com/exdb/mnist.
"""
import errno
import math
import os
import struct
import zlib

import numpy as np

from ..io import FileFormatError, atomic_write

_TYPES = {0x08: np.dtype("u1"), 0x09: np.dtype("i1"), 0x0B: np.dtype(">i2"), 0x0C: np.dtype(">i4"),
          0x0D: np.dtype(">f4"), 0x0E: np.dtype(">f8")}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _TYPES.items()}
# NumPy 1.26 takes no more axes than this.
_MAX_AXES = 32
# The most that a byte of a deflate stream can stand for, so that a small file cannot ask for a large array.
_DEFLATE_RATIO = 1032

_MNIST_STEMS = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}


def read_idx(path):
    """Read the array of an IDX file, gzipped or not.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    numpy.ndarray
        uint8, int8, int16, int32, float32 or float64 as the file says, in this machine's byte order.

    Raises
    ------
    FileFormatError
        Not an IDX file, or a truncated or damaged one. The sizes it claims are compared with what the file can hold
        before anything of that size is allocated.
    OSError
        The file cannot be opened or read.

    Examples
    --------
    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "labels-idx1-ubyte.gz")
    >>> write_idx(path, np.array([7, 2, 1], np.uint8))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    >>> folder.cleanup()
    """
    import gzip  # here, not at the top: a tenth of the time that `import cdl` takes

    with open(path, "rb") as file:
        available = os.fstat(file.fileno()).st_size
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            if not zipped:
                return _read_array(file, available, path)
            with gzip.GzipFile(fileobj=file) as unzipped:
                return _read_array(unzipped, available * _DEFLATE_RATIO, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileFormatError(f"{path}: the gzip stream is damaged or truncated: {error}") from None


def write_idx(path, array):
    """Write an array as an IDX file, gzipped where the name ends in ``.gz``, replacing the file all at once.

    The same array always gives the same bytes: the gzip header carries no name and no time.

    Parameters
    ----------
    path : str or os.PathLike
    array : array
        uint8, int8, int16, int32, float32 or float64, of 1 to 32 axes.

    Raises
    ------
    TypeError
        Another dtype.
    ValueError
        No axis, or one of 2³¹ or more elements.
    OSError
        As `cdl.io.atomic_write`.

    Examples
    --------
    >>> write_idx("counts-idx1-long", np.array([1, 2]))
    Traceback (most recent call last):
    TypeError: write_idx: the format holds uint8, int8, int16, int32, float32 or float64, got int64
    """
    array = np.asarray(array)
    native = array.dtype.newbyteorder("=")
    if native not in _CODES:
        *others, last = map(str, _CODES)
        raise TypeError(f"write_idx: the format holds {', '.join(others)} or {last}, got {array.dtype}")
    if array.ndim == 0 or max(array.shape) >= 2**31:
        raise ValueError(f"write_idx: expected at least one axis, each below 2**31, got shape {array.shape}")
    code = _CODES[native]
    content = struct.pack(f">BBBB{array.ndim}i", 0, 0, code, array.ndim, *array.shape)
    content += array.astype(_TYPES[code]).tobytes()
    if os.fspath(path).endswith(".gz"):
        import gzip

        content = gzip.compress(content, mtime=0)
    with atomic_write(path) as file:
        file.write(content)


def load_mnist(directory):
    """Read a data set in MNIST's four files: images and labels, for training and test.

    The files are found by their usual names, ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
    ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, or with a dot before ``idx``; each may be gzipped and
    end in ``.gz``. Of several the first in that order is taken.

    Parameters
    ----------
    directory : str or os.PathLike

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images as float32 in [0, 1] (value / 255), labels as int64.

    Shape
    -----
    x : (N, H, W, 1), for MNIST (60000, 28, 28, 1) and (10000, 28, 28, 1); y : (N,)

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says under which names it was looked for.
    FileFormatError
        A file is damaged, is not of unsigned bytes, or holds no images, or images and labels differ in number, or
        training and test images in size.

    Examples
    --------
    >>> load_mnist("no such folder")
    Traceback (most recent call last):
    NotADirectoryError: [Errno 20] MNIST's four files are expected in a folder: 'no such folder'
    """
    if not os.path.isdir(directory):
        raise NotADirectoryError(errno.ENOTDIR, "MNIST's four files are expected in a folder", os.fspath(directory))
    parts = {part: _read_pair(directory, *stems) for part, stems in _MNIST_STEMS.items()}
    sizes = {part: images.shape[1:] for part, (images, _) in parts.items()}
    if sizes["train"] != sizes["test"]:
        raise FileFormatError(f"{directory}: training images are {sizes['train'][:2]}, test images {sizes['test'][:2]}")
    return parts["train"], parts["test"]


def _read_array(file, available, path):
    """The array of an open IDX stream that can hold at most `available` bytes, its sizes checked against that."""
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES:
        raise FileFormatError(f"{path}: not an IDX file: it starts with {start.hex(' ') or 'nothing'}, expected "
                              "00 00, a type from 08 to 0e, and the number of axes")
    dtype, axes = _TYPES[start[2]], start[3]
    if not 1 <= axes <= _MAX_AXES:
        raise FileFormatError(f"{path}: expected 1 to {_MAX_AXES} axes, the file says {axes}")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise FileFormatError(f"{path}: truncated within the sizes of its {axes} axes")
    shape = struct.unpack(f">{axes}i", sizes)
    if min(shape) < 0:
        raise FileFormatError(f"{path}: negative size in the shape {shape}")
    # Axes of size 0 left out: NumPy wants the product of the others to be representable too.
    count = math.prod(shape) * dtype.itemsize
    if count > available or math.prod(n for n in shape if n) * dtype.itemsize >= 2**63:
        raise FileFormatError(f"{path}: truncated: shape {shape} of {dtype.name} takes {count} bytes, the file holds "
                              f"at most {available}")
    array = np.empty(shape, dtype)
    filled = file.readinto(array.reshape(-1).view(np.uint8)) if count else 0
    if filled != count:
        raise FileFormatError(f"{path}: truncated: shape {shape} of {dtype.name} takes {count} bytes, {filled} "
                              "are there")
    if file.read(1):
        raise FileFormatError(f"{path}: bytes follow the {count} that shape {shape} of {dtype.name} takes")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_pair(directory, images_stem, labels_stem):
    """(x, y) of one part of MNIST."""
    images_path, labels_path = _find(directory, images_stem, 3), _find(directory, labels_stem, 1)
    images, labels = read_idx(images_path), read_idx(labels_path)
    for path, array, axes in ((images_path, images, 3), (labels_path, labels, 1)):
        if array.dtype != np.uint8 or array.ndim != axes:
            raise FileFormatError(f"{path}: expected unsigned bytes with {axes} axes, got {array.dtype} of shape "
                                  f"{array.shape}")
    if images.size == 0:
        raise FileFormatError(f"{images_path}: holds no images: shape {images.shape}")
    if len(images) != len(labels):
        raise FileFormatError(f"{images_path}: {len(images)} images, but {len(labels)} labels in {labels_path}")
    return np.divide(images, np.float32(255), dtype=np.float32)[..., None], labels.astype(np.int64)


def _find(directory, stem, axes):
    """The path of one of MNIST's files under any of its usual names."""
    names = [f"{stem}{mark}idx{axes}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
    for name in names:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(errno.ENOENT, f"no file named {', '.join(names[:-1])} or {names[-1]}", os.fspath(directory))
