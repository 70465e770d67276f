"""Pictures in files: one, or a folder of them with a folder for each class. Pillow reads them (the extra `images`)."""
import operator
import os

import numpy as np

from ..extras import require
from ..io import FileFormatError
from .image_geometry import _size, center_crop, resize

__all__ = ["ImageFolder", "read_image"]

_MODES = {1: "L", 3: "RGB"}


def read_image(path, size=None, *, channels=3, keep_aspect=True):
    """Read a picture in any format that Pillow knows (``pip install 'cdl[images]'``).

    It is turned upright where the camera noted how it was held. Grey pictures become RGB with three equal channels, colour
    pictures grey (ITU-R BT.601) for ``channels=1``; transparency is dropped, palettes are looked up, 16 bits become 8.

    Parameters
    ----------
    path : str or os.PathLike
    size : int or (int, int), optional
        Height and width to bring it to, bilinear as `resize` does; default: its own.
    channels : 3 or 1
        RGB or grey.
    keep_aspect : bool, default True
        True: it is resized so that it covers `size`, and what sticks out on two sides is cut off. False: it is stretched.

    Returns
    -------
    numpy.ndarray of uint8

    Shape
    -----
    (H, W, channels)

    Raises
    ------
    FileFormatError
        Not a picture, or a truncated or damaged one.
    OSError
        The file cannot be opened.
    ImportError
        Pillow is not installed.
    ValueError
        For other channels or sizes.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "grey.png")
    >>> Image.new("L", (60, 40), 128).save(path)
    >>> read_image(path, (32, 32)).shape
    (32, 32, 3)
    >>> folder.cleanup()
    """
    _check_channels(channels, "read_image")
    size = None if size is None else _size(size, "read_image")
    with _opened(path, "read_image") as picture:
        x = _pixels(picture, channels, path)
    if size is None:
        return x
    if keep_aspect:
        scale = max(size[0] / x.shape[0], size[1] / x.shape[1])
        covering = [max(round(n * scale), wanted) for n, wanted in zip(x.shape, size, strict=False)]
        return center_crop(resize(x[None], tuple(covering)), size)[0]
    return resize(x[None], size)[0]


class ImageFolder:
    """Pictures in a folder that has a folder for each class; read when they are asked for.

    ``folder[i]`` is (image, label). Labels number the classes in the order of their sorted names. Below a class's folder
    pictures may lie at any depth; hidden files and folders are passed over, and so are files beside the class folders.

    Parameters
    ----------
    path : str or os.PathLike
    size : int or (int, int), optional
        Height and width to bring every picture to, as `read_image` does; needed for batches unless all are of one size.
    channels : 3 or 1
        RGB or grey.
    keep_aspect : bool, default True
        Whether pictures are cut to the shape of `size`, or stretched.
    errors : "raise" or "skip", default "raise"
        What is done with files that are no pictures. "raise": a file that is of no known format is an error at once, a
        damaged one when it is read. "skip": they are left out and named in `skipped`; every file is read once for that.

    Attributes
    ----------
    classes : list of str
        The names of the classes, sorted.
    files : list of str
        The paths of the pictures, class by class, sorted.
    labels : numpy.ndarray of int64
        The class of each.
    skipped : list of str
        The paths that ``errors="skip"`` left out.

    Raises
    ------
    NotADirectoryError
        There is no such folder.
    ValueError
        It has no class folders, or one without pictures.
    FileFormatError
        A file is not a picture; it is named.
    ImportError
        Pillow is not installed (``pip install 'cdl[images]'``).

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as path:
    ...     for name in ("cat", "dog"):
    ...         os.mkdir(os.path.join(path, name))
    ...         Image.new("RGB", (60, 40)).save(os.path.join(path, name, "1.png"))
    ...     folder = ImageFolder(path, 32)
    ...     x, y = folder.load()
    >>> folder.classes, x.shape, y
    (['cat', 'dog'], (2, 32, 32, 3), array([0, 1]))

    ``Loader(folder, 32, shuffle=True, transform=Augment(flip=True, dtype="float32"))`` reads them batch by batch.
    """

    def __init__(self, path, size=None, *, channels=3, keep_aspect=True, errors="raise"):
        _check_channels(channels, "ImageFolder")
        if errors not in ("raise", "skip"):
            raise ValueError(f"ImageFolder: errors must be 'raise' or 'skip', got {errors!r}")
        self.size = None if size is None else _size(size, "ImageFolder")
        self.channels, self.keep_aspect = channels, keep_aspect
        self.classes = sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith("."))
        if not self.classes:
            raise ValueError(f"ImageFolder: {os.fspath(path)} has no folders in it; expected one for each class")
        self.files, self.skipped, labels = [], [], []
        for label, name in enumerate(self.classes):
            found = [file for file in _files_below(os.path.join(path, name)) if self._is_picture(file, errors)]
            if not found:
                raise ValueError(f"ImageFolder: the class folder {os.path.join(path, name)} has no pictures in it")
            self.files += found
            labels += [label] * len(found)
        self.labels = np.array(labels, np.int64)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        """(image, label) of picture i: uint8 (H, W, channels), and an int."""
        i = operator.index(i)
        if not -len(self) <= i < len(self):
            raise IndexError(f"ImageFolder: picture {i} is out of range for {len(self)}")
        return self._read(self.files[i]), int(self.labels[i])

    def load(self):
        """All pictures and labels as arrays: uint8 (N, H, W, channels), int64 (N,).

        Raises
        ------
        FileFormatError
            A picture is damaged; it is named.
        ValueError
            No size was given, and the pictures are of different ones.
        """
        images = [self._read(file) for file in self.files]
        for file, image in zip(self.files, images, strict=True):
            if image.shape != images[0].shape:
                raise ValueError(f"ImageFolder.load: give a size: {self.files[0]} is {images[0].shape[0]} × "
                                 f"{images[0].shape[1]}, {file} {image.shape[0]} × {image.shape[1]}")
        return np.stack(images), self.labels.copy()

    def __repr__(self):
        return f"ImageFolder({len(self)} pictures in {len(self.classes)} classes, size={self.size})"

    def _read(self, file):
        return read_image(file, self.size, channels=self.channels, keep_aspect=self.keep_aspect)

    def _is_picture(self, file, errors):
        try:
            if errors == "skip":
                self._read(file)
            else:
                _opened(file, "ImageFolder").close()        # reads the header only
        except (FileFormatError, OSError) as error:     # OSError: a link that leads nowhere, a file that may not be read
            if errors == "raise":
                raise FileFormatError(f"{error}; move it away, or pass errors='skip'") from None
            self.skipped.append(file)
            return False
        return True


def _check_channels(channels, who):
    if channels not in _MODES:
        raise ValueError(f"{who}: channels must be 3 or 1, got {channels!r}")


def _files_below(path):
    """The files at any depth, sorted, without hidden ones."""
    found = []
    for folder, inner, names in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _opened(path, who):
    """The picture of a file, its header read."""
    pillow = require("PIL.Image", "images", who)
    try:
        return pillow.open(path)
    except pillow.UnidentifiedImageError:
        raise FileFormatError(f"{os.fspath(path)}: not a picture of a format that Pillow knows") from None
    except pillow.DecompressionBombError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from None


def _pixels(picture, channels, path):
    """The bytes (H, W, channels) of an open picture."""
    turned = require("PIL.ImageOps", "images", "read_image").exif_transpose
    try:
        picture.load()
        picture = turned(picture)
        if picture.mode.startswith("I"):        # 16 bits, which Pillow would cut off at 255
            x = (np.clip(np.asarray(picture), 0, 65535) // 257).astype(np.uint8)[..., None]
            return np.ascontiguousarray(np.broadcast_to(x, (*x.shape[:2], channels)))
        if picture.mode == "F":
            raise FileFormatError(f"{os.fspath(path)}: holds floats, whose scale is not known; read it with Pillow")
        if picture.mode == "P" and "transparency" in picture.info:
            picture = picture.convert("RGBA")
        x = np.array(picture.convert(_MODES[channels]))
    except FileFormatError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, ArithmeticError) as error:
        # What Pillow's decoders raise for damaged data
        raise FileFormatError(f"{os.fspath(path)}: the picture is damaged or truncated: {error}") from None
    return x.reshape(*x.shape[:2], channels)
