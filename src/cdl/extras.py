"""Messages: a dependency that is missed in one line that says how to get it, a name that is nearest to an unknown one."""
import importlib


def require(module, extra, purpose):
    """Import a module of an optional dependency.

    Parameters
    ----------
    module : str
        Its dotted name, ``"matplotlib.pyplot"``.
    extra : str
        The extra of this package that installs it, ``"plot"`` for ``pip install 'cdl[plot]'``.
    purpose : str
        What it is needed for, as the message begins: ``"History.plot"``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        It is not installed. A dependency that is installed and fails in its own import raises what it raises.

    Examples
    --------
    >>> require("math", "plot", "History.plot").sqrt(4)
    2.0
    >>> require("no_such_package.part", "plot", "History.plot")
    Traceback (most recent call last):
    ImportError: History.plot needs no_such_package, which is not installed: pip install 'cdl[plot]'
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (package, module):
            raise
    raise ImportError(f"{purpose} needs {package}, which is not installed: pip install 'cdl[{extra}]'", name=package)


def nearest(name, names):
    """What to add to the message of an unknown name: the most similar of `names`, or nothing.

    Examples
    --------
    >>> nearest("adm", ["adam", "sgd"])
    "; did you mean 'adam'?"
    >>> nearest("lbfgs", ["adam", "sgd"])
    ''
    """
    import difflib  # only for messages: `import cdl` is quicker without it

    near = difflib.get_close_matches(str(name), [str(one) for one in names], 1)
    return f"; did you mean {near[0]!r}?" if near else ""
