"""The cursor of a volume and the sliders of viewers."""

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from ...volume.counterpart import counterpart
from ...volume.volume import Volume
from ..link import ScanLink, link_of
from ..probe import Probe
from ..session import session_of

__all__ = ["Last", "layers_of", "probe_of", "set_sliders", "slider_indices"]


def probe_of(viewer: Any) -> Probe | None:
    """What writes on a viewer's canvas; None while it shows no scan."""
    session = session_of(viewer)
    return None if session is None else session.probe


def layers_of(viewer: Any, link: ScanLink) -> list[Any]:
    """The images and atlases of a volume in a viewer, images first."""
    from napari.layers import Image, Labels

    own = [layer for layer in viewer.layers if link_of(layer) is link]
    return [layer for kind in (Image, Labels) for layer in own if isinstance(layer, kind)]


def slider_indices(viewer: Any, layer: Any) -> dict[int, int]:
    """Where a viewer's sliders are: axis of the layer → voxel of level 0, displayed axes apart."""
    dims = viewer.dims
    shift = dims.ndim - layer.ndim
    voxel = np.rint(np.asarray(layer.world_to_data(dims.point[shift:]), float))
    fixed = [axis - shift for axis in dims.not_displayed if axis >= shift]
    return {axis: int(voxel[axis]) for axis in fixed}


def set_sliders(viewer: Any, layer: Any, world: Sequence[float]) -> None:
    """Show the slice through a place, given in the world as the layer sees it.

    Displayed axes are left alone: moving them would read and upload the picture again.
    """
    dims = viewer.dims
    shift = dims.ndim - layer.ndim
    fixed = [axis for axis in dims.not_displayed if axis >= shift]
    wanted = [float(world[axis - shift]) for axis in fixed]
    if any(dims.point[axis] != at for axis, at in zip(fixed, wanted, strict=True)):
        dims.set_point(fixed, wanted)


class Last:
    """Where the cursor was, for a volume that takes the place of another. Keeps nothing alive."""

    def __init__(self, link: ScanLink, position: tuple[int, ...]) -> None:
        self._link = ref(link)
        self._scan = ref(link.scan)
        self._volume = ref(link.volume)
        self._position = position

    def carry(self, link: ScanLink) -> None:
        """Put the cursor of a link on the parameter that it was on in the last one.

        Only between volumes of one scan: another scan has its own place.
        """
        before, cursor = self._volume(), link.cursor
        volume: Volume = link.volume
        if before is None or before is volume or self._scan() is not link.scan:
            return
        if self._link() is link and cursor.shape == volume.shape:
            # Whoever changed the volume has placed the cursor too.
            return
        cursor.enter(volume.shape, counterpart(self._position, before, volume))
