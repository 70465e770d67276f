"""`python -m cdl` is the command `cdl`."""
import sys

from cdl.cli import main

if __name__ == "__main__":
    sys.exit(main())
