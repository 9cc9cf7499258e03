"""Checkpoints in memory that write down which of their bytes were read."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from checkpoint.writer import FLOAT32, ORACLE
from napari_gpt2_tomo.base import Progress
from napari_gpt2_tomo.checkpoint.region import Region
from napari_gpt2_tomo.checkpoint.source import ByteSource
from napari_gpt2_tomo.checkpoint.stored import StoredTensor
from napari_gpt2_tomo.checkpoint.tensor import Checkpoint


class MemorySource(ByteSource):
    """Bytes in memory; reads no needless byte and remembers which it read.

    `mapped` gives strided views of the memory, as a mapped file does; else the
    elements are gathered from the ranges that were read, as from afar. The memory
    begins `shift` bytes from where numbers like to begin.
    """

    max_gap = 0

    def __init__(self, data: bytes, *, mapped: bool, shift: int) -> None:
        self.size = len(data)
        self.stamp = hashlib.sha256(data).hexdigest()
        self.mapped = mapped
        self.reads: list[tuple[int, int]] = []
        self._shift = shift
        self._memory = np.frombuffer(bytes(shift) + data, np.uint8)

    def read(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= self.size
        self.reads.append((start, stop))
        return self._memory[self._shift + start : self._shift + stop]

    def gather(self, offset: int, region: Region, dtype: np.dtype[Any]) -> np.ndarray:
        if not self.mapped:
            return super().gather(offset, region, dtype)
        strides = [stride * dtype.itemsize for stride in region.strides]
        start = offset + region.offset * dtype.itemsize
        return np.ndarray(region.shape, dtype, self._memory, self._shift + start, tuple(strides))

    def close(self) -> None:
        pass

    @property
    def nbytes(self) -> int:
        """Bytes read since the last `forget`."""
        return sum(stop - start for start, stop in self.reads)

    def forget(self) -> None:
        self.reads.clear()

    def touched(self) -> set[int]:
        """Every byte that was read."""
        return {byte for start, stop in self.reads for byte in range(start, stop)}


class MemoryCheckpoint(Checkpoint):
    """Tensors of a `MemorySource`.

    Attributes
    ----------
    truth
        The values as somebody else's implementation of the element types decodes them.
    starts
        First byte of each tensor.
    """

    format = "memory"
    path = Path("memory.safetensors")
    files = ()
    missing: Mapping[str, str] = {}
    tokenizer = None
    notes = ()

    def __init__(
        self,
        stored: Mapping[str, tuple[str, np.ndarray]],
        config: Mapping[str, Any] | None = None,
        *,
        mapped: bool = False,
        shift: int = 0,
    ) -> None:
        self.config = config
        self.metadata: Mapping[str, str] = {}
        self.truth: dict[str, np.ndarray] = {}
        self.starts: dict[str, int] = {}
        data = b""
        for name, (kind, bits) in stored.items():
            self.starts[name] = len(data)
            data += bits.tobytes()
            values = bits.view(ORACLE[kind])
            self.truth[name] = values.astype(np.float32) if kind in FLOAT32 else values
        self.source = MemorySource(data, mapped=mapped, shift=shift)
        self._tensors = {
            name: StoredTensor(name, bits.shape, kind, self.source, self.starts[name])
            for name, (kind, bits) in stored.items()
        }

    def __getitem__(self, name: str) -> StoredTensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    @property
    def fingerprint(self) -> str:
        kinds = repr([(t.name, t.shape, t.stored) for t in self._tensors.values()])
        return hashlib.sha256((self.source.stamp + kinds).encode()).hexdigest()

    def content_hash(self, progress: Progress | None = None) -> str:
        return self.fingerprint

    def close(self) -> None:
        pass


FLOATS = ("F32", "F16", "BF16", "F64")
KINDS = (
    *FLOATS, "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0",
    "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL",
)  # fmt: skip

ODD = (np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 3.4e38, -3.4e38, 1e-45, -1e-40, 1e300)


def fill(
    shape: tuple[int, ...], kind: str, rng: np.random.Generator, *, odd: bool
) -> tuple[str, np.ndarray]:
    """Random elements of a stored type; `odd` plants what is not finite, huge and subnormal."""
    dtype = ORACLE[kind]
    bits = np.dtype(f"u{dtype.itemsize}")
    if dtype.kind in "iub" and kind not in FLOAT32:
        if kind == "BOOL":
            return kind, rng.integers(0, 2, shape, np.uint8)
        if odd:
            return kind, rng.integers(0, 2 ** (8 * dtype.itemsize) - 1, shape, bits, endpoint=True)
        return kind, rng.integers(1, 100, shape).astype(dtype).view(bits)
    if kind == "F8_E8M0":
        high = 256 if odd else 140
        return kind, rng.integers(110, high, shape, np.uint8)
    values = rng.standard_normal(shape) * 0.1
    if rng.integers(3) == 0:
        values = (np.floor(values * 40) + 0.5) / 40  # Few distinct values, ties of magnitude.
    values = np.asarray(values)
    if odd and values.size:
        at = rng.integers(0, values.size, 1 + values.size // 12)
        np.put(values, at, rng.choice(ODD, at.size))
    with np.errstate(all="ignore"):
        return kind, np.ascontiguousarray(values.astype(dtype)).reshape(shape).view(bits)


def checkpoint_of(
    shapes: Mapping[str, tuple[int, ...]],
    config: Mapping[str, Any] | None = None,
    *,
    kinds: str | tuple[str, ...] = "F32",
    seed: int = 0,
    odd: bool = False,
    mapped: bool = False,
    shift: int = 0,
) -> MemoryCheckpoint:
    """A checkpoint of random tensors of these shapes, of one or of several element types."""
    rng = np.random.default_rng(seed)
    some = (kinds,) if isinstance(kinds, str) else kinds
    stored = {
        name: fill(shape, some[rng.integers(len(some))], rng, odd=odd)
        for name, shape in shapes.items()
    }
    return MemoryCheckpoint(stored, config, mapped=mapped, shift=shift)
