"""The package as a whole: what importing and using it leaves alone, what it needs, and that it says what it is."""
import ast
import importlib
import importlib.metadata
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import cdl

SRC = Path(__file__).parent.parent / "src" / "cdl"

# Compares the state of the process before and after {action}. NumPy is loaded first: what it changes is its own affair.
STATE = """
import decimal, gc, hashlib, json, locale, os, pickle, random, signal, sys, threading, warnings
import numpy as np

def state():
    signals = {{s.name: str(signal.getsignal(s)) for s in signal.valid_signals() if isinstance(s, signal.Signals)}}
    tasks = len(os.listdir("/proc/self/task")) if {threads} and os.path.isdir("/proc/self/task") else 0
    return {{
        "warnings": repr(warnings.filters), "locale": locale.setlocale(locale.LC_ALL), "errstate": np.geterr(),
        "NumPy's random stream": hashlib.sha256(pickle.dumps(np.random.get_state())).hexdigest(),
        "Python's random stream": hash(random.getstate()), "environment": dict(os.environ), "signals": signals,
        "print options": repr(np.get_printoptions()), "directory": os.getcwd(), "path": sys.path, "threads": tasks,
        "Python threads": threading.active_count(), "hooks": [repr(sys.excepthook), repr(sys.displayhook)],
        "trace": [repr(sys.gettrace()), repr(sys.getprofile())], "gc": [gc.isenabled(), gc.get_threshold()],
        "recursion": sys.getrecursionlimit(), "decimal": repr(decimal.getcontext()), "umask": os.umask(os.umask(0)),
        "subnormals": float(np.float32(1e-40) * np.float32(1)),
    }}

np.ones(3) @ np.ones(3)
{before}
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "urllib.")):
        seen.append(event)
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"open {{arguments[0]}}")
old = state()
sys.addaudithook(watch)
{action}
new = state()
print(json.dumps([seen, {{name: [str(old[name]), str(new[name])] for name in old if old[name] != new[name]}}]))
"""
USE = """
x, y = cdl.load_digits()
model = cdl.Sequential([cdl.Dense(32, activation="relu"), cdl.Dense(10)])
model.fit(x, y, loss="cross_entropy", optimizer="adam", epochs=1)
model.predict(x)
"""


def python(code, *options):
    """The standard output of a Python program in a process of its own."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed_editable():
    """Whether importing rebuilds: an editable installation starts the compiler, which is not cdl's doing."""
    return "_cdl_editable_loader" in sys.modules


@pytest.mark.parametrize("before, action, threads", [("", "import cdl", True), ("import cdl", USE, False)],
                         ids=["import", "use"])
def test_the_process_is_left_as_it_was(before, action, threads):
    output = python(STATE.format(before=before, action=action, threads=threads))
    seen, changed = json.loads(output.splitlines()[-1])
    if installed_editable():
        seen = []
    assert (seen, changed) == ([], {})


def test_the_comparison_sees_a_change():
    action = "import socket, warnings; warnings.simplefilter('error'); os.environ['CDL_X'] = '1'; socket.socket()"
    seen, changed = json.loads(python(STATE.format(before="", action=action, threads=True)))
    assert "socket.__new__" in seen and set(changed) == {"warnings", "environment"}


def test_importing_loads_nothing_but_numpy_and_the_standard_library():
    code = "import sys; old = set(sys.modules); import cdl; print(*{m.split('.')[0] for m in set(sys.modules) - old})"
    found = {name for name in python(code).split() if not name.startswith(("_cython_", "cython_runtime"))}
    assert found - sys.stdlib_module_names == {"cdl", "numpy"}


def test_every_module_is_importable_by_itself():
    """In any order: each in an interpreter of its own would cost a second each; the first import decides cycles."""
    names = [m.name for m in pkgutil.walk_packages(cdl.__path__, "cdl.") if not m.name.endswith("__main__")]
    assert len(names) > 20
    for name in names:
        # but for the sides of libraries that need not be there
        if any(side in name for side in ("peer_", "bench.images_", "bench.attention_")):
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            assert "sklearn" in name and error.name == "sklearn", error


def test_the_version_is_the_same_everywhere():
    assert importlib.metadata.version("cdl") == cdl.__version__
    if SRC.exists():
        assert f"version: '{cdl.__version__}'" in (SRC.parent.parent / "meson.build").read_text()
        assert f"## {cdl.__version__}" in (SRC.parent.parent / "CHANGELOG.md").read_text()


def test_the_requirements_are_numpy_alone():
    requirements = importlib.metadata.requires("cdl")
    assert [r for r in requirements if "extra" not in r] == ["numpy>=1.26"]


def test_the_package_is_typed_and_carries_its_licence():
    assert (Path(cdl.__file__).parent / "py.typed").exists() or installed_editable()
    files = {Path(file).name for file in importlib.metadata.files("cdl") or ()}
    assert "LICENSE" in files or installed_editable()


def test_the_command_and_the_module_are_the_same():
    done = subprocess.run([sys.executable, "-m", "cdl", "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, f"cdl {cdl.__version__}")
    entry, = (e for e in importlib.metadata.entry_points(group="console_scripts") if e.name == "cdl")
    assert entry.value == "cdl.cli:main" and callable(entry.load())


def public():
    return {name: getattr(cdl, name) for name in dir(cdl) if not name.startswith("_")}


def test_the_public_names_are_few_and_documented():
    names = {name: value for name, value in public().items() if not inspect.ismodule(value)}
    assert len(names) <= 150
    assert [name for name, value in names.items() if callable(value) and not (value.__doc__ or "").strip()] == []


STUBS = sorted(SRC.rglob("*.pyi"))


def described(path):
    """What a stub declares: names of the module, and Class.member for the members of its classes."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign):
            yield node.target.id
        elif isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef) and not any("TypedDict" in ast.unparse(base) for base in node.bases):
            yield node.name
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AnnAssign):
                    yield f"{node.name}.{inner.name if isinstance(inner, ast.FunctionDef) else inner.target.id}"


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.stem)
def test_a_stub_says_what_its_module_has(stub):
    module = importlib.import_module(".".join(["cdl", *stub.relative_to(SRC).with_suffix("").parts]))
    said = set(described(stub))
    missing = [name for name in said if not hasattr(*_owner(module, name))]
    assert missing == []
    functions = {name for name, value in vars(module).items() if not name.startswith("_") and inspect.isroutine(value)
                 and getattr(value, "__module__", None) == module.__name__}
    assert sorted(functions - said) == []


def _owner(module, name):
    head, _, tail = name.partition(".")
    return (getattr(module, head, None), tail) if tail else (module, head)
