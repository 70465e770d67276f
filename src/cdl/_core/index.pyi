from typing import Any

from numpy.typing import ArrayLike

def take(x: Any, indices: ArrayLike, axis: int | None = None) -> Any: ...
