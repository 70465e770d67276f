"""The table, for a terminal and for RESULTS.md."""

import os
import platform
from pathlib import Path

from .harness import PEERS
from .rows import ROWS

HEAD = """# Speed against other libraries

Written by `python bench/run.py`; what each row does is in `src/cdl/bench`. Each library runs in a process of its own,
on so many cores and no more; the rows of a group are timed in interleaved rounds, and a figure is the median over them.
A share in brackets is of the FMA peak measured in the same rounds. Every output and gradient was compared with NumPy
float64 first; float32 throughout.
"""


def duration(us):
    """Three digits and a unit."""
    for unit, size in (("s", 1e6), ("ms", 1e3), ("µs", 1.0)):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us * 1e3:.3g} ns"


def share(row, us, peak):
    """The share of the FMA peak that this time means, or None."""
    return row.flop / us / 1e3 / peak if row.flop and peak else None


def cell(row, entry, peak):
    """One library's time at one row."""
    if entry is None or "skip" in entry:
        return "–"
    if "us" not in entry:
        return "failed: " + entry.get("fail", "no answer")
    part = share(row, entry["us"], peak)
    return duration(entry["us"]) + (f" ({part:.0%})" if part else "")


def best_peer(result):
    """The fastest library that is not ours, and its microseconds; None where there is none."""
    times = {key: entry["us"] for key, entry in result["cells"].items() if key != "cdl" and "us" in entry}
    return min(times.items(), key=lambda item: item[1]) if times else None


def reached(row, result, single):
    """Whether every goal of the row is met; None where cdl was not timed. `single` is our time on one thread."""
    us = result["cells"].get("cdl", {}).get("us")
    if us is None:
        return None
    threads, best = result["threads"], best_peer(result)
    goals = [best is None or best[1] / us >= row.ratio]
    if row.share(threads):
        part = share(row, us, result.get("peak"))
        goals.append(part is not None and part >= row.share(threads))
    for _, keys, ratio in row.over:
        goals += [result["cells"][key]["us"] / us >= ratio for key in keys if "us" in result["cells"].get(key, {})]
    if row.micros:
        goals.append(us <= row.micros)
    if row.scale and threads > 1 and single:
        goals.append(single / us >= row.scale)
    return all(goals)


def find(name):
    """The row of that name."""
    return next((row for row in ROWS if row.name == name), None)


def table(results, singles):
    """Markdown lines for the results of one group at one thread count."""
    keys = [key for key in PEERS if any({"us", "fail"} & set(r["cells"].get(key, {})) for r in results)]
    lines = ["| work | to reach | " + " | ".join(PEERS[k].title for k in keys) + " | best peer / cdl | reached |"]
    lines.append("|---" * (len(keys) + 4) + "|")
    for result in results:
        row = find(result["row"])
        if row is None:
            continue
        best, ours = best_peer(result), result["cells"].get("cdl", {}).get("us")
        ratio = f"{best[1] / ours:.2f} ({PEERS[best[0]].title})" if best and ours else "–"
        met = reached(row, result, singles.get(row.name))
        cells = [cell(row, result["cells"].get(key), result.get("peak")) for key in keys]
        verdict = "–" if met is None else "yes" if met else "no"
        lines.append("| " + " | ".join([row.name, row.goal(result["threads"]), *cells, ratio, verdict]) + " |")
    return lines


def habits(results):
    """Markdown lines for the trials."""
    keys = [key for key in PEERS if any(key in result["cells"] for result in results)]
    lines = ["| what | to reach | " + " | ".join(PEERS[key].title for key in keys) + " | reached |"]
    lines.append("|---" * (len(keys) + 3) + "|")
    for result in results:
        cells = [result["cells"].get(key, {}).get("text", "–") for key in keys]
        verdict = {True: "yes", False: "no", None: "–"}[result["cells"].get("cdl", {}).get("ok")]
        lines.append("| " + " | ".join([result["trial"], result["goal"], *cells, verdict]) + " |")
    return lines


def machine():
    """The processor, what it can do that matters here, and how many cores this process may use."""
    fields = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    flags = [f for f in ("avx2", "fma", "avx512f", "avx512_bf16") if f in fields.get("flags", "").split()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = fields.get("model name", platform.processor() or platform.machine())
    family = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    able = ", ".join(flags) or platform.machine()
    return f"{name}{family}, {cores} cores, {able}; {platform.system()} {platform.release()}"


def markdown(store):
    """RESULTS.md from every stored run: {"group, N threads": {date, results, versions, …}}."""
    lines = [HEAD]
    singles = {
        r["row"]: r["cells"]["cdl"]["us"]
        for run in store.values()
        for r in run["results"]
        if r["threads"] == 1 and "us" in r["cells"].get("cdl", {})
    }
    for title, run in store.items():
        peaks = [r["peak"] for r in run["results"] if "peak" in r]
        lines += [f"## {title}", ""]
        priority = "real-time" if run["realtime"] else "normal"
        lines += [f"{run['date']}; {run['machine']}; {priority} priority."]
        if "trials" in run:
            lines += ["", *habits(run["trials"]), ""]
            continue
        lines += ["Versions: " + "; ".join(f"{PEERS[k].title} {v}" for k, v in run["versions"].items()) + "."]
        lines += [f"FMA peak {min(peaks):.0f}–{max(peaks):.0f} GF/s."] if peaks else []
        lines += ["", *table(run["results"], singles), ""]
    return "\n".join(lines)
