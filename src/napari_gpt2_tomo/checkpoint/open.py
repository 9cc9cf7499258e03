"""Which reader opens which path."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..base import CheckpointError
from .safetensors import SafetensorsCheckpoint
from .shards import INDEX_SUFFIX, indexed_shards, shard_stem
from .sniff import PYTORCH_ADVICE, describe
from .tensor import Checkpoint

__all__ = ["can_open", "candidates", "open_checkpoint"]

SUFFIX = ".safetensors"
SAFETENSORS_INDEX = SUFFIX + INDEX_SUFFIX
STANDARD_NAMES = ("model.safetensors.index.json", "model.safetensors")
"""What a folder with several checkpoints is opened by."""

_GGUF_ADVICE = (
    "This version does not read it; open the model that it was made from, as safetensors."
)
_CONVERT_ADVICE = (
    "This version does not read it; convert it with transformers: "
    "AutoModel.from_pretrained(folder, …).save_pretrained(new_folder)."
)
UNREADABLE: dict[str, tuple[str, str]] = {
    ".bin": ("a PyTorch file", PYTORCH_ADVICE),
    ".ckpt": ("a PyTorch file", PYTORCH_ADVICE),
    ".pt": ("a PyTorch file", PYTORCH_ADVICE),
    ".pth": ("a PyTorch file", PYTORCH_ADVICE),
    ".gguf": ("a GGUF file", _GGUF_ADVICE),
    ".ggml": ("a GGML file", _GGUF_ADVICE),
    ".h5": ("a Keras file", _CONVERT_ADVICE.replace("…", "from_tf=True")),
    ".msgpack": ("a Flax file", _CONVERT_ADVICE.replace("…", "from_flax=True")),
    ".onnx": ("an ONNX file", _GGUF_ADVICE),
    ".npz": ("a numpy archive", "Save its arrays with safetensors.numpy.save_file."),
    ".pkl": ("a Python pickle", PYTORCH_ADVICE),
}
"""Files of weights that are known but not read: suffix → what it is, what to do."""


def open_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a checkpoint; only headers are read, weights when they are asked for.

    Parameters
    ----------
    path
        A ``.safetensors`` file (its other shards are found), an ``….index.json``, or a
        folder. In a folder the order is: the index, ``model.safetensors``, the only
        safetensors file.

    Raises
    ------
    CheckpointError
        There is no checkpoint, there are several to choose from, or it is damaged.
    """
    if "://" in str(path):
        raise CheckpointError(
            f"{path} is an address on the network; this version reads local files only. "
            f"Download it first, e.g. with 'hf download'."
        )
    try:
        place = Path(path).expanduser()
        is_folder = place.is_dir()
        if not is_folder and not place.exists():
            raise CheckpointError(f"{place} does not exist.")
        target = _choose(place) if is_folder else _checked(place)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except CheckpointError:
        raise
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{str(path)!r} is no path: {error}.") from error
    return SafetensorsCheckpoint(target, path=place)


def can_open(path: str | os.PathLike[str]) -> bool:
    """Whether `open_checkpoint` is the right one to try; looks at names only, never raises."""
    try:
        place = Path(path).expanduser()
        if place.is_dir():
            return any(True for _ in _named(place))
        return place.name.endswith((SUFFIX, SAFETENSORS_INDEX)) and place.is_file()
    except (OSError, ValueError, TypeError, RuntimeError):
        return False


def candidates(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The checkpoints of a folder that `open_checkpoint` can be asked for, one path each.

    The one that opens by default comes first, if there is one. The shards of a
    checkpoint count as one: its index, else the first of them.
    """
    indexed: set[str] = set()
    indices: list[Path] = []
    first_shards: dict[tuple[str, int], Path] = {}
    files: list[Path] = []
    for path in sorted(_named(Path(folder))):
        stem = shard_stem(path.name)
        if path.name.endswith(SAFETENSORS_INDEX):
            indices.append(path)
            indexed.add(path.name.removesuffix(SAFETENSORS_INDEX))
        elif stem is not None:
            first_shards.setdefault(stem, path)
        else:
            files.append(path)
    loose = [path for (stem, _), path in first_shards.items() if stem not in indexed]
    found = [*indices, *files, *loose]
    return tuple(sorted(found, key=lambda path: _rank(path, len(indices))))


def _rank(path: Path, n_indices: int) -> int:
    """Smaller is more likely meant; 0 to 2 open without asking."""
    if path.name.endswith(SAFETENSORS_INDEX) and n_indices == 1:
        return 0
    if path.name in STANDARD_NAMES:
        return 1 + STANDARD_NAMES.index(path.name)
    return 1 + len(STANDARD_NAMES)


def _named(folder: Path) -> Iterator[Path]:
    """Files of a folder that are called like a checkpoint."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((SUFFIX, SAFETENSORS_INDEX)) and entry.is_file():
                yield folder / entry.name


def _choose(folder: Path) -> Path:
    found = candidates(folder)
    if not found:
        raise CheckpointError(_nothing_in(folder))
    n_indices = sum(path.name.endswith(SAFETENSORS_INDEX) for path in found)
    if len(found) > 1 and _rank(found[0], n_indices) > len(STANDARD_NAMES):
        choices = ", ".join(path.name for path in found[:20])
        raise CheckpointError(
            f"{folder} holds {len(found)} checkpoints; open one of them: {choices}."
        )
    standard = folder / STANDARD_NAMES[1]
    if n_indices and standard in found and not indexed_shards(found[0]).files:
        return standard  # the index of an earlier, sharded version was left behind
    return found[0]


def _nothing_in(folder: Path) -> str:
    """Message for a folder without a checkpoint, with what may have been meant."""
    message = f"{folder} holds no safetensors file."
    below: list[str] = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                below += [entry.name] if can_open(entry.path) else []
            elif (suffix := Path(entry.name).suffix.lower()) in UNREADABLE:
                kind, advice = UNREADABLE[suffix]
                message += f" {entry.name} is {kind}. {advice}"
                break
    if below:
        message += f" Folders in it do: {', '.join(below[:10])}."
    return message


def _checked(file: Path) -> Path:
    """A file that may be a checkpoint, or an error that says what it is instead."""
    name = file.name.lower()
    if name.endswith((SUFFIX, INDEX_SUFFIX)):
        if not name.endswith(SAFETENSORS_INDEX) and (
            known := UNREADABLE.get(Path(name.removesuffix(INDEX_SUFFIX)).suffix)
        ):
            kind, advice = known
            raise CheckpointError(f"{file} is the index of {kind}. {advice}")
        return file
    if file.is_file():
        with open(file, "rb") as opened:
            first = opened.read(512)
        # The hub's cache stores files under a bare hash.
        if first[8:].lstrip().startswith(b"{"):
            return file
        known = UNREADABLE.get(file.suffix.lower())
        kind = f"It is {known[0]}. {known[1]}" if known else describe(first)
        raise CheckpointError(
            f"{file} is not a safetensors file. {kind or 'Its name and content say nothing else.'}"
        )
    raise CheckpointError(f"{file} is not a regular file.")
