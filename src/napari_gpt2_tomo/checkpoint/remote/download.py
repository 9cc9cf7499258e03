"""Downloading a model: to run it, or to have it."""

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...base import CheckpointError, Progress, SilentProgress, TomoError
from ...base.cache import cache_folder
from ..address import Address
from ..companions import CONFIG_NAME, TOKENIZER_NAMES
from ..open import default_in
from ..registry import format_named
from ..shards import INDEX_SUFFIX, indexed_shards, shards_beside
from .http import HttpSource
from .hub import HubPlace, endpoint
from .open import locate
from .place import RemotePlace
from .pool import TICK, submit, waited
from .settings import is_offline
from .traffic import Traffic, watched
from .transfer import Offline, fetch

__all__ = ["Plan", "download", "download_plan", "fetch_plan"]

BAND = 1 << 24
"""Bytes that are fetched and written at once (16 MB)."""

SPARE = 1 << 26
"""Bytes that stay free on the disk (64 MB)."""

BESIDE = (
    CONFIG_NAME,
    *TOKENIZER_NAMES,
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
"""Files beside the weights that running a model may need."""


@dataclass(frozen=True)
class Plan:
    """What a download brings, known before it begins.

    Attributes
    ----------
    address
        What was asked for.
    files
        Name → bytes.
    folder
        Where to.
    missing
        Bytes that are not there yet.
    """

    address: Address
    files: dict[str, int]
    folder: Path
    missing: int
    place: RemotePlace

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


def download_plan(address: str, folder: str | os.PathLike[str] | None = None) -> Plan:
    """What downloading the checkpoint at an address would bring; reads lists and headers only.

    Parameters
    ----------
    folder
        Where to; None is the hub's own cache for a model of the hub, else a folder of this
        program's cache.

    Raises
    ------
    CheckpointError
        There is no checkpoint.
    """
    place, file = locate(address)
    if file is None:
        file = default_in(place)
    names = _files_of(place, file)
    beside = [name for name in BESIDE if place.has(name)]
    sizes = {name: place.source(name).size for name in dict.fromkeys([*names, *beside])}
    return Plan(
        Address(address),
        sizes,
        where := _folder(place, folder),
        sum(size for name, size in sizes.items() if not _is_there(name, where, size)),
        place,
    )


def _files_of(place: RemotePlace, file: str) -> list[str]:
    """The files that make up a checkpoint."""
    if file.endswith(INDEX_SUFFIX):
        return [file, *indexed_shards(place, file).files]
    shards = shards_beside(place, file)
    indices = [
        name
        for name in place.names()
        if name.endswith(INDEX_SUFFIX) and shards.weight_map and format_named(name)
    ]
    return [*indices, *shards.files]


def _folder(place: RemotePlace, given: str | os.PathLike[str] | None) -> Path:
    if given is not None:
        return Path(given).expanduser().absolute()
    if isinstance(place, HubPlace):
        return place.snapshot
    parts = [part for part in place.path.replace("://", "/").split("/") if part]
    safe = ["".join(c if c.isalnum() or c in "-_." else "_" for c in part) for part in parts]
    return cache_folder("models").joinpath(*(part.strip(".") or "_" for part in safe))


def _is_there(name: str, folder: Path, size: int) -> bool:
    path = folder / name
    return path.is_file() and path.stat().st_size == size


def download(
    address: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
) -> Path:
    """Download the checkpoint at an address, with its configuration and tokenizer.

    What is there already is not fetched again. A model of the hub comes into the hub's own
    cache, where transformers and others find it too.

    Parameters
    ----------
    address
        ``hf://org/name[@revision][/path]``, ``https://…`` or ``s3://…``.
    folder
        Where to put it instead.
    progress
        Told of every byte; may cancel.

    Returns
    -------
    Path
        The folder, which can be opened and run.

    Raises
    ------
    CheckpointError
        There is no checkpoint, or it cannot be read.
    TomoError
        The disk has no room, or cannot be written.
    Cancelled
        `progress` asked to stop; files that are complete stay.
    """
    report = progress or SilentProgress()
    with watched(report):
        plan = waited(partial(download_plan, address, folder))
        return fetch_plan(plan, report)


def fetch_plan(plan: Plan, report: Progress) -> Path:
    """Do what `download_plan` announced."""
    if not plan.missing:
        return plan.folder
    if is_offline(hub=isinstance(plan.place, HubPlace)):
        raise Offline(f"{plan.address} is not on this machine, and no connection may be made.")
    _need_room(plan)
    report.start(plan.missing, f"Downloading {plan.address.name}")
    if isinstance(plan.place, HubPlace) and plan.folder == plan.place.snapshot:
        return _by_hub(plan, plan.place, report)
    try:
        for name, size in plan.files.items():
            if not _is_there(name, plan.folder, size):
                _one(plan.place, name, plan.folder / name, report)
    except OSError as error:
        raise TomoError(
            f"{plan.folder} cannot be written: {error.strerror or error}. What was complete stays."
        ) from error
    return plan.folder


def _need_room(plan: Plan) -> None:
    folder = plan.folder
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if plan.missing + SPARE > free:
        raise TomoError(
            f"{plan.address} needs {plan.missing / 1e9:.3g} GB, and {folder} has only "
            f"{free / 1e9:.3g} GB left. Free some space, or give another folder."
        )


def _one(place: RemotePlace, name: str, target: Path, report: Progress) -> None:
    """Write one file under another name, and rename it when it is whole."""
    source = place.source(name)
    if not isinstance(source, HttpSource):
        # The hub has stored it on this disk already.
        shutil.copyfile(str(source.path), target)
        return
    version, link, traffic = source.version, place.link(name), Traffic()
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.new")
    ended = threading.Event()
    try:
        with open(scratch, "wb") as file:
            for start in range(0, version.size, BAND):
                stop = min(start + BAND, version.size)
                future = submit(
                    partial(
                        fetch,
                        link,
                        start,
                        stop,
                        version=version,
                        traffic=traffic,
                        stopped=ended.is_set,
                    )
                )
                told = traffic.received
                while not future.done():
                    wait((future,), TICK)
                    report.advance(traffic.received - told)
                    told = traffic.received
                file.write(future.result().data.data)
        os.replace(scratch, target)
    finally:
        ended.set()
        scratch.unlink(missing_ok=True)


def _by_hub(plan: Plan, place: HubPlace, report: Progress) -> Path:
    """Download by the library of the hub, into its cache."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    bar = _bar_class(report)
    for name, size in plan.files.items():
        if _is_there(name, plan.folder, size):
            continue
        report.advance(0)
        try:
            stored = hf_hub_download(
                place.name.repository,
                place.prefixed(name),
                # Not the commit: the cache remembers what the name of a revision stood for.
                revision=place.name.revision,
                endpoint=endpoint(),
                tqdm_class=bar,
            )
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise CheckpointError(f"{plan.address} could not be downloaded: {error}") from error
        if place.commit not in Path(stored).parts:
            raise CheckpointError(
                f"{plan.address} was changed on the hub while it was downloaded; do it again."
            )
    return plan.folder


def _bar_class(report: Progress) -> type[Any]:
    """What the library of the hub takes for a bar; it tells a progress of the bytes."""

    class Bar:
        """Prints nothing. The library asks for whatever a bar of tqdm can do."""

        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None: ...

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_, **__: None

        def update(self, n: float | None = 1) -> None:
            """Tell of bytes that were written."""
            report.advance(int(n or 0))

    return Bar
