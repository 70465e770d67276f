"""Tokenizers in files: tokenizer.json, in which the package `tokenizers` keeps them, vocab.txt, vocab.json with merges.txt."""
import json
import re
from pathlib import Path

from cdl.io.atomic import atomic_write
from cdl.io.errors import FileFormatError
from cdl.text.added import AddedToken
from cdl.text.bpe import GPT2_PATTERN, ByteLevelBPE
from cdl.text.characters import Characters
from cdl.text.normalize import NORMALIZERS, BertNormalizer, Chain
from cdl.text.wordpiece import WordPiece, read_vocabulary
from cdl.text.words import Chinese, Words

__all__ = ["load_tokenizer"]

# Kinds of our own, by their names as a model's type; each has from_config(config).
OWN = {f"cdl.{kind.__name__}": kind for kind in (Characters, Chinese, Words)}


def load_tokenizer(path, **options):
    """The tokenizer in a file, or in the folder of a network.

    Parameters
    ----------
    path : str or path
        A tokenizer.json (one that `save` wrote too), a vocab.txt, a vocab.json with a merges.txt beside it, or a folder
        with one of these.
    **options
        As for the class, in the place of what the file says.

    Returns
    -------
    Tokenizer

    Raises
    ------
    FileFormatError
        For a damaged file, and for a tokenizer.json of a kind that there is no class for; the key is named.

    Examples
    --------
    >>> WordPiece(["[UNK]", "good", "##bye"]).save("tokenizer.json")
    >>> load_tokenizer("tokenizer.json").tokenize("Goodbye")
    ['good', '##bye']
    """
    path = Path(path)
    if path.is_dir():
        found = [name for name in ("tokenizer.json", "vocab.txt", "vocab.json") if (path / name).exists()]
        if not found:
            raise FileNotFoundError(f"{path}: there is no tokenizer.json, vocab.txt or vocab.json with merges.txt")
        path = path / found[0]
    if path.suffix == ".txt":
        return read_vocabulary(path, **options)
    config = read_json(path)
    if "model" not in config and all(isinstance(i, int) for i in config.values()):
        return ByteLevelBPE.from_files(path, path.with_name("merges.txt"), **options)
    reader = Reader(path, config)
    try:
        return reader.tokenizer(options)
    except FileFormatError:
        raise
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from None


def read_json(path):
    """The object in a JSON file; nothing in it stands twice."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
        found = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{path}: line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise FileFormatError(f"{path}: nested too deeply") from None
    if not isinstance(found, dict):
        raise FileFormatError(f"{path}: expected an object {{…}}, got {type(found).__name__}")
    return found


def _once(pairs, path):
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise FileFormatError(f"{path}: the key {twice!r} stands there twice")
    return found


class Reader:
    """The parts of a tokenizer.json, turned into a tokenizer's arguments."""

    def __init__(self, path, config):
        self.path, self.config = path, config

    def tokenizer(self, options):
        """The tokenizer of the file."""
        model = self._get(self.config, "model", dict)
        kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece" if "vocab" in model else None)
        if kind in OWN:
            return OWN[kind].from_config(model, self.path, **options)
        if kind == "WordPiece":
            return self._wordpiece(model, options)
        if kind == "BPE":
            return self._bpe(model, options)
        raise self._unsupported("model.type", kind, f"WordPiece, byte-level BPE, {', '.join(OWN)}")

    def _wordpiece(self, model, options):
        splits = self.config.get("pre_tokenizer") or {}
        if splits.get("type") != "BertPreTokenizer":
            raise self._unsupported("pre_tokenizer.type", splits.get("type"), "BertPreTokenizer with WordPiece")
        vocabulary = self._vocabulary(model)
        return WordPiece(vocabulary, **{
            "normalizer": self._normalizer(self.config.get("normalizer")) or BertNormalizer(False, False, False, False),
            "unknown_token": model.get("unk_token", "[UNK]"), "prefix": model.get("continuing_subword_prefix", "##"),
            "longest_word": model.get("max_input_chars_per_word", 100), **self._common(), **options})

    def _bpe(self, model, options):
        for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
            if model.get(key):
                raise self._unsupported(f"model.{key}", model[key], "byte-level BPE without it")
        merges = self._get(model, "merges", list, "model.")
        merges = [tuple(merge.split(" ")) if isinstance(merge, str) else merge for merge in merges]
        for i, merge in enumerate(merges):
            if not isinstance(merge, (tuple, list)) or len(merge) != 2 or not all(isinstance(part, str) for part in merge):
                raise FileFormatError(f"{self.path}: model.merges[{i}]: expected two tokens, got {merge!r}")
        return ByteLevelBPE(self._vocabulary(model), merges, **{
            **self._bytes(self.config.get("pre_tokenizer")), "normalizer": self._normalizer(self.config.get("normalizer")),
            "ignore_merges": bool(model.get("ignore_merges")), "unknown_token": model.get("unk_token"),
            **self._common(), **options})

    def _bytes(self, splits):
        """The pattern of words: ByteLevel's own, or a Split before it."""
        steps = splits.get("pretokenizers", []) if (splits or {}).get("type") == "Sequence" else [splits or {}]
        kinds = [step.get("type") for step in steps]
        if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]):
            raise self._unsupported("pre_tokenizer", " and ".join(map(str, kinds)), "with BPE ByteLevel, or Split and ByteLevel")
        last, found = steps[-1], {"add_prefix_space": bool(steps[-1].get("add_prefix_space", True))}
        if len(steps) == 1:
            return found | {"pattern": GPT2_PATTERN if last.get("use_regex", True) else None}
        pattern, split = self._get(steps[0], "pattern", dict, "pre_tokenizer."), steps[0]
        if split.get("behavior") != "Isolated" or split.get("invert") or last.get("use_regex", True):
            raise self._unsupported("pre_tokenizer", "Split", "a Split that isolates what it finds, ByteLevel without regex")
        if last.get("add_prefix_space", True):
            raise self._unsupported("pre_tokenizer.add_prefix_space", True, "false after a Split")
        return found | {"pattern": pattern["Regex"] if "Regex" in pattern else re.escape(pattern.get("String", ""))}

    def _normalizer(self, config):
        if config is None:
            return None
        kind = config.get("type")
        if kind == "BertNormalizer":
            return BertNormalizer(config.get("lowercase", True), config.get("strip_accents"), config.get("clean_text", True),
                                  config.get("handle_chinese_chars", True))
        names = [step.get("type") for step in config.get("normalizers", [])] if kind == "Sequence" else [kind]
        for name in names:
            if name not in NORMALIZERS:
                raise self._unsupported("normalizer", name, f"BertNormalizer, {', '.join(NORMALIZERS)}")
        return Chain(names)

    def _common(self):
        """The tokens found in the text, what stands around it, what fills it up."""
        added, keys = [], AddedToken._fields
        for i, token in enumerate(self.config.get("added_tokens") or []):
            place = f"added_tokens[{i}]."
            self._get(token, "content", str, place), self._get(token, "id", int, place)
            added.append(AddedToken(**{"special": False} | {key: token[key] for key in keys if key in token}))
        padding = self.config.get("padding") or {}
        names = {token.content for token in added}
        guessed = next((name for name in ("[PAD]", "<pad>", "<|pad|>") if name in names), None)
        return {"added_tokens": added, "pad_token": padding.get("pad_token", guessed), **self._templates()}

    def _templates(self):
        config = self.config.get("post_processor") or {}
        steps = config.get("processors", []) if config.get("type") == "Sequence" else [config]
        steps = [step for step in steps if step.get("type") not in (None, "ByteLevel")]
        if not steps:
            return {"single": "$A", "pair": "$A $B:1"}
        step, kind = steps[0], steps[0].get("type")
        if len(steps) > 1 or kind not in ("TemplateProcessing", "BertProcessing", "RobertaProcessing"):
            raise self._unsupported("post_processor.type", kind, "TemplateProcessing, BertProcessing or RobertaProcessing")
        if kind == "TemplateProcessing":
            return {name: " ".join(map(self._part, self._get(step, name, list, "post_processor."))) for name in
                    ("single", "pair")}
        start, end = (self._get(step, key, list, "post_processor.")[0] for key in ("cls", "sep"))
        if kind == "BertProcessing":
            return {"single": f"{start} $A {end}", "pair": f"{start} $A {end} $B:1 {end}:1"}
        return {"single": f"{start} $A {end}", "pair": f"{start} $A {end} {end} $B {end}"}

    def _part(self, part):
        (kind, value), = part.items()
        name = ("$" if kind == "Sequence" else "") + str(value["id"])
        return f"{name}:{value.get('type_id', 0)}" if value.get("type_id") or ":" in name else name

    def _vocabulary(self, model):
        vocabulary = self._get(model, "vocab", dict, "model.")
        for token, i in vocabulary.items():
            if isinstance(i, bool) or not isinstance(i, int) or i < 0:
                raise FileFormatError(f"{self.path}: model.vocab[{token!r}]: expected an id of 0 or more, got {i!r}")
        return vocabulary

    def _get(self, config, key, kind, place=""):
        found = config.get(key) if isinstance(config, dict) else None
        if not isinstance(found, kind):
            words = {dict: "an object", list: "a list", str: "a string", int: "an integer"}[kind]
            raise FileFormatError(f"{self.path}: {place}{key}: expected {words}, got {type(found).__name__}")
        return found

    def _unsupported(self, place, found, wanted):
        return FileFormatError(f"{self.path}: {place} {found!r} is not supported; there is {wanted}")


# --- writing ----------------------------------------------------------------------------------------------------------
def write_json(path, config):
    """Write an object to a JSON file, all at once."""
    with atomic_write(path) as file:
        file.write(json.dumps(config, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))


def config_of(tokenizer):
    """What a tokenizer.json holds of it."""
    ids, parts = tokenizer.ids, tokenizer._template
    special = {part.name: {"id": part.name, "ids": [part.id], "tokens": [part.name]}
               for part in (*parts.single, *parts.pair) if part.id is not None}
    pad = tokenizer.pad_id
    common = {
        "version": "1.0", "truncation": None,
        "padding": None if pad is None else {
            "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": pad, "pad_type_id": 0,
            "pad_token": tokenizer.tokens[pad]},
        "added_tokens": [token._asdict() for token in sorted(tokenizer.added_tokens, key=lambda token: token.id)],
        "normalizer": _normalizer_config(tokenizer._normalizer)}
    post = {"type": "TemplateProcessing", "single": [_part_config(part) for part in parts.single],
            "pair": [_part_config(part) for part in parts.pair], "special_tokens": special}
    added = {token.content for token in tokenizer.added_tokens} - set(tokenizer._vocabulary)
    vocabulary = {token: i for token, i in ids.items() if token not in added}
    if isinstance(tokenizer, WordPiece):
        return common | {
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": post,
            "decoder": {"type": "WordPiece", "prefix": tokenizer.prefix, "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": tokenizer.unknown_token, "continuing_subword_prefix": tokenizer.prefix,
                      "max_input_chars_per_word": tokenizer.longest_word, "vocab": vocabulary}}
    level = {"type": "ByteLevel", "add_prefix_space": tokenizer.add_prefix_space, "trim_offsets": True, "use_regex": True}
    splits = level
    if tokenizer.pattern != GPT2_PATTERN:
        splits = level | {"use_regex": False}
        if tokenizer.pattern is not None:
            split = {"type": "Split", "pattern": {"Regex": tokenizer.pattern}, "behavior": "Isolated", "invert": False}
            splits = {"type": "Sequence", "pretokenizers": [split, splits]}
    unknown = None if tokenizer.unknown_id is None else tokenizer.tokens[tokenizer.unknown_id]
    return common | {
        "pre_tokenizer": splits, "post_processor": post, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": unknown, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": tokenizer.ignore_merges, "vocab": vocabulary, "merges": list(map(list, tokenizer.merges))}}


def _part_config(part):
    return {"Sequence" if part.id is None else "SpecialToken": {"id": part.name, "type_id": part.type}}


def _normalizer_config(normalizer):
    if normalizer is None:
        return None
    if isinstance(normalizer, BertNormalizer):
        return {"type": "BertNormalizer", **normalizer.config()}
    if isinstance(normalizer, Chain):
        return {"type": "Sequence", "normalizers": [{"type": name} for name in normalizer.names]}
    raise ValueError(f"save: a normalizer of your own ({normalizer!r}) has no place in a tokenizer.json")
