"""Activities as files in napari: dropped on the window, opened and saved from the menus."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import napari

from ...activity.record import Activity, holds_activity, open_activity
from ...activity.record.files import ARCHIVE, GROUP
from ...base import Progress, TomoError
from .. import compat
from ..link import KEY, link_of
from ..work import Job, show, wait_for
from .array_link import ArrayLink, array_link_of
from .desk import desk_of
from .layers import look_at, picture_data, show_opened, usual

if TYPE_CHECKING:
    from ..layers import LayerData

__all__ = [
    "open_activity_from",
    "open_in",
    "read_activity",
    "save_activity_as",
    "save_to",
]

SUFFIX = ".zarr"
"""How the name of a saved activity ends, if its name has no ending."""

WORDS = 40
"""Characters of the text that are in the name that is proposed for a file."""

NOTHING = "Run a prompt first: there is no activity to save."

OPENED = f"Activities ({GROUP} *{ARCHIVE})"
SAVED = f"Activities (*{SUFFIX})"


def read_activity(path: str) -> "list[LayerData]":
    """Layers of a stored activity for napari's reader.

    The desk of the viewer follows once they are in it. A viewer that shows a scan gives them to a
    window beside it: the axes of a body are others.

    Raises
    ------
    TomoError
        It is damaged, of a later version, or holds nothing that could be shown.
    """
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    activity = open_activity(path)
    sites = usual(activity)
    if not sites:
        raise TomoError(f"{path} holds nothing that could be shown.")
    layers = [picture_data(activity, site) for site in sites]
    for _, options, _ in layers[:-1]:
        options["visible"] = False
    weak = ref(layers[-1][1]["metadata"][KEY])

    def inserted() -> None:
        found = weak()
        if found is not None:
            _settle(found)

    if QApplication.instance() is not None:
        QTimer.singleShot(0, inserted)
    return layers


def _settle(link: ArrayLink) -> None:
    """Put the activity of layers that were read on the desk of the viewer that shows them."""
    for viewer in compat.open_viewers():
        layers = [layer for layer in viewer.layers if _activity_of(layer) is link.activity]
        if not layers:
            continue
        if any(link_of(layer) is not None for layer in viewer.layers):
            for layer in layers:
                viewer.layers.remove(layer)
            show_opened(viewer, link.activity)
            return
        desk = desk_of(viewer)
        place = desk.place
        desk.show(link.activity)
        for layer in viewer.layers:
            if array_link_of(layer) is not None:
                layer.visible = layer is layers[-1]
        look_at(viewer, layers[-1], place)
        return


def _activity_of(layer: Any) -> Activity | None:
    found = array_link_of(layer)
    return None if found is None else found.activity


def open_in(viewer: Any, path: str | os.PathLike[str]) -> Any:
    """Open a stored activity: on a viewer's desk, and as layers; returns the viewer of these.

    Raises
    ------
    TomoError
        It cannot be opened, or shown.
    """
    return show_opened(viewer, wait_for(lambda report: open_activity(path)))


def save_to(activity: Activity, path: str | os.PathLike[str]) -> Job:
    """Save an activity in a thread; a notification tells when it is there."""
    from napari.utils.notifications import show_info

    def work(report: Progress) -> Generator[object, None, None]:
        yield activity.save(path, report)

    return Job(work, lambda written: show_info(f"Saved {written}."))


def save_activity_as(viewer: napari.Viewer) -> None:
    """Ask for a folder and write the activity on the desk to it."""
    from napari.utils.notifications import show_info
    from qtpy.QtWidgets import QApplication, QFileDialog

    activity = desk_of(viewer).activity
    if activity is None:
        show_info(NOTHING)
        return
    path, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(), "Save the activity", proposed(activity), SAVED
    )
    if path:
        target = Path(path)
        save_to(activity, target if target.suffix else target.with_name(target.name + SUFFIX))


def proposed(activity: Activity) -> str:
    """A name for the file of an activity: its model and the beginning of its text."""
    text = "".join(one if one.isalnum() else " " for one in activity.text[:WORDS])
    return "-".join([activity.source.name, *text.split()]) + SUFFIX


def open_activity_from(viewer: napari.Viewer) -> None:
    """Ask for a stored activity and open it in the viewer."""
    path = _ask()
    if path:
        try:
            open_in(viewer, path)
        except TomoError as error:
            show(error)


def _ask() -> str:
    """The file that a user chooses, or the folder of an activity that is entered."""
    from qtpy.QtWidgets import QApplication, QFileDialog

    dialog = QFileDialog(QApplication.activeWindow(), "Open an activity", "", OPENED)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    entered: list[str] = []

    def enter(folder: str) -> None:
        # A saved activity is a folder, which a dialog for files enters instead of choosing it.
        if holds_activity(folder):
            entered.append(folder)
            dialog.accept()

    dialog.directoryEntered.connect(enter)
    chosen = dialog.exec()
    files = dialog.selectedFiles()
    dialog.deleteLater()
    if entered:
        return entered[0]
    return str(files[0]) if chosen and files else ""
