# The tape: which ops are recorded, and how gradients travel back.
from cdl._core.tensor cimport Node, Tensor, empty_like

cdef enum:
    BLOCK = 1 << 14     # elements of a task of an elementwise op: three arrays of float32 together stay in a 1 MB L2
    ONE_VALUE = 8       # beside READS_A | … of `record`: this backward takes a gradient that is one value, repeated

cdef bint recording(Tensor t) noexcept          # does an op on t belong on the tape now?
cdef int pause() noexcept                       # stop recording on this thread; balanced by resume()
cdef int resume() noexcept
# Ties y to the op that made it. reads: the inputs whose values the backward needs (READS_A | …).
cdef int record(Tensor y, Node node, int reads, Tensor a, Tensor b=*, Tensor c=*, tuple more=*) except -1
# For what else a backward reads: a count of in-place changes, to be compared, and the error where it is another.
cdef int version_of(Tensor t)
cdef int refuse_changed(Node node) except -1
# Adds g to t's gradient, if t wants one. owned: the caller made g for this and uses it no more. A view is nobody's.
cdef int give(Tensor t, Tensor g, bint owned) except -1
cdef int touch(Tensor t) except -1              # t is about to be changed in place: refused on a recorded Tensor


# Inside the backward of y's node: where dx of g's shape may be written if dx[i] depends on no other element of g than
# g[i]. That is g itself where this backward is its only reader, which saves a third of the memory that is moved.
cdef inline Tensor room_for_dx(Tensor y, Tensor g):
    return g if y.grad_owned else empty_like(g)


# A gradient of one value in every element, as a sum over all axes has it, may come as a view with steps of 0 to a node
# that was recorded with ONE_VALUE. This is a block of it (g itself where it is an array), which every task reads.
cdef Tensor block_of(Tensor g)
