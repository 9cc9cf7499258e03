"""What a viewer shows while an embedding space is explored in it, and showed before."""

from typing import Any
from weakref import ref

from .placing import EXTENT

__all__ = ["Before", "see_depth"]

DEPTH = 100 * EXTENT
"""World units before and behind the slider that a flat view sees: more than any cloud is deep."""


class Before:
    """Hides the layers of a viewer, and shows them again from where they were seen.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.
    """

    def __init__(self, viewer: Any) -> None:
        camera = viewer.scene.camera
        self._camera = {name: getattr(camera, name) for name in ("center", "zoom", "angles")}
        self._ndisplay = viewer.dims.ndisplay
        active = viewer.layers.selection.active
        self._active = None if active is None else ref(active)
        self._layers = [ref(layer) for layer in viewer.layers if layer.visible]
        for layer in viewer.layers:
            layer.visible = False

    def restore(self, viewer: Any) -> None:
        """Show them again; without any, the viewer stays as it is."""
        found = [layer for one in self._layers if (layer := one()) is not None]
        found = [layer for layer in found if layer in viewer.layers]
        if not found:
            return
        viewer.dims.ndisplay = self._ndisplay
        for layer in found:
            layer.visible = True
        for name, value in self._camera.items():
            setattr(viewer.scene.camera, name, value)
        active = None if self._active is None else self._active()
        if active in viewer.layers and not viewer.layers.selection:
            viewer.layers.selection.active = active


def see_depth(viewer: Any, whole: bool) -> None:
    """Let a flat view see the whole depth of what asks for it, or a slice as usual."""
    margin = [0.0] * viewer.dims.ndim
    if whole and len(margin) >= 3:
        margin[-3] = DEPTH
    if tuple(viewer.dims.margin_left) != tuple(margin):
        viewer.dims.margin_left = tuple(margin)
        viewer.dims.margin_right = tuple(margin)
