# The tape: which ops are recorded, and how gradients travel back.
from cdl._core.tensor cimport Node, Tensor

cdef bint recording(Tensor t) noexcept          # does an op on t belong on the tape now?
cdef int pause() noexcept                       # stop recording on this thread; balanced by resume()
cdef int resume() noexcept
# Ties y to the op that made it. reads: the inputs whose values the backward needs (READS_A | …).
cdef int record(Tensor y, Node node, int reads, Tensor a, Tensor b=*, Tensor c=*, tuple more=*) except -1
# Adds g to t's gradient, if t wants one. owned: the caller made g for this and uses it no more.
cdef int give(Tensor t, Tensor g, bint owned) except -1
cdef int touch(Tensor t) except -1              # t is about to be changed in place: refused on a recorded Tensor
