"""The planes through a place of a volume, in words."""

from collections.abc import Sequence

from ..volume.address import Address, part_title
from ..volume.volume import Volume

__all__ = [
    "BODY_PLANES",
    "PLANES",
    "UNIT_NAMES",
    "crossing",
    "plane_caption",
    "position_caption",
    "section_caption",
]

PLANES = ("axial", "coronal", "sagittal")
"""What the planes at a fixed third-last, second-last and last axis are called."""

BODY_PLANES = {"section": "axial", "channel": "coronal", "unit": "sagittal"}
"""What a slice of a body at a fixed section, channel or unit is called."""

UNIT_NAMES = ("head", "neuron", "token", "position")
"""What a unit of a part may be, as an `Address` names it; at most one is set beside heads."""


def plane_caption(
    volume: Volume, axis: int, position: Sequence[int], address: Address | None
) -> str:
    """What a plane shows: its name, where it lies and what it crosses.

    For example ``"axial · section 18 of 212 · L3 K head 4"``, ``"coronal · channel 447"``
    or ``"sagittal · unit 100 · head 1"``.

    Parameters
    ----------
    axis
        The axis that is fixed.
    position
        A voxel in the plane: the cursor.
    address
        The parameter at `position`, None in air.
    """
    words = [BODY_PLANES.get(volume.axes[axis], "")] if volume.core is not None else []
    words.append(position_caption(volume, axis, position[axis]))
    words.append(crossing(volume, axis, position, address))
    return " · ".join(word for word in words if word)


def position_caption(volume: Volume, axis: int, index: int) -> str:
    """Where a plane lies on its axis: ``"section 18 of 212"``, ``"channel 800 (margin)"``.

    The axes of a body that count channels and units say no length: sections are
    counted through, a channel is an identity.
    """
    name, length = volume.axes[axis], volume.shape[axis]
    if axis < volume.lead:
        return f"{volume.lead_title(index)} ({index + 1} of {length})"
    if volume.core is None or volume.axes[axis] == "section":
        return f"{name} {index} of {length}"
    stop = volume.core[axis].stop or length
    return f"{name} {index}" if index < stop else f"{name} {index} (margin)"


def section_caption(volume: Volume, section: int) -> str:
    """What a section shows; a matrix that has its section for itself needs no count."""
    return volume.caption(section).removesuffix(" 1/1")


def crossing(volume: Volume, axis: int, position: Sequence[int], address: Address | None) -> str:
    """What of the model a plane meets at the cursor; empty where there is nothing to add."""
    if volume.layout.name == "experts" and axis == 0 and address is None:
        return volume.caption(position[axis])
    if volume.core is None:
        if address is None or address.role == "other":
            return "" if address is None else address.part
        return part_title(address.role, address.layer, address.expert)
    name = volume.axes[axis]
    if name == "section":
        title = section_caption(volume, position[axis])
        head = "" if address is None or address.head is None else f" head {address.head}"
        return title + head
    if name == "unit" and address is not None:
        found = ((word, getattr(address, word)) for word in UNIT_NAMES)
        return next((f"{word} {index}" for word, index in found if index is not None), "")
    return ""
