"""Build every C driver in tests/kernels for each instruction set and precision, and run it: no Python in the kernels' way.

A driver's first line names the kernel sources it links, `/* uses: unary.c ...`. The compiler flags are read from
kernels/meson.build, so that what is tested is what is shipped. AArch64 runs under qemu where that and a cross compiler exist.
"""
import ast
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "src" / "cdl" / "_core" / "kernels"
DRIVERS = sorted((ROOT / "tests" / "kernels").glob("*_driver.c"))
MESON = (KERNELS / "meson.build").read_text()
COMMON = ast.literal_eval(re.search(r"^kernel_args = (\[.*?\])", MESON, re.S | re.M).group(1))
X86 = {name: ast.literal_eval(flags) for name, flags in re.findall(r"^ {4}'(\w+)': (\[.*?\])", MESON, re.S | re.M)}
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


@pytest.mark.parametrize("real", ["f32", "f64"])
@pytest.mark.parametrize("target", [*X86, "aarch64"])
@pytest.mark.parametrize("driver", DRIVERS, ids=lambda path: path.stem)
def test_driver(driver, target, real, tmp_path):
    compiler, flags, runner, isa = command_for(target)
    first_line = driver.read_text().splitlines()[0]
    sources = [str(KERNELS / name) for name in re.findall(r"\w+\.c\b", first_line)]
    program = str(tmp_path / driver.stem)
    command = [*compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", *COMMON, *flags, f"-DCDL_REAL_{real}",
               f"-DCDL_ISA={isa}", f"-I{KERNELS}", str(driver), *sources, "-o", program, "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    run = subprocess.run([*runner, program], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
