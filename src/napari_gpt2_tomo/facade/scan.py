"""The facade: a checkpoint, its anatomy and its volumes in one object."""

import os
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..anatomy import Anatomy, Part
from ..base import LayoutError, Progress
from ..checkpoint import Checkpoint, open_checkpoint
from ..checkpoint.address import Address as RemoteAddress
from ..checkpoint.built_in import built_in
from ..checkpoint.naming import file_stem
from ..volume.layouts.layout import Layout
from ..volume.reading.signal import NEED_STATISTICS, resolve_reduction
from ..volume.statistics.exact import exact_statistics, stored_statistics
from ..volume.statistics.summary import Statistics, estimate_statistics
from ..volume.volume import USUAL_ROLE, Volume, make_layout

if TYPE_CHECKING:
    from ..volume.statistics.experts import ExpertTable
    from ..volume.statistics.table import PartTable

__all__ = ["Scan"]

_USUAL_NAMES = (
    "model",
    "ggml-model",
    "pytorch_model",
    "diffusion_pytorch",
    "consolidated.",
    "ckpt",
    "weights",
)
"""How files begin that are called like those of all models; their folder tells which it is."""


class Scan:
    """A checkpoint that is looked at; opening reads headers only.

    Parameters
    ----------
    path
        A ``.safetensors`` file, an ``*.index.json``, one shard of a set, a folder, or the
        name of a built-in checkpoint: ``"phantom"``, ``"functional-phantom"``.
    family
        Name of the family table to read the tensor names with; found from the names if None.
    sizes
        Hyper-parameters that the file does not tell, e.g. ``n_heads=12``.

    Attributes
    ----------
    family, sizes
        As given.

    Raises
    ------
    CheckpointError
        The path is no checkpoint that can be read.
    """

    def __init__(
        self, path: str | os.PathLike[str], family: str | None = None, **sizes: int | None
    ) -> None:
        self.checkpoint: Checkpoint = open_checkpoint(built_in(path) or path)
        given = {name: size for name, size in sizes.items() if size is not None}
        self.family = family
        self.sizes: dict[str, int] = given
        self.anatomy: Anatomy = Anatomy.of(self.checkpoint, family=family, **given)

    @classmethod
    def of(cls, checkpoint: Checkpoint, anatomy: Anatomy) -> "Scan":
        """A scan of a checkpoint that is open, with an anatomy that is known."""
        made = cls.__new__(cls)
        made.checkpoint, made.anatomy = checkpoint, anatomy
        made.family, made.sizes = anatomy.family, {}
        return made

    @property
    def still(self) -> "Scan":
        """A scan of one checkpoint: this one, or of a series the step that is looked at."""
        return self

    @property
    def fingerprint(self) -> str:
        """Tells whether the files are still the same, see `Checkpoint.fingerprint`."""
        return self.checkpoint.fingerprint

    @property
    def files(self) -> tuple[Path | RemoteAddress, ...]:
        """The files that weights are read from."""
        return self.checkpoint.files

    @property
    def name(self) -> str:
        """A short name for titles: the file's; of the usual names what it says, or the folder's."""
        path = self.checkpoint.path
        remote = isinstance(path, RemoteAddress)
        if isinstance(path, Path) and path.is_dir():
            return path.resolve().name
        stem = file_stem(path.name)
        generic = stem.startswith(_USUAL_NAMES)
        said = self.checkpoint.metadata.get("general.name")
        if generic and said:
            return said
        if not generic or (remote and stem == path.name):
            return stem
        return path.resolve().parent.name if isinstance(path, Path) else path.parent.name

    @property
    def usual_signal(self) -> str:
        """The signal that is shown where none is asked for."""
        return "magnitude"

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every stored tensor."""
        return {name: tensor.shape for name, tensor in self.checkpoint.items()}

    @cached_property
    def _estimate(self) -> Statistics:
        return estimate_statistics(self.checkpoint, self.anatomy, remote=self.checkpoint.is_remote)

    def statistics(self, *, exact: bool = True, progress: Progress | None = None) -> Statistics:
        """Statistics of every part.

        With ``exact=False`` those in the cache, or an estimate from a few
        samples, in milliseconds. Else every parameter is read if the cache does not have them.
        """
        stored = stored_statistics(self.checkpoint, self.anatomy)
        if stored is not None:
            return stored
        if not exact:
            return self._estimate
        return exact_statistics(self.checkpoint, self.anatomy, progress)

    def part_table(self, *, details: bool = True, progress: Progress | None = None) -> "PartTable":
        """Statistics of every part as rows, with sparsity, kurtosis and norms.

        Parameters
        ----------
        details
            Whether to measure what the cache lacks, which reads every parameter; without it
            those columns may be empty and the others estimates.
        progress
            Told of the passes over the weights.

        Raises
        ------
        Cancelled
            `progress` asked to stop.
        """
        from ..volume.statistics.details import exact_details, stored_details
        from ..volume.statistics.table import PartTable

        measure = exact_details(self.checkpoint, self.anatomy, progress) if details else None
        found = measure or stored_details(self.checkpoint, self.anatomy)
        return PartTable(self.anatomy, self.statistics(exact=details), found, self.checkpoint)

    def expert_table(
        self, *, exact: bool = True, progress: Progress | None = None
    ) -> "ExpertTable":
        """The experts of a mixture as rows: norms, σ, router norm, cosine to the nearest router.

        Parameters
        ----------
        exact
            Whether norms and σ may take a pass over every weight, if the cache lacks them;
            else they may be estimates. Routers are read as a whole.
        progress
            Told of the reading.

        Raises
        ------
        LayoutError
            The checkpoint has no experts.
        Cancelled
            `progress` asked to stop.
        """
        from ..volume.layouts.experts import expert_roles
        from ..volume.statistics.experts import expert_table

        dense = not expert_roles(self.anatomy)  # Said before work that may take minutes.
        statistics = self.statistics(exact=exact and not dense, progress=progress)
        return expert_table(self.checkpoint, self.anatomy, statistics, progress)

    def volume(
        self,
        layout: str = "auto",
        signal: str | None = None,
        reduction: str | None = None,
        *,
        tensor: str | None = None,
        role: str | None = None,
        exact: bool = True,
        progress: Progress | None = None,
    ) -> Volume:
        """Voxels of this checkpoint.

        Parameters
        ----------
        layout
            ``"body"``, ``"cube"``, ``"tensor"`` (with `tensor`), ``"heads"`` (with `role`),
            ``"experts"`` (with `role` ``"gate"``, ``"up"``, ``"down"`` or ``"all"``),
            ``"circuits"`` (with `role` ``"qk"`` or ``"ov"``), or ``"auto"``: the body where
            the checkpoint is recognised as a transformer, else the cube. Without a role the
            queries, all roles of the experts, or ``"qk"``.
        signal, reduction
            What a voxel shows, and how a coarse voxel sums up fine ones; None is
            `usual_signal`, and the signal's default.
        exact
            Whether the signals that need statistics may read the whole checkpoint for them.

        Raises
        ------
        LayoutError
            The layout, signal, reduction, tensor or role does not exist here.
        """
        signal = signal or self.usual_signal
        resolve_reduction(signal, reduction)  # Before work that may take minutes.
        if layout == "circuits":
            from ..volume.circuits import circuit_volume

            return circuit_volume(
                self.checkpoint, self.anatomy, role or USUAL_ROLE[layout], signal, reduction
            )
        made = make_layout(layout, self.anatomy, self.shapes, tensor=tensor, role=role)
        return self.laid_out(made, signal, reduction, exact=exact, progress=progress)

    def laid_out(
        self,
        layout: Layout,
        signal: str,
        reduction: str | None = None,
        *,
        exact: bool = True,
        progress: Progress | None = None,
    ) -> Volume:
        """Voxels of this checkpoint in a layout that was made for its anatomy; see `volume`."""
        needed = signal in NEED_STATISTICS
        if needed and exact:
            self._refuse_by_itself(signal)
        statistics = (
            self.statistics(exact=exact, progress=progress)
            if needed
            else partial(self.statistics, exact=False)
        )
        return Volume(self.checkpoint, self.anatomy, layout, signal, reduction, statistics)

    def _refuse_by_itself(self, signal: str) -> None:
        """Refuse to read all of a remote checkpoint that nobody said should be."""
        if not self.checkpoint.is_remote:
            return
        if stored_statistics(self.checkpoint, self.anatomy) is None:
            size = sum(tensor.nbytes for tensor in self.checkpoint.values())
            raise LayoutError(
                f"The signal {signal!r} needs the statistics of all {size / 1e9:,.3g} GB of "
                f"{self.checkpoint.path}. Take an estimate with exact=False, or let all of it be "
                "read once with statistics() of the scan."
            )

    def part(self, role: str, layer: int | None = None, expert: int | None = None) -> NDArray[Any]:
        """The values of a part, ``(channel, unit)`` for a matrix, in the tensor's dtype.

        Raises
        ------
        TomoError
            There is no such part; the message lists those that there are.
        """
        return self.values(self.anatomy.part(role, layer, expert))

    def values(self, part: Part) -> NDArray[Any]:
        """The values of a part of the anatomy: stored values, plus the part's shift."""
        values = self._gather(part, [(0, n) for n in part.shape])
        return values + values.dtype.type(part.shift) if part.shift else values

    def _gather(self, part: Part, box: Sequence[tuple[int, int]]) -> NDArray[Any]:
        """The stored values of a box of a part, as a new array."""
        tensor = self.checkpoint[part.tensor]
        out = np.empty([b - a for a, b in box], tensor.dtype)
        for target, split, region in part.view.pieces(box):
            # With an ellipsis even an array without axes gives a view, not its value.
            at: Any = (*target, ...)
            out[at].reshape(split)[...] = tensor.read(region)
        return out

    def head(self, layer: int, head: int, role: str = "q") -> NDArray[Any]:
        """One head's weights, ``(channel, d_head)``, whatever the file's orientation or fusion.

        Raises
        ------
        LayoutError
            The part has no heads, their number is not known, or it has fewer.
        """
        part = self.anatomy.part(role, layer)
        if part.n_heads is None or part.d_head is None:
            raise LayoutError(
                f"The number of heads of {part.name} is not known: open the checkpoint with "
                "n_heads=…, or put its config.json beside it."
            )
        if not 0 <= head < part.n_heads:
            raise LayoutError(f"{part.name} has heads 0 to {part.n_heads - 1}, there is no {head}.")
        units = (head * part.d_head, (head + 1) * part.d_head)
        return self._gather(part, [*((0, n) for n in part.shape[:-1]), units])

    def close(self) -> None:
        """Release the files."""
        self.checkpoint.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        family = self.anatomy.family or "unknown family"
        return f"<Scan {self.name}: {family}, {self.anatomy.n_parameters:,} parameters>"
