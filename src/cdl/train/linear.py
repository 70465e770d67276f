"""Linear regression by plain gradient descent: the notes' first training loop."""
import numpy as np

from cdl._core.check import number
from cdl.ops import matmul

__all__ = ["gradient_descent"]


def gradient_descent(X, y, learning_rate=0.01, epochs=1000):
    """Fit y ≈ X W + b by descending the mean squared error, all samples at every step, from W = 0 and b = 0::

        error = X W + b - y
        W = W - learning_rate Xᵀ error / m
        b = b - learning_rate Σ error / m

    Parameters
    ----------
    X : array_like of shape (m, n), or (m,) for one feature
        Samples.
    y : array_like of shape (m,) or (m, k)
        Targets.
    learning_rate : float above 0, or a schedule
        A schedule is a function of the epoch, such as `cdl.ExponentialDecay(0.1, 0.95)`. Above 2 divided by the largest
        eigenvalue of XᵀX/m it diverges.
    epochs : int
        The number of steps, ≥ 0.

    Returns
    -------
    W : ndarray of shape (n,) or (n, k)
    b : NumPy float, or ndarray of shape (k,)

    Raises
    ------
    ValueError
        For shapes that do not fit, no samples, or numbers out of their range.
    FloatingPointError
        If it diverges.

    Source
    ------
    The notes, section 1.2, whose snippet reads W before it exists and multiplies elementwise where the matrix product
    is meant.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 50)
    >>> W, b = cdl.gradient_descent(x, 3 * x + 2, learning_rate=0.5, epochs=200)
    >>> W.round(3), float(round(b, 3))
    (array([3.]), 2.0)
    """
    X, y = (np.asarray(a, dtype=np.result_type(np.asarray(a).dtype, np.float32)) for a in (X, y))
    X = X[:, None] if X.ndim == 1 else X
    if X.ndim != 2 or y.ndim not in (1, 2) or len(X) != len(y) or len(X) == 0:
        raise ValueError(f"gradient_descent: expected X (m, n) and y (m,) or (m, k) with m > 0, got {X.shape} and {y.shape}")
    rates = callable(learning_rate) or 0 < number(learning_rate, "gradient_descent", "learning_rate") < np.inf
    if isinstance(epochs, bool) or not hasattr(epochs, "__index__") or epochs < 0 or not rates:
        raise ValueError("gradient_descent: epochs must be an integer ≥ 0 and learning_rate > 0 and finite, got "
                         f"{epochs!r} and {learning_rate!r}")
    targets = y.reshape(len(y), -1)
    W, b = np.zeros((X.shape[1], targets.shape[1]), targets.dtype), np.zeros(targets.shape[1], targets.dtype)
    for epoch in range(epochs):
        rate = (learning_rate(epoch) if callable(learning_rate) else learning_rate) / len(X)
        if not rate >= 0:
            raise ValueError(f"gradient_descent: the schedule gave {rate * len(X)} at epoch {epoch}; it must be 0 or more")
        with np.errstate(over="ignore", invalid="ignore"):      # told once, below
            error = matmul(X, W) + b - targets
            W -= rate * matmul(X.T, error)
            b -= rate * error.sum(axis=0)
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise FloatingPointError(f"gradient_descent: diverged with learning_rate {learning_rate}; lower it, standardise X, "
                                 "or look for NaN in the data")
    return (W, b) if y.ndim == 2 else (W[:, 0], b[0])
