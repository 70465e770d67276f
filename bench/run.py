"""python bench/run.py [GROUP ...] [options of cdl bench]: time the rows and write bench/RESULTS.md.

Without arguments it is the whole table on one and on two threads, about twelve minutes; `--python` names an interpreter
with the other libraries. The figures of each group are kept in bench/out/results.json, so that one group can be timed
again alone.
"""

import sys
from pathlib import Path

from cdl.bench import main

HERE = Path(__file__).parent
(HERE / "out").mkdir(exist_ok=True)
files = ["--store", str(HERE / "out" / "results.json"), "--markdown", str(HERE / "RESULTS.md")]
sys.exit(main([*sys.argv[1:], "--full", *files]))
