"""Convolutional networks as lists of steps, their weights, and what they give in NumPy float64.

Every library reads the same steps: (what, output, inputs, options), the weights of a step being those whose names begin
with its output's. Images lie channels last here and convolutions are (R, S, C, K), as cdl has them; names are torchvision's.
"""

from types import SimpleNamespace

import numpy as np

from .reference_loss import loss_and_slope

NORM_EPSILON = 1e-5
# Weights repeat this many draws, because 138 million of them would take longer than the network; a prime, so that no two
# channels are equal.
DRAWS = 1_000_003
TEMPLATE_SHARE = 1.0  # of what an epoch trains on, the rest is noise of the same size


class Network:
    """The steps of a network, which its methods append; each returns the name of its output."""

    def __init__(self, size, channels):
        self.size, self.channels = size, channels
        self.steps, self.weights = [], {}
        self._pool = np.random.default_rng(0).standard_normal(DRAWS).astype(np.float32)

    def _step(self, what, out, *inputs, **options):
        self.steps.append((what, out, inputs, options))
        return out

    def _draw(self, name, shape, n_in):
        self.weights[name] = np.resize(self._pool, shape) * np.float32((2 / n_in) ** 0.5)

    def conv(self, x, out, channels, filters, kernel, stride=1, padding=None, bias=False):
        self._draw(out + ".weight", (kernel, kernel, channels, filters), kernel * kernel * channels)
        if bias:
            self.weights[out + ".bias"] = np.zeros(filters, np.float32)
        return self._step("conv", out, x, stride=stride, padding=kernel // 2 if padding is None else padding)

    def norm(self, x, out, channels):
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        self.weights |= {out + ".weight": 0.7 * ones, out + ".bias": 0.1 + zeros, out + ".running_mean": 0.1 + zeros,
                         out + ".running_var": 1.5 * ones}
        return self._step("norm", out, x)

    def relu(self, x):
        return self._step("relu", x + ".relu", x)

    def add(self, x, past):
        return self._step("add", x + ".sum", x, past)

    def max_pool(self, x, kernel, stride, padding=0):
        return self._step("max_pool", x + ".pool", x, kernel=kernel, stride=stride, padding=padding)

    def mean(self, x):
        return self._step("mean", x + ".mean", x)

    def flatten(self, x):
        return self._step("flatten", x + ".flat", x)

    def dense(self, x, out, inputs, outputs, image=None):
        """`image`: the (H, W, C) that the inputs were before they were flattened."""
        self._draw(out + ".weight", (inputs, outputs), inputs)
        self.weights[out + ".bias"] = np.zeros(outputs, np.float32)
        return self._step("dense", out, x, image=image)


def resnet(depth, classes, small):
    """ResNet-18 or -50; small: for 32×32 images."""
    expansion, counts = {18: (1, (2, 2, 2, 2)), 50: (4, (3, 4, 6, 3))}[depth]
    net = Network(32 if small else 224, 3)
    x = net.conv("x", "conv1", 3, 64, *((3, 1) if small else (7, 2)))
    x = net.relu(net.norm(x, "bn1", 64))
    if not small:
        x = net.max_pool(x, 3, 2, 1)
    channels = 64
    for number, count in enumerate(counts):
        for i in range(count):
            stride = 2 if number and i == 0 else 1
            x = _block(net, x, f"layer{number + 1}.{i}.", channels, 64 << number, stride, expansion)
            channels = (64 << number) * expansion
    net.dense(net.mean(x), "fc", channels, classes)
    return net


def _block(net, x, at, channels, filters, stride, expansion):
    past = x
    if stride != 1 or channels != filters * expansion:
        past = net.conv(x, at + "downsample.0", channels, filters * expansion, 1, stride)
        past = net.norm(past, at + "downsample.1", filters * expansion)
    shapes = [(filters, 3, stride), (filters, 3, 1)]
    if expansion == 4:
        shapes = [(filters, 1, 1), (filters, 3, stride), (4 * filters, 1, 1)]
    for i, (width, kernel, step) in enumerate(shapes, 1):
        x = net.norm(net.conv(x, f"{at}conv{i}", channels, width, kernel, step), f"{at}bn{i}", width)
        x = net.relu(x if i < len(shapes) else net.add(x, past))
        channels = width
    return x


def vgg16(classes):
    """VGG16 with its dense layers."""
    net, x, number, channels = Network(224, 3), "x", 0, 3
    for count, filters in zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            x = net.relu(net.conv(x, f"features.{number}", channels, filters, 3, bias=True))
            number, channels = number + 2, filters
        x, number = net.max_pool(x, 2, 2), number + 1
    x = net.relu(net.dense(net.flatten(x), "classifier.0", 49 * 512, 4096, image=(7, 7, 512)))
    net.dense(net.relu(net.dense(x, "classifier.3", 4096, 4096)), "classifier.6", 4096, classes)
    return net


def lenet5():
    """LeNet-5 with ReLU and maximum pooling, as tutorials have it."""
    net = Network(28, 1)
    x = net.max_pool(net.relu(net.conv("x", "conv1", 1, 6, 5, bias=True)), 2, 2)
    x = net.max_pool(net.relu(net.conv(x, "conv2", 6, 16, 5, padding=0, bias=True)), 2, 2)
    x = net.relu(net.dense(net.flatten(x), "fc1", 400, 120, image=(5, 5, 16)))
    net.dense(net.relu(net.dense(x, "fc2", 120, 84)), "fc3", 84, 10)
    return net


NETWORKS = {
    "resnet18": lambda: resnet(18, 10, small=True),
    "resnet50": lambda: resnet(50, 1000, small=False),
    "vgg16": lambda: vgg16(1000),
    "lenet5": lenet5,
}


# --- NumPy -----------------------------------------------------------------------------------------------------------
def _windows(x, kernel, stride, padding, fill=0.0):
    """The pixels that each tap of a kernel sees, (N, P, Q, C) each."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), constant_values=fill)
    p, q = ((n - kernel) // stride * stride + 1 for n in x.shape[1:3])
    return [x[:, r : r + p : stride, s : s + q : stride] for r in range(kernel) for s in range(kernel)]


def _conv(x, w, b, stride, padding):
    taps = w.reshape(-1, *w.shape[2:])
    y = sum(pixels @ tap for pixels, tap in zip(_windows(x, len(w), stride, padding), taps, strict=True))
    return y + b


def _norm(x, w, b, mean, var, training):
    if training:
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) / np.sqrt(var + NORM_EPSILON) * w + b


def run(net, x, training=False):
    """Every output by its name."""
    values = {"x": np.asarray(x, float)}
    for what, out, inputs, options in net.steps:
        a, *rest = (values[name] for name in inputs)
        w, b, mean, var = (np.asarray(net.weights.get(f"{out}.{name}", 0), float)
                           for name in ("weight", "bias", "running_mean", "running_var"))
        if what == "conv":
            y = _conv(a, w, b, options["stride"], options["padding"])
        elif what == "norm":
            y = _norm(a, w, b, mean, var, training)
        elif what == "max_pool":
            y = np.max(_windows(a, **options, fill=-np.inf), axis=0)
        elif what == "dense":
            y = a @ w + b
        else:
            y = {"relu": lambda a: np.maximum(a, 0), "add": np.add, "mean": lambda a: a.mean((1, 2)),
                 "flatten": lambda a: a.reshape(len(a), -1)}[what](a, *rest)
        values[out] = y
    return values


# --- rows ------------------------------------------------------------------------------------------------------------
def network_predict(name, batch):
    """The logits of a batch, which is one image again and again: its speed does not depend on that, its reference does."""
    net = NETWORKS[name]()
    image = np.random.default_rng(1).standard_normal((1, net.size, net.size, net.channels)).astype(np.float32)
    logits = run(net, image)[net.steps[-1][1]]
    return SimpleNamespace(name=name, net=net, x=np.repeat(image, batch, axis=0)), [np.repeat(logits, batch, axis=0)]


def network_step(name, batch):
    """The loss of a step with the batch's statistics, the gradients of the last layer, and that steps bring it down.

    Not compared are the gradients further down: an input of ReLU that rounding takes over 0 changes them by percents.
    Half of the images are the other half again under other labels, so that the loss has a floor.
    """
    net, rng = NETWORKS[name](), np.random.default_rng(1)
    half = rng.standard_normal((batch // 2, net.size, net.size, net.channels)).astype(np.float32)
    data = SimpleNamespace(name=name, net=net, x=np.concatenate([half, half]), y=rng.integers(0, 10, batch))
    values = run(net, data.x, training=True)
    _, last, (before,), _ = net.steps[-1]
    loss, slope = loss_and_slope(values[last].copy(), data.y)
    return data, [loss, values[before].T @ slope, slope.sum(axis=0), np.array(1)]


def network_epoch(name, samples, batch):
    """Images of ten classes, a template each under noise; the answer is the accuracy after one epoch, near 1 for everyone."""
    net, rng = NETWORKS[name](), np.random.default_rng(1)
    shape = (net.size, net.size, net.channels)
    templates, y = rng.standard_normal((10, *shape)), rng.integers(0, 10, samples)
    x = TEMPLATE_SHARE * templates[y] + rng.standard_normal((samples, *shape))
    data = SimpleNamespace(name=name, net=net, x=x.astype(np.float32), y=y, batch=batch)
    return data, [np.array(1.0)]
