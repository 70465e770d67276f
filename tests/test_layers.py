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
    return np.random.default_rng(0).standard_normal(row.input_shape).astype(dtype)


def built(row):
    layer = row.make()
    layer(batch(row))
    return layer


@EACH
def test_shapes_and_counts(row):
    layer = row.make()
    assert layer(batch(row)).shape == row.output_shape
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
    x = cdl.Tensor(batch(row, np.float64) * 0.7, requires_grad=True)
    weight = np.random.default_rng(1).standard_normal(row.output_shape)

    def loss():
        return (layer(x) * weight).sum()

    loss().backward()
    for tensor in [x, *layer.parameters()]:
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
    np.testing.assert_array_equal(np.asarray(first(batch(row))), np.asarray(second(batch(row))))
    if row.state:
        name = next(iter(row.state))
        state = first.state_dict()
        with pytest.raises(KeyError, match="missing"):
            second.load_state_dict({k: v for k, v in state.items() if k != name})
        with pytest.raises(ValueError, match=name):
            second.load_state_dict(state | {name: np.zeros((1, 1, 1))})
    with pytest.raises(KeyError, match="surprise"):
        second.load_state_dict(first.state_dict() | {"surprise": np.zeros(1)})


@EACH
def test_copies_and_pickles_are_equal_and_independent(row):
    layer = built(row)
    wanted = np.array(layer(batch(row)))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(np.asarray(other(batch(row))), wanted)
        for parameter in other.parameters():
            parameter.data[...] = 7
        np.testing.assert_array_equal(np.asarray(layer(batch(row))), wanted)


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
                               (lambda: cdl.PReLU(channels=0), ValueError, "must be a positive integer or None, got 0"),
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


def test_freeze_and_modes_reach_every_layer():
    model = cdl.Sequential([cdl.Dense(3, in_features=2), cdl.Sequential([cdl.Dense(1, in_features=3)])])
    model.eval()
    assert not any(layer.training for layer in model.layers_inside())
    model.freeze()
    assert not any(p.requires_grad for p in model.parameters())
    model.freeze(False).train()
    assert all(p.requires_grad for p in model.parameters()) and model.training


def test_shared_layers_count_once():
    shared = cdl.Dense(3, in_features=3)
    model = cdl.Sequential([shared, shared])
    assert len(model.parameters()) == 2
    assert model.count_parameters() == 12


def test_summary_lists_layers_shapes_and_counts():
    model = cdl.Sequential([cdl.Dense(16, "relu"), cdl.ReLU(), cdl.Dense(3)])
    text = model.summary((None, 4))
    assert "0 Dense" in text and "(batch, 16)" in text and "131 parameters" in text
    assert model.summary() == text


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
