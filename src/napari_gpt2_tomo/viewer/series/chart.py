"""A plot with a line at the present step: the line moves without the plot being drawn again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...display.plots import Plot
from ..activity.plot_view import PlotView, theme_of

__all__ = ["GrowthChart"]

WIDTH = 1.6
"""Points of the line's width."""

HANDLE = 7.0
"""Points of the mark at the top of the line: it can be seen that it moves."""


class GrowthChart(QWidget):  # type: ignore[misc]
    """Shows a plot over the steps, and where in them the viewer is.

    Attributes
    ----------
    chosen
        Emitted with the place (from 0) of the step nearest to a click, or to the mouse while it
        is dragged.
    view
        The plot itself.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = PlotView()
        self._places: NDArray[np.float64] = np.zeros(0)
        self._step = 0
        self._line: Any = None
        self._ground: Any = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.view.clicked.connect(self._pressed)
        self.view.hovered.connect(self._dragged)
        self.view.canvas.mpl_connect("draw_event", self._drawn)

    def show_plot(self, plot: Plot | None, places: NDArray[np.float64], step: int) -> None:
        """Show a plot whose steps lie at these places of its axis, with the line at a step."""
        self._places = places
        self._step = step
        self._line = self._ground = None
        self.view.show_plot(plot)

    def move_to(self, step: int) -> None:
        """Put the line at a step."""
        if step == self._step and self._line is not None:
            return
        self._step = step
        if self._line is None or self._ground is None:
            return
        canvas = self.view.canvas
        canvas.restore_region(self._ground)
        self._put()
        # Not at once, as matplotlib's `blit` does: then Qt puts the whole window together again.
        canvas.update()

    @property
    def step(self) -> int:
        """Where the line is."""
        return self._step

    def _drawn(self, event: Any) -> None:
        """The plot was drawn, without the line, which is animated: keep it, and draw the line."""
        figure = self.view.figure
        if self.view.plot is None or not figure.axes or not len(self._places):
            return
        axes = figure.axes[0]
        if self._line is None or self._line.axes is not axes:
            (self._line,) = axes.plot(
                [0, 0],
                [0, 1],
                transform=axes.get_xaxis_transform(),
                color=theme_of(self).accent,
                linewidth=WIDTH,
                marker="v",
                markersize=HANDLE,
                markevery=[1],
                clip_on=False,
                animated=True,
                zorder=5,
            )
        self._ground = self.view.canvas.copy_from_bbox(figure.bbox)
        self._put()

    def _put(self) -> None:
        at = float(self._places[min(self._step, len(self._places) - 1)])
        self._line.set_xdata([at, at])
        self._line.axes.draw_artist(self._line)

    def _pressed(self, event: Any) -> None:
        self._choose(event)

    def _dragged(self, event: Any) -> None:
        # Qt's own state: matplotlib tells a move of no button when one is held.
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QApplication

        if QApplication.mouseButtons() & Qt.MouseButton.LeftButton:
            self._choose(event)

    def _choose(self, event: Any) -> None:
        if not len(self._places) or not self.view.figure.axes or event.x is None:
            return
        # In pixels: on a logarithmic axis the nearest step is another than by numbers.
        axes = self.view.figure.axes[0]
        there = axes.transData.transform([(at, axes.get_ylim()[0]) for at in self._places])[:, 0]
        step = int(np.abs(there - event.x).argmin())
        if step != self._step:
            self.chosen.emit(step)
