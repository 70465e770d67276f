"""Model: a layer that can be fitted, used, saved and loaded."""
import numpy as np

from cdl._core.convert import convert
from cdl._core.tape import enter_inference, leave_inference, no_grad
from cdl._core.tensor import Tensor
from cdl.data.loader import Loader
from cdl.io.model import load_weights, save_model
from cdl.nn.layer import Layer
from cdl.train.loop import evaluate, fit
from cdl.train.samples import as_parameters
from cdl.train.summary import summary

# A prediction on more samples than this goes in parts, so that its memory stays bounded.
_PREDICT_BATCH = 4096
_FLOAT32 = np.dtype(np.float32)


class Model(Layer):
    """The base of networks: define `forward(x)` from layers kept in attributes, then fit, predict, save.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> class Net(cdl.Model):
    ...     def __init__(self):
    ...         self.hidden = cdl.Dense(8, activation="tanh")
    ...         self.out = cdl.Dense(1)
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x))
    >>> net = Net()
    >>> net.predict(np.ones((5, 3))).shape
    (5, 1)
    """

    _input_shape = None     # of what it was last fitted on

    def fit(self, x, y=None, *, loss, optimizer="adam", epochs=1, batch_size=None, validation_data=None,
            validation_split=0.0, metrics=(), callbacks=(), sample_weight=None, class_weight=None, augment=None, penalty=None,
            shuffle=None, progress=True, rng=None):
        """Train on samples x and targets y, or on a Loader of both; see `cdl.fit`, which this calls with the model."""
        return fit(self, x, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size,
                   validation_data=validation_data, validation_split=validation_split, metrics=metrics, callbacks=callbacks,
                   sample_weight=sample_weight, class_weight=class_weight, augment=augment, penalty=penalty,
                   shuffle=shuffle, progress=progress, rng=rng)

    def evaluate(self, x, y=None, *, loss, metrics=(), batch_size=None, sample_weight=None):
        """The figures of this model on samples x and targets y, or on a Loader of both, a dict; see `cdl.evaluate`."""
        return evaluate(self, x, y, loss=loss, metrics=metrics, batch_size=batch_size, sample_weight=sample_weight)

    def predict(self, x, *, batch_size=_PREDICT_BATCH):
        """The output for the input x, computed as in use (nothing dropped, nothing recorded).

        Parameters
        ----------
        x : array_like or Loader
            Samples along the first axis; of a Loader's batches the first array. It must not shuffle.
        batch_size : int
            How many samples go through the network at once.

        Returns
        -------
        ndarray
        """
        if type(x) is not np.ndarray or x.dtype is not _FLOAT32:
            if isinstance(x, Loader):
                return self._predict_batches(x)
            x = as_parameters(self, convert(x, "predict"))
        try:    # an interrupt may come right after the next call: it must be undone then too
            enter_inference()
            if x.size > batch_size and len(x) > batch_size:
                if batch_size < 1:
                    raise ValueError(f"predict: batch_size must be a positive integer, got {batch_size!r}")
                parts = [np.asarray(self.forward(x[i:i + batch_size])) for i in range(0, len(x), batch_size)]
                return np.concatenate(parts)
            y = self.forward(x)
            return y.numpy() if type(y) is Tensor else y
        finally:
            leave_inference()

    def _predict_batches(self, loader):
        if loader.shuffle:
            raise ValueError("predict: the Loader shuffles, and its order would not be known; make one with shuffle=False")
        return np.concatenate([self.predict(batch[0] if isinstance(batch, tuple) else batch) for batch in loader])

    def save(self, path, **extra):
        """Write weights and description to `path`, one safetensors file, replacing it all at once.

        A model made of cdl's own layers is made again by `cdl.load(path)`; a class of your own by making an object of
        it and calling its `load`.

        Parameters
        ----------
        path : str or PathLike
        **extra
            What is to be stored with the model, by name: fitted scalers and encoders of cdl.data, and plain values, as in
            ``model.save(path, scaler=scaler, classes=["cat", "dog"])``. `cdl.io.load_extra(path)` gives them back.

        Raises
        ------
        OSError
            If the file cannot be written; what was there before is then untouched.
        TypeError
            If `extra` holds other objects: a file names no code.
        """
        save_model(path, self, extra=extra)

    def load(self, path, *, layout=None):
        """Set the weights from a safetensors file, one that `save` wrote or torch's; returns the model itself.

        A file of torch's (`safetensors.torch.save_file(network.state_dict(), path)`) must have this model's names: those
        of cdl.models are torchvision's. Its weights are brought into the order that they have here: convolutions from
        (K, C, R, S) to (R, S, C, K), dense layers from (out, in) to (in, out), and where `Dense.flattened` says that the
        inputs are those of an image, these from C, H, W to H, W, C. ``num_batches_tracked`` is left out.

        Parameters
        ----------
        path : str or PathLike
        layout : {None, "cdl", "torch"}
            Whose order the weights have in a file that does not say that cdl wrote it. None: the shapes of all weights
            together decide; where they fit both, you are asked.

        Raises
        ------
        FileFormatError
            If the file is damaged, not a safetensors file, or holds other names or shapes than this model has: all of them
            are told, and nothing is changed.
        OSError
            If it cannot be read.
        RuntimeError
            If the model does not know its sizes yet.
        """
        load_weights(path, self, layout)
        return self

    def foreign_state(self, state):
        """The arrays of a file of another library's under the names that they have here; here: as they are."""
        return state

    def summary(self, input_shape=None):
        """The table of layers, output shapes and numbers of parameters (trained, frozen, in buffers), as a string.

        Parameters
        ----------
        input_shape : tuple, optional
            The shape of a batch, its first axis None; default: that of what the model was fitted on or, where its first
            layer knows its size, of that. A model that does not know its sizes yet gets them from it.

        Examples
        --------
        >>> import cdl
        >>> model = cdl.Sequential([cdl.Dense(16, activation="relu"), cdl.Dense(3)])
        >>> print(model.summary((None, 4)))
        layer    output shape  parameters
        ---------------------------------
        0 Dense  (batch, 16)           80
        1 Dense  (batch, 3)            51
        ---------------------------------
        131 parameters
        """
        return summary(self, input_shape)

    def known_input_shape(self):
        """The shape of an input batch, None for its length, as far as it is known; else None."""
        if self._input_shape is not None:
            return self._input_shape
        first = next((layer for layer in self.layers_inside() if not any(layer.children())), self)
        size = first.config().get("in_features")
        return None if size is None else (None, size)

    def ensure_built(self, x):
        """Make all parameters, from the sizes of a first batch x."""
        self._input_shape = (None, *np.shape(x)[1:])
        if self.built:
            return
        with no_grad():
            self.build(np.shape(x))
        if not self.built:
            self.predict(x[:1])
