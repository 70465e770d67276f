"""Images to be changed or resized, and the answer in NumPy float64 written from the formula."""

from types import SimpleNamespace

import numpy as np

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
GREY = np.array([0.299, 0.587, 0.114])
# What data augmentation usually is: of CIFAR-10 (flip and crop), and with everything.
OPTIONS = {
    "flip, crop": {"flip": 0.5, "crop": 4},
    "all": {"flip": 0.5, "crop": 4, "rotation": 15, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2},
}


def places(d):
    """Where pixel (p, q) of each result is read: (row, column) of its image, (N, size, size) each."""
    n, size = len(d.x), d.x.shape[1]
    turn, flip, _, row, column, *_ = (a[:, None, None] for a in d.draws.T)
    crop, middle = d.options["crop"], (size - 1) / 2
    y = np.arange(size)[:, None] + np.floor(row * (2 * crop + 1)) - crop - middle
    x = np.arange(size) + np.floor(column * (2 * crop + 1)) - crop - middle
    x = np.where(flip < d.options["flip"], -x, x)
    angle = np.deg2rad((2 * turn - 1) * d.options.get("rotation", 0))
    rows, columns = middle + np.cos(angle) * y + np.sin(angle) * x, middle - np.sin(angle) * y + np.cos(angle) * x
    return np.broadcast_to(rows, (n, size, size)), np.broadcast_to(columns, (n, size, size))


def factors(d):
    """The brightness, contrast and saturation of each image, (N, 3)."""
    spread = np.array([d.options.get(name, 0) for name in ("brightness", "contrast", "saturation")])
    return 1 - spread + 2 * spread * d.draws[:, 5:]


def augment(n, size, what):
    """Bytes (n, size, size, 3) moved and turned (bilinear, 0 outside), coloured, standardised as ImageNet's are."""
    rng = np.random.default_rng(0)
    d = SimpleNamespace(x=rng.integers(0, 256, (n, size, size, 3), np.uint8), draws=rng.random((n, 8)), options=OPTIONS[what])
    rows, columns = places(d)
    padded = np.pad(d.x.astype(float), ((0, 0), (size, size), (size, size), (0, 0)))
    i, j, image = np.floor(rows).astype(int), np.floor(columns).astype(int), np.arange(n)[:, None, None]
    f, g = (rows - i)[..., None], (columns - j)[..., None]
    i, j = i + size, j + size
    y = (1 - f) * ((1 - g) * padded[image, i, j] + g * padded[image, i, j + 1])
    y += f * ((1 - g) * padded[image, i + 1, j] + g * padded[image, i + 1, j + 1])
    brightness, contrast, saturation = (a[:, None, None, None] for a in factors(d).T)
    y = np.clip(y * brightness, 0, 255)
    y = np.clip(contrast * y + (1 - contrast) * (y @ GREY).mean((1, 2))[:, None, None, None], 0, 255)
    y = np.clip(saturation * y + (1 - saturation) * (y @ GREY)[..., None], 0, 255)
    return d, [(y / 255 - MEAN) / (STD + 1e-8)]


def triangles(n_in, n_out):
    """(n_out, n_in): each output pixel's weights of the input pixels, bilinear, with all of them counted when shrinking."""
    radius = max(n_in / n_out, 1)
    centre = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    weights = np.maximum(1 - abs(np.arange(n_in) - centre[:, None]) / radius, 0)
    return weights / weights.sum(1, keepdims=True)


def resize(n, height, width, size):
    """Floats (n, height, width, 3) to (n, size, size, 3)."""
    x = np.random.default_rng(0).random((n, height, width, 3), np.float32)
    rows, columns = triangles(height, size), triangles(width, size)
    y = np.einsum("ph,nhwc->npwc", rows, x.astype(float), optimize=True)
    return SimpleNamespace(x=x, size=size), [np.einsum("qw,npwc->npqc", columns, y, optimize=True)]
