"""The weights of models in the ONNX format, in the file itself or in files beside it."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from ..address import Address
from ..dtypes import STORED_TYPES
from ..files import FileCheckpoint
from ..place import Place
from ..region import c_strides
from ..shards import leads_out
from ..source import ByteSource
from ..strided import tensor_at
from ..tensor import LazyTensor
from .malformed import Malformed, quoted
from .onnx_graph import Graph, Initialiser, read_graph
from .protobuf import numbers

__all__ = ["OnnxCheckpoint"]

_TYPES = {
    1: "F32", 2: "U8", 3: "I8", 4: "U16", 5: "I16", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16",
    11: "F64", 12: "U32", 13: "U64", 14: "C64", 16: "BF16", 17: "F8_E4M3", 18: "F8_E4M3FNUZ",
    19: "F8_E5M2", 20: "F8_E5M2FNUZ", 24: "F8_E8M0",
}  # fmt: skip
_UNREAD = {8: "texts", 15: "complex128", 21: "uint4", 22: "int4", 23: "float4"}
_FLOATS, _DOUBLES = 4, 10
_PLAIN = {(_FLOATS, "F32"), (_FLOATS, "C64"), (_DOUBLES, "F64")}
"""Rows of numbers that lie in the file as their elements do."""

MAX_ROW = 1 << 20
"""Bytes of a row of numbers of varying length; it is decoded as a whole."""

_HEAD = 4096
"""Bytes at the beginning of each file that tell it from others."""

_INTEGERS = frozenset({"I64", "I32", "BOOL", "U8"})


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies, and whether it is shown transposed."""

    shape: tuple[int, ...]
    stored: str
    source: ByteSource
    start: int
    transposed: bool = False


class OnnxCheckpoint(FileCheckpoint[Entry]):
    """The initialisers of an ONNX file; only their headers and the graph's nodes are read at first.

    Exporters fold the transposition of a linear layer into its matrix and drop its name. Such
    a matrix is listed as the weight of the module that multiplies with it, in that module's
    shape ``[out, in]``. Shapes, axes and other constants of the computation are not listed;
    ``checkpoint[name]`` reads them too.

    Parameters
    ----------
    place, name
        The folder, and in it the file.
    path
        What the user opened, e.g. the folder; the file itself if None.

    Raises
    ------
    CheckpointError
        The file is damaged.
    """

    format = "ONNX"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        source = place.source(name)
        try:
            graph = read_graph(source)
        except Malformed as error:
            raise CheckpointError(f"{source.path} cannot be read as ONNX: {error}") from None
        self._files: dict[str, ByteSource] = {"": source}
        entries: dict[str, Entry] = {}
        missing: dict[str, str] = {}
        taken = {it.name for it in graph.initialisers}
        renamed = 0
        for one in graph.initialisers:
            shown, module = one.name, graph.modules.get(one.name, "")
            weight = f"{module}.weight"
            folded = module and len(one.shape) == 2 and _is_anonymous(one.name)
            if folded and weight not in taken:
                taken.add(weight)
                shown = weight
            try:
                entry = self._entry(one, place, transposed=shown == weight)
            except Malformed as error:
                missing[shown] = str(error).removesuffix(".")
                continue
            if shown in entries:
                raise CheckpointError(f"{source.path} holds the tensor {quoted(shown)} twice.")
            renamed += shown != one.name
            entries[shown] = entry
        constants = [key for key, entry in entries.items() if _is_constant(key, entry)]
        self._constants = {key: entries.pop(key) for key in constants}
        if not entries and not missing:
            raise CheckpointError(f"{source.path} holds a graph, but no weights.")
        sources = list(self._files.values())
        self._hold(
            place,
            name,
            path,
            sources,
            [min(_HEAD, it.size) for it in sources],
            entries,
            missing=missing,
            metadata=graph.metadata,
            notes=_notes(graph, renamed, len(constants)),
        )

    def __getitem__(self, name: str) -> LazyTensor:
        constant = self._constants.get(name)
        return super().__getitem__(name) if constant is None else self._make(name, constant)

    def _make(self, name: str, entry: Entry) -> LazyTensor:
        strides = c_strides(entry.shape)
        if entry.transposed:
            strides = c_strides(entry.shape[::-1])[::-1]
        return tensor_at(name, entry.shape, strides, entry.stored, entry.source, entry.start)

    def _entry(self, one: Initialiser, place: Place, transposed: bool) -> Entry:
        """Where the elements of an initialiser lie; `Malformed` with the reason if nowhere."""
        stored = _TYPES.get(one.kind)
        if one.wrong or stored is None:
            kind = _UNREAD.get(one.kind, f"of the unknown type {one.kind}")
            raise Malformed(one.wrong or f"its elements are {kind}, which are not read", "")
        count = math.prod(one.shape)
        size = count * STORED_TYPES[stored].bits // 8
        if count >= 2**59 or (not count and math.prod(n for n in one.shape if n) > 2**59):
            raise Malformed(f"its shape {one.shape} is too large", "")
        source, (start, stop) = self._files[""], (0, 0)
        if one.external:
            source, start, stop = self._external(one.external, place, size)
        elif one.raw is not None:
            start, stop = one.raw
        elif one.row is not None:
            number, start, stop = one.row
            if (number, stored) not in _PLAIN:
                if max(stop - start, count) > MAX_ROW:
                    raise Malformed("its elements are stored as a long row of numbers", "")
                source = _Row(source, start, stop, stored, count)
                start, stop = 0, size
        if stop - start != size:
            raise Malformed(f"it has {stop - start} bytes, but its shape takes {size}", "")
        shape = one.shape[::-1] if transposed else one.shape
        return Entry(shape, stored, source, start, transposed)

    def _external(
        self, said: dict[str, str], place: Place, size: int
    ) -> tuple[ByteSource, int, int]:
        """The bytes in another file; the names and numbers are not to be trusted."""
        location = said.get("location", "")
        if leads_out(location):
            raise Malformed(f"its file {quoted(location)} is not one of the model's folder", "")
        start, length = (said.get(key, "") or "0" for key in ("offset", "length"))
        if not all(text.isdecimal() and len(text) < 19 for text in (start, length)):
            raise Malformed("its place in another file is no number", "")
        source = self._files.get(location)
        if source is None:
            if not place.has(location):
                raise Malformed(f"its file {location} is missing", "")
            source = self._files[location] = place.source(location)
        stop = int(start) + (int(length) or size)
        if stop > source.size:
            raise Malformed(f"it ends after the end of {location}", "")
        return source, int(start), stop


class _Row(ByteSource):
    """Elements that are stored as numbers of varying length; decoded as a whole."""

    def __init__(self, source: ByteSource, start: int, stop: int, stored: str, count: int) -> None:
        kind = STORED_TYPES[stored].storage
        assert kind is not None
        self.path = source.path
        self.size = count * kind.itemsize
        self.stamp = source.stamp
        self._source = source
        self._range = start, stop
        self._storage = kind

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop`` of the elements, read-only."""
        try:
            values = numbers(self._source.read(*self._range))
        except Malformed as error:
            raise CheckpointError(f"{self.path} is damaged: {error}") from None
        # Halves are stored as the numbers that their bits make.
        data = values.astype(f"<u{self._storage.itemsize}").view(np.uint8)
        if data.size != self.size:
            raise CheckpointError(f"{self.path} is damaged: a row of numbers has the wrong length.")
        data.flags.writeable = False
        return data[start:stop]

    def close(self) -> None:
        """Release the file."""
        self._source.close()


def _is_anonymous(name: str) -> bool:
    """Whether an exporter made a name up."""
    stem = name.rpartition("_")[0]
    return (
        name.startswith(("onnx::", "/"))
        or name.endswith(".MatMul.weight")
        or (stem == "val" and name[4:].isdecimal())
        or name.isdecimal()
    )


def _is_constant(name: str, entry: Entry) -> bool:
    """Whether a tensor belongs to the computation, not to what was learned."""
    small = math.prod(entry.shape) <= 1 or (len(entry.shape) < 2 and entry.stored in _INTEGERS)
    return small and _is_anonymous(name)


def _notes(graph: Graph, renamed: int, constants: int) -> list[str]:
    notes: list[str] = []
    if renamed:
        notes.append(
            f"{renamed} matrices without names are listed as the weights of the modules that "
            f"multiply with them, transposed to [out, in]."
        )
    if constants:
        notes.append(f"{constants} constants of the computation (shapes, axes) are not listed.")
    if graph.sparse:
        notes.append(f"{graph.sparse} sparse tensors are not read.")
    return notes
