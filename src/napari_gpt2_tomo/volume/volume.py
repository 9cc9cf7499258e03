"""A volume: one checkpoint in one layout, showing one signal."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.anatomy import Anatomy
from ..anatomy.part import Part
from ..base import LayoutError, Progress
from ..checkpoint.tensor import Checkpoint, LazyTensor
from .address import Address, describe, part_title
from .atlas import Atlas, Region
from .layouts.blocks import heads_layout, tensor_layout
from .layouts.body import BodyLayout, body_fits, body_layout
from .layouts.experts import ALL_ROLES, ExpertsLayout, experts_layout
from .layouts.layout import Box, Layout
from .overview.overview import Overview
from .reading.reader import LevelReader, make_reader
from .reading.signal import NEED_STATISTICS, make_signal, resolve_reduction
from .reading.virtual import VirtualVolume
from .statistics.summary import Statistics

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["LAYOUTS", "USUAL_ROLE", "Volume", "make_layout"]

LAYOUTS = ("body", "cube", "tensor", "heads", "experts", "circuits")

USUAL_ROLE: Mapping[str, str] = {"heads": "q", "experts": ALL_ROLES, "circuits": "qk"}
"""Role that a layout shows if none is asked for."""


def make_layout(
    name: str,
    anatomy: Anatomy,
    tensor_shapes: dict[str, tuple[int, ...]],
    *,
    tensor: str | None = None,
    role: str | None = None,
) -> Layout:
    """The layout of this name; ``"auto"`` is the body where it fits, else the cube."""
    if name == "auto":
        name = "body" if body_fits(anatomy) else "cube"
    if name == "body":
        return body_layout(anatomy, tensor_shapes)
    if name == "cube":
        from .layouts.cube import CubeLayout

        return CubeLayout(anatomy, tensor_shapes)
    if name == "tensor":
        if tensor is None:
            raise LayoutError("The layout 'tensor' shows one tensor: give its name as tensor=….")
        return tensor_layout(anatomy, tensor_shapes, tensor)
    if name == "heads":
        return heads_layout(anatomy, tensor_shapes, role or USUAL_ROLE[name])
    if name == "experts":
        return experts_layout(anatomy, tensor_shapes, role or USUAL_ROLE[name])
    raise LayoutError(f"There is no layout {name!r}; choose one of {LAYOUTS} or 'auto'.")


class Volume:
    """Voxels of a checkpoint, computed where they are looked at.

    Attributes
    ----------
    checkpoint, anatomy
        Where the weights are, and what they are.
    layout
        The map parameter ⇄ voxel.
    signal, reduction
        What a voxel shows, and how a coarse voxel sums up fine ones.
    overview
        The coarse levels in the user's cache.
    lead
        Axes in front of those of the layout: 0, or 1 where the first one counts the steps of a
        series.
    present
        Index along the leading axis that is looked at, see `attend`.
    """

    dtype = np.dtype(np.float32)
    lead = 0
    present = 0

    def __init__(
        self,
        checkpoint: Checkpoint,
        anatomy: Anatomy,
        layout: Layout,
        signal: str,
        reduction: str | None,
        statistics: Statistics | Callable[[], Statistics],
    ) -> None:
        self.checkpoint = checkpoint
        self.anatomy = anatomy
        self.layout = layout
        self.signal, self.reduction = resolve_reduction(signal, reduction)
        self._statistics = statistics
        # What needs none must not wait until some are read.
        needed = self._given if self.signal in NEED_STATISTICS else None
        rule = make_signal(self.signal, anatomy, needed)
        self.reader: LevelReader = make_reader(layout, checkpoint, rule, self.reduction)
        self.overview = Overview(checkpoint, self.reader, rule, self.reduction)

    @cached_property
    def _given(self) -> Statistics:
        given = self._statistics
        return given if isinstance(given, Statistics) else given()

    @property
    def still(self) -> "Volume":
        """A volume of one checkpoint: this one, or of a series the step that is looked at."""
        return self

    def attend(self, voxel: Sequence[int]) -> None:
        """Be looked at at a voxel: of a series its step is the one that is meant from now on."""

    def lead_title(self, index: int) -> str:
        """What an index of the leading axis is, e.g. ``"step 250"``; see `lead`."""
        return ""

    def weights(self) -> "Volume":
        """The same voxels showing the weights themselves, for reading exact values."""
        if self.signal == "signed":
            return self
        return Volume(self.checkpoint, self.anatomy, self.layout, "signed", None, self.statistics)

    def sources(self, part: Part) -> tuple[LazyTensor, ...]:
        """The stored tensors that the values of a part come from."""
        return (self.checkpoint[part.tensor],)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of level 0 per axis."""
        return self.layout.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.layout.ndim

    @property
    def axes(self) -> tuple[str, ...]:
        """Name of each axis."""
        return self.layout.axes

    @property
    def factors(self) -> tuple[tuple[int, ...], ...]:
        """Level-0 voxels per voxel and axis of each level, finest first."""
        return self.layout.factors

    @property
    def core(self) -> tuple[slice, ...] | None:
        """Slices of level 0 that leave the margins out; None if the layout has no margins."""
        return self.layout.core if isinstance(self.layout, BodyLayout) else None

    @property
    def core_shape(self) -> tuple[int, ...]:
        """Voxels of level 0 per axis without margins and padding."""
        core = self.core or (slice(None),) * self.ndim
        return tuple(len(range(*c.indices(n))) for c, n in zip(core, self.shape, strict=True))

    @property
    def statistics(self) -> Statistics:
        """Statistics of the weights: exact once the overview is refined, before it an estimate."""
        return self.overview.statistics or self._given

    def window(self, low: float = 0.1, high: float = 99.9) -> tuple[float, float]:
        """Display limits between two percentiles of the signal; see `Statistics.window`."""
        return self.statistics.window(self.signal, low, high)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest finite value of the signal."""
        return self.statistics.range(self.signal)

    def level(self, level: int) -> VirtualVolume:
        """One level as an array-like, float32. Coarse levels are exact: the first read of one
        whose overview is not in the cache reads the whole checkpoint.
        """
        return self.overview.level(level)

    @cached_property
    def levels(self) -> "Sequence[da.Array]":
        """Every level as a lazy dask array, float32, finest first; exact, see `level`."""
        from .reading.lazy import dask_level

        return [
            dask_level(self.level(i), f"{self.overview.token}-{i}")
            for i in range(len(self.factors))
        ]

    def displayed(self) -> "Sequence[da.Array]":
        """Every level as a dask array, as well as it is known now and without long work.

        Until `Overview.quick_look` or `Overview.refine` has run the coarsest
        levels are air, then a quick look, then exact. Each state has its own
        dask tokens: call this again after a change of ``overview.state``.
        """
        from .reading.lazy import dask_level

        state = self.overview.state
        return [
            dask_level(self.overview.displayed(i), f"{self.overview.token}-{state}-{i}")
            for i in range(len(self.factors))
        ]

    def missing_bytes(self, box: Box, level: int = 0) -> int:
        """Bytes that reading a box of a level would bring from a server.

        0 for what lies on this machine, in the cache of remote files or in the overview.
        """
        return self.overview.missing_bytes(box, level)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Voxels of level 0."""
        return self.level(0)[index]

    def refine(self, progress: Progress | None = None) -> None:
        """Compute the overview, if the cache does not hold it yet."""
        self.overview.refine(progress)

    @cached_property
    def atlas(self) -> Atlas:
        """Which voxel belongs to which part."""
        token = f"{self.checkpoint.fingerprint[:16]}-{self.layout.token[:16]}"
        return Atlas(self.anatomy, self.reader, token)

    def region(self, part: str) -> Region:
        """The atlas region of a part by name, e.g. ``"L3.q"``."""
        try:
            return self.atlas.region(part)
        except KeyError:
            raise LayoutError(f"This checkpoint has no part named {part!r}.") from None

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter.

        Raises
        ------
        LayoutError
            The tensor is a buffer, does not exist or is not in this layout.
        IndexError
            The index does not fit the tensor.
        """
        return self.layout.voxel(tensor, index)

    def address(self, voxel: Sequence[int]) -> Address | None:
        """The parameter at a voxel of level 0; None in air, IndexError outside."""
        place = self.layout.place(voxel)
        return None if place is None else describe(place, self.anatomy, self.checkpoint)

    def caption(self, section: int) -> str:
        """What a section along the first axis shows, e.g. ``"L3 K 1/1"``; empty in padding."""
        if isinstance(self.layout, ExpertsLayout):
            return _experts_caption(self.layout, section)
        if not isinstance(self.layout, BodyLayout):
            return f"{self.axes[0]} {section}" if 0 <= section < self.shape[0] else ""
        if not 0 <= section < len(self.layout.sections):
            return ""
        shown = self.layout.sections[section]
        parts = [self.anatomy.parts[i] for i in shown.parts]
        first = parts[0]
        if len(parts) == 1:
            if first.role == "other":
                return f"{first.name} {shown.number}/{shown.count}"
            title = part_title(first.role, first.layer, first.expert)
            return f"{title} {shown.number}/{shown.count}"
        if first.expert is not None:
            title = part_title(first.role, first.layer)
            return f"{title} experts {first.expert}–{parts[-1].expert}"
        return f"{first.name} … {parts[-1].name}"

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        what = f"{self.layout.name} {self.signal}–{self.reduction}"
        return f"<Volume {what} {shape} of {self.checkpoint.path.name}>"


def _experts_caption(layout: ExpertsLayout, section: int) -> str:
    if not 0 <= section < len(layout.sections):
        return ""
    shown = layout.sections[section]
    if shown is None:
        return f"L{section} has no experts"
    title = part_title(shown.role, shown.layer)
    if shown.first == shown.last:
        return f"{title} · expert {shown.first}"
    return f"{title} · experts {shown.first}–{shown.last}"
