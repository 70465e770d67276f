"""The page of a run, and that of several."""
import math
import os
from pathlib import Path

from cdl import __version__
from cdl.io.atomic import atomic_write
from cdl.report import charts
from cdl.report.compare import compared
from cdl.report.read import RunFolder
from cdl.report.style import CSS
from cdl.report.text import duration, escaped, number, shortened, tag

__all__ = ["write_report"]

# The table of epochs shows so many from the beginning and from the end.
SHOWN_AT_EACH_END = 50
STATES = {"running": "running, or killed", "finished": "finished", "interrupted": "interrupted", "failed": "failed"}


def write_report(folders, out=None):
    """Write one self-contained HTML page about a run, or about several that are compared.

    Parameters
    ----------
    folders : str, PathLike or sequence of them
        Folders that `cdl.callbacks.Run` wrote.
    out : str or PathLike, optional
        The file of the page, replaced all at once; default: report.html in the run's folder, for several in the current one.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If a folder is no run's, or the page cannot be written.
    FileFormatError
        If a run's file is damaged.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import cdl
    >>> from cdl.report import write_report
    >>> folder = tempfile.TemporaryDirectory()
    >>> run = cdl.callbacks.Run(os.path.join(folder.name, "first"))
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, 3 * x, loss="mse", epochs=3, callbacks=[run], progress=False)
    >>> write_report(run.folder).name
    'report.html'
    >>> folder.cleanup()
    """
    folders = [folders] if isinstance(folders, (str, os.PathLike)) else list(folders)
    if not folders:
        raise ValueError("report: name the folder of a run, or of several")
    runs = [RunFolder(folder) for folder in folders]
    out = Path(out) if out is not None else Path(folders[0] if len(runs) == 1 else ".", "report.html")
    title = f"{runs[0].name} · cdl" if len(runs) == 1 else f"{len(runs)} runs · cdl"
    page = _html(title, _one(runs[0]) if len(runs) == 1 else compared(runs))
    with atomic_write(out) as file:
        file.write(page.encode("utf-8", "replace"))
    return out


def _html(title, content):
    # The icon is empty: without one a browser would ask for a file that is not there
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><title>{escaped(title)}</title><link rel="icon" href="data:,">'
            f"<style>{CSS}</style></head>\n<body><main>{content}<footer>Made by cdl {escaped(__version__)}.</footer></main>"
            "</body></html>\n")


def _section(title, content):
    return tag("section", tag("h2", escaped(title)) + content) if content else ""


def _one(run):
    about = "".join([_section("Parameters", _facts(_parameters(run))),
                     _section("Environment", _facts(run.environment))])
    model = run.parameters.get("summary")
    return "".join([
        _head(run), _tiles(run), _section("Curves", _curves(run)), _predictions(run),
        _section("Model", tag("div", tag("pre", escaped(model)), class_="scroll") if model else ""),
        tag("div", about, class_="pair"), _section("Time", _time(run)), _section("Epochs", _table(run))])


def _head(run):
    state = str(run.state.get("state", "running"))
    words = [str(run.parameters[key]) for key in ("model", "optimizer") if run.parameters.get(key)]
    if run.state.get("began"):
        words.append(f"began {run.state['began']}".replace("T", " ").replace("+00:00", " UTC"))
    badge = tag("span", escaped(STATES.get(state, state)), class_=f"state {state if state in STATES else 'running'}")
    return tag("header", tag("h1", escaped(run.name) + badge) + tag("p", escaped(" · ".join(words))))


def _tiles(run):
    monitor, best = run.monitor
    shown = [(number(run.best(monitor)), f"best {monitor}, epoch {best}")] if best else []
    names = [name for name in run.figures if name.startswith("val_") and name != monitor] or \
            [name for name in run.figures if name != monitor]
    when = f"epoch {best}" if best else "last epoch"
    shown += [(number(run.best(name)), f"{name}, {when}") for name in names[:2]]
    epochs = run.state.get("epochs")
    shown.append((f"{len(run.epochs)}", f"epochs of {epochs}" if epochs else "epochs"))
    shown.append((duration(run.state.get("seconds")), "training time"))
    if run.parameters.get("parameters") is not None:
        shown.append((number(run.parameters["parameters"]), "parameters"))
    return tag("div", "".join(tag("div", f"<b>{escaped(value)}</b><span>{escaped(what)}</span>", class_="tile")
                              for value, what in shown), class_="tiles")


def _curves(run):
    kinds = dict.fromkeys(name.removeprefix("val_") for name in run.figures)
    drawn = []
    for kind in kinds:
        names = [name for name in (kind, f"val_{kind}") if name in run.figures]
        series = [(name, run.epochs, run.figures[name], int(name.startswith("val_"))) for name in names]
        key = charts.legend([(name, style) for name, _, _, style in series])
        drawn.append(tag("figure", tag("h3", escaped(shortened(kind, 60))) + key
                         + charts.lines(kind, series, best=run.monitor[1])))
    if not drawn:
        return tag("p", "No epoch has ended yet.", class_="note")
    note = f"The dashed line is the best epoch, {run.monitor[1]}." if run.monitor[1] else ""
    return tag("div", "".join(drawn), class_="charts") + (tag("p", note, class_="note") if note else "")


def _predictions(run):
    seen = run.validation
    counts, points = seen.get("confusion"), seen.get("points")
    try:
        if counts:
            title, content = "Confusion matrix", _confusion(counts, seen.get("classes"))
        elif points:
            title, content = "True and predicted values", _scattered([(float(a), float(b)) for a, b in points])
        else:
            return ""
    except (IndexError, TypeError, ValueError) as error:
        return _section("Predictions", tag("p", f"validation.json cannot be shown: {escaped(error)}", class_="note"))
    where = f"The validation of epoch {number(seen.get('epoch'))}"
    if points and seen.get("of", 0) > len(points):
        where += f", {len(points):,} of {seen['of']:,} points"
    return _section(title, content + tag("p", escaped(where) + ".", class_="note"))


def _confusion(counts, names):
    counts = [[int(count) for count in row] for row in counts]
    n = len(counts)
    if any(len(row) != n for row in counts):
        raise ValueError("the confusion matrix is not square")
    names = [str(name) for name in names or []][:n]
    names += [str(i) for i in range(len(names), n)]
    sums = [sum(row[j] for row in counts) for j in range(n)]
    rows = "".join(f'<tr><th>{escaped(shortened(names[i], 24))}</th><td class="n">{sum(row):,}</td>'
                   f'<td class="n">{_share(row[i], sums[i])}</td><td class="n">{_share(row[i], sum(row))}</td></tr>'
                   for i, row in enumerate(counts))
    table = ('<table><thead><tr><th>class</th><th class="n">samples</th><th class="n">precision</th><th class="n">recall</th>'
             f"</tr></thead><tbody>{rows}</tbody></table>")
    if n > 30:
        table = f"<details><summary>Precision and recall of {n} classes</summary>{table}</details>"
    return tag("div", tag("figure", charts.confusion(counts, names)) + tag("div", table, class_="scroll"), class_="beside")


def _share(part, whole):
    return f"{part / whole:.3f}" if whole else "–"


def _scattered(points):
    true, error = [a for a, _ in points], [b - a for a, b in points]
    finite = [e for e in error if math.isfinite(e)]
    mean = sum(true) / len(true)
    spread = sum((a - mean) ** 2 for a in true)
    facts = {"points": len(points), "mean error": number(sum(finite) / len(finite)) if finite else "–",
             "mean absolute error": number(sum(map(abs, finite)) / len(finite)) if finite else "–",
             "R²": number(1 - sum(e * e for e in finite) / spread) if spread and finite else "–"}
    return tag("div", tag("figure", charts.scatter(points)) + tag("div", _facts(facts), class_="scroll"), class_="beside")


def _parameters(run):
    told = run.parameters
    fit = told.get("fit") if isinstance(told.get("fit"), dict) else {}
    notes = told.get("notes") if isinstance(told.get("notes"), dict) else {}
    facts = {**notes, "optimizer": told.get("optimizer"), **fit, "seed": told.get("seed"), "callbacks": told.get("callbacks")}
    return {str(name).replace("_", " "): value for name, value in facts.items() if value not in (None, [], {}, "")}


def _facts(facts):
    rows = "".join(f"<tr><th>{escaped(name)}</th><td>{escaped(_words(value))}</td></tr>" for name, value in facts.items())
    return f'<table class="facts"><tbody>{rows}</tbody></table>' if rows else ""


def _words(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(one)}" for name, one in value.items())
    return number(value) if isinstance(value, (int, float)) else str(value)


def _time(run):
    known = sorted(s for s in run.seconds if math.isfinite(s))
    if not known:
        return ""
    samples = run.parameters.get("fit", {}).get("samples") if isinstance(run.parameters.get("fit"), dict) else None
    facts = {"epochs timed": len(known), "median epoch": duration(known[len(known) // 2]),
             "quickest and slowest": f"{duration(known[0])}, {duration(known[-1])}"}
    if isinstance(samples, int) and known[len(known) // 2] > 0:
        facts["samples a second"] = number(round(samples / known[len(known) // 2]))
    chart = charts.lines("seconds of an epoch", [("seconds", run.epochs, run.seconds, 4)], log=False)
    return tag("div", tag("figure", tag("h3", "seconds of an epoch") + chart) + _facts(facts), class_="beside")


def _table(run):
    if not run.epochs:
        return ""
    count = len(run.epochs)
    shown = list(range(count))
    if count > 2 * SHOWN_AT_EACH_END:
        shown[SHOWN_AT_EACH_END:-SHOWN_AT_EACH_END] = [None]
    head = "".join(f'<th class="n">{escaped(shortened(name, 30))}</th>' for name in ("epoch", *run.figures, "seconds"))
    rows = []
    for i in shown:
        if i is None:
            more = f"… {count - 2 * SHOWN_AT_EACH_END} more …"
            rows.append(f'<tr><td class="n" colspan="{len(run.figures) + 2}">{more}</td></tr>')
            continue
        cells = [str(run.epochs[i]), *(number(column[i]) for column in run.figures.values()), duration(run.seconds[i])]
        chosen = ' class="chosen"' if run.epochs[i] == run.monitor[1] else ""
        rows.append(f"<tr{chosen}>" + "".join(f'<td class="n">{escaped(cell)}</td>' for cell in cells) + "</tr>")
    table = f'<table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<details{" open" if count <= 12 else ""}><summary>All figures</summary><div class="scroll">{table}</div></details>'
