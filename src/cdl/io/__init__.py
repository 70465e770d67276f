"""Files: the safetensors format, replacing a file all at once, and the one exception for anything wrong in a file."""
from .atomic import atomic_write
from .errors import FileFormatError
from .safetensors import load_safetensors, save_safetensors

__all__ = ["FileFormatError", "atomic_write", "load_safetensors", "save_safetensors"]
