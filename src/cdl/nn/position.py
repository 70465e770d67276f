"""What tells a network where in a sequence it is: positions that are added, or that turn queries and keys."""
import numpy as np

from cdl._core.check import number, positive_integer
from cdl._core.tensor import Tensor
from cdl.init import normal
from cdl.nn.embedding import DEVIATION
from cdl.nn.layer import Layer
from cdl.ops import concatenate, reshape, stack

__all__ = ["LearnedPosition", "RotaryPosition", "SinusoidalPosition", "sinusoidal_positions"]


def _angles(positions, width, base, who):
    """positions / base^(2i / width) for i = 0 … width / 2 - 1, float64 (positions, width / 2)."""
    if width % 2:
        raise ValueError(f"{who}: the width must be even, a sine and a cosine each, got {width}")
    return positions[:, None] / base ** (np.arange(0, width, 2) / width)


def sinusoidal_positions(length, width, *, base=10000.0, start=0):
    """Sines and cosines of the positions start … start + length - 1, from fast to slow ones.

    table[p, 2i] = sin(p / base^(2i / width)), table[p, 2i + 1] = cos(p / base^(2i / width)).

    Parameters
    ----------
    length : int
    width : int
        Even.
    base : float
        The slowest pair goes round once in about 2π base positions.
    start : int

    Returns
    -------
    ndarray of float64, shape (length, width)

    Raises
    ------
    ValueError
        For a length that is not positive, an odd width or a base of 1 or less.

    Source
    ------
    Vaswani et al., "Attention is all you need", 2017, section 3.5.

    Examples
    --------
    >>> import cdl
    >>> cdl.nn.sinusoidal_positions(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]])
    """
    who = "sinusoidal_positions"
    for name, value in (("length", length), ("width", width)):
        positive_integer(value, who, name)
    base = _checked_base(base, who)
    angles = _angles(np.arange(start, start + length), width, base, who)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width)


class _Position(Layer):
    """What these layers share: a table of positions, made anew where a sequence is longer than it."""

    base = 10000.0
    _table = None

    def _rows(self, x, start, axis=-2):
        """The table's rows for the positions of x from `start` on, in x's precision and with its axes from T on."""
        if x.ndim < -axis:
            raise ValueError(f"{type(self).__name__}: expected x of shape (…, T, F), got {tuple(x.shape)}")
        if not isinstance(start, (int, np.integer)):
            raise TypeError(f"{type(self).__name__}: start must be an integer, got {start!r}")
        if start < 0:
            raise ValueError(f"{type(self).__name__}: start must be 0 or more, got {start}")
        if axis > -2:
            raise ValueError(f"{type(self).__name__}: axis must be -2 or below, counted from the end, got {axis}")
        width, end, table = x.shape[-1], start + x.shape[axis], self._table
        if table is None or len(table) < end or table.shape[-1] != width or table.dtype != x.dtype:
            length = 64 if table is None else len(table)
            self._table = table = self._made(length if end <= length else max(end, 2 * length), width).astype(x.dtype)
        rows = table[start:end]
        return rows.reshape(len(rows), *(1,) * (-axis - 2), width)


def _as_array(x):
    """x, integers as float32."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def _checked_base(base, who):
    if not number(base, who, "base") > 1:
        raise ValueError(f"{who}: base must be above 1, got {base!r}")
    return float(base)


class SinusoidalPosition(_Position):
    """x + sinusoidal_positions: nothing is learned, and no sequence is too long; see `cdl.nn.sinusoidal_positions`.

    Parameters
    ----------
    base : float

    Shape
    -----
    Input and output (…, T, F), F even. ``layer(x, start)``: x begins at position `start`.

    Source
    ------
    Vaswani et al., "Attention is all you need", 2017, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.nn.SinusoidalPosition()(np.zeros((1, 2, 4))).round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]])
    """

    def __init__(self, base=10000.0):
        self.base = _checked_base(base, "SinusoidalPosition")

    def _made(self, length, width):
        return sinusoidal_positions(length, width, base=self.base)

    def forward(self, x, start=0):
        x = _as_array(x)
        return x + self._rows(x, start)

    def config(self):
        return {"base": self.base}


class LearnedPosition(Layer):
    """x + weight[start:start + T]: a trained row for each position, as BERT and GPT-2 have them.

    Parameters
    ----------
    length : int
        How many positions there are; no sequence may reach beyond.
    width : int, optional
        The length of a row; default: taken from the first input.
    rng : numpy.random.Generator or int, optional
        Where the initial weights, normal draws of deviation 0.02, come from.

    Shape
    -----
    Input and output (…, T, width); weight (length, width). ``layer(x, start)``: x begins at position `start`.

    Raises
    ------
    IndexError
        For a sequence that goes beyond the table.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.nn.LearnedPosition(16)
    >>> layer(np.zeros((1, 3, 4))).shape
    (1, 3, 4)
    >>> layer(np.zeros((1, 3, 4)), start=14)
    Traceback (most recent call last):
    IndexError: LearnedPosition: positions 14 to 16 are asked for, the table has 16, 0 to 15
    """

    def __init__(self, length, width=None, *, rng=None):
        self.length = positive_integer(length, "LearnedPosition", "length")
        self._rng = rng
        self.weight = None
        if width is not None:
            self.build((positive_integer(width, "LearnedPosition", "width"),))

    def build(self, input_shape):
        if self.weight is None:
            width = positive_integer(input_shape[-1], "LearnedPosition", "width")
            self.weight = Tensor(normal((self.length, width), DEVIATION, rng=self._rng), "float32", requires_grad=True)

    def rows(self, start, end):
        """The rows of the positions `start` to `end` - 1."""
        if start < 0 or end > self.length:
            raise IndexError(f"LearnedPosition: positions {start} to {end - 1} are asked for, the table has {self.length}, "
                             f"0 to {self.length - 1}")
        return self.weight[start:end]

    def forward(self, x, start=0):
        x = _as_array(x)
        if x.ndim < 2:
            raise ValueError(f"LearnedPosition: expected x of shape (…, T, F), got {tuple(x.shape)}")
        self.build(x.shape)
        if x.shape[-1] != self.weight.shape[1]:
            raise ValueError(f"LearnedPosition: rows of {self.weight.shape[1]} cannot be added to x of shape {tuple(x.shape)}")
        return x + self.rows(start, start + x.shape[-2])

    def _is_built(self):
        return self.weight is not None

    def config(self):
        return {"length": self.length} | ({} if self.weight is None else {"width": self.weight.shape[1]})


class RotaryPosition(_Position):
    """Queries or keys turned by their positions, so that their products depend on how far apart they are only.

    Each pair (a, b) of features at position p becomes (a cos θ - b sin θ, b cos θ + a sin θ), θ = p / base^(2i / d).

    Parameters
    ----------
    base : float
    interleaved : bool
        Which features are a pair: neighbours, 2i and 2i + 1, as in the paper; False: i and i + d / 2, as in Llama's
        checkpoints.

    Shape
    -----
    Input and output (…, T, d), d even. ``layer(x, start, axis)``: x begins at position `start`, and `axis` (negative) is
    T's, as in (N, T, heads, d) with axis -3.

    Source
    ------
    Su et al., "RoFormer", 2021, section 3.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.nn.RotaryPosition()(np.array([[1.0, 0.0], [1.0, 0.0]])).round(2)
    array([[1.  , 0.  ],
           [0.54, 0.84]])
    """

    def __init__(self, base=10000.0, *, interleaved=True):
        self.base, self.interleaved = _checked_base(base, "RotaryPosition"), bool(interleaved)

    def _made(self, length, width):
        angles = _angles(np.arange(length), width, self.base, "RotaryPosition")
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)

    def forward(self, x, start=0, axis=-2):
        x = _as_array(x)
        rows = self._rows(x, start, axis)
        half = x.shape[-1] // 2
        cos, sin = rows[..., :half], rows[..., half:]
        a, b = (x[..., 0::2], x[..., 1::2]) if self.interleaved else (x[..., :half], x[..., half:])
        turned = [a * cos - b * sin, b * cos + a * sin]
        return reshape(stack(turned, -1), x.shape) if self.interleaved else concatenate(turned, -1)

    def config(self):
        return {"base": self.base} | ({} if self.interleaved else {"interleaved": False})
