"""Files: the safetensors format, replacing a file all at once, what is saved beside a model, and what is wrong in a file."""
from .atomic import atomic_write
from .errors import FileFormatError
from .extra import load_extra
from .safetensors import load_safetensors, save_safetensors

__all__ = ["FileFormatError", "atomic_write", "load_extra", "load_safetensors", "save_safetensors"]
