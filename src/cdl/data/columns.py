"""What columns of numbers come in as: arrays, tables, data frames, structured arrays, dicts; and how a message names one."""
import numpy as np

from cdl.extras import nearest

from .blocks import real_rows
from .table import Table
from .table_columns import arrays_by_name

__all__ = ["Scaler", "columns_of", "named"]


def columns_of(x):
    """{name: values} of a Table, a data frame, a structured array or a dict of columns, in order; None of anything else.

    A Table's columns are arrays of float64 where all their cells are numbers or missing, else of texts.
    """
    if isinstance(x, Table):
        return {name: x.values(name) for name in x.names}
    return arrays_by_name(x)


def chosen(found, names, who):
    """The columns `names` of a dict of them.

    Raises
    ------
    ValueError
        One is missing.
    """
    for name in names:
        if name not in found:
            raise ValueError(f"{who}: no column {name!r}{nearest(name, found)} (columns: {', '.join(found)})")
    return {name: found[name] for name in names}


def named(i, names):
    """What messages call a feature: by its name where it has one, else by its number."""
    return f"feature {i}" if names is None else f"column {names[i]!r}"


def stacked(columns, who):
    """Columns of numbers as one array (N, F), float32 where all fit that."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{who}: the columns must have one length, got {lengths}")
    for name, values in columns.items():
        if isinstance(values, np.ma.MaskedArray):
            raise TypeError(f"{who}: column {name!r} is a masked array, and its mask would be lost; fill it first")
        if values.dtype.kind not in "fiub" or values.ndim != 1:
            what = f"dtype {values.dtype}" if values.ndim == 1 else f"shape {values.shape}"
            raise TypeError(f"{who}: column {name!r} must hold real numbers, one a row, got {what}; leave it out, or encode "
                            "it (OneHotEncoder, TableEncoder)")
    return np.stack(list(columns.values()), axis=1)


class Scaler:
    """What scalers of features have in common: which data they take, and how they call its columns.

    A subclass has `_fitted`, the array of one value a feature that exists after `fit`, or None.
    """

    columns = None      # the features' names, where `fit` was told or saw them

    def _rows(self, x, method, columns=None):
        """x as an array, its rows (N, F), and the names of its columns or None, for a fit; one row at least."""
        who = f"{type(self).__name__}.{method}"
        found = columns_of(x)
        if found is not None:
            found = found if columns is None else chosen(found, columns, who)
            x, names = stacked(found, who), list(found)
        else:
            names = None if columns is None else [str(name) for name in columns]
        x, rows = real_rows(x, who)
        if len(rows) == 0:
            raise ValueError(f"{who}: x has no rows: shape {x.shape}")
        if names is not None and len(names) != rows.shape[1]:
            raise ValueError(f"{who}: {len(names)} names in columns for {rows.shape[1]} features, x has shape {x.shape}")
        return x, rows, names

    def _checked(self, x, method):
        """x as an array of the fitted number of features, its rows (N, F), and the dtype of the result."""
        self._require_fit(method)
        who, fitted = f"{type(self).__name__}.{method}", self._fitted
        found = columns_of(x)
        if found is not None:
            x = stacked(found if self.columns is None else chosen(found, self.columns, who), who)
        x, rows = real_rows(x, who)
        if np.ndim(fitted) == 1 and (x.ndim == 0 or x.shape[-1] != len(fitted)):
            raise ValueError(f"{who}: expected {len(fitted)} features (as in fit), got x of shape {x.shape}")
        if np.ndim(fitted) == 0:
            rows = x.reshape(-1, 1)
        return x, rows, x.dtype.newbyteorder("=") if x.dtype.kind == "f" else np.dtype(np.float32)

    def _require_same(self, rows, ndim, names):
        """Refuse a further part of another width, or of other columns, than the parts before."""
        who, before = f"{type(self).__name__}.partial_fit", self._fitted
        if (ndim < 2) != (np.ndim(before) == 0) or rows.shape[1] != np.size(before):
            raise ValueError(f"{who}: expected {np.size(before)} features (as in the parts before), got {rows.shape[1]}")
        if names is not None and self.columns is not None and names != self.columns:
            raise ValueError(f"{who}: expected the columns {', '.join(self.columns)}, got {', '.join(names)}")

    def _refuse_bad(self, bad, rows, names, method, what):
        """Name the first of the columns `bad` and the row that is not finite."""
        if bad.size:
            column = np.asarray(rows[:, bad[0]], np.float64)
            at = np.flatnonzero(~np.isfinite(column))
            where = f" (row {at[0]}: {column[at[0]]})" if at.size else ""
            hint = "; fill what is missing first, see cdl.data.Imputer" if at.size and np.isnan(column[at]).any() else ""
            raise ValueError(f"{type(self).__name__}.{method}: {named(bad[0], names)} holds {what}{where}{hint}")

    def _require_fit(self, method):
        if self._fitted is None:
            raise ValueError(f"{type(self).__name__}.{method}: call fit first")

    def _names_of(self, features):
        return [int(i) if self.columns is None else self.columns[i] for i in features]

    def _with_columns(self, state):
        return state if self.columns is None else {**state, "columns": list(self.columns)}

    def _columns_of(self, state, features):
        """The columns in a state, or None."""
        columns = state.get("columns")
        if columns is not None and not (isinstance(columns, list) and len(columns) == features
                                        and all(isinstance(name, str) for name in columns)):
            raise ValueError(f"{type(self).__name__}.load_state_dict: columns must be one name for each feature, got "
                             f"{str(columns)[:120]}")
        return columns

    def _fitted_words(self):
        if self._fitted is None:
            return "not fitted"
        words = f"fitted on {np.size(self._fitted)} features"
        return f"{words}, constant: {', '.join(map(str, self.constant))}" if self.constant else words
