"""What every optimizer shares: options as attributes, saving and going on."""
from collections.abc import Mapping, Sequence

import numpy as np

from cdl._core.optim import Fused, checked_options
from cdl.extras import nearest

__all__ = ["Optimizer"]


def option(name):
    """An attribute that reads an option of the first group and sets it in every group."""

    def get(self):
        return self.groups[0][name]

    def put(self, value):
        groups = self.groups
        groups[0][name] = value         # refused, if at all, before anything is changed
        for group in groups[1:]:
            group[name] = value

    return property(get, put, doc=f"The option {name} of the first group; setting it sets that of every group.")


class Optimizer(Fused):
    """The base of all optimizers: parameters in groups, one fused pass over all of them a step.

    An optimizer is made from a list of parameters, or of groups: dicts with their parameters under "params" and any
    options that are to differ from the optimizer's own, `[{"params": weights, "weight_decay": 0.01}, {"params":
    biases}]`. `step()` changes Tensors by their `.grad`, `update(params, grads)` arrays or Tensors by given gradients.

    These options every optimizer has:

    lr : float above 0, or a schedule
        A schedule is any function of how many epochs have passed (or of steps, where its attribute `per` is "step"):
        `cdl.ExponentialDecay(0.1, 0.95)`, `lambda epoch: 0.1 / (1 + epoch)`. Steps are counted by the updates, epochs by
        `next_epoch()`, which `fit` calls. One by steps is asked at the beginning of each update, one by epochs when it is
        set and by `next_epoch()`.

        Every other option that is a number (weight_decay, momentum, beta1, eps, …) may be a schedule as well, in every group
        another: `cdl.SGD(params, lr=0.1, momentum=cdl.optim.PiecewiseConstant([0.5, 0.9], [5]))`. Bias corrections are
        those of the update's own beta1 and beta2. A schedule may give 0 where a constant may not, and numbers out of an
        option's range end the update before anything is changed.
    weight_decay : float, 0 or more
        λ. Coupled, the default of all but AdamW: λ p is added to the gradient, as the gradient of a penalty ½ λ Σp².
        Decoupled: p is multiplied by 1 - lr λ, and neither gradient nor state sees it.
    decoupled : bool
        Which of the two.
    clip_norm : float above 0, optional
        If all gradients together have a larger Euclidean norm, they are multiplied by clip_norm / norm. A norm that is
        not finite raises FloatingPointError, and nothing is changed. Not per group.
    clip_value : float above 0, optional
        Every element of a gradient is held within -clip_value and clip_value. Not per group, and not beside clip_norm.
        Both clip what the update reads; the arrays of the gradients are not changed (for that: `cdl.clip_grad_norm`,
        `cdl.clip_grad_value`).

    Attributes
    ----------
    groups : list of Group
        `optimizer.groups[1]["lr"] = 0.01` changes an option of one group.
    lr, weight_decay, decoupled, …
        Each option of the first group, of a schedule its present value; setting one, to a number or a schedule, sets it in
        every group.
    params : list
        All parameters.
    state : list of dict
        The state arrays of each parameter by name.
    t, epoch : int
        Updates and epochs so far.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(8, in_features=4, activation="relu"), cdl.Dense(3)])
    >>> hidden, output = model.layers
    >>> output.build((None, 8))
    >>> optimizer = cdl.Adam([{"params": hidden.parameters(), "weight_decay": 0.01}, {"params": output.parameters()}],
    ...                      lr=cdl.StepDecay(0.01), clip_norm=1.0)
    >>> [(len(group.params), group["weight_decay"]) for group in optimizer.groups]
    [(2, 0.01), (2, 0.0)]
    """

    def __new__(cls, *_, **options):
        _known_options(cls, options)
        return super().__new__(cls)

    lr = option("lr")
    weight_decay = option("weight_decay")
    decoupled = option("decoupled")

    def __repr__(self):
        group = self.groups[0]
        schedules = group.schedules
        words = [f"{name}={schedules[name]!r}" if name in schedules else f"{name}={group[name]:g}"
                 for name in ("lr", *group.keys()[3:], "weight_decay")]
        words += [f"decoupled={group['decoupled']}"]
        if not group["weight_decay"] and "weight_decay" not in schedules:
            del words[-2:]
        words += [f"{name}={bound:g}" for name in ("clip_norm", "clip_value") if (bound := getattr(self, name)) is not None]
        more = f", {len(self.groups)} groups" if len(self.groups) > 1 else ""
        return f"{type(self).__name__}({', '.join(words)}{more})"

    def state_dict(self, *, copy=True):
        """What is needed to go on later: the numbers of updates and epochs, the options, copies of the state arrays.

        Without `copy` the arrays are those that the optimizer works on: to be written at once, and not to be changed.

        Schedules are code and are not part of it; their position, the numbers, is.
        """
        groups = [{"params": len(group.params), "scheduled": sorted(group.schedules)}
                  | {name: group[name] for name in group.keys()} for group in self.groups]
        state = [{name: s.numpy().copy() if copy else s.numpy() for name, s in slots.items()} for slots in self.state]
        return {"optimizer": type(self).__name__, "t": self.t, "epoch": self.epoch, "groups": groups, "state": state}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave: with its numbers of updates and epochs, its options and its state arrays.

        Raises
        ------
        ValueError
            If it belongs to another kind of optimizer, to parameters of other number or shapes, to other groups, or to
            one with a schedule where there is none here, or the reverse; or if it is damaged. Nothing is changed.
        """
        who, groups = type(self).__name__, self.groups
        _same_keys(who, "the state", state, {"optimizer", "t", "epoch", "groups", "state"})
        if state["optimizer"] != who:
            raise ValueError(f"{who}: the state is that of {state['optimizer']}")
        for name in ("groups", "state"):
            if not isinstance(state[name], Sequence) or not all(isinstance(item, Mapping) for item in state[name]):
                raise ValueError(f"{who}: {name} of the state must be a list of dicts, got {type(state[name]).__name__}")
        if len(state["state"]) != len(self.params) or len(state["groups"]) != len(groups):
            raise ValueError(f"{who}: the state is for {len(state['state'])} parameters in {len(state['groups'])} groups, "
                             f"there are {len(self.params)} in {len(groups)}")
        for name in ("t", "epoch"):
            if not isinstance(state[name], (int, np.integer)) or not 0 <= state[name] < 2**63:
                raise ValueError(f"{who}: {name} of the state must be an integer from 0 to 2**63 - 1, got {state[name]!r}")
        options, arrays = [], iter(zip(self.params, state["state"], strict=True))
        for i, (group, saved) in enumerate(zip(groups, state["groups"], strict=True)):
            _same_keys(who, f"group {i} of the state", saved, {"params", "scheduled", *group.keys()})
            options.append(_options(who, i, group, saved))
            for _ in group.params:
                self._check_arrays(i, *next(arrays))
        self.restore(state["t"], state["epoch"], options, list(state["state"]))

    def _check_arrays(self, i, p, arrays):
        """The state arrays of one parameter, of group i, fit it: none, or all that the group's options call for."""
        who = type(self).__name__
        shapes = {name: np.shape(array) for name, array in arrays.items()}
        if any(shape != p.shape for shape in shapes.values()) or (arrays and not self.required(i) <= set(arrays)) \
                or not set(arrays) <= set(self.slots):
            raise ValueError(f"{who}: the state {shapes or 'without arrays'} does not fit a parameter of shape {p.shape}, "
                             f"which needs {', '.join(sorted(self.required(i))) or 'none'}")
        for name, array in arrays.items():
            if np.asarray(array).dtype.kind != "f":
                raise ValueError(f"{who}: the state array {name} must be floating, got {np.asarray(array).dtype}")


# What other libraries call the options whose names here are too different to be found as the nearest ones.
_ELSEWHERE = {"learning_rate": "lr", "alpha": "rho", "betas": "beta1",
              "l2": "weight_decay", "initial_accumulator_value": "start"}


def _known_options(cls, options):
    """TypeError for an option that the class does not have, which offers the nearest."""
    code = getattr(cls.__init__, "__code__", None)
    if not options or code is None or code.co_flags & 8:       # a class of somebody's own that takes what comes
        return
    known = code.co_varnames[1:code.co_argcount + code.co_kwonlyargcount]
    for name in options:
        if name not in known:
            near = _ELSEWHERE.get(name)
            raise TypeError(f"{cls.__name__}: unknown option {name!r}"
                            f"{f'; did you mean {near!r}?' if near in known else nearest(name, known)}; known are "
                            f"{', '.join(known)}")


def _options(who, i, group, saved):
    """The options of group i as they were saved, but for those that are scheduled."""
    if saved["params"] != len(group.params):
        raise ValueError(f"{who}: group {i} of the state has {saved['params']} parameters, here it has {len(group.params)}")
    here, there = set(group.schedules), saved["scheduled"]
    if isinstance(there, (bool, np.bool_)):     # up to version 0.1.0: whether lr was, which was all that could be
        there = ["lr"] if there else []
    if not isinstance(there, Sequence) or not set(there) <= set(group.keys()):
        raise ValueError(f"{who}: scheduled of group {i} of the state must be a list of options, got {there!r}")
    there = set(there)
    if here != there:
        name = min(here ^ there)
        raise ValueError(f"{who}: group {i} of the state was saved {'with' if name in there else 'without'} a schedule of "
                         f"{name}, here it has {group.schedules.get(name)!r}; make the optimizer with the same, load, then "
                         f"change {name}")
    options = {name: saved[name] for name in group.keys() if name not in here}
    return checked_options(group, options)


def _same_keys(who, what, given, wanted):
    if not isinstance(given, Mapping):
        raise ValueError(f"{who}: {what} must be a dict, got {type(given).__name__}")
    missing, extra = sorted(wanted - set(given)), sorted(set(given) - wanted)
    if missing or extra:
        raise ValueError(f"{who}: {what} lacks {', '.join(missing) or 'nothing'} and has {', '.join(extra) or 'nothing'} "
                         "too many")
