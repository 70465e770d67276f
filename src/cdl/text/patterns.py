"""Regular expressions that know Unicode's categories, which those of the standard library do not."""
import re
import unicodedata
from functools import lru_cache
from itertools import chain, groupby

# Unicode's White_Space. Python's own \s and str.split take U+001C to U+001F too.
SPACE = ((0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
         (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))
SPACES = "".join(chr(point) for first, last in SPACE for point in range(first, last + 1))

_PARTS = re.compile(r"\\([pP])\{(\w+)\}|\\([sS])|\\.|\[\^?|\]", re.S)


@lru_cache(maxsize=1)
def _categories():
    """(first, last, category) of runs of characters; planes without letters, numbers or marks aside. 30 ms, once."""
    points, runs = chain(range(0x40000), range(0xE0000, 0xE1000)), []
    for category, run in groupby(points, lambda point: unicodedata.category(chr(point))):
        run = list(run)
        runs.append((run[0], run[-1], category))
    return runs


def members(name, *, ascii=False):
    """The inside of a [character class]: of what a category is ("L", "Nd"), or of "s", white space."""
    runs = SPACE if name == "s" else [(first, last) for first, last, category in _categories() if category.startswith(name)]
    if ascii:
        runs = [(first, min(last, 127)) for first, last in runs if first < 128]
    return "".join(f"\\U{first:08x}" if first == last else f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)


@lru_cache(maxsize=32)
def compile_pattern(pattern, *, ascii=False):
    r"""re.compile of a pattern that may hold \p{L}, \P{Nd} and \s as Unicode has them.

    Parameters
    ----------
    pattern : str
    ascii : bool, default False
        For texts of ASCII alone: compiled and matched faster.

    Raises
    ------
    ValueError
        For a category that there is none of, or a negated one within a class.

    Examples
    --------
    >>> compile_pattern(r" ?\p{L}+|[^\s\p{L}]+").findall("über 12½")
    ['über', '12½']
    """
    inside = False

    def written(match):
        nonlocal inside
        kind, category, space = match.groups()
        if kind is None and space is None:
            inside = match[0].startswith("[") or (inside and match[0] != "]")
            return match[0]
        found = members(category or "s", ascii=ascii)
        negated = (kind or space) in "PS"
        if not found and not ascii:
            raise ValueError(f"pattern {pattern!r}: there is no category {category}")
        if not inside:
            return f"[{'^' * negated}{found}]" if found else ("(?!)" if not negated else r"[\s\S]")
        if negated:
            raise ValueError(f"pattern {pattern!r}: {match[0]} within [ ] is not supported")
        return found or "\U0010ffff"       # no character of ASCII: one that a text of ASCII has not either

    text = _PARTS.sub(written, pattern)
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r}: {error.msg}") from None
