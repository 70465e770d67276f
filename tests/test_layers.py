"""Every row of the layer table: shapes, state, gradients, files; and the rules of the Layer base."""
import copy
import pickle

import numpy as np
import pytest
from layertable import ROWS

import cdl
from cdl.nn.activation import FUSED, ROWWISE

EACH = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])


def batch(row, dtype=np.float32):
    if row.tokens:
        return np.random.default_rng(0).integers(0, row.tokens, row.input_shape)
    return np.random.default_rng(0).standard_normal(row.input_shape).astype(dtype)


def first_of(output):
    """The output itself, where a layer returns its state too (LSTMCell)."""
    return output[0] if isinstance(output, tuple) else output


def built(row):
    layer = row.make()
    layer(batch(row))
    return layer


@EACH
def test_shapes_and_counts(row):
    layer = row.make()
    assert first_of(layer(batch(row))).shape == row.output_shape
    assert layer.output_shape(row.input_shape) == row.output_shape
    assert layer.count_parameters() == row.parameters
    assert {name: a.shape for name, a in layer.state_dict().items()} == row.state
    assert layer.built


@EACH
def test_build_by_shape_makes_what_a_call_makes(row):
    layer = row.make()
    layer.build((None, *row.input_shape[1:]))
    assert {name: a.shape for name, a in layer.state_dict().items()} == row.state


@EACH
def test_parameters_have_right_gradients(row):
    layer = built(row)
    with cdl.no_grad():     # float64 parameters, for the differences
        for inner in layer.layers_inside():
            for name, value in list(vars(inner).items()):
                if isinstance(value, cdl.Tensor):
                    setattr(inner, name, cdl.Tensor(value, "float64", requires_grad=True))
    x = batch(row) if row.tokens else cdl.Tensor(batch(row, np.float64) * 0.7, requires_grad=True)
    weight = np.random.default_rng(1).standard_normal(row.output_shape)

    def loss():
        return (first_of(layer(x)) * weight).sum()

    loss().backward()
    for tensor in [*([] if row.tokens else [x]), *layer.parameters()]:
        direction = np.random.default_rng(2).standard_normal(tensor.shape)
        values, start = [], tensor.numpy().copy()
        for sign in (1, -1):
            tensor.data[...] = start + sign * 1e-6 * direction
            values.append(loss().item())
        tensor.data[...] = start
        slope = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose((tensor.grad.numpy() * direction).sum(), slope, rtol=1e-5, atol=1e-7)


@EACH
def test_state_goes_through_a_dict_and_refuses_what_does_not_fit(row):
    first, second = built(row), built(row)
    for parameter in first.parameters():
        parameter.data[...] += 1
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(np.asarray(first_of(first(batch(row)))), np.asarray(first_of(second(batch(row)))))
    if row.state:
        name = next(iter(row.state))
        state = first.state_dict()
        with pytest.raises(ValueError, match=f"missing {name} "):
            second.load_state_dict({k: v for k, v in state.items() if k != name})
        with pytest.raises(ValueError, match=rf"{name} has shape .* here, \(1, 1, 1\) in the state"):
            second.load_state_dict(state | {name: np.zeros((1, 1, 1))})
    with pytest.raises(ValueError, match="unknown surprise"):
        second.load_state_dict(first.state_dict() | {"surprise": np.zeros(1)})


@EACH
def test_copies_and_pickles_are_equal_and_independent(row):
    layer = built(row)
    wanted = np.array(first_of(layer(batch(row))))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(np.asarray(first_of(other(batch(row)))), wanted)
        for parameter in other.parameters():
            parameter.data[...] = 7
        np.testing.assert_array_equal(np.asarray(first_of(layer(batch(row)))), wanted)


@EACH
def test_repr_says_what_it_is(row):
    assert type(row.make()).__name__ in repr(row.make())


@EACH
def test_config_makes_it_again(row):
    layer = built(row)
    again = type(layer)(**layer.config())
    assert again.output_shape(row.input_shape) == row.output_shape


def test_activations_are_functions_of_a_value_and_layers_without_one():
    assert float(cdl.ReLU(60.0)) == 60.0
    np.testing.assert_array_equal(cdl.ReLU(np.array([-1.0, 2.0])), [0, 2])
    assert isinstance(cdl.ReLU(), cdl.Layer)
    assert isinstance(cdl.ReLU(cdl.Tensor([1.0])), cdl.Tensor)


@pytest.mark.parametrize("name", [*FUSED, *ROWWISE])
def test_activations_by_name(name):
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    layer, plain = (cdl.Dense(3, activation, in_features=4, rng=0, kernel_initializer=0.5) for activation in (name, None))
    wanted = {**FUSED, **ROWWISE}[name](plain(x))
    np.testing.assert_allclose(layer(x).numpy(), wanted.numpy(), rtol=2e-6, atol=1e-6)


def test_activations_say_what_they_do_not_know():
    for make, error, words in ((lambda: cdl.GELU(approximate="erf"), ValueError, 'approximate must be "none" or "tanh"'),
                               (lambda: cdl.ReLU(slope=1), TypeError, "unexpected keyword argument 'slope'"),
                               (lambda: cdl.Dense(3, "prelu"), ValueError, "PReLU, which is trained, is a layer"),
                               (lambda: cdl.PReLU(channels=0), ValueError, "must be a positive integer, got 0"),
                               (lambda: cdl.PReLU(channels=None)(1.0), ValueError, "last axis of known length"),
                               (lambda: cdl.PReLU(channels=3)(np.ones((2, 4))), ValueError, r"shape \(4,\), got \(3,\)")):
        with pytest.raises(error, match=words):
            make()


def test_sizes_must_be_known_before_parameters_are_asked_for():
    with pytest.raises(RuntimeError, match="call the model on a batch"):
        cdl.Sequential([cdl.Dense(3)]).parameters()


@pytest.mark.parametrize("make, error, words", [
    (lambda: cdl.Dense(0), ValueError, "units must be a positive integer, got 0"),
    (lambda: cdl.Dense(2.5), ValueError, "got 2.5"),
    (lambda: cdl.Dense(True), ValueError, "got True"),
    (lambda: cdl.Dense(3, "rleu"), ValueError, "unknown activation 'rleu'; known are elu"),
    (lambda: cdl.Dense(3, in_features=-1), ValueError, "in_features must be a positive integer"),
    (lambda: cdl.Dense(3, in_features=4)(np.ones((2, 5))), ValueError, "expected 4 features"),
    (lambda: cdl.Dense(3)(np.ones(())), ValueError, "last axis"),
    (lambda: cdl.Dense(3)(np.ones((2, 0))), ValueError, "in_features must be a positive integer, got 0"),
    (lambda: cdl.Sequential([cdl.Dense]), TypeError, r"write Dense\(…\)"),
    (lambda: cdl.Sequential([np.tanh]), TypeError, "expected layers"),
    (lambda: cdl.Layer()(1), NotImplementedError, "define forward"),
])
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()


class Running(cdl.Layer):
    """A parameter, a buffer that training moves, and a table of integers."""

    buffers = ("mean",)

    def __init__(self):
        self.scale = cdl.Tensor([2.0, 3.0], "float32", requires_grad=True)
        self.mean = cdl.Tensor([0.0, 0.0], "float32")
        self.table = cdl.Tensor([1, 2])

    def forward(self, x):
        if self.training:
            self.mean.data[...] += np.asarray(x).mean(axis=0)
        return x * self.scale - self.mean


def test_buffers_are_saved_and_not_trained(tmp_path):
    model = cdl.Sequential([Running(), cdl.Dense(1, in_features=2)])
    assert [name for name, _ in model.named_buffers()] == ["0.mean", "0.table"]
    assert [name for name, _ in model.named_parameters()] == ["0.scale", "1.weight", "1.bias"]
    assert model.count_parameters() == 5
    model(np.ones((4, 2), np.float32))
    model.save(tmp_path / "m.safetensors")
    again = cdl.Sequential([Running(), cdl.Dense(1, in_features=2)]).load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again[0].mean.numpy(), [1, 1])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other[0].mean.numpy(), [1, 1])
        assert not other[0].mean.requires_grad and other[0].scale.requires_grad
        other(np.ones((4, 2), np.float32))
        np.testing.assert_array_equal(model[0].mean.numpy(), [1, 1])
    with pytest.raises(TypeError, match=r"0\.table must hold int64, got dtype float64"):
        model.load_state_dict(model.state_dict() | {"0.table": np.zeros(2)})


def test_a_state_that_does_not_fit_changes_nothing_and_is_told_whole():
    model = cdl.Sequential([cdl.Dense(3, in_features=2), cdl.Dense(1, in_features=3)])
    before = model.state_dict()
    state = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(4), "1.weight": np.ones((1, 3)), "2.bias": np.ones(7)}
    with pytest.raises(ValueError) as raised:
        model.load_state_dict(state)
    assert str(raised.value) == ("load_state_dict: the state does not fit this Sequential:\n"
                                 "    missing 1.bias (1,)\n"
                                 "    unknown 2.bias (7,)\n"
                                 "    0.bias has shape (3,) here, (4,) in the state\n"
                                 "    1.weight has shape (3, 1) here, (1, 3) in the state")
    with pytest.raises(TypeError, match="expected a mapping of names to arrays, got list"):
        model.load_state_dict(list(before))
    for dtype in (complex, object):
        with pytest.raises(TypeError, match=r"1\.bias must hold real numbers"):
            model.load_state_dict(before | {"1.bias": np.ones(1, dtype)})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_modes_reach_every_layer():
    model = cdl.Sequential([cdl.Dense(3, in_features=2), cdl.Sequential([cdl.Dense(1, in_features=3)])])
    model.eval()
    assert not any(layer.training for layer in model.layers_inside())
    assert all(layer.training for layer in model.train().layers_inside())


@pytest.mark.parametrize("optimizer", [
    lambda p: cdl.SGD(p, 0.1, 0.9, weight_decay=0.1), lambda p: cdl.Adam(p, 0.1), lambda p: cdl.AdamW(p, 0.1)])
def test_what_is_frozen_stays_and_the_rest_is_trained(optimizer):
    model = cdl.Sequential([Running(), cdl.Dense(3, in_features=2, rng=0), cdl.Dense(1, in_features=3, rng=0)])
    x, y = np.ones((8, 2), np.float32), np.full((8, 1), 5.0, np.float32)
    rule = optimizer(model.parameters())

    def step():
        rule.zero_grad()
        cdl.mse(y, model(x)).backward()
        rule.step()

    step()                      # momentum and gradients from before the freezing
    model[0].freeze()
    model[1].freeze()
    assert model[0].frozen and not model[0].training and model[2].training
    assert not model.train()[1].training        # a loop of one's own, and fit, call train()
    before = model.state_dict()
    step()
    rule.step()                 # without zero_grad between
    changed = {name for name, array in model.state_dict().items() if (array != before[name]).any()}
    assert changed == {"2.weight", "2.bias"}
    assert model[1].weight.grad is None
    model.unfreeze()
    step()
    changed = {name for name, array in model.state_dict().items() if (array != before[name]).any()}
    assert changed == {name for name in before if name != "0.table"}


def test_a_layer_is_not_in_training_while_it_predicts():
    model = cdl.Sequential([Running(), cdl.Dense(1, in_features=2)])
    x = np.ones((4, 2), np.float32)
    model.predict(x)
    model.evaluate(x, np.zeros((4, 1)), loss="mse")
    assert not model[0].mean.numpy().any() and model.training
    model(x)
    assert model[0].mean.numpy().all()


def test_unfreezing_leaves_the_mode_of_what_was_not_frozen():
    model = cdl.Sequential([cdl.Dense(3, in_features=2)]).eval()
    assert not model.unfreeze()[0].training
    with pytest.raises(RuntimeError, match=r"freeze: .* does not know the size"):
        cdl.Sequential([cdl.Dense(3)]).freeze()


def test_copies_stay_frozen_and_keep_what_is_shared():
    shared = cdl.Dense(2, in_features=2)
    model = cdl.Sequential([shared, cdl.ReLU(), shared]).freeze()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other[0] is other[2] and other[0] is not shared
        assert other[0].frozen and not any(p.requires_grad for p in other.parameters())


def test_shared_layers_count_once():
    shared = cdl.Dense(3, in_features=3)
    model = cdl.Sequential([shared, shared])
    assert len(model.parameters()) == 2
    assert model.count_parameters() == 12


def test_summary_lists_layers_shapes_and_counts():
    model = cdl.Sequential([cdl.Dense(16, "relu"), cdl.ReLU(), cdl.Dense(3)])
    with pytest.raises(RuntimeError, match=r"summary: .* does not know the size"):
        model.summary()
    text = model.summary((None, 4))
    assert text == """\
layer    output shape  parameters
---------------------------------
0 Dense  (batch, 16)           80
1 ReLU   (batch, 16)
2 Dense  (batch, 3)            51
---------------------------------
131 parameters"""
    assert model.summary() == text
    assert "(32, 16)" in model.summary((32, 4))
    with pytest.raises(ValueError, match="only the first axis of input_shape may be None"):
        model.summary((None, None))
    with pytest.raises(ValueError, match="expected 4 features"):
        model.summary((None, 5))


class Branches(cdl.Model):
    """Shared, nested, frozen and unused layers, tensors of its own, and a forward that is no list of layers."""

    def __init__(self):
        self.scale = cdl.Tensor(np.ones(2), "float32", requires_grad=True)
        self.first = cdl.Residual([cdl.Dense(2, in_features=2), Running()])
        self.again = self.first.body[0]
        self.parts = {"a": cdl.Dense(5, in_features=4), "unused": cdl.Dense(1, in_features=1)}

    def forward(self, x):
        y = self.again(self.first(x) * self.scale)
        return self.parts["a"](y.reshape((-1, 4)))


def test_summary_of_a_model_that_reads_tokens():
    model = cdl.models.GPT2(1, 8, 2, tokens=20, positions=6, rng=0)
    text = model.summary()
    assert "wte Embedding" in text and "(batch, 6, 8)" in text and "?" not in text.partition("attn _Attention")[0]
    assert "(batch, 4, 5)" in cdl.Sequential([cdl.Embedding(9, 5)]).summary((None, 4))


def test_summary_of_any_forward():
    model = Branches()
    model.first.body[0].freeze()
    kinds = [type(layer) for layer in model.layers_inside()]
    text = model.summary((None, 3, 2))
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    assert cells == [
        ["layer", "output shape", "trained", "frozen", "buffers"], [cells[1][0]],
        ["Branches", "(3, 5)", "2"],
        ["first Residual", "(batch, 3, 2)"],
        ["body Sequential", "(batch, 3, 2)"],
        ["0 Dense", "(batch, 3, 2)", "6"],
        ["1 Running", "(batch, 3, 2)", "2", "4"],
        ["again Dense", "(batch, 3, 2)"],
        ["parts.a Dense", "(3, 5)", "25"],
        ["parts.unused Dense", "?", "2"],
        [cells[1][0]],
        ["37 parameters, 31 trained and 6 frozen; 4 numbers in buffers"]]
    assert [type(layer) for layer in model.layers_inside()] == kinds
    np.testing.assert_array_equal(model.first.body[1].mean.numpy(), 0)      # the run is one of use, not of training
    assert "output shape" in Branches().summary()       # a layer's size that is not the input's does no harm


def test_a_model_of_ones_own_finds_its_parts():
    class Net(cdl.Model):
        def __init__(self):
            self.blocks = [cdl.Dense(3), cdl.Dense(3)]
            self.heads = {"a": cdl.Dense(1)}
            self.scale = cdl.Tensor([1.0], requires_grad=True)

        def forward(self, x):
            for block in self.blocks:
                x = x + block(x)
            return self.heads["a"](x) * self.scale

    net = Net()
    assert net(np.ones((2, 3))).shape == (2, 1)
    assert set(net.state_dict()) == {"scale", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias",
                                     "heads.a.weight", "heads.a.bias"}
    net.zero_grad()
    net(np.ones((2, 3))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
