"""What of a viewer can be saved as a selection: the part, slice, region or rectangle looked at."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..base import TomoError
from ..export.selection import Selection, select
from ..volume.layouts.layout import Box
from .layers import is_image
from .link import ScanLink, link_of
from .reading import voxel_at
from .volume3d.region import visible_box

__all__ = ["Offer", "offers"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be saved.

    Attributes
    ----------
    title
        What it is, in a few words.
    selection
        Its voxels, with the weights as values.
    """

    title: str
    selection: Selection

    def showing(self, link: ScanLink, signal: str | None) -> Selection:
        """The selection with a signal of its weights as values, or the weights themselves."""
        if signal is None:
            return self.selection
        return replace(self.selection, signal=signal, statistics=link.volume.still.statistics)


def offers(viewer: Any, link: ScanLink) -> list[Offer]:
    """What can be saved of what a viewer looks at, the most likely first."""
    volume = link.volume.still
    lead = link.volume.ndim - volume.ndim
    found: list[Offer] = []

    def offer(title: str, **place: Any) -> None:
        try:
            selection = select(volume, **place)
        except TomoError:
            return  # Air, or a layout that has no such thing: it is not offered.
        found.append(Offer(f"{title}: {selection.title}", selection))

    image = next((x for x in viewer.layers if link_of(x) is link and is_image(x)), None)
    at = link.cursor.position
    if image is not None and viewer.dims.ndisplay == 2:
        fixed = voxel_at(image, viewer.dims.point[viewer.dims.ndim - image.ndim :])
        shown = {axis - viewer.dims.ndim + image.ndim for axis in viewer.dims.displayed}
        at = tuple(at[i] if i in shown else fixed[i] for i in range(image.ndim))
    if link.region is not None:
        offer("Region", box=link.region[lead:])
    rectangle = _rectangle(viewer, image, link) if image is not None else None
    if rectangle is not None:
        offer("Rectangle", box=rectangle[lead:])
    part = link.part_at(at)
    if part is not None:
        offer("Part", part=part)
    if image is not None:
        displayed = [axis - viewer.dims.ndim + image.ndim for axis in viewer.dims.displayed]
        plane = sorted(displayed[-2:])
        if viewer.dims.ndisplay == 3 or plane == [image.ndim - 2, image.ndim - 1]:
            offer("Section", section=at[lead:-2])
        else:
            offer("Slice", box=_plane(at, plane, link)[lead:])
        if viewer.dims.ndisplay == 2:
            box = dict(enumerate(_plane(at, plane, link))) | visible_box(viewer, image)
            if all(a < b for a, b in box.values()):
                offer("In view", box=[box[axis] for axis in range(image.ndim)][lead:])
    return found


def _plane(at: tuple[int, ...], displayed: list[int], link: ScanLink) -> Box:
    """All voxels along the axes of the picture, at one place of the others."""
    return tuple(
        (0, n) if axis in displayed else (at[axis], at[axis] + 1)
        for axis, n in enumerate(link.volume.shape)
    )


def _rectangle(viewer: Any, image: Any, link: ScanLink) -> Box | None:
    """The box of the selected shape of the active layer, or of the last one that was drawn."""
    from napari.layers import Shapes

    layer = viewer.layers.selection.active
    if not isinstance(layer, Shapes) or not layer.data:
        return None
    chosen = sorted(layer.selected_data) or [len(layer.data) - 1]
    to_image: Callable[[Any], Any] = image.world_to_data
    corners = np.array([to_image(layer.data_to_world(p)) for p in layer.data[chosen[-1]]], float)
    low = np.rint(corners.min(axis=0)).astype(int)
    high = np.rint(corners.max(axis=0)).astype(int) + 1
    shape = np.array(link.volume.shape)
    low, high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    if (low >= high).any():
        return None
    return tuple((int(a), int(b)) for a, b in zip(low, high, strict=True))
