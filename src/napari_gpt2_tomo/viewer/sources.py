"""The models of a scan session: where they are, and opening them again."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..base import Progress
from ..checkpoint.address import Address, address_of
from ..checkpoint.remote.traffic import watched
from ..display.state import Source
from .work import wait_for

if TYPE_CHECKING:
    from ..facade import Scan

__all__ = ["open_source", "source_of"]


def open_source(source: Source, folder: Path) -> "Scan":
    """Open what a session's entry is about.

    Parameters
    ----------
    folder
        Where the session's file is.

    Raises
    ------
    TomoError
        A model is not there any more, or no checkpoint.
    """
    from ..facade import Scan

    if source.against is not None:
        return _comparison(source, source.against, folder)
    address = address_of(source.path)
    if address is not None:
        return wait_for(partial(_remote_scan, address, source))
    return Scan(_place(source, folder), source.family, **source.sizes)


def _comparison(source: Source, against: Source, folder: Path) -> "Scan":
    """The comparison of two models, which close with it."""
    from ..comparison import Comparison
    from ..comparison.lora import adapted, is_adapter

    opened: list[Scan] = []
    try:
        opened.append(open_source(replace(source, against=None), folder))
        place = _place(against, folder)
        own = is_adapter(place)
        opened.append(adapted(opened[0], place) if own else open_source(against, folder))
        first, second = opened
        return Comparison(first, second, source.kind or "absolute", owned=(first, second))
    except BaseException:
        for scan in opened:
            scan.close()
        raise


def _place(source: Source, folder: Path) -> Path:
    """Where a model on disk lies: where it was, or as far from the session's file as then."""
    places = [Path(source.path)]
    if source.relative is not None:
        places.append(folder.joinpath(*PurePosixPath(source.relative).parts))
    return next((place for place in places if place.exists()), places[0])


def _remote_scan(address: Address, source: Source, progress: Progress) -> "Scan":
    """The scan of an address, with what its first picture needs."""
    from ..facade import Scan

    progress.start(1, f"Opening {address}")
    with watched(progress):
        scan = Scan(address, source.family, **source.sizes)
        scan.statistics(exact=False)
        return scan


def source_of(scan: "Scan", folder: Path | None) -> Source:
    """Where a scan is; of a comparison where both of its models are."""
    from ..comparison import Comparison

    if isinstance(scan, Comparison):
        return replace(
            source_of(scan.a, folder),
            fingerprint=scan.checkpoint.fingerprint,
            against=source_of(scan.b, folder),
            kind=scan.kind,
        )
    checkpoint = scan.checkpoint
    relative = None
    if folder is not None and not checkpoint.is_remote:
        try:
            relative = Path(os.path.relpath(checkpoint.path, folder)).as_posix()
        except ValueError:
            relative = None  # On another drive of Windows.
    path, said = str(checkpoint.path), dict(scan.sizes)
    return Source(path, checkpoint.fingerprint, relative, scan.family, said)
