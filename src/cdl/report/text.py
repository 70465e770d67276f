"""Numbers and texts as pages show them; all that comes from files passes `escaped`."""
import html
import math
import unicodedata

__all__ = ["cells", "duration", "escaped", "number", "shortened", "tag"]


def escaped(value):
    """Any value as text that is safe inside HTML, in attributes too."""
    text = "".join(c if c in "\n\t" or (ord(c) >= 32 and not 0xD800 <= ord(c) < 0xE000) else "\N{REPLACEMENT CHARACTER}"
                   for c in str(value))
    return html.escape(text)


def tag(name, content="", **attributes):
    """An element of content that is HTML already; attributes are escaped, ``class_`` is class, ``a_b`` is a-b."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"' for key, value in attributes.items()
                    if value is not None)
    return f"<{name}{words}>{content}</{name}>"


def number(value):
    """A figure in about four digits: 0.9876, 1.235e-05, 12,346."""
    if value is None or not isinstance(value, (int, float)):
        return "–" if value is None else str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    size = abs(value)
    if isinstance(value, int) or size >= 10_000:
        text = f"{value:,.0f}" if size < 1e9 else f"{value:.3e}"
    elif size and size < 1e-3:
        text = f"{value:.3e}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−", 1) if value < 0 else text


def duration(seconds):
    """12 ms, 3.4 s, 5 min 12 s, 2 h 05 min."""
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def cells(text):
    """How wide a text is, in letters: those of East Asia count twice."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shortened(text, most):
    """A text of at most so many letters' width, its end left out where that is needed."""
    text = " ".join(str(text).split())
    if cells(text) <= most:
        return text
    while text and cells(text) > most - 1:
        text = text[:-1]
    return text + "…"
