"""What every dock of the functional scan does: it follows the desk while it is seen."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QStackedLayout, QVBoxLayout, QWidget

from ...activity.record import Activity
from ...base import TomoError
from ..work import show
from .desk import Desk, Place, desk_of
from .docked import Docked
from .model_bar import ModelBar

__all__ = ["NOTHING", "Following"]

NOTHING = "Run a prompt first: what a model does with it is shown here."
"""What a dock says while there is nothing on the desk."""

MARGIN = 8
"""Pixels between the edge of a dock and what is in it."""


class Following(Docked):
    """A dock that shows the activity on its viewer's desk; a base class.

    A subclass adds its widgets to `content` in its own ``__init__`` and overrides `show_activity`
    and `show_place`. Both are called on the main thread and only while the dock is seen: a hidden
    one catches up when it is shown. A `TomoError` that they raise is said in place of the content.

    Parameters
    ----------
    viewer
        A napari viewer, or the proxy of one that a plugin is handed.

    Attributes
    ----------
    viewer, desk
        The viewer as it was handed over, and its desk.
    content
        A vertical layout for the widgets of the subclass; not seen while there is nothing to show.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.viewer = viewer
        self.desk: Desk = desk_of(viewer)
        self._stale = True
        self._behind = False
        self._message = QLabel(NOTHING)
        self._message.setWordWrap(True)
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._open = QPushButton("Run a prompt…")
        self._open.clicked.connect(self._open_run)
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addWidget(self._message)
        column.addWidget(self._open, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        filled = QWidget()
        self.content = QVBoxLayout(filled)
        self.content.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self._bar = ModelBar(self.desk, self)
        self._bar.setContentsMargins(MARGIN, MARGIN, MARGIN, 0)
        pages = QWidget()
        self._pages = QStackedLayout(pages)
        self._pages.addWidget(empty)
        self._pages.addWidget(filled)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self._bar)
        whole.addWidget(pages, stretch=1)
        self.desk.changed.connect(self._changed)
        self.desk.moved.connect(self._moved)
        # The viewer outlives its docks, which are told of their end in no other way.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))

    def show_activity(self, activity: Activity) -> None:
        """Show an activity, or the same one again, at the place that the desk looks at.

        To be overridden; `show_place` is not called after it.
        """

    def show_place(self, place: Place) -> None:
        """Show another place of the activity that is shown. To be overridden."""

    def let_go(self) -> None:
        """End what the subclass keeps going; called once, when the dock is destroyed."""

    @property
    def activity(self) -> Activity | None:
        """The activity on the desk."""
        return self.desk.activity

    @property
    def message(self) -> str:
        """What is said in place of the content; empty while the content is seen."""
        return "" if self._pages.currentIndex() else self._message.text()

    def refresh(self) -> None:
        """Show what is on the desk again, whether the dock is seen or not."""
        self._stale = self._behind = False
        activity = self.desk.activity
        if activity is None:
            self._say(NOTHING)
            return
        self._pages.setCurrentIndex(1)
        self._try(lambda: self.show_activity(activity))

    def come_to_front(self) -> None:
        """See `Docked`: catch up with the desk."""
        if self._stale:
            self.refresh()
        elif self._behind:
            self._moved()

    def _changed(self) -> None:
        if self.seen:
            self.refresh()
        else:
            self._stale = True

    def _moved(self, place: Place | None = None) -> None:
        if not self.seen:
            self._behind = True
            return
        if self._stale or self.message:
            self.refresh()
            return
        self._behind = False
        self._try(lambda: self.show_place(self.desk.place))

    def _try(self, draw: Callable[[], None]) -> None:
        """Draw; what goes wrong must not keep the other docks from following the desk."""
        try:
            draw()
        except TomoError as error:
            self._say(str(error))
        except Exception as error:
            self._say(f"This cannot be shown: {type(error).__name__}: {error}")
            show(error)

    def _say(self, text: str) -> None:
        self._message.setText(text)
        self._pages.setCurrentIndex(0)

    def _open_run(self, checked: bool = False) -> None:
        from .run_dock import open_run

        open_run(self.viewer)

    def _close(self) -> None:
        self.desk.changed.disconnect(self._changed, missing_ok=True)
        self.desk.moved.disconnect(self._moved, missing_ok=True)
        self._bar.let_go()
        self.let_go()


def _stop(dock: "Following | None") -> None:
    if dock is not None:
        dock._close()
