"""A viewer while it is photographed, given back as it was."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from .. import compat
from ..commands import current_link
from ..link import links
from ..session import session_of
from .legend import Legend, draw_strip, legend_of, strip_height

__all__ = ["FILL", "SIZES", "Stage", "checked_size"]

SIZES: tuple[tuple[int, int], ...] = ((854, 480), (1280, 720), (1920, 1080), (3840, 2160))
"""Width and height in pixels that screens and players know."""

SMALLEST, LARGEST = 64, 16384
"""Sides of a picture in pixels; the larger is what every GPU of the last decade draws."""

FILL = 0.9
"""Share of a picture that a view fills when it is fitted in."""


class Stage:
    """Takes pictures of a viewer's canvas in a size of its own.

    The window is not redrawn meanwhile, so a picture costs one drawing, and
    nobody sees the canvas change its size. Text on the canvas is hidden: a
    legend says it better. `close` gives sliders, camera and text back.

    Parameters
    ----------
    viewer
        A viewer in a window.
    size
        Width and height of the pictures in pixels, legend included; that of the
        canvas (with a legend beneath) if None.
    legend
        Whether a strip under the picture says what it shows; only a scan has one.

    Attributes
    ----------
    viewer
        The viewer itself, also where a proxy was given.
    rows, columns
        Of the canvas's part of a picture, in pixels.

    Raises
    ------
    TomoError
        The viewer has no window, or there is no such size.
    """

    def __init__(
        self, viewer: Any, size: Sequence[int] | None = None, *, legend: bool = True
    ) -> None:
        self.viewer = compat.real_viewer(viewer)
        self._canvas = compat.qt_viewer_of(self.viewer)
        if self._canvas is None:
            raise TomoError("Pictures are taken of a window, and this viewer has none.")
        self._dense = self._canvas.devicePixelRatioF()
        wide = legend and current_link(self.viewer) is not None
        have = [round(n * self._dense) for n in self._canvas.canvas.size]
        if size is None:
            self.rows, self.columns = have
        else:
            self.columns, self.rows = checked_size(size)
            self.rows -= strip_height(self.columns) if wide else 0
        self.legend = wide
        # A window that waits to be shown in 3-D is shown now.
        session = session_of(self.viewer)
        for binding in () if session is None else list(session.bindings.values()):
            binding.flush()
        self._before = _state(self.viewer)
        text = self.viewer.canvas.overlays.text
        self._text, text.visible = text.visible, False
        self._canvas.canvas.native.setUpdatesEnabled(False)
        # Zoom counts pixels: the picture is to show what the canvas shows.
        share = min(self.rows / have[0], self.columns / have[1])
        self.viewer.scene.camera.zoom *= share
        self._open = True

    def close(self) -> None:
        """Give the viewer back as it was. Idempotent."""
        if not self._open:
            return
        self._open = False
        if compat.qt_viewer_of(self.viewer) is not self._canvas:
            # The window was closed: nothing is left to be given back.
            return
        _restore(self.viewer, self._before)
        self.viewer.canvas.overlays.text.visible = self._text
        self._canvas.canvas.native.setUpdatesEnabled(True)
        self._canvas.canvas.native.update()

    def shoot(self, caption: str = "") -> NDArray[np.uint8]:
        """A picture of the canvas as it is now, shape ``(rows, columns, 3)``.

        Parameters
        ----------
        caption
            What the legend says of it.

        Raises
        ------
        TomoError
            Slices are still read, or the window was closed.
        """
        pixels = self.canvas_pixels()
        return self.under(pixels, self.told(caption))

    def canvas_pixels(self) -> NDArray[np.uint8]:
        """The canvas alone; see `shoot`."""
        if compat.qt_viewer_of(self.viewer) is not self._canvas:
            raise TomoError("The window was closed before its picture was taken.")
        camera = self.viewer.scene.camera
        center, zoom = camera.center, camera.zoom
        try:
            with self._canvas.resize_canvas((self.rows, self.columns), 1.0):
                compat.settle_size(self._canvas)
                # Views may follow their canvas's size; here the picture's camera is meant.
                camera.center, camera.zoom = center, zoom
                # What did not change napari does not tell the canvas, which has changed.
                camera.events.center()
                camera.events.zoom()
                shot = self._canvas.screenshot(flash=False)
        except TimeoutError as error:
            raise TomoError(
                "The slices are still being read: wait until they are shown, and try again."
            ) from error
        return np.ascontiguousarray(shot[..., :3])

    @property
    def canvas(self) -> Any:
        """The widget that is drawn on."""
        return self._canvas.canvas.native

    def told(self, caption: str) -> Legend | None:
        """The legend of a picture; None if there is to be none."""
        return legend_of(self.viewer, caption) if self.legend else None

    @staticmethod
    def under(pixels: NDArray[np.uint8], legend: Legend | None) -> NDArray[np.uint8]:
        """A picture with its legend."""
        if legend is None:
            return pixels
        return np.concatenate([pixels, draw_strip(legend, pixels.shape[1])])

    def fit(self, zoom: float | None = None) -> None:
        """Centre what is displayed, and zoom so that it is in the picture however it is turned.

        Another zoom may be given.
        """
        low, high = self.viewer.layers.extent.world
        displayed = list(self.viewer.dims.displayed)
        camera = self.viewer.scene.camera
        camera.center = tuple(((low + high) / 2)[displayed])
        camera.zoom = self.zoom_to_fit(displayed) if zoom is None else zoom

    def zoom_to_fit(self, axes: Sequence[int]) -> float:
        """The zoom at which the picture holds what extends along these two or three axes."""
        low, high = self.viewer.layers.extent.world
        sides = [float(side) for side in (high - low)[list(axes)]]
        if len(sides) == 3:
            # Turned, no side is longer than the diagonal.
            sides = [math.hypot(*sides)] * 2
        pairs = zip((self.rows, self.columns), sides, strict=True)
        return self.zoom_for(FILL * min(have / max(need, 1e-9) for have, need in pairs))

    def zoom_for(self, pixels: float) -> float:
        """The camera's zoom that draws a unit of the world so many pixels of the picture large."""
        return pixels / float(self._dense)


def checked_size(size: Sequence[int]) -> tuple[int, int]:
    """Width and height of a picture.

    Raises
    ------
    TomoError
        They are no two whole numbers, too small or too large.
    """
    sides = tuple(int(n) for n in size)
    if len(sides) != 2 or not all(SMALLEST <= n <= LARGEST for n in sides):
        raise TomoError(
            f"A picture is width × height pixels, each from {SMALLEST} to {LARGEST:,}, not "
            f"{' × '.join(str(n) for n in size)}."
        )
    return sides


def _state(viewer: Any) -> dict[str, Any]:
    camera, dims = viewer.scene.camera, viewer.dims
    return {
        "order": tuple(dims.order),
        "ndisplay": dims.ndisplay,
        "point": tuple(dims.point),
        "camera": {
            name: getattr(camera, name) for name in ("center", "zoom", "angles", "perspective")
        },
        "cursors": {link: link.cursor.position for link in links() if link.layers},
    }


def _restore(viewer: Any, state: dict[str, Any]) -> None:
    dims = viewer.dims
    if len(state["order"]) == dims.ndim:
        dims.order, dims.ndisplay = state["order"], state["ndisplay"]
        for axis, place in enumerate(state["point"]):
            dims.set_point(axis, place)
    # The cursor that views share may have gone with the sliders.
    for link, position in state["cursors"].items():
        if link.cursor.shape == tuple(link.volume.shape) and len(position) == link.volume.ndim:
            link.cursor.move(position)
    for name, value in state["camera"].items():
        setattr(viewer.scene.camera, name, value)
