"""The tape: what is recorded, how gradients add up, what is refused, and that long graphs and threads do no harm."""
import gc
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cdl


def leaf(*values, dtype=np.float64):
    return cdl.Tensor(np.array(values, dtype), requires_grad=True)


# --- sums of gradients ------------------------------------------------------------------------------------------------
def test_gradients_accumulate_until_they_are_dropped():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * x).sum().backward()
    assert x.grad.tolist() == [6, 12]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_shared_expressions_and_diamonds():
    x = leaf(3.0)
    y = x * x
    ((y + y) * y).sum().backward()          # 2 x^4
    assert x.grad.item() == 8 * 27
    x = leaf(0.5)
    y = x
    for _ in range(60):                     # 2^60 paths, each op visited once
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_an_input_used_twice_by_one_op():
    x = leaf(2.0, 3.0)
    cdl.concatenate([x, x, x]).sum().backward()
    (x @ x).backward()
    assert x.grad.tolist() == [3 + 4, 3 + 6]


def test_views_give_their_gradient_to_what_they_view():
    x = cdl.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    (x[0] * 2).sum().backward()
    (x.T[1] * 3).sum().backward()
    (x.reshape(3, 2)[2, 1] + x[1, 2] + x[:, ::-1][1, 0]).backward()
    assert x.grad.tolist() == [[2, 5, 2], [0, 3, 3]]


def test_gradients_of_leaves_share_memory_with_nothing():
    x, y, z = leaf(1.0, 2.0), leaf(1.0, 2.0), leaf(1.0, 2.0)
    seed = np.ones(2)
    ((x + y) + z.reshape(1, 2)[0]).backward(seed)
    x.backward(seed)
    arrays = [x.grad.numpy(), y.grad.numpy(), z.grad.numpy(), seed]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    x.grad.data[:] = 7
    assert y.grad.tolist() == z.grad.tolist() == [1, 1]


def test_backward_of_more_than_one_value():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"shape \(2,\); reduce it"):
        (x * 2).backward()
    for wrong in (np.ones(3), np.ones((2, 1)), 1.0):
        with pytest.raises(ValueError, match=r"gradient must have shape \(2,\)"):
            (x * 2).backward(wrong)
    (x * 2).backward([1, 10])                # integers become the Tensor's type
    (x * 2).backward(cdl.Tensor(np.float32([1, 1])))
    assert x.grad.tolist() == [4, 22] and x.grad.dtype == np.float64
    x.backward([1.0, 1.0])
    assert x.grad.tolist() == [5, 23]


def test_a_gradient_given_is_not_changed():
    x = leaf(1.0, 2.0)
    seed = cdl.Tensor([1.0, 1.0])
    for y in (x, x * 1, x + 0, x.reshape(1, 2).reshape(2), x[:]):
        y.backward(seed)
    assert seed.tolist() == [1, 1] and x.grad.tolist() == [5, 5]


def test_kept_gradients():
    x = leaf(2.0)
    y = (x * 3).retain_grad()
    z = (y * y).sum()
    assert y.grad is None
    z.backward(retain_graph=True)
    assert y.grad.item() == 12 and x.grad.item() == 36
    z.backward()                            # what was kept does not flow a second time
    assert y.grad.item() == 24 and x.grad.item() == 72
    y.grad = None
    assert y.grad is None and (x * 3).grad is None


# --- one graph, one backward ------------------------------------------------------------------------------------------
def test_a_graph_is_used_once_unless_it_is_retained():
    x = leaf(2.0)
    y = cdl.exp(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    before = x.grad.item()
    assert before == pytest.approx(2 * np.exp(2))
    with pytest.raises(RuntimeError, match="freed by an earlier backward; run the forward again, or keep"):
        y.backward()
    assert x.grad.item() == before


def test_a_part_that_was_freed_is_noticed_before_anything_is_added():
    x = leaf(2.0)
    shared = x * x
    (shared * 1).backward()
    with pytest.raises(RuntimeError, match="freed"):
        (cdl.exp(x) + shared * 2).backward()
    assert x.grad.item() == 4


def test_nothing_recorded():
    for t in (cdl.Tensor([1.0]), cdl.Tensor([1.0]) * 2, leaf(1.0).detach(), cdl.Tensor(3)):
        with pytest.raises(RuntimeError, match="nothing was recorded"):
            t.backward()


CHANGES = {
    "the value": lambda w: w.data.__setitem__(0, 5.0) or w.__setitem__(0, 5.0), "a view": lambda w: w[:1].__iadd__(1),
    "a view of a view": lambda w: w[:].reshape(1, 2)[:, :1].__imul__(2),
    "detached": lambda w: w.detach().__setitem__(0, 5.0),
    "all": lambda w: w.__iadd__(1), "an optimizer": lambda w: cdl.SGD([w]).update([w], [np.ones(2)]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_value_changed_after_its_use_is_noticed(change):
    x, w = leaf(1.0, 2.0), cdl.Tensor([3.0, 4.0])
    y = (x * w).sum()
    change(w)
    with pytest.raises(RuntimeError, match="changed in place after it was used"):
        y.backward()
    assert x.grad is None


def test_a_view_of_a_changed_tensor_is_noticed():
    x, w = leaf(1.0, 2.0), cdl.Tensor(np.ones((2, 2)))
    y = (x * w[0]).sum()
    w += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_a_value_that_the_backward_does_not_read_may_change():
    x, w = leaf(1.0, 2.0), cdl.Tensor([3.0, 4.0])
    y = (x + w).sum()
    w += 1
    y.backward()
    assert x.grad.tolist() == [1, 1]


def test_what_the_tape_follows_is_not_changed_in_place():
    x = leaf(1.0, 2.0)
    recorded = x * 2
    for change in (lambda: x.__iadd__(1), lambda: x.__setitem__(0, 1), lambda: recorded.__setitem__(0, 1),
                   lambda: x[:1].__setitem__(0, 1), lambda: cdl.Tensor([1.0, 2.0]).__setitem__(0, x[0])):
        with pytest.raises(RuntimeError):
            change()
    recorded += 1                            # rebinds
    assert x.tolist() == [1, 2] and recorded.tolist() == [3, 5]
    with cdl.no_grad():
        x += 1
        x[0] = 9
    assert x.tolist() == [9, 3]


# --- errors in the middle ---------------------------------------------------------------------------------------------
class Trap(cdl.Function):
    error = None

    def forward(self, x):
        return x * 1.0

    def backward(self, g):
        if Trap.error is not None:
            raise Trap.error
        return g


@pytest.mark.parametrize("error", [ValueError("trap"), KeyboardInterrupt(), MemoryError("trap")])
def test_an_error_in_the_middle_leaves_no_part_of_a_sum(error):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    for _ in range(2):
        early = x * 2
        y = (Trap.apply(early) * w + early * x + cdl.exp(x)).sum()
        Trap.error = error
        try:
            with pytest.raises(type(error)):
                y.backward(retain_graph=True)
        finally:
            Trap.error = None
        assert x.grad is None and w.grad is None
    y.backward(retain_graph=True)
    wanted = 2 * w.numpy() + 4 * x.numpy() + np.exp(x.numpy())
    np.testing.assert_allclose(x.grad.numpy(), wanted)
    z = (early * 1).sum()                    # the rest of the graph is clean too
    x.grad = None
    z.backward()
    assert x.grad.tolist() == [2, 2] and cdl._core.tape.is_recording()


def test_a_backward_inside_a_backward():
    class Inner(cdl.Function):
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, g):
            t = cdl.Tensor(self.x, requires_grad=True)
            (t * t * t).backward(g)
            return t.grad.numpy()

    x = leaf(1.0, 2.0)
    (Inner.apply(x) * 2).sum().backward()
    assert x.grad.tolist() == [6, 24]


def test_a_backward_through_the_graph_that_is_under_way_is_refused():
    class Again(cdl.Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, g):
            z.backward()

    x = leaf(1.0)
    y = x * 2
    z = (Again.apply(y) + y).sum()
    with pytest.raises(RuntimeError, match="another backward is going through this graph"):
        z.backward()
    assert x.grad is None


def test_gradients_are_not_recorded():
    x = leaf(1.0, 2.0)
    y = (cdl.exp(x * x) / (x + 1) @ x).retain_grad()
    y.backward()
    assert x.grad.is_leaf and not x.grad.requires_grad and not y.grad.requires_grad


# --- no_grad ----------------------------------------------------------------------------------------------------------
def test_no_grad_nests_decorates_and_survives_exceptions():
    x = leaf(1.0)
    with cdl.no_grad():
        with cdl.no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad

    @cdl.no_grad()
    def f(t, *, k):
        """Its own text."""
        if k == 0:
            raise ValueError("zero")
        return t * k

    assert f.__name__ == "f" and f.__doc__ == "Its own text."
    assert not f(x, k=2).requires_grad
    for _ in range(3):
        with pytest.raises(ValueError, match="zero"):
            f(x, k=0)
    assert (x * 2).requires_grad


def test_no_grad_is_of_one_thread():
    x, seen = leaf(1.0), []
    inside, done = threading.Event(), threading.Event()

    def other():
        with cdl.no_grad():
            inside.set()
            done.wait(10)
            seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    seen.append((x * 2).requires_grad)
    done.set()
    thread.join()
    assert seen == [True, False]


# --- length, memory ---------------------------------------------------------------------------------------------------
STEPS = {"number": lambda y: y * 1.0, "tensor": lambda y: y + y.detach() * 0, "view": lambda y: y[...],
         "join": lambda y: cdl.concatenate([y])}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_long_chain_is_freed_and_differentiated_without_a_deep_stack(step):
    n = 200_000
    threading.stack_size(256 << 10)          # a recursion of this length would need 100 times as much
    try:
        failures = []

        def work():
            x = leaf(1.0)
            y = x
            for _ in range(n):
                y = step(y)
            y.backward()
            if x.grad.item() != 1:
                failures.append(x.grad)
            del y
            y = x
            for _ in range(n):
                y = step(y)
            del y                            # freed without a backward

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(0)
    assert not failures


def test_memory_does_not_grow():
    if not cdl.memory_stats()["pooled"]:
        pytest.skip("the pool of this build counts nothing")
    x = cdl.Tensor(np.ones((8, 8)), requires_grad=True)

    def step(k):
        y = (cdl.exp(x[:, 1:]) * x[:, :-1]).sum()
        y = y.retain_grad() if k % 2 else y
        if k % 3:
            y.backward()
        if k % 5 == 0:
            with pytest.raises(ValueError):
                (x * 2).backward()
        x.grad = None

    for k in range(100):
        step(k)
    gc.collect()
    used, objects = cdl.memory_stats()["in_use"], len(gc.get_objects())
    for k in range(10_000):
        step(k)
    gc.collect()
    assert cdl.memory_stats()["in_use"] == used
    assert len(gc.get_objects()) < objects + 100


# --- threads ----------------------------------------------------------------------------------------------------------
def in_threads(*functions):
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors and not any(thread.is_alive() for thread in threads)


def network():
    cdl.seed(0)
    return cdl.Sequential([cdl.Dense(64, "relu", in_features=32), cdl.Dense(10, in_features=64)])


def test_threads_predict_with_one_model():
    model, rng = network(), np.random.default_rng(0)
    batches = [rng.standard_normal((n, 32)).astype(np.float32) for n in (1, 7, 300, 2000)]
    wanted = [model.predict(x).copy() for x in batches]

    def work():
        for k in range(200):
            np.testing.assert_array_equal(model.predict(batches[k % 4]), wanted[k % 4])

    in_threads(work, work, work)


def test_one_thread_trains_while_another_predicts():
    training, used, alone = network(), network(), network()
    x, y = np.random.default_rng(1).standard_normal((400, 32)), np.arange(400) % 10
    wanted, done = used.predict(x), threading.Event()

    def train(model):
        model.fit(x, y, loss="cross_entropy", epochs=5, batch_size=32, progress=False, rng=0)

    def train_and_tell():
        try:
            train(training)
        finally:
            done.set()

    def predict():
        while not done.is_set():
            np.testing.assert_array_equal(used.predict(x), wanted)
            assert np.isfinite(training.predict(x)).all()

    in_threads(train_and_tell, predict)
    train(alone)
    for p, q in zip(training.parameters(), alone.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_threads_may_differentiate_to_the_same_leaf():
    x = cdl.Tensor(np.ones((200, 200)), requires_grad=True)

    def work():
        for _ in range(50):
            (x @ x).sum().backward()

    def drop():
        for _ in range(200):
            y = cdl.Tensor(np.ones((200, 200)), requires_grad=True)
            (y * 2 + y).sum().backward()
            y.grad = None
            cdl.clear_memory()

    in_threads(work, drop)
    assert x.grad.numpy()[3, 4] == 50 * 400


# --- random expressions -----------------------------------------------------------------------------------------------
UNARY = [(cdl.exp, lambda a: np.exp(a)), (cdl.tanh, np.tanh), (cdl.sigmoid, lambda a: 1 / (1 + np.exp(-a))),
         (lambda t: -t, np.negative), (lambda t: t * 0.5, lambda a: a * 0.5), (lambda t: 2.0 - t, lambda a: 2.0 - a),
         (lambda t: t**2, lambda a: a**2), (lambda t: t.sum(axis=0, keepdims=True), lambda a: a.sum(0, keepdims=True)),
         (lambda t: t.mean(axis=-1, keepdims=True), lambda a: a.mean(-1, keepdims=True)),
         (lambda t: t.T, np.transpose), (lambda t: t[::-1], lambda a: a[::-1]),
         (lambda t: t[:, :1], lambda a: a[:, :1]),
         (lambda t: t.reshape(-1, 1), lambda a: a.reshape(-1, 1)), (lambda t: t[[0, 0]], lambda a: a[[0, 0]]),
         (lambda t: cdl.broadcast_to(t[:1], (3, t.shape[1])), lambda a: np.broadcast_to(a[:1], (3, a.shape[1])))]
BINARY = [(lambda s, t: s + t, np.add), (lambda s, t: s * t, np.multiply), (lambda s, t: s - t, np.subtract),
          (lambda s, t: s / (t * t + 1), lambda a, b: a / (b * b + 1)), (lambda s, t: s @ t, np.matmul),
          (lambda s, t: cdl.concatenate([s, t]), lambda a, b: np.concatenate([a, b]))]


def evaluate(plan, values, side):
    """The values after the steps of a plan, by our ops (side 0) or NumPy's (1); steps that do not fit are left out."""
    for op, i, j in plan:
        a, b = values[i % len(values)], values[j % len(values)]
        if op < len(UNARY):
            values.append(UNARY[op][side](a))
        else:
            f, same = BINARY[op - len(UNARY)], a.shape[1:] == b.shape[1:]
            fits = {4: a.shape[1] == b.shape[0], 5: same}.get(op - len(UNARY), all(
                m == n or 1 in (m, n) for m, n in zip(a.shape, b.shape, strict=True)))
            if fits:
                values.append(f[side](a, b))
    return values


@given(st.lists(st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 50), st.integers(0, 50)),
                min_size=1, max_size=9), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_random_graphs_have_the_gradient_of_differences(plan, m, n, seed):
    rng = np.random.default_rng(seed)
    start = [rng.uniform(-0.5, 0.5, (m, n)), rng.uniform(-0.5, 0.5, (n, m))]
    direction = [rng.standard_normal(a.shape) for a in start]

    def total(step):
        values = evaluate(plan, [a + step * d for a, d in zip(start, direction, strict=True)], 1)
        return sum((v * w).sum() for v, w in zip(values, weights, strict=True)), values

    weights = [rng.standard_normal(v.shape) for v in evaluate(plan, list(start), 1)]
    leaves = [cdl.Tensor(a, requires_grad=True) for a in start]
    values = evaluate(plan, list(leaves), 0)
    value, wanted = total(0)
    for v, w in zip(values, wanted, strict=True):
        np.testing.assert_allclose(v.numpy(), w, rtol=1e-12, atol=1e-12)
    if abs(value) > 1e6:
        return
    loss = sum((v * w).sum() for v, w in zip(values, weights, strict=True))
    loss.backward()
    slope = sum((t.grad.numpy() * d).sum() for t, d in zip(leaves, direction, strict=True))
    steps = [total(sign * 1e-6)[0] for sign in (1, -1)]
    np.testing.assert_allclose(slope, (steps[0] - steps[1]) / 2e-6, rtol=1e-4, atol=1e-4 * max(1, abs(value)))
