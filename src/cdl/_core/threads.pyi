from typing import TypedDict

class OpenMPInfo(TypedDict):
    openmp: int | None
    threads: int
    openmp_max_threads: int
    processors: int
    cpu_quota: float | None
    wait_policy: str
    libraries: list[str]

class SelfTest(TypedDict):
    owners: list[int]
    values: list[float]
    order: list[int]
    nested: list[int]
    took: list[float]

class BackOff(TypedDict):
    enabled: bool
    seconds_left: float
    length: float
    retreats: int
    credit: float

def set_num_threads(n: int | None) -> None: ...
def get_num_threads() -> int: ...
def work_alone() -> None: ...
def openmp_info() -> OpenMPInfo: ...
def _selftest(tasks: int, microseconds: float, threads: int = 0, repeats: int = 1, stall: int = 0,
              swept: bool = False) -> SelfTest: ...
def _back_off(enabled: bool | None = None) -> BackOff: ...
