"""Tokens that are found in a text before anything else is done to it: [MASK], <|endoftext|>."""
import re
from typing import NamedTuple

from cdl.text.patterns import SPACES, members

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
        self.tokens = {token.content: token for token in tokens}
        word = rf"[\w{members('M')}{members('Pc')}]"
        parts = []
        for token in sorted(tokens, key=lambda token: -len(token.content)):
            part = re.escape(token.content)
            parts.append(f"(?<!{word}){part}(?!{word})" if token.single_word else part)
        self.pattern = re.compile("|".join(parts))

    def split(self, text):
        """Pieces of text, and between them the ids of tokens."""
        place = 0
        for match in self.pattern.finditer(text):
            if match.start() < place:       # within the white space that the token before it took
                continue
            token, before = self.tokens[match[0]], text[place:match.start()]
            if token.lstrip:
                before = before.rstrip(SPACES)
            if before:
                yield before
            yield token.id
            place = match.end()
            while token.rstrip and text[place:place + 1] in SPACES and place < len(text):
                place += 1
        if place < len(text):
            yield text[place:]
