"""Word2Vec: a table of words that reads text, and the training of vectors, threads over pieces of the corpus.

A window is one small step of matrix products: the rows of its context words against those of its centre and of the negative
words, which it shares. Threads write the same two tables without locks (Niu et al. 2011); the draws of a piece depend on its
number only, so that one thread always makes the same vectors.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

cimport cython

from cdl._core.gate cimport Borrowed, bytes_of
from cdl._core.kernels cimport K, PAIRS_M, PAIRS_N
from cdl._core.tensor cimport F32
from cdl._core.threads cimport parallel_for, threads_for

import numpy as np

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* p) noexcept nogil

cdef enum:
    PIECE = 4096            # ids of a task: 2 to 5 ms
    SENTENCE = 1024         # words of a sentence that are held at a time; a longer one is cut
    LINE = 64               # bytes that one prefetch brings
    FIRST_SLOTS = 1 << 12
    SPACE = 1, NEWLINE = 2, LEAD = 3


include "word2vec_table.pxi"


# --- training ---------------------------------------------------------------------------------------------------------
cdef struct Training:
    const int32_t* ids          # of words, -1 after each sentence
    int64_t count, first        # ids, and the number of the first task
    size_t tasks
    char* inner                 # the table of vectors, and those of the outputs: rows of `row` bytes
    char* outer
    char* tree
    size_t width, row
    uint32_t words
    const uint32_t* keep        # a word stays where a draw of 32 bits is less, or NULL
    const uint32_t* threshold   # the alias method's table of negative words
    const int32_t* alias
    const int64_t* path         # (words + 1): where a word's way through the tree begins
    const int32_t* nodes
    const float* turns          # 1 for left, 0 for right
    int window, negative
    bint skip_gram, mean, shrink
    double rate, last_rate
    uint64_t seed

cdef struct Draws:
    uint64_t state

cdef struct Window:             # of the next centre: drawn ahead, so that its rows are on their way
    int reach, count
    int32_t[PAIRS_N] rows


cdef inline uint64_t draw(Draws* d) noexcept nogil:
    """64 random bits: splitmix64 (Steele, Lea and Flood 2014)."""
    cdef uint64_t z
    d.state += <uint64_t>0x9E3779B97F4A7C15U
    z = (d.state ^ (d.state >> 30)) * <uint64_t>0xBF58476D1CE4E5B9U
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EBU
    return z ^ (z >> 31)


cdef inline uint32_t below(uint32_t n, uint32_t bits) noexcept nogil:
    return <uint32_t>((<uint64_t>bits * n) >> 32)


cdef inline void fetch(const char* row, size_t size) noexcept nogil:
    cdef size_t i = 0
    while i < size:
        prefetch(row + i)
        i += LINE


cdef inline void draw_negatives(Training* t, Draws* d, int32_t centre, int32_t* rows, int* count, int most) noexcept nogil:
    """Negative words after rows[count]; one that is the centre is left out."""
    cdef uint64_t bits
    cdef int32_t word
    cdef int _
    for _ in range(most):
        bits = draw(d)
        word = <int32_t>below(t.words, <uint32_t>(bits >> 32))
        if <uint32_t>bits >= t.threshold[word]:
            word = t.alias[word]
        if word != centre:
            rows[count[0]] = word
            count[0] += 1


cdef void draw_window(Training* t, Draws* d, int32_t centre, Window* w) noexcept nogil:
    cdef int k
    w.reach = t.window - (<int>below(<uint32_t>t.window, <uint32_t>(draw(d) >> 32)) if t.shrink else 0)
    w.count = 0
    if t.negative:
        w.rows[0] = centre
        w.count = 1
        draw_negatives(t, d, centre, w.rows, &w.count, min(t.negative, <int>PAIRS_N - 1))
        for k in range(w.count):
            fetch(t.outer + w.rows[k] * t.row, t.row)


cdef void step_on(Training* t, Draws* d, void** x, void** dx, int m, int32_t centre, Window* w, double rate) noexcept nogil:
    """One step of `m` inputs towards the centre: against its negative words, along its way through the tree."""
    cdef void* y[PAIRS_N]
    cdef float[PAIRS_N] target
    cdef int32_t[PAIRS_N] more
    cdef int k, n, left = t.negative - (<int>PAIRS_N - 1)
    cdef int64_t at
    if t.negative:
        memset(target, 0, sizeof(target))
        target[0] = 1
        for k in range(w.count):
            y[k] = t.outer + w.rows[k] * t.row
        K[<int>F32].pairs_step(<const void**>x, dx, m, y, w.count, target, 0, t.width, rate)
        target[0] = 0
        while left > 0:
            n = 0
            draw_negatives(t, d, centre, more, &n, min(left, <int>PAIRS_N))
            for k in range(n):
                y[k] = t.outer + more[k] * t.row
            K[<int>F32].pairs_step(<const void**>x, dx, m, y, n, target, 0, t.width, rate)
            left -= <int>PAIRS_N
    if t.tree != NULL:
        at = t.path[centre]
        while at < t.path[centre + 1]:
            n = <int>min(t.path[centre + 1] - at, <int64_t>PAIRS_N)
            for k in range(n):
                y[k] = t.tree + t.nodes[at + k] * t.row
            K[<int>F32].pairs_step(<const void**>x, dx, m, y, n, t.turns + at, 0, t.width, rate)
            at += n


cdef void train_skip_gram(Training* t, Draws* d, const int32_t* words, int first, int centre, int last, Window* w,
                          double rate) noexcept nogil:
    cdef void* x[PAIRS_M]
    cdef int m = 0, k
    for k in range(first, last):
        if k == centre:
            continue
        x[m] = t.inner + words[k] * t.row
        m += 1
        if m == PAIRS_M:
            step_on(t, d, x, x, m, words[centre], w, rate)
            m = 0
    if m:
        step_on(t, d, x, x, m, words[centre], w, rate)


cdef void train_cbow(Training* t, Draws* d, const int32_t* words, int first, int centre, int last, Window* w, double rate,
                     float* scratch) noexcept nogil:
    """scratch: two rows, of the mean and of its gradient."""
    cdef void* x[2 * SENTENCE]
    cdef void* hidden = scratch
    cdef void* pull = scratch + t.width
    cdef int m = 0, k
    for k in range(first, last):
        if k != centre:
            x[m] = t.inner + words[k] * t.row
            m += 1
    if m == 0:
        return
    K[<int>F32].rows_sum(<const void**>x, m, 1.0 / m if t.mean else 1.0, hidden, t.width)
    memset(pull, 0, t.row)
    step_on(t, d, &hidden, &pull, 1, words[centre], w, rate)
    K[<int>F32].rows_add(pull, 1.0 if t.mean else 1.0 / m, x, m, t.width)


cdef void train_sentence(Training* t, Draws* d, const int32_t* words, int n, double rate, float* scratch) noexcept nogil:
    cdef Window[2] windows
    cdef Window* w
    cdef int i, first, last
    draw_window(t, d, words[0], &windows[0])
    for i in range(n):
        w = &windows[i & 1]
        if i + 1 < n:
            draw_window(t, d, words[i + 1], &windows[(i + 1) & 1])
        if i + t.window + 1 < n:
            fetch(t.inner + words[i + t.window + 1] * t.row, t.row)
        first, last = max(i - w.reach, 0), min(i + w.reach + 1, n)
        if t.skip_gram:
            train_skip_gram(t, d, words, first, i, last, w, rate)
        else:
            train_cbow(t, d, words, first, i, last, w, rate, scratch)


cdef int64_t piece_start(Training* t, size_t task) noexcept nogil:
    """Where a task begins: after the end of a sentence, unless a sentence is longer than a piece."""
    cdef int64_t start = <int64_t>task * PIECE, i
    if start >= t.count:
        return t.count
    for i in range(start - 1 if start else 0, min(start + PIECE - 1, t.count)):
        if start == 0 or t.ids[i] < 0:
            return i + 1 if start else 0
    return start


cdef void train_piece(void* job, size_t task) noexcept nogil:
    cdef Training* t = <Training*>job
    cdef Draws d
    cdef int32_t[SENTENCE] words
    cdef int64_t i = piece_start(t, task), end = piece_start(t, task + 1)
    cdef double rate = t.rate + (t.last_rate - t.rate) * task / t.tasks
    cdef float* scratch = <float*>malloc(2 * t.row) if not t.skip_gram else NULL
    cdef int n = 0
    if not t.skip_gram and scratch == NULL:
        return
    d.state = (t.seed + 1) * <uint64_t>0xD1342543DE82EF95U + (t.first + <int64_t>task) * <uint64_t>0xA0761D6478BD642FU
    draw(&d)
    while i < end:
        if t.ids[i] >= 0 and (t.keep == NULL or <uint32_t>(draw(&d) >> 32) <= t.keep[t.ids[i]]):
            words[n] = t.ids[i]
            n += 1
        if n and (t.ids[i] < 0 or n == SENTENCE or i + 1 == end):
            train_sentence(t, &d, words, n, rate, scratch)
            n = 0
        i += 1
    free(scratch)


cdef Borrowed given(object array, Py_ssize_t length, str who, bint writable=False):
    """The memory of an array whose length in bytes is as it must be."""
    cdef Borrowed memory = bytes_of(array, writable)
    if memory.buffer.len != length:
        raise ValueError(f"word2vec: {who} has {memory.buffer.len} bytes, expected {length}")
    return memory


def train(ids, inner, outer, tree, keep, negatives, paths, *, int window, int negative, bint skip_gram, bint mean,
          bint shrink, double rate, double last_rate, uint64_t seed, int64_t first, int workers):
    """Train on the numbers of some sentences; returns how many tasks that were. The tables are changed in place."""
    cdef Training t
    cdef Borrowed words = bytes_of(ids), table, outputs, nodes, kept, threshold, alias, path, points, turns
    cdef Py_ssize_t rows = inner.shape[0], width = inner.shape[1]
    cdef int threads
    if not 1 <= window < SENTENCE or negative < 0 or width % 16 or not rows:
        raise ValueError(f"word2vec: window {window}, negative {negative}, tables of shape {inner.shape}")
    if len(ids) and not -1 <= ids.min() <= ids.max() < rows:
        raise IndexError(f"word2vec: words {ids.min()} to {ids.max()} for tables of {rows} rows")
    memset(&t, 0, sizeof(Training))
    t.ids, t.count, t.first = <const int32_t*>words.buffer.buf, words.buffer.len // 4, first
    t.tasks = (t.count + PIECE - 1) // PIECE
    t.width, t.row, t.words = width, width * 4, <uint32_t>rows
    table = given(inner, rows * t.row, "inner", True)
    t.inner = <char*>table.buffer.buf
    if negative:
        outputs = given(outer, rows * t.row, "outer", True)
        threshold, alias = given(negatives[0], rows * 4, "threshold"), given(negatives[1], rows * 4, "alias")
        t.outer, t.threshold = <char*>outputs.buffer.buf, <const uint32_t*>threshold.buffer.buf
        t.alias = <const int32_t*>alias.buffer.buf
    if tree is not None:
        nodes = given(tree, rows * t.row, "tree", True)
        path, points, turns = given(paths[0], rows * 8 + 8, "path"), bytes_of(paths[1]), bytes_of(paths[2])
        t.tree, t.path, t.nodes = <char*>nodes.buffer.buf, <const int64_t*>path.buffer.buf, <const int32_t*>points.buffer.buf
        t.turns = <const float*>turns.buffer.buf
    if keep is not None:
        kept = given(keep, rows * 4, "keep")
        t.keep = <const uint32_t*>kept.buffer.buf
    t.window, t.negative, t.skip_gram, t.mean, t.shrink = window, negative, skip_gram, mean, shrink
    t.rate, t.last_rate, t.seed = rate, last_rate, seed
    with nogil:
        threads = min(workers, threads_for(t.count * 0.5))
        parallel_for(train_piece, &t, t.tasks, threads)
    return t.tasks
