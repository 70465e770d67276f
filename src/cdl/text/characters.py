"""Text as the numbers of its characters."""
import numpy as np

from cdl.text.json_file import write_json
from cdl.text.tokenizer import Tokenizer

__all__ = ["Characters"]


class Characters(Tokenizer):
    """A number for every character of a text: 0, 1, … in the order of their code points.

    Parameters
    ----------
    characters : str or iterable of str
        Those there are, each counted once; such as a whole text.
    errors : {"strict", "replace"}, default "strict"
        Whether bytes that are no UTF-8 are refused or become U+FFFD.

    Raises
    ------
    ValueError
        For no characters, or parts that are not single characters.

    Examples
    --------
    >>> characters = Characters("hello world")
    >>> characters.encode("hold")
    array([3, 5, 4, 1])
    >>> characters.decode([7, 5, 6])
    'wor'
    >>> len(characters)
    8
    >>> ids, mask = characters.encode_batch(["hello", "hold"], pad_id=0)
    >>> characters.decode_batch(ids, mask)
    ['hello', 'hold']
    """

    def __init__(self, characters, *, errors="strict"):
        characters = list(characters)
        odd = next((part for part in characters if not isinstance(part, str) or len(part) != 1), None)
        if odd is not None:
            raise ValueError(f"Characters: expected single characters, got {odd!r}")
        self.characters = self.tokens = sorted(set(characters))
        if not self.characters:
            raise ValueError("Characters: there are no characters")
        self.ids = {character: i for i, character in enumerate(self.characters)}
        self.errors = errors
        self._points = np.array([ord(character) for character in self.characters])

    def encode(self, text, *args, **options):
        """The numbers of a text's characters, int64, one for each; options as for any tokenizer.

        Raises
        ------
        ValueError
            For a character that is not among them; the first is named with its position.
        TypeError
            For what is no text.
        """
        if args or options:
            return super().encode(text, *args, **options)
        text = self._text(text)
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        ids = np.minimum(self._points.searchsorted(points), len(self) - 1)
        wrong = self._points[ids] != points
        if wrong.any():
            place = int(wrong.argmax())
            raise ValueError(f"Characters: {text[place]!r} at position {place} is not among the {len(self)} characters")
        return ids

    def _ids(self, text):
        return self.encode(text).tolist()

    def config(self):
        """What a tokenizer.json holds of it, under "model"."""
        return {"type": "cdl.Characters", "characters": "".join(self.characters), "errors": self.errors}

    @classmethod
    def from_config(cls, config, where="tokenizer.json", **options):
        """What `config` gave."""
        characters = config.get("characters")
        if not isinstance(characters, str):
            raise ValueError("model.characters: expected a string")
        return cls(characters, **{"errors": config.get("errors", "strict"), **options})

    def save(self, path):
        """Write it to a JSON file, which `cdl.text.load_tokenizer` reads."""
        write_json(path, {"version": "1.0", "model": self.config()})
