"""The dock that runs a prompt through a model."""

from pathlib import Path
from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ...activity.record import Activity
from ...base import Cancelled, TomoError
from .. import compat
from ..console.section import Rule, Section
from ..console.wheel import WheelGuard
from ..preferences import PLUGIN
from ..remote.downloading import Downloading
from ..work import Job, show
from .desk import desk_of
from .docked import Docked
from .model_bar import ModelBar
from .run.model_picker import ModelPicker
from .run.options import ContinueForm, MeansForm
from .run.prompt_box import PromptBox
from .run.result import Result
from .run.work import Order, Told, reading

__all__ = ["WIDGET", "RunDock", "open_dock", "open_run"]

WIDGET = "Functional scan"
"""Name of the dock in the manifest."""

WIDTH = 340
"""Pixels that the dock needs for its forms."""

GLANCE = 120
"""Milliseconds between two looks at how far a run is."""

ERROR = "color: #e8696b;"
"""Of a message that says what went wrong; read on a dark and on a light ground."""

NO_MODEL = "Choose a model first: one of the list, or its folder."


def open_dock(viewer: Any, name: str) -> Any:
    """Open a dock of this plugin beside a viewer, or bring it to the front; returns it."""
    dock, _ = compat.real_viewer(viewer).window.add_plugin_dock_widget(PLUGIN, name)
    dock.show()
    dock.raise_()
    return dock


def open_run(viewer: napari.Viewer) -> Any:
    """Open the dock that runs a prompt, or bring it to the front; returns its dock."""
    return open_dock(viewer, WIDGET)


class RunDock(Docked):
    """Runs a prompt through a model and puts what was measured on the viewer's desk."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self.viewer = viewer
        self.desk = desk_of(viewer)
        self._job: Job | None = None
        self._download: Downloading | None = None
        self._told = Told()
        self._written: list[str] = []
        self.model = ModelPicker(viewer)
        self.prompt = PromptBox()
        self.means = MeansForm()
        self.continuation = ContinueForm()
        self.run_button = QPushButton("Run")
        self.run_button.setToolTip("Let the model read the prompt and record what happens inside")
        self.cancel_button = QPushButton("Cancel")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(4)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.result = Result()
        self.model_bar = ModelBar(self.desk, self)
        self._arrange()
        self._glance = QTimer(self)
        self._glance.setInterval(GLANCE)
        self._glance.timeout.connect(self._look)
        self.run_button.clicked.connect(self.run)
        self.cancel_button.clicked.connect(self.cancel)
        self.prompt.submitted.connect(self.run)
        self.model.changed.connect(self._model_changed)
        self.result.dock_wanted.connect(self._open)
        self.result.layer_wanted.connect(self._show_layer)
        self.result.paint_wanted.connect(self._paint)
        self.result.save_wanted.connect(self._save)
        self._events = (viewer.layers.events.inserted, viewer.layers.events.removed)
        for events in self._events:
            events.connect(self._layers_changed)
        self.desk.changed.connect(self._show_result)
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._rest("")
        self._model_changed()
        self._show_result()

    @property
    def running(self) -> bool:
        """Whether a prompt is being read."""
        return self._job is not None

    def run(self, checked: bool = False) -> None:
        """Let the chosen model read the prompt; what it gives comes to the desk."""
        if self._job is not None or self._download is not None:
            return
        place = self.model.place
        if self.model.address is not None:
            self._fetch(self.model.address)
            return
        if place is None:
            self._rest(NO_MODEL, wrong=True)
            return
        order = Order(
            place,
            self.prompt.prompt,
            self.means.value,
            self.continuation.value,
            self.means.sites.value,
        )
        self._told, self._written = Told(), []
        self._busy()
        self._job = Job(reading(order, self._told), self._came, self._failed)
        self._job.on_end = self._ended

    def _busy(self) -> None:
        """Show that something is under way."""
        self.run_button.hide()
        self.cancel_button.setEnabled(True)
        for widget in (self.cancel_button, self.bar):
            widget.show()
        self.status.setStyleSheet("")
        self.status.show()
        self._look()
        self._glance.start()

    def _fetch(self, address: str) -> None:
        """Download the chosen model, if its user agrees, and run it then."""
        folders: list[Path] = []

        def ended() -> None:
            self._download = None
            self._glance.stop()
            self._rest("")
            if folders:
                self.model.choose(folders[0])
                self.run()

        self._download = Downloading(address, folders.append, ended, self)
        self._busy()

    def cancel(self, checked: bool = False) -> None:
        """Stop the run; what was on the desk stays there."""
        if self._download is not None:
            self._download.cancel()
        if self._job is not None:
            self.cancel_button.setEnabled(False)
            self._job.cancel()
            self._written = []
            self._told.description = "Stopping"

    def wait(self) -> None:
        """Process events until the run has ended, for scripts and tests."""
        if self._job is not None:
            # A job has one callback at its end, which is the dock's own.
            from qtpy.QtCore import QEventLoop

            loop = QEventLoop()
            own = self._job.on_end

            def both() -> None:
                own()
                loop.quit()

            self._job.on_end = both
            loop.exec()

    # What the thread says.

    def _came(self, item: Any) -> None:
        if isinstance(item, Activity):
            self.desk.show(item)
            return
        self._written.append(item.string)

    def _failed(self, error: Exception) -> None:
        self._glance.stop()
        if isinstance(error, Cancelled):
            return
        if isinstance(error, MemoryError):
            error = TomoError(
                "There is not enough memory for this run. Record less (How it runs ▸ Record), "
                "take a shorter text, or let the model be read layer by layer."
            )
        self._error = str(error) if isinstance(error, TomoError) else f"The run failed: {error}"
        show(error)

    _error = ""

    def _ended(self) -> None:
        self._job = None
        self._glance.stop()
        said, self._error = self._error, ""
        self._rest(said, wrong=bool(said))

    def _look(self) -> None:
        """Show how far the run is."""
        if self._download is not None:
            self.status.setText(f"{self._download.report} …")
            self.bar.setRange(0, 1000 if self._download.share else 0)
            self.bar.setValue(int(1000 * self._download.share))
            return
        told = self._told
        written = "".join(self._written)
        self.status.setText(f"{told.description or 'Starting'} …{written[-200:]}")
        share = int(1000 * told.share)
        # A stage of one step has no share to show: the bar runs to and fro.
        self.bar.setRange(0, 1000 if share else 0)
        self.bar.setValue(share)

    def _rest(self, text: str, wrong: bool = False) -> None:
        self.run_button.show()
        self.cancel_button.hide()
        self.bar.hide()
        self.status.setText(text)
        self.status.setStyleSheet(ERROR if wrong else "")
        self.status.setVisible(bool(text))

    # What the viewer does.

    def _model_changed(self) -> None:
        self.prompt.show_model(self.model.place)

    def _layers_changed(self, event: Any = None) -> None:
        self.model.follow()

    def _show_result(self) -> None:
        activity = self.desk.activity
        self._after.setVisible(activity is not None)
        if activity is not None:
            self.result.show_activity(activity)

    # What the user does with the result.

    def _open(self, name: str) -> None:
        open_dock(self.viewer, name)

    def _show_layer(self, name: str) -> None:
        from .layers import show_beside

        try:
            show_beside(self.viewer, name)
        except TomoError as error:
            show(error)

    def _paint(self) -> None:
        from .overlay import open_overlay

        open_overlay(self.viewer)

    def _save(self) -> None:
        from .files import save_activity_as

        save_activity_as(self.viewer)

    def _arrange(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, stretch=1)
        buttons.addWidget(self.cancel_button, stretch=1)
        self._after = QWidget()
        below = QVBoxLayout(self._after)
        below.setContentsMargins(0, 6, 0, 0)
        below.addWidget(Rule())
        below.addWidget(self.model_bar)
        below.addWidget(self.result)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(6)
        column.addWidget(self.model)
        column.addWidget(self.prompt)
        column.addWidget(Section("Continue the text", self.continuation, folded=True))
        column.addWidget(Section("How it runs", self.means, folded=True))
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addWidget(self._after)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        WheelGuard(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.setMinimumWidth(WIDTH)

    def _let_go(self) -> None:
        for events in self._events:
            events.disconnect(self._layers_changed)
        self.desk.changed.disconnect(self._show_result, missing_ok=True)
        self._glance.stop()
        self.model_bar.let_go()
        self.prompt.let_go()
        if self._download is not None:
            self._download.cancel()
        if self._job is not None:
            self._job.on_end = _nothing
            self._job.cancel()


def _stop(dock: "RunDock | None") -> None:
    if dock is not None:
        dock._let_go()


def _nothing() -> None:
    """Nobody waits for the end."""
