"""The table of changes as lines of text."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .table import ChangeRow, ChangeTable

__all__ = ["change_lines"]

HEADS = ("part", "‖Δ‖/‖w‖", "max |Δ|", "RMSE", "SNR dB", "cosine", "flips", "rank", "shape")

RANK = HEADS.index("rank")


def change_lines(table: "ChangeTable", rows: "Sequence[ChangeRow]") -> Iterator[str]:
    """Some rows of a table, aligned, under the names of their columns and above the total.

    Ranks have a column where they were measured.
    """
    total = table.total
    numbers = _numbers(
        total.relative, total.largest, total.rmse, total.snr, total.cosine, total.flipped
    )
    cells = [HEADS, *(_cells(row, table) for row in rows)]
    cells.append(("all parts", *numbers, "", f"{total.n:,}"))
    columns = [i for i in range(len(HEADS)) if i != RANK or table.spectra]
    widths = {i: max(len(line[i]) for line in cells) for i in columns}
    for line in cells:
        words = [
            line[i].ljust(widths[i]) if i in (0, len(HEADS) - 1) else line[i].rjust(widths[i])
            for i in columns
        ]
        yield "  ".join(words).rstrip()


def _cells(row: "ChangeRow", table: "ChangeTable") -> tuple[str, ...]:
    numbers = _numbers(row.relative, row.largest, row.rmse, row.snr, row.cosine, row.flips)
    spectrum = (table.spectra or {}).get(row.part)
    rank = "" if spectrum is None else f"{'' if spectrum.bounded else '≥ '}{spectrum.rank}"
    return (row.part, *numbers, rank, " × ".join(map(str, row.shape)))


def _numbers(
    relative: float, largest: float, rmse: float, snr: float, cosine: float, flips: float
) -> tuple[str, ...]:
    return (
        _written(relative, ".4g"),
        _written(largest, ".4g"),
        _written(rmse, ".4g"),
        _written(snr, ".2f"),
        _written(cosine, ".6f"),
        _written(flips, ".2%"),
    )


def _written(value: float, pattern: str) -> str:
    """A number for a person; a dash where there is none, as in a part that is all NaN."""
    if math.isnan(value):
        return "–"
    return "∞" if value == math.inf else f"{value:{pattern}}"
