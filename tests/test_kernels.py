"""Build every C driver in tests/kernels for each instruction set and precision, and run it: no Python in the kernels' way.

A driver's first line names the kernel sources it links, `/* uses: unary.c ...`. The compiler flags are read from
kernels/meson.build, so that what is tested is what is shipped. AArch64 runs under qemu where that and a cross compiler exist.
The programs are independent: as many run at a time as there are processors.
"""
import ast
import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "src" / "cdl" / "_core" / "kernels"
DRIVERS = sorted((ROOT / "tests" / "kernels").glob("*_driver.c"))
MESON = (KERNELS / "meson.build").read_text()
COMMON = ast.literal_eval(re.search(r"^kernel_args = (\[.*?\])", MESON, re.S | re.M).group(1))
X86 = {name: ast.literal_eval(flags) for name, flags in re.findall(r"^ {4}'(\w+)': (\[.*?\])", MESON, re.S | re.M)}
SOURCES = re.findall(r"'(\w+\.c)'", re.search(r"^kernel_src = files\((.*?)\)", MESON, re.S | re.M).group(1))
NEEDS = {"base": {"sse4_1"}, "avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512vl", "avx512dq", "avx512bw"}}


def processor_has(isa):
    flags = Path("/proc/cpuinfo")
    return flags.exists() and NEEDS[isa] <= set(re.findall(r"\w+", flags.read_text()))


def command_for(target):
    """Return (compiler, its flags, what runs the result, the ISA's name in C), or skip where that is missing."""
    if target == "aarch64":
        compiler, runner = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
        if not (compiler and runner):
            pytest.skip("aarch64-linux-gnu-gcc and qemu-aarch64 are not both installed")
        return [compiler, "-static"], [], [runner], "base"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        pytest.skip("no C compiler")
    if platform.machine() != "x86_64":
        if target != "base":
            pytest.skip(f"{target} is an x86-64 instruction set")
        return [compiler], [], [], "base"
    if not processor_has(target):
        pytest.skip(f"this processor has no {target}")
    return [compiler], X86[target], [], target


def run_driver(driver, target, real, folder):
    """Compile a driver and run it; returns what went wrong."""
    compiler, flags, runner, isa = command_for(target)
    sources = [str(KERNELS / name) for name in re.findall(r"\w+\.c\b", driver.read_text().splitlines()[0])]
    program = str(folder / f"{driver.stem}-{target}-{real}")
    built = subprocess.run([*compiler, *options(flags, real, isa), str(driver), *sources, "-o", program, "-lm"],
                           capture_output=True, text=True, check=False)
    if built.returncode:
        return built.stderr
    run = subprocess.run([*runner, program], capture_output=True, text=True, check=False)
    return f"status {run.returncode}: {run.stdout[-4000:]}{run.stderr[-1000:]}" if run.returncode else ""


def options(flags, real, isa):
    return ["-std=gnu11", "-Wall", "-Wextra", "-Werror", *COMMON, *flags, f"-DCDL_REAL_{real}", f"-DCDL_ISA={isa}",
            f"-I{KERNELS}"]


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """The drivers of all selected tests, under way."""
    folder, started = tmp_path_factory.mktemp("kernels"), {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for item in request.session.items:
            case = getattr(item, "callspec", None)
            if case is not None and item.function is test_driver:
                key = tuple(case.params[name] for name in ("driver", "target", "real"))
                started[key] = pool.submit(run_driver, *key, folder)
        yield started
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.timeout(900)       # the first to wait may wait for all of them
@pytest.mark.parametrize("real", ["f32", "f64"])
@pytest.mark.parametrize("target", [*X86, "aarch64"])
@pytest.mark.parametrize("driver", DRIVERS, ids=lambda path: path.stem)
def test_driver(driver, target, real, runs):
    assert runs[driver, target, real].result() == ""


def test_every_kernel_has_a_driver():
    rows = set(re.findall(r"^KERNEL_ROW\((\w+)", (KERNELS / "kernels.def").read_text(), re.M))
    called = {name for driver in DRIVERS for name in re.findall(r"\bKERNEL\((\w+)\)", driver.read_text())}
    assert sorted(rows - called) == ["fma_peak"]    # a clock of the processor: its time is its result


@pytest.mark.slow
@pytest.mark.parametrize("real", ["f32", "f64"])
def test_every_kernel_compiles_for_aarch64(real, tmp_path):
    compiler, flags, _, isa = command_for("aarch64")
    assert len(SOURCES) >= 8
    built = subprocess.run([*compiler, *options(flags, real, isa), "-c", *(str(KERNELS / name) for name in SOURCES)],
                           capture_output=True, text=True, check=False, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
