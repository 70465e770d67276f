"""Tokenizers in files: tokenizer.json, in which the package `tokenizers` keeps them, vocab.txt, vocab.json with merges.txt."""
import re
from pathlib import Path

from cdl.io.errors import FileFormatError
from cdl.text.added import AddedToken
from cdl.text.bpe import GPT2_PATTERN, ByteLevelBPE
from cdl.text.characters import Characters
from cdl.text.json_file import read_json
from cdl.text.normalize import NORMALIZERS, BertNormalizer, Chain
from cdl.text.wordpiece import WordPiece, read_vocabulary
from cdl.text.words import Chinese, Words

__all__ = ["load_tokenizer"]

# Kinds of our own, by their names as a model's type.
OWN = (Characters, Chinese, Words)
NEEDED = object()       # in the place of a default


def load_tokenizer(path, **options):
    """The tokenizer in a file, or in the folder of a network.

    Parameters
    ----------
    path : str or path
        A tokenizer.json (one that `save` wrote too), a vocab.txt, a vocab.json with a merges.txt beside it, or a folder
        with one of these.
    **options
        As for the class, in the place of what the file says.

    Truncation and the side of padding, which such a file may hold, are not taken from it: `encode_batch` is told them. Of a
    tokenizer_config.json beside a vocab.txt `do_lower_case` is read.

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
    if "model" not in config and config and all(isinstance(i, int) for i in config.values()):
        return ByteLevelBPE.from_files(path, path.with_name("merges.txt"), **options)
    reader = Reader(path, config)
    try:
        return reader.tokenizer(options)
    except FileFormatError:
        raise
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from None


class Reader:
    """The parts of a tokenizer.json, turned into a tokenizer's arguments."""

    def __init__(self, path, config):
        self.path, self.config = path, config

    def tokenizer(self, options):
        """The tokenizer of the file."""
        model = self._get(self.config, "model", dict)
        kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece" if "vocab" in model else None)
        own = {f"cdl.{found.__name__}": found for found in OWN}
        if kind == "WordPiece":
            return self._wordpiece(model, options)
        if kind == "BPE":
            return self._bpe(model, options)
        if isinstance(kind, str) and kind in own:
            return own[kind].from_config(model, self.path, **options)
        raise self._unsupported("model.type", kind, f"WordPiece, BPE, {', '.join(own)}")

    def _wordpiece(self, model, options):
        splits = self._get(self.config, "pre_tokenizer", dict, default={})
        if splits.get("type") != "BertPreTokenizer":
            raise self._unsupported("pre_tokenizer.type", splits.get("type"), "BertPreTokenizer with WordPiece")
        return WordPiece(self._vocabulary(model), **{
            "normalizer": self._normalizer() or BertNormalizer(False, False, False, False),
            "unknown_token": self._get(model, "unk_token", str, "model.", "[UNK]"),
            "prefix": self._get(model, "continuing_subword_prefix", str, "model.", "##"),
            "longest_word": self._get(model, "max_input_chars_per_word", int, "model.", 100), **self._common(), **options})

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
            **self._bytes(), "normalizer": self._normalizer(),
            "ignore_merges": self._get(model, "ignore_merges", bool, "model.", False),
            "unknown_token": self._get(model, "unk_token", str, "model.", None), **self._common(), **options})

    def _bytes(self):
        """The pattern of words: ByteLevel's own, or that of a Split before it."""
        steps = self._steps("pre_tokenizer", "pretokenizers")
        kinds = [step.get("type") for step in steps]
        if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]):
            raise self._unsupported("pre_tokenizer", " and ".join(map(str, kinds)), "ByteLevel, or Split and ByteLevel")
        prefix, regex = (self._get(steps[-1], key, bool, "pre_tokenizer.", True) for key in ("add_prefix_space", "use_regex"))
        if len(steps) == 1:
            return {"add_prefix_space": prefix, "pattern": GPT2_PATTERN if regex else None}
        split = steps[0]
        if split.get("behavior") != "Isolated" or split.get("invert") or regex or prefix:
            raise self._unsupported("pre_tokenizer", "Split", "a Split that isolates what it finds, ByteLevel without regex "
                                    "and prefix")
        pattern = self._get(split, "pattern", dict, "pre_tokenizer.")
        if "Regex" in pattern:
            return {"pattern": self._get(pattern, "Regex", str, "pre_tokenizer.pattern.")}
        return {"pattern": re.escape(self._get(pattern, "String", str, "pre_tokenizer.pattern."))}

    def _steps(self, key, inner):
        """The parts of a section that may be a sequence of several."""
        section = self._get(self.config, key, dict, default={})
        if section.get("type") != "Sequence":
            return [section] if section else []
        steps = self._get(section, inner, list, f"{key}.")
        for i, step in enumerate(steps):
            if not isinstance(step, dict):
                raise FileFormatError(f"{self.path}: {key}.{inner}[{i}]: expected an object, got {type(step).__name__}")
        return steps

    def _normalizer(self):
        steps = self._steps("normalizer", "normalizers")
        if not steps:
            return None
        if len(steps) == 1 and steps[0].get("type") == "BertNormalizer":
            names = ("lowercase", "strip_accents", "clean_text", "handle_chinese_chars")
            return BertNormalizer(*(self._get(steps[0], name, bool, "normalizer.", None if name == "strip_accents" else True)
                                    for name in names))
        names = [step.get("type") for step in steps]
        for name in names:
            if name not in tuple(NORMALIZERS):
                raise self._unsupported("normalizer", name, f"BertNormalizer alone, {', '.join(NORMALIZERS)}")
        return Chain(names)

    def _common(self):
        """The tokens found in the text, what stands around it, what fills it up."""
        added = []
        for i, token in enumerate(self._get(self.config, "added_tokens", list, default=[])):
            place = f"added_tokens[{i}]."
            content, number = self._get(token, "content", str, place), self._get(token, "id", int, place)
            if not content or number < 0:
                raise FileFormatError(f"{self.path}: {place[:-1]}: expected a token and an id of 0 or more, got {token!r}")
            flags = {key: self._get(token, key, bool, place, False) for key in AddedToken._fields[2:]}
            added.append(AddedToken(content, number, **flags))
        names = {token.content for token in added}
        guessed = next((name for name in ("[PAD]", "<pad>", "<|pad|>") if name in names), None)
        padding = self._get(self.config, "padding", dict, default={})
        return {"added_tokens": added, "pad_token": self._get(padding, "pad_token", str, "padding.", guessed),
                **self._templates()}

    def _templates(self):
        steps = [step for step in self._steps("post_processor", "processors") if step.get("type") != "ByteLevel"]
        if not steps:
            return {"single": "$A", "pair": "$A $B:1"}
        step, kind = steps[0], steps[0].get("type")
        if len(steps) > 1 or kind not in ("TemplateProcessing", "BertProcessing", "RobertaProcessing"):
            raise self._unsupported("post_processor.type", kind, "TemplateProcessing, BertProcessing, RobertaProcessing")
        if kind == "TemplateProcessing":
            return {name: " ".join(map(self._part, self._get(step, name, list, "post_processor."))) for name in
                    ("single", "pair")}
        start, end = (str((self._get(step, key, list, "post_processor.") or [""])[0]) for key in ("cls", "sep"))
        if kind == "BertProcessing":
            return {"single": f"{start} $A {end}", "pair": f"{start} $A {end} $B:1 {end}:1"}
        return {"single": f"{start} $A {end}", "pair": f"{start} $A {end} {end} $B {end}"}

    def _part(self, part):
        """A token or a sequence, as `Template` writes them."""
        place = "post_processor."
        kind = "Sequence" if isinstance(part, dict) and "Sequence" in part else "SpecialToken"
        value = self._get(part, kind, dict, place)
        name = self._get(value, "id", str, place + kind + ".")
        number = self._get(value, "type_id", int, place + kind + ".", 0)
        return f"{'$' * (kind == 'Sequence')}{name}:{number}"

    def _vocabulary(self, model):
        vocabulary = self._get(model, "vocab", dict, "model.")
        for token, i in vocabulary.items():
            if isinstance(i, bool) or not isinstance(i, int) or i < 0:
                raise FileFormatError(f"{self.path}: model.vocab[{token!r}]: expected an id of 0 or more, got {i!r}")
        return vocabulary

    def _get(self, config, key, kind, place="", default=NEEDED):
        """What stands under a key, of that kind; the default where it is missing or null."""
        found = config.get(key) if isinstance(config, dict) else None
        if found is None and default is not NEEDED:
            return default
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            words = {dict: "an object", list: "a list", str: "a string", int: "an integer", bool: "true or false"}[kind]
            raise FileFormatError(f"{self.path}: {place}{key}: expected {words}, got {type(found).__name__}")
        return found

    def _unsupported(self, place, found, wanted):
        return FileFormatError(f"{self.path}: {place} {found!r} is not supported; there is {wanted}")
