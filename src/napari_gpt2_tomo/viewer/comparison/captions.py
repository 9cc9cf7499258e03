"""What is written on the two canvases of scans side by side."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from ...display.planes import position_caption, section_caption
from ..layers import title
from ..lettering import text_width, wrapped
from ..link import ScanLink
from ..panes.places import layers_of, slider_indices
from ..probe import FONT_SIZE
from ..reading import Reading

__all__ = ["Lines", "Words"]

EDGE = 24
"""Pixels beside the words on a canvas, on both sides together."""


class Words:
    """What is written on a canvas: the model, the slice, and what is under the mouse."""

    def __init__(
        self, viewer: Any, link: ScanLink, fit: Callable[[Sequence[str]], list[str]]
    ) -> None:
        self._viewer = ref(viewer)
        self._link = link
        self._fit = fit

    def __call__(self, reading: Reading | None) -> list[str]:
        """The lines, with what is under the mouse."""
        viewer = self._viewer()
        link = self._link
        words = [title(link)]
        layers = [] if viewer is None else layers_of(viewer, link)
        if viewer is not None and layers and viewer.dims.ndisplay == 2:
            at = slider_indices(viewer, layers[0])
            words += [
                position_caption(link.volume, axis, index)
                for axis, index in at.items()
                if 0 <= index < link.volume.shape[axis]
            ]
            first = link.volume.lead
            if link.volume.axes[first] == "section" and first in at:
                words.append(section_caption(link.volume, at[first]))
        lines = [" · ".join(word for word in words if word)]
        lines += reading.lines() if reading is not None else ()
        return self._fit(lines)


class Lines:
    """Breaks lines so that they fit on the canvas of a viewer's widget."""

    def __init__(self, home: Any) -> None:
        self._home = home

    def __call__(self, lines: Sequence[str]) -> list[str]:
        """The lines, broken."""
        width = self._home.canvas.native.width() - EDGE
        return wrapped(lines, width, width, lambda text: text_width(text, FONT_SIZE))
