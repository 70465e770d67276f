"""Text as the numbers of its characters."""
import numpy as np

__all__ = ["Characters"]


class Characters:
    """A number for every character of a text: 0, 1, … in the order of their code points.

    Parameters
    ----------
    characters : str or iterable of str
        Those there are, each counted once; such as a whole text.

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
    """

    def __init__(self, characters):
        characters = list(characters)
        odd = next((part for part in characters if not isinstance(part, str) or len(part) != 1), None)
        if odd is not None:
            raise ValueError(f"Characters: expected single characters, got {odd!r}")
        self.characters = sorted(set(characters))
        if not self.characters:
            raise ValueError("Characters: there are no characters")
        self._points = np.array([ord(character) for character in self.characters])

    def __len__(self):
        return len(self.characters)

    def encode(self, text):
        """The numbers of a text's characters, int64, one for each.

        Raises
        ------
        ValueError
            For a character that is not among them; the first is named with its position.
        TypeError
            For what is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"Characters: expected a str, got {type(text).__name__}")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        ids = np.minimum(self._points.searchsorted(points), len(self) - 1)
        wrong = self._points[ids] != points
        if wrong.any():
            place = int(wrong.argmax())
            raise ValueError(f"Characters: {text[place]!r} at position {place} is not among the {len(self)} characters")
        return ids

    def decode(self, ids):
        """The text of numbers (T,).

        Raises
        ------
        IndexError
            For a number that no character has.
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise ValueError(f"Characters: expected integers of shape (T,), got {ids.dtype} of shape {ids.shape}")
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise IndexError(f"Characters: there are {len(self)} characters, 0 to {len(self) - 1}, got numbers from "
                             f"{ids.min()} to {ids.max()}")
        return "".join(self.characters[i] for i in ids)
