"""The sections that the docstrings of all elementwise functions share."""
_OPERAND = """
    {name} : array_like
        Integers and booleans become float32{but}."""
_SHARED = """
    Parameters
    ----------{operands}{options}

    Returns
    -------
    Tensor, ndarray or NumPy scalar
        {shape}; a Tensor if an argument is one.

    Raises
    ------
    TypeError
        For complex, object, string and date data, masked arrays and None.{raises}
"""


def elementwise(*names, options="", but="", raises=""):
    """Write the shared sections into a function's docstring, before its examples: `names` are its array arguments."""
    def complete(function):
        shape = "Of x's shape" if len(names) == 1 else "Of the shape that the arguments broadcast to"
        operands = "".join(_OPERAND.format(name=name, but=but) for name in names)
        shared = _SHARED.format(operands=operands, options=options, shape=shape, raises=raises)
        head, _, examples = function.__doc__.partition("\n    Examples\n")
        function.__doc__ = f"{head}{shared}\n    Examples\n{examples}"
        return function
    return complete
