"""The dock that draws how a series grows, beside the volume that plays it."""

from collections.abc import Generator
from pathlib import Path
from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import QSignalBlocker, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedLayout,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ...base import Progress, TomoError
from ...series.growth import Growth, stored_growth
from ...series.plots import places_of
from ...series.series import Series
from ...series.table import save_growth
from ..activity.docked import Docked
from ..commands import current_link
from ..link import ScanLink
from ..work import Job, show
from .chart import GrowthChart
from .choices import GrowthChoices
from .growing import go_to_step
from .opening import open_series_from, series_of
from .values import ValuesModel
from .watcher import Watcher, watcher_of

__all__ = ["GrowthDock"]

SIZE = (440, 620)
"""Pixels of width and height that the dock asks for."""

MARGIN = 8
"""Pixels between the edge of the dock and what is in it."""

NOTHING = (
    "A growth series shows the checkpoints of a training run along a slider. Drop a folder that "
    "holds them (step-1000, checkpoint-500, …) on the window, or choose one."
)

FILTERS = "Numbers (*.csv);;Parquet (*.parquet)"


class GrowthDock(Docked):
    """Norm, spread and change of the parts of a series over the training.

    Follows the series of the active layer and the step that its viewer shows; a click in the
    plot goes to a step.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._viewer = viewer
        self._link: ScanLink | None = None
        self._series: Series | None = None
        self._growth: Growth | None = None
        self._watcher: Watcher | None = None
        self._part: str | None = None
        self._job: Job | None = None
        self._build()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._draw)
        self._events = (viewer.layers.selection.events, viewer.layers.events)
        for events in self._events:
            events.connect(self._follow)
        # The viewer outlives its docks, which are told of their end in no other way.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._follow()

    def _build(self) -> None:
        message = QLabel(NOTHING)
        message.setWordWrap(True)
        self.open_button = QPushButton("Open a series…")
        self.open_button.clicked.connect(lambda _=False: open_series_from(self._viewer))
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addWidget(message)
        column.addWidget(self.open_button, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)

        self.choices = GrowthChoices()
        self.chart = GrowthChart()
        self.chart.chosen.connect(self._go)
        self.values = ValuesModel(self)
        self.table = QTableView()
        self.table.setModel(self.values)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.chart, "Plot")
        self.tabs.addTab(self.table, "Table")
        self.where = QLabel()
        self.where.setTextFormat(Qt.TextFormat.PlainText)
        self.watch = QCheckBox("Watch the folder")
        self.watch.setToolTip(
            "Take checkpoints that training writes while this is on, when they are complete"
        )
        self.save_button = QPushButton("Save numbers…")
        self.save_button.setToolTip("Every part at every step, all metrics, as CSV or Parquet")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)

        foot = QHBoxLayout()
        foot.addWidget(self.watch)
        foot.addStretch(1)
        foot.addWidget(self.save_button)
        filled = QWidget()
        content = QVBoxLayout(filled)
        content.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        content.addWidget(self.where)
        content.addWidget(self.choices)
        content.addWidget(self.tabs, stretch=1)
        content.addWidget(self.status)
        content.addLayout(foot)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(empty)
        self._pages.addWidget(filled)

        self.choices.changed.connect(self._draw_soon)
        self.watch.toggled.connect(self._watch_toggled)
        self.save_button.clicked.connect(self._ask)

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    @property
    def series(self) -> Series | None:
        """The series that is drawn."""
        return self._series

    @property
    def growth(self) -> Growth | None:
        """What was measured of it; None until it is."""
        return self._growth

    def choose(self, metric: str | None = None, lines: str | None = None) -> None:
        """Draw another metric, or other lines: names of `METRICS` and `KINDS`."""
        self.choices.choose(metric, lines)

    def save(self, path: Path) -> None:
        """Write the numbers of every part at every step as CSV or Parquet, by the ending.

        Raises
        ------
        TomoError
            Nothing is measured yet, or the file cannot be written.
        """
        if self._series is None or self._growth is None:
            raise TomoError("The growth of the series is not measured yet.")
        save_growth(self._series, self._growth, path)

    # What is looked at.

    def _follow(self, event: Any = None) -> None:
        link = current_link(self._viewer)
        if series_of(link) is None:
            # Another scan is active; the series stays as long as it is shown.
            if self._link is not None and self._link.layers:
                return
            link = None
        if link is not self._link:
            self._set_link(link)

    def _set_link(self, link: ScanLink | None) -> None:
        self._release()
        self._link = link
        if link is None:
            self._series = self._growth = None
            self._pages.setCurrentIndex(0)
            return
        link.switched.connect(self._switched)
        link.cursor.moved.connect(self._moved)
        self._watcher = watcher_of(link)
        if self._watcher is not None:
            self._watcher.changed.connect(self._watch_changed)
        self._pages.setCurrentIndex(1)
        series = link.scan
        assert isinstance(series, Series)
        self.choices.begin(series)
        self._watch_changed()
        self._take(series)

    def _take(self, series: Series) -> None:
        self._series = series
        self._moved(self._link.cursor.position if self._link is not None else (0,), at_once=True)
        found = stored_growth(series)
        if found is not None:
            self._measured(series, found)
            return
        self._cancel()
        # What is known of the shorter series stays until the new numbers are there.
        self.status.setText("Reading the weights of all steps …")

        def work(report: Progress) -> Generator[object, None, None]:
            yield series.growth(report)

        self._job = job = Job(work, lambda growth: self._measured(series, growth), self._failed)
        job.on_end = self._ended

    def _measured(self, series: Series, growth: Growth) -> None:
        if series is not self._series:
            return
        self._growth = growth
        self.status.setText("")
        self.choices.measured(series, growth, self._part)

    def _failed(self, error: Exception) -> None:
        self.status.setText(str(error))
        if not isinstance(error, TomoError):
            show(error)

    def _ended(self) -> None:
        self._job = None
        if self._growth is None or len(self._growth.steps) != self._n_steps:
            self.status.setText(self.status.text() or "Stopped.")

    @property
    def _n_steps(self) -> int:
        return 0 if self._series is None else len(self._series.steps)

    def _switched(self) -> None:
        """Another layout or signal is shown, or the series has grown."""
        link = self._link
        if link is None:
            return
        series = series_of(link)
        if series is None:
            self._follow()
        elif series is not self._series:
            self._take(series)
        else:
            self._moved(link.cursor.position, at_once=True)

    def _moved(self, position: tuple[int, ...], at_once: bool = False) -> None:
        link, series = self._link, self._series
        if link is None or series is None or len(position) != link.volume.ndim:
            return
        step = min(position[0], len(series.steps) - 1)
        text = f"{link.name} · {series.steps[step].title} ({step + 1} of {len(series.steps)})"
        if text != self.where.text():
            self.where.setText(text)
        self.chart.move_to(step)
        self.values.move_to(step)
        if not at_once and not self.choices.follows_cursor:
            return
        part = link.part_at(position)
        if part is not None and part != self._part:
            self._part = part
            if not at_once:
                self._draw_soon()

    # Drawing.

    def _draw_soon(self, *_: Any) -> None:
        self._soon.start(0)

    def come_to_front(self) -> None:
        """See `Docked`: draw what waited."""
        self._draw_soon()

    def _draw(self) -> None:
        series, growth, link = self._series, self._growth, self._link
        if series is None or growth is None or link is None:
            return
        self._part = link.part_at(link.cursor.position) or self._part
        self.choices.measured(series, growth, self._part)
        steps = series.steps[: len(growth.steps)]
        step = link.cursor.position[0]
        self.chart.show_plot(self.choices.plot(), places_of(steps), step)
        labels = [line.label for line in self.choices.drawn]
        self.values.show(labels, [one.title for one in steps], self.choices.values(), step)
        self.table.resizeColumnsToContents()

    def _go(self, step: int) -> None:
        if self._link is not None:
            go_to_step(self._viewer, self._link, step)

    # Watching and saving.

    def _watch_toggled(self, on: bool) -> None:
        if self._watcher is not None and on != self._watcher.on:
            (self._watcher.start if on else self._watcher.stop)()

    def _watch_changed(self) -> None:
        watcher = self._watcher
        with QSignalBlocker(self.watch):
            self.watch.setEnabled(watcher is not None)
            self.watch.setChecked(watcher is not None and watcher.on)

    def _ask(self, checked: bool = False) -> None:
        if self._series is None:
            return
        start = f"{self._series.name} growth.csv"
        name, chosen = QFileDialog.getSaveFileName(self, "Save the numbers", start, FILTERS)
        if not name:
            return
        path = Path(name)
        if not path.suffix:
            path = path.with_suffix(chosen.rpartition("*")[2].rstrip(")"))
        try:
            self.save(path)
        except TomoError as error:
            show(error)

    # The end.

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.on_end = _nothing
            self._job.cancel()
            self._job = None

    def _release(self) -> None:
        self._cancel()
        if self._link is not None:
            self._link.switched.disconnect(self._switched, missing_ok=True)
            self._link.cursor.moved.disconnect(self._moved, missing_ok=True)
        if self._watcher is not None:
            self._watcher.changed.disconnect(self._watch_changed, missing_ok=True)
        self._link = self._watcher = self._part = None

    def _let_go(self) -> None:
        """Hear nothing any more."""
        for events in self._events:
            events.disconnect(self._follow)
        self._release()


def _stop(dock: "GrowthDock | None") -> None:
    if dock is not None:
        dock._let_go()


def _nothing() -> None:
    """Do nothing."""
