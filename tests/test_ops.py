"""Every row of the op table: values, gradients, errors, memory layouts, threads."""
import numpy as np
import pytest
from optable import TOLERANCE, draw, rows, tolerance
from threadbits import assert_same_bits

import cdl

ROWS = rows()
CASES = [pytest.param(row, case, id=f"{row.name}-{case}") for row in ROWS for case in row.cases]
SMOOTH = [pytest.param(row, case, id=f"{row.name}-{case}") for row in ROWS for case in row.cases if row.differentiable]
RAISES = [pytest.param(row, *entry, id=f"{row.name}-{i}") for row in ROWS for i, entry in enumerate(row.raises)]
TIMED = [pytest.param(row, id=row.name) for row in ROWS if row.bench]


def results(value):
    """The arrays of an op's result: one, or several of an op such as split."""
    return [np.asarray(v) for v in value] if isinstance(value, (tuple, list)) else [np.asarray(value)]


def tensors(arrays, requires_grad=False):
    return [cdl.Tensor(x, requires_grad=requires_grad) for x in arrays]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("row, case", CASES)
def test_values(row, case, dtype):
    xs = draw(row, case, dtype)
    wanted = results(row.ref(*(x.astype(np.float64) for x in xs)))
    for got in (row.op(*xs), row.op(*tensors(xs))):
        for y, ref in zip(results(got), wanted, strict=True):
            assert y.shape == ref.shape
            np.testing.assert_allclose(y, ref, **tolerance(row, dtype))
            if row.differentiable:
                assert y.dtype == dtype


@pytest.mark.parametrize("row, case", CASES)
def test_result_follows_the_operands(row, case):
    xs = draw(row, case, np.float32)
    kinds = {True: cdl.Tensor, False: (np.ndarray, np.generic)}
    for arguments, tensor in ((xs, False), (tensors(xs), True)):
        got = row.op(*arguments)
        for y in got if isinstance(got, (tuple, list)) else [got]:
            assert isinstance(y, kinds[tensor])


@pytest.mark.parametrize("row, case", SMOOTH)
def test_gradient(row, case):
    xs = draw(row, case, np.float64)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(y.shape) for y in results(row.op(*xs))]

    def total(arrays):
        return sum(float((y * w).sum()) for y, w in zip(results(row.op(*arrays)), weights, strict=True))

    ts = tensors(xs, requires_grad=True)
    before = [t.numpy().copy() for t in ts]
    outputs = row.op(*ts)
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    for i, (y, w) in enumerate(zip(outputs, weights, strict=True)):
        y.backward(w, retain_graph=i + 1 < len(outputs))
    for t, old in zip(ts, before, strict=True):
        assert np.array_equal(t.numpy(), old), "an argument was changed"
    for i, x in enumerate(xs):
        for _ in range(2):
            v = rng.standard_normal(x.shape)
            step = 1e-6
            up, down = (total([a + s * step * v if j == i else a for j, a in enumerate(xs)]) for s in (1, -1))
            analytic = float((ts[i].grad.numpy() * v).sum()) if x.size else 0.0
            np.testing.assert_allclose(analytic, (up - down) / (2 * step), rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("row, case", SMOOTH)
def test_gradient_float32(row, case):
    wanted = []
    for dtype in (np.float64, np.float32):
        ts = tensors([x.astype(dtype) for x in draw(row, case, np.float32)], requires_grad=True)
        outputs = row.op(*ts)
        for y in outputs if isinstance(outputs, (tuple, list)) else [outputs]:
            y.backward(np.ones(y.shape), retain_graph=True)
        wanted.append([t.grad.numpy() for t in ts])
    bound = (row.tolerance or {}).get(np.float32, 2e-5)
    for exact, single in zip(*wanted, strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, exact, rtol=bound, atol=bound)


@pytest.mark.parametrize("row, arguments, error, words", RAISES)
def test_errors(row, arguments, error, words):
    with pytest.raises(error, match=words):
        row.op(*(np.ones(a, np.float32) if isinstance(a, tuple) else a for a in arguments))


def layouts(x):
    """The same values in other memory: strided, reversed, read-only, byte-swapped, misaligned, Fortran order."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype) if x.ndim else np.zeros((), x.dtype)
    if x.ndim:
        wide[..., ::2] = x
        yield wide[..., ::2]
        yield x[..., ::-1].copy()[..., ::-1]
    frozen = x.copy()
    frozen.flags.writeable = False
    yield frozen
    yield x.astype(x.dtype.newbyteorder(">"))
    raw = np.zeros(x.nbytes + 1, np.uint8)
    shifted = raw[1:].view(x.dtype).reshape(x.shape) if x.size else x
    shifted[...] = x
    yield shifted
    yield np.array(x, order="F")


@pytest.mark.parametrize("row, case", CASES)
def test_memory_layouts(row, case):
    xs = draw(row, case, np.float32)
    wanted = results(row.op(*xs))
    for i, x in enumerate(xs):
        for other in layouts(x):
            got = results(row.op(*xs[:i], other, *xs[i + 1:]))
            for y, ref in zip(got, wanted, strict=True):
                bound = {"rtol": 0, "atol": 0} if row.layout_bits else tolerance(row, np.float32)
                np.testing.assert_allclose(y, ref, **bound)


@pytest.mark.parametrize("row, case", CASES)
def test_half_precision_and_integers_are_converted(row, case):
    xs = draw(row, case, np.float16)
    for y, ref in zip(results(row.op(*xs)), results(row.op(*(x.astype(np.float32) for x in xs))), strict=True):
        np.testing.assert_array_equal(y, ref)


def test_every_row_has_a_name_of_its_own():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
@pytest.mark.parametrize("row", TIMED)
def test_same_bits_for_every_thread_count(row):
    xs = draw(row, row.bench, np.float32)

    def run():
        ts = tensors(xs, requires_grad=row.differentiable)
        outputs = row.op(*ts)
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        if row.differentiable:
            for y in outputs:
                y.backward(np.ones(y.shape, np.float32), retain_graph=True)
        return [y.numpy() for y in outputs] + [t.grad.numpy() for t in ts if row.differentiable]

    assert_same_bits(run)


