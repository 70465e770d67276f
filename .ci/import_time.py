"""Report what `import cdl` costs over `import numpy`. `python .ci/import_time.py`, with cdl installed."""
import statistics
import subprocess
import sys

LIMIT = 40      # ms, the README's promise
# Processor time: on an idle machine it is the time that passes; on a busy one that would measure the machine's other work.
# Of this thread: NumPy's import leaves threads of its BLAS that spin for a while, and cdl's starts none.
CODE = "import time, numpy; started = time.thread_time(); import cdl; print(time.thread_time() - started)"


def main():
    """Print the median of 15 fresh processes; exit with a message over the limit."""
    median = statistics.median([1e3 * float(subprocess.check_output([sys.executable, "-c", CODE])) for _ in range(16)][1:])
    print(f"import cdl: {median:.1f} ms over NumPy (limit {LIMIT})")
    if median > LIMIT:
        sys.exit(f"import cdl: expected at most {LIMIT} ms over NumPy, got {median:.1f} ms")


if __name__ == "__main__":
    main()
