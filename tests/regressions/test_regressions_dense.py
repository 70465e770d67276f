"""Inputs that once went wrong in activations, normalisation, losses, optimizers or `fit`'s options, one test each."""
import copy
import json
import pickle
import warnings

import numpy as np
import pytest

import cdl
from cdl.io.safetensors import load_safetensors, save_safetensors
from cdl.metrics import accuracy, binary_accuracy


# --- layers -----------------------------------------------------------------------------------------------------------
def test_residual_knows_every_activation_that_dense_knows():
    """gelu_tanh is no function of cdl.ops, where it was looked for."""
    block = cdl.Residual(cdl.Dense(4, in_features=4, kernel_initializer="zeros"), activation="gelu_tanh")
    x = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_array_equal(block(x).numpy(), cdl.gelu(x, approximate="tanh"))


def test_prelu_of_float64():
    """A Tensor of float64, as Dense gives for NumPy's own floats, was refused by the layer, whose slope is float32."""
    x = np.array([[-4.0, 4.0], [-2.0, 1.0]])
    layer = cdl.PReLU(channels=2)
    y = layer(cdl.Tensor(x, requires_grad=True))
    assert y.dtype == np.float64
    y.sum().backward()
    np.testing.assert_array_equal(layer.slope.grad.numpy(), [-6, 0])
    assert layer.slope.grad.dtype == np.float32
    np.testing.assert_array_equal(layer(x).numpy(), y.numpy())
    assert cdl.Sequential([cdl.Dense(3), cdl.PReLU()])(x).shape == (2, 3)


@pytest.mark.parametrize("layer", [cdl.Dense(2), cdl.BatchNorm(), cdl.LayerNorm(), cdl.RMSNorm(), cdl.GroupNorm(1),
                                   cdl.PReLU(channels=None)], ids=lambda layer: type(layer).__name__)
def test_a_list_may_be_the_first_input(layer):
    """The size of the input was asked of its attribute `shape`."""
    x = [[1.0, 2.0], [3.0, 5.0]]
    np.testing.assert_array_equal(layer(x).numpy(), layer(np.array(x)).numpy())


def test_an_activation_is_named_by_a_string():
    with pytest.raises(ValueError, match=r"Dense: unknown activation \['relu'\]"):
        cdl.Dense(2, activation=["relu"])


# --- models -----------------------------------------------------------------------------------------------------------
def test_sequential_says_how_an_activation_with_an_option_is_written():
    """LeakyReLU(0.2) is a number; that Sequential got one said nothing of where it came from."""
    with pytest.raises(TypeError, match=r"got .*0\.2.*; for the layer name the option, LeakyReLU\(slope=0\.2\)"):
        cdl.Sequential([cdl.Dense(2), cdl.LeakyReLU(0.2)])


def test_a_layer_that_is_used_twice_is_one_layer_after_loading(tmp_path):
    """It was made twice, with equal weights, of which further training kept only one in step."""
    twice, block = cdl.Dense(4, in_features=4), cdl.BatchNorm(4)
    model = cdl.Sequential([cdl.Residual([twice, block], shortcut=twice), cdl.Sequential([cdl.ReLU(), twice]), block])
    model.save(tmp_path / "m")
    again = cdl.load(tmp_path / "m")
    assert again[0].shortcut is again[0].body[0] is again[1][1] and again[2] is again[0].body[1]
    assert again.count_parameters() == model.count_parameters() == 28
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("number", [0, 2, -1, "a", True, None])
def test_a_layer_used_again_must_have_come_before(tmp_path, number):
    cdl.Sequential([cdl.ReLU()] * 2).save(tmp_path / "m")
    state, metadata = load_safetensors(tmp_path / "m")
    description = json.loads(metadata["cdl"])
    assert description["model"]["layers"][1] == {"again": 1}
    description["model"]["layers"][1] = {"again": number}
    save_safetensors(tmp_path / "m", state, metadata={"cdl": json.dumps(description)})
    with pytest.raises(cdl.io.FileFormatError, match=f"there is no layer {number!r} to be used again"):
        cdl.load(tmp_path / "m")


# --- optimizers -------------------------------------------------------------------------------------------------------
def test_an_optimizer_is_not_copied():
    """The error spoke of a non-trivial __cinit__."""
    optimizer = cdl.Adam([cdl.Tensor([1.0], requires_grad=True)])
    for use in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"Adam: an optimizer is not copied or pickled.* state_dict\(\)"):
            use(optimizer)


def test_a_number_of_updates_beyond_all_numbers():
    optimizer = cdl.Adam([cdl.Tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match=r"t of the state must be an integer from 0 to 2\*\*63 - 1"):
        optimizer.load_state_dict(optimizer.state_dict() | {"t": 10**30})


# --- losses -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("labels", [[[0], [1]], [[0.0], [1.0]]])
def test_cross_entropy_of_one_output(labels):
    """Loss 0 and accuracy 1 from the first epoch on, whatever the labels: binary_cross_entropy was meant."""
    with pytest.raises(ValueError, match="use binary_cross_entropy"):
        cdl.Sequential([cdl.Dense(1)]).fit(np.ones((2, 3)), np.array(labels), loss="cross_entropy", progress=False)


@pytest.mark.parametrize("length", [0.0, 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_vector_without_direction_has_no_gradient_of_the_cosine(length, dtype):
    """It was 1e8 long, which one output of ReLU with nothing but zeros is enough for."""
    p = cdl.Tensor(np.array([[length, 0.0], [1.0, 1.0]], dtype), requires_grad=True)
    loss = cdl.cosine_loss(np.array([[1.0, 0.0], [0.0, 0.0]]), p, reduction="none")
    np.testing.assert_array_equal(loss.numpy(), [1, 1])
    loss.sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), np.zeros((2, 2)))


# --- options ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("use, words", [
    (lambda: cdl.BatchNorm(eps="a"), "BatchNorm: eps must be a number, got str"),
    (lambda: cdl.BatchNorm(momentum=None), "BatchNorm: momentum must be a number, got NoneType"),
    (lambda: cdl.LayerNorm(eps=None), "LayerNorm: eps must be a number, got NoneType"),
    (lambda: cdl.PReLU(initial="a"), "PReLU: initial must be a number, got str"),
    (lambda: cdl.Dropout("a"), "Dropout: drop_prob must be a number, got str"),
    (lambda: cdl.dropout([1.0], None), "dropout: drop_prob must be a number, got NoneType"),
    (lambda: cdl.huber([1.0], [1.0], delta="a"), "huber: delta must be a number, got str"),
    (lambda: cdl.binary_cross_entropy([1.0], [1.0], epsilon=1j), "binary_cross_entropy: epsilon must be a number, got complex"),
    (lambda: cdl.l2_penalty([np.ones(2)], "a"), "l2_penalty: strength must be a number, got str"),
    (lambda: cdl.he_initialization((2, 2), "a"), "he_initialization: n_in must be a number, got str"),
    (lambda: cdl.EarlyStopping(min_delta="a"), "EarlyStopping: min_delta must be a number, got str"),
    (lambda: cdl.gradient_descent([1.0], [1.0], "a"), "gradient_descent: learning_rate must be a number, got str"),
], ids=lambda value: value.split(":")[0] if isinstance(value, str) else "")
def test_options_that_are_no_numbers(use, words):
    """Python's own words, about comparing int with str, did not say of what they spoke."""
    with pytest.raises(TypeError, match=words):
        use()


def test_an_unknown_initializer_is_told_when_the_layer_is_made():
    with pytest.raises(ValueError, match="Dense: unknown initializer 'he'"):
        cdl.Dense(2, kernel_initializer="he")


def test_a_number_has_no_axis():
    """The known axes were said to be -0 to -1."""
    with pytest.raises(ValueError, match=r"softmax: axis -1 is out of range for 0 axes \(a number has none\)"):
        cdl.softmax(2.0)


# --- fit and what is around it ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("options, error, words", [
    ({"optimizer": cdl.Adam(cdl.Dense(2, in_features=3).parameters())}, ValueError, "none of this model's parameters"),
    ({"optimizer": lambda parameters: None}, ValueError, "unknown optimizer None"),
    ({"optimizer": ["adam"]}, ValueError, r"unknown optimizer \['adam'\]"),
    ({"loss": ["mse"]}, ValueError, r"unknown loss \['mse'\]"),
    ({"augment": 3}, TypeError, "augment must be a function, got 3"),
    ({"penalty": 0.1}, TypeError, "penalty must be a function, got 0.1"),
    ({"validation_split": "a"}, TypeError, "validation_split must be a number, got str"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_options_of_fit_that_were_passed_over_or_not_named(options, error, words):
    """The first one trained for all its epochs and changed nothing."""
    model = cdl.Sequential([cdl.Dense(2)])
    with pytest.raises(error, match=words):
        model.fit(np.ones((4, 3)), np.ones((4, 2)), **{"loss": "mse", "progress": False} | options)


def test_evaluate_speaks_of_itself():
    with pytest.raises(ValueError, match="evaluate: unknown loss 'foo'"):
        cdl.Sequential([cdl.Dense(2)]).evaluate(np.ones((4, 3)), np.ones((4, 2)), loss="foo")


def test_figures_of_labels_of_another_shape():
    """They were broadcast, and the share of a table of all labels against all predictions was returned."""
    with pytest.raises(ValueError, match=r"binary_accuracy: expected labels of y_pred's shape \(2, 1\), got \(2,\)"):
        binary_accuracy([0, 1], [[0.2], [0.8]])
    with pytest.raises(ValueError, match=r"accuracy: expected y_pred .* got y_pred of shape \(2, 2\)"):
        accuracy([[0], [1]], [[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize("shape", [4, (), "ab"])
def test_summary_of_what_is_no_shape(shape):
    with pytest.raises(ValueError, match="summary: input_shape must be that of a batch"):
        cdl.Sequential([cdl.Dense(2)]).summary(shape)


def test_gradient_descent_that_diverges_warns_of_nothing():
    with warnings.catch_warnings(), pytest.raises(FloatingPointError, match="diverged"):
        warnings.simplefilter("error")
        cdl.gradient_descent(np.arange(40.0).reshape(20, 2), np.ones(20), learning_rate=1)
