"""Pictures of weights: sections, the body, and what helps to look at them."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.viewer.pictures.window import telling_place
from napari_gpt2_tomo.viewer.work import finish_all

from .browser import page_of
from .picture import Pixels, decoded, only_canvas, window
from .subject import Subject

__all__ = [
    "channel",
    "console",
    "four_views",
    "functional_phantom",
    "navigator",
    "overview",
    "page",
    "viewer_of",
    "volume",
]

WINDOW = (1600, 1000)
"""Width and height of a window in pixels."""

ASIDE = (0.35, 0.35, 0.85)
"""Where one looks at the functional phantom to: its layers lie side by side then."""

NEARER = 1.5
"""Most of its body is empty, above all the rim."""

READY = "html[data-ready~=volume]"
"""What the page says when all of it is drawn."""


def overview(subject: Subject) -> Pixels:
    """Four views on one picture."""
    viewer = viewer_of(subject.scan)
    pixels = tomo.screenshot(viewer, views="four", size=(1500, 1400))
    viewer.close()
    return pixels


def channel(subject: Subject) -> Pixels:
    """One residual channel through all layers, with signs."""
    viewer = viewer_of(subject.scan, signal="signed")
    viewer.dims.order = (1, 0, 2)
    viewer.fit_to_view()
    pixels = tomo.screenshot(viewer, size=(1000, 860))
    viewer.close()
    return pixels


def volume(subject: Subject) -> Pixels:
    """The body in 3-D."""
    viewer = viewer_of(subject.scan)
    viewer.dims.ndisplay = 3
    finish_all()
    pixels = tomo.screenshot(viewer, size=(1000, 900))
    viewer.close()
    return pixels


def console(subject: Subject) -> Pixels:
    """The window with the console beside the volume."""
    viewer = viewer_of(subject.scan)
    tomo.open_console(viewer)
    viewer.dims.ndisplay = 3
    finish_all()
    viewer.fit_to_view()
    pixels = window(viewer)
    viewer.close()
    return pixels


def four_views(subject: Subject) -> Pixels:
    """The window with four linked panes and the console."""
    viewer = viewer_of(subject.scan)
    only_canvas(viewer)
    tomo.open_console(viewer)
    views = tomo.open_views(viewer)
    finish_all()
    pixels = window(viewer)
    views.close()
    viewer.close()
    return pixels


def navigator(subject: Subject) -> Pixels:
    """The window with the navigator, after flying to a head."""
    from qtpy.QtWidgets import QLineEdit

    viewer = viewer_of(subject.scan)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gpt2-tomo", "Navigator")
    layer = (subject.scan.anatomy.hyper.n_layers or 1) // 3
    tomo.go_to(viewer, f"L{layer}.k")
    fields = dock.findChildren(QLineEdit)
    next(one for one in fields if one.placeholderText().startswith("Search")).setText(f"L{layer}")
    pixels = window(viewer)
    viewer.close()
    return pixels


def page(subject: Subject) -> Pixels:
    """The scan as one HTML file in a browser."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.html"
        tomo.export_html(subject.scan, path)
        with page_of(path, WINDOW, READY) as tab:
            return decoded(tab.screenshot())


def functional_phantom(subject: Subject) -> Pixels:
    """The body of the functional phantom, whatever the subject."""
    with tomo.scan("functional-phantom") as scan:
        viewer = viewer_of(scan)
        viewer.dims.ndisplay = 3
        finish_all()
        viewer.scene.camera.set_view_direction(ASIDE, (0, -1, 0))
        viewer.scene.camera.zoom *= NEARER
        pixels = tomo.screenshot(viewer, size=(1000, 820))
        viewer.close()
    return pixels


def viewer_of(scan: tomo.Scan, size: tuple[int, int] = WINDOW, **options: Any) -> Any:
    """A window on a scan, with the cursor where there is something to see."""
    import napari

    scan.volume(**options).refine()
    viewer = napari.Viewer()
    viewer.window.resize(*size)
    tomo.view(scan, viewer, **options)
    finish_all()
    link = tomo.link(viewer)
    at = telling_place(scan, link.volume)
    link.cursor.move(at)
    for axis, place in enumerate(viewer.layers[0].data_to_world(np.asarray(at))):
        viewer.dims.set_point(axis, float(place))
    finish_all()
    return viewer
