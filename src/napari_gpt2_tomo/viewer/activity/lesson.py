"""The lesson from napari: a page about the prompt on the desk."""

from pathlib import Path
from typing import Any

import napari

from ...activity.lesson import lesson_name, write_lesson
from ...activity.record import Activity
from ...base import Progress
from ..work import Job
from .desk import desk_of
from .run_dock import open_dock

__all__ = ["WIDGET", "open_lesson", "write_lesson_as"]

WIDGET = "Lesson"
"""Name of the dock in the manifest."""

PAGES = "HTML pages (*.html)"


def open_lesson(viewer: napari.Viewer) -> Any:
    """Open the lesson beside a viewer, or bring it to the front; returns its dock."""
    return open_dock(viewer, WIDGET)


def write_lesson_as(
    viewer: napari.Viewer, layer: int | None = None, head: int | None = None
) -> None:
    """Ask where, and write the lesson about the prompt on the desk as a page; then open it.

    Parameters
    ----------
    viewer
        Whose desk.
    layer, head
        The head to begin with; by default the lesson chooses one.
    """
    from napari.utils.notifications import show_info

    desk = desk_of(viewer)
    activity = desk.activity
    if activity is None:
        show_info("Run a prompt first; the lesson explains what the model does with it.")
        open_dock(viewer, "Functional scan")
        return
    path = _ask_path(activity)
    if path is None:
        return
    target = path

    def work(report: Progress) -> Any:
        yield write_lesson(activity, target, layer=layer, head=head, progress=report)

    def written(size: int) -> None:
        show_info(f"Saved {target}, {size / 1e6:.1f} MB.")
        show_page(target)

    Job(work, written)


def show_page(path: Path) -> None:
    """Open a page in the reader's browser."""
    from qtpy.QtCore import QUrl
    from qtpy.QtGui import QDesktopServices

    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve())))


def _ask_path(activity: Activity) -> Path | None:
    from qtpy.QtWidgets import QApplication, QFileDialog

    path, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(),
        "Write the lesson",
        lesson_name(activity.source.name),
        PAGES,
    )
    if not path:
        return None
    found = Path(path)
    return found if found.suffix else found.with_suffix(".html")
