"""The one module that makes layers of a scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display.proportions import proportions
from ..display.roles import role_colour
from ..volume.atlas import Region
from ..volume.choice import Choice
from ..volume.volume import Volume
from . import compat
from .appearance import appearance
from .link import KEY, ScanLink

if TYPE_CHECKING:
    from ..facade import Scan

__all__ = [
    "LayerData",
    "ScanLayers",
    "add_scan",
    "is_image",
    "layer_data",
    "redress",
    "scale_of",
    "title",
]

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as napari's readers give them."""

AIR = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ScanLayers:
    """The layers of one volume in a viewer: the weights, and the atlas over them."""

    image: Any
    atlas: Any


def layer_data(link: ScanLink) -> list[LayerData]:
    """An image of the volume and a hidden atlas over it, for napari.

    Parameters
    ----------
    link
        The volume; it travels in the layers' metadata, so whatever viewer
        shows them makes them live (`session.watch`).
    """
    volume = link.volume
    shared: dict[str, Any] = {
        "multiscale": True,
        "scale": scale_of(volume),
        "axis_labels": volume.axes,
        "units": ("dimensionless",) * volume.ndim,
        "metadata": {KEY: link},
        # What a slice needs is in the page cache of the system, or held by the
        # level itself: napari's cache of dask blocks would only keep it twice.
        "cache": False,
        "projection_mode": "none",
        # What napari gives images that it is handed, and not those of a file, by itself:
        # tinted parts lie in the volume, not over it.
        "blending": "translucent",
    }
    image = {
        **shared,
        "name": title(link),
        **appearance(link.console),
    }
    atlas = {
        **shared,
        "name": f"{title(link)} · atlas",
        "visible": False,
        "opacity": 0.45,
        "features": _features(volume.atlas.regions),
        "colormap": _atlas_colours(volume.atlas.regions),
    }
    return [
        (compat.multiscale(link.levels), image, "image"),
        (compat.multiscale(link.atlas), atlas, "labels"),
    ]


def add_scan(
    viewer: Any,
    scan: "Scan",
    layout: str = "auto",
    signal: str | None = None,
    *,
    owned: bool = False,
    name: str | None = None,
    **options: Any,
) -> ScanLayers:
    """Add the layers of a scan to a viewer, live: probe, refinement and 3-D detail included.

    Parameters
    ----------
    viewer
        A napari viewer, or the proxy of one that a plugin is handed.
    scan
        What to show.
    layout, signal, **options
        As `Scan.volume` takes them; signals that need statistics begin with an
        estimate unless ``exact=True``.
    owned
        Whether the scan is closed when the last of its layers is removed.
    name
        What the scan is called on screen; its own name by default.
    """
    from napari.layers import Layer

    from .session import watch

    watch(viewer)
    options.setdefault("exact", False)
    link = ScanLink(scan, scan.volume(layout, signal, **options), owned=owned, name=name)
    image, atlas = (viewer.add_layer(Layer.create(*data)) for data in layer_data(link))
    return ScanLayers(image, atlas)


def is_image(layer: Any) -> bool:
    """Whether a layer of a scan shows its weights, and not its atlas."""
    return hasattr(layer, "contrast_limits")


def redress(layer: Any, link: ScanLink, before: str) -> None:
    """Give a layer the present volume of its link, in place.

    Parameters
    ----------
    before
        Title of the former volume: a layer of that name gets the new one.
    """
    volume = link.volume
    image = is_image(layer)
    compat.replace_data(layer, link.levels if image else link.atlas, scale_of(volume))
    layer.axis_labels = volume.axes
    layer.units = ("dimensionless",) * volume.ndim
    if layer.name == before or layer.name.startswith(f"{before} "):
        layer.name = title(link) + layer.name.removeprefix(before)
    if not image:
        layer.features = _features(volume.atlas.regions)
        layer.colormap = _atlas_colours(volume.atlas.regions)


def title(link: ScanLink) -> str:
    """Name of a volume's image layer; the usual layout and signal go without saying."""
    volume = link.volume
    words = [link.name]
    shown = Choice.of(volume)
    if shown.tensor is not None:
        words.append(shown.tensor)
    elif shown.role is not None:
        words.append(f"{shown.role} {shown.layout}")
    elif shown.layout != "body":
        words.append(shown.layout)
    if volume.signal != "magnitude":
        words.append(volume.signal.replace("_", " "))
    return " · ".join(words)


def scale_of(volume: Volume) -> tuple[float, ...]:
    """World units per voxel and axis."""
    lead, shape = volume.lead, volume.core_shape
    return (1.0,) * lead + tuple(proportions(volume.layout.name, shape[lead:]))


def _features(regions: Sequence[Region]) -> dict[str, list[Any]]:
    """One row per region, and one for air; napari shows them when the atlas is hovered over."""
    return {
        "index": [0, *(region.label for region in regions)],
        "region": ["air", *(region.title for region in regions)],
        "tensor": ["", *(region.tensor for region in regions)],
    }


def _atlas_colours(regions: Sequence[Region]) -> Any:
    """Colours by label. Cyclic and long enough not to cycle: napari compiles code for
    seconds before it draws a direct colormap for the first time.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    shades = ((*role_colour(region.role, region.group, region.layer), 1.0) for region in regions)
    colours = np.array([AIR, *shades], np.float32)
    return CyclicLabelColormap(colors=colours)
