"""The docks of the functional scan share one place beside the picture, as tabs."""

from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QSizePolicy, QTabBar, QWidget

from .. import compat
from ..preferences import PLUGIN

__all__ = ["Docked"]


class Docked(QWidget):  # type: ignore[misc]
    """A widget in a dock of the functional scan; a base class.

    When it is first shown its dock becomes a tab beside the other docks of the functional scan:
    one above the other they would not fit on a screen, and napari's window would grow beyond it.
    A user may drag it to any other place afterwards, where it stays.

    Parameters
    ----------
    viewer
        A napari viewer, or the proxy of one that a plugin is handed.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        # napari adds an empty half below docks that do not ask for all of the height.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._settled = False
        canvas = compat.qt_viewer_of(compat.real_viewer(viewer))
        self._room = None if canvas is None else canvas.window().size()
        self._shrink = QTimer(self)
        self._shrink.setSingleShot(True)
        self._shrink.timeout.connect(self._give_back)

    @property
    def seen(self) -> bool:
        """Whether somebody can see it; Qt calls tabs that lie behind another visible as well."""
        return bool(self.isVisible()) and not self.visibleRegion().isEmpty()

    def come_to_front(self) -> None:
        """Do what waited until it is seen. To be overridden."""

    def showEvent(self, event: Any) -> None:
        """See Qt."""
        super().showEvent(event)
        self._settle()
        if self.seen:
            self.come_to_front()

    def _settle(self) -> None:
        """Find the dock around it, once, and put it beside the others."""
        dock = _around(self)
        if self._settled or dock is None:
            return
        self._settled = True
        dock.visibilityChanged.connect(self._turned_up)
        # What a tab is called: the name of the plugin would fill it.
        dock.setWindowTitle(dock.windowTitle().removesuffix(f" ({PLUGIN})"))
        window = dock.parentWidget()
        if not isinstance(window, QMainWindow):
            return
        area = window.dockWidgetArea(dock)
        others = [
            other
            for other in window.findChildren(QDockWidget)
            if other is not dock
            and other.findChild(Docked) is not None
            and not (other.isHidden() or other.isFloating())
            and window.dockWidgetArea(other) == area
        ]
        if others:
            window.tabifyDockWidget(others[-1], dock)
            dock.raise_()
            _spell_out(window)
            # Sizes given while a widget is being shown do not reach all that is in it.
            self._shrink.start(0)

    def _give_back(self) -> None:
        """Let the window be as large as it was: it grew while docks lay one above the other."""
        window = self.window()
        if self._room is None or window.isMaximized() or not isinstance(window, QMainWindow):
            return
        # It remembers how small it may be.
        window.layout().invalidate()
        window.layout().activate()
        window.resize(self._room)

    def _turned_up(self, visible: bool) -> None:
        if visible and self.seen:
            self.come_to_front()


def _spell_out(window: Any) -> None:
    """Let tabs have their whole names, and arrows where there are too many of them."""
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        bar.setUsesScrollButtons(True)


def _around(widget: Any) -> Any:
    """The dock that a widget lies in; None if there is none."""
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget
