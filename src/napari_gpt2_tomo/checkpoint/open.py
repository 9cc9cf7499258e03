"""Which reader opens which path."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..base import CheckpointError
from .address import Address, address_of
from .place import LocalPlace, Place
from .quantised.logical import logical
from .registry import FORMATS, Format, format_named, format_of, formats_named
from .shards import INDEX_SUFFIX, indexed_shards, shard_stem
from .sniff import PICKLE_ADVICE, describe
from .tensor import Checkpoint

__all__ = ["can_open", "candidates", "checkpoints_in", "default_in", "open_checkpoint", "open_in"]

_GGUF_ADVICE = (
    "This version does not read it; open the model that it was made from, as safetensors."
)
_CONVERT_ADVICE = (
    "This version does not read it; convert it with transformers: "
    "AutoModel.from_pretrained(folder, …).save_pretrained(new_folder)."
)
UNREADABLE: dict[str, tuple[str, str]] = {
    ".ggml": ("a GGML file", _GGUF_ADVICE),
    ".h5": ("a Keras file", _CONVERT_ADVICE.replace("…", "from_tf=True")),
    ".msgpack": ("a Flax file", _CONVERT_ADVICE.replace("…", "from_flax=True")),
    ".pkl": ("a Python pickle", PICKLE_ADVICE),
}
"""Files of weights that are known but not read: suffix → what it is, what to do."""


def open_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a checkpoint; only headers are read, weights when they are asked for.

    Parameters
    ----------
    path
        A file of one of the `FORMATS` (its other shards are found), an ``….index.json``, a
        folder, or the address of one of these on a server, see `remote.open.open_address`. In
        a folder the order is: the index, the standard name (``model.safetensors``), the only
        file, each of the first format that has any.

    Raises
    ------
    CheckpointError
        There is no checkpoint, there are several to choose from, or it is damaged.
    """
    address = address_of(path)
    if address is not None:
        from .remote.open import open_address

        return open_address(address)
    try:
        place = Path(path).expanduser()
        if place.is_dir():
            return open_in(LocalPlace(place), place)
        if not place.exists():
            raise CheckpointError(f"{place} does not exist.")
        return _open_file(place)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except CheckpointError:
        raise
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{str(path)!r} is no path: {error}.") from error


def open_in(place: Place, path: Path | Address) -> Checkpoint:
    """Open the checkpoint of a folder, on disk or on a server.

    Parameters
    ----------
    place
        The folder.
    path
        What the user opened.
    """
    format_, name = _choose(place)
    return logical(format_.open(place, name, _absolute(path)))


def _open_file(file: Path) -> Checkpoint:
    format_ = _checked(file)
    place = LocalPlace(file.parent)
    return logical(format_.open(place, file.name, _absolute(file)))


def _absolute(path: Path | Address) -> Path | Address:
    return Path(os.path.abspath(path)) if isinstance(path, Path) else path


def can_open(path: str | os.PathLike[str]) -> bool:
    """Whether `open_checkpoint` is the right one to try; never raises.

    Looks at names, and at the first bytes of files whose names others use too; of addresses
    at their text alone.
    """
    try:
        address = address_of(path)
        if address is not None:
            from .remote.addresses import is_model

            return is_model(address)
        place = Path(path).expanduser()
        if place.is_dir():
            return any(_told(LocalPlace(place)))
        return place.is_file() and _is_ours(LocalPlace(place.parent), place.name)
    except (OSError, ValueError, TypeError, RuntimeError, CheckpointError):
        return False


def checkpoints_in(place: Place) -> tuple[str, ...]:
    """Names of the checkpoints of a folder on disk or on a server, the most likely meant first."""
    return tuple(name for _, name in _found(place))


def default_in(place: Place) -> str:
    """The checkpoint of a folder that is opened without asking.

    Raises
    ------
    CheckpointError
        There is none, or there are several to choose from.
    """
    return _choose(place)[1]


def candidates(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The checkpoints of a folder that `open_checkpoint` can be asked for, one path each.

    The one that opens by default comes first, if there is one. The shards of a
    checkpoint count as one: its index, else the first of them.
    """
    place = LocalPlace(Path(folder))
    return tuple(Path(folder) / name for _, name in _found(place))


def _is_ours(place: Place, name: str) -> bool:
    """Whether a file is called like a checkpoint, and begins like one where names do not tell."""
    format_ = _format(place, name)
    return format_ is not None and format_.taken != "asked"


def _format(place: Place, name: str) -> Format | None:
    """The format of a file by its name, and by its first bytes where names do not tell."""
    named = formats_named(name)
    for one in named:
        if one.certain or one.is_index(name):
            return one
    first = (place.text(name, 511) or b"") if named else b""
    return next((one for one in named if one.begins(first)), None)


def _found(place: Place) -> tuple[tuple[Format, str], ...]:
    """Format and name of every checkpoint in a folder, the most likely meant first."""
    told = list(_told(place))
    return tuple(
        (one, name)
        for one in FORMATS
        for name in _ranked(one, (name for format_, name in told if format_ is one))
    )


def _told(place: Place) -> Iterator[tuple[Format, str]]:
    """Files of a folder that may be what it is opened for, and their formats."""
    for name in place.names():
        if any(_counts(one, name) for one in formats_named(name)):
            format_ = _format(place, name)
            if format_ is not None and _counts(format_, name):
                yield format_, name


def _counts(format_: Format, name: str) -> bool:
    """Whether a file in a folder may be what the folder is opened for."""
    return format_.taken == "always" or name in format_.standard


def _ranked(format_: Format, names: Iterable[str]) -> list[str]:
    """Checkpoints among the files of one format; shards count as one."""
    indexed: set[str] = set()
    indices: list[str] = []
    first_shards: dict[tuple[str, int], str] = {}
    files: list[str] = []
    for name in names:
        stem = shard_stem(name)
        if format_.is_index(name):
            indices.append(name)
            indexed.add(Path(name.removesuffix(INDEX_SUFFIX)).stem)
        elif stem is not None:
            first_shards.setdefault(stem, name)
        else:
            files.append(name)
    loose = [name for (stem, _), name in first_shards.items() if stem not in indexed]
    found = [*indices, *files, *loose]
    return sorted(found, key=lambda name: _rank(format_, name, len(indices)))


def _rank(format_: Format, name: str, n_indices: int) -> int:
    """Smaller is more likely meant; those below 1 + the number of standard names open unasked."""
    if format_.is_index(name) and n_indices == 1:
        return 0
    if name in format_.standard:
        return 1 + format_.standard.index(name)
    return 1 + len(format_.standard)


def _choose(place: Place) -> tuple[Format, str]:
    found = _found(place)
    if not found:
        raise CheckpointError(_nothing_in(place))
    best = found[0][0]
    mine = [name for one, name in found if one is best]
    n_indices = sum(best.is_index(name) for name in mine)
    if len(mine) > 1 and _rank(best, mine[0], n_indices) > len(best.standard):
        choices = ", ".join(name for _, name in found[:20])
        raise CheckpointError(
            f"{place.path} holds {len(found)} checkpoints; open one of them: {choices}."
        )
    if n_indices and not indexed_shards(place, mine[0]).files:
        whole = [name for name in mine if name in best.standard and not best.is_index(name)]
        if whole:
            return best, whole[0]  # the index of an earlier, sharded version was left behind
    return best, mine[0]


def _nothing_in(place: Place) -> str:
    """Message for a folder without a checkpoint, with what may have been meant."""
    message = f"{place.path} holds no {_kinds()} file."
    for name in place.names():
        named = format_named(name)
        if named is not None and named.taken == "always":
            message += f" {name} is called like a {named.name} file, but does not begin like one."
            break
        if (suffix := Path(name).suffix.lower()) in UNREADABLE:
            kind, advice = UNREADABLE[suffix]
            message += f" {name} is {kind}. {advice}"
            break
    below: list[str] = []
    if isinstance(place.path, Path):
        folders = sorted(path for path in place.path.iterdir() if path.is_dir())
        below = [folder.name for folder in folders if can_open(folder)]
    if below:
        message += f" Folders in it do: {', '.join(below[:10])}."
    return message


def _checked(file: Path) -> Format:
    """The format of a file, or an error that says what it is instead."""
    name = file.name.lower()
    format_ = format_named(name)
    if format_ is not None and (format_.certain or format_.is_index(name)):
        return format_
    if name.endswith(INDEX_SUFFIX):
        known = UNREADABLE.get(Path(name.removesuffix(INDEX_SUFFIX)).suffix)
        if known:
            raise CheckpointError(f"{file} is the index of {known[0]}. {known[1]}")
        return FORMATS[0]
    if not file.is_file():
        raise CheckpointError(f"{file} is not a regular file.")
    with open(file, "rb") as opened:
        first = opened.read(512)
    # The hub's cache stores files under a bare hash.
    told = format_of(first)
    if told is not None:
        return told
    known = UNREADABLE.get(file.suffix.lower())
    kind = f"It is {known[0]}. {known[1]}" if known else describe(first)
    kinds = format_.name if format_ else _kinds()
    raise CheckpointError(
        f"{file} is not a {kinds} file. {kind or 'Its name and content say nothing else.'}"
    )


def _kinds() -> str:
    """The formats that are read, for a sentence."""
    *names, last = (one.name for one in FORMATS)
    return f"{', '.join(names)} or {last}"
