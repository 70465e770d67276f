"""Charts as inline SVG: lines over epochs, a confusion matrix, true against predicted values. Colours are the page's CSS."""
import math

from cdl.report.text import cells, escaped, number, shortened, tag

__all__ = ["confusion", "legend", "lines", "scatter"]

WIDTH, HEIGHT = 560, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 12, 34
# A positive figure that goes over this many times its least value is drawn on a logarithmic scale.
LOG_FROM = 50
# Columns of a line: more points than twice this are drawn as the least and the most of each column.
COLUMNS = 500
# Points that can be told apart by the pointer have a text of their own.
POINTED = 120
COLOURS = 8


def lines(title, series, *, best=None, log=None):
    """Figures over epochs.

    Parameters
    ----------
    title : str
    series : list of (name, epochs, values, style)
        style is a number, whose colour it has, or a text: the classes of its line.
    best : int, optional
        An epoch that is marked.
    log : bool, optional
        Whether the scale is logarithmic; default: where the values call for it.
    """
    values = [v for _, _, column, _ in series for v in column if _shown(v)]
    epochs = [e for _, column, _, _ in series for e in column] or [1]
    log = _wants_log(values) if log is None else log
    y, labels = _scale(values, TOP, HEIGHT - BOTTOM, log)
    x = _epoch_scale(min(epochs), max(epochs))
    parts = [_grid(y, labels), _epoch_ticks(x, min(epochs), max(epochs))]
    if best is not None:
        parts.append(f'<line class="best" x1="{x(best):.1f}" x2="{x(best):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for name, column, figures, style in series:
        parts.append(_line(name, column, figures, x, y, style if isinstance(style, str) else f"c{style % COLOURS}"))
    if not values:
        parts.append(f'<text class="empty" x="{WIDTH / 2}" y="{HEIGHT / 2}">no finite values</text>')
    told = "; ".join(f"{name} from {number(finite[0])} to {number(finite[-1])}" for name, _, column, _ in series
                     if (finite := [v for v in column if _shown(v)]))
    scale = ", logarithmic scale" if log else ""
    return _svg(WIDTH, HEIGHT, f"{title} over epochs{scale}", told or "no finite values", "".join(parts))


def legend(entries):
    """What the colours of a chart mean: (name, style) of each line."""
    items = "".join(
        f'<span class="key"><svg width="22" height="10" aria-hidden="true"><line class="line '
        f'{style if isinstance(style, str) else f"c{style % COLOURS}"}" x1="1" x2="21" y1="5" y2="5"/></svg>'
        f"{escaped(shortened(name, 40))}</span>" for name, style in entries)
    return tag("div", items, class_="legend")


def _svg(width, height, title, text, content):
    return (f'<svg viewBox="0 0 {width} {height}" role="img" style="max-width:{width * 1.35:.0f}px">'
            f"<title>{escaped(title)}</title><desc>{escaped(text)}</desc>{content}</svg>")


def _shown(value):
    """Whether a value has a place on a scale: it is finite, and so are differences of such values."""
    return abs(value) < 1e300


def _wants_log(values):
    return bool(values) and min(values) > 0 and max(values) > LOG_FROM * min(values)


def _scale(values, top, bottom, log):
    """A function from values to places between bottom and top, and the values that have labels."""
    if not values:
        return lambda value: bottom, []
    low, high = min(values), max(values)
    if log:
        low, high = math.log10(low), math.log10(high)
    if low == high:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    margin = (high - low) * 0.04
    low, high = low - margin, high + margin

    def place(value):
        return bottom - ((math.log10(value) if log else value) - low) / (high - low) * (bottom - top)

    return place, _log_ticks(low, high) if log else _ticks(low, high, 5)


def _ticks(low, high, most):
    """Round numbers between low and high, about `most`."""
    step = 10 ** math.floor(math.log10((high - low) / most))
    step *= next(times for times in (1, 2, 2.5, 5, 10) if (high - low) / (step * times) <= most + 0.5)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(math.ceil(low / step),
                                                                             math.floor(high / step) + 1)]


def _log_ticks(low, high):
    """Powers of ten, and where these are few their 2- and 5-folds."""
    every = max(1, math.ceil((high - low) / 6))
    folds = (1,) if high - low > 2.5 else (1, 2, 5)
    return [fold * 10.0 ** power for power in range(math.floor(low), math.ceil(high) + 1, every) for fold in folds
            if low <= math.log10(fold) + power <= high and abs(power) < 308]


def tick_texts(values):
    """Numbers beside an axis, with equally many digits behind the point where they are steps of a line."""
    texts = [number(value) for value in values]
    digits = [len(text.partition(".")[2]) for text in texts]
    even = len(values) > 2 and math.isclose(values[1] - values[0], values[-1] - values[-2], rel_tol=1e-6)
    if not even or any("e" in text or "," in text for text in texts):
        return texts
    return [f"{value:.{max(digits)}f}".replace("-", "−") for value in values]


def _grid(y, labels):
    texts = tick_texts(labels)
    return "".join(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
                   f'<text class="tick" x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{text}</text>'
                   for v, text in zip(labels, texts, strict=True))


def _epoch_scale(first, last):
    room = WIDTH - LEFT - RIGHT
    return lambda epoch: LEFT + room / 2 if first == last else LEFT + (epoch - first) / (last - first) * room


def _epoch_ticks(x, first, last):
    wanted = [first] if first == last else sorted({max(first, round(t)) for t in _ticks(first, last, 8)} | {first})
    if len(wanted) > 2 and x(wanted[1]) - x(first) < 30:
        del wanted[1]
    marks = "".join(f'<text class="tick" x="{x(e):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{e}</text>'
                    for e in wanted)
    return marks + f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">epoch</text>'


def _line(name, epochs, values, x, y, style):
    pieces, piece = [], []
    for epoch, value in zip(epochs, values, strict=True):
        if _shown(value):
            piece.append((x(epoch), y(value)))
        elif piece:
            pieces.append(piece)
            piece = []
    pieces += [piece] if piece else []
    path = " ".join("M" + " ".join(f"{a:.1f},{b:.1f}" for a, b in _thinned(piece)) for piece in pieces if len(piece) > 1)
    drawn = f'<path class="line {style}" d="{path}"/>' if path else ""
    drawn += "".join(f'<circle class="dot {style}" cx="{piece[0][0]:.1f}" cy="{piece[0][1]:.1f}" r="3"/>'
                     for piece in pieces if len(piece) == 1)
    if len(epochs) <= POINTED:
        drawn += "".join(f'<circle class="point {style}" cx="{x(e):.1f}" cy="{y(v):.1f}" r="6"><title>{escaped(name)}, epoch '
                         f"{e}: {number(v)}</title></circle>" for e, v in zip(epochs, values, strict=True) if _shown(v))
    return drawn


def _thinned(points):
    """The points of a line, or the least and the most of each column where they are many."""
    if len(points) <= 2 * COLUMNS:
        return points
    thin, size = [points[0]], len(points) / COLUMNS
    for i in range(COLUMNS):
        column = points[int(i * size):int((i + 1) * size)]
        ends = {id(p): p for p in (min(column, key=lambda p: p[1]), max(column, key=lambda p: p[1]))}
        thin += sorted(ends.values())
    return [*thin, points[-1]]


def confusion(counts, names):
    """How often class i, a row, was taken for class j, a column; the darker, the larger its share of the row."""
    n = len(counts)
    cell = max(3.0, min(46.0, 520 / n))
    numbered, named = cell >= 20, cell >= 11
    names = [shortened(name, 16) for name in names]
    widest = max(map(cells, names)) if named else 0
    upright = widest * 7.2 > cell - 4
    left = 30 + (widest * 7.2 if named else 0)
    top = 30 + (0 if not named else widest * 5.4 + 8 if upright else 14)
    half = cell * n / 2
    parts = [f'<text class="axis" x="{left + half:.0f}" y="14" text-anchor="middle">predicted</text>',
             f'<text class="axis" transform="translate(13 {top + half:.0f}) rotate(-90)" text-anchor="middle">true</text>']
    for i, row in enumerate(counts):
        total = sum(row)
        middle = cell * (i + 0.5)
        if named:
            turn = " rotate(-45)" if upright else ""
            anchor = "start" if upright else "middle"
            parts.append(f'<text class="tick" x="{left - 6:.1f}" y="{top + middle + 4:.1f}" text-anchor="end">'
                         f'{escaped(names[i])}</text><text class="tick" transform="translate({left + middle:.1f} {top - 7:.1f})'
                         f'{turn}" text-anchor="{anchor}">{escaped(names[i])}</text>')
        for j, count in enumerate(row):
            if count or numbered:
                parts.append(_cell(i, j, count, total, (left + cell * j, top + cell * i, cell), names, numbered))
    parts.append(f'<rect class="frame" x="{left:.1f}" y="{top:.1f}" width="{cell * n:.1f}" height="{cell * n:.1f}"/>')
    right, total = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    told = f"{right} of {total} on the diagonal; rows are true classes, columns predicted ones"
    return _svg(left + cell * n + (widest * 5 if upright else 12), top + cell * n + 8, "Confusion matrix", told, "".join(parts))


def _cell(i, j, count, total, place, names, numbered):
    x, y, size = place
    share = count / total if total else 0
    kind = "right" if i == j else "wrong"
    text = f"{names[i]} taken for {names[j]}: {count} of {total}"
    drawn = (f'<rect class="{kind}" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{size - 1:.1f}" height="{size - 1:.1f}" '
             f'rx="{min(3, size / 8):.1f}" fill-opacity="{0 if not count else 0.1 + 0.9 * share:.3f}">'
             f"<title>{escaped(text)}</title></rect>")
    if numbered and count:
        small = min(12.5, (size - 4) / (len(str(count)) * 0.62))
        drawn += (f'<text class="{"on" if share > 0.5 else "off"}" x="{x + size / 2:.1f}" y="{y + size / 2 + small / 3:.1f}" '
                  f'style="font-size:{small:.1f}px">{count}</text>')
    return drawn


def scatter(points):
    """Predicted values over true ones; on the diagonal they are equal."""
    side, bottom = 400, 44
    points = [(a, b) for a, b in points if _shown(a) and _shown(b)]
    both = [v for point in points for v in point]
    y, labels = _scale(both, TOP, side, log=False)
    x = lambda v: LEFT + (side - y(v))      # noqa: E731 - the same scale, from the left
    parts = []
    for v, text in zip(labels, tick_texts(labels), strict=True):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + side - TOP}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
                     f'<text class="tick" x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{text}</text>'
                     f'<text class="tick" x="{x(v):.1f}" y="{side + 18}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="best" x1="{LEFT}" y1="{side}" x2="{LEFT + side - TOP}" y2="{TOP}"/>')
    radius = 3.2 if len(points) < 300 else 2.2
    parts += [f'<circle class="sample" cx="{x(a):.1f}" cy="{y(b):.1f}" r="{radius}"/>' for a, b in points]
    parts.append(f'<text class="axis" x="{LEFT + side - TOP}" y="{side + bottom - 8}" text-anchor="end">true</text>'
                 f'<text class="axis" transform="translate(12 {TOP}) rotate(-90)" text-anchor="end">predicted</text>')
    return _svg(LEFT + side, side + bottom, "Predicted values over true ones", f"{len(points)} points", "".join(parts))
