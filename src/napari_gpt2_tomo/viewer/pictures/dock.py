"""The dock for pictures and movies."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import ref

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...base import Cancelled, TomoError
from ...export.movie import FASTEST
from .. import compat
from ..commands import current_link
from ..work import show
from .cover import image_of
from .moves import Flight, Move, Sections, Turntable
from .record import FPS, TURN_SECONDS, Recording, frames_of, length_of_flight
from .shots import screenshot
from .stage import SIZES
from .widgets import (
    duration,
    form_in,
    megabytes,
    number_box,
    row_of,
    size_box,
    size_of,
    size_on_disk,
)

__all__ = ["PicturesDock"]

FILES: Mapping[str, tuple[str, str, float]] = {
    # What flights through GPT-2 took at most, which is a busy picture.
    "MP4 video": (".mp4", "MP4 video (*.mp4)", 0.1),
    "GIF": (".gif", "GIF (*.gif)", 0.4),
    "Folder of PNGs": ("", "Folder (*)", 1.6),
}
"""Ending, filter of the file dialog, and bytes that a pixel of a frame takes, by title."""

MOVES: Mapping[str, tuple[str, Callable[[str | None, bool], Move]]] = {
    "Turntable": ("turntable", lambda axis, fit: Turntable(axis, fit=fit)),
    "Flight through the sections": ("sections", lambda axis, fit: Sections(axis or 0, fit=fit)),
    "Flight through the volume": ("flight", lambda axis, fit: Flight(axis or 0)),
}
"""Proposed end of a file's name, and what makes the movement, by title."""

UP = "The one that points up"


class PicturesDock(QWidget):  # type: ignore[misc]
    """Saves what the window shows, and records movies of it.

    Everything here is a call in a script too: `screenshot`, `record_turntable`,
    `record_flight`.

    Attributes
    ----------
    recording
        The movie that is being made, None without one.
    gone
        Not empty once Qt has deleted the dock.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = compat.real_viewer(viewer)
        self._folder = Path.home()
        self._began = 0.0
        self._axes: tuple[str, ...] | None = None
        self.recording: Recording | None = None
        self.gone: list[bool] = []
        column = QVBoxLayout(self)
        column.addWidget(self._picture_group())
        column.addWidget(self._movie_group())
        column.addStretch(1)
        self._events = (viewer.layers.selection.events, viewer.layers.events)
        for events in self._events:
            events.connect(self._follow)
        # The viewer outlives its docks; see the table of the anatomy.
        weak, gone = ref(self), self.gone
        self.destroyed.connect(lambda: gone.append(True))
        self.destroyed.connect(lambda: _stop(weak()))
        self._follow()

    def _picture_group(self) -> QWidget:
        group = QGroupBox("Picture")
        form = form_in(group)
        self.views = QComboBox()
        self.views.addItem("Canvas", "canvas")
        self.views.addItem("Four views", "four")
        self.picture_size = size_box()
        self.picture_legend = QCheckBox("Legend under the picture")
        self.picture_legend.setChecked(True)
        self.save = QPushButton("Save picture…")
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Put the picture on the clipboard")
        self.save.clicked.connect(self._ask_picture)
        self.copy.clicked.connect(self._copy)
        form.addRow("Show", self.views)
        form.addRow("Size", self.picture_size)
        form.addRow("", self.picture_legend)
        form.addRow(row_of(self.save, self.copy))
        return group

    def _movie_group(self) -> QWidget:
        group = QGroupBox("Movie")
        form = form_in(group)
        self.move_ = QComboBox()
        self.move_.addItems(list(MOVES))
        self.axis = QComboBox()
        self.seconds = number_box(0.1, 3600, TURN_SECONDS, 1, " s")
        self.fps = number_box(1, max(FASTEST.values()), FPS, 0, "")
        self.movie_size = size_box()
        self.movie_size.setCurrentIndex(1 + SIZES.index((1280, 720)))
        self.file = QComboBox()
        self.file.addItems(list(FILES))
        self.movie_legend = QCheckBox("Legend under the picture")
        self.movie_legend.setChecked(True)
        self.fit = QCheckBox("Everything in the picture")
        self.fit.setToolTip("Off: the movie keeps the camera's zoom")
        self.fit.setChecked(True)
        self.length = QLabel()
        self.length.setWordWrap(True)
        self.record = QPushButton("Record movie…")
        self.cancel = QPushButton("Cancel")
        self.cancel.setEnabled(False)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.said = QLabel()
        self.said.setWordWrap(True)
        for widget in (self.bar, self.said):
            widget.hide()
        form.addRow("Movement", self.move_)
        form.addRow("Axis", self.axis)
        form.addRow("Length", self.seconds)
        form.addRow("Frames a second", self.fps)
        form.addRow("Size", self.movie_size)
        form.addRow("File", self.file)
        form.addRow("", self.fit)
        form.addRow("", self.movie_legend)
        form.addRow(self.length)
        form.addRow(row_of(self.record, self.cancel))
        form.addRow(self.bar)
        form.addRow(self.said)
        self.move_.currentIndexChanged.connect(self._moved)
        self.axis.currentIndexChanged.connect(self._axis_changed)
        self.file.currentIndexChanged.connect(self._tell_length)
        self.movie_size.currentTextChanged.connect(self._tell_length)
        for number in (self.seconds, self.fps):
            number.valueChanged.connect(self._tell_length)
        self.record.clicked.connect(self._ask_movie)
        self.cancel.clicked.connect(self._cancel)
        return group

    def save_picture(self, path: str | Path) -> None:
        """Save the picture that the dock describes; what is in the way is shown in napari."""
        if self._take(path) is not None:
            self._say(f"Saved {Path(path).name}")

    def record_movie(self, path: str | Path) -> None:
        """Record the movie that the dock describes; what is in the way is shown in napari."""
        try:
            self.recording = Recording(
                self._viewer,
                self._move(),
                path,
                seconds=self.seconds.value(),
                fps=self.fps.value(),
                size=size_of(self.movie_size),
                legend=self.movie_legend.isChecked(),
                on_frame=_weakly(self, PicturesDock._progressed),
                on_end=_weakly(self, PicturesDock._ended),
            )
        except TomoError as error:
            show(error)
            return
        self.bar.setRange(0, self.recording.count)
        self.bar.setValue(0)
        self.bar.show()
        self._say("Waiting until everything is read …")
        self._let(recording=True)

    def _take(self, path: str | Path | None) -> NDArray[np.uint8] | None:
        try:
            return screenshot(
                self._viewer,
                path,
                views=self.views.currentData(),
                size=size_of(self.picture_size),
                legend=self.picture_legend.isChecked(),
            )
        except TomoError as error:
            show(error)
            return None

    def _copy(self) -> None:
        pixels = self._take(None)
        if pixels is not None:
            QApplication.clipboard().setImage(image_of(pixels))
            self._say("The picture is on the clipboard.")

    def _ask_picture(self) -> None:
        path = self._ask(
            "Save picture", self._name(self.views.currentData(), ".png"), "PNG (*.png)"
        )
        if path is not None:
            self.save_picture(path if path.suffix else path.with_name(path.name + ".png"))

    def _ask_movie(self) -> None:
        ending, kinds, _ = FILES[self.file.currentText()]
        path = self._ask(
            "Record movie", self._name(MOVES[self.move_.currentText()][0], ending), kinds
        )
        if path is not None:
            bare = ending and not path.suffix
            self.record_movie(path.with_name(path.name + ending) if bare else path)

    def _ask(self, title: str, name: str, kinds: str) -> Path | None:
        found, _ = QFileDialog.getSaveFileName(self, title, str(self._folder / name), kinds)
        if not found:
            return None
        self._folder = Path(found).parent
        return Path(found)

    def _name(self, what: str, ending: str) -> str:
        link = current_link(self._viewer)
        stem = re.sub(r"[^\w.-]+", "-", "picture" if link is None else link.name)
        # A dot in a folder's name would pass for an ending.
        stem = stem if ending else stem.replace(".", "-")
        return f"{stem}-{what}{ending}"

    def _move(self) -> Move:
        return MOVES[self.move_.currentText()][1](self.axis.currentData(), self.fit.isChecked())

    def _progressed(self, frame: NDArray[np.uint8], done: int) -> None:
        if self.recording is None:
            return
        self.bar.setValue(done)
        count, now = self.recording.count, time.monotonic()
        words = f"Frame {done:,} of {count:,}"
        if done == 1:
            self._began = now
        else:
            left = (now - self._began) / (done - 1) * (count - done)
            words += f" · {duration(left)} left"
        self._say(words)

    def _ended(self, error: Exception | None) -> None:
        recording, self.recording = self.recording, None
        self._let(recording=False)
        self.bar.hide()
        if error is None and recording is not None:
            self._say(f"Written {recording.path.name} · {size_on_disk(recording.path)}")
        elif isinstance(error, Cancelled):
            self._say("Cancelled; nothing was written.")
        elif error is not None:
            self._say("")
            show(error)

    def _cancel(self) -> None:
        if self.recording is not None:
            self.recording.cancel()

    def _let(self, *, recording: bool) -> None:
        """Allow what can be done now."""
        self.cancel.setEnabled(recording)
        for widget in (self.record, self.save, self.copy):
            widget.setEnabled(not recording)

    def _say(self, words: str) -> None:
        self.said.setText(words)
        self.said.setVisible(bool(words))

    def _follow(self, event: Any = None) -> None:
        """The scan may be another one: its axes, and how long a flight takes."""
        link = current_link(self._viewer)
        axes = () if link is None else link.volume.axes
        if axes != self._axes:
            self._axes = axes
            self._fill_axes()
        self.views.model().item(1).setEnabled(link is not None)
        self._tell_length()

    def _fill_axes(self) -> None:
        link = current_link(self._viewer)
        self.axis.blockSignals(True)
        self.axis.clear()
        if self.move_.currentText() == "Turntable":
            self.axis.addItem(UP, None)
        for name in () if link is None else link.volume.axes:
            self.axis.addItem(name, name)
        self.axis.blockSignals(False)

    def _moved(self) -> None:
        self._fill_axes()
        self._axis_changed()

    def _axis_changed(self) -> None:
        """Propose the length that suits the movement."""
        if self.move_.currentText() == "Turntable":
            self.seconds.setValue(TURN_SECONDS)
        else:
            self.seconds.setValue(length_of_flight(self._viewer, self.axis.currentData() or 0))
        self._tell_length()

    def _tell_length(self, *_: Any) -> None:
        ending, _kinds, weight = FILES[self.file.currentText()]
        self.fps.setMaximum(FASTEST[ending])
        try:
            count = frames_of(self.seconds.value(), self.fps.value())
            width, height = size_of(self.movie_size) or self._canvas_size()
        except TomoError as error:
            self.length.setText(str(error))
            self.record.setEnabled(False)
            return
        self.record.setEnabled(self.recording is None)
        size = count * width * height * weight
        self.length.setText(f"{count:,} frames · {width} × {height} · up to {megabytes(size)}")

    def _canvas_size(self) -> tuple[int, int]:
        canvas = compat.qt_viewer_of(self._viewer)
        rows, columns = (720, 1280) if canvas is None else canvas.canvas.size
        return columns, rows


def _stop(dock: "PicturesDock | None") -> None:
    if dock is not None:
        for events in dock._events:
            events.disconnect(dock._follow)


def _weakly(dock: PicturesDock, method: Callable[..., None]) -> Callable[..., None]:
    """A callback that does nothing once the dock is gone: the movie goes on without it."""
    weak, gone = ref(dock), dock.gone

    def call(*arguments: Any) -> None:
        found = weak()
        if found is not None and not gone:
            method(found, *arguments)

    return call
