"""The command line of the speed table."""

import argparse
import datetime
import fnmatch
import json
import sys
from pathlib import Path

from . import report
from .harness import PEERS, Crew, available
from .rows import ROWS


def parser():
    """The options of `cdl bench`."""
    p = argparse.ArgumentParser(prog="cdl bench", description=__doc__)
    p.add_argument("rows", nargs="*", help="groups, or patterns of row names (default: every row)")
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="thread counts (default: 1 2)")
    p.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)}")
    p.add_argument("--python", default=sys.executable, help="interpreter with the peers (default: this one)")
    p.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: %(default)s)")
    p.add_argument("--ms", type=int, default=30, help="milliseconds a library has in a round (default: %(default)s)")
    p.add_argument("--store", type=Path, metavar="FILE", help="keep the figures in this JSON file")
    p.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables of the stored figures here")
    p.add_argument("--list", action="store_true", help="name the rows and the peers found, time nothing")
    return p


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


def main(argv=None):
    """Time the rows; 0 when done, 2 when nothing was asked for, 130 when interrupted."""
    options = parser().parse_args(argv)
    rows = chosen(options.rows)
    if not rows:
        print(f"cdl bench: no row is called {' or '.join(options.rows)}; --list names them", file=sys.stderr)
        return 2
    peers = [key for key in available(options.python) if not options.peers or key in options.peers]
    if options.list:
        print("\n".join(f"{row.group:8} {row.name:52} {row.goal(1)}" for row in rows))
        print("libraries found:", ", ".join(PEERS[key].title for key in peers) or "none")
        return 0
    store = json.loads(options.store.read_text()) if options.store and options.store.exists() else {}
    status = 0
    try:
        _time(options, rows, peers, store)
    except KeyboardInterrupt:
        print("\ninterrupted; the rows above are kept", file=sys.stderr)
        status = 130
    if options.store:
        options.store.write_text(json.dumps(store, indent=1))
    if options.markdown:
        options.markdown.write_text(report.markdown(store))
    return status
