"""cdl: a small, fast deep-learning library for CPUs."""
from cdl._core.memory import clear_memory, memory_stats, set_memory_limit
from cdl._core.tape import no_grad
from cdl._core.tensor import Tensor
from cdl._core.threads import get_num_threads, set_num_threads
from cdl.gradcheck import GradientError, gradcheck, value_and_grad
from cdl.ops import *
from cdl.optim import SGD, Adam, AdamOptimizer, AdamW

__version__ = "0.1.0"
