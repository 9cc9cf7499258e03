"""What keys, menus and scripts do with the console."""

from typing import Any

import napari
import numpy as np

from ...base import DisplayError
from ...display.presets import preset
from .. import compat
from ..link import Link, shown_by
from ..preferences import PLUGIN
from ..remembered import own_presets

__all__ = ["WIDGET", "apply_preset", "open_console", "part_at"]

WIDGET = "Scanner console"
"""Name of the dock in the manifest."""


def open_console(viewer: napari.Viewer) -> Any:
    """Open the console beside a viewer, or bring it to the front; returns its dock."""
    real = compat.real_viewer(viewer)
    dock, _ = real.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    dock.raise_()
    return dock


def apply_preset(viewer: Any, link: Link, name: str, part: str | None = None) -> None:
    """Set the window of a scan to a preset of the table or one of the user's own.

    A preset per part is that of `part`, by default of the part at the cursor.

    Raises
    ------
    DisplayError
        There is no such preset, or no part at the cursor.
    """
    own = own_presets() if name.startswith("my-") else ()
    wanted = preset(name, own)
    if wanted.per_part and part is None:
        part = part_at(viewer, link)
        if part is None:
            raise DisplayError(
                f"The preset {wanted.title!r} needs a part: put the cursor on one, it is in the "
                "air now."
            )
    link.console.apply_preset(wanted, part, own)


def part_at(viewer: Any, link: Link) -> str | None:
    """The part at the cursor of a viewer: under the mouse, else what the slice shows.

    In 3-D it is that of the cursor that all views share. None in the air.
    """
    viewer = compat.real_viewer(viewer)
    layer = next((one for one in viewer.layers if shown_by(one) is link), None)
    if layer is None:
        return None
    places = [link.cursor.position]
    if viewer.dims.ndisplay == 2:
        shift = viewer.dims.ndim - layer.ndim
        point = np.array(viewer.dims.point, float)
        mouse = np.array(viewer.cursor.position, float)
        shown = list(viewer.dims.displayed)
        under = point.copy()
        if len(mouse) == len(point):
            under[shown] = mouse[shown]
        places = [
            tuple(int(v) for v in np.rint(np.asarray(layer.world_to_data(at[shift:]), float)))
            for at in (under, point)
        ]
    found = (link.part_at(voxel) for voxel in places)
    return next((part for part in found if part is not None), None)
