"""torch, eager, as its tutorials write it. `torch-avx512` is the same with MKL's AVX-512 path switched on for AMD."""

import ctypes
import mmap
import os

import torch
import torch.nn.functional as F

from . import reference
from .attention_torch import attention as attention
from .attention_torch import attention_grad as attention_grad
from .images_torch import conv as conv
from .images_torch import conv_grad as conv_grad
from .images_torch import image_norm_grad as image_norm_grad
from .images_torch import pool_grad as pool_grad
from .images_torch import upsample_grad as upsample_grad
from .peer_torch_networks import network_epoch as network_epoch
from .peer_torch_networks import network_predict as network_predict
from .peer_torch_networks import network_step as network_step
from .peer_torch_recurrent import cell_step as cell_step
from .peer_torch_recurrent import char_step as char_step
from .peer_torch_recurrent import recurrent as recurrent
from .peer_torch_recurrent import recurrent_grad as recurrent_grad
from .peer_torch_transformers import transformer_predict as transformer_predict
from .peer_torch_transformers import transformer_predict_bfloat16 as transformer_predict_bfloat16
from .peer_torch_transformers import transformer_step as transformer_step
from .peer_torch_transformers import transformer_token as transformer_token
from .reference_augment import GREY, MEAN, STD, factors

FORWARD = {
    None: lambda z: z,
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "relu": torch.relu,
}


def start(threads):
    """One pool of so many threads."""
    if os.environ.get("CDL_BENCH_MKL") == "avx512":
        _mkl_takes_this_for_intel()
    torch.set_num_threads(threads)


def version():
    """torch, the MKL inside it and its own dispatch level."""
    return f"{torch.__version__}, MKL {_mkl_version()}, ATen {torch.backends.cpu.get_cpu_capability()}"


def _mkl_version():
    words = torch.__config__.show().partition("Library Version ")[2].split("-")
    return words[0] if words else "none"


def _mkl_takes_this_for_intel():
    """Make MKL's question "is this an Intel processor?" answer yes, before MKL first asks it.

    MKL keeps its AVX-512 kernels from other makers' processors. MKL_DEBUG_CPU_TYPE is gone since 2020 and
    MKL_ENABLE_INSTRUCTIONS changes nothing there; what people do is preload a library with a function of their own of
    this name. Six bytes written over the first instructions (mov eax, 1; ret) do the same and need no compiler.
    """
    library = ctypes.CDLL(os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so"))
    address = ctypes.cast(library.mkl_serv_intel_cpu_true, ctypes.c_void_p).value
    page = address & -mmap.PAGESIZE
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    # Two pages: the six bytes may lie across a boundary.
    if libc.mprotect(page, 2 * mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "mprotect refused")
    ctypes.memmove(address, b"\xb8\x01\x00\x00\x00\xc3", 6)
    libc.mprotect(page, 2 * mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)


def dense(d):
    """F.linear with its activation; the weight is stored (out, in), as nn.Linear stores it. Plain products use mm."""
    x, w = torch.from_numpy(d.x), torch.from_numpy(d.w)
    if d.act is None:
        out = torch.empty(len(x), w.shape[1])
        return lambda: torch.mm(x, w, out=out), lambda: [torch.mm(x, w)]
    act, w, b = FORWARD[d.act], w.T.contiguous(), torch.from_numpy(d.b)

    def run():
        with torch.inference_mode():
            return act(F.linear(x, w, b))

    return run, lambda: [run().numpy()]


def augment(d):
    """Slices of padded images, or all images at once through one sampling grid; colours for all at once; channels first."""
    x, crop, size = torch.from_numpy(d.x).permute(0, 3, 1, 2).contiguous(), d.options["crop"], d.x.shape[1]
    mean, std, grey = (torch.tensor(a, dtype=torch.float32)[:, None, None] for a in (MEAN, STD, GREY))
    draws, colours = torch.from_numpy(d.draws), torch.from_numpy(factors(d)).float()[..., None, None, None].unbind(1)

    def moved():
        padded, images = F.pad(x, (crop,) * 4), []
        for image, (top, left), flip in zip(padded, (draws[:, 3:5] * (2 * crop + 1)).int().tolist(),
                                            (draws[:, 1] < d.options["flip"]).tolist(), strict=True):
            left = 2 * crop - left if flip else left    # the window of the flipped image, before it is flipped
            image = image[:, top : top + size, left : left + size]
            images.append(image.flip(2) if flip else image)
        return torch.stack(images).float()

    def turned():
        angle = torch.deg2rad((2 * draws[:, 0] - 1) * d.options["rotation"])
        cos, sin = angle.cos(), angle.sin()
        across = torch.where(draws[:, 1] < d.options["flip"], -1.0, 1.0)
        down, right = ((draws[:, i] * (2 * crop + 1)).floor().sub(crop) * 2 / size for i in (3, 4))
        right = across * right
        theta = torch.stack([cos * across, -sin, cos * right - sin * down, sin * across, cos, sin * right + cos * down], 1)
        grid = F.affine_grid(theta.view(-1, 2, 3).float(), x.shape, align_corners=False)
        y = F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        brightness, contrast, saturation = colours
        y = (y * brightness).clamp(0, 255)
        y = (contrast * y + (1 - contrast) * (y * grey).sum(1, keepdim=True).mean((2, 3), keepdim=True)).clamp(0, 255)
        return (saturation * y + (1 - saturation) * (y * grey).sum(1, keepdim=True)).clamp(0, 255)

    def run():
        return ((turned() if "rotation" in d.options else moved()) / 255 - mean) / std

    return run, lambda: [run().permute(0, 2, 3, 1).numpy()]


def resize(d):
    """F.interpolate, channels first."""
    x = torch.from_numpy(d.x).permute(0, 3, 1, 2).contiguous()

    def run():
        return F.interpolate(x, (d.size, d.size), mode="bilinear", antialias=True, align_corners=False)

    return run, lambda: [run().permute(0, 2, 3, 1).numpy()]


def unary(d):
    """The function, no gradient wanted."""
    f, x = FORWARD[d.op], torch.from_numpy(d.x)

    def run():
        with torch.inference_mode():
            return f(x)

    return run, lambda: [run().numpy()]


def unary_grad(d):
    """The function and .backward(g)."""
    f, g = FORWARD[d.op], torch.from_numpy(d.g)
    x = torch.from_numpy(d.x).requires_grad_()

    def run():
        x.grad = None
        y = f(x)
        y.backward(g)
        return y

    def outputs():
        return [run().detach().numpy(), x.grad.numpy()]

    return run, outputs


def norm_grad(d):
    """F.batch_norm or F.layer_norm, and .backward(g)."""
    x, w, b = (torch.from_numpy(a).requires_grad_() for a in (d.x, d.w, d.b))
    g = torch.from_numpy(d.g)

    def forward():
        if d.op == "layer_norm":
            return F.layer_norm(x, w.shape, w, b, reference.NORM_EPSILON)
        return F.batch_norm(x, None, None, w, b, training=True, eps=reference.NORM_EPSILON)

    def run():
        x.grad = w.grad = b.grad = None
        y = forward()
        y.backward(g)
        return y

    return run, lambda: [run().detach().numpy(), *(t.grad.numpy() for t in (x, w, b))]


def dropout_grad(d):
    """F.dropout and .backward(g)."""
    x, g = torch.from_numpy(d.x).requires_grad_(), torch.from_numpy(d.g)

    def run():
        x.grad = None
        y = F.dropout(x, d.p)
        y.backward(g)
        return y

    return run, lambda: reference.kept(d, run().detach().numpy(), x.grad.numpy())


def softmax(d):
    """The function and .backward(g)."""
    x, g = torch.from_numpy(d.x).requires_grad_(), torch.from_numpy(d.g)

    def run():
        x.grad = None
        y = torch.softmax(x, 1)
        y.backward(g)
        return y

    return run, lambda: [run().detach().numpy(), x.grad.numpy()]


def cross_entropy(d):
    """F.cross_entropy and .backward()."""
    x, y = torch.from_numpy(d.x).requires_grad_(), torch.from_numpy(d.y)

    def run():
        x.grad = None
        loss = F.cross_entropy(x, y)
        loss.backward()
        return loss

    return run, lambda: [run().item(), x.grad.numpy()]


LOSSES = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss, "binary_cross_entropy": F.binary_cross_entropy}


def loss(d):
    """The function and .backward()."""
    f, t, p = LOSSES[d.name], torch.from_numpy(d.t), torch.from_numpy(d.p).requires_grad_()

    def run():
        p.grad = None
        value = f(p, t)
        value.backward()
        return value

    return run, lambda: [run().item(), p.grad.numpy()]


def prelu(d):
    """F.prelu and .backward(g); its channels stand second, which of two axes is the last."""
    x, slope, g = (torch.from_numpy(a) for a in (d.x, d.slope, d.g))
    x.requires_grad_(), slope.requires_grad_()

    def run():
        x.grad = slope.grad = None
        y = F.prelu(x, slope)
        y.backward(g)
        return y

    return run, lambda: [run().detach().numpy(), x.grad.numpy(), slope.grad.numpy()]


def _model(params):
    w1, b1, w2, b2 = (torch.from_numpy(p.copy()) for p in params)
    model = torch.nn.Sequential(torch.nn.Linear(*w1.shape), torch.nn.ReLU(), torch.nn.Linear(*w2.shape))
    with torch.no_grad():
        for mine, given in zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True):
            mine.copy_(given)
    return model


def _as_given(tensors):
    return [t.detach().numpy().T for t in tensors]


def backprop(d):
    """nn.Sequential, F.cross_entropy, backward()."""
    model, x, y = _model(d.params), torch.from_numpy(d.x), torch.from_numpy(d.y)

    def run():
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    def outputs():
        return [run().item(), *_as_given(p.grad for p in model.parameters())]

    return run, outputs


def _adam(model):
    # Of its three forms the fused one is the fastest on a CPU.
    return torch.optim.Adam(model.parameters(), lr=reference.LEARNING_RATE, fused=True)


def step(d):
    """The loop of the tutorial, with the fused Adam."""
    model, x, y = _model(d.params), torch.from_numpy(d.x), torch.from_numpy(d.y)
    adam = _adam(model)

    def run():
        adam.zero_grad()
        F.cross_entropy(model(x), y).backward()
        adam.step()

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return _as_given(model.parameters())

    return run, outputs


def _regularised(d, drop_prob):
    hidden = [layer for w in d.weights[:-1] for layer in (
        torch.nn.Linear(*w.shape, bias=False), torch.nn.BatchNorm1d(w.shape[1], eps=reference.NORM_EPSILON),
        torch.nn.ReLU(), torch.nn.Dropout(drop_prob))]
    model = torch.nn.Sequential(*hidden, torch.nn.Linear(*d.weights[-1].shape))
    model[-1].bias.data.zero_()
    for layer, w in zip((layer for layer in model if isinstance(layer, torch.nn.Linear)), d.weights, strict=True):
        layer.weight.data.copy_(torch.from_numpy(w.T))
    return model


def regularised(d, compiled=lambda f: f):
    """The loop of the tutorial, with the fused Adam; `compiled` is what becomes of the network and its loss."""
    model, plain = _regularised(d, reference.DROP_PROB), _regularised(d, 0)
    x, y, adam = torch.from_numpy(d.x), torch.from_numpy(d.y), _adam(model)
    loss, plain_loss = (compiled(lambda network=network: F.cross_entropy(network(x), y)) for network in (model, plain))

    def run():
        adam.zero_grad()
        loss().backward()
        adam.step()

    def loss_in_use():
        model.eval()
        with torch.inference_mode():
            value = F.cross_entropy(model(x), y).item()
        model.train()
        return value

    def outputs():
        plain_loss().backward()
        running = [t for layer in plain if isinstance(layer, torch.nn.BatchNorm1d)
                   for t in (layer.running_mean, layer.running_var)]
        return [*_as_given(p.grad for p in plain.parameters()), *(t.numpy() for t in running),
                reference.learns(loss_in_use, run)]

    return run, outputs


def average(d):
    """What torch.optim.swa_utils.get_ema_multi_avg_fn does, which AveragedModel calls after a step."""
    averages, params = ([torch.from_numpy(p.copy()) for p in part] for part in (d.averages, d.params))
    blend = torch.optim.swa_utils.get_ema_multi_avg_fn(reference.AVERAGE_DECAY)

    def run():
        with torch.no_grad():
            blend(averages, params, None)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return [a.numpy() for a in averages]

    return run, outputs


def max_norm(d):
    """torch.renorm over the columns, copied back as a user would."""
    weights = [torch.from_numpy(w.copy()) for w in d.weights]

    def run():
        with torch.no_grad():
            for w in weights:
                w.copy_(torch.renorm(w, 2, 1, reference.MOST_NORM))

    def outputs():
        run()
        return [w.numpy() for w in weights]

    return run, outputs


def update(d):
    """optimizer.step(), in the fastest of the forms that torch has for the rule on a CPU: fused, else one by one."""
    params = [torch.from_numpy(p.copy()).requires_grad_() for p in d.params]
    for p, g in zip(params, d.grads, strict=True):
        p.grad = torch.from_numpy(g)
    lr, optim = reference.LEARNING_RATE, torch.optim
    optimizer = {
        "Adam": lambda: optim.Adam(params, lr, fused=True),
        "RMSprop": lambda: optim.RMSprop(params, lr, alpha=reference.RHO, foreach=False),
        "Momentum": lambda: optim.SGD(params, lr, momentum=reference.MOMENTUM, fused=True),
    }[d.rule]()

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            optimizer.step()
        return [p.detach().numpy() for p in params]

    return optimizer.step, outputs


def predict(d):
    """From an ndarray to an ndarray."""
    model = _model(d.params)

    def run():
        with torch.inference_mode():
            return model(torch.from_numpy(d.x)).numpy()

    return run, lambda: [run()]


def epochs(d, threads):
    """The weights after three epochs with so many threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, y = torch.from_numpy(d.x), torch.from_numpy(d.y)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], d.hidden), torch.nn.ReLU(), torch.nn.Linear(d.hidden, 10))
    adam = _adam(model)
    for _ in range(3):
        for rows in torch.randperm(len(x)).split(256):
            adam.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            adam.step()
    return [p.detach().numpy() for p in model.parameters()]


def digits(d):
    """The loop of the tutorial over shuffled rows (a DataLoader would be slower)."""
    x, y = torch.from_numpy(d.x), torch.from_numpy(d.y)

    def fit():
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], d.hidden), torch.nn.ReLU(), torch.nn.Linear(d.hidden, 10)
        )
        adam = _adam(model)
        for _ in range(reference.EPOCHS):
            for rows in torch.randperm(len(x)).split(reference.BATCH):
                adam.zero_grad()
                F.cross_entropy(model(x[rows]), y[rows]).backward()
                adam.step()
        return model

    def outputs():
        return [(fit()(torch.from_numpy(d.x_test)).argmax(1).numpy() == d.y_test).mean()]

    return fit, outputs
