"""How a viewer stands to a volume: the usual view of it, and its axes."""

from typing import Any

from .. import compat
from ..layers import is_image
from ..link import ScanLink, link_of

__all__ = ["reset_view", "show_axes", "shows_axes"]


def reset_view(viewer: Any, link: ScanLink) -> None:
    """See all that is shown of a scan: in 2-D the section, in 3-D the volume from a corner.

    A region is seen as large as the whole volume is otherwise.
    """
    from ..session import CORNER, session_of

    viewer = compat.real_viewer(viewer)
    session = session_of(viewer)
    layers = [layer for layer in viewer.layers if link_of(layer) is link and is_image(layer)]
    if session is not None and viewer.dims.ndisplay == 3:
        viewer.scene.camera.angles = CORNER
        blocks = [session.scenes[layer].focus.layer for layer in layers if layer in session.scenes]
        layers = [block for block in blocks if block is not None] or layers
    viewer.fit_to_view(layers=layers)


def show_axes(viewer: Any, visible: bool = True) -> None:
    """Draw the axes of a viewer with their names, or take them away."""
    compat.real_viewer(viewer).scene.overlays.axes.visible = visible


def shows_axes(viewer: Any) -> bool:
    """Whether a viewer draws its axes."""
    return bool(compat.real_viewer(viewer).scene.overlays.axes.visible)
