"""Objects in JSON files: read with errors that say where, written all at once."""
import json
from pathlib import Path

from cdl.io.atomic import atomic_write
from cdl.io.errors import FileFormatError


def read_json(path):
    """The object in a JSON file; nothing in it stands twice."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
        found = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{path}: line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise FileFormatError(f"{path}: nested too deeply") from None
    if not isinstance(found, dict):
        raise FileFormatError(f"{path}: expected an object {{…}}, got {type(found).__name__}")
    return found


def _once(pairs, path):
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise FileFormatError(f"{path}: the key {twice!r} stands there twice")
    return found


def write_json(path, config):
    """Write an object to a JSON file, all at once."""
    try:
        text = json.dumps(config, ensure_ascii=False, indent=1).encode("utf-8")
    except UnicodeEncodeError:      # half of a character can only be written as an escape
        text = json.dumps(config, indent=1).encode("ascii")
    with atomic_write(path) as file:
        file.write(text)
