"""Samples from a running text."""
import numpy as np

from cdl._core.check import positive_integer

__all__ = ["windows"]


def windows(ids, length):
    """Samples (N, length) of a text's ids, one after the other, and of what follows each id; what is left over is left out.

    Raises
    ------
    ValueError
        For a text that is not longer than one sample, or a length below 1.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = windows(np.arange(8), 3)
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise ValueError(f"windows: expected the ids of one text, of shape (T,), got shape {ids.shape}")
    positive_integer(length, "windows", "length")
    count = (len(ids) - 1) // length
    if count < 1:
        raise ValueError(f"windows: {len(ids)} ids are too few for a sample of {length} and what follows it")
    return ids[:count * length].reshape(count, length), ids[1:count * length + 1].reshape(count, length)
