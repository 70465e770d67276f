"""Embeddings, positions, feed-forward networks, blocks and stacks of them; depth by recomputing."""
import copy
import pickle

import numpy as np
import pytest

import cdl
from cdl import nn
from cdl.nn import checkpoint


def draws(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(got, wanted, tolerance):
    """Within `tolerance` of the largest value."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def in_float64(model):
    """The model with parameters of float64."""
    for layer in model.layers_inside():
        for name, tensor in list(vars(layer).items()):
            if isinstance(tensor, cdl.Tensor):
                setattr(layer, name, cdl.Tensor(tensor, "float64", requires_grad=True))
    return model


# --- Embedding --------------------------------------------------------------------------------------------------------
def test_an_embedding_is_rows_of_its_table_and_its_gradient_adds_up_on_those_used():
    layer, ids = nn.Embedding(7, 3, rng=0), np.array([[1, 5, 1], [1, 0, 5]])
    y = layer(ids)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[ids])
    g = draws(2, 3, 3)
    (y * g).sum().backward()
    wanted = np.zeros((7, 3))
    np.add.at(wanted, ids, g)
    close(layer.weight.grad, wanted, 1e-6)
    assert not layer.weight.grad.numpy()[[2, 3, 4, 6]].any()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64])
def test_ids_may_have_any_integer_type(dtype):
    layer = nn.Embedding(7, 3)
    np.testing.assert_array_equal(layer(np.array([6, 0], dtype)).numpy(), layer.weight.numpy()[[6, 0]])
    with pytest.raises(IndexError, match="Embedding: id 7 at position 1 is out of range; the table has 7 rows, 0 to 6"):
        layer(np.array([0, 7], dtype))


def test_ids_may_be_a_tensor_a_number_or_none_at_all():
    layer = nn.Embedding(7, 3)
    np.testing.assert_array_equal(layer(cdl.Tensor(np.array([2]))).numpy(), layer.weight.numpy()[[2]])
    assert layer(3).shape == (3,)
    assert layer([]).shape == (0, 3) and layer(np.zeros((2, 0), int)).shape == (2, 0, 3)


@pytest.mark.parametrize("ids, error, words", [
    ([[0, 1], [2, -1]], IndexError, "id -1 at position 1, 1 is out of range"),
    (9, IndexError, "id 9 is out of range"),
    ([2**63], IndexError, f"id {2**63} at position 0"),
    ([0.0], TypeError, "ids must be integers, got dtype float64"),
    ([True], TypeError, "ids must be integers, got dtype bool"),
    (["a"], TypeError, "ids must be integers"),
])
def test_wrong_ids_are_named(ids, error, words):
    with pytest.raises(error, match=words):
        nn.Embedding(7, 3)(ids)


def test_a_tied_output_adds_both_gradients():
    layer, ids, g = nn.Embedding(5, 4, rng=0), np.array([3, 0, 3]), draws(3, 5)
    (layer.scores(layer(ids)) * g).sum().backward()
    w = layer.weight.numpy().astype(float)
    wanted = g.T @ w[ids]
    np.add.at(wanted, ids, g @ w)
    close(layer.weight.grad, wanted, 1e-6)


def test_an_embedding_is_made_again_by_its_config():
    layer = nn.Embedding(5, 4, initializer="ones")
    assert (nn.Embedding(**layer.config()).weight.numpy() == 1).all()
    for bad in ({"tokens": 0, "width": 3}, {"tokens": 3, "width": 2.5}):
        with pytest.raises(ValueError, match="must be a positive integer"):
            nn.Embedding(**bad)


# --- positions --------------------------------------------------------------------------------------------------------
def test_sines_and_cosines_of_positions():
    table = nn.sinusoidal_positions(50, 6, base=100.0, start=3)
    for p in (0, 1, 49):
        for i in range(3):
            angle = (p + 3) / 100 ** (2 * i / 6)
            np.testing.assert_allclose(table[p, 2 * i:2 * i + 2], [np.sin(angle), np.cos(angle)], rtol=1e-12)
    with pytest.raises(ValueError, match="the width must be even"):
        nn.sinusoidal_positions(3, 5)


def test_tables_grow_by_doubling():
    with pytest.raises(TypeError, match=r"start must be an integer, got 1\.5"):
        nn.SinusoidalPosition()(draws(1, 3, 8), start=1.5)
    layer, made = nn.SinusoidalPosition(), []
    make, layer._made = layer._made, lambda length, width: made.append(length) or make(length, width)
    for start in range(1000):
        layer(draws(1, 1, 4), start)
    assert made == [64, 128, 256, 512, 1024]


def test_sinusoidal_positions_are_added_at_any_length_and_start():
    layer, x = nn.SinusoidalPosition(), draws(2, 100, 6)
    y = layer(x)
    close(y, x + nn.sinusoidal_positions(100, 6), 1e-6)
    np.testing.assert_array_equal(layer(x[:, 90:], 90), y[:, 90:])
    assert layer(x).dtype == np.float32 and layer(x.astype(float)).dtype == np.float64
    assert layer(draws(4, 8)).shape == (4, 8) and layer.state_dict() == {}


def test_learned_positions_are_added_and_end():
    layer, x = nn.LearnedPosition(10, rng=0), cdl.Tensor(draws(2, 4, 6), requires_grad=True)
    close(layer(x, 3), x.numpy() + layer.weight.numpy()[3:7], 1e-6)
    layer(x, 6).sum().backward()
    assert (layer.weight.grad.numpy()[6:] == 2).all() and not layer.weight.grad.numpy()[:6].any()
    with pytest.raises(IndexError, match="positions 8 to 11 are asked for, the table has 10, 0 to 9"):
        layer(x, 8)
    with pytest.raises(IndexError, match="positions -1 to 2"):
        layer(x, -1)
    with pytest.raises(ValueError, match=r"expected x of shape \(…, T, F\)"):
        layer(np.ones(6, np.float32))


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary_positions_are_complex_rotations(interleaved):
    layer, x = nn.RotaryPosition(100.0, interleaved=interleaved), draws(2, 3, 5, 8, dtype=float)
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :4], x[..., 4:])
    turned = (a + 1j * b) * np.exp(1j * np.arange(7, 12)[:, None] / 100 ** (np.arange(0, 8, 2) / 8))
    wanted = np.empty_like(x)
    if interleaved:
        wanted[..., 0::2], wanted[..., 1::2] = turned.real, turned.imag
    else:
        wanted[..., :4], wanted[..., 4:] = turned.real, turned.imag
    close(layer(x, 7), wanted, 1e-12)
    close(layer(x.swapaxes(1, 2), 7, axis=-3).swapaxes(1, 2), wanted, 1e-12)
    cdl.gradcheck(lambda x: layer(x, 2), [x])


def test_products_of_turned_queries_and_keys_depend_on_distances_only():
    layer, q, k = nn.RotaryPosition(), draws(8, dtype=float), draws(8, seed=1, dtype=float)
    q, k = layer(np.tile(q, (20, 1))), layer(np.tile(k, (20, 1)))
    scores = q @ k.T
    for distance in range(-19, 20):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-12)
    with pytest.raises(ValueError, match="the width must be even"):
        layer(np.ones((3, 5)))
    with pytest.raises(ValueError, match="base must be above 1"):
        nn.RotaryPosition(0.5)


# --- feed-forward -----------------------------------------------------------------------------------------------------
def test_swiglu_is_what_it_is_called():
    layer, x = in_float64(nn.FeedForward(6, "swiglu", in_features=4, rng=0)), draws(2, 3, 4, dtype=float)
    gate, up, down = ((p.weight.numpy(), p.bias.numpy()) for p in (layer.gate, layer.up, layer.down))
    z = x @ gate[0] + gate[1]
    close(layer(x), (z / (1 + np.exp(-z)) * (x @ up[0] + up[1])) @ down[0] + down[1], 1e-12)


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
def test_a_feed_forward_network_is_two_dense_layers(activation):
    layer, x = in_float64(nn.FeedForward(None, activation, in_features=4, rng=0)), draws(3, 4, dtype=float)
    assert layer.up.units == 16
    f = nn.activation.FUSED[activation]
    z = f(x @ layer.up.weight.numpy() + layer.up.bias.numpy())
    close(layer(x), z @ layer.down.weight.numpy() + layer.down.bias.numpy(), 1e-12)


# --- blocks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make, inputs, words", [
    (lambda: nn.EncoderBlock(3, in_features=8), (), "3 heads do not divide 8 features"),
    (lambda: nn.EncoderBlock(4, key_heads=3), (), "3 key heads do not divide 4 heads"),
    (lambda: nn.EncoderBlock(2, norm="batch"), (), 'norm must be "layer" or "rms", got \'batch\''),
    (lambda: nn.EncoderBlock(2, activation="glue"), (), "FeedForward: unknown activation 'glue'"),
    (lambda: nn.EncoderBlock(2, dropout=1.0), (), "less than 1"),
    (lambda: cdl.TransformerEncoder(0, 2), (), "layers must be a positive integer, got 0"),
    (lambda: cdl.TransformerEncoder(2, 2, hidden=-1), (), "hidden must be a positive integer, got -1"),
    (lambda: cdl.TransformerDecoder(1, 2)(draws(1, 3, 8)), (), "memory is missing"),
    (lambda: cdl.TransformerEncoder(1, 2)(draws(3, 8)), (), r"expected x of shape \(N, T, features\)"),
    (lambda: cdl.TransformerEncoder(2, 2)(draws(1, 3, 8), caches=[None]), (), "a cache for each of the 2 layers, got 1"),
    (lambda: nn.LearnedPosition(4, 8)(draws(1, 3, 1)), (), r"rows of 8 cannot be added to x of shape \(1, 3, 1\)"),
    (lambda: nn.sinusoidal_positions(0, 4), (), "length must be a positive integer, got 0"),
    (lambda: nn.sinusoidal_positions(3, 4, base=-2), (), "base must be above 1, got -2"),
    (lambda: cdl.MultiHeadAttention(2, memory_features=-3), (), "memory_features must be a positive integer, got -3"),
    (lambda: cdl.MultiHeadAttention(2)(draws(1, 3, 8), 3.0), (), r"expected memory of shape \(N, T, features\), got \(\)"),
    (lambda: nn.RotaryPosition()(draws(1, 3, 8), axis=1), (), "axis must be -2 or below"),
    (lambda: nn.KeyValueCache().truncate(-1), (), "length must be 0 or more, got -1"),
])
def test_what_does_not_fit_is_told(make, inputs, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_heads_that_do_not_divide_the_first_input_leave_the_block_open():
    for block, inputs in ((nn.EncoderBlock(4), ()), (nn.DecoderBlock(4), (draws(1, 3, 8),))):
        with pytest.raises(ValueError, match="4 heads do not divide 6 features"):
            block(draws(1, 3, 6), *inputs)
        assert block(draws(1, 3, 8), *inputs).shape == (1, 3, 8)
    stack = cdl.TransformerEncoder(2, 2, rotary=True)
    with pytest.raises(ValueError, match="rotary positions turn pairs of features, of which a head has 3"):
        stack(draws(1, 3, 6))
    assert stack(draws(1, 3, 8)).shape == (1, 3, 8)


@pytest.mark.parametrize("shape", [(4, 3), (1, 1, 4), (2, 1, 1, 1, 3), (3, 3, 3)])
def test_a_mask_of_another_shape_is_told(shape):
    with pytest.raises(ValueError, match="mask"):
        cdl.TransformerEncoder(1, 2, in_features=8)(draws(2, 3, 8), np.ones(shape, bool))


@pytest.mark.parametrize("options", [
    {}, {"pre_norm": False}, {"norm": "rms", "activation": "swiglu", "use_bias": False, "rotary": True, "key_heads": 1},
    {"causal": True, "dropout": 0.1}], ids=["pre", "post", "llama", "causal"])
@pytest.mark.parametrize("kind", [cdl.TransformerEncoder, cdl.TransformerDecoder])
def test_gradients_of_stacks(kind, options):
    model, dtype = in_float64(kind(2, 2, 6, in_features=4, rng=0, **options)).eval(), np.float64
    inputs = [draws(2, 3, 4, dtype=dtype), draws(2, 5, 4, seed=1, dtype=dtype)]
    cdl.gradcheck(model, inputs if kind is cdl.TransformerDecoder else inputs[:1])
    names = dict(model.named_parameters())
    assert "layers.1.attention.query.weight" in names and ("norm.weight" in names) is options.get("pre_norm", True)


def test_padding_and_the_future_have_no_say():
    encoder, x = cdl.TransformerEncoder(2, 2, in_features=8, causal=True, rng=0).eval(), draws(2, 5, 8)
    changed = x.copy()
    changed[:, 3:] = np.nan
    np.testing.assert_array_equal(encoder(x)[:, :3].numpy(), encoder(changed)[:, :3].numpy())
    other, mask = cdl.TransformerEncoder(2, 2, in_features=8, rng=0).eval(), np.array([[1, 1, 1, 0, 0], [1] * 5], bool)
    y = other(x, mask[:, None, :]).numpy()
    close(y[0, :3], other(x[:1, :3])[0], 1e-6)
    close(y[1], other(x[1:])[0], 1e-6)


def test_a_decoder_with_caches_is_the_decoder():
    x, memory = draws(2, 6, 8), draws(2, 4, 8, seed=1)
    for options in ({}, {"rotary": True, "key_heads": 1, "pre_norm": False}):
        decoder = cdl.TransformerDecoder(2, 2, in_features=8, rng=0, **options).eval()
        caches = [nn.KeyValueCache() for _ in decoder.layers]
        with cdl.no_grad():
            parts = [decoder(part, memory, caches=caches).numpy() for part in np.split(x, [3, 4], axis=1)]
        close(np.concatenate(parts, 1), decoder(x, memory), 1e-5)


def test_sizes_may_come_from_the_first_input_or_a_shape():
    for make in (lambda: cdl.TransformerEncoder(2, 2), lambda: nn.EncoderBlock(2), lambda: nn.FeedForward(3)):
        called, by_shape = make(), make()
        assert not called.built
        called(draws(2, 3, 8))
        by_shape.build((None, 3, 8))
        assert called.built and called.state_dict().keys() == by_shape.state_dict().keys()
        again = type(called)(**called.config())
        assert again.built and again.config() == called.config()


def test_dropout_drops_in_training_only():
    model, x = cdl.TransformerEncoder(2, 2, dropout=0.5, in_features=8, rng=0), draws(1, 4, 8)
    assert (model(x).numpy() != model(x).numpy()).any()
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())


# --- recomputing ------------------------------------------------------------------------------------------------------
def gradients(model, x, *more):
    model.zero_grad()
    x = cdl.Tensor(x, requires_grad=True)
    y = model(x, *more)
    (y * draws(*y.shape, seed=9)).sum().backward()
    return y.numpy(), [x.grad.numpy(), *(p.grad.numpy() for p in model.parameters())]


@pytest.mark.parametrize("kind", [cdl.TransformerEncoder, cdl.TransformerDecoder])
@pytest.mark.parametrize("dropout, rng", [(0.0, 0), (0.3, 0), (0.3, None)])
def test_24_layers_have_the_same_gradients_recomputed(kind, dropout, rng):
    cdl.seed(5)
    plain = kind(24, 2, 8, in_features=4, dropout=dropout, rng=rng)
    recomputing = pickle.loads(pickle.dumps(plain))
    recomputing.recompute = True
    inputs = [draws(2, 5, 4), draws(2, 3, 4, seed=1)][:1 + (kind is cdl.TransformerDecoder)]
    found = []
    for model in (plain, recomputing):
        cdl.seed(6)
        found.append(gradients(model, *inputs))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_24_layers_learn_with_recomputing():
    """To say which of two halves of a sequence has the larger sum, from a summary at its end."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 8, 2)).astype(np.float32)
    y = (x[:, :4].sum((1, 2)) > x[:, 4:].sum((1, 2))).astype(int)

    class Classifier(cdl.Model):
        def __init__(self):
            self.into = cdl.Dense(16, in_features=2, rng=0)
            self.positions = nn.SinusoidalPosition()
            self.encoder = cdl.TransformerEncoder(24, 2, 32, in_features=16, recompute=True, rng=0)
            self.out = cdl.Dense(2, in_features=16, rng=0)

        def forward(self, x):
            return self.out(self.encoder(self.positions(self.into(x))).mean(axis=1))

    model = Classifier()
    before = model.evaluate(x, y, loss="cross_entropy")["loss"]
    model.fit(x, y, loss="cross_entropy", epochs=12, batch_size=32, progress=False, rng=0,
              optimizer=lambda p: cdl.Adam(p, lr=0.002))
    after = model.evaluate(x, y, loss="cross_entropy")
    assert after["loss"] < 0.7 * before and after["accuracy"] > 0.8


@pytest.mark.skipif(not cdl.memory_stats()["pooled"], reason="AddressSanitizer: blocks are malloc's and not counted")
def test_recomputing_keeps_less():
    x, held = draws(4, 64, 32), []
    for recompute in (False, True):
        model = cdl.TransformerEncoder(12, 4, in_features=32, recompute=recompute, rng=0)
        cdl.clear_memory()
        before = cdl.memory_stats()["in_use"]
        y = model(cdl.Tensor(x, requires_grad=True))
        held.append(cdl.memory_stats()["in_use"] - before)
        del y
    # A block keeps some 15 arrays of its input's size (8 of the feed-forward network alone).
    assert held[1] < held[0] / 5


def test_checkpoint_of_functions():
    x, w = cdl.Tensor(draws(3), requires_grad=True), cdl.Tensor(draws(3, seed=1), requires_grad=True)
    checkpoint(lambda x: x * w, x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), w.numpy())
    np.testing.assert_array_equal(w.grad.numpy(), x.numpy())
    w.grad = None
    checkpoint(lambda x: x * w, x.detach()).sum().backward()        # an input without a gradient
    np.testing.assert_array_equal(w.grad.numpy(), x.numpy())
    w.grad = x.grad = None
    y = checkpoint(lambda x: x, x)                                   # the input itself
    assert y is not x
    (y * w).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), w.numpy())
    x.grad = None
    two = checkpoint(lambda a, none, b: a * a * b, x, None, w)
    two.sum().backward(retain_graph=True)
    first = x.grad.numpy().copy()
    two.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * first)
    with cdl.no_grad():
        assert not checkpoint(lambda x: x * w, x).requires_grad


def test_checkpoint_draws_again_alike_and_leaves_the_generators_where_they_were():
    cdl.seed(3)
    x = cdl.Tensor(np.ones(1000, np.float32), requires_grad=True)
    y = checkpoint(lambda x: cdl.dropout(x, 0.5), x)
    state = cdl.random.generator().bit_generator.state
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    assert cdl.random.generator().bit_generator.state == state


def drops(rng):
    return lambda x: cdl.dropout(x, 0.5, rng=rng)


@pytest.mark.parametrize("function", [
    lambda: cdl.Dropout(0.5), lambda: cdl.Dropout(0.5, rng=0), lambda: cdl.Dropout(0.5, rng=0).forward,
    lambda: (lambda layer: lambda x: layer(x))(cdl.Dropout(0.5, rng=0)), lambda: drops(np.random.default_rng(1)),
    lambda: drops(3),
    lambda: (lambda f: lambda x: checkpoint(f, f(x)))(drops(np.random.default_rng(2))),
], ids=["layer", "its own generator", "method", "layer in a function", "generator", "seed", "nested"])
def test_checkpoint_drops_the_same_whatever_is_drawn_from(function):
    x = cdl.Tensor(np.ones(64), requires_grad=True)
    y = checkpoint(function(), x)
    cdl.seed(5)     # another generator, which the backward leaves alone
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    after = cdl.random.generator().random()
    cdl.seed(5)
    assert after == cdl.random.generator().random()


def test_checkpoint_computes_again_in_the_mode_of_then():
    layer, x = cdl.Dropout(0.5), cdl.Tensor(np.ones(64), requires_grad=True)
    y = checkpoint(layer, x)
    layer.training = False
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    assert not layer.training


def test_checkpoint_inside_another():
    x = cdl.Tensor(draws(3), requires_grad=True)
    checkpoint(lambda x: checkpoint(lambda x: x * x, x) * 3.0, x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * x.numpy(), rtol=1e-6)


@pytest.mark.parametrize("function, words", [
    (lambda x: (x, x), "must return one Tensor of floats, got tuple"), (lambda x: x.numpy(), "got ndarray"),
    (lambda x: cdl.Tensor(np.array([1])), "got a Tensor of int64")])
def test_checkpoint_wants_one_tensor(function, words):
    with pytest.raises(TypeError, match=words):
        checkpoint(function, cdl.Tensor([1.0], requires_grad=True))


def test_checkpoint_over_what_another_part_computed():
    w, x = cdl.Tensor([1.0, 2.0], requires_grad=True), cdl.Tensor([3.0, 4.0], requires_grad=True)
    t = w * 2
    with pytest.raises(RuntimeError, match=r"a Tensor that was computed outside it .* make it one of the inputs"):
        (checkpoint(lambda x: x * t, x) * t).sum().backward()
    t, w.grad = w * 2, None
    with pytest.raises(RuntimeError, match="make it one of the inputs"):
        (checkpoint(lambda x: x * t, x) + checkpoint(lambda x: x + t, x)).sum().backward()
    t, w.grad = w * 2, None
    (checkpoint(lambda x, t: x * t, x, t) * t).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), 8 * x.numpy() * w.numpy())


def test_copies_of_a_stack_are_independent():
    model, x = cdl.TransformerEncoder(1, 2, in_features=4, rotary=True, rng=0), draws(1, 3, 4)
    other = copy.deepcopy(model)
    np.testing.assert_array_equal(model(x).numpy(), other(x).numpy())
    other.layers[0].attention.query.weight.data[...] = 0
    assert (model(x).numpy() != other(x).numpy()).any()


@pytest.mark.parametrize("make", [
    lambda: cdl.TransformerEncoder(2, 2, in_features=8, norm="rms", activation="swiglu", rotary=True, recompute=True),
    lambda: cdl.TransformerDecoder(1, 4, 6, in_features=8, key_heads=2, pre_norm=False),
    lambda: cdl.Sequential([cdl.Embedding(9, 8), nn.LearnedPosition(6, 8), nn.SinusoidalPosition(),
                            nn.EncoderBlock(2, in_features=8), nn.FeedForward(in_features=8)]),
], ids=["encoder", "decoder", "sequential"])
def test_stacks_go_through_files(make, tmp_path):
    model = cdl.Sequential([make()])
    model.save(tmp_path / "model.safetensors")
    again = cdl.load(tmp_path / "model.safetensors")
    assert again[0].config().keys() == model[0].config().keys()
    for (name, a), (other, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a, b)


# --- torch ------------------------------------------------------------------------------------------------------------
def from_torch_block(layer, state, cross=False):
    """A torch block's parameters under the names of a block here."""
    found = {}
    norms = ["norm1", "norm2"] + ["norm3"] * cross
    for theirs, ours in {"self_attn": "attention", **({"multihead_attn": "cross"} if cross else {})}.items():
        for kind in ("weight", "bias"):
            parts = np.split(state[f"{theirs}.in_proj_{kind}"].numpy(), 3)
            for name, part in zip(("query", "key", "value"), parts, strict=True):
                found[f"{ours}.{name}.{kind}"] = part.T
            found[f"{ours}.out.{kind}"] = state[f"{theirs}.out_proj.{kind}"].numpy().T
    for kind in ("weight", "bias"):
        found[f"feed_forward.up.{kind}"] = state[f"linear1.{kind}"].numpy().T
        found[f"feed_forward.down.{kind}"] = state[f"linear2.{kind}"].numpy().T
        found |= {f"{norm}.{kind}": state[f"{norm}.{kind}"].numpy() for norm in norms}
    return found


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("cross", [False, True], ids=["encoder", "decoder"])
def test_blocks_agree_with_torchs_in_float64(pre_norm, cross):
    torch = pytest.importorskip("torch")
    kind = torch.nn.TransformerDecoderLayer if cross else torch.nn.TransformerEncoderLayer
    theirs = kind(12, 3, 20, 0.0, "gelu", batch_first=True, norm_first=pre_norm, dtype=torch.float64)
    for parameter in theirs.parameters():       # those that start with 0 or 1 would hide a mistake
        torch.nn.init.normal_(parameter, std=0.3)
    block = nn.DecoderBlock if cross else nn.EncoderBlock
    ours = in_float64(block(3, 20, pre_norm=pre_norm, in_features=12))
    ours.load_state_dict(from_torch_block(theirs, theirs.state_dict(), cross))
    arrays = [draws(2, 5, 12, dtype=float), draws(2, 4, 12, seed=1, dtype=float)][:1 + cross]
    here = [cdl.Tensor(a, requires_grad=True) for a in arrays]
    there = [torch.from_numpy(a).requires_grad_() for a in arrays]
    causal = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    padding = np.array([[True] * 5, [True, True, True, False, False]])
    if cross:
        y, wanted = ours(*here), theirs(*there, tgt_mask=causal)
    else:
        y = ours(*here, padding[:, None, :])
        wanted = theirs(*there, src_key_padding_mask=torch.from_numpy(~padding))
    g = draws(*y.shape, seed=2, dtype=float)
    (y * g).sum().backward()
    (wanted * torch.from_numpy(g)).sum().backward()
    close(y, wanted.detach(), 1e-10)
    for a, b in zip(here, there, strict=True):
        close(a.grad, b.grad, 1e-10)
    grads = {name: p.grad for name, p in theirs.named_parameters()}
    for name, wanted in from_torch_block(theirs, grads, cross).items():
        # A key's bias moves all scores of a query alike: its gradient is 0 but for rounding.
        got = dict(ours.named_parameters())[name].grad.numpy()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-10 * max(1, np.abs(wanted).max()))
