"""What a word was cut into, kept for the next time: most words of a text are a few thousand different ones."""

# Words kept, and the longest of them. 65,536 words take some 12 MB; text of one language fills them rarely.
LIMIT, LONGEST = 1 << 16, 48


class Cache(dict):
    """cache[word] is make(word), computed once as long as there is room; when there is none it begins anew.

    Examples
    --------
    >>> cache = Cache(str.upper)
    >>> cache["a"], len(cache)
    ('A', 1)
    """

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, word):
        made = self.make(word)
        if len(word) <= LONGEST:
            if len(self) >= LIMIT:
                self.clear()
            self[word] = made
        return made
