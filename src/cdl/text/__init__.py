"""Text as numbers."""
from cdl.text.characters import Characters
from cdl.text.windows import windows

__all__ = ["Characters", "windows"]
