"""Holds the C kernels and chooses, once, the table for this processor."""
import os

cdef list _names(const char* const* names, int count):
    return [(<bytes>names[i]).decode() for i in range(count)]

ISAS = _names(cdl_isa_names, CDL_ISA_COUNT)
UNARY = {name: i for i, name in enumerate(_names(cdl_unary_names, CDL_UNARY_COUNT))}
LOSS = {name: i for i, name in enumerate(_names(cdl_loss_names, CDL_LOSS_COUNT))}
BINARY = {name: i for i, name in enumerate(_names(cdl_binary_names, CDL_BINARY_COUNT))}


def _choose(cap):
    """The level to use: the processor's best, or the lower one that CDL_ISA asks for."""
    best = cdl_cpu_isa()
    if cap is None or cap == "":
        return best
    if cap not in ISAS:
        raise ImportError(f"CDL_ISA: expected one of {', '.join(ISAS)}, got {cap!r}; unset it to use the best")
    return min(best, ISAS.index(cap))


_level = _choose(os.environ.get("CDL_ISA"))
ISA = ISAS[_level]
CPU_ISA = ISAS[cdl_cpu_isa()]
BF16_UNIT = cdl_cpu_bf16_unit() if ISA == CPU_ISA else 0    # what the system allows of it: bfloat16.pyx
K[0] = cdl_kernel_table(0, _level)
K[1] = cdl_kernel_table(1, _level)
UNARY_SAVED = cdl_unary_saved
BINARY_SAVED = cdl_binary_saved


def fma_peak(int precision, size_t iterations):
    """Run the kernel that does nothing but multiply-adds; returns how many floating-point operations it did."""
    if precision != 0 and precision != 1:
        raise ValueError(f"fma_peak: expected precision 0 (float32) or 1 (float64), got {precision}")
    cdef double out[2]
    out[1] = 0
    with nogil:
        K[precision].fma_peak(iterations, out)
    return out[0]
