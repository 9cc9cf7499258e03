"""Four panes of equal size where a viewer's canvas was."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QSplitter, QWidget

from ...base import DisplayError

__all__ = ["Grid"]


class Grid(QObject):  # type: ignore[misc]
    """Puts three widgets beside the canvas of a window, two in a row.

    The canvas stays in the window and goes into a splitter at its own place, so
    the docks around it are left as they are.

    Parameters
    ----------
    home
        The widget with the canvas; it lies in a layout and becomes the last pane.
    others
        The first three panes: upper left, upper right, lower left.

    Raises
    ------
    DisplayError
        The canvas does not lie in a layout.
    """

    def __init__(self, home: QWidget, others: Sequence[QWidget]) -> None:
        super().__init__()
        parent = home.parentWidget()
        layout = None if parent is None else parent.layout()
        if layout is None or layout.indexOf(home) < 0:
            raise DisplayError(
                "Four views need a window of napari: this viewer's canvas lies elsewhere."
            )
        self._home = home
        self._layout: Any = layout
        self._place = layout.indexOf(home)
        upper_left, upper_right, lower_left = others
        self.columns = _splitter(Qt.Orientation.Horizontal)
        self.left, self.right = (_splitter(Qt.Orientation.Vertical) for _ in range(2))
        # In the window first: a canvas that leaves its window loses its GL context.
        layout.insertWidget(self._place, self.columns)
        for column, panes in (
            (self.left, (upper_left, lower_left)),
            (self.right, (upper_right, home)),
        ):
            self.columns.addWidget(column)
            for pane in panes:
                column.addWidget(pane)
                pane.show()
        self.left.splitterMoved.connect(self._left_moved)
        self.right.splitterMoved.connect(self._right_moved)
        self._panes = (upper_left, upper_right, lower_left, home)
        self.enlarged: QWidget | None = None
        self.even()

    def even(self) -> None:
        """Give all panes the same size."""
        for splitter in (self.columns, self.left, self.right):
            half = max(splitter.width(), splitter.height())
            splitter.setSizes([half, half])

    def enlarge(self, pane: QWidget | None) -> None:
        """Show one pane alone; None shows all again."""
        self.enlarged = pane
        for other in self._panes:
            other.setVisible(pane is None or other is pane)
        for column in (self.left, self.right):
            column.setVisible(pane is None or column.indexOf(pane) >= 0)

    def close(self) -> None:
        """Put the canvas back where it was; the other panes stay in the splitters."""
        self.enlarge(None)
        self._layout.insertWidget(self._place, self._home)
        self._home.show()
        self._layout.removeWidget(self.columns)
        self.columns.hide()
        self._layout.activate()
        self.columns.deleteLater()

    def _left_moved(self, position: int, index: int) -> None:
        self.right.setSizes(self.left.sizes())

    def _right_moved(self, position: int, index: int) -> None:
        self.left.setSizes(self.right.sizes())


def _splitter(orientation: Qt.Orientation) -> QSplitter:
    splitter = QSplitter(orientation)
    splitter.setChildrenCollapsible(False)
    return splitter
