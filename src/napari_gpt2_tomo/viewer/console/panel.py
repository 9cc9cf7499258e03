"""What a panel of the console is."""

from collections.abc import Callable
from typing import Any, ClassVar

from qtpy.QtWidgets import QWidget

__all__ = ["Panel"]


class Panel(QWidget):  # type: ignore[misc]
    """One panel of the console. A subclass is listed in `panels.PANELS`.

    A panel connects to nothing but what `set_link` gives it, and lets go of that
    in the next `set_link`: the console calls ``set_link(None)`` before it goes.

    Parameters
    ----------
    viewer
        The viewer whose active scan is shown.
    parent
        Where the panel stands.
    """

    title: ClassVar[str]
    """Heading of the panel."""

    folded: ClassVar[bool] = False
    """Whether the panel shows its heading only at first."""

    scans_only: ClassVar[bool] = True
    """Whether it shows scans only, and nothing else that has a window. Where this is False,
    `set_link` gets any `Link`, else a `ScanLink`."""

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._ends: list[Callable[[], Any]] = []

    def listen(self, signal: Any, heard: Callable[..., Any]) -> None:
        """Connect to a signal of psygnal or napari until `let_go`."""
        signal.connect(heard)
        self._ends.append(lambda: signal.disconnect(heard))

    def let_go(self) -> None:
        """End every connection of `listen`."""
        for end in self._ends:
            end()
        self._ends = []

    def set_link(self, link: Any) -> None:
        """Show a scan, or none: disconnect from the former one, connect to ``link.console``.

        Without a scan the console hides its panels; they need not look disabled.
        """
        raise NotImplementedError
