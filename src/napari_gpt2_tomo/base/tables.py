"""Tables as text for programs."""

import csv
import io
from collections.abc import Iterable, Sequence

__all__ = ["delimited"]


def delimited(
    columns: Iterable[str], rows: Iterable[Sequence[object]], delimiter: str = ","
) -> str:
    """A table as comma- or otherwise separated values with a header, all digits kept.

    None is an empty cell, a tuple is written as a shape (``128 × 512``).
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " × ".join(map(str, value))
    return repr(float(value)) if isinstance(value, float) else str(value)
