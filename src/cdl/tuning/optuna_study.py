"""Optuna as the method: its samplers choose the parameters, its pruners say after every epoch whether a trial goes on."""
from cdl.extras import require
from cdl.tuning.result import Trial
from cdl.tuning.space import plain

__all__ = ["Study"]

_PLAIN = (type(None), bool, int, float, str)


class Study:
    """A method that asks an `optuna.Study`; all its decisions fall in the process of the search."""

    def __init__(self, study, space, count, epochs, mode, seed):
        self._optuna = require("optuna", "tune", "tune with method='optuna'")
        direction = {"min": "minimize", "max": "maximize"}[mode]
        if study is None:
            verbosity = self._optuna.logging.get_verbosity()
            self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)      # or it tells of a study with a name at random
            try:
                study = self._optuna.create_study(direction=direction, sampler=self._optuna.samplers.TPESampler(seed=seed))
            finally:
                self._optuna.logging.set_verbosity(verbosity)
        if not isinstance(study, self._optuna.Study):
            raise TypeError(f"tune: study must be an optuna.Study, got {type(study).__name__}")
        if len(study.directions) > 1 or study.direction.name.lower() != direction:
            raise ValueError(f"tune: the study must have the one direction {direction!r}, as the metric has, got "
                             f"{[one.name.lower() for one in study.directions]}")
        self.study, self._space, self._left, self._epochs = study, space, count, epochs
        self._step = epochs if isinstance(study.pruner, self._optuna.pruners.NopPruner) else 1
        self._asked, self._on, self._told, self._next = {}, [], {}, 0

    def ask(self):
        """A trial that goes on, or a new one as the study suggests it."""
        if self._on:
            return self._on.pop(0)
        if self._left <= 0:
            return None
        self._left -= 1
        asked = self.study.ask()
        trial = Trial(self._next, self._suggested(asked))
        self._next += 1
        self._asked[trial.number], self._told[trial.number] = asked, 0
        return trial, self._step

    def _suggested(self, asked):
        parameters = {}
        for name, domain in self._space.domains.items():
            if not self._space.holds(name, parameters):
                continue
            if domain.values is not None:
                labels = _labels(domain)
                parameters[name] = domain.values[labels.index(asked.suggest_categorical(name, labels))]
            elif domain.kind == "integers":
                parameters[name] = asked.suggest_int(name, domain.low, domain.high)
            else:
                parameters[name] = asked.suggest_float(name, domain.low, domain.high, log=domain.kind == "log_range")
        return parameters

    def tell(self, trial):
        """Report the new epochs, and ask whether it goes on."""
        asked, states = self._asked[trial.number], self._optuna.trial.TrialState
        if trial.state == "failed":
            self.study.tell(asked, state=states.FAIL)
            return
        for epoch in range(self._told[trial.number], len(trial.curve)):
            asked.report(trial.curve[epoch], epoch)
        self._told[trial.number] = len(trial.curve)
        if trial.state == "finished":
            self.study.tell(asked, trial.value)
        elif asked.should_prune():
            trial.state = "stopped"
            self.study.tell(asked, state=states.PRUNED)
        else:
            self._on.append((trial, min(trial.epochs + self._step, self._epochs)))

    def give_up(self):
        """Tell the study that what still runs will not end."""
        for asked in self._asked.values():
            if not self.study.get_trials(deepcopy=False)[asked.number].state.is_finished():
                self.study.tell(asked, state=self._optuna.trial.TrialState.FAIL)

    def replay(self, entries, trials):
        """Take over the trials of a log: a study that is new is told of them; an old one knows them."""
        known = len(self.study.get_trials(deepcopy=False))
        for number, (parameters, outcome) in sorted(entries.items()):
            trial = Trial(number, self._restored(parameters))
            trial.record(outcome)
            if trial.state == "unfinished":
                trial.state = "stopped"
            trials[number] = trial
            self._left -= 1
            self._next = number + 1
            if not known:
                self.study.add_trial(self._frozen(trial))

    def _restored(self, parameters):
        return {name: value if self._space.domains[name].values is None else
                next(one for one in self._space.domains[name].values if plain(one) == value)
                for name, value in parameters.items()}

    def _frozen(self, trial):
        names, states = self._optuna.distributions, self._optuna.trial.TrialState
        parameters, distributions = {}, {}
        for name, value in trial.parameters.items():
            domain = self._space.domains[name]
            if domain.values is not None:
                labels = _labels(domain)
                parameters[name] = labels[next(i for i, one in enumerate(domain.values) if one is value or one == value)]
                distributions[name] = names.CategoricalDistribution(labels)
            else:
                parameters[name] = value
                distributions[name] = (names.IntDistribution(domain.low, domain.high) if domain.kind == "integers" else
                                       names.FloatDistribution(domain.low, domain.high, log=domain.kind == "log_range"))
        state = {"finished": states.COMPLETE, "failed": states.FAIL, "stopped": states.PRUNED}[trial.state]
        return self._optuna.trial.create_trial(state=state, value=trial.value if trial.state == "finished" else None,
                                               params=parameters, distributions=distributions,
                                               intermediate_values=dict(enumerate(trial.curve)))


def _labels(domain):
    """The choices as Optuna takes them: plain values, others by what they are called."""
    if all(isinstance(value, _PLAIN) for value in domain.values):
        return list(domain.values)
    return [value if isinstance(value, str) else f"{i}: {plain(value)}" for i, value in enumerate(domain.values)]
