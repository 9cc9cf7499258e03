"""From a path to a model of transformers: local files only, nothing missing, nothing printed."""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any

import torch

from ...anatomy.names import skeleton
from ...anatomy.notes import ranges
from ...base import TomoError
from ...checkpoint.built_in import built_in
from ...checkpoint.companions import CONFIG_NAME
from .streaming import placement, remove_with, scratch_folder, too_large
from .wiring import wiring_of

__all__ = ["choose_device", "choose_dtype", "find_folder", "load_network", "quiet", "read_config"]

DEVICES = ("cpu", "cuda", "mps")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def find_folder(path: "str | os.PathLike[str] | Any") -> Path:
    """The local folder of a model.

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
    checkpoint = getattr(path, "checkpoint", None)
    made = built_in(path) if checkpoint is None else None
    place = made or Path(checkpoint.path if checkpoint is not None else path).expanduser()
    if place.is_dir():
        return place
    if place.is_file():
        return place.parent
    name = str(path)
    if name.count("/") > 1 or place.is_absolute() or not name.strip():
        raise TomoError(f"{place} does not exist.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        found = snapshot_download(name, local_files_only=True)
    except (OSError, ValueError, HFValidationError) as error:
        raise TomoError(
            f"{name!r} is neither a folder nor a model in the Hugging Face cache. Nothing is "
            f"fetched from the network here: download it first, e.g. with 'hf download {name}'."
        ) from error
    return Path(found)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings and progress bars of transformers from the console."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    accelerate = getLogger("accelerate")
    accelerate_level = accelerate.level
    accelerate.setLevel(CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        accelerate.setLevel(accelerate_level)
        if bars:
            logging.enable_progress_bar()


def read_config(folder: Path) -> Any:
    """The config of the model in a folder.

    Raises
    ------
    TomoError
        There is none, or transformers does not know the model.
    """
    from transformers import AutoConfig

    if not (folder / CONFIG_NAME).is_file():
        raise TomoError(
            f"{folder} has no {CONFIG_NAME}, which says how the model computes. Put the one that "
            "belongs to these weights beside them."
        )
    try:
        with quiet():
            return AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise TomoError(
            f"The {CONFIG_NAME} in {folder} describes no model that transformers can run: "
            f"{_first_line(error)}"
        ) from error


def choose_device(wanted: str) -> torch.device:
    """The device of this name; ``"auto"`` is CUDA, else Apple's, else the processor.

    Raises
    ------
    TomoError
        There is no such device here.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    kind = wanted.partition(":")[0]
    if kind not in there:
        raise TomoError(f"There is no device {wanted!r}; there are: auto, {', '.join(DEVICES)}.")
    if not there[kind]:
        have = ", ".join(name for name, is_there in there.items() if is_there)
        raise TomoError(f"This machine, or its PyTorch, has no {kind}; it has: {have}.")
    return torch.device(wanted)


def choose_dtype(wanted: str, device: torch.device, config: Any) -> torch.dtype:
    """The dtype of this name; ``"auto"`` is the file's on a graphics card, else float32.

    Raises
    ------
    TomoError
        There is no such dtype.
    """
    if wanted == "auto":
        stored = getattr(config, "dtype", None)
        return stored if device.type != "cpu" and stored is not None else torch.float32
    if wanted not in DTYPES:
        raise TomoError(f"There is no dtype {wanted!r}; there are: auto, {', '.join(DTYPES)}.")
    return DTYPES[wanted]


def network_class(config: Any) -> tuple[Any, bool]:
    """The class of transformers that runs a model with this config, and whether it is causal."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    architectures = tuple(getattr(config, "architectures", None) or ())
    is_encoder = config.model_type in ENCODERS
    if not is_encoder and type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM, True
    if any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in architectures):
        return AutoModelForMaskedLM, False
    return AutoModel, False


ENCODERS = frozenset(
    {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "electra", "deberta-v2"}
)
"""Families that read both ways, some of which could also be run as if they were causal."""


def load_network(
    folder: Path,
    config: Any,
    device: torch.device,
    dtype: torch.dtype,
    streaming: bool | str = "auto",
) -> tuple[Any, bool]:
    """The model with its weights, ready to run, and whether it is causal.

    Raises
    ------
    TomoError
        Tensors are missing or do not fit, or the files cannot be read.
    """
    kind, causal = network_class(config)
    options: dict[str, Any] = {
        "config": config,
        "dtype": dtype,
        "attn_implementation": "eager",
        "local_files_only": True,
        "output_loading_info": True,
    }
    try:
        with quiet():
            scratch = _streamed(kind, config, device, dtype, streaming)
            options |= {} if scratch is None else scratch
            network, report = kind.from_pretrained(folder, **options)
    except Exception as error:
        raise TomoError(
            f"The weights in {folder} cannot be loaded as {config.model_type}: {_first_line(error)}"
        ) from error
    check_complete(network, report["missing_keys"], folder)
    network.requires_grad_(False)
    if scratch is not None:
        remove_with(network, scratch["offload_folder"])
        return network.eval(), causal
    return network.to(device).eval(), causal


def _streamed(
    kind: Any, config: Any, device: torch.device, dtype: torch.dtype, streaming: bool | str
) -> dict[str, Any] | None:
    """Options of a model whose weights stay on disk; None for one that is to be in memory."""
    wiring = wiring_of(config)
    if not streaming or wiring is None:
        return None
    with torch.device("meta"):
        skeleton = kind.from_config(config)
    if streaming == "auto" and not too_large(skeleton, dtype, device):
        return None
    prefix = skeleton.base_model_prefix if skeleton.base_model is not skeleton else ""
    blocks = f"{prefix}.{wiring.blocks}" if prefix else wiring.blocks
    places = placement(skeleton, blocks, device)
    return {
        # safetensors knows devices by name.
        "device_map": {name: str(place) for name, place in places.items()},
        "offload_folder": scratch_folder(),
    }


def check_complete(network: Any, missing: Iterable[str], folder: Path) -> None:
    """Raise an error that names the tensors that a model needs and a folder lacks.

    Raises
    ------
    TomoError
        Some are missing.
    """
    # A pooler changes nothing that is measured; many encoders are stored without it.
    needed = [name for name in missing if not name.startswith(("pooler.", "bert.pooler."))]
    if not needed:
        return
    tied = set(getattr(network, "all_tied_weights_keys", None) or ())
    named = [name for name in needed if name not in tied] or needed
    raise TomoError(
        f"The model in {folder} cannot be run: {len(named)} of its tensors are missing: "
        f"{summary(named)}. Its weights can be looked at; to run it, get the complete checkpoint."
    )


def summary(names: Iterable[str]) -> str:
    """Names of tensors with the numbers of their layers drawn together."""
    layers: dict[str, list[int]] = {}
    for name in sorted(names):
        pattern, numbers = skeleton(name)
        layers.setdefault(pattern, []).extend(numbers[:1])
    return ", ".join(
        pattern.replace("#", f"{{{ranges(numbers)}}}", 1) if numbers else pattern
        for pattern, numbers in layers.items()
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
