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
    if source.steps:
        from ..series.series import Series

        place = _place(source, folder)
        # A series of a list has no place but its first step's.
        own = source.path != source.steps[0] and place.is_dir()
        where = place if own else source.steps
        return Series(where, source.family, **source.sizes)
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
    """Where a scan is; of a comparison where both of its models are, of a series its steps."""
    from ..comparison import Comparison
    from ..series.series import Series

    if isinstance(scan, Comparison):
        return replace(
            source_of(scan.a, folder),
            fingerprint=scan.checkpoint.fingerprint,
            against=source_of(scan.b, folder),
            kind=scan.kind,
        )
    series = scan if isinstance(scan, Series) else None
    path = str(scan.checkpoint.path) if series is None else series.origin
    relative = None
    if folder is not None and not scan.checkpoint.is_remote:
        try:
            relative = Path(os.path.relpath(path, folder)).as_posix()
        except ValueError:
            relative = None  # On another drive of Windows.
    steps = () if series is None else series.paths
    said = dict(scan.sizes)
    return Source(path, scan.fingerprint, relative, scan.family, said, steps=steps)
