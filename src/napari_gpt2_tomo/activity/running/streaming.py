"""Running a model that is larger than memory: each module's weights are read when it computes.

The blocks of the network are placed "on disk" for accelerate: their parameters are on torch's meta
device, without memory; before a module of a block computes, its weights are read from the
checkpoint's own safetensors file (memory-mapped), converted to the dtype of the run, and afterwards
they are released. Embeddings, norms outside of the blocks and the unembedding stay in memory. Only
tensors that transformers stores otherwise than the file does (fused experts) are written to a
folder in the cache once, which is removed with the model.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from ...base import cache_folder

__all__ = [
    "free_bytes",
    "is_streamed",
    "placement",
    "remove_with",
    "scratch_folder",
    "stored",
    "too_large",
    "weight_bytes",
]

SHARE = 0.8
"""Share of the free memory that weights may take; the rest is for activations and copies."""

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells what a container may use (control groups, version 2)."""


def weight_bytes(skeleton: nn.Module, dtype: torch.dtype) -> int:
    """Bytes of a network's parameters and buffers in a dtype; tied ones count once.

    Parameters
    ----------
    skeleton
        The network, on the meta device or anywhere.
    dtype
        In which its floating-point numbers will be.
    """
    total = 0
    for tensor in (*skeleton.parameters(), *skeleton.buffers()):
        size = dtype.itemsize if tensor.is_floating_point() else tensor.element_size()
        total += tensor.numel() * size
    return total


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device now, in bytes; of a container no more than it may use."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        lines = (CGROUP / "memory.stat").read_text().splitlines()
        # Pages of files that were read and can be dropped count as used.
        cached = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, StopIteration):
        return free  # No such limit, or it reads "max".
    return min(free, max(limit - used + cached, 0))


def too_large(skeleton: nn.Module, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a network's weights would not fit well into the memory that is free."""
    return weight_bytes(skeleton, dtype) > SHARE * free_bytes(device)


def placement(skeleton: nn.Module, blocks: str, device: torch.device) -> dict[str, Any]:
    """Where the modules of a network go: its blocks on disk, everything else on the device.

    Parameters
    ----------
    skeleton
        The network; its weights are not needed.
    blocks
        Path of the list of blocks below it, e.g. ``"transformer.h"``.
    device
        Where it computes.

    Returns
    -------
    dict
        A ``device_map`` as transformers' ``from_pretrained`` takes it.
    """
    places: dict[str, Any] = {}

    def walk(module: nn.Module, prefix: str) -> None:
        own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        for name, _ in own:
            places[f"{prefix}{name}"] = device
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            if path == blocks:
                places.update({f"{path}.{i}": "disk" for i, _ in enumerate(child.children())})
            elif blocks.startswith(f"{path}."):
                walk(child, f"{path}.")
            else:
                places[path] = device

    walk(skeleton, "")
    return places


def scratch_folder() -> Path:
    """A new folder in the cache for tensors that are stored otherwise than they are used.

    Folders of processes that have ended without removing theirs are removed.
    """
    root = cache_folder("streaming")
    root.mkdir(parents=True, exist_ok=True)
    for folder in root.iterdir():
        owner = folder.name.partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))


def remove_with(owner: object, folder: Path) -> None:
    """Remove a folder when an object is gone, at the latest when the process ends."""
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)


def is_streamed(network: nn.Module) -> bool:
    """Whether weights of a network are read when they are needed."""
    return any(parameter.is_meta for parameter in network.parameters())


def stored(module: nn.Module, name: str) -> torch.Tensor | None:
    """A parameter of a module, read from disk now if that is where it lies.

    Parameters
    ----------
    module
        The module that owns it.
    name
        E.g. ``"weight"``; a module without it gives None.
    """
    value: torch.Tensor | None = getattr(module, name, None)
    if value is None or not value.is_meta:
        return value
    offloaded = _offloaded(module)
    if offloaded is None or name not in module._parameters:
        return value
    return offloaded[name]


def _offloaded(module: nn.Module) -> Mapping[str, torch.Tensor] | None:
    """The weights of a module that lie on disk, by their name in it."""
    hook: Any = getattr(module, "_hf_hook", None)
    if hook is None:
        return None
    # Several hooks of one module stand in a sequence.
    for one in getattr(hook, "hooks", (hook,)):
        found: Mapping[str, torch.Tensor] | None = getattr(one, "weights_map", None)
        if found is not None:
            return found
    return None
