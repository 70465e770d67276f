"""What the library runs on: the processor, the instruction set in use, threads, OpenMP, the build."""
import platform
import sys
from pathlib import Path

import numpy as np

import cdl
from cdl._core import bfloat16, kernels, threads

__all__ = ["info"]


def info():
    """Facts about the library on this machine, by name; what `cdl info` prints.

    Examples
    --------
    >>> import cdl.info
    >>> "threads" in cdl.info.info()
    True
    """
    facts = {
        "cdl": f"{cdl.__version__}, {'one build for every Python from 3.11' if _is_abi3() else 'built for this Python only'}",
        "python": f"{platform.python_version()}, NumPy {np.__version__}",
        "processor": _processor(),
        "kernels": kernels.ISA + ("" if kernels.ISA == kernels.CPU_ISA else f" (the processor has {kernels.CPU_ISA})"),
        "bfloat16 unit": bfloat16.bfloat16_unit(),
        "threads": str(threads.get_num_threads()),
    }
    for name, value in threads.openmp_info().items():
        text = ", ".join(value) if isinstance(value, (list, tuple)) else str(value)
        facts[name.replace("_", " ")] = "none" if value is None or value == [] else text
    return facts


def _is_abi3():
    return ".abi3." in kernels.__file__


def _processor():
    """The processor's name, where the system tells it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
