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

__all__ = ["Glance", "Offer", "glance", "offers"]


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


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What of a scan a viewer looks at.

    Attributes
    ----------
    link, image
        The scan and its layer.
    at
        The voxel of the volume that is looked at.
    place
        The same voxel in the volume of one checkpoint, see `Volume.still`.
    axes
        The axes of that volume that run along the picture, or the last two in 3-D.
    """

    link: ScanLink
    image: Any
    at: tuple[int, ...]
    place: tuple[int, ...]
    axes: tuple[int, int]

    @property
    def is_section(self) -> bool:
        """Whether the last two axes are seen, as in a section of a body."""
        return self.axes == (len(self.place) - 2, len(self.place) - 1)

    @property
    def title(self) -> str:
        """The plane in a few words."""
        volume = self.link.volume.still
        caption = volume.caption(self.place[0]).removesuffix(" 1/1") if self.is_section else ""
        fixed = [i for i in range(volume.ndim) if i not in self.axes]
        words = [f"{volume.axes[i]} {self.place[i]}" for i in fixed]
        return " · ".join([*words, *([caption] if caption else [])])


def glance(viewer: Any, link: ScanLink) -> Glance | None:
    """What of a scan a viewer looks at; None if it does not show the scan."""
    image = next((x for x in viewer.layers if link_of(x) is link and is_image(x)), None)
    if image is None:
        return None
    lead = link.volume.ndim - link.volume.still.ndim
    shift = viewer.dims.ndim - image.ndim
    at = link.cursor.position
    axes = (image.ndim - 2, image.ndim - 1)
    if viewer.dims.ndisplay == 2:
        fixed = voxel_at(image, viewer.dims.point[shift:])
        first, second = sorted(axis - shift for axis in viewer.dims.displayed)
        axes = (first, second)
        at = tuple(at[i] if i in axes else fixed[i] for i in range(image.ndim))
    at = tuple(min(max(i, 0), n - 1) for i, n in zip(at, link.volume.shape, strict=True))
    return Glance(link, image, at, at[lead:], (axes[0] - lead, axes[1] - lead))


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

    if link.region is not None:
        offer("Region", box=link.region[lead:])
    seen = glance(viewer, link)
    if seen is None:
        return found
    rectangle = _rectangle(viewer, seen.image, link)
    if rectangle is not None:
        offer("Rectangle", box=rectangle[lead:])
    part = link.part_at(seen.at)
    if part is not None:
        offer("Part", part=part)
    plane = _plane(seen, volume.shape)
    if seen.is_section:
        offer("Section", section=seen.place[:-2])
    else:
        offer("Slice", box=plane)
    if viewer.dims.ndisplay == 2:
        inner = {axis - lead: ends for axis, ends in visible_box(viewer, seen.image).items()}
        box = [inner.get(axis, ends) for axis, ends in enumerate(plane)]
        if all(a < b for a, b in box):
            offer("In view", box=box)
    return found


def _plane(seen: Glance, shape: tuple[int, ...]) -> Box:
    """All voxels along the axes of the picture, at one place of the others."""
    return tuple(
        (0, n) if axis in seen.axes else (seen.place[axis], seen.place[axis] + 1)
        for axis, n in enumerate(shape)
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
