"""Pictures and CIFAR in files: what is read is what was written, and what is wrong is named."""
import io
import os
import sys
import warnings

import numpy as np
import pytest

import cdl
from cdl.data import CIFAR10_CLASSES, ImageFolder, Loader, load_cifar10, load_cifar100, read_image, resize
from cdl.io import FileFormatError

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def picture(height=20, width=30, channels=3):
    x = RNG.integers(0, 256, (height, width, channels), np.uint8)
    return x[..., 0] if channels == 1 else x


@pytest.fixture
def folder(tmp_path):
    """Two classes of three pictures each, and files that are none of its business."""
    for name, size in (("dog", (20, 30)), ("cat", (31, 17))):
        (tmp_path / name / "inner").mkdir(parents=True)
        for i in range(3):
            Image.fromarray(picture(*size)).save(tmp_path / name / ("inner" if i == 2 else ".") / f"{i}.png")
    (tmp_path / "README.txt").write_text("beside the classes")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "dog" / ".DS_Store").write_bytes(b"\0")
    return tmp_path


# --- one picture ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("format", ["png", "bmp", "tiff", "ppm"])
def test_a_picture_is_read_as_it_was_written(tmp_path, format):
    x = picture()
    Image.fromarray(x).save(tmp_path / f"x.{format}")
    np.testing.assert_array_equal(read_image(tmp_path / f"x.{format}"), x, strict=True)


def test_every_kind_of_picture_becomes_rgb_or_grey(tmp_path):
    grey, rgb, path = picture(channels=1), picture(), tmp_path / "x.png"
    luma = np.array(Image.fromarray(rgb).convert("L"))
    cases = [
        (Image.fromarray(grey), np.stack([grey] * 3, -1), grey), (Image.fromarray(rgb), rgb, luma),
        (Image.fromarray(np.dstack([rgb, grey])), rgb, luma),                           # transparency is dropped
        (Image.fromarray(grey > 99), np.stack([255 * (grey > 99)] * 3, -1), 255 * (grey > 99)),
        (Image.fromarray(grey.astype(np.uint16) * 257), np.stack([grey] * 3, -1), grey),       # 16 bits
    ]
    for image, wanted_rgb, wanted_grey in cases:
        image.save(path)
        np.testing.assert_array_equal(read_image(path), wanted_rgb)
        np.testing.assert_array_equal(read_image(path, channels=1), wanted_grey[..., None])
    palette = Image.fromarray(rgb // 64 * 64).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    palette.save(path, transparency=3)
    np.testing.assert_array_equal(read_image(path), np.array(palette.convert("RGB")))


def test_a_picture_is_turned_upright(tmp_path):
    x, exif = picture(), Image.Exif()
    exif[0x0112] = 6        # the camera was held on its side
    Image.fromarray(x).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.rot90(x, -1))


def test_the_size(tmp_path):
    x = picture(40, 60)
    Image.fromarray(x).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", 20), resize(x[None], (20, 30))[0, :, 5:25])
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", (20, 20), keep_aspect=False), resize(x[None], 20)[0])
    for size in ((1, 1), (7, 90), (80, 3), (200, 200)):
        assert read_image(tmp_path / "x.png", size).shape == (*size, 3)


def damaged():
    stream = io.BytesIO()
    Image.fromarray(picture(64, 64)).save(stream, "png")
    png = stream.getvalue()
    stream = io.BytesIO()
    Image.fromarray(picture(64, 64)).save(stream, "jpeg")
    jpeg = stream.getvalue()
    return {"text": b"no picture", "empty": b"", "short.png": png[:100], "half.png": png[:len(png) // 2],
            "half.jpg": jpeg[:len(jpeg) // 2], "flipped.png": png[:60] + bytes(b ^ 255 for b in png[60:90]) + png[90:]}


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_picture_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(damaged()[name])
    with pytest.raises(FileFormatError, match=f"{name}: (not a picture of a format|the picture is damaged or truncated)"):
        read_image(tmp_path / name)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "f.tiff")
    with pytest.raises(FileFormatError, match=r"f\.tiff: holds floats"):
        read_image(tmp_path / "f.tiff")
    for options, words in ((dict(channels=4), "read_image: channels must be 3 or 1, got 4"), (dict(size=0), "1 or more")):
        with pytest.raises(ValueError, match=words):
            read_image(tmp_path / "f.tiff", **options)


def test_pillow_is_missed_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image", raising=False)
    with pytest.raises(ImportError, match=r"read_image needs PIL, which is not installed: pip install 'cdl\[images\]'"):
        read_image("x.png")


# --- folders ----------------------------------------------------------------------------------------------------------
def test_a_folder_of_classes(folder):
    data = ImageFolder(folder, (16, 12))
    assert data.classes == ["cat", "dog"] and len(data) == 6 and data.skipped == []
    assert [os.path.relpath(file, folder) for file in data.files] == [
        f"{name}{os.sep}{file}" for name in ("cat", "dog") for file in ("0.png", "1.png", f"inner{os.sep}2.png")]
    x, y = data.load()
    assert x.shape == (6, 16, 12, 3) and x.dtype == np.uint8 and y.tolist() == [0, 0, 0, 1, 1, 1] and y.dtype == np.int64
    for i in (0, 5, -1):
        image, label = data[i]
        np.testing.assert_array_equal(image, read_image(data.files[i], (16, 12)))
        assert label == y[i]
    assert ImageFolder(folder, 8, channels=1).load()[0].shape == (6, 8, 8, 1)
    with pytest.raises(IndexError, match="picture 6 is out of range for 6"):
        data[6]
    assert repr(data) == "ImageFolder(6 pictures in 2 classes, size=(16, 12))"


def test_batches_of_a_folder(folder):
    data = ImageFolder(folder, 8)
    x, y = data.load()
    batches = list(Loader(data, 4))
    np.testing.assert_array_equal(np.concatenate([b for b, _ in batches]), x)
    np.testing.assert_array_equal(np.concatenate([b for _, b in batches]), y)
    model = cdl.Sequential([cdl.Conv2D(4, 3), cdl.Conv2D(2, 6)])
    model.fit(Loader(data, 2, transform=cdl.data.Augment(flip=True, dtype="float32")),
              loss=lambda y_true, y_pred: cdl.cross_entropy(y_true, y_pred.reshape(-1, 2)), progress=False)


def test_pictures_of_different_sizes_need_one(folder):
    data = ImageFolder(folder)
    assert data[0][0].shape == (31, 17, 3) and data[3][0].shape == (20, 30, 3)
    with pytest.raises(ValueError, match=r"ImageFolder.load: give a size: .*0.png is 31 × 17, .*dog.*0.png 20 × 30"):
        data.load()
    with pytest.raises(ValueError, match="must have equal shapes"):
        list(Loader(data, 6))


def test_files_that_are_no_pictures(folder):
    (folder / "dog" / "notes.txt").write_text("bark")
    (folder / "dog" / "half.png").write_bytes(damaged()["half.png"])
    with pytest.raises(FileFormatError, match=r"notes.txt: not a picture .* pass errors='skip'"):
        ImageFolder(folder, 8)
    data = ImageFolder(folder, 8, errors="skip")
    assert len(data) == 6 and [os.path.basename(file) for file in data.skipped] == ["half.png", "notes.txt"]
    (folder / "dog" / "notes.txt").unlink()
    data = ImageFolder(folder, 8)           # the header of half.png is whole …
    with pytest.raises(FileFormatError, match=r"half\.png: the picture is damaged or truncated"):
        data.load()                         # … and its pixels are not


def test_folders_that_are_no_classes(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path / "none")
    with pytest.raises(ValueError, match="inner has no folders in it; expected one for each class"):
        ImageFolder(folder / "dog" / "inner")
    (folder / "eel").mkdir()
    with pytest.raises(ValueError, match=r"the class folder .*eel has no pictures in it"):
        ImageFolder(folder)
    with pytest.raises(ValueError, match="errors must be 'raise' or 'skip', got 'warn'"):
        ImageFolder(folder, errors="warn")
    with pytest.raises(ValueError, match="channels must be 3 or 1"):
        ImageFolder(folder, channels=2)


def test_no_file_is_left_open(folder):
    (folder / "dog" / "half.png").write_bytes(damaged()["half.png"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolder(folder, 8, errors="skip").load()


# --- CIFAR ------------------------------------------------------------------------------------------------------------
def write_cifar(path, labels, images):
    """Records of label bytes and the three planes of 32 × 32 pixels."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    np.concatenate([np.asarray(labels, np.uint8).reshape(len(images), -1), planes], axis=1).tofile(path)


@pytest.fixture
def cifar10(tmp_path):
    x, y = RNG.integers(0, 256, (17, 32, 32, 3), np.uint8), RNG.integers(0, 10, 17)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(5):
        write_cifar(folder / f"data_batch_{i + 1}.bin", y[3 * i:3 * i + 3], x[3 * i:3 * i + 3])
    write_cifar(folder / "test_batch.bin", y[15:], x[15:])
    return folder, x, y


def test_cifar10(cifar10):
    folder, x, y = cifar10
    for place in (folder, folder.parent, str(folder)):
        (x_train, y_train), (x_test, y_test) = load_cifar10(place, dtype="uint8")
        np.testing.assert_array_equal(np.concatenate([x_train, x_test]), x, strict=True)
        np.testing.assert_array_equal(np.concatenate([y_train, y_test]), y, strict=True)
        assert len(x_train) == 15 and x_train.flags.c_contiguous
    (floats, _), _ = load_cifar10(folder)
    np.testing.assert_array_equal(floats, np.divide(x[:15], np.float32(255), dtype=np.float32), strict=True)
    assert len(CIFAR10_CLASSES) == 10 and CIFAR10_CLASSES[3] == "cat"


def test_cifar100(tmp_path):
    x, coarse, fine = RNG.integers(0, 256, (5, 32, 32, 3), np.uint8), np.array([19, 0, 3, 4, 5]), np.array([99, 0, 1, 50, 7])
    for name, part in (("train.bin", slice(3)), ("test.bin", slice(3, None))):
        write_cifar(tmp_path / name, np.stack([coarse, fine], 1)[part], x[part])
    for labels, wanted in (("fine", fine), ("coarse", coarse)):
        (x_train, y_train), (x_test, y_test) = load_cifar100(tmp_path, labels=labels, dtype="uint8")
        np.testing.assert_array_equal(np.concatenate([x_train, x_test]), x)
        np.testing.assert_array_equal(np.concatenate([y_train, y_test]), wanted)
    with pytest.raises(ValueError, match="labels must be 'fine' or 'coarse', got 'both'"):
        load_cifar100(tmp_path, labels="both")


@pytest.mark.parametrize("change, words", [
    (lambda data: data[:-1], "truncated or not of this kind: expected records of 3073 bytes .1 of label, 3072 of pixels., the "
                             "file has 9218 bytes"),
    (lambda data: b"", "the file has 0 bytes"), (lambda data: b"\x80\x04" + data, "the file has 9221 bytes"),
    (lambda data: data[:3073] + b"\x0a" + data[3074:], "expected labels from 0 to 9, record 1 has 10"),
])
def test_a_file_that_is_not_cifars(cifar10, change, words):
    path = cifar10[0] / "data_batch_3.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FileFormatError, match=f"data_batch_3.bin: .*{words}"):
        load_cifar10(cifar10[0])


def test_a_file_that_is_missing(cifar10):
    (cifar10[0] / "test_batch.bin").unlink()
    with pytest.raises(FileNotFoundError, match="the binary version of CIFAR is needed, not the one for Python"):
        load_cifar10(cifar10[0])
    with pytest.raises(ValueError, match="load_cifar10: dtype must be 'float32' or 'uint8', got 'float64'"):
        load_cifar10(cifar10[0], dtype="float64")
