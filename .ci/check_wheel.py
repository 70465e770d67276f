"""Check a release wheel: its size, its tag, its own libgomp, what it exports. `python .ci/check_wheel.py WHEEL`."""
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LIMIT = 3 << 20


def main(path):
    """Print the figures of the wheel at `path`; exit with a message where one breaks a promise."""
    wheel = Path(path)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e3:.0f} kB")
    if wheel.stat().st_size > LIMIT:
        sys.exit(f"the wheel is larger than {LIMIT} bytes")
    if "-cp311-abi3-" not in wheel.name:
        sys.exit("the wheel is not cp311-abi3: it would not serve later Pythons")
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = archive.namelist()
        if sys.platform == "linux" and not any("libgomp" in name for name in names):
            sys.exit("the wheel does not carry its libgomp")
        for name in names:
            if ".abi3.so" in name:
                check_exports(Path(archive.extract(name, folder)))


def check_exports(library):
    """A module exports its PyInit function and nothing else, or it could meet another library's symbols."""
    table = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True).stdout
    exported = [line.split()[-1] for line in table.splitlines()]
    if exported != [f"PyInit_{library.name.split('.')[0]}"]:
        sys.exit(f"{library.name} exports {exported}")


if __name__ == "__main__":
    main(sys.argv[1])
