"""Everything that leans on napari's private or version-bound behaviour, in one place.

Each entry says why it is needed and when it can go. Tried with napari 0.9.2 and vispy 0.17.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "canvas_of",
    "canvas_view_of",
    "clip_point",
    "draws_of",
    "keep_context",
    "max_texture_3d",
    "multiscale",
    "open_viewers",
    "plane_point",
    "qt_viewer_of",
    "real_viewer",
    "renew",
    "replace_data",
    "scene_of",
    "scene_to_canvas",
    "settle_size",
]

SAFE_TEXTURE_3D = 2048
"""Voxels a side that every desktop GPU of the last decade takes in a 3-D texture."""


def max_texture_3d() -> int:
    """Longest side in voxels of a 3-D texture on this machine's GPU.

    Needed because locking a level beyond it raises and leaves the layer stuck;
    napari has no public query. Goes when napari refuses such a level itself.
    Call it only while a viewer's canvas exists: without one, napari makes a
    canvas of its own to ask.
    """
    try:
        from napari._vispy.utils.gl import get_max_texture_sizes
    except ImportError:
        return SAFE_TEXTURE_3D
    return int(get_max_texture_sizes()[1] or SAFE_TEXTURE_3D)


def clip_point(layer: Any, point: Sequence[float], displayed: Sequence[int]) -> tuple[float, ...]:
    """The `position` that a clipping plane needs to lie at `point` (data, displayed axes).

    napari documents data coordinates but hands the numbers to vispy, which
    takes them in the coordinates of the scene, so scale and translation must be
    applied here. Goes when napari transforms them.
    """
    data = np.zeros(layer.ndim)
    data[list(displayed)] = point
    world = layer.data_to_world(data)
    return tuple(float(world[axis]) for axis in displayed)


def plane_point(layer: Any, displayed: Sequence[int]) -> NDArray[np.float64]:
    """Where the plane of ``depiction="plane"`` is drawn: data coordinates, displayed axes.

    napari documents data coordinates but vispy takes the numbers as voxels of
    the level that is drawn. Goes when napari divides them by the level's factors.
    """
    all_factors: NDArray[np.float64] = np.asarray(layer.downsample_factors, np.float64)
    factors = all_factors[layer.data_level][list(displayed)]
    point: NDArray[np.float64] = np.asarray(layer.plane.position, np.float64)
    drawn: NDArray[np.float64] = (point + 0.5) * factors - 0.5
    return drawn


def real_viewer(viewer: Any) -> Any:
    """The viewer itself where a plugin was handed napari's proxy of it.

    Sessions are kept by viewer, and the proxy is another object. Goes when
    proxies compare and hash like what they stand for.
    """
    return getattr(viewer, "__wrapped__", viewer)


def open_viewers() -> list[Any]:
    """Every viewer model that has a canvas in this process; empty without Qt.

    `napari.current_viewer` knows only the newest window, and a file may be
    opened in another. Goes when napari lists its viewers.
    """
    return [canvas.viewer for canvas in _qt_viewers()]


def keep_context(viewer: Any) -> None:
    """Make the GL context of a viewer's canvas current; call it before a layer is removed.

    The textures of a removed layer are otherwise deleted in whichever context
    was drawn last, which crashes Mesa. Goes when napari does so itself.
    """
    for canvas in _qt_viewers():
        if canvas.viewer is viewer:
            canvas.canvas.native.makeCurrent()


def qt_viewer_of(viewer: Any) -> Any:
    """The widget that shows a viewer, None if it has none.

    napari's own way, ``window.qt_viewer``, warns that it goes. Goes itself when
    napari says how to find the widget.
    """
    return next((canvas for canvas in _qt_viewers() if canvas.viewer is viewer), None)


def scene_of(qt_viewer: Any) -> Any:
    """The vispy node that holds what a viewer draws, in world coordinates, last axis first.

    For marks that are no layers: a layer would stand in the list, change the
    extent of the axes and be saved with the data. Goes when napari has overlays
    of lines.
    """
    return qt_viewer.canvas.view.scene


def canvas_view_of(qt_viewer: Any) -> Any:
    """The vispy node that holds what lies over a viewer's picture, in pixels of its canvas.

    Goes when napari names what lies on an axis, or has overlays that a plugin may add.
    """
    return qt_viewer.canvas.view


def scene_to_canvas(qt_viewer: Any) -> Any:
    """The vispy transform from world coordinates, last axis first, to pixels of the canvas.

    Goes when napari tells where on the canvas a point of the world is drawn.
    """
    view = qt_viewer.canvas.view
    return view.scene.node_transform(view)


def canvas_of(qt_viewer: Any) -> Any:
    """The Qt widget that is drawn on, to put a label on it.

    Goes when napari has overlays of text that any plugin may add.
    """
    return qt_viewer.canvas.native


def draws_of(qt_viewer: Any) -> Any:
    """The event of a canvas that it is drawn; vispy's, napari has none of its own."""
    return qt_viewer.canvas.events.draw


def settle_size(qt_viewer: Any) -> None:
    """Let a canvas that nobody sees take the size that it was given.

    Qt tells hidden widgets of a new size when they are shown, and what is drawn
    into the buffer of the old size is torn. Goes when napari's screenshots of
    hidden viewers have the size that is asked for.
    """
    from qtpy.QtGui import QResizeEvent
    from qtpy.QtWidgets import QApplication

    native = qt_viewer.canvas.native
    if not native.isVisible():
        QApplication.sendEvent(native, QResizeEvent(native.size(), native.size()))


def slice_once(viewer: Any) -> None:
    """Let a viewer look for new slices once for a step of its sliders, not twice.

    napari listens to the place in the world and to the step that is computed from
    it, since validation may change the one without an event (its "FIXME" in
    `ViewerModel`). For a viewer whose sliders are only ever set to places in
    range. Goes when napari's does.
    """
    viewer.dims.events.current_step.disconnect(viewer)


def renew(layer: Any) -> None:
    """Read again what a layer shows, keeping its level, its camera and its limits.

    Two-dimensional multiscale layers remember their thumbnail level for ever,
    three-dimensional ones do not. Goes when `Layer.refresh` forgets it.
    """
    if layer.ndim == 2 and hasattr(layer, "_reset_thumbnail_level_data"):
        layer._reset_thumbnail_level_data()
    layer.refresh(extent=False)


def multiscale(levels: Sequence[Any]) -> Any:
    """Levels as the data of a multiscale layer, even where there is only one.

    napari takes a list of one for a stack of its first axis, and a layer that was
    not multiscale at first never becomes so. Goes when napari believes
    ``multiscale=True``.
    """
    from napari.layers._multiscale_data import MultiScaleData

    return MultiScaleData(levels)


def replace_data(layer: Any, levels: Sequence[Any], scale: Sequence[float]) -> None:
    """Give a multiscale layer other levels and proportions; the number of axes may be another.

    napari slices at once with the corners of the former data, which fails if they
    have fewer axes, and a layer that is hidden tells its viewer the extent of the
    former data until it is scaled. Goes when `layer.data` forgets both.
    """
    layer.corner_pixels = np.zeros((2, levels[0].ndim), int)
    with layer.events.data.blocker():
        layer.data = multiscale(levels)
    layer.scale = scale
    layer.events.data(value=layer.data)


def _qt_viewers() -> list[Any]:
    try:
        from napari.qt import QtViewer
        from qtpy.QtWidgets import QApplication
    except ImportError:
        return []
    app = QApplication.instance()
    if app is None:
        return []
    found = (
        child
        for window in app.topLevelWidgets()
        for child in (*window.findChildren(QtViewer), window)
    )
    return list(dict.fromkeys(child for child in found if isinstance(child, QtViewer)))
