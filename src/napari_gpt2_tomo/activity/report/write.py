"""Writing a report: a folder with every figure, its numbers, and one page that shows all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...base import Progress, SilentProgress, save_bytes, save_text
from ...display.plots import LIGHT, Theme
from ...page import write_page
from ..record import Activity
from ..record.finite import not_finite
from .collect import Drawn, Left, Room, collect
from .folder import MARK, WRITER, whole_folder
from .markdown import markdown
from .page import report_page

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["Figure", "Report", "write_report"]

WIDE = 9.0
"""Inches of width from which a figure takes a row of the page for itself."""

FIGURES = "figures"
"""Folder of the figures inside the report's."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as files.

    Attributes
    ----------
    room, title, caption
        Where it belongs, and what is seen.
    files
        Path from the report's folder by kind: ``"png"``, ``"svg"``, ``"csv"``.
    picture
        The PNG itself.
    wide
        Whether it needs the width of a page to be read.
    """

    room: Room
    title: str
    caption: str
    files: dict[str, str]
    picture: bytes
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes
    ----------
    folder, page
        The folder, and the page in it.
    figures, left
        What was drawn, and what could not be.
    """

    folder: Path
    page: Path
    figures: tuple[Figure, ...]
    left: tuple[Left, ...]


def write_report(
    activity: Activity,
    folder: str | Path,
    scan: "Scan | None" = None,
    *,
    theme: Theme = LIGHT,
    svg: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Write a report of an activity; the folder is whole or as it was before.

    Parameters
    ----------
    activity
        What was measured.
    folder
        Where to: a new or empty one, or that of an earlier report, which is replaced.
    scan
        The checkpoint of the model, for the figures of its weights.
    theme
        Colours of the figures and of the page.
    svg
        Whether figures are written as drawings too.
    progress
        Told of every figure.

    Raises
    ------
    TomoError
        The folder holds something else, or cannot be written.
    Cancelled
        `progress` asked to stop; nothing is left behind.
    """
    if wrong := not_finite(activity):
        activity = activity.replace(model=activity.model, notes=(*activity.notes, wrong))
    target = Path(folder)
    report = progress or SilentProgress()
    figures: list[Figure] = []
    left: list[Left] = []
    with whole_folder(target) as scratch:
        (scratch / FIGURES).mkdir()
        report.start(1, "Drawing figures")
        for found in collect(activity, scan):
            # Nobody knows how many there will be: a step of nothing asks whether to go on.
            report.advance(0)
            if isinstance(found, Left):
                left.append(found)
                continue
            taken = {Path(figure.files["png"]).stem for figure in figures}
            written = _write(scratch, found, taken, theme, svg)
            if isinstance(written, Left):
                left.append(written)
            else:
                figures.append(written)
        save_text(scratch / MARK, _summary(activity, figures, left))
        save_text(scratch / "report.md", markdown(activity, figures, left))
        write_page(report_page(activity, figures, left, theme), scratch / "index.html")
        report.advance(1)
    return Report(target, target / "index.html", tuple(figures), tuple(left))


def _write(folder: Path, found: Drawn, taken: set[str], theme: Theme, svg: bool) -> Figure | Left:
    plot = found.plot
    own = plot.name.removeprefix(f"{found.room.name}-")
    stem = f"{found.room.name}-{own}"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    files = {"png": f"{FIGURES}/{name}.png", "csv": f"{FIGURES}/{name}.csv"}
    try:
        picture = plot.picture("png", theme)
        drawing = plot.picture("svg", theme) if svg else b""
    except Exception as error:
        return Left(found.room, f"{plot.title}: {type(error).__name__}: {error}")
    save_bytes(folder / files["png"], picture)
    plot.table.save(folder / files["csv"])
    if svg:
        files["svg"] = f"{FIGURES}/{name}.svg"
        save_bytes(folder / files["svg"], drawing)
    return Figure(found.room, plot.title, plot.caption, files, picture, plot.size[0] > WIDE)


def _summary(activity: Activity, figures: Sequence[Figure], left: Sequence[Left]) -> str:
    """What is in the folder, for other programs."""
    source = activity.source
    found = {
        "writer": WRITER,
        "model": {"name": source.name, "family": source.family, "sizes": source.sizes.known()},
        "prompt": activity.text,
        "tokens": {"ids": activity.tokens.ids.tolist(), "strings": list(activity.tokens.strings)},
        "changes": list(source.changes),
        "notes": list(activity.notes),
        "figures": [
            {
                "subject": figure.room.name,
                "title": figure.title,
                "caption": figure.caption,
                "files": figure.files,
            }
            for figure in figures
        ],
        "not_drawn": [{"subject": one.room.name, "reason": one.reason} for one in left],
    }
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"
