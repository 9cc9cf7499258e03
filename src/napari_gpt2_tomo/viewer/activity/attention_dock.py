"""The attention dock: one head's pattern, all heads, their metrics."""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import napari
from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QToolButton,
)

from ...activity.attention.figures import measured, overview_plot, pattern_plot
from ...activity.attention.looks import Look, all_small, shown
from ...activity.attention.metrics import HeadMetrics
from ...activity.attention.probe import repeated_metrics
from ...activity.attention.values import output_norms
from ...activity.record import Activity
from ...base import Cancelled, Progress, TomoError
from ..work import Job, show
from .attention.circuit_tab import CircuitTab, circuits_of
from .attention.heads_tab import HeadsTab
from .attention.metrics_tab import MetricsTab
from .attention.pattern_tab import PatternTab
from .attention.saving import save_plot
from .attention.weights import ROLES, go_to_head, open_weights, scan_of
from .desk import Place
from .follow import Following

__all__ = ["AttentionDock"]

SIZE = (420, 680)
"""Pixels of width and height that the dock asks for."""

PATTERN, HEADS, METRICS, CIRCUIT = range(4)
"""Places of the tabs."""

ARROW = 34
"""Pixels of a button beside its text: margins, and the arrow of its menu."""

AT_ONCE = 2_000_000
"""Pairs that are measured within a few dozen milliseconds; more are measured in a thread."""

WEIGHTS = {"Attention": "raw", "Attention × ‖value‖": "values"}
"""What a pattern's numbers can be."""

ONE_TOKEN = "One token: it sees only itself, so the heads cannot be told apart."


class AttentionDock(Following):
    """What the heads look at: the pattern of one, thumbnails of all, and numbers about them."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._metrics = HeadMetrics({})
        self._job: Job | None = None
        self._shrinking: Job | None = None
        self.layer, self.head = QSpinBox(), QSpinBox()
        top = QHBoxLayout()
        top.setSpacing(4)
        for name, box in (("Layer", self.layer), ("Head", self.head)):
            box.setWrapping(True)
            box.valueChanged.connect(self._spun)
            top.addWidget(QLabel(name))
            top.addWidget(box)
        top.addStretch(1)
        self.weights_button = QToolButton()
        self.weights_button.setText("Show weights")
        self.weights_button.setToolTip("Go to this head's weights in the volume")
        self.weights_button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.weights_button.clicked.connect(lambda: self.show_weights())
        menu = QMenu(self.weights_button)
        for role, title in ROLES.items():
            action = menu.addAction(title)
            action.setData(role)
        menu.triggered.connect(lambda action: self.show_weights(action.data()))
        self.weights_button.setMenu(menu)
        top.addWidget(self.weights_button)
        self.weight = QComboBox()
        for title, value in WEIGHTS.items():
            self.weight.addItem(title, value)
        self.weight.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.weight.setToolTip(
            "Attention, or how much of a value's length it moves (Kobayashi et al., 2020)"
        )
        self.sinkless = QCheckBox("Without first token")
        self.sinkless.setToolTip(
            "Many heads rest on the first token: leave it out, and show shares of the rest"
        )
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip("Save what this tab shows as PNG, SVG, or its numbers as CSV")
        self.save_button.clicked.connect(self._save)
        looks = QHBoxLayout()
        looks.addWidget(self.weight, stretch=1)
        looks.addWidget(self.sinkless)
        looks.addWidget(self.save_button)
        self.pattern, self.metrics = PatternTab(), MetricsTab()
        self.heads = HeadsTab(self.metrics.describe)
        self.grid = self.heads.grid
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.pattern, "Pattern")
        self.tabs.addTab(self.heads, "All heads")
        self.tabs.addTab(self.metrics, "Metrics")
        self.circuit = CircuitTab()
        self.tabs.addTab(self.circuit, "QK / OV")
        self.content.addLayout(top)
        self.content.addLayout(looks)
        self.content.addWidget(self.tabs, stretch=1)
        self.weight.currentIndexChanged.connect(self._looked)
        self.sinkless.toggled.connect(self._looked)
        self.tabs.currentChanged.connect(self._turned)
        self.pattern.chosen.connect(self._choose_query)
        self.grid.chosen.connect(self._choose)
        self.metrics.chosen.connect(self._choose)
        self.metrics.entered.connect(self._enter)
        self.metrics.measure_more.connect(self.measure_more)
        self._grid_is_stale = True
        self._layers = (viewer.layers.events.inserted, viewer.layers.events.removed)
        for event in self._layers:
            event.connect(self._offer)

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(*SIZE)

    @property
    def look(self) -> Look:
        """How patterns are looked at."""
        return Look(self.weight.currentData(), not self.sinkless.isChecked())

    @property
    def _place(self) -> Place:
        """The place that is looked at; within the pattern if the model's sizes are not known."""
        place, activity = self.desk.place, self.activity
        if activity is None or "pattern" not in activity:
            return place
        layers, heads = activity["pattern"].shape[:2]
        return replace(place, layer=min(place.layer, layers - 1), head=min(place.head, heads - 1))

    def show_activity(self, activity: Activity) -> None:
        """See `Following`."""
        self._cancel()
        layers, heads = activity["pattern"].shape[:2]
        for box, n in ((self.layer, layers), (self.head, heads)):
            box.blockSignals(True)
            box.setRange(0, n - 1)
            box.blockSignals(False)
        can_weigh = activity.model is not None and "v" in activity
        self.weight.setEnabled(can_weigh)
        if not can_weigh:
            self.weight.setCurrentIndex(0)
        self._metrics = HeadMetrics({})
        self._grid_is_stale = True
        self.grid.clear()
        self._measure(activity)
        self._offer()
        self.show_place(self._place)

    def show_place(self, place: Place) -> None:
        """See `Following`."""
        place = self._place
        for box, value in ((self.layer, place.layer), (self.head, place.head)):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        self.metrics.select(place.layer, place.head)
        self.heads.select(place.layer, place.head)
        self._draw()

    def let_go(self) -> None:
        """See `Following`."""
        self._cancel()
        if self._shrinking is not None:
            self._shrinking.cancel()
        for event in self._layers:
            event.disconnect(self._offer)

    def show_weights(self, role: str = "q") -> None:
        """Go to the weights of the head that is looked at, opening the model's scan if need be."""
        activity, place = self.activity, self._place
        if activity is None:
            return
        path = activity.source.path
        try:
            link = scan_of(self.viewer, path) or open_weights(self.viewer, path)
            go_to_head(self.viewer, link, place.layer, place.head, role)
        except TomoError as error:
            show(error)

    def _offer(self, event: Any = None) -> None:
        """Say whether the weights are there or must be opened first."""
        path = None if self.activity is None else self.activity.source.path
        there = scan_of(self.viewer, path) is not None
        self.weights_button.setText("Show weights" if there else "Open weights")
        # The menu's arrow is drawn over the text if it is given no room.
        width = self.weights_button.fontMetrics().horizontalAdvance("Open weights")
        self.weights_button.setMinimumWidth(width + ARROW)

    def _draw(self) -> None:
        """Draw the tab that is seen."""
        activity, place = self.activity, self._place
        if activity is None:
            return
        if self.tabs.currentIndex() == PATTERN:
            self.pattern.show_pattern(
                shown(activity, place.layer, place.head, self.look),
                activity.tokens.labels,
                place.token,
                self.look.title,
                grey=not self.look.first,
            )
        elif self.tabs.currentIndex() == HEADS and self._grid_is_stale:
            self._grid_is_stale = False
            self._thumbnails(activity, self.look)
        elif self.tabs.currentIndex() == CIRCUIT:
            self.circuit.show_head(activity, place)

    def _measure(self, activity: Activity) -> None:
        if activity["pattern"].size <= AT_ONCE:
            self._measured(measured(activity))
            return
        self.metrics.show_metrics(self._metrics, "Measuring …")

        def work(report: Progress) -> Generator[object, None, None]:
            yield measured(activity)

        self._job = Job(work, self._measured)

    def _measured(self, metrics: HeadMetrics) -> None:
        note = "" if metrics.defined else ONE_TOKEN
        self._show_metrics(metrics, note, self.activity is not None and bool(self.activity.model))

    def measure_more(self) -> None:
        """Measure what needs more than the patterns: induction, norms of outputs, copying."""
        activity = self.activity
        if activity is None or activity.model is None:
            return
        self._cancel()
        model = activity.model
        measures: tuple[Callable[[Progress], HeadMetrics], ...] = (
            lambda report: repeated_metrics(model, progress=report),
            lambda report: HeadMetrics({"output": output_norms(activity)}),
            lambda report: circuits_of(model).copying(report),
        )
        self._show_metrics(self._metrics, "Measuring …", False)
        notes: list[str] = []

        def work(report: Progress) -> Generator[object, None, None]:
            for measure in measures:
                try:
                    yield measure(report)
                except Cancelled:
                    raise
                except TomoError as error:
                    yield str(error)

        def arrived(found: HeadMetrics | str) -> None:
            if isinstance(found, str):
                notes.append(found)
            else:
                self._metrics = self._metrics.joined(found)
            self._show_metrics(self._metrics, "\n".join([*notes, "Measuring …"]), False)

        self._job = job = Job(work, arrived)
        job.on_end = lambda: self._show_metrics(
            self._metrics, "\n".join(notes), "copying" not in self._metrics and not notes
        )

    def _show_metrics(self, metrics: HeadMetrics, note: str, more: bool) -> None:
        self._metrics = metrics
        self.metrics.show_metrics(metrics, note, more)
        place = self._place
        self.metrics.select(place.layer, place.head)
        self.heads.select(place.layer, place.head)

    def _thumbnails(self, activity: Activity, look: Look) -> None:
        if self._shrinking is not None:
            self._shrinking.cancel()
        # The weights of all layers may lie on disk.
        if look.weight == "raw" and activity["pattern"].size <= AT_ONCE:
            self.grid.show_heads(all_small(activity, look))
            return

        def work(report: Progress) -> Generator[object, None, None]:
            yield all_small(activity, look)

        self._shrinking = Job(work, self.grid.show_heads)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.on_end = _nothing
            self._job.cancel()
            self._job = None
        self.circuit.cancel()

    def _spun(self, value: int) -> None:
        self._choose(self.layer.value(), self.head.value())

    def _choose(self, layer: int, head: int) -> None:
        self.desk.move(layer=layer, head=head)

    def _choose_query(self, token: int) -> None:
        self.desk.move(token=token)

    def _enter(self, layer: int, head: int) -> None:
        self._choose(layer, head)
        self.show_weights()

    def _looked(self, index: Any = None) -> None:
        self._grid_is_stale = True
        self._try(self._draw)

    def _turned(self, index: int) -> None:
        for widget in (self.weight, self.sinkless, self.save_button):
            widget.setVisible(index in (PATTERN, HEADS))
        # A table that was hidden has not scrolled.
        self.metrics.select(self._place.layer, self._place.head)
        self._try(self._draw)

    def _save(self, checked: bool = False) -> None:
        activity, place = self.activity, self._place
        if activity is None:
            return
        if self.tabs.currentIndex() == PATTERN:
            save_plot(
                self,
                lambda: pattern_plot(activity, place.layer, place.head, self.look, place.token),
            )
        else:
            save_plot(self, lambda: overview_plot(activity, self.look))


def _nothing() -> None:
    """Do nothing."""
