"""Layer: what holds parameters and maps inputs to outputs."""
from collections.abc import Mapping
from reprlib import recursive_repr
from textwrap import indent

import numpy as np

from cdl._core.tape import is_inferring, no_grad
from cdl._core.tensor import Tensor
from cdl.nn.packing import PACKED


class Layer:
    """The base of every layer and model.

    A subclass defines `forward(x)`; calling the layer is calling `forward`. What it keeps in attributes is found by
    what it is: a Tensor is a parameter, a Layer is part of it, and so are those in lists, tuples and dicts. A Tensor
    that the class names in `buffers`, or that holds integers, is a buffer: saved, not trained. Names that begin with an
    underscore are left alone: what is not to be trained or saved, such as an activation kept to look at, goes there. A
    layer whose sizes depend on its input also defines `build(input_shape)`, which makes its parameters at the first
    call.

    Attributes
    ----------
    training : bool
        Whether it behaves as in training (dropout drops, batch normalisation uses the batch). Set by train() and
        eval(); False while predict() or evaluate() is under way on the thread that asks.
    frozen : bool
        Whether its parameters stay as they are. Set by freeze() and unfreeze().
    buffers : tuple of str
        Of the class: names of Tensors that are saved but not trained, such as running statistics.
    chains : tuple of pairs of str
        Of the class: names of a convolution (or Dense) and of the BatchNorm that gets its output, which nothing else
        reads; `fuse` takes them together.
    fused : bool
        Whether `fuse` made an inference model of it.
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
    chains = ()
    frozen = False
    fused = False
    _training = True

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
            if not name.startswith("_"):
                yield from _found(name, value, kind)

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

    def named_layers(self):
        """Every layer inside, at any depth, as (path, layer) pairs in order, each place once; a path: "block.conv1"."""
        def visit(layer, path, above):
            for name, child in layer.children():
                if not any(child is other for other in above):      # a layer may know the one it is in
                    yield f"{path}{name}", child
                    yield from visit(child, f"{path}{name}.", (*above, child))
        return visit(self, "", (self,))

    def tensor_places(self, prefix="", above=()):
        """Every parameter and buffer as (path, layer that holds it, name there, Tensor)."""
        above = (*above, self)
        for name, value in self.own_tensors():
            yield prefix + name, self, name, value
        for name, child in self.children():
            if not any(child is layer for layer in above):      # a layer may know the one it is in
                yield from child.tensor_places(f"{prefix}{name}.", above)

    def _named_tensors(self, buffers):
        return ((path, tensor) for path, layer, name, tensor in self.tensor_places()
                if layer.is_buffer(name, tensor) is buffers)

    def own_tensors(self):
        """The parameters and buffers that this layer holds itself, as (name, Tensor) pairs."""
        return self._parts(Tensor)

    def is_buffer(self, name, tensor):
        """Whether the Tensor `tensor` of the attribute `name` is saved but not trained."""
        return name.partition(".")[0] in self.buffers or tensor.dtype.kind != "f"

    def named_parameters(self):
        """The parameters, frozen ones too, as (name, Tensor) pairs; names are paths such as ``0.weight``."""
        self.require_built("named_parameters")
        return self._named_tensors(False)

    def named_buffers(self):
        """The saved but not trained Tensors as (name, Tensor) pairs."""
        self.require_built("named_buffers")
        return self._named_tensors(True)

    def parameters(self):
        """The parameters, frozen ones too, in a list; one that layers share is there once.

        Raises
        ------
        RuntimeError
            If a layer does not know its sizes yet.
        """
        return _each_once(tensor for _, tensor in self.named_parameters())

    def parameter_dtype(self):
        """The dtype of the first parameter, as it is held (nothing is unpacked for it); None if there is none yet."""
        return next((held.dtype for layer in self.layers_inside() for name, held in layer._parts((Tensor, *PACKED))
                     if not layer.is_buffer(name, held)), None)

    @property
    def built(self):
        """Whether every layer inside has its parameters."""
        return all(layer._is_built() for layer in self.layers_inside())

    def _is_built(self):
        return True

    def require_built(self, who):
        """Raise RuntimeError, for the function `who`, if a layer does not know its sizes yet."""
        for layer in self.layers_inside():
            if not layer._is_built():
                raise RuntimeError(f"{who}: {layer!r} does not know the size of its input yet; call the model on a "
                                   "batch once, or give the size when you make the layer")

    def count_parameters(self):
        """How many numbers the parameters hold, frozen ones too."""
        return sum(parameter.size for parameter in self.parameters())

    # --- modes -------------------------------------------------------------------------------------------------------
    @property
    def training(self):
        """Whether it behaves as in training."""
        return self._training and not is_inferring()

    @training.setter
    def training(self, mode):
        self._training = bool(mode)

    def train(self, mode=True):
        """Behave as in training (or, with False, as in use); returns the layer itself. Frozen layers stay as in use."""
        for layer in self.layers_inside():
            layer.training = mode and not layer.frozen
        return self

    def eval(self):
        """Behave as in use; returns the layer itself."""
        return self.train(False)

    def freeze(self, frozen=True):
        """Keep this layer and all inside it as they are; returns the layer itself.

        The parameters take no gradient and no update, whatever the optimizer (momentum and weight decay included). The
        layers behave as in use, so that running statistics also stay and nothing is dropped.

        Raises
        ------
        RuntimeError
            If a layer does not know its sizes yet.

        Examples
        --------
        >>> import cdl
        >>> model = cdl.Sequential([cdl.Dense(3, in_features=2), cdl.Dense(1, in_features=3)])
        >>> frozen = model[0].freeze()
        >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        ['1.weight', '1.bias']
        """
        self.require_built("freeze" if frozen else "unfreeze")
        for parameter in self.parameters():
            parameter.requires_grad = not frozen
            parameter.grad = None       # a step with one from before would still move it
        for layer in self.layers_inside():
            if layer.frozen != frozen:
                layer.frozen, layer.training = frozen, not frozen
        return self

    def unfreeze(self):
        """Train this layer and all inside it again; returns the layer itself."""
        self.fused = False
        return self.freeze(False)

    def fuse(self):
        """Turn this layer and all inside it, in place, into an inference model of the same outputs; returns the layer itself.

        Each BatchNorm that directly follows a convolution or Dense without activation is folded into its weight and bias,
        and an activation that follows is computed in the same pass: in a Sequential by the order of its layers, in a
        class of your own for the pairs that it names in `chains`. A layer that is used in several places stays as it is.
        The model is frozen then, its state has other names and its parameters are other Tensors: save before what is to be
        trained on, and make an optimizer anew.

        Weights of convolutions and large ones of dense layers are held packed for inference, in place of the plain ones; after
        ``cdl.set_precision("bfloat16")`` those of all dense layers, rounded, in half the memory. Whoever reads, counts or sets
        them (`weight`, `parameters`, `state_dict`, `load_state_dict`, `save`, `summary`) unpacks them, which costs the model
        some speed until `fuse` is called again.

        Raises
        ------
        RuntimeError
            If a layer does not know its sizes yet.

        Examples
        --------
        >>> import cdl
        >>> cdl.Sequential([cdl.Dense(3, in_features=2), cdl.BatchNorm(3), cdl.ReLU(), cdl.Dense(1, in_features=3)]).fuse()
        Sequential([
            Dense(units=3, activation='relu', in_features=2),
            Dense(units=1, in_features=3),
        ])
        """
        from cdl.nn.fuse import fuse  # it knows the layers, which are built on this one
        return fuse(self)

    def fused_hint(self):
        """What to do where a state does not fit because this model is fused; else nothing."""
        from cdl.nn.fuse import Folded
        fused = any(isinstance(layer, Folded) for layer in self.layers_inside())
        return "\nThis model is fused: load the weights first, then fuse()" if fused else ""

    def fuse_parts(self, absorb, fold):
        """Fuse what this layer itself holds; `absorb(first, then)` and `fold(first, norm)` say whether they did it."""
        from cdl.nn.fuse import Folded
        for first, norm in self.chains:
            if fold(getattr(self, first), getattr(self, norm)):
                setattr(self, norm, Folded(getattr(self, norm).activation))

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # --- state -------------------------------------------------------------------------------------------------------
    def state_dict(self):
        """Every parameter and buffer by name, as copies in NumPy arrays."""
        self.require_built("state_dict")
        return {path: tensor.numpy().copy() for path, _, _, tensor in self.tensor_places()}

    def load_state_dict(self, state):
        """Set every parameter and buffer from `state`, a mapping of names to arrays as `state_dict` gives it.

        Raises
        ------
        ValueError
            If names are missing or unknown, or shapes differ; the message lists all of them. Nothing is changed.
        TypeError
            If an array holds no real numbers, or fractions where integers are kept. Nothing is changed.
        """
        self.require_built("load_state_dict")
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: expected a mapping of names to arrays, got {type(state).__name__}")
        own = {path: tensor for path, _, _, tensor in self.tensor_places()}
        arrays = {name: np.asarray(value) for name, value in state.items()}
        misfits = misfits_of({name: tensor.shape for name, tensor in own.items()},
                             {name: array.shape for name, array in arrays.items()})
        if misfits:
            raise ValueError(f"load_state_dict: the state does not fit this {type(self).__name__}:{misfits}{self.fused_hint()}")
        for name, tensor in own.items():
            if arrays[name].dtype.kind not in "fiub" or not np.can_cast(arrays[name].dtype, tensor.dtype, "same_kind"):
                what = "real numbers" if tensor.dtype.kind == "f" else str(tensor.dtype)
                raise TypeError(f"load_state_dict: {name} must hold {what}, got dtype {arrays[name].dtype}")
        arrays = {name: arrays[name].astype(tensor.dtype, copy=False) for name, tensor in own.items()}
        with no_grad():
            for name, tensor in own.items():
                tensor[...] = arrays[name]

    # --- to look at --------------------------------------------------------------------------------------------------
    def config(self):
        """The arguments that make this layer again (saved beside the weights): plain values, layers, lists of these."""
        return {}

    @recursive_repr()
    def __repr__(self):
        config, inside = self.config(), list(self.children())
        if config or not inside:
            return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in config.items() if v is not None)})"
        return f"{type(self).__name__}({lines(f'({name}): {layer!r}' for name, layer in inside)})"


def _found(name, value, kind):
    """What is of `kind` in an attribute's value, by its path: the value itself, or items of lists, tuples and dicts."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _found(f"{name}.{i}", item, kind)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _found(f"{name}.{key}", item, kind)


def _each_once(tensors):
    return list({id(tensor): tensor for tensor in tensors}.values())


def misfits_of(own, given):
    """Lines that say where two dicts of shapes differ; nothing where they agree."""
    missing = [f"missing {name} {shape}" for name, shape in own.items() if name not in given]
    unknown = [f"unknown {name} {shape}" for name, shape in given.items() if name not in own]
    others = [f"{name} has shape {shape} here, {given[name]} in the state" for name, shape in own.items()
              if name in given and given[name] != shape]
    return "".join(f"\n    {line}" for line in missing + unknown + others)


def lines(items):
    """Each item on a line of its own, one step further in."""
    return "\n" + "".join(indent(str(item), "    ") + ",\n" for item in items)
