"""A plot: how it is drawn, and the numbers in it. The same one is drawn in a dock and to a file."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...base import DisplayError, save_bytes
from .letters import legible
from .table import Table
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Plot"]

DPI = 150
"""Dots per inch of a saved picture."""


@dataclass(frozen=True, eq=False)
class Plot:
    """A plot that knows its numbers.

    Attributes
    ----------
    name
        Stem of its files: lower case, words joined by ``-``.
    title
        For a person; drawn by whoever shows the plot, not by `draw`.
    draw
        Draws into an empty figure; called inside the theme's settings, with the theme for what
        those do not say. May be called any number of times.
    table
        Every number that is drawn.
    caption
        What is seen and how it was computed, in a sentence or two.
    size
        Inches of width and height of a saved picture.
    """

    name: str
    title: str
    draw: Callable[["Figure", Theme], None]
    table: Table
    caption: str = ""
    size: tuple[float, float] = (7.0, 4.5)

    def figure(self, theme: Theme = LIGHT) -> "Figure":
        """The drawn figure, without a screen."""
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with mpl.rc_context(theme.settings()):
            figure = Figure(figsize=self.size, layout="constrained")
            FigureCanvasAgg(figure)
            self.draw(figure, theme)
            figure.suptitle(self.title, x=0.01, ha="left", fontsize=theme.size + 2)
            legible(figure)
            if any(axes.get_aspect() != "auto" for axes in figure.axes):
                # Axes of a fixed shape find their places in a second pass; after one, labels
                # stand beyond the edge.
                figure.set_layout_engine("compressed")
                figure.draw_without_rendering()
        return figure

    def picture(self, kind: str = "png", theme: Theme = LIGHT) -> bytes:
        """The picture as ``"png"`` or ``"svg"``; the same bytes for the same numbers."""
        import matplotlib as mpl

        options: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
        figure = self.figure(theme)
        out = io.BytesIO()
        with mpl.rc_context(theme.settings()):
            figure.savefig(out, format=kind, dpi=DPI, **options)
        return out.getvalue()

    def save(self, path: Path, theme: Theme = LIGHT) -> None:
        """Write it as ``.png``, ``.svg`` or ``.csv``, by the ending; whole or not there.

        Raises
        ------
        TomoError
            The ending is another, or the file cannot be written.
        """
        ending = path.suffix.lower()
        if ending == ".csv":
            self.table.save(path)
        elif ending in (".png", ".svg"):
            save_bytes(path, self.picture(ending[1:], theme))
        else:
            raise DisplayError(f"A plot is saved as .png, .svg or .csv, not to {path.name!r}.")
