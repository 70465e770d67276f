"""Rows of the elementwise ops of one argument."""
import numpy as np
from optable import Row

import cdl

ROWS = [
    Row("relu", cdl.relu, lambda x: np.maximum(x, 0), (((3, 5),), ((0,),), ((),), ((17, 33, 2),)), ((1 << 20,),),
        away_from=(0,), raises=(((None,), TypeError, "got None"), ((np.array([1j]),), TypeError, "complex128"))),
]
