"""The model of an activity that was opened from a file: the way to get it back."""

from typing import Any
from weakref import WeakKeyDictionary, ref

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from ...activity.record import Activity, model_place
from .. import compat
from .array_link import array_link_of
from .desk import Desk
from .later import Later
from .overlay import overlay_of

__all__ = ["ModelBar", "Reunion", "reunion_of"]

WITHOUT = "Opened from a file, without its model."
LOADING = "Loading the model …"
LOAD, CANCEL = "Load the model", "Cancel"

_reunions: WeakKeyDictionary[Desk, "Reunion"] = WeakKeyDictionary()


def reunion_of(desk: Desk) -> "Reunion":
    """What gets the models of a desk's activities back; made when it is first asked for."""
    if desk not in _reunions:
        _reunions[desk] = Reunion(desk)
    return _reunions[desk]


class Reunion:
    """Loads the model of the activity on a desk, once for all docks that ask for it.

    Attributes
    ----------
    words
        What goes on, or why the model cannot be had; empty if there is nothing to say.
    changed
        Emitted without arguments when the words, or what can be done, are others.
    """

    changed = Signal()

    def __init__(self, desk: Desk) -> None:
        # The desk is the key that this is kept by.
        self._desk = ref(desk)
        self._later = Later(self._say)
        self._about: Activity | None = None
        self.words = ""
        self._bars = 0

    def enter(self) -> None:
        """A bar shows this: hear the desk from the first one on."""
        desk = self._desk()
        if desk is not None and not self._bars:
            desk.changed.connect(self._desk_changed)
        self._bars += 1

    def leave(self) -> None:
        """A bar is gone: with the last one nobody asks for the model any more."""
        self._bars -= 1
        desk = self._desk()
        if desk is not None and not self._bars:
            desk.changed.disconnect(self._desk_changed, missing_ok=True)
            self._later.cancel()
            self.words = ""

    @property
    def running(self) -> bool:
        """Whether a model is being loaded."""
        return self._later.running

    @property
    def possible(self) -> bool:
        """Whether the activity on the desk lacks a model that is on this machine."""
        desk = self._desk()
        activity = None if desk is None else desk.activity
        return (
            activity is not None
            and activity.model is None
            and model_place(activity.source) is not None
        )

    def start(self) -> None:
        """Load the model in a thread; the activity comes to the desk again, with it."""
        desk = self._desk()
        activity = None if desk is None else desk.activity
        if activity is None or self.running:
            return
        self._about = activity
        self._later.start(
            lambda report: activity.with_model(progress=report), self._arrived, LOADING
        )

    def cancel(self) -> None:
        """Stop loading."""
        self._later.cancel()
        self._say("")

    def _arrived(self, found: Activity) -> None:
        desk, before = self._desk(), self._about
        if desk is None or before is None or desk.activity is not before:
            return
        for viewer in compat.open_viewers():
            _hand_over(viewer, before, found)
        token = desk.place.token
        desk.show(found, desk.other)
        desk.move(token=token)

    def _desk_changed(self) -> None:
        desk = self._desk()
        if desk is not None and desk.activity is not self._about:
            # It would come back to a desk that is about something else.
            self._later.cancel()
            self.words = ""
        self.changed.emit()

    def _say(self, text: str) -> None:
        self.words = text
        self.changed.emit()


def _hand_over(viewer: Any, before: Activity, found: Activity) -> None:
    """Let what a viewer shows of an activity belong to the same one with its model."""
    for layer in viewer.layers:
        link = array_link_of(layer)
        if link is not None and link.activity is before:
            link.take(found)
    overlay = overlay_of(viewer)
    if overlay is not None and overlay.activity is before:
        overlay.strengths.activity = found


class ModelBar(QWidget):  # type: ignore[misc]
    """A line that says that the activity has no model, and loads it; hidden where it has one."""

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        # Without a parent it would be seen as a window.
        super().__init__(parent)
        self._reunion = reunion_of(desk)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.button = QPushButton(LOAD)
        self.button.setToolTip(
            "Load it from where it was when this was measured, and check that it is the same"
        )
        self.button.clicked.connect(self._clicked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.said, stretch=1)
        row.addWidget(self.button)
        self._reunion.changed.connect(self.update_words)
        self._reunion.enter()
        self.update_words()

    def let_go(self) -> None:
        """Hear nothing any more."""
        self._reunion.changed.disconnect(self.update_words, missing_ok=True)
        self._reunion.leave()

    def update_words(self) -> None:
        """Say what can be done, or what goes on."""
        running = self._reunion.running
        self.setVisible(running or self._reunion.possible)
        self.said.setText(self._reunion.words or WITHOUT)
        self.button.setText(CANCEL if running else LOAD)

    def _clicked(self, checked: Any = False) -> None:
        if self._reunion.running:
            self._reunion.cancel()
        else:
            self._reunion.start()
