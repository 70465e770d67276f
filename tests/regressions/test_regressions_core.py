"""Inputs that once went wrong in the core, the optimizers, the layers or the training loop, one test each."""
import json

import numpy as np
import pytest

import cdl
from cdl import cli
from cdl.io.safetensors import load_safetensors, save_safetensors


# --- crashes ----------------------------------------------------------------------------------------------------------
def test_the_base_of_optimizers_has_no_rule():
    """Its step called a kernel that was not there."""
    w = cdl.Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"make one of cdl\.Adam"):
        cdl.optim.Optimizer([w], 0.1)
    empty = cdl.Adam.__new__(cdl.Adam)
    for use in (empty.step, empty.zero_grad, empty.state_dict, lambda: empty.update([], []), lambda: empty.params,
                lambda: empty.load_state_dict({"t": 0, "state": []})):
        with pytest.raises(TypeError):
            use()


def test_lists_of_an_optimizer_are_copies():
    """What was put into them was taken for a Tensor of the parameter's size."""
    w = cdl.Tensor(np.ones(4), requires_grad=True)
    optimizer = cdl.Adam([w])
    w.grad = np.ones(4)
    optimizer.step()
    optimizer.params[0] = cdl.Tensor(np.ones(10**6))
    optimizer.state[0].clear()
    optimizer.state.clear()
    optimizer.step()
    assert w.numpy() == pytest.approx(1 - 2 * 0.001) and len(optimizer.state[0]) == 2


def test_momentum_that_is_set_later():
    """The kernel read the momentum's array, of which there was none."""
    w = cdl.Tensor(np.zeros(3), requires_grad=True)
    optimizer = cdl.SGD([w], lr=1.0)
    for momentum in (0.0, 0.5, 0.5, 0.0):
        optimizer.momentum = momentum
        w.grad = np.ones(3)
        optimizer.step()
    assert w.tolist() == [-(1 + 1 + 1.5 + 1)] * 3


@pytest.mark.parametrize("make", [cdl.SGD, cdl.Adam])
def test_parameters_with_gaps(make):
    """step() went on behind the view; update() changed a copy."""
    base = cdl.Tensor(np.ones((4, 4), np.float32))
    w = base[:, 1].detach()
    w.requires_grad = True
    optimizer = make([w], 0.5)
    w.grad = np.ones(4, np.float32)
    optimizer.step()
    after = base.numpy().copy()
    assert (after[:, 1] < 1).all() and (after[:, [0, 2, 3]] == 1).all()
    optimizer.update([w], [np.ones(4, np.float32)])
    assert (base.numpy()[:, 1] < after[:, 1]).all() and (base.numpy()[:, [0, 2, 3]] == 1).all()


def test_a_batch_axis_of_length_0_that_is_summed():
    """The gradient of the second operand divided by that length."""
    a = cdl.Tensor(np.ones((0, 4, 3)).swapaxes(1, 2), requires_grad=True)
    b = cdl.Tensor(np.ones((4, 5)), requires_grad=True)
    strided = cdl.Tensor(np.ones((2, 3, 8)))[:0, :, ::2]
    (cdl.matmul(a, b).sum() + cdl.matmul(strided, b).sum()).backward()
    assert a.grad.shape == (0, 3, 4) and not b.grad.numpy().any()


def test_recorded_parameters_are_refused():
    w = cdl.Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="made by a recorded op"):
        cdl.SGD([w * 2])


def test_a_step_on_arrays_changes_nothing_before_it_is_refused():
    w, array = cdl.Tensor([1.0], requires_grad=True), np.ones(1)
    w.grad = [1.0]
    optimizer = cdl.SGD([w, array])
    with pytest.raises(TypeError, match="need Tensors"):
        optimizer.step()
    assert w.item() == 1 and optimizer.t == 0


# --- layers -----------------------------------------------------------------------------------------------------------
def test_a_forward_from_another_base_is_called():
    class Doubled:
        def forward(self, x):
            return super().forward(x) * 2

    class Both(Doubled, cdl.Dense):
        pass

    layer = Both(3, in_features=2)
    np.testing.assert_array_equal(layer(np.ones((1, 2))).numpy(), layer.forward(np.ones((1, 2))).numpy())


def test_parameters_in_lists_and_dicts_are_found():
    class Net(cdl.Model):
        def __init__(self):
            self.weights = [cdl.Tensor([1.0], requires_grad=True), cdl.Tensor([2.0], requires_grad=True)]
            self.more = {"a": cdl.Tensor([3.0], requires_grad=True)}
            self.seen = cdl.Dense(1, in_features=1)
            self._last = cdl.Tensor([9.0])

        def forward(self, x):
            self._last = x * self.weights[0]
            return self._last * self.more["a"]

    net = Net()
    net(cdl.Tensor([1.0]))
    assert list(net.state_dict()) == ["weights.0", "weights.1", "more.a", "seen.weight", "seen.bias"]


def test_a_layer_may_know_the_one_it_is_in():
    inner, model = cdl.Dense(2, in_features=2), cdl.Sequential([])
    model.append(inner)
    inner.parent = model
    assert list(model.state_dict()) == ["0.weight", "0.bias"] and len(model.parameters()) == 2


def test_options_of_activation_layers_are_not_lost():
    with pytest.raises(TypeError, match="Softmax: the layer takes no options, got axis"):
        cdl.Softmax(axis=0)
    assert cdl.Softmax(np.zeros((2, 1)), axis=0).tolist() == [[0.5], [0.5]]


@pytest.mark.parametrize("wrong", [np.ones((1, 1)) * 1j, np.array([["1"]]), np.array([[None]])])
def test_states_that_are_no_numbers(wrong):
    model = cdl.Sequential([cdl.Dense(1, in_features=1)])
    before = model.state_dict()
    with pytest.raises(TypeError, match=r"0\.weight must hold real numbers"):
        model.load_state_dict({"0.bias": np.full(1, 7.0), "0.weight": wrong})
    assert model.state_dict()["0.bias"] == before["0.bias"]


# --- training ---------------------------------------------------------------------------------------------------------
def test_masked_samples_are_refused():
    model, x = cdl.Sequential([cdl.Dense(1)]), np.ma.masked_array(np.ones((4, 2)), [[True, False]] * 4)
    for use in (lambda: model.fit(x, np.ones((4, 1)), loss="mse", progress=False),
                lambda: model.fit(np.ones((4, 2)), x, loss="mse", progress=False),
                lambda: model.evaluate(x, np.ones((4, 1)), loss="mse")):
        with pytest.raises(TypeError, match="masked arrays"):
            use()


def test_fit_gives_every_layer_its_own_mode_back():
    model = cdl.Sequential([cdl.Dense(2, in_features=2), cdl.Dense(1, in_features=2)])
    model.layers[0].eval()
    model.fit(np.ones((4, 2)), np.ones((4, 1)), loss="mse", progress=False)
    assert [layer.training for layer in model.layers_inside()] == [True, False, True]


def test_predict_in_batches_of_nothing():
    model = cdl.Sequential([cdl.Dense(2, in_features=2)])
    for size in (0, -1):
        with pytest.raises(ValueError, match="batch_size must be a positive integer"):
            model.predict(np.ones((4, 2)), batch_size=size)


# --- files and commands -----------------------------------------------------------------------------------------------
def test_a_small_file_cannot_ask_for_a_large_model(tmp_path):
    """The weights were drawn before anybody looked at how many the file holds."""
    path = tmp_path / "model.safetensors"
    cdl.Sequential([cdl.Dense(2, in_features=3)]).save(path)
    state, metadata = load_safetensors(path)
    description = json.loads(metadata["cdl"])
    description["model"]["layers"][0] |= {"units": 10**6, "in_features": 10**7}
    save_safetensors(path, state, metadata={"cdl": json.dumps(description)})
    with pytest.raises(ValueError, match=r"weights of shape \(10000000, 1000000\) are asked for, 8 numbers are there"):
        cdl.load(path)


def test_loading_draws_no_random_numbers(tmp_path):
    model = cdl.Sequential([cdl.Dense(2, in_features=3)])
    model.save(tmp_path / "m")
    cdl.seed(1)
    wanted = cdl.Dense(3, in_features=3).state_dict()["weight"]
    cdl.seed(1)
    again = cdl.load(tmp_path / "m")
    np.testing.assert_array_equal(cdl.Dense(3, in_features=3).state_dict()["weight"], wanted)
    np.testing.assert_array_equal(again.state_dict()["0.weight"], model.state_dict()["0.weight"])


@pytest.mark.parametrize("options, words", [
    (["--epochs", "0"], "epochs must be a positive integer, got 0"), (["--out", "/no/such/folder/m"], "no such folder"),
])
def test_options_that_were_passed_over(capsys, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "digits", "--quiet", *options]) == 1
    assert words in capsys.readouterr().err


def test_a_gradient_summed_to_fewer_axes_is_the_leafs_own():
    """It was a view of the array that the user had given to backward."""
    b, g = cdl.Tensor(np.ones(3), requires_grad=True), np.ones((1, 3))
    (b + cdl.Tensor(np.zeros((1, 3)))).backward(g)
    assert not np.shares_memory(b.grad.numpy(), g)
