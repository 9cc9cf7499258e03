"""The menu of the console: recent scans, files of presets, what is opened besides."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QMenu, QToolButton

from ...base import DisplayError, TomoError
from ...checkpoint.address import Address
from ...display.presets import to_json
from ..preferences import PLUGIN
from ..remembered import merge_presets, own_presets, recent_addresses, recent_scans
from ..work import show

__all__ = ["ConsoleMenu", "export_presets", "import_presets", "open_scan"]

FILTER = "Window presets (*.json)"

LARGEST = 2**20
"""Bytes: a file of presets is much smaller."""


class ConsoleMenu(QToolButton):  # type: ignore[misc]
    """A button with the menu; recent scans are looked up when it is opened.

    Parameters
    ----------
    viewer
        Where scans are opened.
    changed
        Called when the presets are others.
    """

    def __init__(self, viewer: Any, changed: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._changed = changed
        self.setText("☰")
        self.setMinimumSize(30, 28)
        self.setToolTip("Recent scans, presets")
        self.setAccessibleName("Menu of the console")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet(
            "QToolButton { font-size: 15px; } QToolButton::menu-indicator { image: none; }"
        )
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.recent = menu.addMenu("Recent scans")
        self.recent.setToolTipsVisible(True)
        self.recent.aboutToShow.connect(self.fill)
        menu.addSeparator()
        menu.addAction("Import window presets…", self._import)
        menu.addAction("Export window presets…", self._export)
        self.setMenu(menu)

    def fill(self) -> None:
        """List the recent scans; those that are gone cannot be chosen, and say so."""
        self.recent.clear()
        paths = recent_scans()
        for path in paths:
            there = path.exists()
            words = f"{path.parent.name}/{path.name}" if path.is_file() else path.name
            action = self.recent.addAction(words if there else f"{path.name}   (no longer there)")
            action.setEnabled(there)
            action.setToolTip(str(path) if there else f"{path} was moved or deleted.")
            action.triggered.connect(lambda _=False, place=path: open_scan(self._viewer, place))
        addresses = recent_addresses()
        for address in addresses:
            action = self.recent.addAction(address)
            action.setToolTip("On a server: its weights are read as they are looked at")
            action.triggered.connect(lambda _=False, place=address: open_scan(self._viewer, place))
        if not paths and not addresses:
            self.recent.addAction("None yet").setEnabled(False)

    def _import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import window presets", "", FILTER)
        if path:
            import_presets(path)
            self._changed()

    def _export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Export window presets", "window-presets.json", FILTER
        )
        if path:
            export_presets(path)


def open_scan(viewer: Any, path: Path | Address) -> None:
    """Open a checkpoint in a viewer as a drop of it would; says why where it cannot."""
    try:
        if isinstance(path, Path) and not path.exists():
            raise TomoError(f"{path} is no longer there: it was moved or deleted.")
        viewer.open(str(path), plugin=PLUGIN)
    except TomoError as error:
        show(error)


def import_presets(path: str) -> None:
    """Add the presets of a file to one's own; says what was added, or what is wrong."""
    from napari.utils.notifications import show_info

    try:
        added = merge_presets(_read(Path(path)))
    except TomoError as error:
        show(error)
        return
    titles = ", ".join(row.title for row in added)
    show_info(f"Added {titles}." if added else "All of these presets are there already.")


def export_presets(path: str) -> None:
    """Write one's own presets to a file."""
    try:
        text = to_json(own_presets())
        try:
            Path(path).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise DisplayError(f"{path} cannot be written: {error.strerror}.") from error
    except TomoError as error:
        show(error)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise DisplayError(f"{path.name} is too large for a file of presets.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DisplayError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DisplayError(f"{path.name} is no file of presets: it is not text.") from error
