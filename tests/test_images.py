"""Images in memory: scaled, resized, cut, and changed at random, against NumPy in float64 written from the formulas."""
import numpy as np
import pytest

import cdl
from cdl.data import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Augment,
    ImageScaler,
    center_crop,
    color_jitter,
    crop,
    flip,
    load_digits,
    random_crop,
    random_flip,
    random_rotation,
    resize,
    scale_images,
)

KINDS = [np.uint8, np.float32, np.float64]


def images(kind, shape=(5, 9, 12, 3), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, shape, np.uint8) if kind == np.uint8 else rng.random(shape).astype(kind)


def close(got, want, kind, whole=1.0):
    """Bytes are off by what rounding a half may do; floats by a few units of their precision."""
    bound = {np.uint8: 0.5001, np.float32: 3e-6 * whole, np.float64: 1e-13 * whole}[kind]
    assert got.shape == want.shape
    assert abs(got.astype(np.float64) - want).max() <= bound


# --- scaled -----------------------------------------------------------------------------------------------------------
def test_scaling_reaches_the_ends_exactly():
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    for low in (0, -1):
        y = scale_images(x, low)
        assert y.dtype == np.float32 and (y.min(), y.max()) == (low, 1)
        np.testing.assert_allclose(y, low + (1 - low) * (x / 255), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(scale_images(x), np.divide(x, np.float32(255), dtype=np.float32))    # as load_mnist does
    np.testing.assert_allclose(scale_images(x, 0, 255, source=(-1, 1)), (x + 1.0) * 127.5, rtol=1e-6)


@pytest.mark.parametrize("kind, made", [(np.uint8, np.float32), (np.float16, np.float32), (np.float32, np.float32),
                                        (np.float64, np.float64), (np.dtype(">f4"), np.float32)])
@pytest.mark.parametrize("shape", [(3, 4, 5, 3), (3, 4, 5), (0, 4, 5, 3), (2, 40, 300, 20)])
def test_scaling_takes_every_dtype_and_layout(kind, made, shape):
    x = (np.random.default_rng(0).random(shape) * 255).astype(kind)
    y = scale_images(x)
    assert y.dtype == made and y.shape == shape
    np.testing.assert_allclose(y, x.astype(np.float64) / 255, rtol=1e-6)
    np.testing.assert_array_equal(scale_images(x[:, ::-1]), y[:, ::-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(7, 5, 6, 3), (7, 5, 6, 1), (7, 5, 6), (2, 3, 3, 21)])
def test_standardised_channels_have_mean_0_and_deviation_1(kind, shape):
    x = images(kind, shape)
    scaler = ImageScaler().fit(x)
    y = scaler.transform(x)
    assert y.dtype == (np.float64 if kind == np.float64 else np.float32) and y.shape == shape
    values = (x[..., None] if len(shape) == 3 else x).astype(np.float64) / (255 if kind == np.uint8 else 1)
    np.testing.assert_allclose(scaler.mean, values.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(scaler.std, values.std((0, 1, 2)), rtol=1e-6)
    want = (values - values.mean((0, 1, 2))) / (values.std((0, 1, 2)) + 1e-8)
    np.testing.assert_allclose(y, want.reshape(shape), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaler.inverse_transform(y), values.reshape(shape), atol=1e-6)


def test_bytes_and_floats_share_a_scaler():
    x = images(np.uint8)
    scaler = ImageScaler(IMAGENET_MEAN, IMAGENET_STD)
    np.testing.assert_allclose(scaler.transform(x), scaler.transform((x / 255).astype(np.float32)), atol=1e-5)
    want = (x / 255 - np.array(IMAGENET_MEAN)) / (np.array(IMAGENET_STD) + 1e-8)
    np.testing.assert_allclose(scaler.transform(x), want, rtol=1e-4, atol=1e-5)


def test_a_constant_channel_is_only_centred():
    for kind in KINDS:
        x = images(kind)
        x[..., 1] = x[0, 0, 0, 1]
        scaler = ImageScaler().fit(x)
        assert scaler.std[1] == 0 and (scaler.transform(x)[..., 1] == 0).all()


def test_the_scaler_goes_through_its_state():
    x = images(np.uint8)
    scaler = ImageScaler(eps=0.5).fit(x)
    again = ImageScaler().load_state_dict(scaler.state_dict())
    np.testing.assert_array_equal(again.transform(x), scaler.transform(x))
    np.testing.assert_array_equal(scaler.fit_transform(x), scaler.transform(x))
    assert "not fitted" in repr(ImageScaler()) and "mean [0.5]" in repr(ImageScaler(0.5, 0.5))


@pytest.mark.parametrize("use, error, words", [
    (lambda: scale_images(np.zeros((2, 2), np.uint8)), ValueError, r"scale_images: .* got shape \(2, 2\); one image x is"),
    (lambda: scale_images(np.zeros((2, 2, 2), int)), TypeError, "expected images of uint8, float32 or float64, got int64"),
    (lambda: scale_images(np.zeros((1, 0, 2, 3), np.uint8)), ValueError, "expected a batch of images"),
    (lambda: scale_images(np.ma.zeros((1, 2, 2))), TypeError, "masked"),
    (lambda: scale_images(images(np.uint8), source=(3, 3)), ValueError, "must be finite and different"),
    (lambda: scale_images(images(np.uint8), np.nan), ValueError, "must be finite and different"),
    (lambda: ImageScaler().fit(np.zeros((0, 2, 2), np.uint8)), ValueError, "ImageScaler.fit: there are no images"),
    (lambda: ImageScaler().fit(np.full((1, 2, 2), np.nan)), ValueError, "ImageScaler.fit: feature 0 holds NaN"),
    (lambda: ImageScaler().transform(images(np.uint8)), ValueError, "ImageScaler.transform: call fit first"),
    (lambda: ImageScaler(0.5, 0.5).transform(images(np.uint8)), ValueError, "expected 1 channels, got 3 in images of shape"),
    (lambda: ImageScaler(0.5), ValueError, "give mean and std"),
    (lambda: ImageScaler([0.5, 0.5], [0.5]), ValueError, "ImageScaler.load_state_dict: mean and std must have one shape"),
    (lambda: ImageScaler(0.5, -1), ValueError, "not negative"),
])
def test_what_cannot_be_scaled(use, error, words):
    with pytest.raises(error, match=words):
        use()


# --- resized, cut -----------------------------------------------------------------------------------------------------
def resized(x, size, antialias):
    """Every output pixel by its definition."""
    for axis, n in enumerate(size):
        m = x.shape[1 + axis]
        radius = max(m / n, 1) if antialias else 1
        centre = (np.arange(n) + 0.5) * m / n - 0.5
        weights = np.maximum(1 - abs(np.arange(m) - centre[:, None]) / radius, 0)
        x = np.moveaxis(np.tensordot(weights / weights.sum(1, keepdims=True), x, (1, 1 + axis)), 0, 1 + axis)
    return x


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(9, 12), (4, 5), (20, 31), (1, 1), (9, 3), (40, 1)])
def test_bilinear(kind, antialias, size):
    x = images(kind)
    y = resize(x, size, antialias=antialias)
    assert y.dtype == kind
    close(y, resized(x.astype(np.float64), size, antialias), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(9, 12), (4, 5), (20, 31), (1, 1)])
def test_nearest(kind, size):
    x = images(kind)
    rows, columns = (np.floor((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, x.shape[1:], strict=False))
    np.testing.assert_array_equal(resize(x, size, method="nearest"), x[:, rows][:, :, columns])


def test_resizing_keeps_a_constant_and_leaves_its_argument_alone():
    x = np.full((2, 50, 70), 200, np.uint8)
    x.flags.writeable = False
    assert (resize(x, 33) == 200).all() and resize(x, (50, 70)).flags.writeable
    assert resize(x[:0], 33).shape == (0, 33, 33)


def test_resizing_a_list():
    photos = [images(np.uint8, (1, 30, 20, 3))[0], images(np.uint8, (1, 8, 9, 3))[0]]
    y = resize(photos, (10, 11))
    for photo, one in zip(photos, y, strict=True):
        np.testing.assert_array_equal(one, resize(photo[None], (10, 11))[0])
    assert resize([photo[..., 0] for photo in photos], 4).shape == (2, 4, 4)


@pytest.mark.parametrize("size, antialias", [((20, 15), True), ((20, 15), False), ((100, 80), True)])
def test_resizing_agrees_with_torch(size, antialias):
    torch = pytest.importorskip("torch")
    x = images(np.float32, (2, 37, 53, 3))
    want = torch.nn.functional.interpolate(torch.from_numpy(x).permute(0, 3, 1, 2), size, mode="bilinear", antialias=antialias,
                                           align_corners=False).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(resize(x, size, antialias=antialias), want, atol=1e-5)


@pytest.mark.parametrize("size", [(20, 15), (100, 80), (37, 10)])
def test_resizing_agrees_with_pillow(size):
    """Pillow rounds after each direction and has weights of 22 bits: it is off by up to 1 from the exact value."""
    Image = pytest.importorskip("PIL.Image")
    x = images(np.uint8, (1, 37, 53, 3))
    want = np.array(Image.fromarray(x[0]).resize(size[::-1], Image.Resampling.BILINEAR))
    assert abs(resize(x, size)[0].astype(int) - want).max() <= 1


def test_crops_and_flips():
    x = images(np.uint8)
    np.testing.assert_array_equal(crop(x, 2, 3, 4, 5), x[:, 2:6, 3:8])
    np.testing.assert_array_equal(center_crop(x, (4, 5)), x[:, 2:6, 3:8])
    np.testing.assert_array_equal(center_crop(x[..., 0], 9), x[:, :, 1:10, 0])
    np.testing.assert_array_equal(flip(x), x[:, :, ::-1])
    np.testing.assert_array_equal(flip(x, "vertical"), x[:, ::-1])
    for y in (crop(x, 0, 0, 9, 12), center_crop(x, (9, 12)), flip(x)):
        assert not np.shares_memory(x, y)


@pytest.mark.parametrize("use, words", [
    (lambda x: resize(x, 0), "resize: height and width must be 1 or more, got 0 × 0"),
    (lambda x: resize(x, (1, 2, 3)), r"resize: size must be an int or \(height, width\)"),
    (lambda x: resize(x, 1.5), "resize: size must be an int"),
    (lambda x: resize(x, 4, method="cubic"), "resize: method must be 'bilinear' or 'nearest', got 'cubic'"),
    (lambda x: resize([], 4), "the list of images is empty"),
    (lambda x: resize([x[0], x[0, ..., 0]], 4), r"need the same channels and dtype, got uint8 with shape \(H, W, 3\) and"),
    (lambda x: resize(x[0, 0], 4), "expected a batch of images"),
    (lambda x: crop(x, 0, 0, 10, 1), "crop: rows 0 to 10 and columns 0 to 1 do not lie within images of 9 × 12"),
    (lambda x: crop(x, -1, 0, 2, 2), "do not lie within"), (lambda x: crop(x, 0, 0, 0, 2), "do not lie within"),
    (lambda x: crop(x[0, 0], 0, 0, 1, 1), "expected a batch"), (lambda x: center_crop(x, 10), "larger than the images"),
    (lambda x: flip(x, "diagonal"), "flip: axis must be"),
])
def test_what_cannot_be_cut(use, words):
    with pytest.raises(ValueError, match=words):
        use(images(np.uint8))


# --- changed at random ------------------------------------------------------------------------------------------------
EDGES = {"nearest": "edge", "mirror": "reflect"}


def grey(x):
    return x @ np.array([0.299, 0.587, 0.114]) if x.shape[-1] == 3 else x.mean(-1)


def augmented(x, draws, a):
    """What Augment's docstring says, image by image in float64: rotated on padded pixels, flipped, cut out, coloured."""
    whole, far = (255.0 if x.dtype == np.uint8 else 1.0), 40
    height, width = x.shape[1:3]
    rows, columns = a.size or (height, width)
    result = []
    for image, d in zip(x.astype(np.float64), draws, strict=True):
        mode = dict(mode=EDGES[a.fill]) if a.fill in EDGES else dict(mode="constant", constant_values=a.fill)
        padded = np.pad(image, ((far, far), (far, far), (0, 0)), **mode)
        top, left = (int(draw * (n + 2 * a.crop - wanted + 1)) - a.crop
                     for draw, n, wanted in zip(d[3:5], (height, width), (rows, columns), strict=True))
        p, q = np.meshgrid(np.arange(rows) + top, np.arange(columns) + left, indexing="ij")
        p = height - 1 - p if d[2] < a.flip_vertical else p
        q = width - 1 - q if d[1] < a.flip else q
        angle = np.deg2rad((2 * d[0] - 1) * a.rotation)
        y, z = p - (height - 1) / 2, q - (width - 1) / 2
        v = (height - 1) / 2 + np.cos(angle) * y + np.sin(angle) * z + far
        u = (width - 1) / 2 - np.sin(angle) * y + np.cos(angle) * z + far
        i, j = np.floor(v + 1e-12).astype(int), np.floor(u + 1e-12).astype(int)
        f, g = (v - i)[..., None], (u - j)[..., None]
        image = ((1 - f) * ((1 - g) * padded[i, j] + g * padded[i, j + 1])
                 + f * ((1 - g) * padded[i + 1, j] + g * padded[i + 1, j + 1]))
        low = [max(1 - s, 0) for s in (a.brightness, a.contrast, a.saturation)]
        b, c, s = (lo + draw * (1 + spread - lo) for lo, draw, spread in
                   zip(low, d[5:], (a.brightness, a.contrast, a.saturation), strict=True))
        image = image if b == 1 else np.clip(image * b, 0, whole)
        image = image if c == 1 else np.clip(c * image + (1 - c) * grey(image).mean(), 0, whole)
        result.append(image if s == 1 else np.clip(s * image + (1 - s) * grey(image)[..., None], 0, whole))
    return np.array(result)


OPTIONS = [
    dict(flip=True), dict(flip_vertical=0.7), dict(crop=3), dict(crop=2, size=(6, 14)), dict(size=5), dict(rotation=30),
    dict(rotation=180, fill=0.5), dict(crop=3, fill="nearest"), dict(crop=12, fill="mirror"), dict(rotation=45, fill="mirror"),
    dict(rotation=45, crop=3, fill="nearest"), dict(brightness=0.5), dict(contrast=0.5), dict(contrast=3),
    dict(flip=True, flip_vertical=True, crop=2, rotation=20, brightness=0.3, contrast=0.3, fill=0.25),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_change_is_its_formula(options, channels, kind):
    x, draws = images(kind, (6, 9, 12, channels)), np.random.default_rng(1).random((6, 8))
    a = Augment(**options)
    y = a.apply(x, draws)
    assert y.dtype == kind
    close(y, augmented(x, draws, a), kind, 4.0)     # four pixels are weighted and three factors applied


@pytest.mark.parametrize("kind", KINDS)
def test_saturation(kind):
    x, draws = images(kind), np.random.default_rng(1).random((5, 8))
    a = Augment(saturation=1.5, brightness=0.2)
    close(a.apply(x, draws), augmented(x, draws, a), kind, 4.0)


def test_a_quarter_turn_and_a_half_are_exact():
    x, draws = images(np.float64, (2, 8, 8, 3)), np.zeros((2, 8))
    draws[:, 0] = 1
    np.testing.assert_allclose(Augment(rotation=90).apply(x, draws), np.rot90(x, 1, (1, 2)), atol=1e-12)
    np.testing.assert_allclose(Augment(rotation=180).apply(x, draws), x[:, ::-1, ::-1], atol=1e-12)


def test_nothing_changes_nothing():
    for kind in KINDS:
        x = images(kind)
        y = Augment()(x)
        np.testing.assert_array_equal(x, y, strict=True)
        assert not np.shares_memory(x, y)


def test_what_is_made_of_bytes():
    x = images(np.uint8)
    draws = np.random.default_rng(0).random((5, 8))
    plain = Augment(flip=True, crop=2).apply(x, draws)
    np.testing.assert_array_equal(Augment(flip=True, crop=2, dtype="float32").apply(x, draws), scale_images(plain))
    scaler = ImageScaler().fit(x)
    y = Augment(flip=True, crop=2, scaler=scaler).apply(x, draws)
    np.testing.assert_array_equal(y, scaler.transform(plain), strict=True)
    floats = Augment(flip=True, crop=2, scaler=scaler).apply(x / 255, draws)
    assert floats.dtype == np.float64
    np.testing.assert_allclose(y, floats, atol=1e-5)


def test_grey_images_stay_without_an_axis():
    x = images(np.uint8, (5, 9, 12))
    draws = np.random.default_rng(0).random((5, 8))
    a = Augment(flip=True, crop=2, size=7, contrast=0.5)
    np.testing.assert_array_equal(a.apply(x, draws), a.apply(x[..., None], draws)[..., 0], strict=True)
    assert a(x[:0]).shape == (0, 7, 7)


def test_the_argument_is_left_alone_and_may_be_any_view():
    for kind in KINDS:
        x = images(kind)
        before = x.copy()
        x.flags.writeable = False
        draws = np.random.default_rng(0).random((5, 8))
        a = Augment(flip=True, rotation=10, brightness=0.4)
        y = a.apply(x, draws)
        np.testing.assert_array_equal(x, before)
        np.testing.assert_array_equal(a.apply(np.asfortranarray(x), draws), y)
        np.testing.assert_array_equal(a.apply(x[::-1], draws[::-1]), y[::-1])


def test_the_same_seed_gives_the_same_images_whatever_the_threads():
    x = images(np.uint8, (64, 32, 32, 3))
    a = Augment(flip=True, crop=4, rotation=15, brightness=0.2, contrast=0.2, saturation=0.2)
    before, results = cdl.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            cdl.set_num_threads(threads)
            cdl.seed(3)
            results.append(a(x))
            np.testing.assert_array_equal(a(x, rng=5), a(x, rng=5))
    finally:
        cdl.set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert (a(x) != a(x)).any()
    own = Augment(flip=True, rng=3)
    np.testing.assert_array_equal(own(x), Augment(flip=True)(x, rng=3))
    assert (own(x) != Augment(flip=True)(x, rng=3)).any()       # its own generator goes on


@pytest.mark.parametrize("seed", range(5))
def test_the_draws_are_spread_as_they_should_be(seed):
    x = np.zeros((4000, 5, 5), np.float32)
    x[:, 2, 2] = 1
    moved = Augment(crop=2)(x, rng=seed).reshape(4000, 25).argmax(1)
    counts = np.bincount(moved, minlength=25)
    assert abs(counts - 160).max() < 6 * 160**0.5           # six deviations of a binomial
    x = np.zeros((4000, 1, 2), np.float32)
    x[:, 0, 0] = 1
    flipped = Augment(flip=0.25)(x, rng=seed)[:, 0, 1].mean()
    assert abs(flipped - 0.25) < 6 * (0.25 * 0.75 / 4000)**0.5
    x = np.full((4000, 1, 1), 0.5)
    bright = 2 * Augment(brightness=0.4)(x, rng=seed).reshape(-1)
    assert 0.6 <= bright.min() < 0.61 and 1.39 < bright.max() <= 1.4 and abs(bright.mean() - 1) < 0.02


def test_the_single_changes_are_those_of_augment():
    x = images(np.uint8)
    pairs = [(random_crop(x, 2, rng=0), Augment(crop=2)), (random_flip(x, rng=0), Augment(flip=True)),
             (random_flip(x, 0.3, vertical=True, rng=0), Augment(flip_vertical=0.3)),
             (random_rotation(x, 20, fill="mirror", rng=0), Augment(rotation=20, fill="mirror")),
             (color_jitter(x, 0.1, 0.2, 0.3, rng=0), Augment(brightness=0.1, contrast=0.2, saturation=0.3)),
             (random_crop(x, 0, size=5, rng=0), Augment(size=5))]
    for got, augment in pairs:
        np.testing.assert_array_equal(got, augment(x, rng=0), strict=True)


@pytest.mark.parametrize("options, error, words", [
    (dict(flip=1.5), ValueError, "Augment: flip must be between 0 and 1, got 1.5"),
    (dict(flip="yes"), TypeError, "Augment: flip must be a number"),
    (dict(rotation=-1), ValueError, "rotation must be between 0 and 180, got -1"),
    (dict(brightness=np.inf), ValueError, "brightness must be finite and 0 or more, got inf"),
    (dict(contrast=np.nan), ValueError, "contrast must be finite"),
    (dict(crop=-1), ValueError, "crop must be a number of pixels from 0 to 16777215, got -1"),
    (dict(crop=1.5), TypeError, "integer"), (dict(size=0), ValueError, "height and width must be 1 or more"),
    (dict(fill="wrap"), ValueError, "fill must be a number, 'nearest' or 'mirror', got 'wrap'"),
    (dict(scaler=cdl.data.StandardScaler()), TypeError, "scaler must be an ImageScaler, got StandardScaler"),
    (dict(dtype="float64"), ValueError, "dtype must be 'float32' or None"),
    (dict(rng=-1), ValueError, "rng: expected an integer"),
])
def test_options_out_of_range(options, error, words):
    with pytest.raises(error, match=words):
        Augment(**options)


@pytest.mark.parametrize("options, x, error, words", [
    (dict(size=13), images(np.uint8), ValueError, "a window of 13 × 13 does not fit images of 9 × 12; a larger crop= adds"),
    (dict(size=15, crop=2), images(np.uint8), ValueError, "of 9 × 12 with 2 pixels on every side"),
    (dict(saturation=0.1), images(np.uint8, (2, 4, 4)), ValueError, "saturation needs images with 3 channels, got 1"),
    (dict(scaler=ImageScaler(0.5, 0.5)), images(np.uint8), ValueError, "the scaler has 1 channels, the images 3"),
    (dict(scaler=ImageScaler()), images(np.uint8), ValueError, "call fit first"),
    (dict(), np.zeros((2, 3), np.float32), ValueError, "Augment: expected a batch of images"),
    (dict(), np.zeros((2, 3, 3), np.int64), TypeError, "Augment: expected images of uint8, float32 or float64, got int64"),
])
def test_images_that_do_not_fit_the_options(options, x, error, words):
    with pytest.raises(error, match=words):
        Augment(**options)(x)


def test_draws_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="expected 5 rows of 9 parameters"):
        Augment().apply(images(np.uint8), np.zeros((4, 8)))


def test_fit_trains_on_changed_images():
    class Net(cdl.Model):
        def __init__(self):
            self.hidden, self.out = cdl.Dense(32, "relu"), cdl.Dense(10)

        def forward(self, x):
            return self.out(self.hidden(np.reshape(x, (len(x), -1))))

    x, y = load_digits()
    x, y = x.reshape(-1, 8, 8)[:600], y[:600]
    cdl.seed(0)
    history = Net().fit(x, y, loss="cross_entropy", epochs=20, augment=Augment(crop=1, brightness=0.1), progress=False,
                        optimizer=lambda parameters: cdl.Adam(parameters, lr=0.01))
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_one_image_with_channels_is_no_batch_of_grey_ones():
    x = np.zeros((16, 16, 3), np.uint8)
    for function in (flip, lambda x: resize(x, 8), Augment(flip=True)):
        with pytest.raises(ValueError, match=r"one image x with channels is the batch x\[None\]"):
            function(x)
