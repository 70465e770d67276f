"""Averages of the weights over a training, which are better than the last ones."""
import numpy as np

from cdl._core.check import number, positive_integer
from cdl._core.optim import Sweep
from cdl._core.tensor import Tensor
from cdl.callbacks.callback import Callback
from cdl.callbacks.early_stopping import EarlyStopping

__all__ = ["ExponentialMovingAverage", "StochasticWeightAverage"]


class _Average(Callback):
    """What averages share: they are in the model while it is measured and, if kept, when the training is over."""

    _tensors, _averages, _sweep, updates = (), (), None, 0

    def __init__(self, keep):
        self.keep = bool(keep)

    def attach(self, training):
        """Refuse to come after a callback that brings best weights back: these would then be overwritten."""
        super().attach(training)
        for callback in training.callbacks[:training.callbacks.index(self)]:
            if isinstance(callback, EarlyStopping) and callback.restore_best:
                raise ValueError(f"fit: {type(self).__name__} must stand before EarlyStopping in callbacks, so that the best "
                                 "averages are what the model has in the end")

    def on_fit_begin(self, model):
        """Begin with the weights and running statistics as they are."""
        places = {id(tensor): (path, tensor) for path, _, _, tensor in model.tensor_places() if tensor.dtype.kind == "f"}
        self._names, self._tensors = zip(*places.values(), strict=True)
        self._averages = [Tensor(tensor.numpy().copy()) for tensor in self._tensors]
        self._sweep, self.updates = Sweep(self._averages, self._tensors), 0

    def _move_in(self, inside):
        """Have the averages in the model, or the weights that are trained."""
        if self.updates and inside != self._sweep.exchanged:
            self._sweep.exchange()

    def on_measure_begin(self, model):
        """Put the averages in, so that they are what the validation and the other callbacks see."""
        self._move_in(True)

    def on_measure_end(self, model):
        """Go on training with the weights that are trained."""
        self._move_in(False)

    def on_fit_end(self, model):
        """Leave the averages in the model or, without `keep`, the weights that were trained."""
        self._move_in(self.keep)

    def averages(self):
        """The averaged weights and statistics by name, as `model.state_dict()` has them, in copies."""
        if self._sweep is None:
            return {}
        held = self._tensors if self._sweep.exchanged else self._averages
        return {name: tensor.numpy().copy() for name, tensor in zip(self._names, held, strict=True)}

    def state_dict(self):
        """How many updates there were, and the averages."""
        return {"updates": self.updates} | {f"average.{name}": array for name, array in self.averages().items()}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave; `fit` has begun by then."""
        arrays = [state.get(f"average.{name}") for name in self._names]
        for name, average, array in zip(self._names, self._averages, arrays, strict=True):
            if array is None or np.shape(array) != average.shape:
                raise ValueError(f"{type(self).__name__}: the state has no average of {name} of shape {average.shape}")
        for average, array in zip(self._averages, arrays, strict=True):
            average.numpy()[...] = array
        self.updates = state["updates"]


class ExponentialMovingAverage(_Average):
    """A callback of `fit` that averages the weights over about the last 1 / (1 - decay) steps.

    After update t of the optimizer, from 0 on, for every parameter w and running statistic (of BatchNorm), ::

        d = min(decay, (1 + t) / (10 + t))          with warm_up; else decay
        average = average + (1 - d) (w - average)

    in one pass over all of them. At the beginning the average is the weights as they are. It is in the model during the
    validation of each epoch and while callbacks are asked, so that figures, EarlyStopping and a best checkpoint are about it;
    the training goes on with the weights that are trained.

    Parameters
    ----------
    decay : float in (0, 1)
    warm_up : bool
        Whether the first averages are over fewer steps, so that the untrained weights fade at once.
    keep : bool
        Whether the model has the averages when the training ends. Otherwise it has the trained weights, and `averages()`
        gives the averages.

    Attributes
    ----------
    updates : int
        How many steps are in the average.

    Raises
    ------
    ValueError
        For a decay out of its range, or where it stands behind EarlyStopping in callbacks.

    Source
    ------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the warm-up is that of
    tf.train.ExponentialMovingAverage.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model, average = cdl.Sequential([cdl.Dense(1)]), cdl.callbacks.ExponentialMovingAverage(0.99)
    >>> history = model.fit(x, 3 * x, loss="mse", epochs=5, callbacks=[average], progress=False)
    >>> average.updates
    10
    >>> bool((average.averages()["0.weight"] == model[0].weight.numpy()).all())
    True
    """

    def __init__(self, decay=0.999, *, warm_up=True, keep=True):
        if not 0 < number(decay, type(self).__name__, "decay") < 1:
            raise ValueError(f"{type(self).__name__}: decay must be in (0, 1), got {decay!r}")
        super().__init__(keep)
        self.decay, self.warm_up = decay, bool(warm_up)

    def on_batch_end(self, model):
        """Take the step into the average."""
        t = self.updates
        self._sweep.blend(1 - (min(self.decay, (1 + t) / (10 + t)) if self.warm_up else self.decay))
        self.updates = t + 1

    def __repr__(self):
        return f"ExponentialMovingAverage({self.decay:g}, warm_up={self.warm_up}, keep={self.keep})"


class StochasticWeightAverage(_Average):
    """A callback of `fit` that averages the weights at the ends of the epochs from `start` on, all alike::

        average = average + (w - average) / n       for the n-th of them

    The same for running statistics of BatchNorm, where the paper computes them anew for the average: a pass over the data
    with the averaged weights in training mode does that. It is in the model when `ExponentialMovingAverage` is. A learning
    rate that stays large, or a cycle of one, belongs to it.

    Parameters
    ----------
    start : int
        The first epoch that counts, from 0.
    every : int
        Of how many epochs one counts, ≥ 1.
    keep : bool
        As for `ExponentialMovingAverage`.

    Attributes
    ----------
    updates : int
        How many epochs are in the average.

    Raises
    ------
    ValueError
        For numbers out of their range, or where it stands behind EarlyStopping in callbacks.

    Source
    ------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> average = cdl.callbacks.StochasticWeightAverage(start=2)
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, x, loss="mse", epochs=5, callbacks=[average], progress=False)
    >>> average.updates
    3
    """

    def __init__(self, start=0, every=1, *, keep=True):
        if isinstance(start, bool) or not hasattr(start, "__index__") or start < 0:
            raise ValueError(f"{type(self).__name__}: start must be an integer, 0 or more, got {start!r}")
        super().__init__(keep)
        self.start, self.every = start, positive_integer(every, type(self).__name__, "every")

    def on_measure_begin(self, model):
        """Take the epoch into the average, and put that in."""
        past = self.training.epoch - self.start
        if past >= 0 and past % self.every == 0:
            self.updates += 1
            self._sweep.blend(1 / self.updates)
        super().on_measure_begin(model)

    def __repr__(self):
        return f"StochasticWeightAverage(start={self.start}, every={self.every}, keep={self.keep})"
