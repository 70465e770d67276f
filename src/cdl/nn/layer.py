"""Layer: what holds parameters and maps inputs to outputs."""
import numpy as np

from cdl._core.tape import no_grad
from cdl._core.tensor import Tensor


class Layer:
    """The base of every layer and model.

    A subclass defines `forward(x)`; calling the layer is calling `forward`. What it keeps in attributes is found by
    what it is: a Tensor is a parameter (or a buffer, where the class names it in `buffers`), a Layer is part of it, and
    so are those in a list, tuple or dict. Names that begin with an underscore are left alone: what is not to be trained
    or saved, such as an activation kept to look at, goes there. A layer whose sizes depend on its input also defines
    `build(input_shape)`, which makes its parameters at the first call.

    Attributes
    ----------
    training : bool
        Whether it behaves as in training (dropout drops, batch normalisation uses the batch). Set by train()
        and eval().
    buffers : tuple of str
        Of the class: names of Tensors that are saved but not trained.
    built : bool
        Whether it has all its parameters.

    Examples
    --------
    >>> import cdl
    >>> class Scale(cdl.Layer):
    ...     def __init__(self):
    ...         self.factor = cdl.Tensor([2.0], requires_grad=True)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(cdl.Tensor([1.0, 3.0]))
    Tensor([2., 6.], dtype=float64, requires_grad=True)
    """

    buffers = ()
    training = True

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "__call__" not in cls.__dict__:
            # The call itself, not a method that passes on to it: a tenth of a small network's step.
            cls.__call__ = cls.forward

    def forward(self, x):
        """The output for the input x."""
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, x)")

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    def build(self, input_shape):
        """Make the parameters that depend on the shape of the input. Without any there is nothing to do."""

    def output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`, which has None where the length is open."""
        return input_shape

    # --- its parts ---------------------------------------------------------------------------------------------------
    def _parts(self, kind):
        for name, value in vars(self).items():
            if name.startswith("_"):
                continue
            if isinstance(value, kind):
                yield name, value
            elif isinstance(value, (list, tuple)):
                yield from ((f"{name}.{i}", item) for i, item in enumerate(value) if isinstance(item, kind))
            elif isinstance(value, dict):
                yield from ((f"{name}.{key}", item) for key, item in value.items() if isinstance(item, kind))

    def children(self):
        """The layers directly inside, as (name, layer) pairs in the order they were set."""
        return self._parts(Layer)

    def layers_inside(self):
        """This layer and every layer inside it, at any depth, each once."""
        seen, stack = set(), [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer
                stack.extend(reversed([child for _, child in layer.children()]))

    def _named_tensors(self, wanted, prefix="", above=()):
        above = (*above, self)
        for name, value in self._parts(Tensor):
            if wanted(self, name.partition(".")[0]):
                yield prefix + name, value
        for name, child in self.children():
            if not any(child is layer for layer in above):      # a layer may know the one it is in
                yield from child._named_tensors(wanted, f"{prefix}{name}.", above)

    def named_parameters(self):
        """The trained Tensors as (name, Tensor) pairs; names are paths such as ``0.weight``."""
        self._require_built("named_parameters")
        return self._named_tensors(lambda layer, name: name not in layer.buffers)

    def parameters(self):
        """The trained Tensors, in a list.

        Raises
        ------
        RuntimeError
            If a layer does not know its sizes yet.
        """
        seen = {}
        for _, parameter in self.named_parameters():
            seen.setdefault(id(parameter), parameter)     # a shared one counts once
        return list(seen.values())

    def named_buffers(self):
        """The saved but not trained Tensors as (name, Tensor) pairs."""
        return self._named_tensors(lambda layer, name: name in layer.buffers)

    @property
    def built(self):
        """Whether every layer inside has its parameters."""
        return all(layer._is_built() for layer in self.layers_inside())

    def _is_built(self):
        return True

    def _require_built(self, who):
        for layer in self.layers_inside():
            if not layer._is_built():
                raise RuntimeError(f"{who}: {layer!r} does not know the size of its input yet; call the model on a "
                                   "batch once, or give the size when you make the layer")

    def count_parameters(self):
        """How many numbers are trained."""
        return sum(parameter.size for parameter in self.parameters())

    # --- modes -------------------------------------------------------------------------------------------------------
    def train(self, mode=True):
        """Behave as in training (or, with False, as in use); returns the layer itself."""
        for layer in self.layers_inside():
            layer.training = bool(mode)
        return self

    def eval(self):
        """Behave as in use; returns the layer itself."""
        return self.train(False)

    def freeze(self, frozen=True):
        """Stop training the parameters (or, with False, train them again); returns the layer itself."""
        for parameter in self.parameters():
            parameter.requires_grad = not frozen
        return self

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # --- state -------------------------------------------------------------------------------------------------------
    def state_dict(self):
        """Every parameter and buffer by name, as copies in NumPy arrays."""
        self._require_built("state_dict")
        return {name: tensor.numpy().copy() for name, tensor in self._named_tensors(lambda layer, name: True)}

    def load_state_dict(self, state):
        """Set every parameter and buffer from `state`, a mapping of names to arrays as `state_dict` gives it.

        Raises
        ------
        KeyError
            If names are missing or unknown; the message lists both. Nothing is changed.
        ValueError
            If a shape differs. Nothing is changed.
        TypeError
            If an array does not hold real numbers. Nothing is changed.
        """
        self._require_built("load_state_dict")
        own = dict(self._named_tensors(lambda layer, name: True))
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            raise KeyError(f"load_state_dict: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
        arrays = {name: np.asarray(state[name]) for name in own}
        for name, tensor in own.items():
            if arrays[name].shape != tensor.shape:
                raise ValueError(f"load_state_dict: {name} has shape {tensor.shape} here, "
                                 f"{arrays[name].shape} in the state")
            if arrays[name].dtype.kind not in "fiub":
                raise TypeError(f"load_state_dict: {name} must hold real numbers, got dtype {arrays[name].dtype}")
        with no_grad():
            for name, tensor in own.items():
                tensor[...] = arrays[name].astype(tensor.dtype, copy=False)

    # --- to look at --------------------------------------------------------------------------------------------------
    def config(self):
        """The arguments that make this layer again (saved beside the weights), as plain numbers, strings and lists."""
        return {}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"
