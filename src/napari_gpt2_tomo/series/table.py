"""Growth as a table of every part at every step, for files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import TomoError, save_bytes
from ..display.plots import Table
from .growth import METRICS, Growth

if TYPE_CHECKING:
    from .series import Series

__all__ = ["growth_table", "save_growth"]

PARQUET = (".parquet", ".pq")
"""Endings of files that pyarrow writes."""


def growth_table(series: "Series", growth: Growth) -> Table:
    """A row for each part at each step: where it is, and every metric; NaN where it has none."""
    count, parts = len(series.steps), growth.parts
    columns: dict[str, Any] = {
        "step": np.tile([_number(step.number) for step in series.steps], len(parts)),
        "checkpoint": [step.name for _ in parts for step in series.steps],
        "part": [part.name for part in parts for _ in range(count)],
        "role": [part.role for part in parts for _ in range(count)],
        "layer": [part.layer for part in parts for _ in range(count)],
        "expert": [part.expert for part in parts for _ in range(count)],
        "size": np.repeat([part.size for part in parts], count),
    }
    for metric in METRICS:
        columns[metric.name] = growth.each(metric.name).ravel()
    return Table(columns)


def save_growth(series: "Series", growth: Growth, path: str | os.PathLike[str]) -> Path:
    """Write the table of a series as ``.csv`` or ``.parquet``, by the ending.

    Raises
    ------
    TomoError
        The ending is another, pyarrow is not installed, or the file cannot be written.
    """
    target = Path(path).expanduser()
    table = growth_table(series, growth)
    ending = target.suffix.lower()
    if ending == ".csv":
        table.save(target)
    elif ending in PARQUET:
        save_bytes(target, _parquet(table))
    else:
        raise TomoError(f"The growth of a series is saved as .csv or .parquet, not {target.name}.")
    return target


def _parquet(table: Table) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise TomoError(
            "Parquet files need the package pyarrow: pip install 'napari-gpt2-tomo[parquet]'. "
            "CSV needs nothing more."
        ) from error
    out = pa.BufferOutputStream()
    parquet.write_table(pa.table({name: _column(v) for name, v in table.columns.items()}), out)
    return bytes(out.getvalue())


def _column(values: Any) -> Any:
    return values if isinstance(values, np.ndarray) else list(values)


def _number(number: int | None) -> float:
    return np.nan if number is None else float(number)
