"""The solver "lbfgs": SciPy's L-BFGS-B over all parameters of a network, all samples at once."""
from warnings import warn

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

__all__ = ["minimized"]


def minimized(model, loss, X, y, weights, *, alpha, matrices, max_iter, max_fun, tol, verbose):
    """Minimise loss(y, model(X)) + ½ alpha Σ w² / Σ weights over the parameters; the minimum, and the number of iterations.

    The sum Σ w² is that of `matrices`. Warns with ConvergenceWarning where the minimum was not reached.

    Source
    ------
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization", 1995.
    """
    parameters = model.parameters()
    X = X.toarray() if sparse.issparse(X) else X
    X = np.ascontiguousarray(X, parameters[0].dtype)
    decay = alpha / (len(X) if weights is None else weights.sum())
    decayed = [any(p is matrix for matrix in matrices) for p in parameters]
    ends = np.cumsum([p.size for p in parameters])[:-1]

    def put(line):
        for parameter, part in zip(parameters, np.split(line, ends), strict=True):
            parameter.numpy()[...] = part.reshape(parameter.shape)

    def value_and_gradient(line):
        put(line)
        model.zero_grad()
        value = loss(y, model(X)) if weights is None else loss(y, model(X), sample_weight=weights)
        value.backward()
        total, slopes = float(value), []
        for parameter, has_decay in zip(parameters, decayed, strict=True):
            w, slope = parameter.numpy().ravel().astype(float), parameter.grad.numpy().ravel().astype(float)
            if has_decay:
                total += 0.5 * decay * (w @ w)
                slope = slope + decay * w
            slopes.append(slope)
        return total, np.concatenate(slopes)

    def told(intermediate_result):
        told.iterations += 1
        if verbose:
            print(f"Iteration {told.iterations}, loss = {intermediate_result.fun:.8f}")

    told.iterations = 0
    mode = model.training
    model.train()
    try:
        start = np.concatenate([p.numpy().ravel().astype(float) for p in parameters])
        result = minimize(value_and_gradient, start, method="L-BFGS-B", jac=True, callback=told,
                          options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol})
    finally:
        model.train(mode)
    put(result.x)
    if result.status != 0:
        reached = f" after {result.nit} iteration(s) (status={result.status})"
        warn(f"lbfgs failed to converge{reached}: {result.message}\nIncrease max_iter or max_fun, or scale the data "
             "(sklearn.preprocessing.StandardScaler).", ConvergenceWarning, stacklevel=6)
    return float(result.fun), min(result.nit, max_iter)
