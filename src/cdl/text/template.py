"""What stands around and between the sequences that a network reads: [CLS] A [SEP] B [SEP]."""
from typing import NamedTuple


class Part(NamedTuple):
    """A token with its id, or one of the sequences "A" and "B" (id None), and the segment that it counts to."""

    name: str
    id: int | None
    type: int


class Template:
    """The form of one sequence and that of two.

    Parameters
    ----------
    single, pair : str
        Tokens and `$A`, `$B` between blanks, each with `:1` where it belongs to the second segment.
    ids : mapping
        The id of each token.

    Raises
    ------
    ValueError
        For a token without an id, or a form that leaves a sequence out or has it twice.

    Examples
    --------
    >>> template = Template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", {"[CLS]": 101, "[SEP]": 102})
    >>> template.join([7, 8])
    [101, 7, 8, 102]
    >>> template.join([7], [9])
    [101, 7, 102, 9, 102]
    >>> template.types([7], [9])
    [0, 0, 0, 1, 1]
    """

    def __init__(self, single="$A", pair="$A $B:1", ids=None):
        self.text = {"single": single, "pair": pair}
        self.single, self.pair = (self._parse(form, ids or {}) for form in (single, pair))
        for parts, wanted in ((self.single, ["A"]), (self.pair, ["A", "B"])):
            if sorted(part.name for part in parts if part.id is None) != wanted:
                raise ValueError(f"template {self.text['single' if len(wanted) == 1 else 'pair']!r}: expected "
                                 f"{' and '.join('$' + name for name in wanted)} once")

    @staticmethod
    def _parse(form, ids):
        parts = []
        for word in form.split():
            name, colon, number = word.rpartition(":")
            name, kind = (name, int(number)) if colon and name and number.isdecimal() else (word, 0)
            if name in ("$A", "$B"):
                parts.append(Part(name[1], None, kind))
            elif name in ids:
                parts.append(Part(name, ids[name], kind))
            else:
                raise ValueError(f"template {form!r}: there is no token {name!r}")
        return tuple(parts)

    def added(self, pair):
        """How many tokens are put in."""
        parts = self.pair if pair else self.single
        return sum(part.id is not None for part in parts)

    def join(self, a, b=None):
        """The ids of the whole."""
        ids = []
        for part in self.single if b is None else self.pair:
            if part.id is None:
                ids += a if part.name == "A" else b
            else:
                ids.append(part.id)
        return ids

    def types(self, a, b=None):
        """The segment of each id of the whole."""
        types = []
        for part in self.single if b is None else self.pair:
            types += [part.type] * (1 if part.id is not None else len(a if part.name == "A" else b))
        return types
