"""The contract of a lazily read tensor and of a checkpoint."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import Progress
from .address import Address
from .region import Region, normalise_index
from .source import ByteSource

__all__ = ["Checkpoint", "LazyTensor"]

Array = NDArray[Any]


class LazyTensor(ABC):
    """A named tensor of a checkpoint that reads only what is asked of it.

    Attributes
    ----------
    name
        Name in the checkpoint.
    shape
        Shape in numpy order.
    stored
        The format's own name of the element type, e.g. ``"BF16"``.
    dtype
        Numpy dtype of what `read` returns: the stored type where numpy has it,
        else the smallest that holds every value exactly (float32 for bfloat16
        and the 8-bit floats).
    nbytes
        Bytes that the tensor occupies in the file; of a quantised one those of its codes
        and of their scales.
    scheme
        How it is quantised, in words, e.g. ``"GPTQ 4-bit, groups of 128"``; None if it is not.
    column_major
        Whether neighbours along the last axis but one, rather than along the last, lie
        together in the file.
    """

    name: str
    shape: tuple[int, ...]
    stored: str
    dtype: np.dtype[Any]
    nbytes: int
    scheme: str | None = None
    column_major: bool = False

    @abstractmethod
    def read(self, region: Region) -> Array:
        """Values of a strided box, shape ``region.shape``, dtype `dtype`, read-only.

        A view of the mapped file where the machine has the stored type, else a
        new array. Raises `CheckpointError` if the file cannot be read any more.
        """

    def read_into(self, region: Region, out: NDArray[np.float32]) -> None:
        """Write the values of a strided box into a float32 array of its shape, in one step."""
        np.copyto(out, self.read(region), "unsafe")

    @abstractmethod
    def raw(self, region: Region) -> Array:
        """Elements of a strided box as they are stored, for kernels that stream; read-only.

        The numpy dtype of the stored element where there is one, else of its code
        (uint16 for bfloat16, uint8 for the 8-bit floats), see `dtypes.decode`; of a
        quantised tensor the values. `element` says which.
        """

    @property
    def element(self) -> str:
        """The key of `dtypes.STORED_TYPES` that says what `raw` returns."""
        return self.stored

    @property
    def values(self) -> "LazyTensor":
        """The values: of a quantised tensor dequantised, of any other as they are stored."""
        return self

    @property
    def codes(self) -> "LazyTensor | None":
        """The integers that a quantised tensor stores, in its own shape; None if it is not."""
        return None

    @property
    def scales(self) -> "LazyTensor | None":
        """What the codes of a quantised tensor are multiplied with; None if it is not.

        Its shape has one element per group of codes: fewer rows, columns or both.
        """
        return None

    @property
    def zeros(self) -> "LazyTensor | None":
        """The code that means 0 in each group, shaped like `scales`; None without such codes.

        Where there is one, a value is ``(code - zero) · scale``.
        """
        return None

    @property
    def minima(self) -> "LazyTensor | None":
        """What is taken off code · scale in each group, shaped like `scales`; None if nothing."""
        return None

    def scale_index(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Where in `scales` and `zeros` the group of an element is; indices are not negative."""
        scales = self.scales
        if scales is None:
            raise ValueError(f"{self.name} is not quantised")
        groups = zip(index, scales.shape, self.shape, strict=True)
        return tuple(i * count // n for i, count, n in groups)

    def ranges(self, region: Region) -> Iterable[tuple[ByteSource, NDArray[np.int64]]]:
        """Bytes on servers that reading a strided box needs, ``(n, 2)`` half-open ranges each.

        Nothing for what lies on this machine, or where that is not known before reading.
        """
        return ()

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without axes")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        region, flipped, axes = normalise_index(self.shape, index)
        values = self.read(region)
        if flipped:
            values = np.flip(values, flipped)
        if None in axes:
            values = values[tuple(None if axis is None else slice(None) for axis in axes)]
        return values if values.ndim else values[()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self.read(Region.whole(self.shape))
        return np.array(values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.stored} {self.shape}>"


class Checkpoint(Mapping[str, LazyTensor]):
    """A set of named tensors in one file or many; opened by `open_checkpoint`.

    Iteration is in file order. Pickling sends the path, never values.

    Attributes
    ----------
    path
        What was opened: a file or a folder on disk, or an address.
    files
        The files that hold tensors, in shard order; those that are missing are left out.
    format
        Name of the file format, e.g. ``"safetensors"``.
    metadata
        Free text that the format stores beside the tensors.
    config
        The parsed ``config.json`` beside the tensors, or None.
    missing
        Tensors that an index announces but no file holds, or that cannot be read: name → why.
    side_data
        Tensors that belong to a quantisation (packed codes, scales, zero points) and are no
        parameters: ``checkpoint[name]`` reads them too, but they are not listed.
    tokenizer
        The file beside the tensors that a tokenizer can be made from, or None.
    notes
        Sentences for a person: what was ignored or is absent.
    """

    path: Path | Address
    files: tuple[Path | Address, ...]
    format: str
    metadata: Mapping[str, str]
    config: Mapping[str, Any] | None
    missing: Mapping[str, str]
    side_data: Mapping[str, LazyTensor] = MappingProxyType({})
    tokenizer: Path | None
    notes: tuple[str, ...]

    @property
    def quantisation(self) -> Mapping[str, Any]:
        """What the configuration says of how the tensors are quantised; empty if nothing."""
        found = (self.config or {}).get("quantization_config")
        return found if isinstance(found, dict) else {}

    # A mapping compares its values, and cannot be hashed; a checkpoint is an open file.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def is_remote(self) -> bool:
        """Whether it lies on a server."""
        return isinstance(self.path, Address)

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Fast identity: SHA-256 hex over headers, sizes, mtimes and 64 sampled 4 KB blocks."""

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The entries of a tokenizer that the files themselves hold, by id; None without one."""
        return None

    @abstractmethod
    def content_hash(self, progress: Progress | None = None) -> str:
        """SHA-256 hex over every byte of every file; takes as long as reading them."""

    @abstractmethod
    def close(self) -> None:
        """Release the mapped files; reading a tensor afterwards raises `CheckpointError`."""

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
