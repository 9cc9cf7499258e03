"""The views of a scan on one picture, for machines without a screen."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import Progress, TomoError
from ..volume.layouts.body import BodyLayout
from ..volume.volume import Volume
from .layers import add_scan
from .work import finish_all

if TYPE_CHECKING:
    from ..facade import Scan

__all__ = ["save_views"]

PANEL = (760, 800)
"""Height and width of one view in pixels: two by two fill a common screen."""

TITLE = 44
TEXT = 20
"""Height of the title's strip, and of letters, in pixels."""

PLANES = ("axial", "coronal", "sagittal")
"""The plane across the first, second and third of the axes that are shown."""

FILL = 0.9
"""Share of a panel that its view fills: the caption needs the rest."""

TURN = (0.0, 25.0, 40.0)
"""Euler angles of the 3-D view in degrees: three faces of the body are seen."""


@dataclass(frozen=True, slots=True)
class _View:
    title: str
    order: tuple[int, ...]
    displayed: int


def save_views(
    scan: "Scan",
    path: str | os.PathLike[str],
    layout: str = "auto",
    signal: str = "magnitude",
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Write an axial, a coronal, a sagittal and a 3-D view of a scan to one PNG.

    A volume of two axes gives its one plane. Needs OpenGL and a display, which may be a
    virtual one; a window is open while it works.

    Parameters
    ----------
    scan
        Stays open.
    path
        The PNG.
    layout, signal, **options
        As `Scan.volume` takes them.
    progress
        Told of the pass over the weights that makes the overview, if the cache lacks it.

    Raises
    ------
    TomoError
        The layout or signal does not exist here, or the file cannot be written.
    """
    import napari

    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TomoError(f"{path} cannot be written: {error}.") from error
    volume = scan.volume(layout, signal, progress=progress, **options)
    volume.refine(progress)
    # A canvas that was never shown is not drawn either.
    viewer = napari.Viewer(show=True)
    try:
        image = add_scan(viewer, scan, layout, signal, **options).image
        viewer.canvas.overlays.text.visible = False
        at = _telling_place(scan, volume)
        panels = [
            (_caption(view, volume, at), _shoot(viewer, view, at, image))
            for view in _views(volume.ndim)
        ]
        low, high = image.contrast_limits
    finally:
        finish_all()
        viewer.close()
    title = f"{scan.name} · {scan.anatomy.n_parameters:,} parameters · {volume.layout.name}"
    title += f" · {volume.signal} from {low:.3g} to {high:.3g}"
    return _compose(title, panels, path)


def _telling_place(scan: "Scan", volume: Volume) -> list[int]:
    """Where the planes cross: in a body, the keys a third of the way up and the channel that
    this layer writes loudest, for there heads and outlier channels are seen; else the middle.
    """
    at = [n // 2 for n in volume.shape]
    layer = (scan.anatomy.hyper.n_layers or 0) // 3
    keys, writer = (scan.anatomy.by_name.get(f"L{layer}.{role}") for role in ("k", "o"))
    if isinstance(volume.layout, BodyLayout) and keys is not None and writer is not None:
        position = scan.anatomy.parts.index(keys)
        sections = (i for i, s in enumerate(volume.layout.sections) if position in s.parts)
        loudness = np.nan_to_num(np.square(scan.values(writer), dtype=np.float64), posinf=0)
        at = [next(sections), int(loudness.sum(axis=1).argmax()), writer.shape[0] // 2]
    return at


def _views(ndim: int) -> list[_View]:
    if ndim < 3:
        return [_View("plane", tuple(range(ndim)), 2)]
    fixed, axes = tuple(range(ndim - 3)), tuple(range(ndim - 3, ndim))
    planes = [
        _View(name, (*fixed, axis, *(other for other in axes if other != axis)), 2)
        for name, axis in zip(PLANES, axes, strict=True)
    ]
    return [*planes, _View("3-D", (*fixed, *axes), 3)]


def _caption(view: _View, volume: Volume, at: Sequence[int]) -> str:
    words = [view.title]
    cut = view.order[: len(view.order) - view.displayed]
    words += [f"{volume.axes[axis]} {at[axis]}" for axis in cut]
    if volume.layout.name == "body" and cut == (0,):
        words.append(volume.caption(at[0]))
    if view.displayed == 2:
        down, right = (volume.axes[axis] for axis in view.order[-2:])
        words.append(f"{down} down, {right} to the right")
    return " · ".join(words)


def _shoot(viewer: Any, view: _View, at: Sequence[int], image: Any) -> NDArray[np.uint8]:
    viewer.dims.order = view.order
    viewer.dims.ndisplay = view.displayed
    for axis, place in enumerate(at):
        viewer.dims.set_point(axis, place * image.scale[axis])
    viewer.reset_view()
    low, high = image.extent.world
    sides = [high[axis] - low[axis] for axis in view.order[-view.displayed :]]
    camera = viewer.scene.camera
    if view.displayed == 3:
        camera.angles = TURN
        # Turned, no side is longer than the diagonal.
        sides = [math.hypot(*sides)] * 2
    camera.zoom = FILL * min(have / need for have, need in zip(PANEL, sides, strict=True))
    finish_all()
    picture = viewer.screenshot(size=PANEL, canvas_only=True, flash=False)
    return np.ascontiguousarray(picture[..., :3])


def _compose(title: str, panels: Sequence[tuple[str, NDArray[np.uint8]]], path: Path) -> Path:
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

    height, width = (max(p.shape[axis] for _, p in panels) for axis in (0, 1))
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * width, TITLE + rows * height))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(TEXT)
    draw.text((16, (TITLE - TEXT) // 2), title, font=font, fill="white")
    for i, (caption, pixels) in enumerate(panels):
        corner = (i % columns * width, TITLE + i // columns * height)
        sheet.paste(Image.fromarray(pixels), corner)
        at = (corner[0] + 16, corner[1] + 10)
        draw.text(at, caption, font=font, fill="white", stroke_width=2, stroke_fill="black")
    text = PngInfo()
    text.add_itxt("Title", title)
    try:
        sheet.save(path, "PNG", pnginfo=text)
    except OSError as error:
        raise TomoError(f"{path} cannot be written: {error}.") from error
    return path
