"""Opening an address."""

from functools import partial
from pathlib import PurePosixPath
from urllib.parse import quote

from ...base import CheckpointError, Progress
from ..address import Address
from ..quantised.logical import logical
from ..registry import FORMATS, Format, format_named, format_of
from ..sniff import describe
from ..tensor import Checkpoint
from .addresses import HubName, S3Name, WebName, parse
from .hub import HubPlace, Listing, listing
from .link import public
from .place import RemotePlace
from .pool import waited
from .s3 import S3Links
from .traffic import watched
from .web import WebLinks, WebPlace

__all__ = ["choices", "locate", "open_address"]


def locate(address: str) -> tuple[RemotePlace, str | None]:
    """The folder of an address, and the name of the file in it if it is that of a file.

    Raises
    ------
    CheckpointError
        It is no address, or the hub does not have it.
    """
    name = parse(address)
    if isinstance(name, HubName):
        return _of_hub(name, waited(partial(listing, name)))
    if isinstance(name, S3Name):
        folder, _, file = name.path.rpartition("/")
        if not _is_file(file):
            folder, file = name.path.strip("/"), ""
        path = Address(f"s3://{name.bucket}/{folder}".rstrip("/"))
        return WebPlace(path, S3Links(name.bucket, folder), file or None), file or None
    return _of_web(name)


def _of_hub(name: HubName, found: Listing) -> tuple[RemotePlace, str | None]:
    path = name.path
    if path in found.files:
        folder, _, file = path.rpartition("/")
        return HubPlace(HubName(name.repository, name.revision, folder), found), file
    if path and not any(file.startswith(f"{path}/") for file in found.files):
        shown = ", ".join(sorted(found.files)[:20])
        raise CheckpointError(
            f"{name.repository} has no file or folder {path!r} at {name.revision}; it has {shown}."
        )
    return HubPlace(name, found), None


def _of_web(name: WebName) -> tuple[RemotePlace, str | None]:
    file = PurePosixPath(name.path).name if not name.path.endswith("/") else ""
    if not file or "." not in file:
        base, _, query = name.url.partition("?")
        url = base.rstrip("/") + "/" + (f"?{query}" if query else "")
        return WebPlace(Address(public(url).rstrip("/")), WebLinks(url)), None
    folder = Address(public(name.url).partition("?")[0].rpartition("/")[0])
    return WebPlace(folder, WebLinks(name.url), file), file


def _is_file(name: str) -> bool:
    return format_named(name) is not None


def open_address(address: str, progress: Progress | None = None) -> Checkpoint:
    """Open the checkpoint at an address; headers are read.

    Parameters
    ----------
    address
        ``hf://org/name[@revision][/path]``, ``https://…``, ``http://…`` or ``s3://…`` of a file,
        an index, or a folder.
    progress
        May cancel the waiting.

    Raises
    ------
    CheckpointError
        There is no checkpoint, there are several to choose from, it is damaged, or may not
        be read.
    """
    if progress is not None:
        progress.start(1, f"Asking for {public(address)}")
        with watched(progress):
            return open_address(address)
    from ..open import open_in

    place, file = locate(address)
    shown = Address(public(address.strip()).rstrip("/"))
    place.traffic.name(shown)
    if file is None:
        return open_in(place, shown)
    return logical(_format(place, file).open(place, file, shown))


def choices(address: str, progress: Progress | None = None) -> tuple[Address, ...]:
    """The checkpoints of a folder on a server that `open_address` can be asked for."""
    from ..open import checkpoints_in

    if progress is not None:
        with watched(progress):
            return choices(address)
    place, file = locate(address)
    return () if file else tuple(place.path / name for name in checkpoints_in(place))


def _format(place: RemotePlace, file: str) -> Format:
    """The format of a file, by its name or its first bytes."""
    format_ = format_named(file)
    if format_ is not None and (format_.certain or format_.is_index(file)):
        return format_
    first = place.source(file)
    told = format_of(bytes(first.read(0, min(512, first.size)).data))
    if told is None:
        kinds = " or ".join(one.name for one in FORMATS)
        known = describe(bytes(first.read(0, min(512, first.size)).data))
        raise CheckpointError(f"{place.path / quote(file)} is not a {kinds} file. {known}".rstrip())
    return told
