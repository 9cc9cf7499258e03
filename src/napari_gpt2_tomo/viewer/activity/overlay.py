"""The activity of a prompt painted on the body of its model: function over anatomy."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

import napari
import numpy as np
from psygnal import Signal

from ...activity.record import Activity
from ...activity.strength import Measure, Strengths, Sum
from ...base import Cancelled, Progress, TomoError
from ...display.array_distribution import ArrayDistributions
from ...display.console import Console
from ...display.cursor import Cursor
from ...display.transfer import DEFAULTS
from ...volume.painting import Painting
from .. import compat
from ..appearance import appearance
from ..commands import current_link
from ..console.binding import Binding
from ..layers import add_scan, is_image, scale_of
from ..link import KEY, ScanLink, link_of
from ..live import LiveLevel
from ..work import Job, show, wait_for
from .desk import Place, desk_of

__all__ = ["Brush", "Overlay", "open_overlay", "overlay_of", "paint_activity"]

DOCK = "Activity on the body"
"""Name of the dock in the manifest."""

ANATOMY = "gray"
"""Transfer function of the weights under the activity, so that colour means activity."""

GAMMA = 2.0
"""Above 1 leaves what was hardly used in the dark: every head writes something."""

OPACITY = 0.8
"""Of the painted layer: the weights are seen through what is strongest too."""

SLICE, VOLUME = "additive", "translucent_no_depth"
"""How the layer lies over the weights. Both fill the same voxels, so depth would tear them."""

SMALL = 32 * 2**20
"""Bytes: a level up to this size is painted at once in 3-D."""


@dataclass(frozen=True, slots=True)
class Brush:
    """What is painted.

    Attributes
    ----------
    measure, sum, by_channel
        See `activity.strength.Strengths.paints`.
    """

    measure: Measure = "written"
    sum: Sum = "max"
    by_channel: bool = False


_overlays: WeakKeyDictionary[Any, "Overlay"] = WeakKeyDictionary()


def overlay_of(viewer: Any) -> "Overlay | None":
    """The painted activity of a viewer, None if there is none."""
    return _overlays.get(compat.real_viewer(viewer))


def paint_activity(viewer: Any, activity: Activity | None = None) -> "Overlay":
    """Paint an activity on the body that a viewer shows; opens that of its model if it shows none.

    Parameters
    ----------
    viewer
        A napari viewer.
    activity
        That on the viewer's desk by default.

    Raises
    ------
    TomoError
        There is no activity, no scan can be opened, or it is of another model.
    """
    viewer = compat.real_viewer(viewer)
    activity = activity if activity is not None else desk_of(viewer).activity
    if activity is None:
        raise TomoError("Run a prompt first.")
    link = _body(viewer, activity)
    strengths = wait_for(lambda progress: Strengths(activity, link.scan, progress))
    former = _overlays.get(viewer)
    if former is not None and former.link is link and former.layer is not None:
        former.take(strengths)
        return former
    if former is not None:
        former.remove()
    made = _overlays[viewer] = Overlay(viewer, link, strengths)
    return made


def open_overlay(viewer: napari.Viewer) -> None:
    """Paint the activity on a viewer's desk on the body, and open the dock that says how."""
    from .run_dock import open_dock

    try:
        paint_activity(viewer)
    except Cancelled:
        return
    except TomoError as error:
        show(error)
        return
    open_dock(viewer, DOCK)


class PaintLink:
    """What ties the painted layer to its console; a `viewer.link.Link`."""

    def __init__(self, name: str, body: ScanLink, painting: Painting) -> None:
        self.name = name
        self.noun = "painted weights"
        self.layers: WeakSet[Any] = WeakSet()
        self._body = body
        self.console = Console.of_values(_spread(painting))

    @property
    def cursor(self) -> Cursor:
        """That of the body."""
        return self._body.cursor

    @property
    def parts(self) -> list[str]:
        """None: strengths are compared over the whole body."""
        return []

    @property
    def about(self) -> str:
        """What is shown, in a line."""
        return "strength of use, 1 is the strongest of its kind"

    def part_at(self, voxel: Any) -> str | None:
        """No part has a distribution of its own."""
        return None

    def __deepcopy__(self, memo: dict[int, Any]) -> "PaintLink":
        return self


class Overlay:
    """The painted layer of one viewer.

    Attributes
    ----------
    link
        The scan that is painted on.
    strengths
        What is painted.
    brush
        How; set it with `paint`.
    layer
        The image; None once it is removed.
    console
        How it is shown.
    changed
        Emitted when something else is painted.
    """

    changed = Signal()

    def __init__(self, viewer: Any, link: ScanLink, strengths: Strengths) -> None:
        from napari.layers import Layer

        self._viewer = ref(viewer)
        self.link = link
        self.strengths = strengths
        self.brush = Brush()
        self._job: Job | None = None
        self._desk = desk_of(viewer)
        self._painting = self._painted()
        layout = self._painting.layout
        self._levels = [
            LiveLevel(partial(self._present, i), layout.level_shape(i), np.float32, i)
            for i in range(len(layout.factors))
        ]
        name = f"Activity · {strengths.activity.source.name}"
        paint = PaintLink(name, link, self._painting)
        self.console = paint.console
        self.console.gamma, self.console.opacity = GAMMA, OPACITY
        self.console.rendering = "translucent"
        options = {
            "name": name,
            "multiscale": True,
            "scale": scale_of(link.volume),
            "axis_labels": link.volume.axes,
            "units": ("dimensionless",) * link.volume.ndim,
            "metadata": {KEY: paint},
            "cache": False,
            "projection_mode": "max",
            **appearance(paint.console),
            "blending": SLICE,
        }
        image = self._image()
        made = Layer.create(compat.multiscale(self._levels), options, "image")
        viewer.layers.insert(
            len(viewer.layers) if image is None else list(viewer.layers).index(image) + 1, made
        )
        self.layer: Any = made
        self._binding = Binding(made, paint.console, viewer)
        self._grey = link.console.transfer == DEFAULTS[link.console.signal]
        if self._grey:
            link.console.transfer = ANATOMY
        self._desk.moved.connect(self._moved)
        viewer.layers.events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._turned)
        link.switched.connect(self._switched)
        if image is not None:
            image.events.locked_data_level.connect(self._turned)
        self._bound_image = ref(image) if image is not None else None
        self._turned()

    @property
    def bare_transfer(self) -> str:
        """The transfer function that the weights have without the paint on them."""
        console = self.link.console
        grey = self._grey and console.transfer == ANATOMY
        return DEFAULTS[console.signal] if grey else str(console.transfer)

    @property
    def activity(self) -> Activity:
        """What is painted."""
        return self.strengths.activity

    def paint(self, **how: Any) -> None:
        """Paint otherwise: ``paint(measure="activity", sum="token")``, see `Brush`."""
        brush = replace(self.brush, **how)
        if brush != self.brush:
            self.brush = brush
            self._again()

    def take(self, strengths: Strengths) -> None:
        """Paint another activity."""
        self.strengths = strengths
        if self.layer is not None:
            self.layer.name = f"Activity · {strengths.activity.source.name}"
        self._again()

    def remove(self) -> None:
        """Take the layer out of its viewer."""
        viewer = self._viewer()
        if viewer is not None and self.layer in viewer.layers:
            viewer.layers.remove(self.layer)

    def _painted(self) -> Painting:
        brush = self.brush
        place = self._desk.place if self._desk.activity is self.activity else Place()
        token = min(place.token, len(self.activity.tokens) - 1)
        paints = self.strengths.paints(brush.measure, brush.sum, token, by_channel=brush.by_channel)
        return Painting(self.link.volume.layout, paints)

    def _present(self, level: int) -> Any:
        return self._painting.level(level)

    def _again(self) -> None:
        if self.layer is None:
            return
        self._painting = self._painted()
        for level in self._levels:
            level.release(self)
        compat.renew(self.layer)
        self._turned()
        self.changed.emit()

    def _moved(self, place: Place) -> None:
        if self.brush.sum == "token" and self._desk.activity is self.activity:
            self._again()

    def _switched(self) -> None:
        """The scan is shown in another layout or signal: the body stays paintable or goes."""
        layout = self.link.volume.layout
        if layout.token != self._painting.layout.token:
            self.remove()

    def _image(self) -> Any:
        viewer = self._viewer()
        if viewer is None:
            return None
        found = [one for one in viewer.layers if link_of(one) is self.link and is_image(one)]
        return found[-1] if found else None

    def _turned(self, event: Any = None) -> None:
        """In 3-D the level that the weights are drawn at, as they are read in a thread."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or self.layer is None:
            return
        level = None if image is None else image.locked_data_level
        # In 3-D strengths have opacities of their own; a slice has plain colours, of which black
        # must leave the weights as they are.
        self.layer.blending = VOLUME if viewer.dims.ndisplay == 3 else SLICE
        if viewer.dims.ndisplay != 3 or level is None:
            if self.layer.locked_data_level is not None:
                self.layer.locked_data_level = None
            for one in self._levels:
                one.release(self)
            return
        wanted = self._levels[level]
        if wanted.is_held_by(self):
            return
        if wanted.nbytes <= SMALL:
            self._hold(wanted, wanted.read())
            return
        if self._job is not None:
            self._job.cancel()
        painting = self._painting

        def work(report: Progress) -> Generator[object, None, None]:
            yield painting.level(wanted.index)[...]

        def arrived(values: Any) -> None:
            if painting is self._painting:
                self._hold(wanted, values)

        self._job = Job(work, arrived)

    def _hold(self, level: LiveLevel, values: Any) -> None:
        if self.layer is None:
            return
        level.hold(values, self)
        if self.layer.locked_data_level == level.index:
            compat.renew(self.layer)
        else:
            self.layer.locked_data_level = level.index
        for other in self._levels:
            if other is not level:
                other.release(self)

    def _removed(self, event: Any) -> None:
        if event.value is self.layer or not len(self.link.layers):
            self._close()

    def _close(self) -> None:
        if self.layer is None:
            return
        self.layer = None
        self._binding.close()
        if self._job is not None:
            self._job.cancel()
        self._desk.moved.disconnect(self._moved, missing_ok=True)
        self.link.switched.disconnect(self._switched, missing_ok=True)
        viewer = self._viewer()
        image = None if self._bound_image is None else self._bound_image()
        if image is not None:
            image.events.locked_data_level.disconnect(self._turned)
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._removed)
            viewer.dims.events.ndisplay.disconnect(self._turned)
            if _overlays.get(viewer) is self:
                del _overlays[viewer]
        console = self.link.console
        if self._grey and console.transfer == ANATOMY:
            console.transfer = DEFAULTS[console.signal]
        self.changed.emit()


def _body(viewer: Any, activity: Activity) -> ScanLink:
    """The scan of a viewer that the activity can be painted on, as a body."""
    link = current_link(viewer)
    if link is None:
        path = activity.source.path
        if path is None or not Path(path).exists():
            raise TomoError(
                f"Open the checkpoint of {activity.source.name} first: there is no body to paint "
                "on, and where it lies is not known."
            )
        from ...facade import Scan

        scan = Scan(path)
        try:
            link = link_of(add_scan(viewer, scan, "body", owned=True).image)
        except BaseException:
            scan.close()
            raise
        assert link is not None
    if link.volume.layout.name != "body":
        from ..switch import switch

        switch(viewer, link, layout="body")
    return link


def _spread(painting: Painting) -> ArrayDistributions:
    """How the strengths are distributed, at a level of which all can be read."""
    coarsest = len(painting.layout.factors) - 1
    values = painting.level(coarsest)[...]
    lit = values[values > 0]
    return ArrayDistributions(lit if lit.size else values.ravel(), "strength", "strengths", 0, {})
