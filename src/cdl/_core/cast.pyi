from typing import Any

from numpy.typing import DTypeLike

def astype(x: Any, dtype: DTypeLike) -> Any: ...
