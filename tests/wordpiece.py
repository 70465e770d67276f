"""The least of a WordPiece tokenizer that feeds BERT real sentences: lower case, words and marks, longest pieces first."""
import unicodedata


class WordPiece:
    """Ids of a text's pieces by a vocab.txt (a piece a line, ## where it continues a word).

    As BertTokenizer of an uncased model does it: accents off, punctuation apart, [UNK] for a word without pieces.
    """

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.ids = {line.rstrip("\n"): i for i, line in enumerate(file)}

    def __call__(self, text):
        """[CLS] pieces [SEP]."""
        pieces = [piece for word in self.words(text) for piece in self.pieces(word)]
        return [self.ids[piece] for piece in ("[CLS]", *pieces, "[SEP]")]

    def batch(self, texts):
        """Ids and mask, padded to the longest text."""
        ids = [self(text) for text in texts]
        longest = max(map(len, ids))
        return ([row + [self.ids["[PAD]"]] * (longest - len(row)) for row in ids],
                [[1] * len(row) + [0] * (longest - len(row)) for row in ids])

    @staticmethod
    def words(text):
        """Words and single marks."""
        text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        spaced = "".join(f" {c} " if is_mark(c) else c for c in text)
        return spaced.split()

    def pieces(self, word):
        """The longest piece that the word starts with, and so on with what is left."""
        found, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in self.ids), None)
            if end is None:
                return ["[UNK]"]
            found.append(prefix + word[start:end])
            start = end
        return found


def is_mark(c):
    """Punctuation, symbols of ASCII, and Chinese characters, each of which is a word."""
    return (unicodedata.category(c)[0] == "P" or (c.isascii() and not c.isalnum() and not c.isspace())
            or 0x4E00 <= ord(c) <= 0x9FFF)
