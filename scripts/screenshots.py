#!/usr/bin/env python
"""Makes the pictures of the documentation from a model, or from the built-in phantom.

    xvfb-run -a -s "-screen 0 1920x1200x24" .venv/bin/python scripts/screenshots.py [MODEL] [NAME …]

Writes docs/images/NAME.png for every scene below, or for those that are named. Needs a display
for napari (a virtual one will do) and, for the page, Chromium.
"""

import argparse
import io
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.viewer import compat
from napari_gpt2_tomo.viewer.pictures.window import telling_place
from napari_gpt2_tomo.viewer.work import finish_all

FOLDER = Path(__file__).parents[1] / "docs" / "images"

WINDOW = (1600, 1000)
"""Width and height of a window in pixels."""

LARGEST = 400_000
"""Bytes of a picture: the repository is cloned by people who want to read code."""

COLOURS = 256
"""Of the palette."""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""Chromium's switches for WebGL on machines without a graphics card."""

READY = "html[data-ready~=volume]"
"""What the page says when all of it is drawn."""


def overview(scan: tomo.Scan) -> np.ndarray:
    """Four views on one picture."""
    viewer = _viewer(scan)
    pixels = tomo.screenshot(viewer, views="four", size=(1500, 1400))
    viewer.close()
    return pixels


def channel(scan: tomo.Scan) -> np.ndarray:
    """One residual channel through all layers, with signs."""
    viewer = _viewer(scan, signal="signed")
    viewer.dims.order = (1, 0, 2)
    viewer.fit_to_view()
    pixels = tomo.screenshot(viewer, size=(1000, 860))
    viewer.close()
    return pixels


def volume(scan: tomo.Scan) -> np.ndarray:
    """The body in 3-D."""
    viewer = _viewer(scan)
    viewer.dims.ndisplay = 3
    finish_all()
    pixels = tomo.screenshot(viewer, size=(1000, 900))
    viewer.close()
    return pixels


def console(scan: tomo.Scan) -> np.ndarray:
    """The window with the console beside the volume."""
    viewer = _viewer(scan)
    tomo.open_console(viewer)
    viewer.dims.ndisplay = 3
    finish_all()
    viewer.fit_to_view()
    pixels = _window(viewer)
    viewer.close()
    return pixels


def four_views(scan: tomo.Scan) -> np.ndarray:
    """The window with four linked panes and the console."""
    viewer = _viewer(scan)
    # What napari shows on the left the console shows too.
    canvas = compat.qt_viewer_of(viewer)
    canvas.dockLayerControls.hide()
    canvas.dockLayerList.hide()
    tomo.open_console(viewer)
    views = tomo.open_views(viewer)
    finish_all()
    pixels = _window(viewer)
    views.close()
    viewer.close()
    return pixels


def navigator(scan: tomo.Scan) -> np.ndarray:
    """The window with the navigator, after flying to a head."""
    from qtpy.QtWidgets import QLineEdit

    viewer = _viewer(scan)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gpt2-tomo", "Navigator")
    layer = (scan.anatomy.hyper.n_layers or 1) // 3
    tomo.go_to(viewer, f"L{layer}.k")
    fields = dock.findChildren(QLineEdit)
    next(one for one in fields if one.placeholderText().startswith("Search")).setText(f"L{layer}")
    pixels = _window(viewer)
    viewer.close()
    return pixels


def page(scan: tomo.Scan) -> np.ndarray:
    """The scan as one HTML file in a browser."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise SystemExit("No Chromium here: install it, or name the scenes to make.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "scan.html"
        tomo.export_html(scan, path)
        browser = playwright.chromium.launch(executable_path=program, args=SOFTWARE)
        tab = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]})
        tab.goto(path.as_uri())
        tab.wait_for_selector(READY, state="attached", timeout=120_000)
        shot = tab.screenshot()
        browser.close()
    with Image.open(io.BytesIO(shot)) as image:
        return np.asarray(image.convert("RGB"))


SCENES: Mapping[str, Callable[[tomo.Scan], np.ndarray]] = {
    "overview": overview,
    "channel": channel,
    "volume": volume,
    "console": console,
    "four-views": four_views,
    "navigator": navigator,
    "html": page,
}
"""What can be made, by the name of its file."""


def main() -> None:
    """Make the scenes that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="a checkpoint; the phantom if none is given")
    parser.add_argument("scenes", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)}; or all")
    given = parser.parse_args()
    names = given.scenes or list(SCENES)
    unknown = sorted(set(names) - set(SCENES))
    if unknown:
        parser.error(f"no scene {', '.join(unknown)}; there are {', '.join(SCENES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tomo.scan(given.model or _phantom()) as scan:
        for name in names:
            print(save(SCENES[name](scan), FOLDER / f"{name}.png"))


def save(pixels: np.ndarray, path: Path) -> str:
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


def _viewer(scan: tomo.Scan, **options: Any) -> Any:
    """A window on a scan, with the cursor where there is something to see."""
    import napari

    scan.volume(**options).refine()
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    tomo.view(scan, viewer, **options)
    finish_all()
    link = tomo.link(viewer)
    at = telling_place(scan, link.volume)
    link.cursor.move(at)
    for axis, place in enumerate(viewer.layers[0].data_to_world(at)):
        viewer.dims.set_point(axis, float(place))
    finish_all()
    return viewer


def _window(viewer: Any) -> np.ndarray:
    """The whole window."""
    finish_all()
    shot = viewer.screenshot(canvas_only=False, flash=False)
    return np.ascontiguousarray(shot[..., :3])


def _phantom() -> str:
    from napari_gpt2_tomo.checkpoint.phantom import phantom_checkpoint

    return str(phantom_checkpoint())


if __name__ == "__main__":
    main()
