"""From a head's activity to its weights in the volume."""

from pathlib import Path
from typing import Any

from ....base import DisplayError
from ...link import ScanLink, link_of
from ...navigator.fly import go_to

__all__ = ["ROLES", "go_to_head", "open_weights", "scan_of"]

ROLES = {"q": "Queries", "k": "Keys", "v": "Values", "o": "Output"}
"""Weights of a head, and what they are called."""


def scan_of(viewer: Any, path: str | None) -> ScanLink | None:
    """The scan of a model's folder or file that a viewer shows; None if it shows none."""
    if path is None:
        return None
    wanted = _places(Path(path))
    for layer in viewer.layers:
        link = link_of(layer)
        if link is not None:
            checkpoint = link.scan.checkpoint
            own = [_places(Path(one)) for one in (checkpoint.path, *checkpoint.files)]
            if any(wanted & places for places in own):
                return link
    return None


def go_to_head(viewer: Any, link: ScanLink, layer: int, head: int, role: str) -> str:
    """Go to a head's weights of one role; returns what was gone to.

    A model whose query heads share keys and values is shown the shared head that this one reads.

    Raises
    ------
    TomoError
        The scan does not show them.
    """
    hyper = link.scan.anatomy.hyper
    shared = hyper.n_kv_heads
    if role in ("k", "v") and shared and hyper.n_heads:
        head = head * shared // hyper.n_heads
    return go_to(viewer, f"L{layer}.H{head}.{role}", link).title


def open_weights(viewer: Any, path: str | None) -> ScanLink:
    """Open the scan of a model in a viewer, as dropping it would.

    Raises
    ------
    TomoError
        Where the model lies is not known, or it is no checkpoint that can be opened.
    """
    if path is None:
        raise DisplayError(
            "Where this model's weights lie is not known: drop its folder on the window."
        )
    viewer.open(path, plugin="napari-gpt2-tomo")
    link = scan_of(viewer, path)
    if link is None:
        raise DisplayError(f"No weights could be opened from {path}.")
    return link


def _places(path: Path) -> set[Path]:
    """A file and its folder, or a folder, with links resolved."""
    path = path.expanduser().resolve()
    return {path} if path.is_dir() else {path, path.parent}
