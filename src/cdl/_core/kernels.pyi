from collections.abc import Mapping

ISAS: list[str]
ISA: str
CPU_ISA: str
BF16_UNIT: int
UNARY: Mapping[str, int]
BINARY: Mapping[str, int]
LOSS: Mapping[str, int]

def fma_peak(precision: int, iterations: int) -> float: ...
