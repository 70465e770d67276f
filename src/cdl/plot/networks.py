"""Pictures of what is inside a network."""
import numpy as np

from cdl._core.check import positive_integer
from cdl._core.tensor import Tensor
from cdl.extras import require
from cdl.nn.layer import Layer
from cdl.plot.picture import Picture, axes_of
from cdl.train.summary import watched

__all__ = ["attention_map", "feature_maps", "filters", "word_neighbours"]


def feature_maps(model, image, layer=None, *, most=64, ax=None):
    """Draw what a layer makes of one image: the map of each channel, bright where it is large.

    Each map has its own scale, from its least value, black, to its largest, white; a constant one is black.

    Parameters
    ----------
    model : Model
    image : array of shape (H, W, C), (1, H, W, C), or (H, W) for a model of grey images
        Scaled as for ``model.predict``.
    layer : Layer or str, optional
        One inside the model, or its path as in ``named_parameters()`` and ``summary()``, such as "0" or "block.conv1".
        Default: the first whose output is a map.
    most : int, default 64
        How many channels are drawn at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (H, W, channels), all channels, not scaled.

    Raises
    ------
    ValueError
        For an image of another shape, a layer that is not in the model, is not used, or whose output is no map.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> model = cdl.Sequential([cdl.Conv2D(8, 3, padding="same", activation="relu", rng=0)])
    >>> picture = feature_maps(model, np.random.default_rng(0).random((28, 28, 1), np.float32))
    >>> picture.array.shape
    (28, 28, 8)
    >>> picture.figure.savefig("maps.png")
    """
    require("matplotlib.pyplot", "plot", "plot.feature_maps")
    positive_integer(most, "plot.feature_maps", "most")
    x = np.asarray(image)
    x = x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(f"plot.feature_maps: expected one image (H, W, C), got shape {np.shape(image)}")
    model.ensure_built(x)
    places, seen = dict(model.named_layers()), {}
    wanted = _layer_named(places, layer) if layer is not None else None
    asked = places.values() if wanted is None else [places[wanted]]
    with watched(asked, lambda one, y: seen.setdefault(id(one), np.array(y))):
        model.predict(x)
    maps = {name: seen[id(one)] for name, one in places.items() if id(one) in seen}
    if wanted is None:
        wanted = next((name for name, y in maps.items() if y.ndim == 4), None)
        if wanted is None:
            raise ValueError("plot.feature_maps: no layer of the model has maps (N, H, W, C) as its output")
    if wanted not in maps:
        raise ValueError(f"plot.feature_maps: layer {wanted!r} was not used on this image")
    if maps[wanted].ndim != 4:
        raise ValueError(f"plot.feature_maps: the output of layer {wanted!r} has shape {maps[wanted].shape}, expected maps "
                         "(N, H, W, C)")
    array = maps[wanted][0]
    tiles = [_stretched(array[..., c]) for c in range(min(most, array.shape[-1]))]
    title = f"{wanted} {type(places[wanted]).__name__}: {_counted(len(tiles), array.shape[-1], 'channels')}"
    return Picture(_draw(_mosaic(tiles), title, ax), array)


def filters(layer, *, most=64, ax=None):
    """Draw the kernels of a convolution.

    On images of three channels each filter is a colour picture, on grey ones a grey picture; further inside a filter is
    a row of grey pictures, one for each of its input channels. All share one scale: grey is 0, white the largest weight by
    its size, black the negative of that.

    Parameters
    ----------
    layer : Layer
        One with a weight (R, S, C, K), such as Conv2D, or a model, whose first such layer is drawn.
    most : int, default 64
        How many filters (and, of each, input channels) are drawn at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (R, S, C, K), a copy of the weight.

    Raises
    ------
    ValueError
        There is no such weight.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> picture = filters(cdl.Conv2D(16, 5, in_channels=3, rng=0))
    >>> picture.array.shape
    (5, 5, 3, 16)
    """
    require("matplotlib.pyplot", "plot", "plot.filters")
    positive_integer(most, "plot.filters", "most")
    if not isinstance(layer, Layer):
        raise TypeError(f"plot.filters: expected a layer or a model, got {type(layer).__name__}")
    found = [one for one in layer.layers_inside() if isinstance(getattr(one, "weight", None), Tensor) and one.weight.ndim == 4]
    if not found:
        raise ValueError(f"plot.filters: {layer!r} has no weight of shape (R, S, C, K), or does not know its size yet")
    weight = np.array(found[0].weight)
    scale = np.abs(weight).max() or 1.0
    shown = (0.5 + weight / (2 * scale)).astype(np.float64)
    channels, count = shown.shape[2:]
    drawn = range(min(most, count))
    title = f"{type(found[0]).__name__}: {_counted(len(drawn), count, 'filters')}"
    if channels in (1, 3):
        return Picture(_draw(_mosaic([shown[..., k].squeeze() if channels == 1 else shown[..., k] for k in drawn]), title, ax),
                       weight)
    across = min(most, channels)
    tiles = [shown[..., c, k] for k in drawn for c in range(across)]
    title += f", {_counted(across, channels, 'input channels')}"
    return Picture(_draw(_mosaic(tiles, across), title, ax), weight)


def attention_map(weights, queries=None, keys=None, *, head=None, ax=None):
    """Draw how much each query, a row, looks at each key, a column: white not at all, dark much.

    Parameters
    ----------
    weights : array_like
        (Tq, Tk), or (heads, Tq, Tk): what ``cdl.ops.attention_weights`` gives, or a `MultiHeadAttention` asked for them
        (``layer(x, return_weights=True)[1][0]``, of the first sequence).
    queries, keys : sequence of str, optional
        Names of the rows and the columns, such as the words; keys default to the queries where there are as many. Default:
        their numbers.
    head : int, optional
        The one to draw; default: all, side by side, on one scale.
    ax : matplotlib.axes.Axes, optional
        Where to draw one map; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (Tq, Tk), or (heads, Tq, Tk) for several.

    Raises
    ------
    ValueError
        For weights of another shape, another number of names, several maps for one `ax`.
    IndexError
        For a head that is not there.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> weights = cdl.ops.attention_weights(np.eye(3), np.eye(3), causal=True)
    >>> attention_map(weights, ["the", "cat", "sat"]).array.shape
    (3, 3)
    """
    require("matplotlib.pyplot", "plot", "plot.attention_map")
    array = np.array(weights)
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"plot.attention_map: expected weights (Tq, Tk) or (heads, Tq, Tk), got shape {array.shape}")
    if head is not None:
        if array.ndim == 2 or not -len(array) <= head < len(array):
            raise IndexError(f"plot.attention_map: there is no head {head} in weights of shape {array.shape}")
        array = array[head]
    rows, columns = array.shape[-2:]
    keys = queries if keys is None and rows == columns else keys
    for names, count, what in ((queries, rows, "queries"), (keys, columns, "keys")):
        if names is not None and len(names) != count:
            raise ValueError(f"plot.attention_map: {len(names)} names for {count} {what}")
    maps = array.reshape(-1, rows, columns)
    if ax is not None and len(maps) > 1:
        raise ValueError(f"plot.attention_map: one ax for {len(maps)} heads; choose one with head=")
    axes = [ax] if ax is not None else _grid(len(maps), rows, columns)
    for i, (one, axis) in enumerate(zip(maps, axes, strict=False)):
        image = axis.imshow(one, cmap="Blues", vmin=0, vmax=max(np.nanmax(array), 1e-9), aspect="auto", interpolation="nearest")
        _name_ticks(axis, queries, keys)
        if len(maps) > 1:
            axis.set_title(f"head {i}", fontsize="medium")
    figure = axes[0].figure
    figure.colorbar(image, ax=axes, shrink=0.8)
    return Picture(figure, array)


def word_neighbours(source, words, *, most=8, ax=None):
    """Draw words and those most like them in the plane: the two directions in which their unit vectors differ most (PCA).

    Parameters
    ----------
    source : WordVectors or Word2Vec
    words : str or sequence of str
        Each is drawn with its neighbours in one colour.
    most : int, default 8
        How many neighbours each has.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (words drawn, 2): the words asked for, in order, then their neighbours, each once.

    Raises
    ------
    KeyError
        For an unknown word; the nearest spelling is named.
    ValueError
        For no words at all.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> from cdl.text import WordVectors
    >>> wv = WordVectors.from_arrays(["cat", "dog", "car", "bus"], np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]]))
    >>> word_neighbours(wv, ["cat", "bus"], most=1).array.shape
    (4, 2)
    """
    require("matplotlib.pyplot", "plot", "plot.word_neighbours")
    wv = getattr(source, "wv", source)
    asked = list(dict.fromkeys([words] if isinstance(words, str) else words))
    if not asked:
        raise ValueError("plot.word_neighbours: name at least one word")
    group = {word: i for i, word in enumerate(asked)}
    for i, word in enumerate(asked):
        for one, _ in wv.most_similar(word, topn=positive_integer(most, "plot.word_neighbours", "most")):
            group.setdefault(one, i)
    rows = wv[list(group)]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    rows = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    axes = np.concatenate([axes, np.zeros((2, rows.shape[1]))])[:2]
    axes *= np.where(axes[np.arange(2), np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]     # one of the two signs
    places = rows @ axes.T
    return Picture(_draw_words(places, group, len(asked), ax), places)


def _draw_words(places, group, asked, ax):
    ax = axes_of(ax, (7.2, 5.4))
    for i, ((word, colour), (x, y)) in enumerate(zip(group.items(), places, strict=True)):
        ax.plot(x, y, "o" if i < asked else ".", color=f"C{colour % 10}")
        ax.annotate(word, (x, y), xytext=(4, 3), textcoords="offset points", color=f"C{colour % 10}",
                    fontsize="medium" if i < asked else "small", weight="bold" if i < asked else "normal")
    ax.set_xticks([])
    ax.set_yticks([])
    return ax.figure


def _grid(count, rows, columns):
    """Axes for so many maps, about as many across as down."""
    across = int(np.ceil(np.sqrt(count)))
    down = -(-count // across)
    longest = max(rows, columns)
    side = max(2.2, min(6.4, 0.32 * longest + 0.8)) if count > 1 else max(3.6, min(8, 0.4 * longest + 1.2))
    size = (across * side + 0.8, down * max(side * min(rows / columns, 2), 1.4))
    _, axes = require("matplotlib.pyplot", "plot", "plot").subplots(down, across, figsize=size, layout="constrained",
                                                                    squeeze=False)
    for empty in axes.ravel()[count:]:
        empty.set_axis_off()
    return list(axes.ravel())


def _name_ticks(ax, queries, keys):
    if keys is not None:
        ax.set_xticks(range(len(keys)), keys, rotation=90, fontsize="small")
    if queries is not None:
        ax.set_yticks(range(len(queries)), queries, fontsize="small")
    ax.set_xlabel("key")
    ax.set_ylabel("query")


def _layer_named(places, layer):
    """The path of a layer that is given itself or by its path."""
    name = next((path for path, one in places.items() if one is layer), None) if isinstance(layer, Layer) else str(layer)
    if name not in places:
        raise ValueError(f"plot.feature_maps: the model has no layer {layer!r}; it has {', '.join(places) or 'none'}")
    return name


def _stretched(tile):
    """Values from 0 to 1; what is not finite is not drawn."""
    finite = tile[np.isfinite(tile)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    return (tile - low) / ((high - low) or 1)


def _mosaic(tiles, across=None):
    """Tiles of one shape side by side, about as many across as down, a line apart."""
    across = across or int(np.ceil(np.sqrt(len(tiles))))
    down = -(-len(tiles) // across)
    height, width, *rest = tiles[0].shape
    whole = np.full((down * (height + 1) - 1, across * (width + 1) - 1, *rest), 1.0 if rest else np.nan)
    for i, tile in enumerate(tiles):
        top, left = i // across * (height + 1), i % across * (width + 1)
        whole[top:top + height, left:left + width] = tile
    return whole


def _counted(shown, count, what):
    return f"{count} {what}" if shown == count else f"the first {shown} of {count} {what}"


def _draw(whole, title, ax):
    """The figure on which a mosaic is drawn, pixels as squares."""
    height, width = whole.shape[:2]
    ax = axes_of(ax, (6.4, max(6.4 * height / width, 1) + 0.4))
    ax.imshow(whole, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize="medium")
    ax.set_axis_off()
    return ax.figure
