"""Bringing features to a common scale."""
import numpy as np

# Rows looked at in one go: their float64 copy stays within the second-level cache for up to a hundred features.
_BLOCK = 1024


class StandardScaler:
    """Standardise each feature: subtract its mean, divide by its standard deviation.

    The last axis is the feature axis; mean and deviation are taken over all others. An array of one axis is one
    feature (the target of a regression, say). The deviation is the biased one (divided by N, not N − 1).

        x' = (x − μ) / (σ + ε)

    A feature that is constant in the fitted data is only centred: dividing by ε would turn the smallest difference in
    later data into millions.

    Parameters
    ----------
    eps : float ≥ 0, default 1e-8
        ε, added to σ outside the root.

    Attributes
    ----------
    mean, std : numpy.ndarray of float64, shape (F,), or () after an array of one axis
        μ and σ; they exist after `fit`.

    Source
    ------
    The notes, section 7.1: x' = (x - μ)/(σ + ε).

    Examples
    --------
    >>> scaler = StandardScaler()
    >>> scaler.fit_transform([[1.0, 10.0], [3.0, 10.0]]).round(6)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> scaler.inverse_transform([[0.0, 0.0]])
    array([[ 2., 10.]])
    """

    def __init__(self, eps=1e-8):
        if not 0 <= eps < np.inf:
            raise ValueError(f"{type(self).__name__}: eps must be finite and not negative, got {eps}")
        self.eps = float(eps)
        self.mean = self.std = None

    def fit(self, x):
        """Learn mean and standard deviation of each feature of x, in float64 whatever x is.

        Shape
        -----
        x : (…, F) or (N,)

        Returns
        -------
        StandardScaler
            Itself.

        Raises
        ------
        ValueError
            No rows, or a feature that holds NaN or infinity.
        TypeError
            x does not hold real numbers.
        """
        x = _as_real(x, "fit")
        rows = x.reshape(-1, 1) if x.ndim < 2 else x.reshape(-1, x.shape[-1])
        if len(rows) == 0:
            raise ValueError(f"{type(self).__name__}.fit: x has no rows: shape {x.shape}")
        blocks = range(0, len(rows), _BLOCK)
        # Two passes: the difference of two large sums would lose the deviation of features far from zero.
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, with its feature
            mean = sum(rows[i:i + _BLOCK].sum(0, dtype=np.float64) for i in blocks) / len(rows)
            square = sum(((rows[i:i + _BLOCK] - mean) ** 2).sum(0) for i in blocks) / len(rows)
        bad = np.flatnonzero(~np.isfinite(square))
        if bad.size:
            raise ValueError(f"{type(self).__name__}.fit: feature {bad[0]} holds NaN, infinity, or values too large to square")
        # A constant's computed mean may be one rounding off the constant, and its deviation then not quite zero.
        constant = (rows == rows[0]).all(0)
        self.mean = np.where(constant, rows[0], mean)
        self.std = np.where(constant, 0.0, np.sqrt(square))
        if x.ndim < 2:
            self.mean, self.std = self.mean[0], self.std[0]
        return self

    def transform(self, x):
        """(x − μ) / (σ + ε) as a new array: float64 stays float64, float32 and float16 stay, integers become float32.

        Shape
        -----
        x : as in `fit`, with any other axes → the same

        Raises
        ------
        ValueError
            Before `fit`, or another number of features.
        TypeError
            x does not hold real numbers.
        """
        x, dtype = self._checked(x, "transform")
        out = np.subtract(x, self.mean, out=np.empty(x.shape, dtype), casting="unsafe")
        return np.divide(out, self._scale(), out=out, casting="unsafe")

    def fit_transform(self, x):
        """`fit`, then `transform`, of the same x."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x):
        """x (σ + ε) + μ as a new array: undoes `transform`, dtype and errors as there."""
        x, dtype = self._checked(x, "inverse_transform")
        out = np.multiply(x, self._scale(), out=np.empty(x.shape, dtype), casting="unsafe")
        return np.add(out, self.mean, out=out, casting="unsafe")

    def state_dict(self):
        """What `fit` learned, as a dict of float64 arrays ``mean``, ``std`` and ``eps``, ready for a safetensors file.

        Raises
        ------
        ValueError
            Before `fit`.
        """
        self._require_fit("state_dict")
        return {"mean": np.array(self.mean), "std": np.array(self.std), "eps": np.array(self.eps)}

    def load_state_dict(self, state):
        """Take over what another object's `state_dict` gave; returns itself.

        Raises
        ------
        ValueError
            A key is missing or unknown, shapes differ, or a value is not finite or negative where it cannot be.
        """
        if set(state) != {"mean", "std", "eps"}:
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected mean, std and eps, got {sorted(state)}")
        mean, std, eps = (np.array(state[key], np.float64) for key in ("mean", "std", "eps"))
        if mean.ndim > 1 or mean.shape != std.shape or eps.shape != ():
            raise ValueError(f"{type(self).__name__}.load_state_dict: mean and std must have one shape (F,) or (), eps (), got "
                             f"{mean.shape}, {std.shape}, {eps.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all() and 0 <= eps < np.inf):
            raise ValueError(f"{type(self).__name__}.load_state_dict: mean, std and eps must be finite, std and eps "
                             "not negative")
        self.mean, self.std, self.eps = mean, std, float(eps)
        return self

    def __repr__(self):
        fitted = "not fitted" if self.mean is None else f"fitted on {np.size(self.mean)} features"
        return f"{type(self).__name__}(eps={self.eps:g}), {fitted}"

    def _scale(self):
        return np.where(self.std == 0, 1.0, self.std + self.eps)

    def _require_fit(self, method):
        if self.mean is None:
            raise ValueError(f"{type(self).__name__}.{method}: call fit first")

    def _checked(self, x, method):
        """x as an array of the fitted number of features, and the dtype of the result."""
        self._require_fit(method)
        x = _as_real(x, method)
        if np.ndim(self.mean) == 1 and (x.ndim == 0 or x.shape[-1] != len(self.mean)):
            raise ValueError(f"{type(self).__name__}.{method}: expected {len(self.mean)} features (as in fit), got x of shape "
                             f"{x.shape}")
        return x, x.dtype.newbyteorder("=") if x.dtype.kind == "f" else np.dtype(np.float32)


def _as_real(x, method):
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"StandardScaler.{method}: x is a masked array, and its mask would be lost; fill it first")
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"StandardScaler.{method}: expected real numbers, got dtype {x.dtype}")
    return x
