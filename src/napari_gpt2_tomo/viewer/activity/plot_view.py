"""A plot in a dock: drawn in napari's colours, saved as PNG, SVG and CSV."""

from pathlib import Path
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from ...base import TomoError
from ...display.plots import DARK, LIGHT, Plot, Theme
from ...display.plots.letters import legible
from ..work import show

__all__ = ["PlotView", "theme_of"]

SMALLEST = (260, 180)
"""Pixels of width and height below which letters run into each other."""

REST = 150
"""Milliseconds without another change of size after which letters are fitted to the new one."""

FILTERS = "Picture (*.png);;Drawing (*.svg);;Numbers (*.csv)"


def theme_of(widget: QWidget) -> Theme:
    """The theme for plots in a widget as its palette is now."""
    from dataclasses import replace

    from qtpy.QtGui import QPalette

    ground = widget.palette().color(QPalette.ColorRole.Window)
    base = LIGHT if ground.lightnessF() > 0.5 else DARK
    return replace(base, ground=ground.name(), panel=ground.name())


class PlotView(QWidget):  # type: ignore[misc]
    """Shows one plot, with its title, its caption as a tooltip and a button that saves it.

    Attributes
    ----------
    clicked, hovered
        Emitted with the matplotlib event (``event.inaxes, event.xdata, event.ydata``) of a
        click, and of a move of the mouse, inside axes.
    """

    clicked = Signal(object)
    hovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        self._plot: Plot | None = None
        self._theme: Theme = DARK
        self.figure = Figure(layout="constrained")
        self.canvas = FigureCanvasQTAgg(self.figure)
        self.canvas.setMinimumSize(QSize(*SMALLEST))
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip("Save this plot as PNG, SVG, or its numbers as CSV")
        self.save_button.clicked.connect(self._ask)
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.addWidget(self.title, stretch=1)
        top.addWidget(self.save_button, alignment=Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.canvas, stretch=1)
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.setInterval(REST)
        self._resized.timeout.connect(self._redraw_if_seen)
        # napari changes the palette of a widget several times when its theme is another.
        self._recoloured = QTimer(self)
        self._recoloured.setSingleShot(True)
        self._recoloured.setInterval(0)
        self._recoloured.timeout.connect(self._catch_up)
        self._late = False
        self.canvas.mpl_connect("button_press_event", self._click)
        self.canvas.mpl_connect("motion_notify_event", self._hover)
        self.show_plot(None)

    @property
    def plot(self) -> Plot | None:
        """The plot that is shown."""
        return self._plot

    def show_plot(self, plot: Plot | None) -> None:
        """Show a plot, or nothing."""
        self._plot = plot
        self.title.setText("" if plot is None else plot.title)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.canvas.setToolTip("")
        self.title.setToolTip("" if plot is None else plot.caption)
        self.save_button.setEnabled(plot is not None)
        self.redraw()

    def redraw(self) -> None:
        """Draw again, in the colours that napari has now."""
        import matplotlib as mpl

        self._theme = theme = theme_of(self)
        self._late = False
        with mpl.rc_context(theme.settings()):
            self.figure.clear()
            self.figure.set_facecolor(theme.ground)
            if self._plot is not None:
                self._plot.draw(self.figure, theme)
                legible(self.figure)
        self.canvas.draw_idle()

    def resizeEvent(self, event: Any) -> None:
        """See Qt: plots choose what they label by the room that there is."""
        super().resizeEvent(event)
        if self._plot is not None:
            self._resized.start()

    def paintEvent(self, event: Any) -> None:
        """See Qt: what waited is drawn when it is seen."""
        super().paintEvent(event)
        if self._late:
            self._recoloured.start()

    def changeEvent(self, event: Any) -> None:
        """See Qt: another theme needs other colours."""
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange and hasattr(self, "_recoloured"):
            self._recoloured.start()

    def tell(self, text: str) -> None:
        """Say something at the mouse, until it moves; nothing where the text is empty."""
        QToolTip.showText(QCursor.pos(), text, self.canvas)

    def _catch_up(self) -> None:
        if self._plot is not None and (self._late or theme_of(self) != self._theme):
            self._redraw_if_seen()

    def _redraw_if_seen(self) -> None:
        """Draw again; one that lies behind a tab waits, for a dozen of them take a second."""
        self._late = self.visibleRegion().isEmpty()
        if not self._late:
            self.redraw()

    def _click(self, event: Any) -> None:
        if event.inaxes is not None:
            self.clicked.emit(event)

    def _hover(self, event: Any) -> None:
        if event.inaxes is not None:
            self.hovered.emit(event)

    def _ask(self) -> None:
        if self._plot is None:
            return
        name, chosen = QFileDialog.getSaveFileName(
            self, "Save this plot", f"{self._plot.name}.png", FILTERS
        )
        if not name:
            return
        path = Path(name)
        ending = chosen.rpartition("*")[2].rstrip(")")
        if not path.suffix or (path.suffix != ending and path.stem == self._plot.name):
            # The kind was chosen in the dialog, which keeps the name that it proposed.
            path = path.with_suffix(ending)
        try:
            self._plot.save(path, theme_of(self))
        except TomoError as error:
            show(error)
