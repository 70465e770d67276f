"""The house: what each floor may import, that nothing is declared without its row or its stub, and that files can be read."""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "cdl"
KERNELS = SRC / "_core" / "kernels"
pytestmark = pytest.mark.skipif(not SRC.exists(), reason="needs the source tree")

# The floors from the ground up. A module may import from its own floor and those below it.
FLOORS = {
    "_core.kernels": 0,
    "_core.convert": 1, "_core.host": 1, "_core.memory": 1, "_core.threads": 1, "_core.tensor": 1, "_core.copy": 1,
    "_core.gate": 1, "_core.tape": 1,
    "_core": 2,
    "extras": 2, "random": 3, "init": 3, "ops": 3, "nn": 3, "losses": 3, "optim": 3, "gradcheck": 3,
    "callbacks": 4, "metrics": 4,
    "io": 4, "data": 4, "text": 4, "models": 4, "train": 4, "plot": 4,
    "sklearn": 6,
    "": 5,                                                  # the public names …
    "report": 6,
    "tuning": 6, "recipe_tune": 6,
    "bench": 6, "info": 6, "recipes": 6, "recipe_word2vec": 6, "cli": 6, "__main__": 6, # … and the programs on them
}

LINES = {"file": 500, "Python function": 60, "C function": 80}


def modules():
    """(path, name relative to cdl) of every Python and Cython file."""
    for path in sorted(SRC.rglob("*")):
        if path.suffix in {".py", ".pyx", ".pxd"}:
            yield path, ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix("__init__").rstrip(".")


KNOWN = {module for _, module in modules()}


def floor(module):
    while module not in FLOORS:
        module = module.rpartition(".")[0]
    return FLOORS[module]


def statements(path):
    """(relative level, module, names) of what a file imports or cimports when it is loaded."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom):
                yield node.level, node.module or "", [alias.name for alias in node.names]
            elif isinstance(node, ast.Import):
                yield from ((0, alias.name, []) for alias in node.names)
    else:
        for name, group, rest in re.findall(r"^from\s+([\w.]+)\s+c?import\s+(?:\(([^)]*)\)|(.+))", text, re.M):
            yield 0, name, [part.split()[0] for part in (group or rest.partition("#")[0]).split(",") if part.strip()]


def imports(path, module):
    """The modules of cdl that a file imports when it is loaded, relative to cdl."""
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    for level, name, names in statements(path):
        if level:
            name = ".".join(["cdl", *package[:len(package) - level + 1], *filter(None, [name])])
        if name.split(".")[0] == "cdl":
            base = name.removeprefix("cdl").lstrip(".")
            inner = {f"{base}.{n}".lstrip(".") for n in names} & KNOWN
            yield from inner
            if len(inner) < len(names) or not names:
                yield base


def test_the_reader_of_imports_sees_them():
    assert {"_core.tensor", "_core.gemm", "_core.kernels"} <= set(imports(SRC / "_core" / "dense.pyx", "_core.dense"))
    assert "train.loop" in set(imports(SRC / "train" / "model.py", "train.model"))


def test_imports_point_down():
    upward = sorted(f"{path.relative_to(ROOT)} imports cdl.{name}" for path, module in modules() if module
                    for name in imports(path, module) if floor(name) > floor(module))
    assert upward == []


def test_no_import_cycles():
    graph = {}
    for path, module in modules():
        if path.stem != "__init__":
            graph.setdefault(module, set()).update(imports(path, module))
    done, trail = set(), []

    def visit(module):
        assert module not in trail, f"cycle: {' → '.join([*trail[trail.index(module):], module])}"
        if module in done or module not in graph:
            return
        trail.append(module)
        for other in sorted(graph[module] - {module}):
            visit(other)
        done.add(trail.pop())

    for module in sorted(graph):
        visit(module)


def test_kernels_know_nothing_above_them():
    forbidden = r"Python\.h|numpy|omp\.h|#pragma omp|\b(malloc|calloc|realloc|free|getenv|abort|printf)\s*\("
    includes = {"immintrin.h", "arm_neon.h", "float.h", "limits.h", "math.h", "stddef.h", "stdint.h", "string.h"}
    for path in sorted(KERNELS.glob("*.[ch]")):
        text = path.read_text(encoding="utf-8")
        assert re.search(forbidden, text) is None, path.name
        assert set(re.findall(r"#include <(.+?)>", text)) <= includes, path.name


def test_openmp_is_known_in_one_place():
    found = {path.name for path, _ in modules()
             if re.search(r"\bprange\b|cimport openmp|\bomp_\w+\(", path.read_text(encoding="utf-8"))}
    assert found <= {"threads.pyx", "threads.pxd"}


def test_every_extension_has_its_stub():
    missing = [path.name for path in SRC.rglob("*.pyx") if not path.with_suffix(".pyi").exists()]
    assert missing == []


def test_every_elementwise_kernel_has_an_op_row():
    from optable import rows

    from cdl._core import kernels

    names = {row.name for row in rows()}
    missing = [op for op in [*kernels.UNARY, *kernels.BINARY] if op not in names]
    assert missing == []


def test_every_public_op_has_an_op_row():
    """Its name, or its name and a word: "argmin", "argmin first"."""
    from optable import rows

    import cdl.ops

    names = {re.match(r"\w+", row.name).group() for row in rows()}
    ops = [name for name in cdl.ops.__all__ if not isinstance(getattr(cdl.ops, name), type)]
    assert len(ops) > 50
    assert [op for op in ops if op not in names] == []


def test_every_layer_has_a_row():
    from layertable import ROWS

    import cdl

    made = [row.make if isinstance(row.make, type) else row.make() for row in ROWS]
    names = {layer.__name__ if isinstance(layer, type) else type(getattr(layer, "decoder", layer)).__name__ for layer in made}
    layers = [name for name in cdl.nn.__all__ if isinstance(getattr(cdl, name), type) and name != "Layer"]
    assert [name for name in layers if name not in names] == []


def test_every_optimizer_and_schedule_has_a_row():
    from optimtable import ROWS, SCHEDULES

    import cdl

    made = {type(row.make([cdl.Tensor([1.0], requires_grad=True)])) for row in ROWS} | {cdl.optim.Optimizer}
    made |= {type(row.make()) for row in SCHEDULES} | {cdl.optim.Schedule}
    classes = [name for name in vars(cdl.optim) if getattr(getattr(cdl.optim, name), "__module__", "").startswith("cdl.optim.")
               and isinstance(getattr(cdl.optim, name), type)]
    assert [name for name in classes if getattr(cdl.optim, name) not in made] == []


def files(*suffixes):
    """Every file of the project with one of the endings."""
    for top in ("src", "tests", "bench", ".ci"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in suffixes:
                yield path


def test_files_are_of_a_size_to_read():
    long = [f"{path.relative_to(ROOT)}: {lines} lines" for path in files(".py", ".pyx", ".pxi", ".pyi", ".c", ".h")
            if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES["file"]]
    assert long == []


def functions(path):
    """(name, lines) of every function in a Python, Cython or C file; its docstring, blank lines and comments aside."""
    text = re.sub(r'"""(?:[^"]|"(?!""))*"""', '""', path.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "//", "/*", "* "))]
    for i, line in enumerate(lines):
        if path.suffix in {".c", ".h"}:
            if re.match(r"\w.*{$", line):
                yield line, next((j - i + 1 for j in range(i, len(lines)) if lines[j].startswith("}")), 0)
        elif re.match(r"\s*(?!cdef class)(def|cdef|cpdef)\b.*\(", line):
            indent = len(line) - len(line.lstrip())
            rest = (j for j in range(i + 1, len(lines)) if len(lines[j]) - len(lines[j].lstrip()) <= indent)
            yield line.strip(), next((j for j in rest if lines[j].lstrip()[0] not in ")]}"), len(lines)) - i


def test_functions_are_of_a_size_to_read():
    long = []
    for path in files(".py", ".pyx", ".pxi", ".c", ".h"):
        limit = LINES["C function" if path.suffix in {".c", ".h"} else "Python function"]
        long += [f"{path.relative_to(ROOT)}: {name}: {n} lines" for name, n in functions(path) if n > limit]
    assert long == []


def test_lines_fit_the_screen():
    long = [f"{path.relative_to(ROOT)}:{i}" for path in files(".py", ".pyx", ".pxd", ".pxi", ".pyi", ".c", ".h", ".def")
            for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 128]
    assert long == []


def test_nothing_is_left_for_later():
    mark = re.compile("TO" "DO|FIX" "ME|X" "XX")
    found = [path.name for path in files(".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".def", ".md")
             if mark.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_loss_has_a_row():
    from losstable import ROWS

    import cdl

    names = {row.name.split()[0] for row in ROWS}
    assert [name for name in cdl.losses.LOSSES if name not in names] == []
