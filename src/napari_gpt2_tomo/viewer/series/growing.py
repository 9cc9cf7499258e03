"""A series in napari that gets one more step: its axis grows, the view stays."""

from collections.abc import Sequence
from typing import Any

from ...base import Progress
from ...series.find import Step
from ...series.series import Series
from ...series.volume import SeriesVolume
from ...volume.choice import Choice
from ..layers import redress, title
from ..link import ScanLink, Shown
from ..session import sessions_of

__all__ = ["Grown", "extend", "grow"]


class Grown:
    """A series with one more step, and the volumes of the links that show it."""

    def __init__(self, series: Series, shown: Sequence[tuple[ScanLink, Shown]]) -> None:
        self.series = series
        self.shown = shown


def grow(
    series: Series, links: Sequence[ScanLink], step: Step, progress: Progress | None = None
) -> Grown:
    """Open one more step and prepare what the links of the series will show; may be called from
    any thread.

    Raises
    ------
    CheckpointError
        The checkpoint cannot be opened, or is not of the same model.
    """
    longer = series.extended(step)
    shown = []
    for link in links:
        chosen = Choice.of(link.volume)
        volume = longer.volume(
            chosen.layout,
            chosen.signal,
            chosen.reduction,
            tensor=chosen.tensor,
            role=chosen.role,
            exact=False,
            progress=progress,
        )
        if isinstance(volume, SeriesVolume):
            # Air would be seen at the new step until the refinement comes to it.
            volume.frames[-1].overview.quick_look(progress)
        shown.append((link, link.prepare(volume)))
    return Grown(longer, shown)


def extend(grown: Grown, *, follow: bool = False) -> None:
    """Let the layers of the links have the longer axis: sliders, camera, window and what is
    hidden stay.

    Parameters
    ----------
    grown
        What `grow` prepared.
    follow
        Whether viewers that look at the last step go on to the new one.
    """
    for link, shown in grown.shown:
        _extend(link, grown.series, shown, follow)


def _extend(link: ScanLink, series: Series, shown: Shown, follow: bool) -> None:
    before = link.volume
    # Layers of panes too: they show the same levels.
    layers = list(link.layers)
    sessions = sessions_of(link)
    views = [(session.viewer, _view(session.viewer)) for session in sessions]
    at_end = link.cursor.position[0] == before.shape[0] - 1
    for session in sessions:
        session.let_go(link)
    if link.refinement is not None:
        link.refinement.cancel()
        link.refinement = None
    old_title = title(link)
    position = link.cursor.position
    link.scan = series
    link.show(shown)
    region = link.console.region
    if region is not None and region[0] == (0, before.shape[0]):
        link.console.region = ((0, link.volume.shape[0]), *region[1:])
    link.cursor.enter(link.volume.shape, position)
    for layer in layers:
        redress(layer, link, old_title)
    link.console.follow(link.volume)
    for viewer, view in views:
        _restore(viewer, view)
    for session in sessions:
        session.take_up(link)
    link.switched.emit()
    if follow and at_end:
        for session in sessions:
            go_to_step(session.viewer, link, link.volume.shape[0] - 1)


def go_to_step(viewer: Any, link: ScanLink, step: int) -> None:
    """Show a step of a series in a viewer, whatever else is looked at."""
    layer = next((one for one in viewer.layers if one in link.layers), None)
    link.cursor.place({0: step})
    if layer is None:
        return
    axis = viewer.dims.ndim - layer.ndim
    world = [0.0] * layer.ndim
    world[0] = float(step)
    viewer.dims.set_point(axis, float(layer.data_to_world(world)[0]))


def _view(viewer: Any) -> tuple[Any, ...]:
    dims, camera = viewer.dims, viewer.scene.camera
    return tuple(dims.point), tuple(camera.center), float(camera.zoom), tuple(camera.angles)


def _restore(viewer: Any, view: tuple[Any, ...]) -> None:
    point, center, zoom, angles = view
    moved = [axis for axis, at in enumerate(point) if viewer.dims.point[axis] != at]
    if moved:
        viewer.dims.set_point(moved, [point[axis] for axis in moved])
    camera = viewer.scene.camera
    camera.center, camera.zoom, camera.angles = center, zoom, angles
