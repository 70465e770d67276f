"""Every piece of work that is timed, once. The harness, the peers, the table and `cdl bench --list` read these rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    group: str  # rows of one group are timed in one interleaved run
    name: str
    kind: str  # the function of reference.py and of each peer's module that knows this work
    args: tuple
    flop: float = 0.0
    peak: tuple = ()  # share of the FMA peak to reach on one thread, and on two where that is given
    ratio: float = 1.0  # the best peer's time over ours, to reach
    over: tuple = ()  # the same for some peers: (their names, their keys, ratio) each
    scale: float = 0.0  # our time on one thread over ours on two, to reach
    micros: float = 0.0  # our time, to reach
    tolerance: float = 1e-4  # largest error allowed, as a share of the largest value of the float64 reference
    peers: tuple = ()  # the only libraries compared; empty: each that knows the work
    threads: tuple = (1, 2)

    def goal(self, threads):
        """The figures to reach on so many threads, in words."""
        share = self.share(threads)
        parts = [f"≥ {share:.0%} of peak"] if share else []
        parts += [f"≤ {self.micros:g} µs"] if self.micros else []
        parts += [f"≥ {self.scale:g} × one thread"] if self.scale and threads > 1 else []
        parts += [f"≥ {ratio:g} × {names}" for names, _, ratio in self.over]
        return ", ".join([*parts, f"≥ {self.ratio:g} × the best peer"])

    def share(self, threads):
        """The share of the FMA peak to reach on so many threads, 0 where none is asked for."""
        return self.peak[threads - 1] if threads <= len(self.peak) else 0


def _gemm(m, k, n, act=None, **goals):
    name = f"{m} × {k} × {n}" + (f" + {act}" if act else "")
    return Row("gemm", name, "dense", (m, k, n, act), flop=2.0 * m * k * n, **goals)


def _backprop(batch, sizes=(784, 512, 10)):
    i, h, o = sizes
    flop = 2.0 * batch * (2 * i * h + 3 * h * o)  # forward, dW of both layers, dX of the second only
    name = f"Dense {i}-{h}-{o} forward + backward, batch {batch}"
    return Row("dense", name, "backprop", (batch, *sizes), flop=flop, peak=(0.88, 0.75))


def _unary(op, n, grad):
    size = "1M" if n == 1 << 20 else "64k"
    name = f"{op} {size}" + (" forward + backward" if grad else " forward")
    kind, ratio = ("unary_grad", 1.5) if grad else ("unary", 1.0)
    return Row("unary", name, kind, (op, n), ratio=ratio)


def _rows_of(kind, title, rows, n):
    return Row("softmax", f"{title} ({rows}, {n}) forward + backward", kind, (rows, n), ratio=3)


def _norm(kind, title, rows, n):
    return Row("norm", f"{title} ({rows}, {n}) forward + backward", "norm_grad", (kind, rows, n), ratio=3)


def _conv(ratio, n, size, channels, filters, kernel=3, stride=1, grad=None, title=""):
    """Forward, and with its own ratio forward + backward; 'same' padding but where a LeNet has none."""
    padding = 0 if title == "LeNet's second" else kernel // 2
    args = (n, size, channels, filters, kernel, stride, padding)
    pixels = n * ((size + 2 * padding - kernel) // stride + 1) ** 2
    flop = 2.0 * pixels * kernel**2 * channels * filters
    name = f"{kernel} × {kernel}{f' / {stride}' if stride > 1 else ''}, {channels} → {filters} at {size}², batch {n}"
    name = f"{title}: {name}" if title else name
    lines = [Row("conv", name + " forward", "conv", args, flop=flop, ratio=ratio)]
    if grad:
        passes = 3 if channels > 3 else 2
        lines.append(Row("conv", name + " forward + backward", "conv_grad", args, flop=passes * flop, ratio=grad))
    return lines


CONVOLUTIONS = [
    *(
        row
        for channels, size, ratio, grad in ((64, 56, 1.6, 1.5), (128, 28, 1.6, 1.5), (256, 14, 1.6, 1.5), (512, 7, 1.2, 1.2))
        for n in (1, 16)
        for row in _conv(ratio, n, size, channels, channels, grad=grad)
    ),
    *_conv(1.7, 1, 224, 64, 64, title="VGG"),
    *_conv(1.7, 1, 14, 512, 512, title="VGG"),
    *(row for n in (1, 16) for row in _conv(1.5, n, 224, 3, 64, 7, 2, grad=1.5, title="stem")),
    *_conv(1.3, 1, 56, 64, 256, 1),
    *_conv(1.3, 1, 14, 1024, 256, 1),
    *_conv(1.3, 1, 56, 256, 512, 1, 2),
    *(
        row
        for n in (1, 16)
        for title, sizes in (("LeNet's first", (28, 1, 6, 5)), ("LeNet's second", (14, 6, 16, 5)))
        for row in _conv(1.0, n, *sizes, grad=3.0, title=title)
    ),
]

# Multiply-adds of one image, forward.
MULTIPLY_ADDS = {"resnet18": 0.5554e9, "resnet50": 4.089e9, "vgg16": 15.470e9, "lenet5": 416_520}


def _network(name, title, batch, **goals):
    flop = 2.0 * batch * MULTIPLY_ADDS[name]
    return Row("cnn", f"{title} inference, batch {batch}", "network_predict", (name, batch), flop=flop, **goals)


NETWORKS = [
    # Ten steps bring the loss down by a tenth at least; of 60 layers in float32 1e-3 is left (see network_step).
    Row("cnn", "ResNet-18 training step, 32² images, batch 32", "network_step", ("resnet18", 32), ratio=1.5, tolerance=1e-3,
        flop=3 * 2 * 32 * MULTIPLY_ADDS["resnet18"]),
    # The reference is an accuracy of 1.
    Row("cnn", "LeNet-5, 28² images, an epoch of 6,400 at batch 64", "network_epoch", ("lenet5", 6400, 64), ratio=4,
        tolerance=0.02, flop=3 * 2 * 6400 * MULTIPLY_ADDS["lenet5"]),
    *(_network("vgg16", "VGG16 224²", batch, ratio=1.4) for batch in (1, 8)),
    *(_network("resnet50", "ResNet-50 224²", batch, ratio=1.15) for batch in (1, 8)),
    _network("lenet5", "LeNet-5", 1, micros=10, threads=(1,)),
]


def _recurrent(cell, t, n, units, **goals):
    """Forward, and forward + backward with the gradients of the input and of all weights: twice the forward's work."""
    flop = 2.0 * t * n * 2 * units * units * {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    name = f"{cell.upper()} T{t} batch {n} h{units}"
    both = goals.pop("both")
    return [Row("recurrent", name + " forward", "recurrent", (cell, t, n, units), flop=flop, **goals),
            Row("recurrent", name + " forward + backward", "recurrent_grad", (cell, t, n, units), flop=3 * flop, **both)]


RECURRENT = [
    *(row for cell, share, back in (("lstm", 0.9, 0.85), ("gru", 0.85, 0.85), ("rnn", 0.8, 0.8))
      for sizes in ((50, 32, 256), (100, 64, 512))
      for row in _recurrent(cell, *sizes, peak=(share,), both={"peak": (back,)})),
    *(row for cell in ("lstm", "gru") for row in _recurrent(cell, 50, 1, 256, ratio=1.3, both={"ratio": 2.0})),
    Row("recurrent", "LSTM cell step h128 batch 1", "cell_step", (128,), micros=5, threads=(1,)),
    # Sums of 3,200 rows after 100 steps of two layers: 1e-3 is what float32 leaves of them.
    Row("recurrent", "char LSTM training step, 2 layers of 256, T100, batch 32", "char_step", (2, 256, 100, 32), ratio=1.3,
        flop=3 * 2.0 * 100 * 32 * (4 * 256 * (96 + 3 * 256) + 256 * 96), tolerance=1e-3),
]


def _transformer_flop(layers, width, tokens, length, seen):
    """Of `length` positions that see `seen` each on average: two for each weight but the table's, and for each product."""
    return 2.0 * length * (12 * layers * width**2 + tokens * width + 2 * layers * seen * width)


TRANSFORMERS = [
    # Each position sees half of the others.
    Row("transformer", "GPT (6 layers, 384 wide) training step, T 256, batch 8", "transformer_step", ("small-gpt", 8, 256),
        flop=3 * 8 * _transformer_flop(6, 384, 256, 256, 128), ratio=1.2, tolerance=1e-3),
    *(Row("transformer", f"BERT-base T 128 inference, batch {batch}", "transformer_predict", ("bert-base", batch, 128),
          flop=batch * _transformer_flop(12, 768, 0, 128, 128), ratio=1.1) for batch in (1, 8)),
    # Over the features' largest value; a product of rounded operands is within 2⁻⁷ of the sum of what it adds up.
    *(Row("transformer", f"BERT-base T 128 inference in bfloat16, batch {batch}", "transformer_predict_bfloat16",
          ("bert-base", batch, 128), flop=batch * _transformer_flop(12, 768, 0, 128, 128), tolerance=0.05) for batch in (1, 8)),
    # Its bound is reading 494 MB of weights.
    Row("transformer", "GPT-2 small, a token after 128 from the cache", "transformer_token", ("gpt2", 128),
        flop=_transformer_flop(12, 768, 50257, 1, 129)),
    # Where a library's own overhead counts.
    Row("transformer", "GPT (2 layers, 64 wide) training step, T 64, batch 4", "transformer_step", ("tiny-gpt", 4, 64),
        flop=3 * 4 * _transformer_flop(2, 64, 96, 64, 32), tolerance=1e-3),
    Row("transformer", "BERT (2 layers, 128 wide) T 32 inference, batch 1", "transformer_predict", ("tiny-bert", 1, 32),
        flop=_transformer_flop(2, 128, 0, 32, 32)),
    Row("transformer", "GPT (2 layers, 64 wide), a token after 32 from the cache", "transformer_token", ("tiny-gpt", 32),
        flop=_transformer_flop(2, 64, 96, 1, 33)),
]


def _pool(op, n, size, channels, window=2, stride=2, padding=0, **goals):
    title = {"max": "MaxPool", "avg": "AvgPool"}[op]
    name = f"{title} {window} × {window}{f' / {stride}' if stride != window else ''} ({n}, {size}, {size}, {channels})"
    return Row("images", name + " forward + backward", "pool_grad", (op, n, size, channels, window, stride, padding), **goals)


IMAGES = [
    _pool("max", 16, 112, 64, ratio=8),
    _pool("max", 16, 112, 64, 3, 2, 1),
    _pool("max", 64, 28, 6),
    _pool("avg", 16, 112, 64),
    _pool("avg", 64, 28, 6),
    _pool("avg", 16, 7, 2048, 7, 7),
    *(
        Row("images", f"BatchNorm + {title} (16, 56, 56, 64) training, forward + backward", "image_norm_grad",
            (end, 16, 56, 64), ratio=2.5)
        for end, title in (("relu", "ReLU"), ("residual", "residual + ReLU"))
    ),
    Row("images", "UpSampling 2 × 2 bilinear (16, 28, 28, 64) forward + backward", "upsample_grad", (16, 28, 64)),
]

def _attention(n, heads, t, size):
    """Forward, and forward + backward, in full and causal, which counts the half of the products."""
    flop = 4.0 * n * heads * t * t * size
    for causal, word in ((False, ""), (True, " causal")):
        args, name, share = (n, heads, t, size, causal), f"({n}, {heads}, {t}, {size}){word}", 0.5 if causal else 1
        yield Row("attention", f"{name} forward", "attention", args, flop=share * flop, ratio=2 if causal else 1.4)
        yield Row("attention", f"{name} forward + backward", "attention_grad", args, flop=3.5 * share * flop,
                  ratio=1.5 if t >= 512 and not causal else 2)


ATTENTION = [row for shape in ((1, 12, 128, 64), (8, 12, 128, 64), (8, 12, 512, 64), (1, 12, 2048, 64))
             for row in _attention(*shape)]

# What a NumPy user writes, as it is written, over a million elements. NumPy is the peer: the same line on ndarrays.
IDIOMS = {
    "np.exp": lambda np, d: np.exp(d.a),
    "np.log": lambda np, d: np.log(d.p),
    "np.sqrt": lambda np, d: np.sqrt(d.p),
    "np.abs": lambda np, d: np.abs(d.a),
    "np.maximum": lambda np, d: np.maximum(d.a, d.b),
    "np.minimum": lambda np, d: np.minimum(d.a, d.b),
    "np.where": lambda np, d: np.where(d.mask, d.a, d.b),
    "np.clip": lambda np, d: np.clip(d.a, -1.0, 1.0),
    "np.tanh": lambda np, d: np.tanh(d.a),
    "np.sum": lambda np, d: np.sum(d.a),
    "np.sum axis 0": lambda np, d: np.sum(d.a, axis=0),
    "np.mean": lambda np, d: np.mean(d.a, axis=1),
    "np.var": lambda np, d: np.var(d.a, axis=0),
    "np.max": lambda np, d: np.max(d.a, axis=1),
    "np.dot": lambda np, d: np.dot(d.a, d.b),
    "np.matmul": lambda np, d: np.matmul(d.a, d.b),
    "np.einsum": lambda np, d: np.einsum("ij,ij->i", d.a, d.b),
    "np.concatenate": lambda np, d: np.concatenate([d.a, d.b]),
    "np.stack": lambda np, d: np.stack([d.a, d.b]),
    "np.transpose": lambda np, d: np.transpose(d.a),
    "np.reshape": lambda np, d: np.reshape(d.a, (-1,)),
    "np.take": lambda np, d: np.take(d.a, d.rows, axis=0),
    "np.pad": lambda np, d: np.pad(d.a, 1),
    "np.add.reduce": lambda np, d: np.add.reduce(d.a, axis=0),
    "np.linalg.norm": lambda np, d: np.linalg.norm(d.a),
    "np.outer": lambda np, d: np.outer(d.v, d.v),
    "np.tensordot": lambda np, d: np.tensordot(d.a, d.b, axes=1),
    "a + b * a": lambda np, d: d.a + d.b * d.a,
}

# Metrics by title: the samples, cdl's function, scikit-learn's, options, whether there are weights. After " of" and "," a
# title says what it is tried on.
_MACRO = {"average": "macro"}
METRICS = {
    "accuracy": ("labels", "accuracy", "accuracy_score", {}, False),
    "accuracy, weights": ("labels", "accuracy", "accuracy_score", {}, True),
    "accuracy of texts": ("texts", "accuracy", "accuracy_score", {}, False),
    "top-3 accuracy": ("scores", "top_k_accuracy", "top_k_accuracy_score", {"k": 3}, False),
    "balanced accuracy": ("labels", "balanced_accuracy", "balanced_accuracy_score", {}, False),
    "precision": ("labels", "precision", "precision_score", _MACRO, False),
    "recall": ("labels", "recall", "recall_score", _MACRO, False),
    "F1": ("labels", "f1", "f1_score", _MACRO, False),
    "F1, weights": ("labels", "f1", "f1_score", _MACRO, True),
    "F1 of texts": ("texts", "f1", "f1_score", _MACRO, False),
    "F2, average by weight": ("labels", "fbeta", "fbeta_score", {"beta": 2, "average": "weighted"}, False),
    "Cohen's kappa": ("labels", "cohen_kappa", "cohen_kappa_score", {}, False),
    "Matthews": ("labels", "matthews", "matthews_corrcoef", {}, False),
    "confusion matrix": ("labels", "confusion_matrix", "confusion_matrix", {}, False),
    "confusion matrix of texts": ("texts", "confusion_matrix", "confusion_matrix", {}, False),
    "ROC AUC": ("two", "roc_auc", "roc_auc_score", {}, False),
    "ROC AUC, weights": ("two", "roc_auc", "roc_auc_score", {}, True),
    "ROC AUC of 5 classes, each against the rest": ("five", "roc_auc", "roc_auc_score", {"multi_class": "ovr"}, False),
    "ROC AUC of 5 classes, each against each": ("five", "roc_auc", "roc_auc_score", {"multi_class": "ovo"}, False),
    "average precision": ("two", "average_precision", "average_precision_score", {}, False),
    "log loss": ("two", "log_loss", "log_loss", {}, False),
    "log loss of 10 classes": ("scores", "log_loss", "log_loss", {}, False),
    "Brier score": ("two", "brier", "brier_score_loss", {}, False),
    "Brier score of 10 classes": ("scores", "brier", "brier_score_loss", {}, False),
    "MSE": ("numbers", "mse", "mean_squared_error", {}, False),
    "MSE, weights": ("numbers", "mse", "mean_squared_error", {}, True),
    "RMSE": ("numbers", "rmse", "root_mean_squared_error", {}, False),
    "MAE": ("numbers", "mae", "mean_absolute_error", {}, False),
    "MAPE": ("numbers", "mape", "mean_absolute_percentage_error", {}, False),
    "median absolute error": ("numbers", "median_absolute_error", "median_absolute_error", {}, False),
    "median absolute error, weights": ("numbers", "median_absolute_error", "median_absolute_error", {}, True),
    "max error": ("numbers", "max_error", "max_error", {}, False),
    "R²": ("numbers", "r2", "r2_score", {}, False),
    "R², weights": ("numbers", "r2", "r2_score", {}, True),
    "explained variance": ("numbers", "explained_variance", "explained_variance_score", {}, False),
}

TINY = (4, 16, 3)

# Shapes of what an optimizer updates, by the number of parameters: a large network as a few matrices, and a small one as
# many arrays, most of them vectors.
OPTIMIZED = {
    11 << 20: [(1024, 1024)] * 11,
    1_012_480: [(224, 224), (224,), (224,)] * 20,
    9_610: [(64, 128), (128,), (128, 10), (10,)],
}

ROWS = [
    *(_gemm(n, n, n, peak=(0.94,), scale=1.9) for n in (256, 384, 512, 768)),
    *(_gemm(n, n, n, peak=(0.92,), scale=1.9) for n in (1024, 2048)),
    _gemm(512, 768, 2304, peak=(0.92,), scale=1.9),
    _gemm(128, 768, 3072, "gelu", peak=(0.88,)),
    _gemm(32, 784, 512, "relu", peak=(0.88,)),
    _gemm(8, 768, 768, peak=(0.88,)),
    _gemm(64, 64, 64, peak=(0.78,)),
    _gemm(1, 768, 3072, "gelu", ratio=1.4),
    *(_backprop(batch) for batch in (32, 128, 512)),
    *(
        _unary(op, n, grad)
        for op in ("exp", "sigmoid", "tanh", "gelu", "relu")
        for n in (1 << 16, 1 << 20)
        for grad in (False, True)
    ),
    *(
        _rows_of(kind, title, rows, n)
        for kind, title in (("softmax", "softmax"), ("cross_entropy", "cross-entropy"))
        for rows, n in ((12288, 128), (2048, 8192), (128, 10))
    ),
    *(
        Row("losses", f"{name} 1M forward + backward", "loss", (name, 1 << 20))
        for name in ("mse", "mae", "huber", "binary_cross_entropy")
    ),
    Row("losses", "PReLU (4096, 256), a slope each, forward + backward", "prelu", (4096, 256)),
    *(
        _norm(kind, title, rows, n)
        for kind, title in (("batch_norm", "BatchNorm"), ("layer_norm", "LayerNorm"))
        for rows, n in ((4096, 256), (50176, 64), (1024, 768))
    ),
    # The reference is the share of kept elements, which of 12.6 million differs by 1e-4 from draw to draw.
    Row("norm", "dropout (4096, 3072) forward + backward", "dropout_grad", (0.3, 4096, 3072), ratio=10, tolerance=1e-3),
    *CONVOLUTIONS,
    *IMAGES,
    *NETWORKS,
    *RECURRENT,
    *TRANSFORMERS,
    *ATTENTION,
    # What training is fed with: a step of ResNet-18 on 32 images of 32 × 32 takes some 100 ms on one thread.
    *(
        Row("augment", f"{what}, standardised: {n} images of {size} × {size} × 3 bytes", "augment", (n, size, what), ratio=2,
            micros=micros)
        for n, size, micros in ((32, 32, 1000), (8, 224, 0))
        for what in ("flip, crop", "all")
    ),
    Row("augment", "resize 4 images of 480 × 640 × 3 floats to 224 × 224", "resize", (4, 480, 640, 224), ratio=2),
    # Ten steps of Adam divide small gradients by small roots: 1e-3 is what float32 leaves of them.
    Row("small", "train step of a 4-16-3 MLP, batch 16", "step", (16, *TINY), micros=4, tolerance=1e-3, threads=(1,)),
    Row("small", "predict of a 4-16-3 MLP, batch 1", "predict", (1, *TINY), micros=2, threads=(1,)),
    # Compared are the gradients and the running statistics of a step that drops nothing (of one that does, every library
    # draws its own), and that ten steps as they are timed bring the loss down. The linear layers before a normalisation
    # have no bias, whose gradient would be 0: all that Adam would see of it is rounding.
    Row("mlp", "train step of 784-512-512-10, BatchNorm and dropout, batch 128", "regularised", (128, 784, 512, 10), ratio=2),
    # The reference is an accuracy of 0.97; networks that differ in their random start lie within 2 %.
    Row("digits", "digits 64-128-10, 30 epochs, batch 32", "digits", (64, 128, 10), tolerance=0.02,
        over=(("scikit-learn, Thinc and torch", ("sklearn", "thinc", "torch", "torch-avx512"), 3),
              ("JAX", ("jax",), 2))),
    # What fit costs over the loop that one writes by hand: 5 % at most, with the progress line that a user has.
    *(Row("fit", f"fit 64-128-10, batch 32, 5,748 samples, 5 epochs{extra}", kind, (128,), ratio=0.952, peers=("loop",),
          tolerance=0.03, threads=(1,)) for kind, extra in (("fit", ""), ("fit_validated", ", with validation"))),
    *(
        row
        for rule in ("Adam", "RMSprop", "Momentum")
        for row in (
            Row("optim", f"{rule}, 11M parameters", "update", (rule, 11 << 20), ratio=0.95),
            Row("optim", f"{rule}, 1M in 60 tensors", "update", (rule, 1_012_480), ratio=2.0),
        )
    ),
    # What callbacks add to a step. torch's max-norm makes a new array, and so does NumPy's.
    *(Row("optim", f"moving average, {name}", "average", (count,), ratio=ratio, **options) for name, count, ratio, options in (
        ("64-128-10", 9_610, 2.0, {"threads": (1,)}), ("11M parameters", 11 << 20, 0.95, {}))),
    *(Row("optim", f"max-norm, {name}", "max_norm", (count,), ratio=ratio, **options) for name, count, ratio, options in (
        ("64-128-10", 9_610, 2.0, {"threads": (1,)}), ("11M parameters", 11 << 20, 1.0, {}))),
    # The answer is a share of words with a neighbour of their own topic: see reference_words.
    *(Row("word2vec", f"Word2Vec, {kind}, 5 negatives, 100 numbers, window 5: an epoch", "word2vec", (kind,), ratio=ratio,
          peers=("gensim",), tolerance=0.1) for kind, ratio in (("skip-gram", 3), ("CBOW", 2))),
    Row("word2vec", "Word2Vec, reading a file and making its vocabulary", "word_counts", (), ratio=3, peers=("gensim",),
        threads=(1,)),
    # Never slower than scikit-learn; a split draws its rows at random and may be a row off the exact shares.
    *(
        Row("data", f"{title}, 1M × 10 of {dtype}", kind, (dtype,), peers=("sklearn", "numpy"))
        for kind, title in (("standard_fit", "StandardScaler fit"), ("standard_transform", "StandardScaler transform"),
                            ("minmax_fit", "MinMaxScaler fit"), ("minmax_transform", "MinMaxScaler transform"))
        for dtype in ("float32", "float64")
    ),
    *(
        Row("data", f"{title}, 1M {labels}", kind, (labels,), peers=("sklearn", "numpy"))
        for kind, title in (("label_codes", "labels to class numbers"), ("one_hot_rows", "one-hot rows"))
        for labels in ("numbers", "texts")
    ),
    Row("data", "balanced class weights, 1M labels", "balanced_weights", (), peers=("sklearn", "numpy")),
    Row("data", "stratified split, 1M × 10 of float32", "stratified", (), peers=("sklearn",)),
    Row("data", "a CSV of 200,000 rows, 8 columns of numbers and 2 of categories, to an array", "table", (),
        peers=("sklearn",)),
    *(Row("idioms", name, "idiom", (name,), threads=(1,)) for name in IDIOMS),
    # Sums of a million numbers in another order.
    *(Row("metrics", f"{title}, 1M rows", "metric", (title,), peers=("sklearn",), tolerance=1e-12, threads=(1,))
      for title in METRICS),
    # Ids are exact. Every call begins with an empty cache of words.
    *(Row("tokenizers", f"{title}, 460 kB of English and code in lines", kind, (), ratio=0.5, tolerance=0.0, threads=(1,))
      for kind, title in (("wordpiece", "WordPiece"), ("byte_pairs", "byte-level BPE"))),
]
