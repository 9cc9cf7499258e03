"""Layers in several viewers that show the same data and look the same."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..layers import is_image

__all__ = ["LISTENED", "OWN", "SHARED", "Copies", "Holder", "copy_of"]

SHARED = (
    "visible",
    "blending",
    "interpolation2d",
    "projection_mode",
    # Labels.
    "opacity",
    "contour",
    "selected_label",
    "show_selected_label",
)
"""What copies have in common with their original. The window, the colours and the opacity of
images come from the scan's console, which every viewer of the scan follows.
"""

PLACED = ("scale", "translate")
"""Where copies lie as their original does. Not linked, but set: the number of axes may change."""

OWN = ("locked_data_level", "experimental_clipping_planes", "plane")
"""What a copy does not take over: it is about the original's 3-D view."""

LISTENED = ("data", "metadata", "visible", *PLACED)
"""Events of an original after which its copies may be wrong."""


class Holder(Protocol):
    """Where copies are shown."""

    def add(self, layer: Any) -> None:
        """Show a layer above the others."""

    def remove(self, layer: Any) -> None:
        """Do not show a layer any more."""


class Copies:
    """Copies of layers of one viewer in several others, kept alike both ways.

    Parameters
    ----------
    holders
        Where each layer is copied to.
    changed
        Called when the layers or what they show may have changed: call `show` again.
    """

    def __init__(self, holders: Sequence[Holder], changed: Callable[..., None]) -> None:
        self._holders = tuple(holders)
        self._changed = changed
        self._made: dict[Any, tuple[list[Any], Any]] = {}
        self._asleep: list[Any] = []

    def show(self, layers: Sequence[Any]) -> None:
        """Have copies of these layers and of no others.

        A hidden layer is copied when it is shown for the first time: copies slow every
        step of a slider, hidden or not, and most atlases are never looked at.
        """
        from napari.experimental import link_layers

        for layer, (_, data) in list(self._made.items()):
            if layer not in layers or layer.data is not data:
                self._drop(layer)
        self._sleep([x for x in layers if x not in self._made and not (x.visible or is_image(x))])
        for layer in layers:
            if layer in self._asleep:
                continue
            if layer not in self._made:
                copies = [copy_of(layer) for _ in self._holders]
                for holder, copied in zip(self._holders, copies, strict=True):
                    holder.add(copied)
                self._made[layer] = (copies, layer.data)
                shared = [n for n in SHARED if n in layer.events and hasattr(layer, n)]
                if is_image(layer):
                    # The console's, which gives a slice another one than a volume.
                    shared.remove("opacity")
                link_layers([layer, *copies], shared)
                for name in LISTENED:
                    layer.events[name].connect(self._changed)
            for copied in self._made[layer][0]:
                for name in PLACED:
                    if not np.array_equal(getattr(copied, name), getattr(layer, name)):
                        setattr(copied, name, getattr(layer, name))

    def clear(self) -> None:
        """Have no copies."""
        self._sleep([])
        for layer in list(self._made):
            self._drop(layer)

    def abandon(self) -> None:
        """Let go of copies that stay where they are: their viewers are being closed."""
        self._sleep([])
        for layer in list(self._made):
            self._let_go(layer)

    def _sleep(self, layers: list[Any]) -> None:
        """Wait until these layers, and no others, are shown."""
        for layer in self._asleep:
            layer.events.visible.disconnect(self._changed)
        self._asleep = layers
        for layer in layers:
            layer.events.visible.connect(self._changed)

    def _drop(self, layer: Any) -> None:
        for holder, copied in zip(self._holders, self._let_go(layer), strict=True):
            holder.remove(copied)

    def _let_go(self, layer: Any) -> list[Any]:
        from napari.experimental import unlink_layers

        copies, _ = self._made.pop(layer)
        for name in LISTENED:
            layer.events[name].disconnect(self._changed)
        unlink_layers([layer, *copies])
        return copies


def copy_of(layer: Any) -> Any:
    """A layer over the same arrays, for another viewer; no voxel is copied."""
    from napari.layers import Layer

    data, state, kind = layer.as_layer_data_tuple()
    for name in OWN:
        state.pop(name, None)
    # As an argument napari refuses it.
    limits_range = state.pop("contrast_limits_range", None)
    copied = Layer.create(data, state, kind)
    if limits_range is not None:
        copied.contrast_limits_range = limits_range
    return copied
