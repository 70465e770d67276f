"""Replacing a file all at once: a reader sees the old content or the new, never half of either."""
import contextlib
import errno
import os
import re
import stat

try:
    import fcntl
except ImportError:     # Windows, where a file that a program has open cannot be removed anyway
    fcntl = None

# fsync of a folder is refused by some network and FUSE file systems; there the rename is as durable as they make it.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES}


@contextlib.contextmanager
def atomic_write(path):
    """Open `path` for writing bytes such that it changes only if the whole block succeeds.

    The block writes to a temporary file in the same folder. At its end the file is synced to disk, renamed over the
    target, and the folder is synced. If the block raises (KeyboardInterrupt included) the temporary file is removed
    and the target is as it was.

    A target that is a symbolic link stays one: the file it points to is replaced. An existing file keeps its mode; a
    new one gets what the umask leaves. Two writers at once do not disturb each other; the later one wins.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write.

    Yields
    ------
    io.BufferedWriter
        Write bytes into it; do not close it.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    IsADirectoryError
        `path` is a folder.
    PermissionError
        The file may not be written, or the folder takes no new file.
    OSError
        `path` is a device, pipe or socket, which a rename would destroy; or the disk is full.

    Examples
    --------
    >>> import os, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "weights.bin")
    >>> with atomic_write(path) as file:
    ...     _ = file.write(b"whole")
    >>> try:
    ...     with atomic_write(path) as file:
    ...         _ = file.write(b"ha")
    ...         raise RuntimeError("in the middle")
    ... except RuntimeError:
    ...     print(path.read_bytes(), os.listdir(folder.name))
    b'whole' ['weights.bin']
    >>> folder.cleanup()
    """
    target = os.path.realpath(os.fspath(path))
    mode = _mode_of_existing(target)
    temporary = os.path.join(os.path.dirname(target), f".cdl-{os.urandom(8).hex()}.tmp")
    file = _create(temporary, path)
    try:
        with file:
            yield file
            file.flush()
            if mode is not None:
                os.chmod(temporary, mode)
            os.fsync(file.fileno())
            if os.name == "posix":      # before the lock goes, or a sweeper takes the file for a dead writer's
                os.replace(temporary, target)
        if os.name != "posix":          # where an open file cannot be renamed
            os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, temporary):
            error.filename, error.filename2 = os.fspath(path), None     # a full disk names no file
        raise
    _sync_folder(os.path.dirname(target))


def _mode_of_existing(target):
    """The permission bits of the file that will be replaced, None where there is none yet."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "cannot write a file where a folder is", target)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "only a regular file can be replaced, not a device, pipe or socket", target)
    # A rename needs no right on the file itself, so a write-protected file must be asked about.
    if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "the file is write-protected", target)
    return stat.S_IMODE(status.st_mode)


def _create(temporary, path):
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        try:
            file = os.fdopen(os.open(temporary, flags, 0o666), "wb")
        except OSError as error:  # the name the caller gave says more than the temporary one
            error.filename = os.fspath(path)
            raise
        # The lock says that the writer lives; a sweeper that was quicker has removed the file again
        if not _lock(file) or os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


def _lock(file, wait=True):
    """Whether the file is locked now: for this process until it closes it, or dies."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:     # somebody else has it, or the file system knows no locks
        return False
    return True


def require_writable(path, who):
    """The folder in which `path` may be written, or the error that says why not, before hours of work are done for it."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, f"{who}: there is no such folder; make it first", folder)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, f"{who}: the folder may not be written", folder)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, f"{who}: this is a folder; name a file", path)
    return folder


def remove_leftovers(folder):
    """Remove the temporary files in `folder` whose writers were killed; those of writers at work stay.

    Returns
    -------
    int
        How many were removed.
    """
    removed = 0
    for name in os.listdir(folder):
        if re.fullmatch(r"\.cdl-[0-9a-f]{16}\.tmp", name) is None:
            continue
        temporary = os.path.join(folder, name)
        with contextlib.suppress(OSError), open(temporary, "r+b") as file:
            if fcntl is not None and _lock(file, wait=False):
                os.unlink(temporary)
                removed += 1
        if fcntl is None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
                removed += 1
    return removed


def _sync_folder(folder):
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder one may write into but not list
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
