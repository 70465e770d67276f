"""LeNet-5, VGG and ResNet: sizes, files, fused inference, and agreement with the same networks in torch."""
import copy
import pickle

import numpy as np
import pytest

import cdl
from cdl import models
from cdl.io import FileFormatError, save_safetensors


def images(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# Small enough for a test, and every kind of layer in them.
SMALL = {
    "lenet": (lambda: models.LeNet5(rng=0), (2, 28, 28, 1)),
    "lenet relu max": (lambda: models.LeNet5(7, activation="relu", pooling="max", image_shape=(32, 32, 3), rng=0),
                       (2, 32, 32, 3)),
    "vgg11": (lambda: models.VGG11(10, small=True, rng=0), (2, 32, 32, 3)),
    "vgg11 batch norm": (lambda: models.VGG11(10, small=True, batch_norm=True, rng=0), (2, 32, 32, 3)),
    "resnet18": (lambda: models.ResNet18(10, small=True, rng=0), (2, 32, 32, 3)),
    "resnet50": (lambda: models.ResNet50(10, rng=0), (2, 64, 64, 3)),
}
EACH = pytest.mark.parametrize("make, shape", SMALL.values(), ids=SMALL)


def shaken(model):
    """The model with running statistics, scales and offsets that are not the 0 and 1 which would hide a mistake."""
    rng = np.random.default_rng(1)
    for name, tensor in [*model.named_buffers(), *model.named_parameters()]:
        if tensor.ndim == 1:
            shift = 0.1 * rng.standard_normal(tensor.shape)
            tensor.data[...] = rng.uniform(0.5, 1.5, tensor.shape) if "var" in name else tensor.data + shift
    return model


def close(got, wanted, tolerance):
    """Within `tolerance` of the largest value. What is 0 by the formula (the gradient of a bias before a BatchNorm) is
    rounding of terms whose size is about 1e-3 here.
    """
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= tolerance * max(np.abs(wanted).max(), 1e-3)


# --- sizes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name, count", [
    ("LeNet5", 61_706), ("ResNet18", 11_689_512), ("ResNet34", 21_797_672), ("ResNet50", 25_557_032),
    ("ResNet101", 44_549_160), ("ResNet152", 60_192_808), ("VGG11", 132_863_336), ("VGG13", 133_047_848),
    ("VGG16", 138_357_544), ("VGG19", 143_667_240)])
def test_parameters_are_as_many_as_published(name, count):
    with cdl.init.no_draws(10**9):      # their values are of no interest here, and 143 million draws take seconds
        assert getattr(models, name)().count_parameters() == count


@EACH
def test_outputs_have_the_shape_that_is_promised(make, shape):
    model = make()
    assert model.built
    assert model.predict(images(*shape)).shape == (2, model.classes) == model.output_shape(shape)
    size = (224, 224, 3) if model.config().get("small") is False else shape[1:]
    assert model.known_input_shape() == (None, *size)
    assert model.predict(images(0, *shape[1:])).shape == (0, model.classes)


@pytest.mark.parametrize("size", [32, 45, 70])
def test_images_of_other_sizes_work(size):
    assert models.VGG11(4, small=True).predict(images(1, size, size + 3, 3)).shape == (1, 4)
    assert models.ResNet18(4).predict(images(1, size, size + 3, 3)).shape == (1, 4)


def test_blocks_take_their_sizes_from_the_first_input():
    for block in (models.BasicBlock(8, 2), models.Bottleneck(4, 2)):
        assert not block.built
        y = block(images(2, 7, 9, 6))
        assert y.shape == block.output_shape((2, 7, 9, 6)) and block.built
        again = type(block)(**block.config())
        assert {n: p.shape for n, p in again.named_parameters()} == {n: p.shape for n, p in block.named_parameters()}
    assert models.BasicBlock(8, in_channels=8).downsample is None


@pytest.mark.parametrize("make, words", [
    (lambda: models.LeNet5(pooling="sum"), 'pooling must be "avg" or "max"'),
    (lambda: models.LeNet5(activation="roll"), "unknown activation 'roll'"),
    (lambda: models.LeNet5(image_shape=(28, 28)), r"image_shape must be \(H, W, C\)"),
    (lambda: models.LeNet5(image_shape=(11, 28, 1)), "at least 12×12"),
    (lambda: models.LeNet5(0), "classes must be a positive integer"),
    (lambda: models.VGG(12), "depth must be one of 11, 13, 16, 19, got 12"),
    (lambda: models.ResNet(20), "depth must be one of 18, 34, 50, 101, 152, got 20"),
    (lambda: models.ResNet18(channels=0), "channels must be a positive integer"),
    (lambda: models.BasicBlock(8, fused=True), "fused needs in_channels"),
    (lambda: models.BasicBlock(0), "filters must be a positive integer"),
    (lambda: models.BasicBlock(4)(images(5, 4)), r"expected input of shape \(N, H, W, C\)"),
    (lambda: cdl.Sequential([cdl.ReLU()], names=["a", "b"]), "expected 1 names"),
    (lambda: cdl.Sequential([cdl.ReLU()], names=["a.b"]), "words without a dot"),
])
def test_what_cannot_be_made_is_told(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- the notes' block -------------------------------------------------------------------------------------------------
def test_the_notes_block_adds_its_input():
    block, x = models.ResidualBlock(6), cdl.Tensor(images(2, 8, 8, 6), requires_grad=True)
    y = block(x)
    wanted = np.maximum(np.asarray(block.conv2(np.maximum(np.asarray(block.conv1(x)), 0))) + x.numpy(), 0)
    close(y, wanted, 1e-6)
    y.sum().backward()
    assert np.abs(x.grad.numpy()).sum() > 0
    assert all(np.isfinite(p.grad.numpy()).all() for p in block.parameters())
    with pytest.raises(ValueError, match="channels"):
        block(images(2, 8, 8, 5))


# --- files ------------------------------------------------------------------------------------------------------------
@EACH
@pytest.mark.parametrize("fused", [False, True])
def test_a_saved_network_comes_back(make, shape, fused, tmp_path):
    model = shaken(make())
    if fused:
        model.fuse()
    model.save(tmp_path / "model.safetensors")
    again = cdl.load(tmp_path / "model.safetensors")
    assert type(again) is type(model) and again.config() == model.config()
    np.testing.assert_array_equal(again.predict(images(*shape)), model.predict(images(*shape)))


def in_torch_layout(model):
    """The state as torch would save it, written from what torch's documentation says of each layer."""
    state = {}
    for name, array in model.state_dict().items():
        owner = model
        for part in name.split(".")[:-1]:
            owner = dict(owner.children())[part] if not hasattr(owner, part) else getattr(owner, part)
        if array.ndim == 4:
            array = np.moveaxis(array, (3, 2), (0, 1))
        elif array.ndim == 2 and owner.flattened:
            array = np.moveaxis(array.reshape(*owner.flattened, -1), (3, 2), (0, 1)).reshape(array.shape[1], -1)
        elif array.ndim == 2:
            array = array.T
        state[name] = np.ascontiguousarray(array)
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = np.array(3)
    return state


@EACH
def test_torchs_layout_is_seen_and_turned(make, shape, tmp_path):
    model, path = shaken(make()), tmp_path / "torch.safetensors"
    save_safetensors(path, in_torch_layout(model))
    other = make()
    for parameter in other.parameters():
        parameter.data[...] = 0
    assert other.load(path) is other
    loaded = other.state_dict()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(loaded[name], array)


def test_weights_without_a_description_in_our_own_layout_are_taken_too(tmp_path):
    model = models.LeNet5(rng=0)
    save_safetensors(tmp_path / "bare.safetensors", model.state_dict())
    other = models.LeNet5(rng=1).load(tmp_path / "bare.safetensors")
    np.testing.assert_array_equal(other.fc1.weight.numpy(), model.fc1.weight.numpy())


def test_shapes_that_fit_both_layouts_are_not_guessed_at(tmp_path):
    path, weight = tmp_path / "square.safetensors", images(4, 4)
    save_safetensors(path, {"0.weight": weight, "0.bias": np.zeros(4, np.float32)})
    model = cdl.Sequential([cdl.Dense(4, in_features=4)])
    before = model.state_dict()
    with pytest.raises(FileFormatError, match='say layout="cdl" or layout="torch"'):
        model.load(path)
    np.testing.assert_array_equal(model[0].weight.numpy(), before["0.weight"])
    np.testing.assert_array_equal(model.load(path, layout="cdl")[0].weight.numpy(), weight)
    np.testing.assert_array_equal(model.load(path, layout="torch")[0].weight.numpy(), weight.T)
    with pytest.raises(ValueError, match='layout must be None, "cdl" or "torch"'):
        model.load(path, layout="keras")
    own = cdl.Sequential([cdl.Dense(4, in_features=4)])
    own.save(path)                      # which says whose it is
    np.testing.assert_array_equal(model.load(path)[0].weight.numpy(), own[0].weight.numpy())


def test_what_does_not_fit_is_named_with_both_shapes_and_nothing_is_loaded(tmp_path):
    model, path = models.ResNet18(10, small=True, rng=0), tmp_path / "torch.safetensors"
    state = in_torch_layout(model) | {"surprise": np.zeros(3)}
    del state["layer1.0.bn1.running_mean"]
    state["fc.weight"] = np.zeros((1000, 512), np.float32)
    save_safetensors(path, state)
    other = models.ResNet18(10, small=True, rng=1)
    before = other.state_dict()
    with pytest.raises(FileFormatError) as told:
        other.load(path)
    for words in ("torch.safetensors: does not fit this model", "missing layer1.0.bn1.running_mean (64,)",
                  "unknown surprise (3,)", "fc.weight has shape (10, 512) here, (1000, 512) in the state"):
        assert words in str(told.value)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_truncated_and_foreign_files_are_told(tmp_path):
    model, path = models.LeNet5(rng=0), tmp_path / "file"
    save_safetensors(path, in_torch_layout(model))
    whole = path.read_bytes()
    for content, words in ((whole[:-5], "truncated"), (whole[:100], "truncated"), (b"", "not a safetensors file"),
                           (b"PK\x03\x04" + bytes(200), "a zip file, as torch.save")):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=words):
            model.load(path)
    with pytest.raises(RuntimeError, match=r"load: .* does not know the size"):
        cdl.Sequential([cdl.Dense(3)]).load(path)


# --- fuse -------------------------------------------------------------------------------------------------------------
def kinds(model):
    return [type(layer).__name__ for layer in model.layers_inside()]


@EACH
def test_fused_networks_give_the_same_outputs(make, shape):
    model = shaken(make())
    x = images(*shape)
    wanted = model.predict(x)
    assert model.fuse() is model
    assert "BatchNorm" not in kinds(model)
    close(model.predict(x), wanted, 1e-5)
    model.train()
    close(model(x), wanted, 1e-5)       # it stays an inference model
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.fuse() is model


def stack(*layers, shape=(2, 6, 6, 3)):
    model = cdl.Sequential(layers)
    model(images(*shape))
    return shaken(model)


@pytest.mark.parametrize("make, left", [
    (lambda: stack(cdl.Conv2D(4), cdl.BatchNorm(), cdl.ReLU()), ["Conv2D"]),
    (lambda: stack(cdl.Conv2D(4, use_bias=False), cdl.BatchNorm(activation="relu")), ["Conv2D"]),
    (lambda: stack(cdl.Conv2D(4), cdl.BatchNorm(affine=False), cdl.Tanh()), ["Conv2D"]),
    (lambda: stack(cdl.Dense(4), cdl.BatchNorm(), cdl.GELU(), cdl.Dense(3), cdl.Sigmoid()), ["Dense", "Dense"]),
    (lambda: stack(cdl.Dense(4), cdl.ReLU(), cdl.BatchNorm()), ["Dense", "BatchNorm"]),
    (lambda: stack(cdl.BatchNorm(), cdl.Conv2D(4)), ["BatchNorm", "Conv2D"]),
    (lambda: stack(cdl.Conv2D(4, activation="relu"), cdl.BatchNorm()), ["Conv2D", "BatchNorm"]),
    (lambda: stack(cdl.Conv2D(4), cdl.ReLU(), cdl.Tanh()), ["Conv2D", "Tanh"]),
    (lambda: stack(cdl.Conv2D(4), cdl.BatchNorm(), cdl.BatchNorm()), ["Conv2D"]),
    (lambda: stack(cdl.Conv2D(4), cdl.LeakyReLU(slope=0.3)), ["Conv2D", "LeakyReLU"]),
    (lambda: stack(cdl.Conv2D(4), cdl.PReLU()), ["Conv2D", "PReLU"]),
    (lambda: stack(cdl.ConvTranspose2D(4), cdl.BatchNorm(), cdl.ReLU()), ["ConvTranspose2D"]),
    (lambda: stack(cdl.ConvTranspose2D(6, groups=3), cdl.BatchNorm()), ["ConvTranspose2D", "BatchNorm"]),
    (lambda: stack(cdl.Conv1D(4), cdl.BatchNorm(activation="relu"), shape=(2, 9, 3)), ["Conv1D"]),
    (lambda: stack(cdl.Sequential([cdl.Conv2D(4), cdl.BatchNorm()]), cdl.ReLU()), ["Sequential", "Conv2D", "ReLU"]),
    (lambda: stack(cdl.Residual([cdl.Conv2D(3, padding="same"), cdl.BatchNorm()], activation="relu"), cdl.Conv2D(2)),
     ["Residual", "Sequential", "Conv2D", "Conv2D"]),
])
def test_what_fuse_takes_together(make, left):
    model = make()
    x = images(2, 9, 3, seed=3) if left == ["Conv1D"] else images(2, 6, 6, 3, seed=3)
    wanted = model.predict(x)
    model.fuse()
    assert kinds(model)[1:] == left
    close(model.predict(x), wanted, 1e-5)


def test_layers_used_in_several_places_stay_as_they_are():
    conv, norm = cdl.Conv2D(3, padding="same", in_channels=3), cdl.BatchNorm(3)
    for layers in ([conv, norm, conv], [conv, norm, cdl.Conv2D(3, padding="same"), norm]):
        model, x = stack(*layers), images(2, 6, 6, 3, seed=3)
        wanted = model.predict(x)
        assert kinds(model.fuse()).count("BatchNorm") == 1
        close(model.predict(x), wanted, 1e-5)


def test_fuse_leaves_weights_that_layers_share_to_the_other():
    first, second = cdl.Dense(3, in_features=3), cdl.Dense(3, in_features=3)
    second.weight = first.weight
    model, x = stack(first, cdl.BatchNorm(), second, shape=(2, 3)), images(5, 3)
    wanted = model.predict(x)
    close(model.fuse().predict(x), wanted, 1e-5)


class Own(cdl.Model):
    chains = (("conv", "norm"),)

    def __init__(self):
        self.conv = cdl.Conv2D(4, padding="same", in_channels=4, rng=0)
        self.norm = cdl.BatchNorm(4, activation="relu")
        self.other = cdl.BatchNorm(4)

    def forward(self, x):
        return self.norm(self.conv(x)) + self.other(x)


def test_a_class_of_ones_own_says_what_follows_what(tmp_path):
    model, x = shaken(Own()), images(2, 6, 6, 4)
    wanted = model.predict(x)
    model.save(tmp_path / "own.safetensors")
    model.fuse()
    assert kinds(model) == ["Own", "Conv2D", "Folded", "BatchNorm"]
    close(model.predict(x), wanted, 1e-5)
    close(Own().load(tmp_path / "own.safetensors").fuse().predict(x), wanted, 1e-5)


def panels():
    """A fused model whose convolutions hold their weights packed, and its input."""
    model = stack(cdl.Conv2D(32, padding="same"), cdl.BatchNorm(), cdl.ReLU(), cdl.Conv2D(64), shape=(1, 9, 9, 32))
    held = model.fuse()[0].__dict__["weight"]
    assert held.shape == (3, 3, 32, 32) and held.dtype == np.float32 and not isinstance(held, cdl.Tensor)
    return model, images(2, 9, 9, 32)


def test_a_fused_model_gives_and_takes_plain_weights():
    model, x = panels()
    packed = model.predict(x)
    state = model.state_dict()
    assert list(state) == ["0.weight", "0.bias", "1.weight", "1.bias"] and state["1.weight"].shape == (3, 3, 32, 64)
    np.testing.assert_array_equal(model[1].weight, state["1.weight"])
    close(model.predict(x), packed, 1e-5)       # with what was unpacked for the state
    close(model.fuse().predict(x), packed, 1e-5)
    model.load_state_dict(state | {"1.weight": 2 * state["1.weight"], "1.bias": 2 * state["1.bias"]})
    close(model.predict(x), 2 * packed, 1e-5)
    model.fuse()
    model[1].weight = cdl.Tensor(state["1.weight"])
    model[1].bias = cdl.Tensor(state["1.bias"])
    close(model.predict(x), packed, 1e-5)
    assert [parameter.requires_grad for parameter in model.fuse().unfreeze().parameters()] == 4 * [True]


def test_a_fused_model_passes_gradients_other_dtypes_and_copies_on():
    model, x = panels()
    other = copy.deepcopy(model)
    other.state_dict()      # plain
    grads = []
    for each in (model, other):
        t = cdl.Tensor(x, requires_grad=True)
        (each(t) ** 2).sum().backward()
        grads.append(t.grad)
    np.testing.assert_array_equal(grads[0], grads[1])
    wide = model.predict(x.astype(np.float64)), model(x.astype(np.float64)).numpy()
    assert wide[1].dtype == np.float64
    for y in (*wide, copy.deepcopy(model).predict(x), pickle.loads(pickle.dumps(model)).predict(x)):
        close(y, model.predict(x), 1e-5)
    assert not isinstance(model[0].__dict__["weight"], cdl.Tensor)      # none of this unpacked it
    assert repr(model) == repr(other) and model.output_shape((None, 9, 9, 32)) == (None, 7, 7, 64)


def test_fuse_keeps_the_weights_that_convolutions_share_one():
    first, second = (cdl.Conv2D(32, padding="same", in_channels=32) for _ in range(2))
    second.weight = first.weight
    model = stack(first, second, shape=(1, 9, 9, 32)).fuse()
    assert first.weight is second.weight and len(model.parameters()) == 3


def test_fuse_wants_sizes():
    with pytest.raises(RuntimeError, match=r"fuse: .* does not know the size"):
        cdl.Sequential([cdl.Conv2D(3), cdl.BatchNorm()]).fuse()


# --- torch ------------------------------------------------------------------------------------------------------------
def _torch_networks():
    import torchnets as t
    vgg11 = (1, 1, 2, 2, 2)
    return {
        "lenet": lambda: t.LeNet5("tanh", "avg"), "resnet18": lambda: t.ResNet(18, 10, small=True),
        "resnet50": lambda: t.ResNet(50, 10), "vgg11": lambda: t.VGG(vgg11, 10, 1, 512),
        "vgg11 batch norm": lambda: t.VGG(vgg11, 10, 1, 512, batch_norm=True)}


def loaded_from_torch(name, dtype, path):
    """A network in torch with random weights, and ours with the same from its file."""
    import torch
    import torchnets
    network = torchnets.random_(_torch_networks()[name]()).to(getattr(torch, dtype))
    save_safetensors(path, {key: tensor.numpy() for key, tensor in network.state_dict().items()})
    model = SMALL[name][0]()
    if dtype == "float64":
        for layer in model.layers_inside():
            for key, tensor in list(layer.own_tensors()):
                setattr(layer, key, cdl.Tensor(tensor, "float64", requires_grad=tensor.requires_grad))
    return network, model.load(path)


def gradients(network, model, x):
    """The losses, and pairs of gradients (ours, torch's): those of the input and of every parameter."""
    import torch

    from cdl.io.torch_layout import from_torch
    y = np.arange(len(x)) % 10
    theirs, ours = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_(), cdl.Tensor(x, requires_grad=True)
    torch.nn.functional.cross_entropy(network(theirs), torch.from_numpy(y)).backward()
    cdl.cross_entropy(y, model(ours)).backward()
    state = dict(network.state_dict())
    turned = from_torch(model, state | {key: p.grad.numpy() for key, p in network.named_parameters()})
    pairs = {"x": (ours.grad, theirs.grad.permute(0, 2, 3, 1))}
    return pairs | {key: (parameter.grad, turned[key]) for key, parameter in model.named_parameters()}


@pytest.mark.parametrize("name", ["lenet", "vgg11", "vgg11 batch norm", "resnet18", "resnet50"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_agrees_with_torch_in_outputs_and_gradients(name, dtype, tmp_path):
    torch = pytest.importorskip("torch")
    network, model = loaded_from_torch(name, dtype, tmp_path / "torch.safetensors")
    x, tolerance = images(4, *SMALL[name][1][1:]).astype(dtype), {"float32": 1e-4, "float64": 1e-9}[dtype]
    there = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    torch.set_num_threads(2)    # with one it rounds otherwise, and takes an input of a ReLU of ResNet-50 over 0: see below
    # In use first: the running statistics stay. An input of ReLU that rounding takes over 0 changes float32's gradients by
    # percents, torch's own against its float64 as well: they are compared where no such input is, in use, not in training,
    # and without Winograd, whose rounding is larger. float64 compares all of it.
    for training in (False, True):
        network.train(training), model.train(training)
        for layer in model.layers_inside():
            if isinstance(layer, cdl.Dropout):
                layer.eval()
        with torch.no_grad():
            close(model(x), network(there), tolerance)
        for key, tensor in model.named_buffers():
            close(tensor, dict(network.named_buffers())[key], tolerance)
        if dtype == "float64" or not training:
            cdl.set_winograd(False)
            try:
                pairs = gradients(network, model, x)
            finally:
                cdl.set_winograd(True)
            for ours, theirs in pairs.values():
                close(ours, theirs, tolerance)


def test_a_sequential_with_flatten_knows_torchs_order_once_it_knows_the_size_of_images(tmp_path):
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 6 * 5, 7))
    path, x = tmp_path / "torch.safetensors", images(2, 8, 7, 3)
    save_safetensors(path, {key: tensor.numpy() for key, tensor in network.state_dict().items()})
    model = cdl.Sequential([cdl.Conv2D(4), cdl.ReLU(), cdl.Flatten(), cdl.Dense(7)])
    model(x)
    with pytest.raises(FileFormatError, match="follows a Flatten"):
        model.load(path)
    model.build((None, 8, 7, 3))
    with torch.no_grad():
        close(model.load(path)(x), network(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), 1e-5)


def test_other_layers_lie_in_torch_as_is_said(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "torch.safetensors"
    for theirs, ours, shape in (
            (torch.nn.Conv1d(4, 6, 5, groups=2), cdl.Conv1D(6, 5, groups=2, in_channels=4), (2, 9, 4)),
            (torch.nn.Conv2d(4, 6, (3, 2), groups=2), cdl.Conv2D(6, (3, 2), groups=2, in_channels=4), (2, 9, 8, 4)),
            (torch.nn.ConvTranspose2d(4, 6, 3, 2), cdl.ConvTranspose2D(6, 3, 2, in_channels=4), (2, 5, 4, 4))):
        save_safetensors(path, {f"0.{key}": tensor.numpy() for key, tensor in theirs.state_dict().items()})
        x = images(*shape)
        there = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
        with torch.no_grad():
            close(cdl.Sequential([ours]).load(path)(x), np.moveaxis(theirs(there).numpy(), 1, -1), 1e-5)


def test_summary_of_a_network():
    text = models.ResNet18(10, small=True).summary()
    assert "layer1" in text and "11,173,962" in text


def test_a_small_resnet_learns_the_digits():
    x, y = cdl.load_digits()
    x = x.reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = cdl.train_test_split(x, y, test_size=0.2, rng=0, stratify=y)
    model = cdl.Sequential([
        cdl.Conv2D(16, padding="same", use_bias=False, rng=0), cdl.BatchNorm(activation="relu"),
        models.BasicBlock(16, rng=1), models.BasicBlock(32, stride=2, rng=2), cdl.GlobalAvgPool2D(), cdl.Dense(10, rng=3)])
    model.fit(x_train, y_train, loss="cross_entropy", epochs=6, rng=0, progress=False,
              optimizer=lambda parameters: cdl.Adam(parameters, lr=cdl.CosineDecay(0.005, 6)))
    accuracy = (model.predict(x_test).argmax(axis=1) == y_test).mean()
    assert accuracy >= 0.97
    assert (model.fuse().predict(x_test).argmax(axis=1) == y_test).mean() == accuracy
