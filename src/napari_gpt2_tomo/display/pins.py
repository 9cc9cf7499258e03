"""Pinned probes: parameters that somebody wants to come back to."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psygnal import Signal

from ..base import LayoutError
from ..volume.address import Address
from ..volume.volume import Volume

__all__ = ["COLUMNS", "Pin", "Pins"]

COLUMNS = (
    "tensor", "index", "value", "part", "role", "layer", "expert",
    "head", "neuron", "token", "voxel", "note",
)  # fmt: skip
"""Columns of a table of pins, in order."""

Entry = tuple[str, tuple[int, ...], str]
"""What is kept of a pin: tensor, index and note."""

NOTE_LENGTH = 2000
"""Characters of a note that are kept."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned parameter.

    Attributes
    ----------
    tensor, index
        Which parameter it is: stored tensor and index into it.
    value
        Its exact value, when it was pinned.
    voxel
        Where it lies in the volume that is shown, None if that does not show it.
    part, role, layer, expert, head, neuron, token
        Its place in the model, as far as it has one.
    note
        What somebody wrote beside it.
    """

    tensor: str
    index: tuple[int, ...]
    value: float | int | bool
    voxel: tuple[int, ...] | None
    part: str = ""
    role: str = ""
    layer: int | None = None
    expert: int | None = None
    head: int | None = None
    neuron: int | None = None
    token: int | None = None
    note: str = ""

    @classmethod
    def of(cls, address: Address, voxel: Sequence[int], note: str = "") -> "Pin":
        """The pin of a parameter that was probed."""
        return cls(
            address.tensor,
            address.index,
            address.value,
            tuple(int(v) for v in voxel),
            address.part,
            address.role,
            address.layer,
            address.expert,
            address.head,
            address.neuron,
            address.token,
            note,
        )

    @property
    def query(self) -> str:
        """What `queries.Finder.find` leads there by."""
        return f"{self.tensor}{list(self.index)}"

    def cells(self) -> tuple[str, ...]:
        """What a table shows, one text for each of `COLUMNS`."""
        values = (getattr(self, name) for name in COLUMNS)
        return tuple(_text(value) for value in values)


class Pins:
    """The pins of one scan, in the order in which they were set; each parameter once."""

    changed = Signal()
    """A pin came, went or has another note or voxel."""

    def __init__(self) -> None:
        self._pins: list[Pin] = []

    def __len__(self) -> int:
        return len(self._pins)

    def __iter__(self) -> Iterator[Pin]:
        return iter(self._pins)

    def __getitem__(self, row: int) -> Pin:
        return self._pins[row]

    def add(self, pin: Pin) -> int:
        """Add a pin and return its row; the row of the old one if that parameter is pinned."""
        for row, held in enumerate(self._pins):
            if (held.tensor, held.index) == (pin.tensor, pin.index):
                return row
        self._pins.append(pin)
        self.changed.emit()
        return len(self._pins) - 1

    def remove(self, rows: Sequence[int]) -> None:
        """Remove the pins of some rows."""
        gone = set(rows)
        self._pins = [pin for row, pin in enumerate(self._pins) if row not in gone]
        self.changed.emit()

    def note(self, row: int, text: str) -> None:
        """Write a note beside a pin."""
        self._pins[row] = replace(self._pins[row], note=text.strip()[:NOTE_LENGTH])
        self.changed.emit()

    def relocate(self, volume: Volume) -> None:
        """Find the pinned parameters in another volume of the same scan."""
        if self._pins:
            self._pins = [replace(pin, voxel=_voxel(volume, pin)) for pin in self._pins]
            self.changed.emit()

    def csv(self, rows: Sequence[int] | None = None) -> str:
        """Rows as comma-separated values with a header, all of them by default."""
        return self._table(rows, ",")

    def tsv(self, rows: Sequence[int] | None = None) -> str:
        """Rows as tab-separated values with a header, as spreadsheets paste them."""
        return self._table(rows, "\t")

    def restore(self, entries: Iterable[Entry], volume: Volume) -> list[str]:
        """Add pins that were kept; returns a sentence for each that the model does not have."""
        lost = []
        for tensor, index, note in entries:
            try:
                pin = _pin(volume, tensor, index, note)
            except (LayoutError, IndexError) as error:
                lost.append(f"The pin {tensor}{list(index)} is left out: {error}")
                continue
            self.add(pin)
        return lost

    def _table(self, rows: Sequence[int] | None, delimiter: str) -> str:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        writer.writerow(COLUMNS)
        chosen = self._pins if rows is None else [self._pins[row] for row in rows]
        for pin in chosen:
            writer.writerow([_guarded(cell) for cell in pin.cells()])
        return out.getvalue()


def _pin(volume: Volume, tensor: str, index: tuple[int, ...], note: str) -> Pin:
    voxel = volume.voxel(tensor, index)
    address = volume.address(voxel)
    if not isinstance(address, Address):
        raise LayoutError("it is no stored parameter.")
    return Pin.of(address, voxel, note)


def _voxel(volume: Volume, pin: Pin) -> tuple[int, ...] | None:
    try:
        return volume.voxel(pin.tensor, pin.index)
    except (LayoutError, IndexError):
        return None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def _guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: names in a file are anybody's words."""
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
    return cell
