"""The phantom: a synthetic GPT-2 to try a scanner on, as a CT phantom is to a CT.

A phantom has a known inside. This one has GPT-2's tensor names, orientation and
statistics (see `tissue`), is the same on every machine bit for bit, and holds
planted lesions whose place is known (`LESIONS`), so that a viewer or an audit can be
asked whether it finds them. It is written once, to the cache, as a true
``.safetensors`` file, and read like any other file.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError, Progress, SilentProgress, cache_folder
from .files import gpt2_config, gpt2_header, replace_file
from .tissue import Dimensions, tissue

__all__ = ["LESIONS", "PHANTOMS", "Lesion", "PhantomSize", "lesions", "phantom_checkpoint"]

PhantomSize = Literal["default", "gpt2", "tiny"]

PHANTOMS: Mapping[PhantomSize, Dimensions] = {
    # 29.5 M parameters; 256 bytes, 20,000 merges and one end of text.
    "default": Dimensions(384, 12, 12, 1536, 20257, 1024),
    # 124.4 M parameters: the true shapes of GPT-2 small.
    "gpt2": Dimensions(768, 12, 12, 3072, 50257, 1024),
    # 0.64 M parameters, made in milliseconds.
    "tiny": Dimensions(64, 12, 4, 256, 512, 128),
}
"""The sizes that the phantom comes in."""

FOLDERS: Mapping[PhantomSize, str] = {
    "default": "phantom-gpt2",
    "gpt2": "phantom-gpt2-full-size",
    "tiny": "phantom-gpt2-tiny",
}
"""A phantom's own folder, which also names its layers."""

EDITION = 1
"""Goes up whenever a value changes, so that an older file in the cache is not taken for it."""

DEAD_NEURONS = (8, 16)
DUPLICATE_HEAD, ORIGINAL_HEAD, SILENT_HEAD = 3, 1, 2
SPIKE = 12.0
"""About a hundred times the σ of the tensor that it is planted in."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One planted fault: a box of one stored tensor.

    Attributes
    ----------
    name
        Kind of the lesion; one that spans several tensors has a row for each.
    tensor
        Stored tensor that holds it.
    where
        Half-open interval per axis of the stored tensor.
    description
        What is there, for a person.
    value
        What every element of the box is, or None where it copies `source`.
    source
        The box of the same tensor that it is a copy of.
    """

    name: str
    tensor: str
    where: tuple[tuple[int, int], ...]
    description: str
    value: float | None = None
    source: tuple[tuple[int, int], ...] | None = None

    @property
    def index(self) -> tuple[slice, ...]:
        """`where` as an index of the tensor."""
        return tuple(slice(start, stop) for start, stop in self.where)


def lesions(size: PhantomSize = "default") -> tuple[Lesion, ...]:
    """Every planted lesion of a phantom, in the order in which the file holds them."""
    dims = PHANTOMS[size]
    order = {name: place for place, name in enumerate(dims.shapes())}
    return tuple(sorted(_lesions(dims), key=lambda lesion: order[lesion.tensor]))


def _lesions(dims: Dimensions) -> Iterator[Lesion]:
    d, d_head = dims.d_model, dims.d_head
    everywhere = (0, d)

    def spot(name: str, tensor: str, at: tuple[int, int], value: float, text: str) -> Lesion:
        return Lesion(name, tensor, tuple((i, i + 1) for i in at), text, value)

    row, column = d // 6, d // 4
    yield spot(
        "spike",
        "h.2.mlp.c_proj.weight",
        (row, column),
        SPIKE,
        "a single weight a hundred times as large as its neighbours",
    )

    text = f"neurons {DEAD_NEURONS[0]} to {DEAD_NEURONS[1] - 1} of layer 4 are dead: no input, "
    text += "no bias, no output"
    for tensor, where in (
        ("h.4.mlp.c_fc.weight", (everywhere, DEAD_NEURONS)),
        ("h.4.mlp.c_fc.bias", (DEAD_NEURONS,)),
        ("h.4.mlp.c_proj.weight", (DEAD_NEURONS, everywhere)),
    ):
        yield Lesion("dead-neurons", tensor, where, text, 0.0)

    nan, inf = "one weight is not a number", "one weight is infinite"
    yield spot("nan", "h.6.mlp.c_fc.weight", (d // 3, d // 2), float("nan"), nan)

    text = f"head {DUPLICATE_HEAD} of layer 7 is a copy of its head {ORIGINAL_HEAD}"
    for role in range(3):
        copy, original = (
            (role * d + head * d_head, role * d + (head + 1) * d_head)
            for head in (DUPLICATE_HEAD, ORIGINAL_HEAD)
        )
        yield Lesion(
            "duplicate-head",
            "h.7.attn.c_attn.weight",
            (everywhere, copy),
            text,
            source=(everywhere, original),
        )
        yield Lesion("duplicate-head", "h.7.attn.c_attn.bias", (copy,), text, source=(original,))
    copy, original = (
        (head * d_head, (head + 1) * d_head) for head in (DUPLICATE_HEAD, ORIGINAL_HEAD)
    )
    yield Lesion(
        "duplicate-head",
        "h.7.attn.c_proj.weight",
        (copy, everywhere),
        text,
        source=(original, everywhere),
    )

    yield spot("inf", "h.9.attn.c_attn.weight", (d // 2, d + d // 3), float("inf"), inf)

    silent = (SILENT_HEAD * d_head, (SILENT_HEAD + 1) * d_head)
    yield Lesion(
        "silent-head",
        "h.10.attn.c_proj.weight",
        (silent, everywhere),
        f"head {SILENT_HEAD} of layer 10 writes nothing to the residual stream",
        0.0,
    )


LESIONS = lesions()
"""The planted lesions of the default phantom."""


def phantom_checkpoint(
    size: PhantomSize = "default",
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Path of the phantom's ``model.safetensors``, written first if it is not there yet.

    A ``config.json`` lies beside it, in a folder of the phantom's own.

    Parameters
    ----------
    size
        ``"default"`` (29 M parameters, 118 MB), ``"gpt2"`` (GPT-2 small's shapes, 124 M,
        498 MB) or ``"tiny"`` (0.6 M).
    folder
        Where the phantom's folder goes; the user's cache by default.
    progress
        Told the bytes written; `Cancelled` from it leaves no file behind.

    Raises
    ------
    CheckpointError
        The size is none of these, or the folder cannot be written.
    """
    if size not in PHANTOMS:
        sizes = ", ".join(get_args(PhantomSize))
        raise CheckpointError(f"There is no phantom of size {size!r}; there are {sizes}.")
    parent = Path(folder) if folder is not None else cache_folder("phantoms")
    home = parent / FOLDERS[size]
    path = home / "model.safetensors"
    header = _header(size)
    nbytes = len(header) + 4 * sum(n for _, n in _sizes(PHANTOMS[size]))
    config = json.dumps(gpt2_config(PHANTOMS[size]), indent=2).encode()
    try:
        if (home / "config.json").is_file() and _is_written(path, header, nbytes):
            return path
        home.mkdir(parents=True, exist_ok=True)
        replace_file(home / "config.json", iter([config]))
        progress = progress or SilentProgress()
        progress.start(nbytes, "Making the phantom")
        replace_file(path, _file(size, header), progress)
    except OSError as error:
        raise CheckpointError(
            f"The phantom of {nbytes / 1e6:.0f} MB cannot be written to {home}: {error}. "
            "Make room, or set NAPARI_GPT2_TOMO_CACHE to another folder."
        ) from error
    return path


def _is_written(path: Path, header: bytes, nbytes: int) -> bool:
    """Whether the file is this edition of the phantom; a part never has this name."""
    if not path.is_file() or path.stat().st_size != nbytes:
        return False
    with path.open("rb") as file:
        return file.read(len(header)) == header


def _file(size: PhantomSize, header: bytes) -> Iterator[bytes | memoryview]:
    yield header
    dims = PHANTOMS[size]
    planted = lesions(size)
    for name in dims.shapes():
        here = [lesion for lesion in planted if lesion.tensor == name]
        for block in tissue(name, dims):
            _plant(block, here)
            yield np.ascontiguousarray(block, "<f4").data.cast("B")


def _plant(values: NDArray[np.float32], here: list[Lesion]) -> None:
    # Lesions lie in tensors that come in one block, so indices need no shift.
    for lesion in here:
        if lesion.source is not None:
            source = tuple(slice(start, stop) for start, stop in lesion.source)
            values[lesion.index] = values[source]
        else:
            values[lesion.index] = lesion.value


def _sizes(dims: Dimensions) -> Iterator[tuple[str, int]]:
    for name, shape in dims.shapes().items():
        yield name, int(np.prod(shape))


def _header(size: PhantomSize) -> bytes:
    dims = PHANTOMS[size]
    planted: dict[str, str] = {}
    for lesion in lesions(size):
        planted[lesion.name] = lesion.description
    metadata = {
        "title": "Phantom GPT-2",
        "description": "Synthetic weights with GPT-2's names and statistics; not a model.",
        "phantom": size,
        "edition": str(EDITION),
        "lesions": "; ".join(f"{name}: {text}" for name, text in planted.items()),
    }
    return gpt2_header(dims, metadata)
