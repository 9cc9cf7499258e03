"""Tensors of a GGUF file that are stored as blocks of quantised values."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..quantised.blocks import BlockTensor
from ..region import Region
from ..source import ByteSource
from ..stored import StoredTensor
from ..tensor import LazyTensor
from .gguf_codes import CODES
from .gguf_decode import decode_blocks
from .gguf_types import BlockType

__all__ = ["GgufTensor"]

Array = NDArray[Any]


class _Blocks(BlockTensor):
    """Something that is computed from the blocks of a GGUF tensor, a box of blocks at a time.

    Parameters
    ----------
    name, shape
        As in the checkpoint.
    kind
        The element type.
    source, start
        The file, and the byte of it at which the first block lies.
    each
        Elements that come from each block.
    dtype
        Of the elements.
    """

    # The blocks of a row lie together, so that rows can be read one by one.
    takes_steps = True

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: BlockType,
        source: ByteSource,
        start: int,
        each: int,
        dtype: Any = np.float32,
    ) -> None:
        nbytes = math.prod(shape) // each * kind.nbytes
        super().__init__(name, shape, kind.name, grain=(1, each), nbytes=nbytes, dtype=dtype)
        self.kind = kind
        self._source = source
        self._start = start
        self._item = np.dtype((np.void, kind.nbytes))
        self._row_bytes = self.columns // each * kind.nbytes

    def needs(self, rows: slice, columns: slice) -> Iterator[tuple[LazyTensor, Region]]:
        """The bytes of a box's blocks."""
        stored = StoredTensor(
            self.name, (self.rows, self._row_bytes), "U8", self._source, self._start
        )
        each, nbytes = self.grain[1], self.kind.nbytes
        first, last = columns.start // each * nbytes, columns.stop // each * nbytes
        offset = rows.start * self._row_bytes + first
        yield stored, Region(offset, (rows.stop - rows.start, last - first), (self._row_bytes, 1))

    def _blocks(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """The bytes of a box's blocks, ``(rows, blocks, bytes)``, read-only, in C order."""
        per_row, each = self.columns // self.grain[1], self.grain[1]
        step = rows.step or 1
        n_rows = len(range(rows.start, rows.stop, step))
        first, last = columns.start // each, columns.stop // each
        region = Region(rows.start * per_row + first, (n_rows, last - first), (step * per_row, 1))
        found = np.ascontiguousarray(self._source.gather(self._start, region, self._item))
        return found.view(np.uint8).reshape(n_rows, last - first, self.kind.nbytes)


class GgufTensor(_Blocks):
    """The values of a tensor of blocks: float32, as ggml computes them.

    Parameters
    ----------
    name, shape
        As in the checkpoint.
    kind
        The element type; not a plain one.
    source, start
        The file, and the byte of it at which the first block lies.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], kind: BlockType, source: ByteSource, start: int
    ) -> None:
        super().__init__(name, shape, kind, source, start, kind.values)
        self.scheme = kind.scheme

    def decode(self, rows: slice, columns: slice) -> Array:
        """Values of a box of whole blocks."""
        blocks = self._blocks(rows, columns)
        n_rows, n_blocks, nbytes = blocks.shape
        values = decode_blocks(blocks.reshape(-1, nbytes), self.kind)
        return values.reshape(n_rows, n_blocks * self.kind.values)

    def _factor(self, which: str) -> BlockTensor | None:
        # Not kept: the functions that take blocks apart cannot be sent to other processes.
        code = CODES.get(self.kind.name)
        if code is None or getattr(code, which) is None:
            return None
        if which == "codes":
            return _Factor(self, which, self.kind.values, code.dtype)
        return _Factor(self, which, self.kind.values // self.kind.group, np.dtype(np.float32))

    @property
    def codes(self) -> BlockTensor | None:
        """The integers: values are codes · scales − minima. None for types without such."""
        return self._factor("codes")

    @property
    def scales(self) -> BlockTensor | None:
        """Scale of each group of codes, ``(…, columns / group)`` float32.

        Of the K types the product of the block's scale and the group's.
        """
        return self._factor("scales")

    @property
    def minima(self) -> BlockTensor | None:
        """What is subtracted in each group, in the shape of `scales`; None if nothing is."""
        return self._factor("minima")


class _Factor(_Blocks):
    """Codes, scales or minima of a tensor: `each` of them come from a block."""

    def __init__(self, tensor: GgufTensor, which: str, each: int, dtype: np.dtype[Any]) -> None:
        kind = tensor.kind
        shape = (*tensor.shape[:-1], tensor.shape[-1] // kind.values * each)
        name = f"{tensor.name} ({which})"
        super().__init__(name, shape, kind, tensor._source, tensor._start, each, dtype)
        self._which = which

    def decode(self, rows: slice, columns: slice) -> Array:
        """Codes, scales or minima of a box of whole blocks."""
        blocks = self._blocks(rows, columns)
        n_rows, n_blocks, nbytes = blocks.shape
        split = getattr(CODES[self.kind.name], self._which)
        with np.errstate(all="ignore"):
            found: Array = split(blocks.reshape(-1, nbytes))
        return found.reshape(n_rows, n_blocks * self.grain[1])
