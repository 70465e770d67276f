"""Weights as torch lays them: which axis is where, and how its files are told from cdl's own.

torch keeps the output channels of a convolution first, (K, C, R, S) where cdl has (R, S, C, K), and those of a dense layer
and of a
recurrent one too, (out, in). Images lie channels first, so that a dense layer after a Flatten reads C, H, W where here it reads
H, W, C.
"""
import numpy as np

from cdl.nn import GRU, LSTM, RNN, Conv1D, Conv2D, ConvTranspose2D, Dense, Flatten, GRUCell, LSTMCell, RNNCell
from cdl.nn.layer import misfits_of

__all__ = ["from_torch"]

# How the axes of torch's weight are taken to make the one of a layer here.
_AXES = {Conv1D: (2, 1, 0), Conv2D: (2, 3, 1, 0), ConvTranspose2D: (2, 3, 1, 0), Dense: (1, 0)}
# Layers with several weights, all of them (out, in) in torch; their names begin so.
_MATRICES, _MATRIX = (GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell), "weight_"
# What torch's BatchNorm counts, and nothing here needs.
_COUNTER = "num_batches_tracked"


class _Place:
    """One parameter or buffer: its shape here and in torch, and how an array of the one becomes one of the other."""

    def __init__(self, layer, name, tensor):
        self.here = tensor.shape
        self.axes = _AXES.get(type(layer)) if name == "weight" else None
        if isinstance(layer, _MATRICES) and name.startswith(_MATRIX):
            self.axes = (1, 0)
        self.image = getattr(layer, "flattened", None) if name == "weight" else None

    @property
    def there(self):
        """The shape in torch."""
        if self.axes is None:
            return self.here
        shape = [0] * len(self.axes)
        for axis, n in zip(self.axes, self.here, strict=True):
            shape[axis] = n
        return tuple(shape)

    @property
    def differs(self):
        """Whether the order of the values is another in torch."""
        return self.axes is not None and (self.image is not None or sum(n > 1 for n in self.here) > 1)

    def bring(self, array):
        """torch's array as it is here."""
        if self.axes is None:
            return array
        if self.image is None:
            return array.transpose(self.axes)
        H, W, C = self.image
        return array.reshape(-1, C, H, W).transpose(2, 3, 1, 0).reshape(self.here)


def from_torch(model, state, layout=None):
    """The state of a file that does not say whose it is, as it is here.

    Parameters
    ----------
    model : Layer
    state : dict of str to ndarray
    layout : {None, "cdl", "torch"}
        None: the shapes decide, of all weights together.

    Raises
    ------
    ValueError
        Where names or shapes fit neither layout (all are told), or both, and it makes a difference.
    """
    places = {path: _Place(layer, name, tensor) for path, layer, name, tensor in model.tensor_places()}
    counters = {path for path in state if path.rpartition(".")[2] == _COUNTER}
    given = {path: np.shape(array) for path, array in state.items() if path not in counters}
    here, there = ({path: getattr(place, side) for path, place in places.items()} for side in ("here", "there"))
    if layout is None:
        layout = _decide(places, given, here, there, counters)
    if layout == "cdl":
        return state        # load_state_dict tells what does not fit
    misfits = misfits_of(there, given)
    unknown = next(_unknown_images(model), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} follows a Flatten, and torch flattens images in another order, C, H, W: tell their "
                         "size, as in model.build((None, 28, 28, 1))")
    if misfits:
        raise ValueError(f"the state, in torch's layout, does not fit this {type(model).__name__}:{misfits}"
                         + model.fused_hint())
    return {path: place.bring(state[path]) for path, place in places.items()}


def _unknown_images(model):
    """The dense layers after a Flatten in a Sequential whose images are of unknown size."""
    for layer in model.layers_inside():
        flat = False
        for _, child in layer.children() if hasattr(layer, "names") else ():
            if isinstance(child, Dense):
                if flat and child.flattened is None:
                    yield child
                flat = False
            flat = flat or isinstance(child, Flatten)


def _decide(places, given, here, there, counters):
    """Whose the file is, by its counters or else by its shapes."""
    if counters:
        return "torch"
    if here.keys() == given.keys() and here == given == there and any(place.differs for place in places.values()):
        raise ValueError('it does not say whether its weights lie as in cdl or as in torch, and their shapes fit both; say '
                         'layout="cdl" or layout="torch"')
    misfits = [sum(given.get(path) != shape for path, shape in shapes.items()) for shapes in (here, there)]
    return "torch" if misfits[1] < misfits[0] else "cdl"
