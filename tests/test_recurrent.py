"""Recurrent layers: against torch, streams, lengths, what they refuse, and the notes' table of who remembers."""
import copy

import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl

LAYERS = {"RNN": cdl.RNN, "RNN relu": lambda units, **options: cdl.RNN(units, "relu", **options), "LSTM": cdl.LSTM,
          "GRU": cdl.GRU, "GRU before": lambda units, **options: cdl.GRU(units, reset_after=False, **options)}
EACH = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def draw(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


def in_double(layer):
    """The layer with float64 parameters."""
    for name, value in layer.own_tensors():
        setattr(layer, name, cdl.Tensor(value, "float64", requires_grad=True))
    return layer


def results(layer, x, state=None, lengths=None):
    """Outputs, states and all gradients of a scalar that reads them all."""
    x = cdl.Tensor(x, requires_grad=True)
    state = None if state is None else tuple(cdl.Tensor(s, requires_grad=True) for s in state)
    y, last = layer(x, state if state is None or len(state) > 1 else state[0], lengths)
    outputs = [y, *parts(last)]
    for i, out in enumerate(outputs):
        out.backward(draw(*out.shape, seed=i + 1, dtype=out.dtype), retain_graph=i + 1 < len(outputs))
    leaves = [x, *(state or ()), *layer.parameters()]
    return [a.numpy() for a in outputs] + [leaf.grad.numpy() for leaf in leaves]


# --- torch ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name, options", [("RNN", {"nonlinearity": "tanh"}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}),
                                           ("GRU", {})])
@pytest.mark.parametrize("lengths", [None, [4, 7, 1, 7, 3, 2, 7, 6]], ids=["whole", "ragged"])
def test_torch_agrees_stacked_and_bidirectional(name, options, lengths):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(5, 9, num_layers=2, bidirectional=True, batch_first=True, dtype=torch.float64, **options)
    extra = {"activation": options["nonlinearity"]} if options else {}
    ours = in_double(getattr(cdl, name)(9, layers=2, bidirectional=True, return_sequences=True, return_state=True,
                                        in_features=5, **extra))
    state = {k: v.numpy().T if k.startswith("weight") else v.numpy() for k, v in theirs.state_dict().items()}
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)
    x, start = draw(8, 7, 5, dtype=np.float64), [draw(4, 8, 9, seed=i, dtype=np.float64) for i in range(1 + (name == "LSTM"))]
    got = results(ours, x, start, lengths)
    tx, *ts = (torch.tensor(a, requires_grad=True) for a in (x, *start))
    packed = tx if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(tx, lengths, True, enforce_sorted=False)
    y, last = theirs(packed, tuple(ts) if len(ts) > 1 else ts[0])
    if lengths is not None:
        y = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=7)[0]
    outputs = [y, *parts(last)]
    sum((out * torch.from_numpy(draw(*out.shape, seed=i + 1, dtype=np.float64))).sum()
        for i, out in enumerate(outputs)).backward()
    wanted = [out.detach().numpy() for out in outputs] + [leaf.grad.numpy() for leaf in (tx, *ts)]
    wanted += [p.grad.numpy().T if k.startswith("weight") else p.grad.numpy() for k, p in theirs.named_parameters()]
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_torch_agrees_on_cells(name):
    torch = pytest.importorskip("torch")
    theirs, ours = getattr(torch.nn, name)(4, 6), getattr(cdl, name)(6, in_features=4)
    ours.load_state_dict({k: v.numpy().T if k.startswith("weight") else v.numpy() for k, v in theirs.state_dict().items()})
    x, h, c = draw(3, 4), draw(3, 6, seed=1), draw(3, 6, seed=2)
    pair = (h, c) if name == "LSTMCell" else h
    wanted = theirs(torch.from_numpy(x), tuple(map(torch.from_numpy, pair)) if name == "LSTMCell" else torch.from_numpy(pair))
    for a, b in zip(parts(ours(x, pair)), parts(wanted), strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_a_file_of_torch_loads_by_its_own_names(tmp_path):
    """weight_ih_l0 and so on, transposed at load; what torch writes is written here by hand."""
    model = cdl.Sequential([cdl.GRU(6, layers=2, in_features=4), cdl.Dense(3, in_features=6)], names=["rnn", "fc"])
    state = model.state_dict()
    theirs = {k: np.ascontiguousarray(v.T) if v.ndim == 2 else v for k, v in state.items()}
    cdl.io.save_safetensors(tmp_path / "torch.safetensors", theirs)
    other = cdl.Sequential([cdl.GRU(6, layers=2, in_features=4), cdl.Dense(3, in_features=6)], names=["rnn", "fc"])
    other.load(tmp_path / "torch.safetensors")
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


# --- one result, several ways -----------------------------------------------------------------------------------------
@EACH
@pytest.mark.parametrize("n", [1, 3, 9])
def test_steps_of_a_stream_give_what_the_whole_sequence_gives(make, n):
    layer = make(17, layers=2, return_sequences=True, return_state=True, in_features=5, rng=0)
    x, state, outputs = draw(n, 6, 5), None, []
    wanted, last = layer(x)
    for t in range(6):
        y, state = layer.step(x[:, t], state)
        outputs.append(y.numpy())
    np.testing.assert_allclose(np.stack(outputs, axis=1), wanted.numpy(), rtol=1e-6, atol=1e-6)
    for a, b in zip(parts(state), parts(last), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-6)


@EACH
def test_a_sequence_in_two_parts(make):
    layer = make(8, return_sequences=True, return_state=True, in_features=3, rng=0)
    x = draw(4, 9, 3)
    wanted, end = layer(x)
    first, state = layer(x[:, :5])
    second, again = layer(x[:, 5:], state)
    np.testing.assert_array_equal(np.concatenate([first.numpy(), second.numpy()], axis=1), wanted.numpy())
    for a, b in zip(parts(end), parts(again), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@EACH
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
def test_a_ragged_batch_is_each_sequence_alone(make, bidirectional):
    layer = make(8, layers=2, bidirectional=bidirectional, return_sequences=True, return_state=True, in_features=3, rng=0)
    x, lengths = draw(7, 6, 3), [2, 6, 1, 3, 6, 5, 4]
    y, state = layer(x, lengths=np.array(lengths, np.int32))
    ends = layer_ends(layer, x, lengths)
    for n, length in enumerate(lengths):
        alone, last = layer(x[n:n + 1, :length])
        np.testing.assert_allclose(y.numpy()[n, :length], alone.numpy()[0], rtol=1e-6, atol=1e-6)
        assert not y.numpy()[n, length:].any()
        for a, b in zip(parts(state), parts(last), strict=True):
            np.testing.assert_allclose(a.numpy()[:, n], b.numpy()[:, 0], rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(ends[n, :8], y.numpy()[n, length - 1, :8])


def layer_ends(layer, x, lengths):
    """What the layer returns without return_sequences."""
    only = copy.deepcopy(layer)
    only.return_sequences = only.return_state = False
    return only(x, lengths=lengths).numpy()


@EACH
@pytest.mark.parametrize("lengths", [None, [11, 30, 1, 30, 17, 2, 30, 25]], ids=["whole", "ragged"])
def test_recomputing_changes_no_bit(make, lengths):
    layer = make(20, return_sequences=True, return_state=True, in_features=4, rng=0)
    x = draw(8, 30, 4)
    wanted = results(layer, x, lengths=lengths)
    layer.zero_grad()
    layer.recompute = True
    for i, (a, b) in enumerate(zip(results(layer, x, lengths=lengths), wanted, strict=True)):
        if i <= 2 + (len(wanted) == 8):       # outputs and dx; the gradients of weights are sums over windows
            np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@EACH
@pytest.mark.parametrize("n", [2, 33])
def test_the_number_of_threads_changes_no_bit(make, n):
    layer = make(96, layers=2, bidirectional=True, return_sequences=True, return_state=True, in_features=70, rng=0)
    x, lengths = draw(n, 12, 70), [12 - i % 5 for i in range(n)]

    def run():
        layer.zero_grad()
        return results(layer, x, lengths=lengths)

    assert_same_bits(run)


@EACH
def test_memory_that_recomputing_saves(make):
    layer = make(32, return_sequences=True, in_features=32, rng=0)
    x, used = cdl.Tensor(draw(8, 400, 32)), []
    for recompute in (False, True):
        layer.recompute = recompute
        before = cdl.memory_stats()["in_use"]
        y = layer(x)
        used.append(cdl.memory_stats()["in_use"] - before)
        del y
    if not cdl.memory_stats()["pooled"]:
        pytest.skip("blocks are not counted in this build")
    assert used[1] < used[0] * 0.62      # RNN keeps h beside y, three arrays become one; the others more


# --- gradients --------------------------------------------------------------------------------------------------------
@EACH
@pytest.mark.parametrize("which", ["y", "state", "c"])
def test_gradients_of_some_outputs_alone(make, which):
    layer = in_double(make(5, layers=2, return_sequences=True, return_state=True, in_features=3, rng=0))
    x, weight = draw(3, 4, 3, dtype=np.float64), draw(2, 3, 5, seed=1, dtype=np.float64)

    def loss():
        y, state = layer(x, lengths=[4, 2, 3])
        return (y * y).sum() if which == "y" else (parts(state)[-1 if which == "c" else 0] * weight).sum()

    loss().backward()
    for parameter in layer.parameters():
        direction, start, values = draw(*parameter.shape, seed=2, dtype=np.float64), parameter.numpy().copy(), []
        for sign in (1, -1):
            parameter.data[...] = start + sign * 1e-6 * direction
            values.append(loss().item())
        parameter.data[...] = start
        np.testing.assert_allclose((parameter.grad.numpy() * direction).sum(), (values[0] - values[1]) / 2e-6, rtol=1e-5,
                                   atol=1e-8)


def test_a_gradient_that_came_for_the_state_is_not_used_again():
    layer = cdl.LSTM(5, return_sequences=True, return_state=True, in_features=3, rng=0)
    y, (h, _) = layer(draw(2, 4, 3))
    h.sum().backward(retain_graph=True)
    layer.zero_grad()
    y.sum().backward(retain_graph=True)
    wanted = [p.grad.numpy().copy() for p in layer.parameters()]
    layer.zero_grad()
    y.sum().backward()
    for p, w in zip(layer.parameters(), wanted, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), w)


@EACH
def test_frozen_weights_and_inputs_take_no_gradient(make):
    layer = make(5, return_sequences=True, in_features=3, rng=0)
    wanted = results_of_x(layer)
    layer.weight_ih_l0.requires_grad = layer.bias_hh_l0.requires_grad = False
    layer.zero_grad()
    np.testing.assert_array_equal(results_of_x(layer), wanted)
    assert layer.weight_ih_l0.grad is None and layer.bias_hh_l0.grad is None and layer.weight_hh_l0.grad is not None


def results_of_x(layer):
    x = cdl.Tensor(draw(9, 4, 3), requires_grad=True)
    layer(x).sum().backward()
    return x.grad.numpy()


@EACH
def test_gradients_that_fade_end_at_zero_and_not_among_subnormals(make):
    layer = make(32, in_features=2, rng=0)
    layer.weight_hh_l0.data[...] *= 0.3
    x = cdl.Tensor(draw(3, 400, 2), requires_grad=True)
    layer(x).sum().backward()
    sizes = np.abs(x.grad.numpy())
    assert sizes[:, -1].min() > 0 and sizes[:, 0].max() == 0
    assert not ((sizes > 0) & (sizes < np.finfo(np.float32).tiny)).any()


# --- NaN, and what is refused -----------------------------------------------------------------------------------------
@EACH
@pytest.mark.parametrize("n", [3, 9])
def test_nan_in_one_sequence_and_behind_the_end_of_another_stays_there(make, n):
    layer = make(20, layers=2, bidirectional=True, return_sequences=True, return_state=True, in_features=5, rng=0)
    x, lengths = draw(n, 6, 5), [6, 4, *[5] * (n - 2)]
    y, state = layer(x, lengths=lengths)
    wanted = [a.numpy().copy() for a in (y, *parts(state))]
    x[0, 2], x[1, 4:] = np.nan, np.inf
    t = cdl.Tensor(x, requires_grad=True)
    y, state = layer(t, lengths=lengths)
    y.sum().backward()
    assert np.isnan(y.numpy()[0]).any()
    np.testing.assert_array_equal(y.numpy()[1:], wanted[0][1:])
    for a, b in zip(parts(state), wanted[1:], strict=True):
        np.testing.assert_array_equal(a.numpy()[:, 1:], b[:, 1:])
    assert np.isfinite(t.grad.numpy()[1:]).all() and not t.grad.numpy()[1, 4:].any()


SIZED = {"units": 4, "in_features": 3}
X = np.ones((2, 5, 3), np.float32)


@pytest.mark.parametrize("make, error, words", [
    (lambda: cdl.LSTM(4)(X, lengths=[5, 6]), ValueError, r"lengths must be 1 to 5, the steps of x, got 6 \(sequence 1\)"),
    (lambda: cdl.GRU(4)(X, lengths=[0, 5]), ValueError, r"lengths must be 1 to 5.*got 0 \(sequence 0\)"),
    (lambda: cdl.RNN(4)(X, lengths=[-1, 5]), ValueError, r"got -1 \(sequence 0\)"),
    (lambda: cdl.RNN(4)(X, lengths=[5]), ValueError, r"lengths must have shape \(2,\), one for each sequence.*got \(1,\)"),
    (lambda: cdl.RNN(4)(X, lengths=[5.0, 2.0]), TypeError, "lengths must be integers, got dtype float64"),
    (lambda: cdl.ops.lstm(X[:, 0], np.ones((3, 16)), np.ones((4, 16)), lengths=[1, 1]), ValueError,
     "lengths are for sequences"),
    (lambda: cdl.LSTM(4)(X, np.zeros((1, 2, 4))), ValueError, r"LSTM: the state is a pair \(h, c\), got ndarray"),
    (lambda: cdl.LSTM(4)(X, (np.zeros((1, 2, 4)),)), ValueError, r"is a pair \(h, c\), got tuple of 1"),
    (lambda: cdl.LSTM(4)(X, (np.zeros((1, 2, 4)), np.zeros((2, 4)))), ValueError,
     r"LSTM: the state c must have shape \(1, 2, 4\), \(layers x directions, N, units\), got \(2, 4\)"),
    (lambda: cdl.GRU(4, layers=2)(X, np.zeros((1, 2, 4))), ValueError, r"GRU: the state h must have shape \(2, 2, 4\)"),
    (lambda: cdl.LSTMCell(4)(X[0], np.zeros((5, 4))), ValueError, "LSTMCell: the state is a pair"),
    (lambda: cdl.GRUCell(4)(X), ValueError, r"GRUCell: expected \(N, features\), one step, got shape \(2, 5, 3\)"),
    (lambda: cdl.RNNCell(4, in_features=2)(X[0]), ValueError, "RNNCell: expected 2 features"),
    (lambda: cdl.LSTM(**SIZED)(X[..., :2]), ValueError, r"LSTM: expected 3 features .* got x of shape \(2, 5, 2\)"),
    (lambda: cdl.LSTM(**SIZED)(X[0]), ValueError, r"expected \(N, T, features\), got shape \(5, 3\); write x\[None\]"),
    (lambda: cdl.LSTM(4).build((None, 5, None)), ValueError, "last axis of known length"),
    (lambda: cdl.LSTM(0), ValueError, "LSTM: units must be a positive integer, got 0"),
    (lambda: cdl.LSTM(4, layers=0), ValueError, "layers must be a positive integer"),
    (lambda: cdl.LSTM(4, dropout=0.5), ValueError, "dropout acts between layers, and there is one"),
    (lambda: cdl.LSTM(4, layers=2, dropout=1.0), ValueError, "LSTM: drop_prob"),
    (lambda: cdl.RNN(4, "gelu"), ValueError, 'RNN: activation must be "tanh" or "relu", got \'gelu\''),
    (lambda: cdl.RNNCell(4, "gelu"), ValueError, "RNNCell: activation must be"),
    (lambda: cdl.ops.rnn(X, np.ones((3, 4)), np.ones((4, 4)), activation="gelu"), ValueError, "rnn: activation must be"),
    (lambda: cdl.GRU(4, bidirectional=True).step(X[:, 0]), ValueError, "a bidirectional layer cannot go step by step"),
    (lambda: cdl.GRU(4).step(X), ValueError, r"GRU: step takes \(N, features\)"),
    (lambda: cdl.GRU(4, recurrent_initializer="orthogonally"), ValueError, "unknown initializer"),
])
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_initial_weights_and_dropout():
    layer = cdl.LSTM(6, in_features=4, rng=0)
    np.testing.assert_array_equal(layer.bias_ih_l0.numpy(), np.repeat([0, 1, 0, 0], 6))
    for block in np.split(layer.weight_hh_l0.numpy(), 4, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(6), atol=1e-6)
    dropping = cdl.GRU(6, layers=2, dropout=0.5, in_features=4, rng=0)
    a, b = (dropping(X[..., :1].repeat(4, -1)).numpy() for _ in range(2))
    assert not np.array_equal(a, b)
    dropping.eval()
    np.testing.assert_array_equal(*(dropping(X[..., :1].repeat(4, -1)).numpy() for _ in range(2)))


# --- the notes' table -------------------------------------------------------------------------------------------------
def adding(rng, n, steps):
    """Two numbers are marked, one in the first tenth and one in the first half; the target is their sum."""
    values, marks = rng.uniform(0, 1, (n, steps)), np.zeros((n, steps))
    rows, at = np.arange(n), (rng.integers(0, steps // 10, n), rng.integers(steps // 10, steps // 2, n))
    for place in at:
        marks[rows, place] = 1
    return np.stack([values, marks], -1).astype(np.float32), sum(values[rows, p] for p in at).astype(np.float32)


def error_after(layer, updates=800, steps=200, batch=32):
    """The mean squared error on new sequences; 0.167 is that of always answering 1."""
    rng = np.random.default_rng(0)
    if isinstance(layer, cdl.LSTM):     # gates that remember 1 to 200 steps at first (Tallec, Ollivier 2018, section 2)
        remembered = np.log(rng.uniform(1, steps - 1, layer.units))
        layer.bias_ih_l0.data[:2 * layer.units] = np.concatenate([-remembered, remembered])
    head = cdl.Dense(1, in_features=layer.units, rng=1)
    parameters = layer.parameters() + head.parameters()
    adam = cdl.Adam(parameters, lr=1e-2)
    for _ in range(updates):
        x, y = adding(rng, batch, steps)
        loss = cdl.mse(y, head(layer(x)).reshape(-1))
        adam.zero_grad()
        loss.backward()
        cdl.optim.clip_grad_norm(parameters, 1.0)
        adam.step()
    x, y = adding(rng, 1000, steps)
    with cdl.no_grad():
        return float(cdl.mse(y, head(layer(x)).reshape(-1)))


@pytest.mark.slow
@pytest.mark.parametrize("name, learns", [("RNN", False), ("LSTM", True), ("GRU", True)])
def test_the_notes_table_of_what_remembers(name, learns):
    """Section 6.1: for long sequences LSTM and GRU, not the plain RNN. The adding problem over 200 steps."""
    error = error_after(getattr(cdl, name)(32, in_features=2, rng=0))
    assert (error < 0.02) if learns else (error > 0.1), error
