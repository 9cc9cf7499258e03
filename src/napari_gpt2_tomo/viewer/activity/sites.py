"""Recorded activity as pictures: four axes for all, so that they lie over each other.

Every picture has the axes (head, layer, row, column). A row is a token; a column a token, a
channel, a neuron. What has no heads or no layers has one that reaches over all of them. So one
slider goes through the layers of all pictures, another through the heads, and in 3-D the layers
of a head are a stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...activity.record import SITES, Activity
from ...activity.record.states import states
from ...base import TomoError

__all__ = ["SHOWABLE", "Axis", "Kind", "Picture", "picture_of"]

WIDE = 1.6
"""Width of a picture whose columns are no tokens, over its height: it fills most screens."""

MASKED = -1e30
"""Scores below it belong to tokens that must not be looked at."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a picture.

    Attributes
    ----------
    name
        What it counts.
    size
        How many there are.
    scale, start
        World units of one, and where the middle of the first is.
    labels
        A word for each; None where the number says it.
    """

    name: str
    size: int
    scale: float = 1.0
    start: float = 0.0
    labels: tuple[str, ...] | None = None

    def world(self, index: float) -> float:
        """Where the middle of one lies."""
        return self.start + self.scale * index

    def word(self, index: int) -> str:
        """What one is called, in full."""
        if self.labels is None:
            return f"{self.name} {index}"
        if self.name in ("state", "step"):
            return self.labels[index]
        return f"{self.name} {index} ‘{self.labels[index]}’"


@dataclass(frozen=True, eq=False)
class Picture:
    """Activity of one kind as napari takes it.

    Attributes
    ----------
    kind
        What it is.
    data
        ``(head, layer, row, column)`` float32, numpy or dask.
    axes
        The same four.
    """

    kind: "Kind"
    data: Any
    axes: tuple[Axis, Axis, Axis, Axis]

    @property
    def scale(self) -> tuple[float, ...]:
        """World units per voxel."""
        return tuple(axis.scale for axis in self.axes)

    @property
    def translate(self) -> tuple[float, ...]:
        """World position of the first voxel."""
        return tuple(axis.start for axis in self.axes)

    def words(self, voxel: Sequence[int], value: float) -> str:
        """What a voxel is and its value, in a line."""
        head, layer, row, column = self.axes
        above = [
            axis.word(index)
            for axis, index in ((layer, voxel[1]), (head, voxel[0]))
            if axis.size > 1 or axis.labels
        ]
        cells = (row.word(voxel[2]), column.word(voxel[3]))
        joint = " → " if column.name == "key" else " · "
        # Scores of exactly 0 stand for those that the model must not see.
        masked = self.kind.name == "scores" and value == 0
        where = " · ".join([*above, joint.join(cells)])
        return f"{where} = {'masked' if masked else f'{value:.4g}'}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of activity that can be a picture.

    Attributes
    ----------
    name
        Of its site, or ``"states"``.
    title, about
        For a menu.
    signal
        How its values are windowed, see `display.looks`.
    noun
        What its values are, in the plural.
    """

    name: str
    title: str
    about: str
    signal: str = "activity"
    noun: str = "values"

    def fits(self, activity: Activity) -> bool:
        """Whether it was recorded."""
        if self.name == "states":
            return "resid_pre" in activity or "resid_post" in activity
        return self.name in activity


def _kinds() -> tuple[Kind, ...]:
    first = (
        Kind("pattern", "Attention", "Where each head looks", "attention", "shares of attention"),
        Kind(
            "states",
            "Residual stream",
            "The stream of every token after each half of each block, up to the final norm",
        ),
        Kind("mlp_post", "Neurons", "How strongly each neuron fires at each token"),
    )
    signals = {"router": "attention", "experts": "strength"}
    taken = {kind.name for kind in first} | {"resid_pre", "resid_mid", "resid_post"}
    rest = tuple(
        Kind(
            site.name,
            f"{site.title[0].upper()}{site.title[1:]}",
            " × ".join(site.axes),
            signals.get(site.name, "activity"),
        )
        for site in SITES.values()
        if site.name not in taken
    )
    return first + rest


SHOWABLE: tuple[Kind, ...] = _kinds()
"""Every kind, the usual ones first."""


def picture_of(activity: Activity, name: str) -> Picture:
    """The picture of one kind of activity.

    Raises
    ------
    TomoError
        There is no such kind, or nothing of it was recorded.
    """
    kind = next((one for one in SHOWABLE if one.name == name), None)
    if kind is None:
        names = ", ".join(one.name for one in SHOWABLE)
        raise TomoError(f"There is no activity {name!r} to show; there are: {names}.")
    if name == "states":
        return _stream(kind, activity)
    axes = list(SITES[name].axes)
    data = _lazy(activity[name])
    if data.ndim > len(axes):
        # Neurons of experts have a slot before theirs.
        axes.insert(2, "slot")
    if name == "scores":
        data = np.where(data < MASKED, np.float32(0), data)
    return _arranged(kind, activity, data, axes)


def _stream(kind: Kind, activity: Activity) -> Picture:
    found = states(activity)
    halves = "attention" in found.kind
    # Between two layers lie two states: both are nearer to their own layer than to any other.
    step = 0.5 if halves else 1.0
    first = -0.75 if halves else -1.0
    layer = Axis("state", len(found), step, first, found.names)
    head = _over("head", _heads(activity))
    row, column = _plane(activity, "token", "channel", found.values.shape[-1])
    return Picture(kind, found.values[None], (head, layer, row, column))


def _arranged(kind: Kind, activity: Activity, data: Any, names: Sequence[str]) -> Picture:
    """An array of any site with its axes in the order of a picture."""
    column = names[-1]
    row = "query" if column == "key" else "token"
    heads = [i for i, name in enumerate(names[:-1]) if name in ("head", "kv_head", "slot")]
    order = [
        heads[0] if heads else None,
        names.index("layer") if "layer" in names else None,
        names.index(row),
        names.index(column),
    ]
    turned = data.transpose([axis for axis in order if axis is not None])
    index = tuple(None if axis is None else slice(None) for axis in order)
    turned = turned[index]
    n_heads, n_layers = turned.shape[:2]
    if order[0] is None:
        head = _over("head", _heads(activity))
    elif names[order[0]] == "slot":
        head = Axis("expert slot", n_heads)
    else:
        # Key and value heads lie beside the query heads that read them.
        group = max(_heads(activity) // n_heads, 1)
        head = Axis(names[order[0]].replace("_", " "), n_heads, group, (group - 1) / 2)
    depth = max(activity.n_layers, 1)
    layer = _over("layer", depth) if order[1] is None else Axis("layer", n_layers)
    return Picture(kind, turned, (head, layer, *_plane(activity, row, column, turned.shape[-1])))


def _plane(activity: Activity, row: str, column: str, n_columns: int) -> tuple[Axis, Axis]:
    labels = activity.tokens.labels
    rows = Axis(row, len(labels), labels=labels)
    if column == "key":
        return rows, Axis(column, n_columns, labels=labels)
    width = WIDE * len(labels) / n_columns
    words = _vocabulary(activity) if column == "vocab" else None
    name = {"vocab": "next token", "d_head": "dimension"}.get(column, column)
    # Its left edge lies where that of a column of tokens does.
    return rows, Axis(name, n_columns, width, (width - 1) / 2, words)


def _vocabulary(activity: Activity) -> tuple[str, ...] | None:
    tokenizer = None if activity.model is None else activity.model.tokenizer
    if tokenizer is None:
        return None
    found = tuple(tokenizer.vocabulary)
    n_columns = activity["logits"].shape[-1]
    return found[:n_columns] if len(found) >= n_columns else None


def _over(name: str, count: int) -> Axis:
    """One that reaches over all."""
    return Axis(name, 1, float(count), (count - 1) / 2)


def _heads(activity: Activity) -> int:
    if activity.source.sizes.n_heads:
        return activity.source.sizes.n_heads
    return int(activity["pattern"].shape[1]) if "pattern" in activity else 1


def _lazy(array: Any) -> Any:
    """A numpy array as it is; what is on disk as dask, so that a picture reads what it shows."""
    if isinstance(array, np.ndarray):
        return array
    import dask.array as da

    return da.from_array(array, chunks=array.chunks)
