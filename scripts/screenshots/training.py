"""Pictures of a training run: its growth beside the volume, and one section at three steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.series.series import Series
from napari_gpt2_tomo.viewer.link import ScanLink
from napari_gpt2_tomo.viewer.navigator.mark import unmark
from napari_gpt2_tomo.viewer.series.dock import GrowthDock
from napari_gpt2_tomo.viewer.series.growing import go_to_step

from .picture import BETWEEN, GAP, Pixels, beside, only_canvas, settle, window
from .subject import Subject

__all__ = ["growth", "steps"]

STEPS = (0, 3, -1)
"""Places of the steps that are shown: the beginning, on the way, the end."""

SIDES = (480, 500)
"""Pixels of height and width of one of these pictures."""

MIDDLE = "L2.k"
"""The part of the sections; the middle of the model where it does not have it."""


def growth(subject: Subject) -> Pixels:
    """The window with a series in 3-D at its last step, and the dock beside it."""
    with _shown(subject) as (viewer, link, dock):
        only_canvas(viewer)
        viewer.dims.ndisplay = 3
        go_to_step(viewer, link, len(link.scan.steps) - 2)
        dock.choices.loss.setChecked(True)
        settle()
        viewer.fit_to_view()
        return window(viewer)


def steps(subject: Subject) -> Pixels:
    """One section, and the volume below it, at three steps with one window."""
    with _shown(subject) as (viewer, link, _):
        only_canvas(viewer)
        rows = []
        for axes in (2, 3):
            viewer.dims.ndisplay = axes
            settle()
            viewer.fit_to_view()
            viewer.scene.camera.zoom *= SIDES[0] / min(viewer.canvas.size)
            rows.append(beside(*_each(viewer, link, lambda: _canvas(viewer))))
        gap = np.full((GAP, rows[0].shape[1], 3), BETWEEN, np.uint8)
        return np.concatenate([rows[0], gap, rows[1]])


@contextmanager
def _shown(subject: Subject) -> Iterator[tuple[Any, ScanLink, GrowthDock]]:
    import napari

    with Series(subject.model) as series:
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1500, 950)
        tomo.view(series, viewer)
        settle()
        link = tomo.link(viewer)
        if MIDDLE in series.anatomy.by_name:
            tomo.go_to(viewer, MIDDLE)
        settle()
        dock = viewer.window._qt_window.findChild(GrowthDock)
        try:
            yield viewer, link, dock
        finally:
            viewer.close()


def _each(viewer: Any, link: ScanLink, shoot: Callable[[], Pixels]) -> list[Pixels]:
    shots = []
    count = len(link.scan.steps)
    for step in dict.fromkeys(min(max(s % count, 0), count - 1) for s in STEPS):
        go_to_step(viewer, link, step)
        settle()
        shots.append(shoot())
    return shots


def _canvas(viewer: Any) -> Pixels:
    unmark(viewer)
    shot = viewer.screenshot(size=SIDES, canvas_only=True, flash=False)
    return np.ascontiguousarray(shot[..., :3])
