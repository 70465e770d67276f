"""The command line of the speed table."""

import argparse
import datetime
import fnmatch
import json
import os
import sys
from pathlib import Path

from . import report, trials
from .harness import PEERS, Crew, available
from .rows import ROWS

DESCRIPTION = "Time cdl against NumPy and the other libraries installed, each in a process of its own."
QUICK = {"threads": [1], "rounds": 3, "ms": 8}  # under a minute and a half with every library there
FULL = {"threads": [1, 2], "rounds": 7, "ms": 30}  # about 12 minutes
HABITS = "habits"  # the group of what is no time: forks, bits, memory


def add_options(p):
    """Give an argparse parser the options of `cdl bench`."""
    p.add_argument("rows", nargs="*", help=f"groups ({', '.join(groups())}) or patterns of row names (default: all)")
    p.add_argument("--full", action="store_true", help="one and two threads, longer rounds, and the habits")
    p.add_argument("--threads", type=_count, nargs="+", metavar="N", help="thread counts (default: 1)")
    p.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)} (default: all)")
    p.add_argument("--python", default=sys.executable, help="interpreter with the other libraries (default: this one)")
    p.add_argument("--rounds", type=_count, help=f"interleaved rounds (default: {QUICK['rounds']})")
    p.add_argument("--ms", type=_count, help=f"milliseconds a library has in a round (default: {QUICK['ms']})")
    p.add_argument("--store", type=_output, metavar="FILE", help="keep the figures in this JSON file")
    p.add_argument("--markdown", type=_output, metavar="FILE", help="write the tables of the stored figures here")
    p.add_argument("--corpus", metavar="FILE", help="the text of the group word2vec, a sentence a line (default: one made up)")
    p.add_argument("--list", action="store_true", help="name the rows and the libraries found, time nothing")


def groups():
    """The groups of rows, in their order."""
    return [*dict.fromkeys(row.group for row in ROWS), HABITS]


def _count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def _output(text):
    """A path that can be written to: told before the minutes of measuring, not after them."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder" if path.is_dir() else f"there is no folder {path.parent}")
    return path


def chosen(patterns):
    """The rows that the patterns name, by group or by name."""
    if not patterns:
        return ROWS
    return [row for row in ROWS if any(p == row.group or fnmatch.fnmatch(row.name, p) for p in patterns)]


def _run_group(crew, rows, rounds, ms, results):
    """Time the rows of one group; each result is printed and appended as it comes, so that Ctrl-C loses nothing."""
    for row in rows:
        result = crew.run(row, rounds, ms)
        results.append(result)
        cells = result["cells"].items()
        words = [f"{PEERS[k].title} {report.cell(row, e, result.get('peak'))}" for k, e in cells if "skip" not in e]
        print(f"{row.name:48} " + "   ".join(words), flush=True)


def _record(crew, results):
    versions = {k: v.get("version", v.get("fail")) for k, v in crew.versions.items()}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": report.machine(),
        "realtime": crew.realtime,
        "versions": {k: v for k, v in versions.items() if any(k in r["cells"] for r in results)},
        "results": results,
    }


def _time(options, rows, peers, store):
    for threads in options.threads:
        wanted = [row for row in rows if threads in row.threads or threads not in (1, 2)]
        if not wanted:
            continue
        with Crew(peers, threads, options.python) as crew:
            for group in dict.fromkeys(row.group for row in wanted):
                print(f"\n{group}, {threads} thread{'s' * (threads > 1)}", flush=True)
                results = []
                try:
                    _run_group(crew, [r for r in wanted if r.group == group], options.rounds, options.ms, results)
                finally:
                    if results:
                        store[f"{group}, {threads} thread{'s' * (threads > 1)}"] = _record(crew, results)


def _try(options, peers, store):
    """The trials, after the times: they run at normal priority."""
    print(f"\n{HABITS}", flush=True)
    record = {"date": datetime.date.today().isoformat(), "machine": report.machine(), "realtime": False}
    store[HABITS] = record | {"versions": {}, "results": [], "trials": []}
    for trial in trials.TRIALS:
        result = trials.run(trial, peers, options.python)
        store[HABITS]["trials"].append(result)
        words = [f"{PEERS[key].title} {entry['text']}" for key, entry in result["cells"].items()]
        print(f"{trial.name} ({trial.goal}): " + "   ".join(words), flush=True)


def _list(rows, peers):
    width = max(len(row.name) for row in ROWS)
    print("\n".join(f"{row.group:8} {row.name:{width}} {row.goal(1)}" for row in rows))
    print("\n".join(f"{HABITS:8} {trial.name} {trial.goal}" for trial in trials.TRIALS))
    print("libraries found:", ", ".join(PEERS[key].title for key in peers) or "none")


def run(options):
    """Time what the options name; 0 when done, 2 when there is no such row, 130 when interrupted."""
    for name, value in (FULL if options.full else QUICK).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.corpus:
        os.environ["CDL_BENCH_CORPUS"] = os.path.abspath(options.corpus)    # the workers find it there
    rows = chosen(options.rows)
    habits = HABITS in options.rows or (options.full and not options.rows)
    if not rows and not habits:
        print(f"cdl bench: no row is called {' or '.join(options.rows)}; --list names them", file=sys.stderr)
        return 2
    wanted = [key for key in PEERS if not options.peers or key in options.peers]
    peers = available(wanted, options.python)
    if options.list:
        _list(rows, peers)
        return 0
    if len(peers) < len(wanted):
        print("not installed, left out:", ", ".join(PEERS[key].title for key in wanted if key not in peers), flush=True)
    return _measure(options, rows, habits, peers)


def _measure(options, rows, habits, peers):
    store = json.loads(options.store.read_text()) if options.store and options.store.exists() else {}
    status = 0
    try:
        _time(options, rows, peers, store)
        if habits:
            _try(options, peers, store)
    except KeyboardInterrupt:
        print("\ninterrupted; the figures above are kept", file=sys.stderr)
        status = 130
    if options.store:
        options.store.write_text(json.dumps(store, indent=1))
    if options.markdown:
        options.markdown.write_text(report.markdown(store))
    return status


def main(argv=None):
    """Run the table from command-line arguments; returns the exit status."""
    p = argparse.ArgumentParser(prog="cdl bench", description=DESCRIPTION)
    add_options(p)
    return run(p.parse_args(argv))
