"""What WordPiece and byte pairs have in common: tokens with ids of their own, found in the text or cut out of words."""
from cdl.text.added import AddedToken, Splitter
from cdl.text.cache import Cache
from cdl.text.json_file import write_json
from cdl.text.normalize import normalizer_config
from cdl.text.template import Template
from cdl.text.tokenizer import Tokenizer


class Subword(Tokenizer):
    """A tokenizer whose tokens are parts of words, with tokens that are cut out of the text first.

    The kinds give `_word(word)`, the ids of one word, `_words(text)`, the ids of a text without added tokens, and
    `_settings()`, what they were made with, and `_sections(vocabulary)`, the sections of a tokenizer.json that are their own.
    """

    _normalizer = None

    def __init__(self, vocabulary, added_tokens, single, pair, pad_token, unknown_token, errors):
        self._vocabulary, self.ids = vocabulary, dict(vocabulary)     # without and with the added tokens
        self.added_tokens = tuple(token if isinstance(token, AddedToken) else AddedToken(token, None) for token in added_tokens)
        self._number_added()
        self.tokens = [None] * (max(self.ids.values()) + 1)
        for token, i in self.ids.items():
            self.tokens[i] = token
        self.errors = errors
        self._template = Template(single, pair, self.ids)
        self.pad_id, self.unknown_id = (self._optional(token, name) for token, name in
                                        ((pad_token, "pad_token"), (unknown_token, "unknown_token")))
        normalized = [token for token in self.added_tokens if token.normalized and self._normalizer is not None]
        raw = [token for token in self.added_tokens if token not in normalized]
        self._raw = Splitter(raw) if raw else None
        normalized = [token._replace(content=self._normalizer(token.content)) for token in normalized]
        normalized = [token for token in normalized if token.content]       # of nothing there is nothing to be found
        self._normalized = Splitter(normalized) if normalized else None
        self._cache = Cache(self._word)

    def _number_added(self):
        """Give each added token the id that its vocabulary has for it, or the next one."""
        numbered, free, owners = [], max(self.ids.values()) + 1, {i: token for token, i in self.ids.items()}
        for token in self.added_tokens:
            if not token.content:
                raise ValueError(f"{self._who()}: an added token is empty, which stands everywhere in a text")
            i = self.ids.get(token.content) if token.id is None else token.id
            if i is None:
                i, free = free, free + 1
            other = self.ids.setdefault(token.content, i)
            if other != i:
                raise ValueError(f"{self._who()}: the token {token.content!r} has the ids {other} and {i}")
            if owners.setdefault(i, token.content) != token.content:
                raise ValueError(f"{self._who()}: the id {i} belongs to {owners[i]!r} and {token.content!r}")
            free = max(free, i + 1)
            numbered.append(token._replace(id=i))
        _check_top(self.ids, self._who())
        self.added_tokens = tuple(numbered)

    def _optional(self, token, name):
        if token is not None and token not in self.ids:
            raise ValueError(f"{self._who()}: {name} {token!r} is not in the vocabulary")
        return None if token is None else self.ids[token]

    @property
    def special_tokens(self):
        return {token.content: token.id for token in self.added_tokens if token.special}

    def _ids(self, text):
        if self._raw is None and self._normalized is None:
            return self._words(text)
        if self._normalized is None and not self._raw.pattern.search(text):
            return self._words(text)
        ids = []
        for part in self._raw.split(text) if self._raw else [text]:
            if not isinstance(part, str):
                ids.append(part)
            elif self._normalized is None:
                ids += self._words(part)
            else:
                for piece in self._normalized.split(self._normalizer(part)):
                    ids += self._words(piece) if isinstance(piece, str) else [piece]
        return ids

    def add_tokens(self, tokens, *, special=False):
        """Tokens that are to be found whole in the text; new ones get the next ids. Returns how many are new.

        Parameters
        ----------
        tokens : iterable of str or AddedToken
        special : bool, default False
            Whether `decode` leaves them out.
        """
        before = len(self.ids)
        new = [token if isinstance(token, AddedToken) else AddedToken(token, None, special) for token in tokens]
        known = {token.content for token in new}
        settings = self._settings() | {"added_tokens": [*(t for t in self.added_tokens if t.content not in known), *new]}
        type(self)(self._vocabulary, **settings)    # what is refused is refused here, before anything is changed
        self.__init__(self._vocabulary, **settings)
        return len(self.ids) - before

    def save(self, path):
        """Write a tokenizer.json, which `cdl.text.load_tokenizer` and the package `tokenizers` read.

        Parameters
        ----------
        path : str or path
        """
        write_json(path, self.config())

    def config(self):
        """What a tokenizer.json holds of it."""
        parts, pad = self._template, self.pad_id
        special = {part.name: {"id": part.name, "ids": [part.id], "tokens": [part.name]}
                   for part in (*parts.single, *parts.pair) if part.id is not None}
        added = {token.content for token in self.added_tokens} - set(self._vocabulary)
        return {
            "version": "1.0", "truncation": None,
            "padding": None if pad is None else {
                "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": pad, "pad_type_id": 0,
                "pad_token": self.tokens[pad]},
            "added_tokens": [token._asdict() for token in sorted(self.added_tokens, key=lambda token: token.id)],
            "normalizer": None if self._normalizer is None else normalizer_config(self._normalizer),
            "post_processor": {"type": "TemplateProcessing", "single": [_part_config(part) for part in parts.single],
                               "pair": [_part_config(part) for part in parts.pair], "special_tokens": special},
            **self._sections({token: i for token, i in self.ids.items() if token not in added})}


def _part_config(part):
    return {"Sequence" if part.id is None else "SpecialToken": {"id": part.name, "type_id": part.type}}


def checked_vocabulary(vocabulary, who):
    """A dict of its own, of tokens to different ids of 0 and more."""
    if not isinstance(vocabulary, dict):
        tokens = list(vocabulary)
        vocabulary = {token: i for i, token in enumerate(tokens)}
        if len(vocabulary) != len(tokens):
            raise ValueError(f"{who}: the vocabulary has {len(tokens)} tokens, but only {len(vocabulary)} different ones")
    if not vocabulary:
        raise ValueError(f"{who}: the vocabulary is empty")
    for token, i in vocabulary.items():
        if not isinstance(token, str) or isinstance(i, bool) or not isinstance(i, int) or i < 0:
            raise ValueError(f"{who}: the vocabulary must give each token an id of 0 or more, got {token!r}: {i!r}")
    if len(set(vocabulary.values())) != len(vocabulary):
        seen = {}
        twice = next(i for token, i in vocabulary.items() if seen.setdefault(i, token) != token)
        raise ValueError(f"{who}: the id {twice} belongs to several tokens of the vocabulary, one of them {seen[twice]!r}")
    _check_top(vocabulary, who)
    return dict(vocabulary)


def _check_top(ids, who):
    """The list of tokens has a place for each id: few tokens with an id of millions are a damaged file."""
    top = max(ids.values())
    if top > 4 * len(ids) + 65536:
        raise ValueError(f"{who}: the vocabulary of {len(ids)} tokens has an id of {top}")
