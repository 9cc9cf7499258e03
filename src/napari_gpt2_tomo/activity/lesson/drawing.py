"""Small drawings as inline SVG, in the page's own colours.

Colours are classes of the page's style (``lesson.css``), so that a drawing is right in the dark
and in the light. A value's size is an opacity: no colour has to be computed here.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...page import in_attribute, in_text

__all__ = ["bars", "heat", "lines", "rectangle", "svg", "text", "thinned"]

F64 = NDArray[np.float64]

STEPS = 16
"""Shades of a heat map: cells of one shade are one path, which keeps a page small."""

ROW = 18
"""Height of a row of a bar chart, in pixels: one line of text."""

LETTER = 6.6
"""Width of a letter at 11 pixels, on average and in pixels."""


def svg(width: float, height: float, label: str, body: str, kind: str = "") -> str:
    """A picture with what it shows in words; its text is not read aloud letter by letter."""
    return (
        f'<svg class="{in_attribute(kind)}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{in_attribute(label)}">{body}</svg>'
    )


def text(
    x: float, y: float, words: str, kind: str = "", anchor: str = "start", data: str = ""
) -> str:
    """A line of text; each stands for itself, so that Arabic beside Latin stays in its place."""
    classes = f' class="{in_attribute(kind)}"' if kind else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    more = f" {data}" if data else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{classes}{place}{more}>{in_text(words)}</text>'


def rectangle(
    x: float,
    y: float,
    width: float,
    height: float,
    kind: str,
    opacity: float | None = None,
    data: str = "",
) -> str:
    """A rectangle of one of the page's colours."""
    faint = "" if opacity is None else f' fill-opacity="{opacity:.3f}"'
    more = f" {data}" if data else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'class="{in_attribute(kind)}"{faint}{more}/>'
    )


def thinned(count: int, room: float, each: float) -> range:
    """Which of `count` labels are written where each needs `each` pixels of `room`."""
    step = max(1, int(np.ceil(count * each / max(room, 1.0))))
    return range(0, count, step)


def short(label: str, letters: int = 14) -> str:
    """A label that fits beside a drawing."""
    return label if len(label) <= letters else f"{label[: letters - 1]}…"


def heat(
    values: F64,
    rows: Sequence[str],
    label: str,
    *,
    columns: str = "",
    cell: tuple[float, float] = (8.0, 18.0),
    marked: int | None = None,
) -> str:
    """A heat map: blue above zero, orange below, stronger for larger magnitudes.

    Parameters
    ----------
    values
        ``(row, column)``.
    rows
        A label for each row.
    label
        What it shows, in words.
    columns
        What the columns count.
    cell
        Pixels of width and height of one.
    marked
        A row to be framed.
    """
    wide, high = cell
    n_rows, n_columns = values.shape
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    left = 12 + LETTER * max((len(short(one)) for one in rows), default=0)
    width, height = left + n_columns * wide + 12, n_rows * high + 30
    parts = [
        text(left - 6, i * high + high / 2 + 4, short(one), "label", "end")
        for i, one in enumerate(rows)
    ]
    shade = np.ceil(np.abs(np.nan_to_num(values)) / largest * STEPS).astype(int)
    for sign, kind in ((1, "up"), (-1, "down")):
        for step in range(1, STEPS + 1):
            found = np.argwhere((shade == step) & (np.sign(values) == sign))
            if len(found):
                path = "".join(
                    f"M{left + j * wide:.5g} "
                    f"{i * high:g}h{wide - 1:.3g}v{high - 1:.3g}h{1 - wide:.3g}z"
                    for i, j in found.tolist()
                )
                parts.append(f'<path class="{kind}" fill-opacity="{step / STEPS:.3f}" d="{path}"/>')
    if marked is not None:
        parts.append(rectangle(left - 1, marked * high - 1, n_columns * wide + 1, high, "frame"))
    bottom = n_rows * high + 13
    parts += [
        text(left + (j + 0.5) * wide, bottom, str(j), "tick", "middle")
        for j in thinned(n_columns, n_columns * wide, 34)
    ]
    if columns:
        parts.append(text(left, bottom + 14, columns, "tick"))
    return svg(width, height, label, "".join(parts), "heat")


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    written: Sequence[str],
    label: str,
    *,
    marked: Iterable[int] = (),
    width: float = 560,
    data: str = "",
    letters: int = 16,
) -> str:
    """Horizontal bars from zero, each with its label and its number.

    Parameters
    ----------
    labels, values, written
        Of each bar: its name, its length, the number as it is written.
    label
        What it shows, in words.
    marked
        Bars in the accent's colour.
    width
        Pixels.
    data
        Stem of the names by which the page's script finds bar and number, if it changes them.
    letters
        Longest name.
    """
    chosen = set(marked)
    left = 14 + LETTER * max((len(short(one, letters)) for one in labels), default=0)
    room = max(width - left - 14 - LETTER * max(map(len, written), default=0), 60.0)
    lowest = min(0.0, min(values, default=0.0))
    highest = max(0.0, max(values, default=0.0))
    scale = room / ((highest - lowest) or 1.0)
    zero = left - lowest * scale
    parts = []
    for i, (name, value, number) in enumerate(zip(labels, values, written, strict=True)):
        y = i * ROW
        known = f'data-bar="{data}:{i}"' if data else ""
        told = f'data-slot="{data}:{i}"' if data else ""
        long = abs(value) * scale
        kind = "bar marked" if i in chosen else "bar below" if value < 0 else "bar"
        parts.append(text(left - 8, y + 13, short(name, letters), "label", "end"))
        parts.append(
            rectangle(zero if value >= 0 else zero - long, y + 3, long, ROW - 6, kind, data=known)
        )
        parts.append(text(max(zero, zero + value * scale) + 6, y + 13, number, "value", data=told))
    parts.append(f'<path class="axis" d="M{zero:.1f} 0V{len(labels) * ROW}"/>')
    return svg(width, len(labels) * ROW + 2, label, "".join(parts), "bars")


def lines(
    x: Sequence[float],
    series: Sequence[tuple[str, Sequence[float]]],
    label: str,
    *,
    across: str,
    up: str,
    size: tuple[float, float] = (560, 230),
    points: Sequence[tuple[float, float, str]] = (),
    ticks: Sequence[tuple[float, str]] = (),
    zero: bool = False,
    dots: bool = True,
) -> str:
    """Curves over one axis, told apart by colour, by dashes and by a name at their end.

    Parameters
    ----------
    x, series
        Places along the axis, and for each curve its name and its values.
    label
        What it shows, in words.
    across, up
        What the axes count.
    size
        Pixels.
    points
        Single points: place, value, class.
    ticks
        Marks on the axis: place and words; the ends if there are none.
    zero
        Whether the vertical axis includes 0.
    dots
        Whether each value has a dot.
    """
    width, height = size
    names = LETTER * max((len(name) for name, _ in series), default=0)
    left, right, top, bottom = 58.0, 16.0 + names, 18.0, 36.0
    every = [value for _, values in series for value in values] + [y for _, y, _ in points]
    finite = [value for value in every if np.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or 1.0
    x_low, x_span = min(x), (max(x) - min(x)) or 1.0

    def at(place: float, value: float) -> tuple[float, float]:
        return (
            left + (place - x_low) / x_span * (width - left - right),
            top + (high - value) / span * (height - top - bottom),
        )

    parts = [text(left, 11, up, "tick")]
    for value in _round_values(low, high):
        _, y = at(x_low, value)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{width - right:.1f}"/>')
        parts.append(text(left - 6, y + 4, f"{value:g}".replace("-", "−"), "tick", "end"))
    for place, words in ticks or [(one, f"{one:g}") for one in (min(x), max(x))]:
        parts.append(text(at(place, low)[0], height - 20, words, "tick", "middle"))
    parts.append(text((left + width - right) / 2, height - 4, across, "tick", "middle"))
    for i, (_, values) in enumerate(series):
        path = "L".join("{:.1f} {:.1f}".format(*at(*one)) for one in zip(x, values, strict=True))
        parts.append(f'<path class="line c{i % 4}" d="M{path}"/>')
        if dots:
            parts.extend(
                '<circle class="dot c{}" cx="{:.1f}" cy="{:.1f}" r="2.6"/>'.format(i % 4, *at(*one))
                for one in zip(x, values, strict=True)
            )
    # Names stand at the ends of their curves, from top to bottom, a line apart.
    beside = at(x[-1], low)[0] + 7
    lowest = 0.0
    for i in sorted(range(len(series)), key=lambda i: -series[i][1][-1]):
        lowest = max(lowest, at(x[-1], series[i][1][-1])[1] + 4)
        parts.append(text(beside, lowest, series[i][0], f"name c{i % 4}"))
        lowest += 12
    for place, value, kind in points:
        cx, cy = at(place, value)
        parts.append(f'<circle class="{in_attribute(kind)}" cx="{cx:.1f}" cy="{cy:.1f}" r="3"/>')
    return svg(width, height, label, "".join(parts), "plot")


def _round_values(low: float, high: float) -> list[float]:
    """Three to six round numbers between two values."""
    rough = (high - low) / 4 or 1.0
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * one for one in (1, 2, 2.5, 5, 10) if power * one >= rough)
    first = np.ceil(low / step)
    return [
        float(f"{(first + i) * step:.10g}") for i in range(int((high / step) - first + 1e-9) + 1)
    ]
