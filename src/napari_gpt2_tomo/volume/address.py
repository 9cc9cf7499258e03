"""Addresses: what a voxel is, in the words of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..anatomy.anatomy import Anatomy
from ..anatomy.part import Part
from ..checkpoint.region import c_strides
from ..checkpoint.tensor import LazyTensor
from .layouts.layout import Place

__all__ = ["Address", "describe"]

_LETTERS = {
    "q": "Q",
    "k": "K",
    "v": "V",
    "o": "O",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A parameter: where it is stored, its exact value and its place in the transformer.

    Attributes
    ----------
    tensor, index
        Stored tensor and numpy index into it.
    value, stored
        The part's value, and the file's; they differ only where a format stores
        an offset. Python scalars, exact.
    part, role, layer, expert
        The part that holds it. Of a router's weight, which lies in one part for all experts,
        the expert whose score it makes.
    channel
        Index along the residual stream.
    unit
        The part's other index; None for a channel vector.
    head, dim
        Head, and dimension inside it, where the unit axis has heads.
    neuron, token, position
        The unit index under its own name where it has one.
    step
        Of a series: which checkpoint it is in, e.g. ``"step 250"``.
    scheme, code, zero, scale, minimum
        Of a quantised tensor: how, in words, the integer that is stored, the integer that
        would mean 0 if there is one, what it is multiplied with, and what is then subtracted.
    """

    tensor: str
    index: tuple[int, ...]
    value: float | int | bool
    stored: float | int | bool
    part: str
    role: str
    layer: int | None = None
    expert: int | None = None
    channel: int | None = None
    unit: int | None = None
    head: int | None = None
    dim: int | None = None
    neuron: int | None = None
    token: int | None = None
    position: int | None = None
    step: str | None = None
    scheme: str | None = None
    code: int | None = None
    zero: int | None = None
    scale: float | None = None
    minimum: float | None = None

    def __str__(self) -> str:
        return " · ".join(line for line in self.lines if line != self.quantum)

    @property
    def lines(self) -> tuple[str, ...]:
        """In lines for a canvas: the parameter and its value; where it is; how it is quantised."""
        value = f"{self.value:.6g}" if isinstance(self.value, float) else str(self.value)
        quantum = (self.quantum,) if self.quantum else ()
        return f"{self.parameter} = {value}", self.where, *quantum

    @property
    def parameter(self) -> str:
        """The stored tensor and the index into it, e.g. ``"h.0.attn.c_attn.weight[3, 5]"``."""
        return f"{self.tensor}[{', '.join(map(str, self.index))}]" if self.index else self.tensor

    @property
    def quantum(self) -> str:
        """How it is stored, e.g. ``"code 7, zero 8 · scale 0.0123 · GPTQ 4-bit"``, or empty."""
        if self.scheme is None:
            return ""
        zero = "" if self.zero is None else f", zero {self.zero}"
        words = [f"code {self.code}{zero}"] if self.code is not None else []
        if self.scale is not None:
            words.append(f"scale {self.scale:.4g}")
        if self.minimum is not None:
            words.append(f"minimum {self.minimum:.4g}")
        return " · ".join([*words, self.scheme.split(",")[0]])

    @property
    def where(self) -> str:
        """Its place in the transformer, e.g. ``"L3 K · head 4 dim 17 · channel 8"``."""
        words = [part_title(self.role, self.layer, self.expert)]
        if self.head is not None:
            words.append(f"head {self.head} dim {self.dim}")
        words.extend(
            f"{name} {getattr(self, name)}"
            for name in ("neuron", "token", "position")
            if getattr(self, name) is not None
        )
        if len(words) == 1 and self.unit not in (None, self.expert):
            words.append(f"unit {self.unit}")
        if self.channel is not None:
            words.append(f"channel {self.channel}")
        return " · ".join([self.step, *words] if self.step else words)


def part_title(role: str, layer: int | None, expert: int | None = None) -> str:
    """Name of a part for a caption: ``"L3 K"``, ``"L3 · expert 7 · gate"``."""
    name = _LETTERS.get(role, role.replace("_", " "))
    if expert is not None:
        words = [f"expert {expert}", name]
        return " · ".join(words if layer is None else [f"L{layer}", *words])
    return name if layer is None else f"L{layer} {name}"


def describe(place: Place, anatomy: Anatomy, tensors: Mapping[str, LazyTensor]) -> Address:
    """The address of a placed parameter; reads its one value."""
    part = anatomy.parts[place.part]
    tensor = tensors[place.tensor]
    stored = np.asarray(tensor[place.index]).item()
    value = stored + part.shift if part.shift else stored
    flat = sum(i * s for i, s in zip(place.index, c_strides(tensor.shape), strict=True))
    inner = part.view.index(flat)
    return Address(
        place.tensor,
        place.index,
        value,
        stored,
        part.name,
        part.role,
        part.layer,
        **{"expert": part.expert} | _coordinates(part, inner or ()) | _quantum(tensor, place.index),
    )


def _quantum(tensor: LazyTensor, index: tuple[int, ...]) -> dict[str, Any]:
    """How an element of a quantised tensor is stored."""
    if tensor.scheme is None:
        return {}
    found: dict[str, Any] = {"scheme": tensor.scheme}
    if tensor.codes is not None:
        found["code"] = np.asarray(tensor.codes[index]).item()
    group = tensor.scale_index(index) if tensor.scales is not None else ()
    numbers_of = {"scale": tensor.scales, "zero": tensor.zeros, "minimum": tensor.minima}
    for name, numbers in numbers_of.items():
        if numbers is not None:
            found[name] = np.asarray(numbers[group]).item()
    return found


def _coordinates(part: Part, inner: Sequence[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for axis, index in zip(part.axes, inner, strict=True):
        if axis == "channel":
            found["channel"] = index
        elif axis == "unit":
            found["unit"] = index
            if part.unit in ("neuron", "token", "position"):
                found[part.unit] = index
            elif part.unit == "expert":
                found["expert"] = index
            elif part.unit == "head" and part.d_head:
                found["head"], found["dim"] = divmod(index, part.d_head)
    return found
