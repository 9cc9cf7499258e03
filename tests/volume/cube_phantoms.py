"""Random checkpoints for tests of the cube: fused tensors, buffers, values that are not finite."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy.anatomy import Anatomy
from napari_gpt2_tomo.anatomy.part import HyperParameters, Part
from napari_gpt2_tomo.anatomy.view import View
from napari_gpt2_tomo.checkpoint.dtypes import STORED_TYPES, decode
from napari_gpt2_tomo.checkpoint.region import Region, c_strides
from napari_gpt2_tomo.checkpoint.tensor import LazyTensor
from napari_gpt2_tomo.volume.reading.signal import Signal


class RecordedTensor(LazyTensor):
    """A tensor in memory that writes down which of its elements were read."""

    def __init__(self, name: str, stored: str, raw: np.ndarray) -> None:
        self.name = name
        self.shape = raw.shape
        self.stored = stored
        self.dtype = STORED_TYPES[stored].decoded
        self.nbytes = raw.nbytes
        self.decoded = decode(raw, stored)
        self.reads: list[tuple[int, int]] = []
        self._raw = raw.reshape(-1)
        self._raw.flags.writeable = False

    def raw(self, region: Region) -> np.ndarray:
        assert region.is_contiguous
        self.reads.append((region.offset, region.stop))
        return self._raw[region.offset : region.stop].reshape(region.shape)

    def read(self, region: Region) -> np.ndarray:
        return decode(self.raw(region), self.stored)


@dataclass
class Phantom:
    anatomy: Anatomy
    tensors: dict[str, RecordedTensor]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tensor.shape for name, tensor in self.tensors.items()}

    @property
    def stream(self) -> list[tuple[str, int]]:
        """Tensor and flat index of every parameter, in the order of the cube."""
        names = dict.fromkeys(part.tensor for part in self.anatomy.parts)
        return [(name, i) for name in names for i in range(self.tensors[name].size)]

    def values(self) -> np.ndarray:
        flat = [self.tensors[name].decoded.reshape(-1)[i] for name, i in self.stream]
        return np.array(flat, np.float64)

    def part(self, tensor: str, flat: int) -> int:
        (found,) = (
            number
            for number, part in enumerate(self.anatomy.parts)
            if part.tensor == tensor and part.view.index(flat) is not None
        )
        return found

    def parts(self) -> np.ndarray:
        return np.array([self.part(*at) for at in self.stream], np.int64)


def views(draw: Any, shape: Sequence[int]) -> list[View]:
    """The tensor as one view, or split as fused projections are."""
    whole = View(0, tuple(((n, s),) for n, s in zip(shape, c_strides(shape), strict=True)))
    if len(shape) != 2 or math.prod(shape) == 0:
        return [whole]
    rows, columns = shape
    kind = draw(st.sampled_from(["whole", "rows", "columns", "interleaved", "every other"]))
    if kind == "rows" and rows > 1:
        at = draw(st.integers(1, rows - 1))
        return [
            View(a * columns, (((b - a, columns),), ((columns, 1),)))
            for a, b in ((0, at), (at, rows))
        ]
    if kind == "columns" and columns > 1:
        at = draw(st.integers(1, columns - 1))
        return [View(a, (((b - a, 1),), ((rows, columns),))) for a, b in ((0, at), (at, columns))]
    if kind == "interleaved" and rows % 6 == 0:
        # (head, 3, d_head) along the rows, as GPT-NeoX fuses q, k and v.
        d_head = rows // 6
        step = d_head * columns
        return [
            View(i * step, (((columns, 1),), ((2, 3 * step), (d_head, columns)))) for i in range(3)
        ]
    if kind == "every other" and columns % 2 == 0:
        # Gate and up interleaved element by element, as GPT-OSS does.
        return [View(i, (((rows, columns),), ((columns // 2, 2),))) for i in range(2)]
    return [whole]


@st.composite
def phantoms(draw: Any, *, finite: bool = False) -> Phantom:
    dims = st.integers(0, 12)
    shapes = draw(
        st.lists(
            st.one_of(
                st.tuples(dims, dims),
                st.tuples(st.sampled_from([6, 12]), dims),
                st.tuples(dims),
                st.just(()),
                st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)),
            ),
            min_size=1,
            max_size=7,
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tensors: dict[str, RecordedTensor] = {}
    parts: list[Part] = []
    for number, shape in enumerate(shapes):
        name = f"t{number}"
        stored = draw(st.sampled_from(["F32", "F16", "F64", "BF16"]))
        dtype = STORED_TYPES[stored].decoded
        # Few distinct values, so that ties of magnitude are common.
        values = rng.integers(-6, 7, shape) / 4 if number % 2 else rng.standard_normal(shape)
        values = np.asarray(values, dtype)
        if not finite and values.size:
            for odd in (np.nan, np.inf, -np.inf, -0.0):
                np.put(values, rng.integers(0, values.size, values.size // 9), odd)
        if stored == "BF16":
            values = (values.view(np.uint32) >> 16).astype(np.uint16)
        tensors[name] = RecordedTensor(name, stored, values)
        for i, view in enumerate(views(draw, shape)):
            axes = tuple(f"axis {k}" for k in range(len(view.axes)))
            parts.append(Part(f"{name}.{i}", "other", "other", name, view, axes))
    parts = draw(st.permutations(parts))
    tensors["mask"] = RecordedTensor("mask", "F32", np.ones((4, 4), np.float32))
    tensors["scales"] = RecordedTensor("scales", "F32", np.ones(3, np.float32))
    return Phantom(Anatomy(tuple(parts), HyperParameters(), buffers=("mask",)), tensors)


def signal(phantom: Phantom, name: str) -> Signal:
    """A signal; for sigma, centre and spread differ from part to part."""
    count = len(phantom.anatomy.parts)
    zeros, none = np.zeros(count, np.float32), np.zeros(0, np.float32)
    if name != "sigma":
        return Signal(name, zeros, zeros, zeros + 1, none, none)
    centre = np.linspace(-1, 1, count, dtype=np.float32)
    return Signal(name, zeros, centre, np.linspace(1, 2, count, dtype=np.float32), none, none)


def shown(phantom: Phantom, name: str) -> np.ndarray:
    """The signal of the stream, parameter by parameter."""
    rule = signal(phantom, name)
    pairs = zip(phantom.values(), phantom.parts(), strict=True)
    return np.array([rule.apply(np.array(w), int(part)) for w, part in pairs], np.float32)
