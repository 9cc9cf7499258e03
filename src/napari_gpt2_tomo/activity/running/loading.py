"""From files to a model of transformers: nothing missing, nothing printed."""

from collections.abc import Iterable
from typing import Any

import torch
from safetensors.torch import load_file

from ...anatomy.names import skeleton as name_skeleton
from ...anatomy.notes import ranges
from ...base import TomoError
from .discover import known_or_fitting
from .places import Place
from .quiet import first_line, quiet
from .streaming import placement, remove_with, scratch_folder, too_large

__all__ = ["choose_device", "choose_dtype", "load_network"]

DEVICES = ("cpu", "cuda", "mps")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


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
    place: Place,
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
            # What is on disk can be found again only under the names of its own files.
            wanted = streaming if place.file is None else False
            scratch = _streamed(kind, config, device, dtype, wanted)
            options |= {} if scratch is None else scratch
            if place.file is None:
                network, report = kind.from_pretrained(place.folder, **options)
            else:
                options["state_dict"] = load_file(place.file)
                # Without a path the Auto classes do not choose; a network made by one tells.
                with torch.device("meta"):
                    chosen = type(kind.from_config(config))
                network, report = chosen.from_pretrained(None, **options)
    except Exception as error:
        raise TomoError(
            f"The weights in {place.file or place.folder} cannot be loaded as "
            f"{config.model_type}: {first_line(error)}{_advice(config)}"
        ) from error
    check_complete(network, report["missing_keys"], place)
    network.requires_grad_(False)
    if scratch is not None:
        remove_with(network, scratch["offload_folder"])
        return network.eval(), causal
    return network.to(device).eval(), causal


def _advice(config: Any) -> str:
    """What to do about weights that cannot be loaded."""
    how = getattr(config, "quantization_config", None)
    method = how.get("quant_method") if isinstance(how, dict) else getattr(how, "quant_method", "")
    if not how:
        return ""
    return (
        f". They are quantised ({getattr(method, 'value', method)}), which needs a package of its "
        "own: install it, or run the model that they were made from."
    )


def _streamed(
    kind: Any, config: Any, device: torch.device, dtype: torch.dtype, streaming: bool | str
) -> dict[str, Any] | None:
    """Options of a model whose weights stay on disk; None for one that is to be in memory."""
    if not streaming:
        return None
    with torch.device("meta"):
        skeleton = kind.from_config(config)
    wiring = known_or_fitting(skeleton)
    if wiring is None or (streaming == "auto" and not too_large(skeleton, dtype, device)):
        return None
    prefix = skeleton.base_model_prefix if skeleton.base_model is not skeleton else ""
    blocks = f"{prefix}.{wiring.blocks}" if prefix else wiring.blocks
    places = placement(skeleton, blocks, device)
    return {
        # safetensors knows devices by name.
        "device_map": {name: str(place) for name, place in places.items()},
        "offload_folder": scratch_folder(),
    }


def check_complete(network: Any, missing: Iterable[str], place: Place) -> None:
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
        f"The model in {place.file or place.folder} cannot be run: {len(named)} of its tensors are "
        f"missing: {summary(named)}. Its weights can be looked at; to run it, get the complete "
        "checkpoint."
    )


def summary(names: Iterable[str]) -> str:
    """Names of tensors with the numbers of their layers drawn together."""
    layers: dict[str, list[int]] = {}
    for name in sorted(names):
        pattern, numbers = name_skeleton(name)
        layers.setdefault(pattern, []).extend(numbers[:1])
    return ", ".join(
        pattern.replace("#", f"{{{ranges(numbers)}}}", 1) if numbers else pattern
        for pattern, numbers in layers.items()
    )
