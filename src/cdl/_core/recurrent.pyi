from typing import Any

def recurrent(who: str, x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, h: Any, c: Any, lengths: Any, reverse: bool,
              variant: bool, recompute: bool) -> tuple[Any, Any, Any]: ...
