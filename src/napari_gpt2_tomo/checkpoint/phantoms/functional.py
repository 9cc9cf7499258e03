"""The functional phantom: a small GPT-2 whose every circuit was built by hand.

As a CT scanner has a phantom of known densities, a functional scanner has one of known
responses. This one computes: a head that looks at the previous token, an induction head
that completes what it has read before, neurons that know what letter follows what, and
neurons that recognise kinds of letters. `CIRCUITS` says where each is, so that a measure
of activity can be asked whether it finds it; `circuits` builds them.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...base import CheckpointError, cache_folder
from .byte_tokenizer import byte_tokenizer, byte_tokenizer_config
from .circuits import DIMENSIONS, END, KINDS, build, followers
from .files import gpt2_config, gpt2_header, replace_file

__all__ = ["CIRCUITS", "Circuit", "functional_phantom"]

EDITION = 2
"""Goes up whenever a value changes, so that an older file in the cache is not taken for it."""

FOLDER = "phantom-functional"

END_TEXT = "<|endoftext|>"
"""The token that begins and ends a text."""

METADATA = {
    "title": "Functional phantom",
    "description": "A GPT-2 built by hand, whose circuits are known.",
    "phantom": "functional",
    "edition": str(EDITION),
}


@dataclass(frozen=True, slots=True)
class Circuit:
    """Something that the functional phantom computes, and where.

    Attributes
    ----------
    name
        What it is.
    layer
        Block that holds it.
    head
        Its head, None for neurons.
    neurons
        Its neurons, half open; None for a head.
    description
        What it does, for a person.
    """

    name: str
    layer: int
    head: int | None
    neurons: tuple[int, int] | None
    description: str


_N_PAIRS = len(followers())

CIRCUITS = (
    Circuit("duplicate-token", 0, 0, None, "attends to earlier places of the same token"),
    Circuit("previous-token", 0, 1, None, "copies the token before into the band 'previous'"),
    Circuit("first-token", 0, 2, None, "attends to the begin of the text, and writes nothing"),
    Circuit("silent", 0, 3, None, "has no weights: attends to all tokens alike, writes nothing"),
    Circuit(
        "kinds-of-letters",
        0,
        None,
        (0, len(KINDS)),
        f"neurons for {', '.join(KINDS)}, in this order",
    ),
    Circuit("local", 1, 0, None, "attends to the last tokens, the nearer the more"),
    Circuit(
        "induction",
        1,
        2,
        None,
        "looks for the token that followed this one before, and expects it again; where there is "
        "none it rests on the begin of the text",
    ),
    Circuit(
        "letter-pairs",
        1,
        None,
        (0, _N_PAIRS),
        "a neuron for each letter of the phantom's text, which writes what may follow it",
    ),
    Circuit(
        "anything-else",
        1,
        None,
        (_N_PAIRS, _N_PAIRS + 1),
        "fires for a letter that is not in that text, and expects a space",
    ),
    Circuit("mover", 2, 0, None, "moves the band 'next' to where the unembedding reads it"),
    Circuit("eraser", 2, 1, None, "takes the present token away from there"),
    Circuit("end-eraser", 2, 2, None, "takes the mark of the begin of a text away"),
)
"""Everything that the functional phantom computes; other heads and neurons are zero."""


def functional_phantom(folder: str | os.PathLike[str] | None = None) -> Path:
    """Path of the functional phantom's ``model.safetensors``, written first if it is not there.

    5.0 M parameters in float32, 20 MB, with ``config.json`` and a byte tokenizer beside it.

    Parameters
    ----------
    folder
        Where the phantom's folder goes; the user's cache by default.

    Raises
    ------
    CheckpointError
        The folder cannot be written.
    """
    home = (Path(folder) if folder is not None else cache_folder("phantoms")) / FOLDER
    path = home / "model.safetensors"
    files = {
        "config.json": gpt2_config(DIMENSIONS),
        "tokenizer.json": byte_tokenizer(END_TEXT, END),
        "tokenizer_config.json": byte_tokenizer_config(END_TEXT, DIMENSIONS.context),
    }
    header = gpt2_header(DIMENSIONS, METADATA)
    try:
        if path.is_file() and all((home / name).is_file() for name in files):
            with path.open("rb") as file:
                if file.read(len(header)) == header:
                    return path
        home.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            replace_file(home / name, iter([json.dumps(content, indent=1).encode()]))
        replace_file(path, _file(header))
    except OSError as error:
        raise CheckpointError(
            f"The functional phantom of 20 MB cannot be written to {home}: {error}. "
            "Make room, or set NAPARI_GPT2_TOMO_CACHE to another folder."
        ) from error
    return path


def _file(header: bytes) -> Iterator[bytes | memoryview]:
    yield header
    for values in build().values():
        yield np.ascontiguousarray(values, "<f4").data.cast("B")
