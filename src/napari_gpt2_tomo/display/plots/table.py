"""The numbers behind a plot, as columns."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import save_text

__all__ = ["Table"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet take a text for a formula."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Attributes
    ----------
    columns
        Values by heading: numbers or texts, ``(row,)`` each.
    """

    columns: Mapping[str, Sequence[Any] | NDArray[Any]]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different lengths: {lengths}")

    def __len__(self) -> int:
        return next((len(column) for column in self.columns.values()), 0)

    @classmethod
    def of_grid(cls, values: NDArray[Any], **axes: Sequence[Any]) -> "Table":
        """A row for each value of an array: a column for each axis, and ``value``.

        Parameters
        ----------
        values
            The array.
        **axes
            For each axis in order its heading and what stands for its indices.
        """
        if tuple(len(labels) for labels in axes.values()) != values.shape:
            raise ValueError(f"labels of {list(axes)} do not fit a shape of {values.shape}")
        places = np.indices(values.shape).reshape(values.ndim, -1)
        named = {
            name: [labels[place] for place in row]
            for (name, labels), row in zip(axes.items(), places, strict=True)
        }
        return cls({**named, "value": values.ravel()})

    def csv(self) -> str:
        """As comma-separated text; texts that a spreadsheet would run as formulas are quoted."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        columns = [[_cell(value) for value in column] for column in self.columns.values()]
        writer.writerows(zip(*columns, strict=True))
        return out.getvalue()

    def save(self, path: Path) -> None:
        """Write it as CSV in UTF-8; the file is whole or not there."""
        save_text(path, self.csv())


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, np.floating | float):
        return f"{float(value):.9g}"
    return value
