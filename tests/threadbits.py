"""The promise that the number of threads changes no bit."""
import numpy as np

import cdl


def assert_same_bits(run, counts=(1, 2, 3, 5)):
    """run(), which returns arrays, returns the same bits with each of these numbers of threads."""
    before, wanted = cdl.get_num_threads(), None
    try:
        for threads in counts:
            cdl.set_num_threads(threads)
            found = [np.asarray(array) for array in run()]
            wanted = found if wanted is None else wanted
            for got, want in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(got, want, err_msg=f"with {threads} threads")
    finally:
        cdl.set_num_threads(before)
