"""What a plot of growth shows: which metric, which lines, which axes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from ...display.plots import Plot
from ...series.growth import METRICS, Growth
from ...series.lines import KINDS, Line, lines_of, subject_of
from ...series.plots import growth_plot, places_of, wants_log, wants_log_y
from ...series.series import Series

__all__ = ["GrowthChoices"]

FOLLOWING = ("role", "layer", "part")
"""Lines that depend on the part that the cursor is on."""


class GrowthChoices(QWidget):  # type: ignore[misc]
    """Lists and switches, and the plot that they ask for.

    Attributes
    ----------
    changed
        Emitted without arguments when another plot is asked for.
    metric, lines
        Lists of `METRICS` and `KINDS`.
    log_steps, log_values, loss
        Switches.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._known: tuple[Series, Growth, str | None] | None = None
        self.metric = QComboBox()
        for metric in METRICS:
            self.metric.addItem(metric.title[0].upper() + metric.title[1:], metric.name)
            about = f"{metric.symbol}. {metric.about}"
            self.metric.setItemData(self.metric.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self.lines = QComboBox()
        for kind, words in KINDS.items():
            self.lines.addItem(words, kind)
        self.log_steps = QCheckBox("log steps")
        self.log_values = QCheckBox("log values")
        self.loss = QCheckBox("losses")
        self.loss.setToolTip("What the run noted in log.json or its trainer's state")
        lists = QFormLayout()
        lists.setContentsMargins(0, 0, 0, 0)
        lists.addRow("Show", self.metric)
        lists.addRow("Lines", self.lines)
        switches = QHBoxLayout()
        for box in (self.log_steps, self.log_values, self.loss):
            switches.addWidget(box)
            box.toggled.connect(self._changed)
        switches.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(lists)
        layout.addLayout(switches)
        self.metric.currentIndexChanged.connect(self._chosen)
        self.lines.currentIndexChanged.connect(self._chosen)

    @property
    def follows_cursor(self) -> bool:
        """Whether the lines depend on the part at the cursor."""
        return self.lines.currentData() in FOLLOWING

    def choose(self, metric: str | None = None, lines: str | None = None) -> None:
        """Ask for another metric, or other lines: names of `METRICS` and `KINDS`."""
        for box, name in ((self.metric, metric), (self.lines, lines)):
            if name is not None and (index := box.findData(name)) >= 0:
                box.setCurrentIndex(index)

    def begin(self, series: Series) -> None:
        """Be about a series: the axis of its steps, and whether it has losses."""
        self._known = None
        self.loss.setVisible(bool(series.losses))
        with QSignalBlocker(self.log_steps):
            self.log_steps.setChecked(wants_log(places_of(series.steps)))

    def measured(self, series: Series, growth: Growth, part: str | None) -> None:
        """Be about what was measured of a series, with the cursor on a part."""
        first = self._known is None or self._known[1] is not growth
        self._known = series, growth, part
        if first:
            self._chosen()

    def plot(self) -> Plot | None:
        """The plot that is asked for; None until something is measured."""
        if self._known is None:
            return None
        series, growth, part = self._known
        return growth_plot(
            growth,
            series.steps[: len(growth.steps)],
            self.drawn,
            self.metric.currentData(),
            log_x=self.log_steps.isChecked(),
            log_y=self.log_values.isChecked(),
            losses=series.losses if self.loss.isChecked() else None,
            subject=subject_of(series.anatomy, self.lines.currentData(), part),
        )

    @property
    def drawn(self) -> list[Line]:
        """The lines of the plot."""
        if self._known is None:
            return []
        series, _, part = self._known
        return lines_of(series.anatomy, self.lines.currentData(), part)

    def values(self) -> NDArray[np.float64]:
        """The numbers of the plot, shape ``(lines, steps)``."""
        if self._known is None:
            return np.zeros((0, 0))
        growth = self._known[1]
        return np.array([growth.of(self.metric.currentData(), one.parts) for one in self.drawn])

    def _chosen(self, *_: Any) -> None:
        """Another metric or other lines: the axis of the values is what suits them."""
        if self._known is not None:
            growth = self._known[1]
            with QSignalBlocker(self.log_values):
                wanted = wants_log_y(growth, self.drawn, self.metric.currentData())
                self.log_values.setChecked(wanted)
        self.changed.emit()

    def _changed(self, *_: Any) -> None:
        self.changed.emit()
