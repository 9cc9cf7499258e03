"""Parts that are hidden, shown alone or tinted, in slices and volumes alike.

What is hidden becomes air in every level that a layer slices, so that no rendering, probe
or projection sees it; the file is still only read where it is looked at. At a coarse level
a voxel belongs to the part of its first parameter, as in the atlas.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from ..display.console import Console
from ..volume.volume import Volume

if TYPE_CHECKING:
    from .link import ScanLink

__all__ = ["Masks", "hidden_labels"]

TINTED = "tomo tints"
"""Name of the colours of an atlas that shows tints only."""

Mask = NDArray[np.bool_]
"""For every label of an atlas whether its part is hidden; air is not."""


def hidden_labels(volume: Volume, console: Console) -> Mask | None:
    """Labels that a console hides in a volume; None if it shows all of them."""
    if console.shown is None and not console.hidden:
        return None
    regions = volume.atlas.regions
    gone = np.zeros(len(regions) + 1, bool)
    for region in regions:
        alone = console.shown is not None and region.name not in console.shown
        gone[region.label] = alone or region.name in console.hidden
    return gone if gone.any() else None


class Masked:
    """A level without its hidden parts, as an array-like that reads what it is asked for."""

    def __init__(self, values: Any, labels: Any, gone: Mask) -> None:
        self._values = values
        self._labels = labels
        self._gone = gone

    def __getitem__(self, index: Any) -> NDArray[Any]:
        # A copy: what is held by the overview or mapped from a file is not ours to change.
        values = np.array(self._values[index])
        values[self._gone[np.asarray(self._labels[index])]] = 0
        return values


class Masks:
    """Makes the layers of a link follow `shown`, `hidden` and `tints` of its console.

    Parameters
    ----------
    link
        Not kept alive.
    """

    def __init__(self, link: "ScanLink") -> None:
        self._link = ref(link)
        self._console = link.console
        self._known: tuple[Any, ...] = ()
        self._gone: Mask | None = None
        self._before: WeakKeyDictionary[Any, tuple[Any, bool]] = WeakKeyDictionary()
        events = link.console.events
        events.shown.connect(self._hidden)
        events.hidden.connect(self._hidden)
        events.tints.connect(self._tinted)

    def apply(self, values: Any, volume: Volume, level: int) -> Any:
        """A level's array-like of values or labels, without what is hidden."""
        gone = self._mask(volume)
        return values if gone is None else Masked(values, volume.atlas.level(level), gone)

    def tint(self, layer: Any) -> None:
        """Colour the tinted parts of an atlas, and only those; without tints, as it was before."""
        link = self._link()
        if link is None or not hasattr(layer, "selected_label"):
            return
        tints = self._console.tints
        regions = [region for region in link.volume.atlas.regions if region.name in tints]
        if not regions:
            before = self._before.pop(layer, None)
            if before is not None:
                layer.colormap, layer.visible = before
            return
        before = self._before.get(layer)
        if layer.colormap.name != TINTED:
            # The first tint, or another volume gave the atlas its colours meanwhile.
            seen = layer.visible if before is None else before[1]
            self._before[layer] = (layer.colormap, seen)
        elif before is None:
            # A copy of an atlas that is tinted: it goes back to what that goes back to.
            known = next(iter(self._before.values()), None)
            self._before[layer] = known or (layer.colormap, layer.visible)
        count = len(link.volume.atlas.regions)
        layer.colormap = _colours(count, {r.label: tints[r.name] for r in regions})
        layer.visible = True

    def _mask(self, volume: Volume) -> Mask | None:
        key = (volume, self._console.shown, self._console.hidden)
        if len(self._known) != len(key) or any(
            a is not b for a, b in zip(self._known, key, strict=True)
        ):
            self._known, self._gone = key, hidden_labels(volume, self._console)
        return self._gone

    def _hidden(self) -> None:
        from .session import show_again

        link = self._link()
        if link is not None:
            show_again(link)

    def _tinted(self) -> None:
        link = self._link()
        for layer in list(link.layers) if link is not None else ():
            self.tint(layer)


def _colours(count: int, tints: dict[int, Sequence[float]]) -> Any:
    """Colours by label: the tints, and nothing elsewhere."""
    from napari.utils.colormaps import CyclicLabelColormap

    colours = np.zeros((count + 1, 4), np.float32)
    for label, rgb in tints.items():
        colours[label] = (*rgb, 1.0)
    return CyclicLabelColormap(colors=colours, name=TINTED)
