"""Layers that show something of a scan beside its image, and go with it."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from .. import compat
from ..link import OWNER, ScanLink

__all__ = ["Extra", "Soon", "extra_state", "translation"]


def extra_state(link: ScanLink, name: str) -> dict[str, Any]:
    """Keyword arguments that the extra layers of a scan have in common."""
    volume = link.volume
    return {
        "name": name,
        "axis_labels": volume.axes,
        "units": ("dimensionless",) * volume.ndim,
        "metadata": {OWNER: link},
    }


def translation(image: Any, start: Any, factors: Any) -> list[float]:
    """Where the first voxel of a block of a coarse level lies: the centre of what it sums up."""
    return [
        float(offset + scale * (first + (factor - 1) / 2))
        for offset, scale, first, factor in zip(
            image.translate, image.scale, start, factors, strict=True
        )
    ]


class Soon:
    """Calls a function once when the events of the moment have run.

    A layer must not be added or removed while napari adds or removes another, as
    it may be from within its events. Without Qt the function is called at once.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._timer: Any = None

    def call(self, *_: Any) -> None:
        """Ask for a call; heard by napari's events as it is."""
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication

        if QApplication.instance() is None:
            self._function()
            return
        if self._timer is None:
            self._timer = QTimer()
            self._timer.setSingleShot(True)
            self._timer.timeout.connect(self._function)
        self._timer.start(0)

    def stop(self) -> None:
        """Forget what was asked for."""
        if self._timer is not None:
            self._timer.stop()


class Extra:
    """One layer above the image of a scan in a viewer; there or not.

    It leaves the selection alone, and knows when somebody else removes it.

    Parameters
    ----------
    viewer, image
        The viewer model and the image in it; not kept alive.
    on_removed
        Called when somebody else removed the layer.
    """

    def __init__(self, viewer: Any, image: Any, on_removed: Callable[[], None]) -> None:
        self._viewer = ref(viewer)
        self._image = ref(image)
        self._on_removed = on_removed
        self._busy = False
        self.layer: Any = None
        viewer.layers.events.removed.connect(self._removed)

    def put(self, layer: Any) -> None:
        """Add a layer in the place of the former one."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image not in viewer.layers:
            return
        self.take_away()
        layers = viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        self.layer = layer
        layers.insert(layers.index(image) + 1, layer)
        layers.selection = selected
        layers.selection.active = active

    def take_away(self) -> None:
        """Remove the layer, if there is one."""
        viewer, layer = self._viewer(), self.layer
        self.layer = None
        if viewer is None or layer is None or layer not in viewer.layers:
            return
        self._busy = True
        try:
            compat.keep_context(viewer)
            viewer.layers.remove(layer)
        finally:
            self._busy = False

    def close(self) -> None:
        """Remove the layer and hear nothing more."""
        self.take_away()
        viewer = self._viewer()
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._removed)

    def _removed(self, event: Any) -> None:
        if not self._busy and self.layer is not None and event.value is self.layer:
            self.layer = None
            self._on_removed()
