"""The one-time offer to open the console after the first drop of a session."""

from typing import Any
from weakref import ref

from .. import compat
from ..remembered import offers_console, stop_offering

__all__ = ["expect", "offer"]

TEXT = (
    "Open the scanner console?\n"
    "It has window presets, transfer functions and a histogram. A drag with the right button "
    "changes the window anywhere on the picture."
)
"""napari shows the first line, and the rest when asked for it."""

SOURCE = "GPT-2 Tomograph"
"""Who speaks, as the menus name it."""

_expected = False
_offered = False


def expect() -> None:
    """A file was dropped or opened: offer the console in the viewer that gets its layers."""
    global _expected
    _expected = True


def offer(viewer: Any) -> None:
    """Offer the console, once in a process and only after `expect`."""
    global _expected, _offered
    if not _expected or not hasattr(viewer, "window"):
        return
    _expected = False
    if _offered or not offers_console():
        return
    _offered = True
    from qtpy.QtCore import QTimer

    weak = ref(viewer)
    # After the layers are there, and after what the reader itself has to say.
    QTimer.singleShot(0, lambda: _show(weak()))


def _show(viewer: Any) -> None:
    from napari.utils.notifications import (
        Notification,
        NotificationSeverity,
        notification_manager,
    )

    if viewer is None or viewer not in compat.open_viewers() or _is_open():
        return
    weak = ref(viewer)

    def open_it() -> None:
        from .commands import open_console

        found = weak()
        if found is not None:
            open_console(found)

    class Offer(Notification):  # type: ignore[misc]
        # By default the notice names napari's manager of notifications as its source.
        source = property(lambda self: SOURCE)

    actions = (("Open", open_it), ("Don't ask again", stop_offering))
    notification_manager.dispatch(Offer(TEXT, NotificationSeverity.INFO, actions))


def _is_open() -> bool:
    from qtpy.QtWidgets import QApplication

    from .dock import ScannerConsole

    return any(
        isinstance(widget, ScannerConsole) and widget.isVisible()
        for widget in QApplication.allWidgets()
    )
