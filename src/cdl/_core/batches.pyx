"""Batches of a training run: rows of samples, targets and weights gathered together, in a new order every epoch.

Each batch is a copy, made when its turn comes: it is then in the cache, which samples put in order at the start of an
epoch are not (1 us of a step of 17), and no layer or loss ever writes to what the user gave.
"""
from libc.stdint cimport int64_t

from cdl._core.gate cimport as_any
from cdl._core.index cimport take_rows
from cdl._core.tensor cimport I64, Tensor, new_tensor, view_of

import numpy as np

# What a Tensor views as it is; arrays of other types (bytes of images, say) are indexed by NumPy.
cdef frozenset VIEWED = frozenset([np.dtype(kind) for kind in (np.float32, np.float64, np.int64, np.bool_)])


cdef class Batches:
    """An iterator over tuples, a batch of each array in turn; None stays None.

    Parameters
    ----------
    arrays : sequence of ndarray or None
        Of one length n; C-ordered ones are read where they are.
    size : int
        Rows a batch, the last of which may be smaller.
    """
    cdef list arrays        # Tensors, or what NumPy is to index, or None
    cdef Tensor order
    cdef Py_ssize_t size, n, at

    def __init__(self, arrays, Py_ssize_t size):
        self.arrays = [as_any(np.ascontiguousarray(a), "batches") if a is not None and a.dtype in VIEWED else a
                       for a in arrays]
        self.size, self.n = size, len(arrays[0])
        self.order = new_tensor(I64, 1, &self.n)
        self.sort()

    cdef void sort(self) noexcept:
        cdef Py_ssize_t i
        for i in range(self.n):
            (<int64_t*>self.order.ptr)[i] = i

    def shuffle(self, rng):
        """Put the rows in a new order from a NumPy Generator: each order is as likely as any other (Fisher, Yates).

        It begins from the rows as they were given, so that the generator alone decides, not the orders before.
        """
        cdef int64_t* order = <int64_t*>self.order.ptr
        cdef Tensor draws = as_any(rng.random(self.n), "batches")       # rng.permutation takes five times as long
        cdef Py_ssize_t i, j
        self.sort()
        for i in range(self.n - 1, 0, -1):
            j = min(<Py_ssize_t>((<double*>draws.ptr)[i] * (i + 1)), i)
            order[i], order[j] = order[j], order[i]

    def __iter__(self):
        self.at = 0
        return self

    def __next__(self):
        cdef Py_ssize_t count = min(self.size, self.n - self.at), one = 1
        cdef Tensor ids
        if count <= 0:
            raise StopIteration
        ids = view_of(self.order, self.order.ptr + self.at * sizeof(int64_t), 1, &count, &one)
        self.at += count
        return tuple([take_rows(<Tensor>a, ids, 0, 1) if type(a) is Tensor else None if a is None else a[ids.numpy()]
                      for a in self.arrays])
