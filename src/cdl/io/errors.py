"""The one exception for anything wrong inside a file."""


class FileFormatError(ValueError):
    """What a file holds is not what its format promises: truncated, damaged, or of another kind.

    A file that cannot be opened at all raises the operating system's own error (FileNotFoundError,
    PermissionError, IsADirectoryError); this one means that the bytes were read and are wrong. The message names the
    file, and the place in it where there is one.

    Examples
    --------
    >>> issubclass(FileFormatError, ValueError)
    True
    """
