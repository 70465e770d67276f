"""The node of an op that the user wrote in Python."""
cimport cython

from cdl._core.copy cimport copy_of
from cdl._core.gate cimport as_any
from cdl._core.tape cimport give, pause, record, recording, resume
from cdl._core.tensor cimport F64, READS_A, READS_B, READS_C, Node, Tensor


@cython.final
cdef class CustomNode(Node):
    cdef object gradients       # of g as an array: an array or None for each input

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x, dx
        inputs = [t for t in (self.a, self.b, self.c) if t is not None] + list(self.more or ())
        resume()        # the user's code may differentiate something of its own
        try:
            gradients = self.gradients(frozen(g), inputs)
        finally:
            pause()
        for x, found in zip(inputs, gradients):
            if found is not None and x.needs_grad:
                dx = copy_of(as_any(found, "backward"))
                give(x, dx, True)
        return 0

    cdef void release(self):
        self.gradients = None
        Node.release(self)


cpdef object frozen(Tensor t):
    """The elements as an ndarray that cannot be written to."""
    array = t.numpy()
    array.flags.writeable = False
    return array


def as_tensor(x, str who):
    """x as a Tensor, on the same memory where that can be."""
    return as_any(x, who)


def follow(Tensor y, list inputs, gradients):
    """Put y on the tape, if one of the inputs is there, with gradients(g, inputs) as its backward."""
    cdef CustomNode node
    cdef Tensor t
    cdef bint wanted = False
    for t in inputs:
        wanted |= recording(t)
    if wanted and y.kind <= F64:
        node = CustomNode.__new__(CustomNode)
        node.gradients = gradients
        a, b, c = (inputs + [None, None])[:3]
        record(y, node, READS_A | (READS_B if b is not None else 0) | (READS_C if c is not None else 0), a, b, c,
               tuple(inputs[3:]))
    return y
