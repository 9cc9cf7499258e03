"""What ties a layer of activity to its console and to the desk."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from weakref import WeakSet

import numpy as np

from ...activity.record import Activity
from ...display.array_distribution import ArrayDistributions
from ...display.console import Console
from ...display.cursor import Cursor
from ..link import KEY
from .sites import Picture, picture_of

__all__ = ["ArrayLink", "array_link_of"]

LAYER = 1
"""The axis of a picture that counts layers or states."""


class ArrayLink:
    """One picture of an activity as its layers see it; a `viewer.link.Link`.

    Parameters
    ----------
    activity
        What was measured.
    site
        What of it is shown, see `sites.SHOWABLE`.

    Attributes
    ----------
    activity, picture
        What is shown.
    name, noun, layers
        See `viewer.link.Link`.
    """

    def __init__(self, activity: Activity, site: str) -> None:
        self.activity = activity
        self.picture: Picture = picture_of(activity, site)
        self.name = f"{self.picture.kind.title} · {activity.source.name}"
        self.noun = self.picture.kind.noun
        self.layers: WeakSet[Any] = WeakSet()

    @cached_property
    def console(self) -> Console:
        """How the picture is shown."""
        kind, names = self.picture.kind, self.parts
        parts = {name: index for index, name in enumerate(names)}
        spread = ArrayDistributions(self.picture.data, kind.signal, kind.noun, LAYER, parts)
        return Console.of_values(spread)

    @cached_property
    def cursor(self) -> Cursor:
        """The voxel that all views of the picture share."""
        return Cursor(self.picture.data.shape)

    @property
    def parts(self) -> list[str]:
        """A name for each layer or state."""
        axis = self.picture.axes[LAYER]
        return [axis.labels[i] if axis.labels else f"L{i}" for i in range(axis.size)]

    @property
    def about(self) -> str:
        """What is shown, in a line."""
        axes = [axis for axis in self.picture.axes if axis.size > 1]
        sizes = " × ".join(str(axis.size) for axis in axes)
        return f"{sizes} ({', '.join(axis.name for axis in axes)})"

    def part_at(self, voxel: Sequence[int]) -> str | None:
        """The layer or state of a voxel; None outside."""
        names = self.parts
        return names[voxel[LAYER]] if 0 <= voxel[LAYER] < len(names) else None

    def value(self, voxel: Sequence[int]) -> float:
        """What was measured at a voxel."""
        return float(np.asarray(self.picture.data[tuple(voxel)]))

    def voxel(self, layer: Any, position: Sequence[float]) -> tuple[int, ...] | None:
        """The voxel of a layer at a position of the world; None outside."""
        found = tuple(int(v) for v in np.rint(np.asarray(layer.world_to_data(position), float)))
        shape = self.picture.data.shape
        return found if all(0 <= v < n for v, n in zip(found, shape, strict=True)) else None

    def take(self, activity: Activity) -> None:
        """Belong to the same activity as another object: one that knows its model."""
        self.activity = activity
        if self.picture.kind.name == "logits":
            # The tokenizer has words for the columns.
            self.picture = picture_of(activity, "logits")

    def __copy__(self) -> "ArrayLink":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "ArrayLink":
        # A copied layer shows the same activity.
        return self

    def __repr__(self) -> str:
        return f"<ArrayLink {self.name}>"


def array_link_of(layer: Any) -> ArrayLink | None:
    """The link of a layer that shows activity; None for any other."""
    found = getattr(layer, "metadata", {}).get(KEY)
    return found if isinstance(found, ArrayLink) else None
