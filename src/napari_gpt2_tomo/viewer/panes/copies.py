"""Layers that show the same data as those of another viewer and look the same."""

from collections.abc import Sequence
from typing import Any

__all__ = ["SHARED", "copy_of", "keep_alike", "let_go"]

SHARED: frozenset[str] = frozenset(
    {
        # Images.
        "contrast_limits",
        "contrast_limits_range",
        "gamma",
        "interpolation2d",
        # Images and labels.
        "colormap",
        "opacity",
        "blending",
        "visible",
        "projection_mode",
        "scale",
        "translate",
        # Labels.
        "contour",
        "selected_label",
        "show_selected_label",
    }
)
"""What copies have in common with their original: what a slice looks like, not what 3-D adds."""

OWN = ("locked_data_level", "experimental_clipping_planes", "plane")
"""What a copy does not take over: it is about the original's 3-D view."""


def copy_of(layer: Any) -> Any:
    """A layer over the same arrays, for another viewer; no voxel is copied."""
    from napari.layers import Layer

    data, state, kind = layer.as_layer_data_tuple()
    for name in OWN:
        state.pop(name, None)
    # As an argument napari refuses it.
    limits_range = state.pop("contrast_limits_range", None)
    copied = Layer.create(data, state, kind)
    if limits_range is not None:
        copied.contrast_limits_range = limits_range
    return copied


def keep_alike(original: Any, copies: Sequence[Any]) -> None:
    """Give copies the looks of their original, and keep them in step both ways."""
    from napari.experimental import link_layers

    group = [original, *copies]
    shared = [n for n in sorted(SHARED) if n in original.events and hasattr(original, n)]
    for copied in copies:
        for name in shared:
            value = getattr(original, name)
            if not _same(getattr(copied, name), value):
                setattr(copied, name, value)
    link_layers(group, shared)


def let_go(original: Any, copies: Sequence[Any]) -> None:
    """End what `keep_alike` began."""
    from napari.experimental import unlink_layers

    unlink_layers([original, *copies])


def _same(a: Any, b: Any) -> bool:
    from napari.utils.misc import pick_equality_operator

    return bool(pick_equality_operator(b)(a, b))
