"""Showing a scan in another layout, signal or reduction, in the layers that it has."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from ..base import Cancelled, Progress
from ..volume.choice import Choice
from ..volume.counterpart import counterpart
from . import compat
from .detail import level_to_draw
from .layers import is_image, redress, title
from .link import ScanLink, Shown
from .session import detail_budget, sessions_of
from .viewpoint import Viewpoint, looked_at
from .work import Job, show

__all__ = ["switch"]


def switch(
    viewer: Any,
    link: ScanLink,
    layout: str | None = None,
    signal: str | None = None,
    reduction: str | None = None,
    *,
    tensor: str | None = None,
    role: str | None = None,
    wait: bool = True,
) -> Job:
    """Show a scan in another layout, signal or reduction, in place.

    Its layers stay the same objects at the same place of the list, in every
    viewer that shows them. The window stays where the signal does. The parameter
    that is looked at is looked at afterwards, in 2-D or 3-D as before. Statistics that a
    signal needs are read in the background, and the layers change when they are known; of
    several switches of a scan the last one counts.

    Parameters
    ----------
    viewer
        Whose place in the volume counts.
    link
        The scan; `link_of` of one of its layers.
    layout, signal, reduction, tensor, role
        As `Scan.volume` takes them; None keeps what is shown. The layout ``"tensor"`` without
        a tensor shows the one that is looked at.
    wait
        Whether to return when the layers have changed (events are processed
        meanwhile), or as soon as the work has begun.

    Returns
    -------
    Job
        The work; with ``wait=False`` it shows its errors in napari.

    Raises
    ------
    LayoutError
        There is no such layout, signal, reduction, tensor or role; with
        ``wait=False`` only what is known at once.
    Cancelled
        The user stopped the work while it was waited for.
    """
    viewer = compat.real_viewer(viewer)
    chosen = Choice.of(link.volume).changed(layout, signal, reduction, tensor, role)
    if chosen.layout == "tensor" and chosen.tensor is None:
        chosen = replace(chosen, tensor=_tensor_looked_at(viewer, link))
    ahead = _Ahead(link)

    def work(report: Progress) -> Generator[object, None, None]:
        volume = link.scan.volume(
            chosen.layout,
            chosen.signal,
            chosen.reduction,
            tensor=chosen.tensor,
            role=chosen.role,
            progress=report,
        )
        if volume.overview.state == "empty":
            # Air would be drawn until the refinement has had its first look.
            volume.overview.quick_look(report)
        shown = link.prepare(volume)
        ahead.read(shown)
        yield shown

    errors: list[Exception] = []
    arrived: list[Shown] = []

    def apply(shown: Any) -> None:
        arrived.append(shown)
        _apply(viewer, link, shown)
        ahead.release(shown)

    if link.switching is not None:
        link.switching.cancel()
    job = link.switching = Job(work, apply, errors.append if wait else show)
    if wait:
        job.wait()
        if errors:
            raise errors[0]
        if not arrived and link.switching is job:
            raise Cancelled("The scan is shown as before: the work was cancelled.")
    return job


def _apply(viewer: Any, link: ScanLink, shown: Shown) -> None:
    """Give all layers of a link another volume."""
    from napari.experimental import unlink_layers

    before = link.volume
    moved = before.layout.token != shown.volume.layout.token
    copies = _copies()
    layers = [layer for layer in list(link.layers) if layer not in copies]
    sessions = [s for s in sessions_of(link) if not set(s.details).isdisjoint(layers)]
    views = {}
    if moved:
        for session in sessions:
            image = next((x for x in session.details if x in layers and is_image(x)), None)
            if image is not None:
                views[session] = (image, Viewpoint.of(session.viewer, image, link))
    for session in sessions_of(link):
        session.let_go(link)
    if link.refinement is not None:
        link.refinement.cancel()
        link.refinement = None
    old_title = title(link)
    link.show(shown)
    if moved:
        own = next((v.voxel for s, (_, v) in views.items() if s.viewer is viewer), None)
        at = counterpart(own or link.cursor.position, before, link.volume)
        if before.ndim != link.volume.ndim and copies.intersection(link.layers):
            # Looks that copies have in common would be set on them with the wrong axes.
            unlink_layers(list(link.layers))
        link.console.region = link.console.detail = None
        link.cursor.enter(link.volume.shape, at)
    for layer in layers:
        redress(layer, link, old_title)
    link.console.follow(link.volume)
    for session in sessions:
        session.take_up(link)
    for session, (image, view) in views.items():
        view.take(session.viewer, image, counterpart(view.voxel, before, link.volume))
    link.switched.emit()


class _Ahead:
    """Reads what 3-D views will draw before they get it: they would show a coarse volume first."""

    def __init__(self, link: ScanLink) -> None:
        self._limit = compat.max_texture_3d()
        self._budget = detail_budget()
        self._token = link.volume.layout.token
        self._region = link.console.region
        self._wanted = link.console.detail
        self._displayed: tuple[int, ...] = next(
            (
                tuple(session.viewer.dims.displayed)
                for session in sessions_of(link)
                if session.viewer.dims.ndisplay == 3
            ),
            (),
        )

    def read(self, shown: Shown) -> None:
        """Hold the level that will be drawn; `release` ends that."""
        volume = shown.volume
        moved = volume.layout.token != self._token
        if not self._displayed or volume.ndim < 3 or self._region is not None:
            # A region is drawn by a layer of its own, and ends with its layout.
            return
        axes = self._displayed
        if max(axes) >= volume.ndim or moved:
            axes = tuple(range(volume.ndim - 3, volume.ndim))
        wanted = None if moved else self._wanted
        level = level_to_draw(volume, axes, self._budget, self._limit, wanted)
        shown.levels[level].hold(shown.levels[level].read(), self)

    def release(self, shown: Shown) -> None:
        """Let go; what is drawn is held by whoever draws it."""
        for level in shown.levels:
            level.release(self)


def _copies() -> set[Any]:
    """Layers that follow others: their owners give them the new volume themselves."""
    from .panes.views import pane_viewers

    return {layer for viewer in pane_viewers() for layer in viewer.layers}


def _tensor_looked_at(viewer: Any, link: ScanLink) -> str:
    """The stored tensor that a viewer looks at; the first one where it looks at none."""
    layer = next((x for x in viewer.layers if x in link.layers), None)
    at = link.cursor.position if layer is None else looked_at(viewer, layer, link)
    place = link.volume.layout.place(at)
    if place is not None and place.tensor in link.scan.anatomy.positions:
        return place.tensor
    return next(iter(link.scan.anatomy.positions))
