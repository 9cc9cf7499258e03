"""Opening models at addresses without holding up the window."""

from typing import TYPE_CHECKING

from ...base import CheckpointError, Progress
from ...checkpoint.address import Address
from ...checkpoint.remote.traffic import watched
from ..work import wait_for

if TYPE_CHECKING:
    from ...facade import Scan
    from ...volume.volume import Volume

__all__ = ["open_remote", "prepare"]


def prepare(address: str, progress: Progress) -> "tuple[Scan, Volume]":
    """A scan of an address, and the preferred volume of it with a quick look; in a thread.

    What the first picture needs is read here: headers, a sample for the window and the
    quick look, some megabytes at most.

    Raises
    ------
    TomoError
        There is no checkpoint that can be read.
    Cancelled
        `progress` asked to stop.
    """
    from ...facade import Scan
    from ..reader import preferred_volume

    progress.start(1, f"Opening {address}")
    with watched(progress):
        scan = Scan(address)
        try:
            volume = preferred_volume(scan)
            volume.window()
            volume.overview.quick_look(progress)
        except BaseException:
            scan.close()
            raise
    return scan, volume


def open_remote(address: Address) -> "tuple[Scan, Volume]":
    """`prepare` in a thread, while the window stays alive and shows what happens.

    Where several checkpoints lie at an address, the user is asked which.
    """
    try:
        return wait_for(lambda progress: prepare(address, progress))
    except CheckpointError as error:
        chosen = _ask(address, error)
        if chosen is None:
            raise
        return wait_for(lambda progress: prepare(chosen, progress))


def _ask(address: Address, error: CheckpointError) -> Address | None:
    """Which of several checkpoints to open; None where there are none, or no answer."""
    from ...checkpoint.remote.open import choices
    from .. import compat

    if not compat.open_viewers() or "open one of them" not in str(error):
        return None
    found = wait_for(lambda progress: choices(address, progress))
    if len(found) < 2:
        return None
    from qtpy.QtWidgets import QApplication, QInputDialog

    names = [place.rpartition("/")[2] for place in found]
    name, chosen = QInputDialog.getItem(
        QApplication.activeWindow(), "Open a checkpoint", str(error), names, 0, False
    )
    return found[names.index(name)] if chosen else None
