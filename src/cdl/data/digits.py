"""The 1,797 handwritten digits that come with the package."""
import os

import numpy as np

from .idx import read_idx

_FOLDER = os.path.join(os.path.dirname(__file__), "uci_digits")


def load_digits():
    """Handwritten digits, 1,797 grey images of 8×8 pixels: small enough to train on in a second.

    Each pixel counts the dark points of a 4×4 block of a 32×32 scan (0 to 16), here divided by 16. About 180 images
    of each digit, by 13 writers. The images come in the order of the source; `train_test_split` shuffles them.

    Returns
    -------
    x : numpy.ndarray of float32
        The images in [0, 1], rows of pixels one after the other; ``x.reshape(-1, 8, 8, 1)`` for convolutions.
    y : numpy.ndarray of int64
        The digit, 0 to 9.

    Shape
    -----
    x : (1797, 64), y : (1797,)

    Raises
    ------
    FileNotFoundError, FileFormatError
        The installed package is damaged.

    Source
    ------
    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, test
    part, https://doi.org/10.24432/C50P49, licensed CC BY 4.0. ``uci_digits/LICENSE`` beside this file says the same of
    the files there.

    Examples
    --------
    >>> x, y = load_digits()
    >>> x.shape, x.dtype, float(x.max()), y[:10]
    ((1797, 64), dtype('float32'), 1.0, array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    """
    images = read_idx(os.path.join(_FOLDER, "images-idx3-ubyte.gz"))
    labels = read_idx(os.path.join(_FOLDER, "labels-idx1-ubyte.gz"))
    return np.divide(images.reshape(len(images), -1), np.float32(16), dtype=np.float32), labels.astype(np.int64)
