from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cdl._core.tensor import Tensor

def frozen(t: Tensor) -> np.ndarray: ...
def as_tensor(x: Any, who: str) -> Tensor: ...
def follow(y: Tensor, inputs: list[Tensor],
           gradients: Callable[[np.ndarray, list[Tensor]], Sequence[np.ndarray | None]]) -> Tensor: ...
