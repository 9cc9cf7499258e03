"""Pixels: of windows and of docks, side by side, and as a small file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_gpt2_tomo.viewer import compat
from napari_gpt2_tomo.viewer.pictures.legend import pixels_of
from napari_gpt2_tomo.viewer.preferences import PLUGIN
from napari_gpt2_tomo.viewer.work import finish_all

__all__ = [
    "Pixels",
    "beside",
    "decoded",
    "floating",
    "grab",
    "only_canvas",
    "save",
    "settle",
    "window",
]

Pixels = NDArray[np.uint8]
"""``(rows, columns, 3)``."""

LARGEST = 400_000
"""Bytes of a picture: the repository is cloned by people who want to read code."""

COLOURS = 256
"""Of the palette."""

GAP, BETWEEN = 10, (62, 66, 76)
"""Pixels between two docks, and their colour."""

CALM = 400
"""Milliseconds after which timers of a window have drawn what they wait with."""


def settle() -> None:
    """Let all work end and all windows be drawn."""
    from qtpy.QtTest import QTest

    finish_all()
    QTest.qWait(CALM)
    finish_all()


def window(viewer: Any) -> Pixels:
    """The whole window of a viewer."""
    settle()
    shot = viewer.screenshot(canvas_only=False, flash=False)
    return np.ascontiguousarray(shot[..., :3])


def floating(viewer: Any, name: str, size: tuple[int, int]) -> tuple[Any, Any]:
    """A dock of this plugin as a window of its own, of a width and height; with its widget."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    settle()
    dock.setFloating(True)
    dock.resize(*size)
    settle()
    return dock, widget


def only_canvas(viewer: Any) -> None:
    """Leave the room of napari's own controls to the canvas, where a dock has what they have."""
    canvas = compat.qt_viewer_of(viewer)
    canvas.dockLayerControls.hide()
    canvas.dockLayerList.hide()


def grab(widget: Any) -> Pixels:
    """A widget as it is seen."""
    settle()
    return pixels_of(widget.grab().toImage())


def beside(*shots: Pixels) -> Pixels:
    """Pictures of one height, from left to right."""
    height = min(len(one) for one in shots)
    gap = np.full((height, GAP, 3), BETWEEN, np.uint8)
    parts = [part for one in shots for part in (gap, one[:height])]
    return np.concatenate(parts[1:], axis=1)


def decoded(png: bytes) -> Pixels:
    """The pixels of a PNG."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def save(pixels: Pixels, path: Path) -> str:
    """Write a picture, with a palette and smaller if it must be; returns a line about it."""
    image = Image.fromarray(pixels)
    data = _png(image)
    while len(data) > LARGEST:
        # Without dithering: noise does not compress, and weights are noise enough.
        few = image.quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
        )
        data = _png(few)
        if len(data) > LARGEST:
            width, height = (side * 15 // 16 for side in image.size)
            image = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    path.write_bytes(data)
    return f"{path.name}: {image.width} × {image.height}, {len(data) / 1000:.0f} kB"


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
