# Elements by index: rows gathered and scattered, and the keys of t[...].
from cdl._core.tensor cimport Tensor

# ids: int64, dense, each 0 … rows-1 (checked by ids_of). x as (outer, rows, inner) gives y (outer, ids, inner).
cdef Tensor ids_of(object ids, Py_ssize_t rows, str who)        # dense int64 from any integers; IndexError
# The result has x's dims with the `axes` axes from `axis` on replaced by those of ids.
cdef Tensor take_rows(Tensor x, Tensor ids, int axis, int axes)
