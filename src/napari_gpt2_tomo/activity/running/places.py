"""Where a model lies: its folder, its weights, its config; local files only."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...anatomy import Anatomy
from ...base import TomoError
from ...checkpoint import open_checkpoint
from ...checkpoint.address import address_of
from ...checkpoint.built_in import built_in
from ...checkpoint.companions import CONFIG_NAME
from ...checkpoint.open import checkpoints_in
from ...checkpoint.place import LocalPlace
from ...checkpoint.registry import STANDARD_NAMES, format_named
from ...checkpoint.shards import INDEX_SUFFIX, shard_stem
from .quiet import first_line, quiet

__all__ = ["Place", "find_place", "read_config"]


@dataclass(frozen=True)
class Place:
    """Where a model lies.

    Attributes
    ----------
    folder
        With the config, the tokenizer, and mostly the weights.
    file
        The weights, where they are not those that the folder is opened by.
    anatomy
        What is known of the parts; None if nobody has looked.
    """

    folder: Path
    file: Path | None = None
    anatomy: Anatomy | None = None

    @property
    def name(self) -> str:
        """For a person."""
        if self.file is not None:
            return self.file.stem
        # The hub's cache: models--owner--name/snapshots/revision.
        home = self.folder.parent
        if home.name == "snapshots":
            return home.parent.name.rpartition("--")[2]
        return self.folder.resolve().name

    @property
    def key(self) -> str:
        """The same for the same weights."""
        return str((self.file or self.folder).resolve())


def find_place(path: "str | os.PathLike[str] | Any") -> Place:
    """Where a model lies.

    Parameters
    ----------
    path
        A folder, a file in it, an open `Scan`, the name of a built-in checkpoint, or of a
        model on the Hugging Face hub that has been downloaded before.

    Raises
    ------
    TomoError
        There is no such folder or downloaded model.
    """
    if isinstance(path, str) and not path.strip():
        raise TomoError("No model is named: give its folder, a file in it, or its name on the hub.")
    checkpoint, anatomy = getattr(path, "checkpoint", None), getattr(path, "anatomy", None)
    address = address_of(checkpoint.path if checkpoint is not None else path)
    if address is not None:
        raise TomoError(
            f"{address} is on a server, and a model can only be run from this machine's disk. "
            f"Download it first: tomo.download({str(address)!r}), or on the command line "
            f"napari-gpt2-tomo download {address}."
        )
    made = built_in(path) if checkpoint is None else None
    place = made or Path(checkpoint.path if checkpoint is not None else path).expanduser()
    if place.is_dir():
        if not any(_is_run(name) for name in os.listdir(place)):
            _refuse_format(place, checkpoints_in(LocalPlace(place)))
        return Place(place, anatomy=anatomy)
    if place.is_file():
        if not _is_run(place.name) and format_named(place.name) is not None:
            _refuse_format(place.parent, (place.name,))
        if not (place.parent / CONFIG_NAME).is_file():
            open_checkpoint(place).close()  # Says what else the file is, if it is no checkpoint.
        usual = place.name in STANDARD_NAMES or shard_stem(place.name) is not None
        own = place.suffix == ".safetensors" and not usual
        return Place(place.parent, place if own else None, anatomy)
    name = str(path)
    if name.count("/") > 1 or place.is_absolute() or not name.strip():
        raise TomoError(f"{place} does not exist.")
    return Place(_downloaded(name))


def _is_run(name: str) -> bool:
    """Whether transformers loads weights from a file of this name."""
    file = name.removesuffix(INDEX_SUFFIX)
    return file.endswith(".safetensors") or (
        file.startswith("pytorch_model") and file.endswith(".bin")
    )


def _refuse_format(folder: Path, names: Sequence[str]) -> None:
    """Say that a file of weights can be looked at, but not run; else others would be run for it."""
    if names:
        raise TomoError(
            f"{folder / names[0]} can be looked at, but not run: transformers loads .safetensors "
            f"files and pytorch_model.bin. Open the model that it was made from, or save its "
            f"tensors as model.safetensors, with the {CONFIG_NAME} and the tokenizer of the model "
            f"beside it."
        )


def _downloaded(name: str) -> Path:
    """The folder of a model in the Hugging Face cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError, HFValidationError) as error:
        raise TomoError(
            f"{name!r} is neither a folder nor a model in the Hugging Face cache. Nothing is "
            f"fetched from the network here: download it first, e.g. with 'hf download {name}'."
        ) from error


def read_config(place: Place) -> tuple[Any, tuple[str, ...]]:
    """The config of a model, and notes about it.

    Without a ``config.json`` one is made for GPT-2 if the parts leave nothing open.

    Raises
    ------
    TomoError
        There is none, or transformers does not know the model.
    """
    from transformers import AutoConfig

    if not (place.folder / CONFIG_NAME).is_file():
        return _made(place)
    try:
        with quiet():
            return AutoConfig.from_pretrained(place.folder, local_files_only=True), ()
    except Exception as error:
        raise TomoError(
            f"The {CONFIG_NAME} in {place.folder} describes no model that transformers can run: "
            f"{first_line(error)}"
        ) from error


def _made(place: Place) -> tuple[Any, tuple[str, ...]]:
    """A config from the parts of GPT-2, whose activation function and norms never differ."""
    lacking = (
        f"{place.folder} has no {CONFIG_NAME}, which says how the model computes. Put the one that "
        "belongs to these weights beside them"
    )
    try:
        anatomy = place.anatomy or Anatomy.of(open_checkpoint(place.file or place.folder))
    except TomoError as error:
        raise TomoError(f"{lacking}.") from error
    sizes = anatomy.hyper
    wanted = (sizes.vocab, sizes.context, sizes.d_model, sizes.n_layers, sizes.d_mlp)
    if anatomy.family != "gpt2" or None in wanted:
        raise TomoError(f"{lacking}.")
    if sizes.n_heads is None:
        raise TomoError(f"{lacking}, or open it with its number of heads: tomo.scan(…, n_heads=…).")
    from transformers import GPT2Config

    config = GPT2Config(
        vocab_size=sizes.vocab,
        n_positions=sizes.context,
        n_embd=sizes.d_model,
        n_layer=sizes.n_layers,
        n_head=sizes.n_heads,
        n_inner=sizes.d_mlp,
        bos_token_id=None,
        eos_token_id=None,
        tie_word_embeddings=not any(part.role == "unembedding" for part in anatomy.parts),
    )
    note = (
        f"There is no {CONFIG_NAME}: sizes are those of the tensors, activation function and norms "
        "those of GPT-2."
    )
    return config, (note,)
