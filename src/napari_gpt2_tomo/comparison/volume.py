"""Volumes of a difference: a voxel tells both values."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..volume.address import Address
from ..volume.volume import Volume
from .difference import DifferenceCheckpoint, Kind

__all__ = ["DifferenceAddress", "DifferenceVolume"]


@dataclass(frozen=True, slots=True)
class DifferenceAddress(Address):
    """A parameter of two models: the difference that is shown, and both values.

    Attributes
    ----------
    a, b
        The values of the part in each model, exact; None where b has no counterpart.
    kind
        What `value` is: the difference, relative to σ, or 1 where the sign flips.
    """

    a: float | None = None
    b: float | None = None
    kind: Kind = "absolute"

    @property
    def lines(self) -> tuple[str, ...]:
        """What it is in lines for a canvas: the parameter, both values, then where it is."""
        return self.parameter, self.sides, self.where

    @property
    def sides(self) -> str:
        """Both values and what is shown of them, e.g. ``"a 0.123 · b 0.12 · Δ −0.003"``."""
        if self.a is None or self.b is None:
            return "no counterpart in b"
        shown = {
            "absolute": f"Δ {_number(self.value)}",
            "relative": f"Δ {_number(self.b - self.a)} = {_number(self.value)} σ",
            "sign": "sign flips" if self.value else _unflipped(self.a, self.b),
        }[self.kind]
        return f"a {_number(self.a)} · b {_number(self.b)} · {shown}"


class DifferenceVolume(Volume):
    """A volume of a difference; its addresses are `DifferenceAddress`."""

    def address(self, voxel: Sequence[int]) -> DifferenceAddress | None:
        """The parameter at a voxel of level 0 in both models; None in air, IndexError outside."""
        found = super().address(voxel)
        if found is None:
            return None
        source = self.checkpoint
        assert isinstance(source, DifferenceCheckpoint)
        a, b = source[found.tensor].sides(found.index) or (None, None)
        known = {field.name: getattr(found, field.name) for field in fields(found)}
        return DifferenceAddress(**known, a=a, b=b, kind=source.kind)

    def weights(self) -> Volume:
        """The same voxels showing the differences themselves."""
        if self.signal == "signed":
            return self
        source, anatomy, layout = self.checkpoint, self.anatomy, self.layout
        return DifferenceVolume(source, anatomy, layout, "signed", None, self.statistics)


def _unflipped(a: float, b: float) -> str:
    """Why no sign flips: both have the same, or one is 0 or NaN and has none."""
    return "same sign" if (a > 0 and b > 0) or (a < 0 and b < 0) else "no sign"


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")
