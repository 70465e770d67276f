"""Optional dependencies: imported when they are needed, and missed in one line that says how to get them."""
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
