"""Where parameters are drawn from: choices and ranges by name, and those that only some values of another one need."""
import itertools
import math
from collections.abc import Mapping

import numpy as np

from cdl._core.check import number, positive_integer
from cdl.extras import nearest

__all__ = ["Domain", "Space", "choice", "integers", "log_range", "plain", "uniform", "when"]

# A space of so few combinations is shuffled as a whole, so that a random search tries none of them twice.
_LISTED = 100_000


class Domain:
    """The values that one parameter may take; made by `choice`, `uniform`, `log_range`, `integers`, `when`.

    Attributes
    ----------
    kind : {"choice", "uniform", "log_range", "integers"}
    values : list or None
        All values, in order; None for a range.
    condition : tuple or None
        (name, values) of the parameter on which this one depends.

    Examples
    --------
    >>> choice("relu", "tanh").values
    ['relu', 'tanh']
    """

    def __init__(self, kind, *, values=None, low=None, high=None, steps=None, condition=None):
        self.kind, self.values, self.low, self.high, self.steps = kind, values, low, high, steps
        self.condition = condition

    def draw(self, rng):
        """One value, drawn from a generator."""
        if self.values is not None:
            return self.values[int(rng.integers(len(self.values)))]
        if self.kind == "integers":
            return int(rng.integers(self.low, self.high + 1))
        return self._at(rng.random())

    def points(self, who):
        """The values that a grid takes: all of a choice, `steps` of a range."""
        if self.values is not None:
            return self.values
        if self.kind == "integers":
            if self.steps is None:
                return list(range(self.low, self.high + 1))
            return sorted({round(value) for value in np.linspace(self.low, self.high, self.steps).tolist()})
        if self.steps is None:
            raise ValueError(f"tune: a grid needs points, and {who} is a range; say how many it has, as in "
                             f"{self.kind}({self.low:g}, {self.high:g}, steps=4)")
        return [self._at(share) for share in np.linspace(0, 1, self.steps).tolist()]

    def _at(self, share):
        if share in (0, 1):
            return (self.low, self.high)[int(share)]        # the ends as they were given
        if self.kind == "log_range":
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    def describe(self):
        """As JSON has it: what a log compares."""
        described = {"kind": self.kind}
        if self.values is not None:
            described["values"] = [plain(value) for value in self.values]
        else:
            described |= {"low": self.low, "high": self.high}
        if self.condition is not None:
            described["when"] = [self.condition[0], [plain(value) for value in self.condition[1]]]
        return described

    def __repr__(self):
        if self.values is not None:
            text = f"choice({', '.join(map(repr, self.values))})"
        else:
            steps = "" if self.steps is None else f", steps={self.steps}"
            text = f"{self.kind}({self.low:g}, {self.high:g}{steps})"
        return text if self.condition is None else f"when({self.condition[0]!r}, {self.condition[1]!r}, {text})"


def choice(*values):
    """One of the values, each as likely; a list in a space means the same.

    Examples
    --------
    >>> choice("adam", "momentum")
    choice('adam', 'momentum')
    """
    if not values:
        raise ValueError("choice: expected at least one value")
    return Domain("choice", values=list(values))


def uniform(low, high, *, steps=None):
    """A number between low and high, all as likely; a grid takes `steps` of them, evenly spaced.

    Examples
    --------
    >>> uniform(0, 0.5, steps=3).points("dropout")
    [0.0, 0.25, 0.5]
    """
    return _range("uniform", low, high, steps)


def log_range(low, high, *, steps=None):
    """A number between low and high whose logarithm is uniform, as suits learning rates; 0 < low < high.

    A grid takes `steps` of them, each the same multiple of the one before.

    Examples
    --------
    >>> [round(value, 6) for value in log_range(1e-3, 1e-1, steps=3).points("lr")]
    [0.001, 0.01, 0.1]
    """
    return _range("log_range", low, high, steps)


def integers(low, high, *, steps=None):
    """A whole number from low to high, both included; a grid takes all of them, or `steps`.

    Examples
    --------
    >>> integers(1, 4).points("layers")
    [1, 2, 3, 4]
    """
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ValueError(f"integers: {name} must be an integer, got {value!r}")
    domain = _range("integers", low, high, steps)
    domain.low, domain.high = int(low), int(high)
    return domain


def when(name, value, domain):
    """A parameter that there is only while the parameter `name`, an earlier one, has this value (or one of a list).

    Examples
    --------
    >>> space = {"optimizer": ["adam", "momentum"], "momentum": when("optimizer", "momentum", [0.8, 0.9])}
    >>> Space(space).grid()
    [{'optimizer': 'adam'}, {'optimizer': 'momentum', 'momentum': 0.8}, {'optimizer': 'momentum', 'momentum': 0.9}]
    """
    domain = _domain("when", domain)
    values = list(value) if isinstance(value, (list, tuple, set)) else [value]
    return Domain(domain.kind, values=domain.values, low=domain.low, high=domain.high, steps=domain.steps,
                  condition=(name, values))


def _range(kind, low, high, steps):
    low, high = number(low, kind, "low"), number(high, kind, "high")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{kind}: expected finite low < high, got {low:g} and {high:g}")
    if kind == "log_range" and low <= 0:
        raise ValueError(f"log_range: low must be above 0, got {low:g}")
    if steps is not None and positive_integer(steps, kind, "steps") < 2:
        raise ValueError(f"{kind}: steps must be 2 or more, got {steps}")
    return Domain(kind, low=low, high=high, steps=steps)


def _domain(name, value):
    if isinstance(value, Domain):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        if not len(value):
            raise ValueError(f"tune: the space has no values for {name!r}")
        return choice(*value)
    raise TypeError(f"tune: the space of {name!r} must be a list of values, or log_range, uniform, integers or choice of "
                    f"cdl.tuning, got {value!r}; a single value is [{value!r}]")


class Space:
    """Domains by name: what is drawn is a dict of one value for each name whose condition holds.

    Examples
    --------
    >>> Space({"lr": [0.1, 0.01]}).grid()
    [{'lr': 0.1}, {'lr': 0.01}]
    """

    def __init__(self, space):
        if not isinstance(space, Mapping):
            raise TypeError(f"tune: the space must be a dict of names and what each may be, got {type(space).__name__}")
        if not space:
            raise ValueError("tune: the space is empty; name at least one parameter, as in {'lr': [0.001, 0.01, 0.1]}")
        self.domains = {}
        for name, value in space.items():
            if not isinstance(name, str):
                raise TypeError(f"tune: names of parameters are text, got {name!r}")
            domain = _domain(name, value)
            if domain.condition is not None and domain.condition[0] not in self.domains:
                other = domain.condition[0]
                raise ValueError(f"tune: {name!r} depends on {other!r}, which must stand before it in the space"
                                 f"{nearest(other, self.domains)}")
            self.domains[name] = domain

    def size(self):
        """How many different parameters there are, infinite with a range of real numbers; `when` is not looked at."""
        counts = [len(domain.values) if domain.values is not None else
                  domain.high - domain.low + 1 if domain.kind == "integers" else math.inf for domain in self.domains.values()]
        return math.prod(counts)

    def grid(self, points=None):
        """All combinations, the last name changing fastest, each once."""
        points = {name: domain.points(f"{name!r}") for name, domain in self.domains.items()} if points is None else points
        found = {}
        for values in itertools.product(*points.values()):
            parameters = self._kept(dict(zip(points, values, strict=True)))
            found.setdefault(repr(parameters), parameters)
        return list(found.values())

    def drawn(self, seed):
        """Parameters without end (or until each was drawn), the same for the same seed whatever is drawn elsewhere."""
        if self.size() <= _LISTED:
            listed = self.grid({name: domain.values or list(range(domain.low, domain.high + 1))
                                for name, domain in self.domains.items()})
            for i in np.random.default_rng([seed, 0]).permutation(len(listed)):
                yield listed[i]
            return
        for i in itertools.count():
            rng = np.random.default_rng([seed, 0, i])
            yield self._kept({name: domain.draw(rng) for name, domain in self.domains.items()})

    def holds(self, name, parameters):
        """Whether there is a parameter of this name beside those that have been drawn."""
        condition = self.domains[name].condition
        return condition is None or (condition[0] in parameters and parameters[condition[0]] in condition[1])

    def _kept(self, parameters):
        kept = {}
        for name, value in parameters.items():
            if self.holds(name, kept):
                kept[name] = value
        return kept

    def encode(self, parameters):
        """Parameters as they go to another process: the value itself, or the place of one of several, which may be anything."""
        encoded = {}
        for name, value in parameters.items():
            values = self.domains[name].values
            encoded[name] = value if values is None else next(i for i, one in enumerate(values) if one is value or one == value)
        return encoded

    def decode(self, encoded):
        """What `encode` was given."""
        return {name: value if self.domains[name].values is None else self.domains[name].values[value]
                for name, value in encoded.items()}

    def describe(self):
        return {name: domain.describe() for name, domain in self.domains.items()}


def plain(value):
    """A value as JSON has it: itself, or what it is called."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return getattr(value, "__qualname__", None) or repr(value)
