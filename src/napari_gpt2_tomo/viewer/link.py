"""What ties the layers of one volume to the scan that they show.

The link travels in ``layer.metadata``, so it survives whatever adds the layer
to a viewer: drag and drop, the command line, a script, napari's *Duplicate*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

import numpy as np
from psygnal import Signal

from ..display.console import Console, Region
from ..display.cursor import Cursor
from ..display.pins import Pins
from ..volume.reading.boxed import boxed, coarse_box
from ..volume.volume import Volume
from .live import LiveLevel, PlayedLevel
from .masks import Masks

if TYPE_CHECKING:
    from ..facade import Scan
    from .refine import Refinement
    from .remote.arrivals import Arrivals
    from .work import Job

__all__ = [
    "KEY",
    "OWNER",
    "Link",
    "ScanLink",
    "Shown",
    "link_of",
    "links",
    "owner_of",
    "shown_by",
]

KEY = "napari-gpt2-tomo"
"""Where a layer's metadata holds its link."""

OWNER = "napari-gpt2-tomo.of"
"""Where the metadata of a layer that shows something else of a scan holds its link."""

_links: "WeakSet[ScanLink]" = WeakSet()


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A volume, and the levels of its voxels and its atlas as layers slice them, finest first."""

    volume: Volume
    levels: list[LiveLevel]
    atlas: list[LiveLevel]


class Link(Protocol):
    """What layers show, and how: what the window of a console needs to know of it.

    Attributes
    ----------
    name
        What it is called on screen.
    noun
        What its values are, in the plural.
    layers
        Layers that are in a viewer.
    """

    name: str
    noun: str
    layers: "WeakSet[Any]"

    @property
    def console(self) -> Console:
        """How it is shown, in every viewer."""

    @property
    def cursor(self) -> Cursor:
        """The voxel that all views of it share."""

    @property
    def parts(self) -> Sequence[str]:
        """Names of its parts."""

    @property
    def about(self) -> str:
        """What it is, in a line."""

    def part_at(self, voxel: Sequence[int]) -> str | None:
        """The part of a voxel; None in air and outside."""


class ScanLink:
    """One volume of a scan as layers see it.

    Parameters
    ----------
    scan
        Where the volume comes from.
    volume
        What is shown.
    owned
        Whether the scan was opened for the layers and is to be closed with the last of them.
    name
        What the scan is called on screen; its own name by default.

    Attributes
    ----------
    levels, atlas
        What image and labels layers slice, finest first.
    margins
        Whether the margins of a body are shown in 3-D.
    layers
        Layers that are in a viewer.
    refinement
        The work that makes the volume better, once a viewer shows it.
    switching
        The work that prepares another volume, see `switch`.
    switched
        Signal, emitted once all layers show another volume than before.
    """

    switched = Signal()
    noun = "weights"

    def __init__(
        self, scan: "Scan", volume: Volume, *, owned: bool, name: str | None = None
    ) -> None:
        self.scan = scan
        self.name = name or scan.name
        self.owned = owned
        self.margins = False
        self.layers: WeakSet[Any] = WeakSet()
        self.refinement: Refinement | None = None
        self.switching: Job | None = None
        self.show(self.prepare(volume))
        _links.add(self)

    def prepare(self, volume: Volume) -> Shown:
        """The levels of a volume of the scan, for `show`; may be called from any thread."""
        shapes = [volume.layout.level_shape(i) for i in range(len(volume.factors))]
        # napari maps wider labels to colours by a table of its own, which takes
        # seconds to compile the first time; narrow ones go to the GPU as they are.
        label = np.min_scalar_type(len(volume.atlas.regions))
        label = label if label.itemsize <= 2 else np.dtype(np.int32)

        def level(source: Any, i: int, dtype: Any) -> LiveLevel:
            present = partial(source, volume, i)
            if volume.lead:
                return PlayedLevel(present, shapes[i], dtype, i, lambda: volume.present)
            return LiveLevel(present, shapes[i], dtype, i)

        return Shown(
            volume,
            [level(self._displayed, i, np.float32) for i in range(len(shapes))],
            [level(self._labels, i, label) for i in range(len(shapes))],
        )

    def show(self, shown: Shown) -> None:
        """Be the link of another volume of the scan.

        Layers show what they did until they are given the new levels, see `switch`.
        """
        self.volume, self.levels, self.atlas = shown.volume, shown.levels, shown.atlas
        self.__dict__.pop("weights", None)

    @cached_property
    def cursor(self) -> Cursor:
        """The voxel that all views of the volume share; at first its middle, margins apart."""
        core = self.volume.core or (slice(None),) * self.volume.ndim
        lengths = [len(range(*c.indices(n))) for c, n in zip(core, self.volume.shape, strict=True)]
        cursor = Cursor(self.volume.shape, [n // 2 for n in lengths])
        self.volume.attend(cursor.position)
        cursor.moved.connect(self._look_at)
        return cursor

    def _look_at(self, position: tuple[int, ...]) -> None:
        self.volume.attend(position)

    @cached_property
    def console(self) -> Console:
        """How the volume is shown, in every viewer."""
        console = Console.of(self.volume)
        console.events.region.connect(self._cut)
        return console

    def _cut(self) -> None:
        from .session import show_again

        show_again(self)

    @cached_property
    def weights(self) -> Volume:
        """The same voxels showing the weights themselves, for reading exact values."""
        return self.volume.weights()

    @cached_property
    def masks(self) -> Masks:
        """What makes the layers follow the hidden and tinted parts of the console."""
        return Masks(self)

    @cached_property
    def arrivals(self) -> "Arrivals":
        """What fetches the slices of a model on a server."""
        from .remote.arrivals import Arrivals

        return Arrivals(self)

    @cached_property
    def pins(self) -> Pins:
        """The pinned probes of the scan."""
        return Pins()

    @property
    def parts(self) -> list[str]:
        """Names of the parts of the scan."""
        return [part.name for part in self.volume.anatomy.parts]

    @property
    def about(self) -> str:
        """What is shown, in a line."""
        volume = self.volume
        shape = " × ".join(map(str, volume.core_shape))
        return f"{volume.layout.name} · {volume.signal.replace('_', ' ')} · {shape}"

    def part_at(self, voxel: Sequence[int]) -> str | None:
        """The part of a voxel of level 0; None in air and outside."""
        if not all(0 <= v < n for v, n in zip(voxel, self.volume.shape, strict=True)):
            return None
        found = self.volume.layout.place(voxel)
        return None if found is None else self.volume.anatomy.parts[found.part].name

    @property
    def region(self) -> Region | None:
        """What of the console's region lies in the volume; None where all is shown."""
        return self._region_of(self.volume)

    def _region_of(self, volume: Volume) -> Region | None:
        # Whoever draws in a thread must not be the one who makes the console.
        console: Console | None = self.__dict__.get("console")
        region = None if console is None else console.region
        if region is None or len(region) != volume.ndim:
            return None
        box = tuple((a, min(b, n)) for (a, b), n in zip(region, volume.shape, strict=True))
        return box if all(a < b for a, b in box) else None

    def _displayed(self, volume: Volume, level: int) -> Any:
        """A level as it is known now and as the console cuts it, for whoever draws it."""
        if not self.layers:
            # Somebody slices a layer that no session knows: it was perhaps put into
            # a viewer that did not exist when the scan was opened.
            from .session import watch_soon

            watch_soon()
        present = volume.overview.displayed(level)
        if volume.still.checkpoint.is_remote:
            present = self.arrivals.over(present, volume, level)
        return self._as_shown(present, volume, level, np.float32)

    def _labels(self, volume: Volume, level: int) -> Any:
        """The labels of a level as the console cuts them."""
        return self._as_shown(volume.atlas.level(level), volume, level, np.int32)

    def _as_shown(self, present: Any, volume: Volume, level: int, dtype: Any) -> Any:
        masks: Masks | None = self.__dict__.get("masks")
        if masks is not None:
            present = masks.apply(present, volume, level)
        box = self._region_of(volume)
        if box is None:
            return present
        inner = coarse_box(box, volume.factors[level])
        return boxed(present, volume.layout.level_shape(level), dtype, inner)

    def __copy__(self) -> "ScanLink":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "ScanLink":
        # A copied layer shows the same scan.
        return self

    def __repr__(self) -> str:
        return f"<ScanLink {self.name} · {self.volume.layout.name} · {self.volume.signal}>"


def link_of(layer: Any) -> ScanLink | None:
    """The link of a layer that this plugin made; None for any other layer."""
    found = getattr(layer, "metadata", {}).get(KEY)
    return found if isinstance(found, ScanLink) else None


def shown_by(layer: Any) -> Link | None:
    """What a layer that this plugin made shows, a scan or something else; None for any other."""
    found = getattr(layer, "metadata", {}).get(KEY)
    # Others may use the key too: what has a console is ours.
    return found if isinstance(getattr(found, "console", None), Console) else None


def owner_of(layer: Any) -> ScanLink | None:
    """The link of a layer that shows a scan or something of it: a region, a plane, points."""
    found = getattr(layer, "metadata", {}).get(OWNER)
    return found if isinstance(found, ScanLink) else link_of(layer)


def links() -> list[ScanLink]:
    """Every link of this process."""
    return list(_links)
