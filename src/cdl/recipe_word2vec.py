"""What `cdl word2vec` does: a text file to a file of vectors."""
from pathlib import Path


def add_options(parser):
    """Give an argparse parser the options of `cdl word2vec`."""
    parser.add_argument("file", help="the text, UTF-8, a sentence a line; compressed if it ends in .gz, .bz2 or .xz")
    parser.add_argument("--out", metavar="FILE", default="vectors.bin",
                        help="where to save the vectors: .bin is word2vec's binary format, anything else its text format; .gz "
                             "after it compresses (default %(default)s)")
    parser.add_argument("--size", type=int, default=100, help="numbers of a vector (default %(default)s)")
    parser.add_argument("--window", type=int, default=5, help="the largest distance of context words (default %(default)s)")
    parser.add_argument("--min-count", type=int, default=5, help="leave out words that come less often (default %(default)s)")
    parser.add_argument("--cbow", action="store_true", help="predict words from their context, not the reverse: faster")
    parser.add_argument("--negative", type=int, default=5, help="negative words of each word (default %(default)s)")
    parser.add_argument("--hs", action="store_true", help="hierarchical softmax; with --negative 0 alone")
    parser.add_argument("--sample", type=float, default=1e-3, help="thin out words above this share (default %(default)s)")
    parser.add_argument("--alpha", type=float, default=0.025, help="the first learning rate (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="how often the text is gone through (default %(default)s)")
    parser.add_argument("--workers", type=int, help="threads (default: as many as there are processors)")
    parser.add_argument("--deterministic", action="store_true", help="one thread: the same vectors each time")
    parser.add_argument("--seed", type=int, default=1, help="of first vectors and draws (default %(default)s)")
    parser.add_argument("--lowercase", action="store_true", help="make all letters small")
    parser.add_argument("--errors", choices=["strict", "replace", "ignore"], default="strict",
                        help="what to do with bytes that are no UTF-8 (default %(default)s)")
    parser.add_argument("--phrases", type=float, metavar="THRESHOLD",
                        help="write pairs of words that score above this as one word, new_york; 10 is usual")
    parser.add_argument("--quiet", action="store_true", help="no line per epoch")


def train_word2vec(options):
    """Train on the file that the options name and save the vectors; returns the exit status."""
    from cdl._core.threads import get_num_threads
    from cdl.text import LineSentence, Phrases, Word2Vec

    out = Path(options.out).absolute()
    if not out.parent.is_dir() or out.is_dir():
        raise ValueError(f"word2vec: --out {options.out}: " + ("this is a folder; name the file to write" if out.is_dir() else
                                                               "there is no such folder"))
    if out.exists() and Path(options.file).exists() and out.samefile(options.file):
        raise ValueError(f"word2vec: --out {options.out} is the text itself")
    corpus = LineSentence(options.file, lowercase=options.lowercase, errors=options.errors)
    if options.phrases is not None:
        corpus = Phrases(corpus, threshold=options.phrases)[corpus]
    workers = get_num_threads() if options.workers is None else options.workers
    model = Word2Vec(vector_size=options.size, window=options.window, min_count=options.min_count, sg=not options.cbow,
                     hs=options.hs, negative=options.negative, sample=options.sample, alpha=options.alpha, seed=options.seed,
                     min_alpha=min(1e-4, options.alpha), epochs=options.epochs, workers=workers,
                     deterministic=options.deterministic, verbose=not options.quiet)
    model.build_vocab(corpus)
    print(f"{options.file}: {model.corpus_total_words:,} words in {model.corpus_count:,} sentences; {len(model.wv):,} "
          "different ones have vectors", flush=True)
    model.train(corpus)
    model.wv.save_word2vec_format(out)
    print(f"saved {options.out} ({len(model.wv):,} vectors of {model.vector_size})")
    return 0
