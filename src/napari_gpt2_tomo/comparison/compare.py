"""Two scans against each other: a scan of their difference, and a table of what changed."""

import os
from dataclasses import replace
from typing import Any

from ..anatomy import Anatomy
from ..base import LayoutError, Progress, TomoError
from ..facade import Scan
from ..volume.choice import layouts_of
from ..volume.layouts.layout import Layout
from ..volume.volume import Volume
from .difference import DifferenceCheckpoint, Kind, check_kind
from .lora import AdaptedCheckpoint, adapted, is_adapter
from .matching import Matching, match_parts
from .measure import Measures
from .table import ChangeTable
from .volume import DifferenceVolume

__all__ = ["Comparison", "compare", "refuse_adapter"]

SUFFIX: dict[Kind, str] = {"absolute": "", "relative": " (in σ)", "sign": " (sign flips)"}


class Comparison(Scan):
    """Two scans against each other; itself a scan, of their difference in a's layout.

    Whatever takes a scan takes it: volumes, windows, napari, HTML pages.

    Parameters
    ----------
    a, b
        The scans.
    kind
        ``"absolute"``: b − a. ``"relative"``: (b − a) / σ, of the part in a.
        ``"sign"``: 1 where one is positive and the other negative, else 0.
    owned
        Scans of the two that are closed with the comparison.
    progress
        Told of the reading of a for its σ, if that is needed and not in the cache.

    Attributes
    ----------
    a, b, kind
        As given.
    matching
        Which parts are counterparts, and what has none.

    Raises
    ------
    TomoError
        There is no such kind, or no part of one has a counterpart in the other.
    """

    def __init__(
        self,
        a: Scan,
        b: Scan,
        kind: str = "absolute",
        *,
        owned: tuple[Scan, ...] = (),
        progress: Progress | None = None,
    ) -> None:
        self.a = a
        self.b = b
        self.kind: Kind = check_kind(kind)
        self.matching: Matching = match_parts(a.anatomy, b.anatomy)
        self._owned = owned
        if not self.matching.pairs:
            raise TomoError(
                f"{a.name} and {b.name} have no part in common that could be compared.\n"
                f"{self.statement}"
            )
        sigmas = None
        if self.kind == "relative":
            measured = a.statistics(progress=progress)
            sigmas = {
                part.name: float(sigma)
                for part, sigma in zip(a.anatomy.parts, measured.sigma, strict=True)
            }
        self.checkpoint = DifferenceCheckpoint(
            a.checkpoint, b.checkpoint, a.anatomy, self.matching.pairs, self.kind, sigmas
        )
        self.family = a.family
        self.sizes = a.sizes
        # Norms that a format stores + 1 are such in neither a difference nor its signs.
        parts = tuple(replace(part, shift=0.0) for part in a.anatomy.parts)
        self.anatomy: Anatomy = replace(a.anatomy, parts=parts, notes=())
        self._measures = Measures(a.checkpoint, b.checkpoint, self.matching.pairs)

    @property
    def name(self) -> str:
        """What is compared, for titles: ``"step00060 → step06000"``."""
        return f"{self.a.name} → {self.b.name}{SUFFIX[self.kind]}"

    @property
    def statement(self) -> str:
        """What of the two matches and what does not, in lines for a person."""
        first, second = self.a.name, self.b.name
        names = (first, second) if first != second else ("a", "b")
        lines = [self.matching.statement(*names)]
        if isinstance(self.b.checkpoint, AdaptedCheckpoint):
            lines = list(self.b.checkpoint.notes)
        return "\n".join(lines)

    @property
    def usual_signal(self) -> str:
        """The signal that shows the difference best: differences have signs, flips have none."""
        return "magnitude" if self.kind == "sign" else "signed"

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts that can show it. Circuits can not: they are products of a model's weights,
        and the product of two differences is no difference of products.
        """
        return tuple(name for name in layouts_of(self.anatomy) if name != "circuits")

    def table(self, *, ranks: bool = False, progress: Progress | None = None) -> ChangeTable:
        """How much every part changed; reads both checkpoints once, then never again.

        Parameters
        ----------
        ranks
            Whether to measure the rank of every changed matrix too, which takes longer;
            without it they are told if they were measured before.

        Raises
        ------
        Cancelled
            `progress` asked to stop.
        """
        moments = self._measures.moments(progress)
        found = self._measures.spectra(progress) if ranks else self._measures.stored_spectra()
        return ChangeTable(self.matching.pairs, moments, found)

    def stored_table(self) -> ChangeTable | None:
        """The table if it was measured before."""
        moments = self._measures.stored_moments()
        if moments is None:
            return None
        return ChangeTable(self.matching.pairs, moments, self._measures.stored_spectra())

    def volume(
        self,
        layout: str = "auto",
        signal: str | None = None,
        reduction: str | None = None,
        **options: Any,
    ) -> Volume:
        """Voxels of the difference; options as those of `Scan.volume`.

        Without a signal it is the `usual_signal`. Of ``"sign"`` a coarse voxel shows the share
        of flips, unless `reduction` says otherwise.

        Raises
        ------
        LayoutError
            The layout, signal, reduction, tensor or role does not exist here.
        """
        if layout == "circuits":
            raise LayoutError(
                "A difference has no circuits: show those of the two models side by side."
            )
        signal = signal or self.usual_signal
        if self.kind == "sign" and reduction is None and signal in ("signed", "magnitude"):
            reduction = "mean"
        return super().volume(layout, signal, reduction, **options)

    def laid_out(
        self,
        layout: Layout,
        signal: str,
        reduction: str | None = None,
        *,
        exact: bool = True,
        progress: Progress | None = None,
    ) -> Volume:
        """Voxels of the difference in a layout that was made for a's anatomy; see `volume`."""
        made = super().laid_out(layout, signal, reduction, exact=exact, progress=progress)
        return DifferenceVolume(
            self.checkpoint, self.anatomy, layout, made.signal, made.reduction, made.statistics
        )

    def close(self) -> None:
        """Release the files of the scans that were opened for the comparison."""
        for scan in self._owned:
            scan.close()

    def __repr__(self) -> str:
        return f"<Comparison {self.name}: {len(self.matching.pairs)} parts, {self.kind}>"


def compare(
    a: Scan | str | os.PathLike[str],
    b: Scan | str | os.PathLike[str],
    kind: str = "absolute",
    *,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two models part by part; opening reads headers only, unless `kind` needs σ.

    Parameters
    ----------
    a, b
        Scans, which stay the caller's, or paths of checkpoints, which are closed with the
        comparison. `b` may be a LoRA adapter of a, in peft's format: then it is compared as if it
        was merged into a.
    kind
        What the difference shows: ``"absolute"`` b − a, ``"relative"`` (b − a) / σ of the part
        in a, ``"sign"`` 1 where the sign flips and 0 else.
    progress
        Told of the reading of a for its σ.

    Raises
    ------
    TomoError
        A path is no checkpoint, there is no such kind, or nothing of the two matches.
    """
    check_kind(kind)
    owned: list[Scan] = []
    try:
        first = _opened(a, owned)
        second = _opened(b, owned, first)
        return Comparison(first, second, kind, owned=tuple(owned), progress=progress)
    except BaseException:
        for scan in owned:
            scan.close()
        raise


def refuse_adapter(side: str | os.PathLike[str]) -> None:
    """Refuse a LoRA adapter as the first of two models: alone it is none.

    Raises
    ------
    TomoError
        It is one.
    """
    if is_adapter(side):
        raise TomoError(
            f"{os.fspath(side)} is a LoRA adapter: give its base model first, and the adapter "
            "as the second of the two."
        )


def _opened(
    side: Scan | str | os.PathLike[str], owned: list[Scan], base: Scan | None = None
) -> Scan:
    if isinstance(side, Scan):
        return side
    if base is None:
        refuse_adapter(side)
    if base is not None and is_adapter(side):
        owned.append(adapted(base, side))
    else:
        owned.append(Scan(side))
    return owned[-1]
