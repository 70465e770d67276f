"""Passes over tables of numbers, block by block, so that what is worked on stays in the cache."""
import numpy as np

from cdl._core.augment import scale

__all__ = ["Moments", "blocks", "extremes", "real_rows", "rescale", "standardised", "wide"]

# Values of a block: in float64 128 KiB, an eighth of a second-level cache.
_BLOCK_VALUES = 1 << 14
# NumPy goes through short rows one by one, 20 ns each; so many values side by side cost no more than a long vector.
_WIDTH = 512


def blocks(rows):
    """Slices of the first axis of `rows`, (N, F): of equal lengths, which `wide` divides, but for the last."""
    features = rows.shape[1]
    side = group(features)
    length = max(_BLOCK_VALUES // max(features, 1) // side, 1) * side
    return [slice(start, min(start + length, len(rows))) for start in range(0, len(rows), length)]


def group(features):
    """How many rows of so many features are taken as one, to give NumPy long ones."""
    return max(1, _WIDTH // max(features, 1))


def wide(block):
    """A C-ordered block (n, F) with as many rows side by side as `group` says, a view; as it is where n is no multiple."""
    n, features = block.shape
    side = group(features)
    return block if n % side else block.reshape(n // side, side * features)


def _columns(ufunc, block):
    """`ufunc` reduced over the rows of a C-ordered block: one value a column."""
    features = block.shape[1]
    return ufunc.reduce(ufunc.reduce(wide(block), axis=0).reshape(-1, features), axis=0)


def _each(ufunc, block, vector):
    """`ufunc` of every row of a C-ordered block and a vector, in the block."""
    rows = wide(block)
    vector = vector if rows.shape[1] == len(vector) else np.tile(vector, rows.shape[1] // len(vector))
    ufunc(rows, vector, out=rows)


class Moments:
    """Count, mean and sum of squared deviations of columns, over rows that come in any number of parts.

    Each block is reduced in float64 about its own mean, so that values far from zero lose nothing, and joined to what
    came before: with δ = mean_b − mean_a and n = n_a + n_b,

        mean = mean_a + δ n_b / n,    M2 = M2_a + M2_b + δ² n_a n_b / n

    Source
    ------
    Chan, Golub, LeVeque, Algorithms for computing the sample variance (1983), equation 2.1.
    """

    def __init__(self, features):
        self.count, self.first, self.constant = 0, None, np.ones(features, bool)
        self.mean, self.square = np.zeros((2, features))

    def add(self, rows):
        """Take in rows (n, F), n ≥ 1, of any real dtype."""
        if self.first is None:
            self.first = np.array(rows[0], np.float64)
        parts = blocks(rows)
        room = np.empty((parts[0].stop, rows.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):      # what overflows is not finite, and reported as that
            for part in parts:
                block = room[:part.stop - part.start]
                np.copyto(block, rows[part])
                if self.constant.any():
                    at = np.flatnonzero(self.constant)
                    self.constant[at] = (block[:, at] == self.first[at]).all(0)
                self._join(block)
        return self

    def _join(self, block):
        n = len(block)
        mean = _columns(np.add, block) / n
        _each(np.subtract, block, mean)
        np.multiply(block, block, out=block)
        delta, count = mean - self.mean, self.count + n
        self.square += _columns(np.add, block) + delta * delta * (self.count * n / count)
        self.mean += delta * (n / count)
        self.count = count


def extremes(rows):
    """Least and greatest value of each column of rows (N, F), N ≥ 1; NaN where one is NaN."""
    least = greatest = None
    for part in blocks(rows):
        block = np.ascontiguousarray(rows[part])
        low, high = _columns(np.minimum, block), _columns(np.maximum, block)
        least = low if least is None else np.minimum(least, low)
        greatest = high if greatest is None else np.maximum(greatest, high)
    return least.astype(np.float64), greatest.astype(np.float64)


def standardised(rows, shift, divisor, dtype):
    """(rows − shift) / divisor for each row of (N, F), a new array: in one pass where that is as exact."""
    exact = dtype == np.float64 or (_fits(np.divide, divisor) and bool(
        (abs(shift - shift.astype(np.float32)) <= divisor * 2.0**-24).all()))     # half an ulp of a result of 1
    if not (exact and rows.size and rows.dtype == dtype and dtype in (np.float32, np.float64)):
        return rescale(rows, [(np.subtract, shift), (np.divide, divisor)], dtype)
    return scale(np.require(rows, dtype, "CA")[None, None], shift, divisor)[0, 0]


def rescale(rows, steps, dtype):
    """A new array of `dtype` with each (ufunc, vector) of `steps` applied in turn to every row of `rows` (N, F).

    In float64, or in float32 where `rows` and result are; what is subtracted or added then counts in two parts, so that
    the difference of near values is as exact as in float64.
    """
    narrow = rows.dtype == dtype == np.float32 and all(_fits(ufunc, vector) for ufunc, vector in steps)
    out = np.empty(rows.shape, dtype)
    if not rows.size:
        return out
    steps = [step for pair in steps for step in _halves(*pair)] if narrow else steps
    parts = blocks(rows)
    length = parts[0].stop
    direct = narrow or dtype == np.float64
    room = None if direct else np.empty((length, rows.shape[1]))
    times = group(rows.shape[1])
    tiled = [(ufunc, np.tile(vector, times)) for ufunc, vector in steps]
    for part in parts:
        block = out[part] if direct else room[:part.stop - part.start]
        np.copyto(block, rows[part])
        for (ufunc, vector), (_, long) in zip(steps, tiled, strict=True):
            row = wide(block)
            ufunc(row, long if row.shape[1] == len(long) else vector, out=row)
        if not direct:
            np.copyto(out[part], block, casting="unsafe")
    return out


def _fits(ufunc, vector):
    """Whether float32 can hold a vector, and what is divided by it keeps its digits."""
    with np.errstate(over="ignore"):
        single = vector.astype(np.float32)
    normal = abs(single) >= np.finfo(np.float32).tiny
    return bool(np.isfinite(single).all() and (ufunc not in (np.divide, np.multiply) or (normal | (vector == 0)).all()))


def _halves(ufunc, vector):
    """The steps that stand for one in float32: a sum is taken with the rest that rounding its vector leaves, last or first."""
    single = vector.astype(np.float32)
    if ufunc not in (np.add, np.subtract):
        return [(ufunc, single)]
    both = [(ufunc, single), (ufunc, (vector - single).astype(np.float32))]
    return both if ufunc is np.subtract else both[::-1]


def real_rows(x, who):
    """x as an array of real numbers, and the view (N, F) of it: the last axis are the features, one axis is one feature."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{who}: x is a masked array, and its mask would be lost; fill it first")
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{who}: expected real numbers, got dtype {x.dtype}")
    return x, x.reshape(-1, 1) if x.ndim < 2 else x.reshape(-1, x.shape[-1])
