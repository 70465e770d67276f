"""The page that compares runs."""
from cdl.report import charts
from cdl.report.text import duration, escaped, number, shortened, tag

__all__ = ["compared"]


def compared(runs):
    """Curves of all runs on top of each other, a table of what came out, and one of what they were told differently."""
    names = _distinct([run.name for run in runs])
    head = tag("header", tag("h1", f"{len(runs)} runs") + tag("p", escaped(", ".join(shortened(n, 40) for n in names))))
    curves = tag("section", tag("h2", "Curves") + tag("div", _curves(runs, names), class_="charts"))
    return head + tag("section", tag("h2", "Results") + _results(runs, names)) + curves + _differences(runs, names)


def _distinct(names):
    """Names of which none is another's: folders of the same name are numbered."""
    return [name if names.count(name) == 1 else f"{name} ({names[:i + 1].count(name)})" for i, name in enumerate(names)]


def _curves(runs, names):
    figures = dict.fromkeys(name for run in runs for name in run.figures)
    drawn = []
    for figure in figures:
        series = [(name, run.epochs, run.figures[figure], i) for i, (name, run) in enumerate(zip(names, runs, strict=True))
                  if figure in run.figures]
        key = charts.legend([(name, style) for name, _, _, style in series])
        drawn.append(tag("figure", tag("h3", escaped(shortened(figure, 60))) + key + charts.lines(figure, series)))
    return "".join(drawn) or tag("p", "No epoch has ended yet.", class_="note")


def _results(runs, names):
    figures = list(dict.fromkeys(name for run in runs for name in run.figures))
    shown = [name for name in figures if name.startswith("val_")] or figures
    head = ["run", "state", "best epoch", *(shortened(name, 24) for name in shown), "epochs", "time", "parameters"]
    rows = []
    for name, run in zip(names, runs, strict=True):
        cells = [shortened(name, 40), str(run.state.get("state", "running")), number(run.monitor[1]),
                 *(number(run.best(figure)) if figure in run.figures else "–" for figure in shown), str(len(run.epochs)),
                 duration(run.state.get("seconds")), number(run.parameters.get("parameters"))]
        rows.append(cells)
    return _table(head, rows, plain=2) + tag("p", "Figures are those of each run's best epoch.", class_="note")


def _differences(runs, names):
    """What the runs were told, where they were told different things."""
    told = [_flat(run.parameters) for run in runs]
    keys = [key for key in dict.fromkeys(key for one in told for key in one)
            if len({one.get(key) for one in told}) > 1 and key != "summary"]
    if not keys:
        return ""
    rows = [[key, *(shortened(one.get(key, "–"), 60) for one in told)] for key in keys]
    return tag("section", tag("h2", "Differences") + _table(["", *(shortened(name, 24) for name in names)], rows,
                                                             plain=len(names) + 1))


def _flat(parameters):
    flat = {}
    for name, value in parameters.items():
        if isinstance(value, dict):
            flat |= {str(key).replace("_", " "): str(one) for key, one in value.items()}
        else:
            flat[str(name)] = str(value)
    return flat


def _table(head, rows, plain):
    """A table whose first `plain` columns are text, the others numbers."""
    def line(cells, kind):
        return "<tr>" + "".join(f'<{kind}{"" if i < plain else " class=n"}>{escaped(cell)}</{kind}>'
                                for i, cell in enumerate(cells)) + "</tr>"
    body = "".join(line(row, "td") for row in rows)
    return tag("div", f"<table class=told><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>", class_="scroll")
