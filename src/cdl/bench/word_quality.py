"""How good the vectors of Word2Vec are beside gensim's: `python -m cdl.bench.word_quality --corpus FILE --pairs FILE …`.

Each library trains in a process of its own, seed after seed, with the same options; both are judged by the same code.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# Linux counts the parent's memory in ru_maxrss, not in VmHWM.
_HEAD = """
import json, sys, time
path, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
"""
_TAIL = """
seconds = time.perf_counter() - start
model.wv.save_word2vec_format(out, binary=True)
print(json.dumps({"words": model.corpus_total_words * options["epochs"] / seconds,
                  "peak": peak()}))
"""
_TRAIN = {
    "cdl": "from cdl.text import Word2Vec\nstart = time.perf_counter()\nmodel = Word2Vec(corpus_file=path, **options)",
    "gensim": "from gensim.models import Word2Vec\nfrom gensim.models.word2vec import LineSentence\n"
              "start = time.perf_counter()\nmodel = Word2Vec(LineSentence(path), **options)",
}


def trained(key, python, options, seed, out):
    """Train one model in a process of its own; words a second, reading and counting included, and the peak of its memory."""
    given = {"vector_size": 100, "window": 5, "min_count": 5, "negative": 5, "sample": 1e-3, "sg": int(not options.cbow),
             "epochs": options.epochs, "workers": options.workers, "seed": seed}
    run = subprocess.run([sys.executable if key == "cdl" else python, "-c", _HEAD + _TRAIN[key] + _TAIL, options.corpus, out,
                          json.dumps(given)], capture_output=True, text=True, check=False)
    if run.returncode:
        lines = run.stderr.strip().splitlines()
        raise RuntimeError(f"{key}: {lines[-1] if lines else 'no message'}")
    return json.loads(run.stdout.splitlines()[-1])


def judged(path, options):
    """Spearman's correlation with the pairs, and the share of analogies, of a file of vectors."""
    from cdl.text import WordVectors

    wv = WordVectors.load_word2vec_format(path, binary=True)
    spearman = wv.evaluate_word_pairs(options.pairs)[1].statistic if options.pairs else None
    accuracy = wv.evaluate_word_analogies(options.analogies)[0] if options.analogies else None
    return {"Spearman": spearman, "analogies": accuracy}


def main(argv=None):
    """Print a line for each model, and the mean and spread of each figure; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cdl.bench.word_quality", description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", required=True, help="a text, a sentence a line")
    parser.add_argument("--pairs", help="a file like wordsim353.tsv")
    parser.add_argument("--analogies", help="a file like questions-words.txt")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cbow", action="store_true")
    parser.add_argument("--python", default=sys.executable, help="interpreter with gensim (default: this one)")
    parser.add_argument("--peers", nargs="+", choices=list(_TRAIN), default=list(_TRAIN))
    options = parser.parse_args(argv)
    figures = {key: [] for key in options.peers}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, options.seeds + 1):
            for key in options.peers:
                out = str(Path(folder, "vectors.bin"))
                try:
                    figure = trained(key, options.python, options, seed, out)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    return 1
                figures[key].append(figure | {k: v for k, v in judged(out, options).items() if v is not None})
                print(key, f"seed {seed}", *(f"{k} {_word(k, v)}" for k, v in figures[key][-1].items()), sep="  ", flush=True)
    for key, found in figures.items():
        for name in found[0] if found else ():
            values = [figure[name] for figure in found]
            spread = statistics.stdev(values) if len(values) > 1 else 0
            print(f"{key}  {name}: mean {_word(name, statistics.mean(values))}, deviation {_word(name, spread)}")
    return 0


def _word(name, value):
    return {"words": f"{value / 1e3:.0f} k/s", "peak": f"{value / 1e6:.0f} MB"}.get(name, f"{value:.4f}")


if __name__ == "__main__":
    sys.exit(main())
