"""Tokens that are found in a text before anything else is done to it: [MASK], <|endoftext|>."""
import re
from typing import NamedTuple

from cdl.text.patterns import members

__all__ = ["AddedToken"]


class AddedToken(NamedTuple):
    """A token that is cut out of the text wherever it is written.

    Examples
    --------
    >>> AddedToken("[MASK]", 103, lstrip=True).special
    True
    """

    content: str
    id: int
    special: bool = True        # left out of what `decode` writes
    single_word: bool = False   # only where no letter or digit touches it
    lstrip: bool = False        # with the white space before it
    rstrip: bool = False        # with that after it
    normalized: bool = False    # looked for in the normalised text


class Splitter:
    """Cuts such tokens out of a text: the one that begins first, of several the longest."""

    def __init__(self, tokens):
        self.ids = {token.content: token.id for token in tokens}
        space, word = f"[{members('s')}]*", rf"\w{members('M')}{members('Pc')}"
        parts = []
        for token in sorted(tokens, key=lambda token: -len(token.content)):
            part = re.escape(token.content)
            if token.single_word:
                part = f"(?<![{word}]){part}(?![{word}])"
            parts.append(f"{space * token.lstrip}({part}){space * token.rstrip}")
        self.pattern = re.compile("|".join(parts))

    def split(self, text):
        """Pieces of text, and between them the ids of tokens."""
        place = 0
        for match in self.pattern.finditer(text):
            if match.start() > place:
                yield text[place:match.start()]
            yield self.ids[match[match.lastindex]]
            place = match.end()
        if place < len(text):
            yield text[place:]
