"""Which parameters are weights, as regularisation has it."""
from cdl.nn.embedding import Embedding
from cdl.nn.norm import _Norm
from cdl.nn.position import LearnedPosition

__all__ = ["named_weights"]


def named_weights(layer, *, tables=True):
    """The weights of a layer and of all inside it, as (path, Tensor) pairs, each Tensor once.

    They are the trained parameters of two axes or more; not biases, slopes, and the scales and shifts of normalisations,
    and not what is frozen.

    Parameters
    ----------
    layer : Layer
        Model or layer; it must know its sizes.
    tables : bool
        Whether those of Embedding and LearnedPosition, whose rows are not the weights of units, are among them.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(3, in_features=2), cdl.BatchNorm(3), cdl.Dense(1, in_features=3)])
    >>> [name for name, weight in named_weights(model)]
    ['0.weight', '2.weight']
    """
    layer.require_built("named_weights")
    left = (_Norm,) if tables else (_Norm, Embedding, LearnedPosition)
    seen = set()
    for path, owner, name, tensor in layer.tensor_places():
        if tensor.ndim > 1 and tensor.requires_grad and not owner.is_buffer(name, tensor) and not isinstance(owner, left) \
                and id(tensor) not in seen:
            seen.add(id(tensor))
            yield path, tensor
