"""einsum: parsed here, computed as diagonals, sums, products and batched matrix products, two operands at a time."""
import functools
import math
import string

import numpy as np

from cdl._core import shape as _shape
from cdl._core.convert import convert
from cdl._core.inner import inner as _inner
from cdl._core.matmul import matmul as _matmul
from cdl._core.tensor import Tensor

__all__ = ["einsum"]


def einsum(subscripts, *operands):
    """Sums of products, written by naming the axes: ``"ij,jk->ik"`` is a matrix product.

    Parameters
    ----------
    subscripts : str
        A letter for each axis of each operand, "..." for axes that broadcast. A letter twice in an operand takes the
        diagonal. The axes after "->" stay in that order and the others are summed; without "->" those stay that occur
        once, in alphabetical order, after the "...".
    *operands : array_like

    Returns
    -------
    Tensor or ndarray

    Raises
    ------
    ValueError
        For subscripts that do not fit the operands, or axes of one name and different lengths.

    Examples
    --------
    >>> import cdl
    >>> cdl.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    array([21., 43.])
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists(subscripts, operands)
    if not any(isinstance(x, Tensor) for x in operands):
        return np.einsum(subscripts, *(convert(x, "einsum") for x in operands), optimize=True)
    tensors = [x if isinstance(x, Tensor) else Tensor(convert(x, "einsum")) for x in operands]
    terms, kept = _parse(subscripts, tuple(x.ndim for x in tensors))
    if _sums_rows(tensors, terms, kept):
        a, b = tensors
        shape = a.shape[:len(kept)]
        rows = math.prod(shape), math.prod(a.shape[len(kept):])
        y = _inner(a, b) if a.shape == rows else _inner(a.reshape(rows), b.reshape(rows))
        return y if y.shape == shape else y.reshape(shape)
    lengths = _lengths(subscripts, tensors, terms)
    parts = [_simplify(x, term, lengths) for x, term in zip(tensors, terms, strict=True)]
    while len(parts) > 1:
        i, j = _cheapest(parts, kept, lengths)
        a, b = parts[i], parts[j]
        rest = [part for k, part in enumerate(parts) if k not in (i, j)]
        needed = set(kept).union(*(names for _, names in rest))
        parts = [*rest, _contract(_sum_out(a, needed.union(b[1])), _sum_out(b, needed.union(a[1])), needed, lengths)]
    y, names = _sum_out(parts[0], set(kept))
    if missing := [name for name in kept if name not in names]:     # only axes of length 1 were dropped
        y = y.reshape(y.shape + (1,) * len(missing))
        names = [*names, *missing]
    return y if names == kept else _shape.transpose(y, tuple(names.index(name) for name in kept))


def _from_lists(first, rest):
    """The form einsum(x, [0, 1], y, [1, 2], [0, 2]) in letters."""
    items = [first, *rest]
    out = items.pop() if len(items) % 2 else None

    def word(names):
        return "".join("..." if name is Ellipsis else string.ascii_letters[name] for name in names)
    subscripts = ",".join(word(names) for names in items[1::2])
    return subscripts if out is None else f"{subscripts}->{word(out)}", items[::2]


@functools.lru_cache(256)       # a third of the time of a small product; the lists are read only
def _parse(subscripts, ndims):
    """The names of every operand's axes and of the result's: letters, and numbers for the axes behind "..."."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} names {len(words)} operands, got {len(ndims)}")
    terms, widest = [], 0
    for word, ndim in zip(words, ndims, strict=True):
        front, dots, back = word.partition("...")
        hidden = ndim - len(front) - len(back)
        if not all(c in string.ascii_letters for c in front + back) or hidden < 0 or (hidden and not dots):
            raise ValueError(f"einsum: {word!r} in {subscripts!r} must be a letter for each of the operand's {ndim} "
                             "axes ('...' for several)")
        widest = max(widest, hidden)
        terms.append([*front, *range(-hidden, 0), *back])
    if arrow:
        front, dots, back = right.partition("...")
        kept = [*front, *(range(-widest, 0) if dots else ()), *back]
        unknown = set(front + back) - set("".join(words))
        if unknown or len(set(kept)) != len(kept):
            raise ValueError(f"einsum: the result {right!r} in {subscripts!r} must name axes of the operands, each "
                             "once")
        if not dots and widest:
            raise ValueError(f"einsum: the result of {subscripts!r} must have '...' too, for the {widest} axes that "
                             "the operands have there")
    else:
        letters = "".join(words).replace(".", "")
        kept = [*range(-widest, 0), *sorted(c for c in set(letters) if letters.count(c) == 1)]
    return terms, kept


def _sums_rows(tensors, terms, kept):
    """Whether it is a product of two arrays element by element, summed over the last axes: it needs no rearranging,
    which is Python's 20 µs.
    """
    if len(tensors) != 2 or terms[0] != terms[1] or kept != terms[0][:len(kept)] or len(set(terms[0])) < len(terms[0]):
        return False
    a, b = tensors
    return len(kept) < a.ndim and a.shape == b.shape and a.dtype == b.dtype and a.dtype.kind == "f"


def _lengths(subscripts, tensors, terms):
    lengths = {}
    for x, term in zip(tensors, terms, strict=True):
        for name, length in zip(term, x.shape, strict=True):
            if lengths.setdefault(name, length) == 1:
                lengths[name] = length
            elif length not in (1, lengths[name]):
                axis = f"axis {name!r}" if isinstance(name, str) else "an axis of '...'"
                raise ValueError(f"einsum: {axis} of {subscripts!r} has length {lengths[name]} and {length}")
    return lengths


def _simplify(x, term, lengths):
    """The operand with its diagonals taken and without the axes of length 1 that broadcast: (x, names)."""
    names = list(term)
    while len(set(names)) < len(names):
        name = next(n for n in names if names.count(n) > 1)
        first = names.index(name)
        second = names.index(name, first + 1)
        if x.shape[first] != x.shape[second]:
            raise ValueError(f"einsum: the diagonal {name!r} needs axes of one length, got shape {x.shape}")
        x = _shape.diagonal(x, 0, first, second)
        names = [n for k, n in enumerate(names) if k not in (first, second)] + [name]
    ones = tuple(k for k, name in enumerate(names) if x.shape[k] == 1 and lengths[name] != 1)
    if ones:
        x = _shape.squeeze(x, ones)
        names = [name for k, name in enumerate(names) if k not in ones]
    return x, names


def _sum_out(part, needed):
    """Without the axes that nothing else needs."""
    x, names = part
    gone = tuple(k for k, name in enumerate(names) if name not in needed)
    return (x.sum(gone), [name for name in names if name in needed]) if gone else part


def _cheapest(parts, kept, lengths):
    """The pair whose product takes the fewest multiplications; among equals the first, which has the smaller result."""
    if len(parts) == 2:
        return 0, 1
    best = None
    for i in range(len(parts)):
        for j in range(i + 1, len(parts)):
            names = {*parts[i][1], *parts[j][1]}
            others = set(kept).union(*(part[1] for k, part in enumerate(parts) if k not in (i, j)))
            cost = (math.prod(lengths[n] for n in names), math.prod(lengths[n] for n in names & others))
            if best is None or cost < best[0]:
                best = cost, (i, j)
    return best[1]


def _contract(left, right, needed, lengths):
    """The product of two operands, summed over the axes that both have and nothing else needs."""
    (a, a_names), (b, b_names) = left, right
    shared = [n for n in a_names if n in b_names]
    inside = [n for n in shared if n not in needed]
    batch = [n for n in shared if n in needed]
    rows = [n for n in a_names if n not in b_names]
    columns = [n for n in b_names if n not in a_names]

    def arrange(x, names, *groups):
        order = tuple(names.index(n) for group in groups for n in group)
        shape = tuple(math.prod(lengths[n] for n in group) for group in groups)
        if order != tuple(range(len(order))):
            x = _shape.transpose(x, order)
        return x if x.shape == shape else x.reshape(shape)
    names = [*batch, *rows, *columns]
    shape = tuple(lengths[n] for n in names)
    if not inside:      # nothing is summed: a product that broadcasts
        y = arrange(a, a_names, batch, rows, ()) * arrange(b, b_names, batch, (), columns)
    elif not rows and not columns:      # a product of one element for each batch: too little for the matrix kernels
        a, b = arrange(a, a_names, batch, inside), arrange(b, b_names, batch, inside)
        y = _inner(a, b) if a.dtype == b.dtype and a.dtype.kind == "f" else (a * b).sum(-1)
    elif batch:
        y = _matmul(arrange(a, a_names, batch, rows, inside), arrange(b, b_names, batch, inside, columns))
    else:
        y = _matmul(arrange(a, a_names, rows, inside), arrange(b, b_names, inside, columns))
    return (y if y.shape == shape else y.reshape(shape)), names


def _np_einsum(*operands, optimize=True):
    return einsum(*operands)


METHODS = {}
NUMPY = {np.einsum: _np_einsum}
