"""A viewer lent to a three-dimensional picture, and given back as it was."""

from typing import Any
from weakref import WeakKeyDictionary, ref

from ... import compat

__all__ = ["Stage", "stage_of"]

_OVERLAY = ("visible", "text", "color", "font_size", "position", "box", "box_color")
"""What is borrowed of the text on the canvas."""

BOX = (0.04, 0.04, 0.06, 0.8)
"""Colour behind the text: dark and nearly opaque, so that it reads over any picture."""

INK = (0.93, 0.94, 0.96, 1.0)
"""Colour of the text."""

FONT_SIZE = 10.0
"""Points."""

_stages: WeakKeyDictionary[Any, "Stage"] = WeakKeyDictionary()


def stage_of(viewer: Any) -> "Stage":
    """The stage of a viewer; made when it is first asked for."""
    viewer = compat.real_viewer(viewer)
    if viewer not in _stages:
        _stages[viewer] = Stage(viewer)
    return _stages[viewer]


class Stage:
    """One viewer, whose other layers are hidden while a picture has it.

    Only one picture has it at a time. What the viewer looked like before the first one is kept
    until the last one has left.

    Parameters
    ----------
    viewer
        A viewer model; not kept alive.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._actor: Any = None
        self._before: dict[str, Any] | None = None
        self._hidden: list[Any] = []
        self._text = ""
        self._writing = False

    @property
    def actor(self) -> Any:
        """Whose picture has the viewer; None while it has its own."""
        return self._actor

    def enter(self, actor: Any) -> None:
        """Lend the viewer to a picture; the one that had it is asked to close.

        `actor` has a method ``close()``, which calls `leave`.
        """
        viewer = self._viewer()
        if viewer is None or self._actor is actor:
            return
        if self._actor is not None:
            self._actor.close()
        self._actor = actor
        camera, overlay = viewer.scene.camera, viewer.canvas.overlays.text
        self._before = {
            "camera": (tuple(camera.center), float(camera.zoom), tuple(camera.angles)),
            "ndisplay": viewer.dims.ndisplay,
            "order": tuple(viewer.dims.order),
            "labels": tuple(viewer.dims.axis_labels),
            "step": tuple(viewer.dims.current_step),
            "margin": tuple(viewer.dims.margin_left),
            "active": viewer.layers.selection.active,
            "axes": viewer.scene.overlays.axes.visible,
            "overlay": {name: getattr(overlay, name) for name in _OVERLAY},
        }
        self._hidden = [layer for layer in viewer.layers if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = 3
        viewer.scene.overlays.axes.visible = False
        overlay.color, overlay.font_size = INK, FONT_SIZE
        overlay.box, overlay.box_color = True, BOX
        overlay.position = "top_left"
        overlay.visible = True
        overlay.events.text.connect(self._keep)

    def thicken(self, back: float) -> None:
        """Let layers that project thick slices show so much before the place of the sliders."""
        viewer = self._viewer()
        if viewer is not None:
            dims = viewer.dims
            dims.margin_left = tuple(
                0.0 if axis in dims.displayed else float(back) for axis in range(dims.ndim)
            )

    def write(self, text: str) -> None:
        """Say something on the canvas."""
        self._text = text
        self._keep()

    def leave(self, actor: Any) -> None:
        """Give the viewer back as it was; the layers of the picture are gone by now."""
        viewer = self._viewer()
        if self._actor is not actor or self._before is None:
            return
        before, self._before, self._actor = self._before, None, None
        hidden, self._hidden = self._hidden, []
        if viewer is None:
            return
        overlay = viewer.canvas.overlays.text
        overlay.events.text.disconnect(self._keep)
        for name, value in before["overlay"].items():
            setattr(overlay, name, value)
        viewer.scene.overlays.axes.visible = before["axes"]
        for layer in hidden:
            if layer in viewer.layers:
                layer.visible = True
        dims = viewer.dims
        if dims.ndim == len(before["order"]):
            dims.order = before["order"]
            dims.axis_labels = before["labels"]
            dims.current_step = before["step"]
            dims.margin_left = before["margin"]
        dims.ndisplay = before["ndisplay"]
        camera = viewer.scene.camera
        camera.center, camera.zoom, camera.angles = before["camera"]
        if before["active"] in viewer.layers and not viewer.layers.selection:
            viewer.layers.selection.active = before["active"]

    def _keep(self, event: Any = None) -> None:
        """Write the picture's words again when another has written on the canvas."""
        viewer = self._viewer()
        if viewer is None or self._actor is None or self._writing:
            return
        overlay = viewer.canvas.overlays.text
        if overlay.text != self._text:
            self._writing = True
            try:
                overlay.text = self._text
            finally:
                self._writing = False
