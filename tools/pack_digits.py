"""Make the digits that ship with the package from the copy in scikit-learn.

    python tools/pack_digits.py digits.csv.gz src/cdl/data/uci_digits

The first argument is the file sklearn/datasets/data/digits.csv.gz of a scikit-learn wheel: 65 columns, the pixels of an
8×8 image and its digit. Running it again gives the same bytes on the same zlib.
"""
import os
import sys

import numpy as np

from cdl.data.idx import write_idx


def main(table, folder):
    rows = np.loadtxt(table, delimiter=",")
    values = rows.astype(np.uint8)
    if rows.shape != (1797, 65) or (values != rows).any() or values[:, :64].max() != 16 or values[:, 64].max() != 9:
        sys.exit(f"{table}: not the digits of scikit-learn")
    write_idx(os.path.join(folder, "images-idx3-ubyte.gz"), values[:, :64].reshape(-1, 8, 8))
    write_idx(os.path.join(folder, "labels-idx1-ubyte.gz"), values[:, 64])


if __name__ == "__main__":
    main(*sys.argv[1:])
