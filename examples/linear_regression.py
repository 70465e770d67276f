"""A line through points by gradient descent: the notes, section 1.2.

    python examples/linear_regression.py

The notes' snippet is made to work: W and b are given to it and come back, and X is a matrix. Its gradients are those that
backpropagation finds; the line it ends at is that of `cdl.gradient_descent`, and of least squares. All four are printed.
"""
import argparse

import numpy as np

import cdl


def gradient_descent(X, y, W, b, learning_rate=0.01):
    """One step of the notes' gradient descent."""
    m = len(y)
    predictions = X @ W + b
    dW = (1 / m) * np.dot(X.T, (predictions - y))
    db = (1 / m) * np.sum(predictions - y)
    return W - learning_rate * dW, b - learning_rate * db


def half_mse(X, y, W, b):
    """The loss whose gradients these are."""
    return np.mean((X @ W + b - y) ** 2) / 2


def main():
    parser = argparse.ArgumentParser(description="A line through points by gradient descent.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the line on its way")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    X = rng.uniform(-1, 1, (60, 1))
    y = 3 * X[:, 0] + 2 + 0.3 * rng.standard_normal(60)

    W, b = np.zeros(1), 0.0
    path = [(W, b)]
    for _ in range(400):
        W, b = gradient_descent(X, y, W, b, learning_rate=0.1)
        path.append((W, b))
    print(f"the notes' gradient descent   W {W[0]:.4f}  b {b:.4f}")
    ready_W, ready_b = cdl.gradient_descent(X, y, learning_rate=0.1, epochs=400)
    print(f"cdl.gradient_descent          W {ready_W[0]:.4f}  b {ready_b:.4f}")
    parameters = [np.zeros(1), np.zeros(())]
    for _ in range(400):        # half_mse is NumPy code, and is differentiated as it stands
        _, gradients = cdl.value_and_grad(lambda parameters: half_mse(X, y, *parameters), parameters)
        parameters = [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]
    print(f"by backpropagation            W {parameters[0].item():.4f}  b {parameters[1].item():.4f}")
    best = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), y)[0]
    print(f"least squares                 W {best[0]:.4f}  b {best[1]:.4f}")

    if options.picture:
        from matplotlib import pyplot
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        left.scatter(X[:, 0], y, s=14, color="grey", alpha=0.6)
        ends = np.array([-1.0, 1.0])
        for step, colour in ((0, "#56B4E9"), (5, "#009E73"), (20, "#E69F00"), (400, "#D55E00")):
            left.plot(ends, ends * path[step][0] + path[step][1], color=colour, label=f"after {step} steps")
        left.set(xlabel="x", ylabel="y", xticks=[-1, 0, 1])
        left.legend()
        right.loglog(range(1, 402), [half_mse(X, y, *step) for step in path], color="#0072B2")
        right.set(xlabel="step", ylabel="loss")
        right.grid(alpha=0.3)
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
