"""Every example runs: in docstrings, those of the extension modules included, and in README."""
import ast
import contextlib
import doctest
import importlib
import importlib.util
import inspect
import io
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import cdl
from cdl import losses, nn, optim

ROOT = Path(__file__).parent.parent
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
# Packages that need more than NumPy to be imported at all.
OPTIONAL = [] if importlib.util.find_spec("sklearn") else ["cdl.sklearn"]
MODULES = ["cdl", *(m.name for m in pkgutil.walk_packages(cdl.__path__, "cdl.")
                    if not m.name.endswith("__main__") and "peer_" not in m.name and "bench.images_" not in m.name
                    and "bench.attention_" not in m.name and not m.name.startswith(tuple(OPTIONAL)))]


def docstrings(module):
    """(name, docstring) of a module and of what it defines; doctest's own finder overlooks an extension's properties."""
    yield module.__name__, module.__doc__
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield f"{module.__name__}.{name}", value.__doc__
            for member, inner in vars(value).items():
                yield f"{module.__name__}.{name}.{member}", getattr(inner, "__doc__", None)
        elif callable(value):
            yield f"{module.__name__}.{name}", value.__doc__


EXAMPLES = [pytest.param(name, text, id=name) for module in MODULES
            for name, text in docstrings(importlib.import_module(module)) if isinstance(text, str) and ">>>" in text]


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """A folder of its own, the same random numbers, and the settings put back."""
    monkeypatch.chdir(tmp_path)
    cdl.seed(0)
    threads = cdl.get_num_threads()
    yield
    cdl.set_num_threads(threads)


@pytest.mark.parametrize("name, text", EXAMPLES)
def test_docstring(name, text, clean):
    space = dict(vars(importlib.import_module(next(m for m in sorted(MODULES, key=len, reverse=True) if name.startswith(m)))))
    test = doctest.DocTestParser().get_doctest(text, {**space, "np": np, "cdl": cdl}, name, None, 0)
    report = io.StringIO()
    result = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(test, out=report.write)
    assert result.failed == 0, report.getvalue()


def test_the_extension_modules_examples_are_among_them():
    assert "cdl._core.tensor.Tensor" in {parameters.id for parameters in EXAMPLES}


def test_every_public_name_has_an_example():
    public = {name: value for name, value in vars(cdl).items() if not name.startswith("_") and callable(value)
              and not (isinstance(value, type) and issubclass(value, Exception))}
    assert len(public) > 20
    assert sorted(name for name, value in public.items() if ">>>" not in (value.__doc__ or "")) == []


def blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else ""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def run_statement(node, line, space):
    """Run one statement; if it ends in a comment and shows something, that must be what the comment says."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), np.printoptions(precision=3):
        if isinstance(node, ast.Expr):
            value = eval(compile(ast.Expression(node.value), "README.md", "eval"), space)
            if value is not None and "print(" not in line:
                print(repr(value))
        else:
            exec(compile(ast.Module([node], []), "README.md", "exec"), space)
    comment = line.partition("#")[2].strip()
    if isinstance(node, ast.Expr) and comment and shown.getvalue():
        wanted = comment.replace("…", "...") + "\n"
        assert doctest.OutputChecker().check_output(wanted, shown.getvalue(), OPTIONS), f"{comment} is {shown.getvalue()}"
        return 1
    return 0


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="needs the source tree")
def test_readme(clean):
    """The blocks of Python in their order, in one program."""
    space, compared = {}, 0
    for block in blocks("python"):
        if OPTIONAL and "sklearn" in block:
            continue
        for node in ast.parse(block).body:
            compared += run_statement(node, block.splitlines()[node.end_lineno - 1], space)
    assert compared >= 2


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="needs the source tree")
def test_readme_names_what_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What is in it")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", text))
    assert sorted({*nn.__all__, *losses.__all__, *optim.__all__} - {"Optimizer", "Schedule"} - named) == []


PAGES = sorted(p for top in (".", "bench") for p in (ROOT / top).glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
