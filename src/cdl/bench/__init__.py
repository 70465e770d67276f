"""The speed table: every declared piece of work, timed on cdl and on the libraries people would otherwise use.

`cdl bench` and `bench/run.py` both end in :func:`main`. Each library runs in a process of its own, which imports this
folder under another name, so that no peer is timed with a second OpenMP runtime loaded beside its own.
"""


def main(argv=None):
    """Run the table from command-line arguments; returns the exit status."""
    from .command import main as run

    return run(argv)
