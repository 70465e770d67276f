from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from cdl._core.tensor import Tensor

class Fused:
    lr: float
    t: int
    @property
    def params(self) -> list[Tensor | NDArray[Any]]: ...
    @property
    def state(self) -> list[list[Tensor]]: ...
    def __init__(self, params: Sequence[Tensor | NDArray[Any]], lr: float) -> None: ...
    def step(self) -> None: ...
    def zero_grad(self) -> None: ...
    def update(self, params: Sequence[Tensor | NDArray[Any]], grads: Sequence[ArrayLike | Tensor]) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

class FusedAdam(Fused):
    beta1: float
    beta2: float
    eps: float
    decay: float
    decoupled: float

class FusedSGD(Fused):
    momentum: float
    decay: float
    nesterov: bool
