"""What targets, probabilities and weights must hold, told with the first value that does not."""
import numpy as np


def require(array, good, who, name, wanted):
    """ValueError that names the first element of `array` where `good`, of its shape, is false."""
    if not good.all():
        i = int(np.flatnonzero(~good)[0])
        value = array.reshape(-1)[i]
        raise ValueError(f"{who}: {name} must {wanted}, got {value} (position {i} of the flattened {name})")


def probabilities(array, who, name, *, nan=False):
    """Refuse numbers outside [0, 1] but for rounding errors, and NaN unless `nan`."""
    slack = 4 * np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0     # of probabilities that were added up
    low, high = array.min(initial=0), array.max(initial=0)
    if not (low >= 0 and high <= 1 + slack):        # one NaN makes both NaN
        good = (array >= 0) & (array <= 1 + slack)
        require(array, good | np.isnan(array) if nan else good, who, name, "hold probabilities, 0 to 1")


def no_nan(array, who, name):
    """Refuse NaN."""
    if array.dtype.kind == "f" and np.isnan(array.min(initial=0)):
        require(array, ~np.isnan(array), who, name, "not hold NaN")
