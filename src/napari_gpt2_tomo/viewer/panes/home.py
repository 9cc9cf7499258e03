"""The main viewer of four views: how it was before, and when its window goes."""

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from qtpy.QtCore import QEvent, QObject

from ..session import CORNER, FLAT

__all__ = ["Before", "Guard", "turn"]


class Before:
    """How the main viewer was before the views were opened."""

    def __init__(self, viewer: Any) -> None:
        camera = viewer.scene.camera
        self._flat = viewer.dims.ndisplay == 2
        self._camera = {name: getattr(camera, name) for name in ("center", "zoom", "angles")}

    def flatten(self, viewer: Any) -> None:
        """Be flat again, if it was."""
        if self._flat:
            viewer.dims.ndisplay = 2

    def look(self, viewer: Any) -> None:
        """Look at what was looked at, from as close; a volume stays as it was turned meanwhile."""
        if self._flat:
            for name, value in self._camera.items():
                setattr(viewer.scene.camera, name, value)


class Guard(QObject):  # type: ignore[misc]
    """Closes the views before their window goes.

    Parameters
    ----------
    home
        The widget with the main viewer's canvas.
    close
        A method; the object that it is of is not kept alive.
    """

    def __init__(self, home: Any, close: Callable[[], None]) -> None:
        super().__init__()
        self._close = WeakMethod(close)
        self._home = home
        for widget in (home, home.window()):
            widget.installEventFilter(self)

    def leave(self) -> None:
        """The views are closed."""
        for widget in (self._home, self._home.window()):
            widget.removeEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """A window that is closed by a script closes its canvas, one closed by hand deletes it."""
        kind, close = event.type(), self._close()
        if close is not None and (
            kind == QEvent.Type.DeferredDelete
            or (kind == QEvent.Type.Close and watched is self._home)
        ):
            close()
        return False


def turn(viewer: Any) -> None:
    """Look at a volume from a corner, unless somebody has turned it already."""
    camera = viewer.scene.camera
    if viewer.dims.ndisplay == 3 and tuple(camera.angles) in FLAT:
        camera.angles = CORNER
        viewer.fit_to_view()
