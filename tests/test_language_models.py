"""BERT and GPT-2: sizes, Hugging Face's files, agreement with the formulas, and text that is generated."""
import json

import hfmodels
import numpy as np
import pytest

import cdl
from cdl import models
from cdl.io import FileFormatError, save_safetensors
from cdl.models.generate import sampled

BERT = {"layers": 2, "width": 16, "heads": 4, "hidden": 24, "tokens": 30, "positions": 12}
GPT2 = {"layers": 2, "width": 16, "heads": 4, "tokens": 30, "positions": 24}
IDS = np.random.default_rng(0).integers(0, 30, (3, 9))
MASK = np.arange(9) < np.array([[9], [4], [1]])


def bert_state(seed=0):
    return hfmodels.bert_state(2, 16, 24, 30, 12, seed)


def gpt2_state(seed=0):
    return hfmodels.gpt2_state(2, 16, 30, 24, seed)


KINDS = {"bert": (lambda: models.BERT(**BERT), bert_state, "bert."),
         "gpt2": (lambda: models.GPT2(**GPT2), gpt2_state, "transformer.")}
EACH = pytest.mark.parametrize("make, state, prefix", KINDS.values(), ids=KINDS)


def close(got, wanted, tolerance):
    """Within `tolerance` of the largest value."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


# --- sizes ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name, layers, count", [
    ("BERTBase", 12, 109_482_240), ("BERTLarge", 24, 335_141_888), ("GPT2Small", 12, 124_439_808),
    ("GPT2Medium", 24, 354_823_168)])
def test_parameters_are_as_many_as_published(name, layers, count):
    """One layer and few tokens, and what one more adds: without memory for all of them, whose numbers the config tells."""
    make = getattr(models, name)
    with cdl.init.no_draws(10**9):
        tokens = make(width=48, positions=8, layers=1).config()["tokens"]
        assert make(width=48, positions=8, tokens=10).config()["layers"] == layers
        base, deeper, more = (make(layers=n, tokens=t).count_parameters() for n, t in ((1, 10), (2, 10), (1, 11)))
    assert base + (layers - 1) * (deeper - base) + (tokens - 10) * (more - base) == count


# --- the formulas -----------------------------------------------------------------------------------------------------
def test_bert_is_the_formula(tmp_path):
    save_safetensors(tmp_path / "bert.safetensors", bert_state())
    model = models.BERT(**BERT).load(tmp_path / "bert.safetensors")
    wanted = hfmodels.bert(bert_state(), IDS, MASK, 4, range(2))[-1]
    got = model.predict(IDS, MASK)
    for row, n in zip(range(3), MASK.sum(1), strict=True):
        close(got[row, :n], wanted[row, :n], 1e-5)
    np.testing.assert_array_equal(model.predict(IDS, MASK, batch_size=2), got)
    np.testing.assert_array_equal(model.predict(IDS, MASK.astype(int)), got)
    np.testing.assert_array_equal(model.predict(IDS, MASK, np.zeros_like(IDS)), got)
    close(model.predict(IDS), hfmodels.bert(bert_state(), IDS, np.ones_like(MASK), 4, range(2))[-1], 1e-5)
    assert model.predict(IDS[:0]).shape == (0, 9, 16)
    s = hfmodels.doubled(bert_state())
    close(model.pooled(cdl.Tensor(got)), np.tanh(got[:, 0] @ s["pooler.dense.weight"].T + s["pooler.dense.bias"]), 1e-5)
    mean = (wanted * MASK[..., None]).sum(1) / MASK.sum(1, keepdims=True)
    close(model.embed(IDS, MASK), mean / np.linalg.norm(mean, axis=1, keepdims=True), 1e-5)
    types = np.tile([0, 0, 1, 1, 0, 1, 1, 1, 0], (3, 1))
    close(model.predict(IDS, types=types), hfmodels.bert(bert_state(), IDS, np.ones_like(MASK), 4, range(2), types=types)[-1],
          1e-5)


def test_gpt2_is_the_formula(tmp_path):
    save_safetensors(tmp_path / "gpt2.safetensors", gpt2_state())
    model = models.GPT2(**GPT2).load(tmp_path / "gpt2.safetensors").eval()
    wanted = hfmodels.gpt2(gpt2_state(), IDS, 4, 2)
    close(model.predict(IDS), wanted, 1e-5)
    close(model.next_scores(IDS), wanted[:, -1], 1e-5)


# --- files ------------------------------------------------------------------------------------------------------------
def same_state(model, state):
    """That the model's state is a checkpoint's: its names, and its values where they lie alike."""
    own = model.state_dict()
    assert own.keys() == state.keys()
    turned = isinstance(model, models.BERT)
    for name, array in own.items():
        there = state[name].T if turned and state[name].ndim == 2 and "embeddings" not in name else state[name]
        np.testing.assert_array_equal(array, there)


@EACH
@pytest.mark.parametrize("prefixed", [False, True])
def test_a_checkpoint_is_loaded_by_its_own_names(make, state, prefix, prefixed, tmp_path):
    path, given = tmp_path / "model.safetensors", {(prefix if prefixed else "") + k: v for k, v in state().items()}
    save_safetensors(path, given, metadata={"format": "pt"})
    same_state(make().load(path), state())


def test_what_a_checkpoint_holds_beside_the_network_is_left_out(tmp_path):
    path = tmp_path / "model.safetensors"
    extra = {"bert.embeddings.position_ids": np.arange(12)[None], "cls.predictions.bias": np.zeros(30, np.float32)}
    old = {"bert." + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
           for k, v in bert_state().items()}
    save_safetensors(path, old | extra)
    same_state(models.BERT(**BERT).load(path), bert_state())
    mask = {f"h.{i}.attn.bias": np.tri(24, dtype=bool)[None, None] for i in range(2)}
    mask |= {f"h.{i}.attn.masked_bias": np.array(-1e4, np.float32) for i in range(2)}
    state = gpt2_state()
    save_safetensors(path, state | mask | {"lm_head.weight": state["wte.weight"]})
    same_state(models.GPT2(**GPT2).load(path), state)
    save_safetensors(path, state | {"lm_head.weight": state["wte.weight"] + 1})
    with pytest.raises(FileFormatError, match=r"lm_head.weight differs from wte.weight, and the output .* is tied"):
        models.GPT2(**GPT2).load(path)


@EACH
def test_faults_of_a_checkpoint_are_all_told_and_nothing_is_loaded(make, state, prefix, tmp_path):
    path, given = tmp_path / "model.safetensors", state()
    names = list(given)
    wrong = next(name for name in names if name.endswith(("query.weight", "c_attn.weight")))
    given["surprise.weight"], given[wrong] = np.zeros(3, np.float32), np.zeros((16, 40), np.float32)
    del given[names[-1]]
    save_safetensors(path, given)
    model = make()
    before = model.state_dict()
    with pytest.raises(FileFormatError) as told:
        model.load(path)
    for words in ("does not fit", f"missing {names[-1]}", "unknown surprise.weight (3,)", f"{wrong} has shape", "(16, 40)"):
        assert words in str(told.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    twice = state()
    save_safetensors(path, twice | {prefix + names[0]: twice[names[0]]})
    with pytest.raises(FileFormatError, match="another array of the state are both"):
        model.load(path)


@EACH
def test_files_of_our_own_come_back_whole(make, state, prefix, tmp_path):
    model, path = make(), tmp_path / "model.safetensors"
    model.save(path)
    again = cdl.load(path)
    assert type(again) is type(model) and again.config() == model.config()
    np.testing.assert_array_equal(again.predict(IDS), model.predict(IDS))
    np.testing.assert_array_equal(make().load(path).predict(IDS), model.predict(IDS))
    inside = cdl.Sequential([model], names=["inside"])
    assert set(inside.state_dict()) == {"inside." + name for name in model.state_dict()}
    inside.save(path)
    np.testing.assert_array_equal(cdl.load(path).predict(IDS), model.predict(IDS))
    assert model.output_shape((3, 9)) == model.predict(IDS).shape
    assert "parameters" in model.summary()


def test_config_json(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
                                "intermediate_size": 20, "vocab_size": 9, "max_position_embeddings": 8, "type_vocab_size": 1,
                                "hidden_act": "gelu_new", "hidden_dropout_prob": 0.2, "layer_norm_eps": 1e-6, "else": 1}))
    assert models.BERT.from_config(path, pooler=False).config() == {
        "layers": 3, "width": 16, "heads": 2, "hidden": 20, "tokens": 9, "positions": 8, "types": 1, "activation": "gelu_tanh",
        "dropout": 0.2, "eps": 1e-6, "pooler": False, "recompute": False}
    with pytest.raises(ValueError, match="expected the settings of a gpt2 network, got those of 'bert'"):
        models.GPT2.from_config(path)
    with pytest.raises(ValueError, match="position_embedding_type must be 'absolute', got 'relative_key'"):
        models.BERT.from_config({"model_type": "bert", "position_embedding_type": "relative_key"})
    with pytest.warns(UserWarning, match="attn_pdrop 0.3: in training this network drops 0.1 at all places"):
        models.GPT2.from_config({"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 9,
                                 "resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.3})
    path.write_text("[1]")
    with pytest.raises(ValueError, match="got those of 'list'"):
        models.BERT.from_config(path)
    path.write_text("{")
    with pytest.raises(FileFormatError, match="not a JSON file"):
        models.BERT.from_config(path)


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make, error, words", [
    (lambda: models.BERT(width=10, heads=3), ValueError, "3 heads do not divide 10 features"),
    (lambda: models.GPT2(width=10, heads=3), ValueError, "the width 10 does not make 3 equal heads"),
    (lambda: models.GPT2(layers=0), ValueError, "layers must be a positive integer, got 0"),
    (lambda: models.BERT(activation="glue", **BERT), ValueError, "unknown activation 'glue'"),
    (lambda: models.BERT(**BERT).predict(IDS + 22), IndexError, r"Embedding: id \d+ at position \d, \d is out of range; the "
                                                                "table has 30 rows"),
    (lambda: models.GPT2(**GPT2).predict(IDS - 30), IndexError, "id -"),
    (lambda: models.BERT(**BERT).predict(np.zeros((1, 13), int)), IndexError, "positions 0 to 12 .* table has 12"),
    (lambda: models.GPT2(**GPT2).predict(np.zeros((1, 25), int)), IndexError, "positions 0 to 24 .* table has 24"),
    (lambda: models.BERT(**BERT).predict(IDS[0]), ValueError, r"expected ids of shape \(N, T\), got \(9,\)"),
    (lambda: models.GPT2(**GPT2).predict(IDS[0]), ValueError, r"expected ids of shape \(N, T\), got \(9,\)"),
    (lambda: models.BERT(**BERT).predict(IDS, MASK[:, :5]), ValueError,
     r"mask must have the shape of the ids, \(3, 9\), got \(3, 5\)"),
    (lambda: models.BERT(**BERT)(IDS, MASK * 2), ValueError, "mask must hold True and False, or 1 and 0"),
    (lambda: models.BERT(**BERT)(IDS, types=[[0]]), ValueError, "types must have the shape of the ids"),
    (lambda: models.BERT(**BERT).predict(IDS, types=IDS * 0 + 2), IndexError, "id 2 at position 0, 0 .* 2 rows"),
    (lambda: models.BERT(pooler=False, **BERT).pooled(np.zeros((1, 2, 16))), ValueError, "made with pooler=False"),
    (lambda: models.BERT(**BERT).predict(IDS, MASK, batch_size=0), ValueError, "batch_size must be a positive integer"),
])
def test_what_does_not_fit_is_told(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_sequence_of_padding_alone_is_no_nan():
    assert np.isfinite(models.BERT(**BERT).predict(IDS, MASK & [[True], [False], [True]])).all()


# --- training ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [lambda **options: models.BERT(dropout=0.1, rng=0, **BERT, **options),
                                  lambda **options: models.GPT2(dropout=0.1, rng=0, **GPT2, **options)], ids=["bert", "gpt2"])
def test_recomputing_changes_no_gradient(make):
    found = []
    for model in (make(), make(recompute=True)):
        y = model(IDS)
        (y * np.linspace(-1, 1, y.size, dtype=np.float32).reshape(y.shape)).sum().backward()
        found.append({name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys() and len(found[0]) > 20
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_gpt2_learns_to_count_and_goes_on_counting():
    text = np.arange(16 * 9).reshape(16, 9) % 12
    model = models.GPT2(layers=2, width=32, heads=4, tokens=12, positions=32, dropout=0.0, rng=0)
    model.fit(text[:, :-1], text[:, 1:], loss="cross_entropy", epochs=40, rng=0, progress=False,
              optimizer=lambda p: cdl.Adam(p, lr=0.01))
    np.testing.assert_array_equal(model.generate([[3, 4], [10, 11]], 5), np.add([[3], [10]], np.arange(7)) % 12)


# --- generation -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def writer():
    model = models.GPT2(**GPT2)
    model.load_state_dict(gpt2_state(3))
    return model


@pytest.mark.parametrize("options", [
    {}, {"temperature": 1.3}, {"temperature": 0.7, "top_k": 5}, {"temperature": 1.0, "top_p": 0.8},
    {"temperature": 2.0, "top_k": 9, "top_p": 0.9}], ids=str)
def test_the_cache_changes_nothing(writer, options):
    a, b = (writer.generate(IDS, 15, rng=5, cache=cache, **options) for cache in (True, False))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a[:, :9], IDS)
    assert a.shape == (3, 24) and a.dtype == np.int64
    assert writer.generate(IDS[0], 15, **options).shape == (24,)
    if options:
        c, d = (writer.generate(IDS, 15, rng=seed, **options) for seed in (5, 6))
        np.testing.assert_array_equal(a, c)
        assert (c != d).any()


def test_greedy_takes_the_likeliest_and_so_do_narrow_draws(writer):
    text = writer.generate(IDS, 6)
    for t in range(9, 15):
        scores = hfmodels.gpt2(gpt2_state(3), text[:, :t], 4, 2)[:, -1]
        np.testing.assert_array_equal(text[:, t], scores.argmax(-1))
    for options in ({"top_k": 1}, {"top_p": 1e-6}):
        np.testing.assert_array_equal(writer.generate(IDS, 6, temperature=1.0, rng=0, **options), text)


def test_training_goes_on_after_generation(writer):
    assert writer.training
    writer.generate(IDS, 2)
    assert writer.training and writer(IDS).requires_grad


def test_a_sequence_ends_with_the_stop_token(writer):
    text = writer.generate(IDS, 12)
    stop = int(text[0, 11])
    stopped = writer.generate(IDS, 12, stop=stop)
    for whole, row in zip(text, stopped, strict=True):
        ends = np.flatnonzero(whole[9:] == stop)
        n = 9 + (ends[0] + 1 if len(ends) else len(row))
        np.testing.assert_array_equal(row[:n], whole[:min(n, len(row))])
        assert (row[n:] == stop).all()
    assert writer.generate(IDS[0], 12, stop=stop)[-1] == stop
    assert len(writer.generate(IDS[0], 12, stop=stop)) <= 12


def test_draws_have_the_probabilities_that_are_asked_for():
    p = np.array([0.4, 0.3, 0.15, 0.1, 0.05, 0.0])
    with np.errstate(divide="ignore"):
        scores = np.repeat(np.log(p)[None], 20_000, axis=0)
    for options, wanted in (
            ((1.0, None, None), p), ((0.5, None, None), p**2), ((1.0, 3, None), p * [1, 1, 1, 0, 0, 0]),
            ((1.0, None, 0.6), p * [1, 1, 0, 0, 0, 0]), ((1.0, None, 0.701), p * [1, 1, 1, 0, 0, 0]), ((1.0, 99, 1.0), p),
            ((1.0, 2, 0.5), p * [1, 0, 0, 0, 0, 0])):       # of the two that are kept the first has 4/7
        counts = np.bincount(sampled(scores, *options, np.random.default_rng(0)), minlength=6)
        wanted = wanted / wanted.sum()
        assert not counts[wanted == 0].any()
        # Five deviations of a count.
        np.testing.assert_allclose(counts / 20_000, wanted, atol=5 * np.sqrt(0.25 / 20_000))


@pytest.mark.parametrize("arguments, options, error, words", [
    (([], 3), {}, ValueError, "at least one token"), ((np.zeros((1, 2, 3), int), 3), {}, ValueError, r"got \(1, 2, 3\)"),
    (([1.5], 3), {}, TypeError, "ids must be integers, got dtype float64"),
    (([1], 0), {}, ValueError, "length must be a positive integer, got 0"),
    (([1, 2], 23), {}, ValueError, "2 tokens and 23 more are beyond the 24 positions"),
    (([1], 2), {"temperature": -1}, ValueError, "temperature must be a finite number >= 0, got -1"),
    (([1], 2), {"temperature": float("inf")}, ValueError, "temperature must be"),
    (([1], 2), {"temperature": float("nan")}, ValueError, "temperature must be"),
    (([1], 2), {"temperature": 1.0, "top_k": 0}, ValueError, "top_k must be a positive integer"),
    (([1], 2), {"temperature": 1.0, "top_p": 0.0}, ValueError, "top_p must be above 0 and at most 1, got 0.0"),
    (([1], 2), {"temperature": 1.0, "top_p": 1.1}, ValueError, "top_p must be"),
    (([1], 2), {"top_k": 3}, ValueError, "with temperature 0 nothing is drawn"),
    (([1], 2), {"stop": "."}, TypeError, "stop must be the id of a token, got '.'"),
    (([1], 2), {"stop": 30}, ValueError, "stop must be one of the 30 tokens, got 30"),
    (([30], 2), {}, IndexError, "id 30 at position 0, 0 is out of range"),
    (([1], 2), {"temperature": 1.0, "rng": -1}, ValueError, "rng"),
])
def test_options_that_make_no_sense_are_told(writer, arguments, options, error, words):
    with pytest.raises(error, match=words):
        writer.generate(*arguments, **options)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_told(value, temperature):
    model = models.GPT2(**GPT2, rng=0)
    model.ln_f.bias.data[...] = value
    with pytest.raises(ValueError, match="scores that are NaN, infinite or all -inf"):
        model.generate([1, 2], 3, temperature=temperature)


def test_draws_at_the_smallest_temperatures():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(sampled(np.array([[0.0, 3.0, 1.0]] * 4), 1e-307, None, None, rng), 1)


def test_an_id_out_of_range_is_named_with_its_position_among_all():
    ids = np.zeros((40, 3), int)
    ids[37, 1] = 99
    with pytest.raises(IndexError, match="id 99 at position 37, 1 is out of range"):
        models.BERT(**BERT).predict(ids, batch_size=8)


def test_a_loader_takes_no_mask():
    loader = cdl.data.Loader(IDS, 2)
    with pytest.raises(TypeError, match="mask and types go with arrays of ids"):
        models.BERT(**BERT).predict(loader, mask=MASK)


def test_a_config_says_whose_it_is():
    with pytest.raises(ValueError, match="expected the settings of a gpt2 network, got those of None"):
        models.GPT2.from_config({"hidden_size": 16})


@pytest.mark.parametrize("make", [cdl.nn.RotaryPosition, cdl.nn.SinusoidalPosition])
def test_positions_of_integers_and_before_the_start(make):
    ids = np.array([[1, 0], [1, 0]])
    y = make()(ids)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, make()(ids.astype(np.float32)))
    with pytest.raises(ValueError, match="start must be 0 or more, got -1"):
        make()(np.zeros((3, 4)), -1)
