"""What a callback of `fit` may do, and when it is asked."""

__all__ = ["Callback"]


class Callback:
    """The base of callbacks: override what is needed, the rest does nothing.

    `fit` calls, in the order of its list and each for all callbacks before the next::

        attach(training)
        on_fit_begin(model)
        resume(training)                        may set everything to where an earlier training was
        for each epoch:
            on_batch_end(model)                 after every step of the optimizer
            on_measure_begin(model)             the steps of the epoch are done, its validation begins
            callback(model, epoch, figures)     the epoch is in the history; True ends the training
            on_measure_end(model)               what is measured, and kept as best, is known
            on_epoch_end(training)              the schedules have moved on: the state is that in which the next begins
        on_fit_end(model)                       also after an error or an interrupt

    A plain function, called as ``callback(model, epoch, figures)``, is a callback too, and so is any object that can be
    called and has some of these methods.

    Attributes
    ----------
    training : Training or None
        The training that it was last attached to: its optimizer, history, rng, `stop()`.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> class CountSteps(cdl.callbacks.Callback):
    ...     steps = 0
    ...     def on_batch_end(self, model):
    ...         self.steps += 1
    >>> count = CountSteps()
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, x, loss="mse", epochs=2, callbacks=[count], progress=False)
    >>> count.steps
    4
    """

    training = None

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "training"}    # a copy belongs to no training

    def attach(self, training):
        """Know the training that begins."""
        self.training = training

    def on_fit_begin(self, model):
        """Get ready, and forget an earlier training."""

    def resume(self, training):
        """Set `training` to where an earlier one was, if that is this callback's matter."""

    def on_batch_end(self, model):
        """Called after every step of the optimizer."""

    def on_measure_begin(self, model):
        """Called after the last step of every epoch, before its validation."""

    def __call__(self, model, epoch, figures):
        """Called after every epoch, which is counted from 0, with its figures by name; True ends the training."""

    def on_measure_end(self, model):
        """Called after every epoch's validation and after all callbacks were called with its figures."""

    def on_epoch_end(self, training):
        """Called when an epoch is done with altogether: `training.epoch` is the next one."""

    def on_fit_end(self, model):
        """Called at the end of the training, whatever ended it."""

    def state_dict(self):
        """What a checkpoint is to keep of it: a dict of plain values, as JSON has them, and NumPy arrays."""
        return {}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
