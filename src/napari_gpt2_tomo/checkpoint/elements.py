"""What all tensors share whose elements lie in a byte source as they are."""

from typing import Any

from numpy.typing import NDArray

from .dtypes import STORED_TYPES, decode
from .region import Region
from .source import ByteSource
from .tensor import LazyTensor

__all__ = ["ElementTensor"]


class ElementTensor(LazyTensor):
    """Elements of one type in one file; a subclass says in which order they lie.

    Parameters
    ----------
    name, shape
        As in the checkpoint.
    stored
        A key of `STORED_TYPES` whose elements do not share bytes.
    source
        The file.
    start
        Byte of the first element.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], stored: str, source: ByteSource, start: int
    ) -> None:
        kind = STORED_TYPES[stored]
        if kind.storage is None:
            raise ValueError(f"{stored} elements share bytes")
        self.name = name
        self.shape = shape
        self.stored = stored
        self.dtype = kind.decoded
        self._storage = kind.storage
        self._coded = kind.is_coded
        self._source = source
        self._start = start
        self._size = self.size
        self.nbytes = self._size * kind.storage.itemsize

    def read(self, region: Region) -> NDArray[Any]:
        """Values of a strided box; a view of a mapped file where numpy has the stored type."""
        raw = self.raw(region)
        if not self._coded:
            return raw
        values: NDArray[Any] = decode(raw, self.stored)
        values.flags.writeable = False
        return values
