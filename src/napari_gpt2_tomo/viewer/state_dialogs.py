"""Saving and opening scan sessions from the menus."""

from pathlib import Path
from typing import Any

import napari

from ..base import TomoError
from ..display.state import SUFFIX
from .commands import NO_SCAN, current_link
from .state import left_out, open_session, save_script, save_session
from .work import show

__all__ = ["open_session_from", "save_script_as", "save_session_as"]

SESSIONS = f"Scan sessions (*{SUFFIX})"
SCRIPTS = "Python scripts (*.py)"


def save_session_as(viewer: napari.Viewer) -> None:
    """Ask for a file and write the scan session to it."""
    path = _ask(viewer, "Save the scan session", SESSIONS, SUFFIX)
    if path:
        _do(save_session, viewer, path)


def save_script_as(viewer: napari.Viewer) -> None:
    """Ask for a file and write the script that opens the same view."""
    path = _ask(viewer, "Save as a Python script", SCRIPTS, ".py")
    if path:
        _do(save_script, viewer, path)


def open_session_from(viewer: napari.Viewer) -> None:
    """Ask for a session's file and open it in the viewer."""
    from qtpy.QtWidgets import QApplication, QFileDialog

    window = QApplication.activeWindow()
    path, _ = QFileDialog.getOpenFileName(window, "Open a scan session", "", SESSIONS)
    if path:
        try:
            open_session(path, viewer)
        except TomoError as error:
            show(error)


def _ask(viewer: Any, title: str, kind: str, suffix: str) -> str:
    from napari.utils.notifications import show_info
    from qtpy.QtWidgets import QApplication, QFileDialog

    link = current_link(viewer)
    if link is None:
        show_info(left_out(viewer) or NO_SCAN)
        return ""
    start = f"{link.name}{suffix}"
    path, _ = QFileDialog.getSaveFileName(QApplication.activeWindow(), title, start, kind)
    return str(path)


def _do(save: Any, viewer: Any, path: str) -> None:
    from napari.utils.notifications import show_info

    try:
        written: Path = save(viewer, path)
    except TomoError as error:
        show(error)
    else:
        show_info(f"Saved {written}. {left_out(viewer)}".strip())
