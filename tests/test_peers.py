"""In one process with other libraries that bring an OpenMP of their own, whichever is imported first."""
import subprocess
import sys

import pytest

WORK = {
    "cdl": """
import cdl
x, y = cdl.load_digits()
model = cdl.Sequential([cdl.Dense(512, activation="relu"), cdl.Dense(10)])
""",
    "torch": """
import torch
torch.set_num_threads(2)
""",
    "sklearn": """
from sklearn.ensemble import HistGradientBoostingClassifier
""",
}
# Few trees of few leaves: on a busy machine each of scikit-learn's parallel regions waits for its threads to be scheduled,
# and ten classes' trees of 31 leaves took it minutes there, without cdl too.
USE = """
import numpy as np
for turn in range(3):
    model.fit(x, y, loss="cross_entropy", optimizer="adam", epochs=1, batch_size=256)
    if "torch" in globals():
        a = torch.ones(400, 400, requires_grad=True)
        (a @ a).sum().backward()
        assert float(a.grad[0, 0]) == 800
        assert np.allclose(cdl.Tensor(np.ones((400, 400), np.float32)) @ np.ones((400, 400), np.float32), 400)
    else:
        trees = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=4).fit(x, y > 4)
        assert trees.score(x, y > 4) > 0.7
assert model.evaluate(x, y, loss="cross_entropy")["accuracy"] > 0.8
import threadpoolctl
print(sum(pool["user_api"] == "openmp" for pool in threadpoolctl.threadpool_info()))
"""


@pytest.mark.parametrize("order", [("cdl", "torch"), ("torch", "cdl"), ("cdl", "sklearn"), ("sklearn", "cdl")], ids="-".join)
def test_beside(order):
    for name in order:
        pytest.importorskip(name)
    code = "".join(WORK[name] for name in order) + USE
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) >= 1
