"""Classes as numbers: labels to 0 … C − 1 and back, one-hot rows, weights that balance classes."""
import numpy as np

from cdl.extras import nearest

__all__ = ["LabelEncoder", "balanced", "class_weights", "factorize", "one_hot"]

# Integers that span at most this much, or twice their number, are counted in a table rather than sorted.
_TABLE = 1 << 16
# Texts are told apart by so many bits of a sum of their characters; where two share them, they are sorted.
_HASH_BITS = 16
_PRIME = 0x9E3779B97F4A7C15     # odd, its bits as irregular as the golden ratio's: neighbours land far apart


def factorize(labels, who="factorize"):
    """The different labels in ascending order, and for each label its number among them.

    Parameters
    ----------
    labels : array_like of one axis
        Integers, floats, booleans, texts, or objects; objects that cannot be compared are in the order of their first
        appearance.

    Returns
    -------
    classes : numpy.ndarray
    codes : numpy.ndarray of int64

    Raises
    ------
    ValueError
        Another number of axes, or a label that is None or NaN.

    Examples
    --------
    >>> factorize(["red", "blue", "red"])
    (array(['blue', 'red'], dtype='<U4'), array([1, 0, 1]))
    """
    if isinstance(labels, np.ma.MaskedArray):
        raise TypeError(f"{who}: masked arrays are not supported; fill the masked labels first, with y.filled(value)")
    labels = labels.to_numpy() if hasattr(labels, "to_numpy") else _plain_array(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{who}: expected one label a sample, got shape {labels.shape}")
    if not labels.size:
        return labels[:0], np.zeros(0, np.int64)
    kind = labels.dtype.kind
    if kind == "b":
        classes, codes = _counted(labels.view(np.uint8))
        return classes.astype(bool), codes
    if kind in "iu":
        return _counted(labels)
    if kind == "O":
        return _objects(labels, who)
    if kind == "T":     # NumPy's texts of any length
        return _objects(labels.astype(object), who)
    if kind in "US" and labels.dtype.itemsize:
        return _texts(labels)
    if kind in "fcmM":
        missing = np.flatnonzero(labels != labels)
        if missing.size:
            raise ValueError(f"{who}: the label of row {missing[0]} is {labels[missing[0]]}; leave out rows without a label")
    return _sorted(labels)


def _plain_array(labels):
    """As numpy.asarray, but a list of texts and numbers stays what it is, and tuples stay tuples."""
    if isinstance(labels, np.ndarray):
        return labels
    if hasattr(labels, "__array__") or not hasattr(labels, "__iter__") or isinstance(labels, str | bytes):
        return np.asarray(labels)
    labels = list(labels)
    kinds = {type(label) for label in labels}
    if len(kinds) == 1 and kinds <= {str, bytes, bool, int, float}:
        array = np.asarray(labels)
        if array.dtype.kind != "O" and not (kinds <= {str, bytes} and any(label[-1:] in ("\0", b"\0") for label in labels)):
            return array
    elif kinds <= {bool, int, float} or all(issubclass(kind, np.generic) for kind in kinds) or list in kinds:
        return np.asarray(labels)
    array = np.empty(len(labels), object)
    array[:] = labels
    return array


def _sorted(labels):
    classes, codes = np.unique(labels, return_inverse=True)
    return classes, codes.reshape(-1).astype(np.int64, copy=False)


def _counted(labels):
    low, high = int(labels.min()), int(labels.max())
    if high - low >= max(_TABLE, 2 * labels.size):
        return _sorted(labels)
    # What does not fit an int64 spans little here, and wraps around alike.
    codes = labels.astype(np.int64)
    if low:
        codes -= codes.dtype.type(low) if low < 2**63 else np.uint64(low).astype(np.int64)
    present = np.bincount(codes) > 0
    offsets = np.flatnonzero(present)
    classes = labels.dtype.type(low) + offsets.astype(labels.dtype)
    return classes, codes if present.all() else (np.cumsum(present) - 1)[codes]


def _texts(labels):
    """By their hashes, and then compared with the one that stands for each hash, so that no two are taken for one."""
    labels = np.ascontiguousarray(labels)
    unit = np.uint32 if labels.dtype.kind == "U" else np.uint8
    cells = labels.view(unit).reshape(len(labels), -1)
    sums = np.zeros(len(labels), np.uint64)
    for column in cells.T:
        sums *= np.uint64(_PRIME)
        sums ^= column
    sums *= np.uint64(_PRIME)
    keys = (sums >> np.uint64(64 - _HASH_BITS)).astype(np.int64)
    one_of = np.zeros(1 << _HASH_BITS, np.int64)
    one_of[keys] = np.arange(len(labels))
    if not (cells == cells[one_of[keys]]).all():
        return _sorted(labels)
    found = np.flatnonzero(np.bincount(keys, minlength=1 << _HASH_BITS))
    classes, place = np.unique(labels[one_of[found]], return_inverse=True)
    number = np.zeros(1 << _HASH_BITS, np.int64)
    number[found] = place
    return classes, number[keys]


def _objects(labels, who):
    values = labels.tolist()
    distinct = dict.fromkeys(values)
    if any(value is None or value != value for value in distinct):
        row = next(row for row, value in enumerate(values) if value is None or value != value)
        raise ValueError(f"{who}: the label of row {row} is {values[row]}; leave out rows without a label")
    try:
        ordered = sorted(distinct)
    except TypeError:
        ordered = list(distinct)
    number = {value: code for code, value in enumerate(ordered)}
    return _class_array(ordered), np.fromiter(map(number.__getitem__, values), np.int64, len(values))


def _class_array(classes):
    """Classes as an array: of texts, numbers or booleans where all are of one kind, else of objects."""
    if len({type(value) for value in classes}) == 1 and isinstance(classes[0], str | bytes | bool | int | float):
        array = np.array(classes)
        if array.tolist() == list(classes):     # NumPy drops NULs at the end of a text
            return array
    array = np.empty(len(classes), object)
    array[:] = classes
    return array


class LabelEncoder:
    """Classes of any kind as the numbers 0 … C − 1 that losses take, and back.

    The classes are those of the fitted labels in ascending order (objects that cannot be compared: in the order in which
    they appear).

    Parameters
    ----------
    classes : sequence, optional
        The classes in the order that their numbers are to have; then it needs no `fit`.

    Attributes
    ----------
    classes : numpy.ndarray or None
        Class number i is ``classes[i]``.

    Examples
    --------
    >>> encoder = LabelEncoder()
    >>> encoder.fit_transform(["cat", "dog", "cat"])
    array([0, 1, 0])
    >>> encoder.inverse_transform([1, 0])
    array(['dog', 'cat'], dtype='<U3')
    >>> encoder.transform(["dogs"])
    Traceback (most recent call last):
    ValueError: LabelEncoder.transform: 'dogs' in row 0 is none of the classes 'cat', 'dog'; did you mean 'dog'?
    """

    def __init__(self, classes=None):
        self.classes = None if classes is None else _checked_classes(classes, "LabelEncoder")

    def fit(self, labels):
        """Learn the classes; returns itself.

        Raises
        ------
        ValueError
            No labels, more than one a row, or one that is None or NaN.
        """
        self.classes = _some(factorize(labels, "LabelEncoder.fit"), "LabelEncoder.fit")[0]
        return self

    def transform(self, labels):
        """The number of each label's class, int64.

        Raises
        ------
        ValueError
            Before `fit`, or for a label of none of the classes: the message names it and its row.

        Shape
        -----
        labels : (N,) → (N,)
        """
        self._require_fit("transform")
        return _numbered(labels, self.classes, "LabelEncoder.transform")

    def fit_transform(self, labels):
        """`fit`, then `transform`, of the same labels."""
        self.classes, codes = _some(factorize(labels, "LabelEncoder.fit_transform"), "LabelEncoder.fit_transform")
        return codes

    def inverse_transform(self, codes):
        """The class of each number.

        Raises
        ------
        IndexError
            A number that is not from 0 to C − 1.
        TypeError
            Numbers that are not integers.
        """
        self._require_fit("inverse_transform")
        codes = np.asarray(codes)
        if codes.dtype.kind not in "iu" and codes.size:
            raise TypeError(f"LabelEncoder.inverse_transform: expected integers, got dtype {codes.dtype}; the classes of "
                            "outputs are model.predict(x).argmax(-1)")
        wrong = (codes < 0) | (codes >= len(self.classes))
        if wrong.any():
            raise IndexError(f"LabelEncoder.inverse_transform: expected numbers from 0 to {len(self.classes) - 1}, got "
                             f"{codes[wrong].flat[0]}")
        return self.classes[codes.astype(np.int64)]

    def state_dict(self):
        """The classes as a list, which JSON can hold where they are texts, numbers or booleans."""
        self._require_fit("state_dict")
        return {"classes": self.classes.tolist()}

    def load_state_dict(self, state):
        """Take over what another object's `state_dict` gave; returns itself.

        Raises
        ------
        ValueError
            It is not what `state_dict` gives.
        """
        if not (isinstance(state, dict) and state.keys() == {"classes"} and isinstance(state["classes"], list)):
            raise ValueError(f"LabelEncoder.load_state_dict: expected a list of classes, got {str(state)[:120]}")
        self.classes = _checked_classes(state["classes"], "LabelEncoder.load_state_dict")
        return self

    def __repr__(self):
        return f"LabelEncoder(), {'not fitted' if self.classes is None else f'{len(self.classes)} classes'}"

    def _require_fit(self, method):
        if self.classes is None:
            raise ValueError(f"LabelEncoder.{method}: call fit first")


def _some(found, who):
    if not len(found[0]):
        raise ValueError(f"{who}: there are no labels")
    return found


def _checked_classes(classes, who):
    classes = classes.tolist() if isinstance(classes, np.ndarray) else list(classes)
    try:
        twice = len(set(classes)) < len(classes)
    except TypeError:
        raise TypeError(f"{who}: classes must be texts, numbers or other hashable values, got {str(classes)[:120]}") from None
    if not classes or twice:
        raise ValueError(f"{who}: classes must be different from each other, and one at least, got {str(classes)[:120]}")
    return _class_array(classes)


def _numbered(labels, classes, who, unknown=None):
    """The number of each label among the classes; of those that are none, `unknown`, or ValueError."""
    found, codes = factorize(labels, who)
    number = {value: code for code, value in enumerate(classes.tolist())}
    places = np.array([number.get(value, -1) for value in found.tolist()], np.int64)
    if unknown is None and (places < 0).any():
        row = int((places[codes] < 0).argmax())
        label = found.tolist()[codes[row]]
        known = ", ".join(map(repr, classes.tolist()[:20])) + (", …" if len(classes) > 20 else "")
        raise ValueError(f"{who}: {label!r} in row {row} is none of the classes {known}{nearest(label, classes.tolist())}")
    if unknown is not None:
        places[places < 0] = unknown
    if len(places) and (places == np.arange(len(places))).all():
        return codes
    return places[codes]


def one_hot(labels, classes=None, *, dtype=np.float32):
    """Labels as rows of 0 with a 1 where the label's class is.

        out[i, c] = 1 if labels[i] is class c, else 0

    Parameters
    ----------
    labels : array_like
        Class numbers, of any shape; or, in one axis, labels of another kind.
    classes : int or sequence, optional
        How many classes, or which, in the order of the columns. Without it the numbers 0 … labels.max(), or the
        different labels in ascending order.
    dtype : dtype, default float32

    Returns
    -------
    numpy.ndarray

    Shape
    -----
    labels : (…) → (…, C)

    Raises
    ------
    IndexError
        A class number below 0, or not below the number of classes.
    ValueError
        A label of none of the classes.
    TypeError
        Floats where class numbers are expected.

    Examples
    --------
    >>> one_hot([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    >>> one_hot(["b", "a"], ["a", "b", "c"], dtype=int)
    array([[0, 1, 0],
           [1, 0, 0]])
    """
    if classes is not None and not isinstance(classes, int | np.integer):
        classes = _checked_classes(classes, "one_hot")
        return rows_of(_numbered(labels, classes, "one_hot"), len(classes), dtype)
    codes = np.asarray(labels) if isinstance(labels, np.ndarray) or hasattr(labels, "__array__") else _plain_array(labels)
    if codes.dtype.kind in "iub" or not codes.size:
        count = int(classes) if classes is not None else int(codes.max()) + 1 if codes.size else 0
        if codes.size and not 0 <= codes.min() <= codes.max() < count:
            wrong = codes.min() if codes.min() < 0 else codes.max()
            raise IndexError(f"one_hot: expected class numbers from 0 to {count - 1}, got {wrong}")
        return rows_of(codes, count, dtype)
    if codes.dtype.kind == "f":
        raise TypeError(f"one_hot: expected class numbers, got dtype {codes.dtype}; convert them with astype(int)")
    found, codes = factorize(codes, "one_hot")
    if classes is not None and classes < len(found):
        raise ValueError(f"one_hot: {classes} classes asked for, the labels have {len(found)}")
    return rows_of(codes, len(found) if classes is None else int(classes), dtype)


def rows_of(codes, count, dtype, out=None):
    """One-hot rows of class numbers within range; a count takes rows of the unit matrix, which copies row after row."""
    if count * count <= 1 << 16:        # the unit matrix stays in the cache
        return np.eye(count, dtype=dtype).take(codes.astype(np.intp, copy=False), axis=0)
    out = np.zeros((*codes.shape, count), dtype)
    np.put_along_axis(out, codes.astype(np.intp, copy=False)[..., None], 1, axis=-1)
    return out


def balanced(counts):
    """samples / (classes × samples of the class): the weights with which every class counts the same in all."""
    return counts.sum() / (len(counts) * counts)


def class_weights(y):
    """How much the samples of each class must count for all classes to count the same in all.

        weight[c] = samples / (classes × samples of class c)

    It is what ``class_weight="balanced"`` means in `fit`, which takes the dict as well: ``class_weight=class_weights(y)``.

    Parameters
    ----------
    y : array_like of one axis
        Labels of any kind.

    Returns
    -------
    dict
        {label: weight}, labels in ascending order.

    Raises
    ------
    ValueError
        No labels, or one that is None or NaN.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    classes, codes = _some(factorize(y, "class_weights"), "class_weights")
    return dict(zip(classes.tolist(), balanced(np.bincount(codes)).tolist(), strict=True))
