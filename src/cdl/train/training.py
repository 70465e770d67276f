"""A training under way: what `fit` works with, what callbacks may ask, and all that going on later needs."""
import numpy as np

from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.optim import Optimizer
from cdl.random import generator
from cdl.train.history import History

__all__ = ["Training"]


class Training:
    """What one call of `fit` is about.

    Attributes
    ----------
    model, optimizer, loss, callbacks : as given to `fit`, the loss as a function, the callbacks in a list
    history : History
        The figures of the epochs so far.
    epochs : int
        After how many epochs it ends.
    epoch : int
        The one under way, or the next; the first is 0.
    rng : numpy.random.Generator or None
        What the orders of the samples are drawn from; None where they are not shuffled here.
    loader : Loader or None
        What makes the batches, instead of arrays.
    stopped : bool
        Whether it was asked to end before its last epoch.
    facts : dict
        What else `fit` was told, in plain values: "loss", "batch_size", "samples", "validation_samples", …
    observers : list
        Objects with `reset()` and `update(y_true, y_pred, sample_weight=None)`, as metrics have them, that are shown the
        validation of every epoch. Callbacks may add some.

    Examples
    --------
    >>> import cdl
    >>> def three_at_most(model, epoch, figures):
    ...     return epoch == 2                          # or, in a Callback, self.training.stop()
    """

    def __init__(self, model, optimizer, loss, callbacks, *, epochs, rng=None, loader=None, augment=None, validation=None,
                 facts=None):
        self.model, self.optimizer, self.loss, self.callbacks = model, optimizer, loss, callbacks
        self.epochs, self.rng, self.loader, self._augment = epochs, rng, loader, augment
        self._validation, self.facts, self.observers = validation, facts or {}, []
        self.history, self.epoch, self.stopped = History(), 0, False

    def stop(self):
        """End the training once the epoch under way is done."""
        self.stopped = True

    def call(self, hook, *arguments):
        """Call the method `hook` of every callback that has it."""
        for callback in self.callbacks:
            method = getattr(callback, hook, None)
            if method is not None:
                method(*arguments)

    def end(self):
        """Call `on_fit_end` of every callback, also after one that raises; the first error is raised in the end."""
        errors = []
        for callback in self.callbacks:
            try:
                getattr(callback, "on_fit_end", lambda model: None)(self.model)
            except BaseException as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def state_dict(self, *, copy=True):
        """All that is needed to go on from here with the same bits: named arrays, and plain values as JSON has them.

        That is the state of the model, the optimizer, the history and the callbacks, and every generator that is drawn
        from: the library's, that of the orders, those of layers, and those that Loaders, their transforms, `augment` and
        callbacks keep in attributes, lists and partials (not what a closure holds). Without `copy` the arrays of the model
        and of an optimizer of cdl's are those that they work on: to be written at once.
        """
        own = self.model.state_dict() if copy else {path: t.numpy() for path, _, _, t in self.model.tensor_places()}
        arrays = {f"model.{name}": array for name, array in own.items()}
        ours = not copy and isinstance(self.optimizer, Optimizer)
        optimizer = self.optimizer.state_dict(copy=False) if ours else self.optimizer.state_dict()
        for i, slots in enumerate(optimizer.pop("state")):
            arrays |= {f"optimizer.{i}.{name}": array for name, array in slots.items()}
        kept = []
        for callback in self._keepers():
            plain = {}
            for name, value in callback.state_dict().items():
                if isinstance(value, np.ndarray):
                    arrays[f"callbacks.{len(kept)}.{name}"] = value
                else:
                    plain[name] = value
            kept.append([type(callback).__name__, plain])
        history = {name: list(column) for name, column in self.history.items()}
        return arrays, {"epoch": self.epoch, "stopped": self.stopped, "history": history, "optimizer": optimizer,
                        "callbacks": kept, "generators": [_plain(rng.bit_generator.state) for rng in self.generators()]}

    def load_state_dict(self, arrays, values):
        """Go on from what `state_dict` gave.

        Callbacks are found again by their classes, in order; one that the state does not know begins anew.

        Raises
        ------
        ValueError
            If the state is that of another model, optimizer, or set of generators, or damaged. The model, the optimizer
            and the generators are then as they were.
        """
        try:
            epoch, history, kept = int(values["epoch"]), dict(values["history"]), list(values["callbacks"])
            states, stopped, optimizer = list(values["generators"]), bool(values["stopped"]), dict(values["optimizer"])
            slots = [_under(arrays, f"optimizer.{i}.") for i in range(len(self.optimizer.params))]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"fit: the state of the training is damaged: {error!r}") from None
        if not 0 <= epoch or {len(column) for column in history.values()} - {epoch}:
            raise ValueError(f"fit: the state of the training is damaged: {epoch} epochs, and a history of others")
        rngs = self.generators()
        if len(states) != len(rngs):
            raise ValueError(f"fit: the state has {len(states)} random generators, this training {len(rngs)}; make model, "
                             "Loader and augment as they were")
        before = self.model.state_dict(), self.optimizer.state_dict(), [rng.bit_generator.state for rng in rngs]
        try:
            self._load(_under(arrays, "model."), optimizer | {"state": slots}, map(_arrays_again, states))
            self._load_callbacks(arrays, kept)
        except BaseException:
            self._load(*before)
            self.call("on_fit_begin", self.model)       # they forget what they had taken over
            raise
        self.epoch, self.stopped = epoch, stopped
        self.history.clear()
        self.history.update({name: [float(value) for value in column] for name, column in history.items()})

    def _load(self, model, optimizer, generators):
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        for rng, state in zip(self.generators(), generators, strict=True):
            rng.bit_generator.state = state

    def _load_callbacks(self, arrays, kept):
        waiting = [(kind, plain | _under(arrays, f"callbacks.{i}.")) for i, (kind, plain) in enumerate(kept)]
        for callback in self._keepers():
            found = next((entry for entry in waiting if entry[0] == type(callback).__name__), None)
            if found is not None:
                waiting.remove(found)
                callback.load_state_dict(found[1])

    def _keepers(self):
        return [callback for callback in self.callbacks if hasattr(callback, "state_dict")]

    def generators(self):
        """Every generator that this training may draw from, each once, in an order that depends on the code alone."""
        found = [generator(), self.rng]
        for layer in self.model.layers_inside():
            found += [value for value in vars(layer).values() if isinstance(value, np.random.Generator)]
        for owner in (self._augment, self.loader, self._validation, *self.callbacks):
            found += _generators_in(owner)
        return list({id(rng): rng for rng in found if rng is not None}.values())


# How far a generator is looked for: a Loader's transform, made of steps, of which one is a partial of a method.
_DEEP = 5


def _generators_in(owner, depth=_DEEP):
    """The generators that an object keeps: in its attributes, lists and dicts, as a bound method's object, in a partial."""
    if isinstance(owner, np.random.Generator):
        return [owner]
    if not depth or owner is None or isinstance(owner, (str, bytes, int, float, np.ndarray, Tensor, Layer, type, Training)):
        return []
    parts = list(owner.values()) if isinstance(owner, dict) else list(owner) if isinstance(owner, (list, tuple)) else []
    parts += [getattr(owner, name, None) for name in ("__self__", "func", "args", "keywords")]
    parts += list(getattr(owner, "__dict__", {}).values())
    return [rng for part in parts for rng in _generators_in(part, depth - 1)]


def _under(arrays, prefix):
    """The arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _plain(state):
    """A generator's state as JSON has it: arrays as lists."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return {"array": state.tolist(), "dtype": str(state.dtype)} if isinstance(state, np.ndarray) else state


def _arrays_again(state):
    if not isinstance(state, dict):
        return state
    if state.keys() == {"array", "dtype"}:
        return np.array(state["array"], state["dtype"])
    return {name: _arrays_again(value) for name, value in state.items()}
