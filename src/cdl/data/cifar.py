"""The binary files of CIFAR-10 and CIFAR-100: records of one or two bytes of label and 32 × 32 pixels, plane by plane.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version"; A. Krizhevsky, "Learning Multiple Layers of Features
from Tiny Images", 2009.
"""
import errno
import os

import numpy as np

from ..io import FileFormatError
from .image_scale import scale_images

__all__ = ["CIFAR10_CLASSES", "load_cifar10", "load_cifar100"]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PIXELS = 3 * 32 * 32


def load_cifar10(directory, *, dtype="float32"):
    """Read CIFAR-10: 60,000 photographs of 32 × 32 pixels in 10 classes, whose names are `CIFAR10_CLASSES`.

    The folder is that of the "binary version", with ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, or
    the one around its ``cifar-10-batches-bin``.

    Parameters
    ----------
    directory : str or os.PathLike
    dtype : "float32" or "uint8", default "float32"
        Floats in [0, 1] (value / 255), 737 MB in all, or the bytes as they are, a quarter of that.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images, channels last, and labels as int64.

    Shape
    -----
    x : (50000, 32, 32, 3) and (10000, 32, 32, 3); y : (50000,) and (10000,)

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        A file or the folder is missing.
    FileFormatError
        A file is empty, truncated, or of another kind.
    ValueError
        For another dtype.

    Examples
    --------
    >>> load_cifar10("no such folder")
    Traceback (most recent call last):
    NotADirectoryError: [Errno 20] CIFAR's binary files are expected in a folder: 'no such folder'
    """
    folder = _folder(directory, "cifar-10-batches-bin", dtype, "load_cifar10")
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    return tuple(_part(folder, part, (10,), 0, dtype) for part in (names, ["test_batch.bin"]))


def load_cifar100(directory, *, labels="fine", dtype="float32"):
    """Read CIFAR-100: 60,000 photographs of 32 × 32 pixels in 100 classes, or in the 20 that those belong to.

    The folder is that of the "binary version", with ``train.bin`` and ``test.bin``, or the one around its
    ``cifar-100-binary``.

    Parameters
    ----------
    directory : str or os.PathLike
    labels : "fine" or "coarse", default "fine"
        The 100 classes or the 20.
    dtype : "float32" or "uint8"
        As for `load_cifar10`, which has the same results and errors.

    Examples
    --------
    >>> load_cifar100("no such folder")
    Traceback (most recent call last):
    NotADirectoryError: [Errno 20] CIFAR's binary files are expected in a folder: 'no such folder'
    """
    if labels not in ("fine", "coarse"):
        raise ValueError(f"load_cifar100: labels must be 'fine' or 'coarse', got {labels!r}")
    folder = _folder(directory, "cifar-100-binary", dtype, "load_cifar100")
    return tuple(_part(folder, [name], (20, 100), labels == "fine", dtype) for name in ("train.bin", "test.bin"))


def _folder(directory, inner, dtype, who):
    if np.dtype(dtype) not in (np.float32, np.uint8):
        raise ValueError(f"{who}: dtype must be 'float32' or 'uint8', got {dtype!r}")
    if not os.path.isdir(directory):
        raise NotADirectoryError(errno.ENOTDIR, "CIFAR's binary files are expected in a folder", os.fspath(directory))
    below = os.path.join(directory, inner)
    return below if os.path.isdir(below) else os.fspath(directory)


def _part(folder, names, classes, chosen, dtype):
    """(x, y) of the files of one part, whose records begin with a label for each entry of `classes`."""
    records = np.concatenate([_records(folder, name, classes) for name in names])
    x = records[:, len(classes):].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    x = np.ascontiguousarray(x) if np.dtype(dtype) == np.uint8 else scale_images(x)
    return x, records[:, int(chosen)].astype(np.int64)


def _records(folder, name, classes):
    """The records of one file, (N, labels and pixels) bytes."""
    path, size = os.path.join(folder, name), len(classes) + _PIXELS
    try:
        data = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "no such file; the binary version of CIFAR is needed, not the one for Python",
                                path) from None
    if data.size == 0 or data.size % size:
        raise FileFormatError(f"{path}: truncated or not of this kind: expected records of {size} bytes ({len(classes)} of "
                              f"label, {_PIXELS} of pixels), the file has {data.size} bytes")
    records = data.reshape(-1, size)
    for place, count in enumerate(classes):
        wrong = np.flatnonzero(records[:, place] >= count)
        if wrong.size:
            raise FileFormatError(f"{path}: not of this kind: expected labels from 0 to {count - 1}, record {wrong[0]} has "
                                  f"{records[wrong[0], place]}")
    return records
