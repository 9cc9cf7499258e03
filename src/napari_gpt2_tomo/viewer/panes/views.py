"""Four linked views: axial, coronal and sagittal panes beside the volume of the main viewer."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from qtpy.QtCore import QEvent, QObject, QTimer

from ...base import DisplayError, TomoError
from ...display.cursor import Cursor
from ...display.planes import plane_caption, position_caption
from ...volume.volume import Volume
from .. import compat
from ..layers import title
from ..link import ScanLink, link_of
from ..probe import Reading
from ..work import show
from .copies import keep_alike, let_go
from .grid import Grid
from .slice_pane import SlicePane
from .volume_pane import VolumePane

__all__ = ["FourViews", "close_views", "open_views", "toggle_views", "views_of"]

_open: WeakKeyDictionary[Any, "FourViews"] = WeakKeyDictionary()


def open_views(viewer: Any) -> "FourViews":
    """Show the active scan of a viewer in four linked views; those that are open already.

    Parameters
    ----------
    viewer
        A napari viewer with a window, or the proxy of one that a plugin is handed.

    Raises
    ------
    DisplayError
        The viewer has no window, it shows no scan, or the scan's volume has fewer than three axes.
    """
    viewer = compat.real_viewer(viewer)
    return _open.get(viewer) or FourViews(viewer)


def close_views(viewer: Any) -> None:
    """Close the four views of a viewer, if they are open."""
    views = views_of(viewer)
    if views is not None:
        views.close()


def views_of(viewer: Any) -> "FourViews | None":
    """The four views of a viewer; None while they are closed."""
    return _open.get(compat.real_viewer(viewer))


def toggle_views(viewer: Any) -> None:
    """Open the four views of a viewer, or close them; what is in the way is shown in napari."""
    if views_of(viewer) is not None:
        close_views(viewer)
        return
    try:
        open_views(viewer)
    except TomoError as error:
        show(error)


class FourViews:
    """The active scan of a viewer in three planes, and in the viewer itself in 3-D.

    The panes follow the viewer: a scan that is added and chosen, a layer that is
    removed, another layout in the same layer. All show the place of `cursor`.

    Parameters
    ----------
    viewer
        A napari viewer with a window; it is not kept alive.

    Attributes
    ----------
    panes
        The axial, coronal and sagittal pane.
    volume
        The main viewer's pane.
    home
        The main viewer's widget.

    Raises
    ------
    DisplayError
        As `open_views` says.
    """

    def __init__(self, viewer: Any) -> None:
        home = compat.qt_viewer_of(viewer)
        if home is None:
            raise DisplayError("Four views need a window: open them in a napari.Viewer.")
        link = self._wanted(viewer, None)
        if link is None:
            raise DisplayError(
                "Open a checkpoint first: drop a .safetensors file or a model's folder on the "
                "window."
            )
        _check(link)
        self._viewer = ref(viewer)
        self._link: ScanLink | None = None
        self._last: tuple[Volume, tuple[int, ...]] | None = None
        self._shown: tuple[object, ...] = ()
        self._groups: list[tuple[Any, list[Any]]] = []
        self._ends: list[Callable[[], None]] = []
        self._pending = False
        self._found: tuple[ScanLink, tuple[int, ...], Reading] | None = None
        self._flat = viewer.dims.ndisplay == 2
        if self._flat:
            _take_place(link.cursor, viewer, link)
        self.panes = tuple(SlicePane(plane, home, self) for plane in range(3))
        axial, coronal, sagittal = self.panes
        # Rows of the upper two and columns of the left two are the same axis.
        self._grid = Grid(home, [axial.widget, sagittal.widget, coronal.widget])
        self.volume = VolumePane(home, self._volume_heading, self.move, self.toggle)
        viewer.dims.ndisplay = 3
        self.home = home
        self._guard = _Guard(self)
        for widget in (home, home.window()):
            widget.installEventFilter(self._guard)
        _open[viewer] = self
        self._listen(viewer)
        self._update()

    @property
    def link(self) -> ScanLink | None:
        """The volume that is shown; None while the viewer has none of three axes."""
        return self._link

    @property
    def cursor(self) -> Cursor | None:
        """The place that all views show, in voxels of level 0; None without a volume."""
        return None if self._link is None else self._link.cursor

    @property
    def enlarged(self) -> str | None:
        """Name of the pane that fills the window, None while all are shown."""
        return next((p.name for p in self._all if self._widget(p) is self._grid.enlarged), None)

    def move(self, indices: Mapping[int, int]) -> None:
        """Move the cursor to these indices of some axes; it stops at the edges."""
        if self._link is not None:
            self._link.cursor.place(indices)

    def step(self, axis: int, count: int) -> None:
        """Move the cursor some voxels along an axis."""
        if self._link is not None:
            self._link.cursor.step(axis, count)

    def enlarge(self, name: str | None) -> None:
        """Let one pane fill the window (``"axial"``, ``"coronal"``, ``"sagittal"`` or
        ``"volume"``); None shows all.

        Raises
        ------
        DisplayError
            There is no such pane.
        """
        panes = {pane.name: pane for pane in self._all}
        if name is not None and name not in panes:
            raise DisplayError(f"There is no pane {name!r}; choose one of {', '.join(panes)}.")
        self._grid.enlarge(None if name is None else self._widget(panes[name]))
        for pane in self._all:
            pane.buttons.set_enlarged(pane.name == name)

    def toggle(self, name: str) -> None:
        """Enlarge a pane, or show all where it is enlarged."""
        self.enlarge(None if self.enlarged == name else name)

    def heading(self, pane: SlicePane, reading: Reading | None) -> list[str]:
        """What is written on the canvas of a pane: plane, place and what it crosses."""
        link = self._link
        if link is None:
            return []
        here = self._here(link)
        return [plane_caption(link.volume, pane.axis, link.cursor.position, here.address)]

    def close(self) -> None:
        """Close the panes; the viewer is as it was before, at the place of the cursor."""
        viewer = self._viewer()
        if viewer is None or _open.get(viewer) is not self:
            return
        del _open[viewer]
        for widget in (self.home, self.home.window()):
            widget.removeEventFilter(self._guard)
        for end in self._ends:
            end()
        link = self._link
        self._empty()
        for pane in self.panes:
            pane.close()
        self._grid.close()
        self.volume.close()
        if self._flat:
            viewer.dims.ndisplay = 2
            if link is not None:
                _give_place(link.cursor, viewer, link)

    def close_soon(self) -> None:
        """Close the views when the events of the moment have run."""
        QTimer.singleShot(0, self.close)

    @property
    def _all(self) -> tuple[SlicePane | VolumePane, ...]:
        return (*self.panes, self.volume)

    def _widget(self, pane: SlicePane | VolumePane) -> Any:
        return pane.widget if isinstance(pane, SlicePane) else self.home

    def _listen(self, viewer: Any) -> None:
        layers = viewer.layers
        for emitter, callback in (
            (layers.events.inserted, self._update_soon),
            (layers.events.removed, self._update_soon),
            (layers.events.reordered, self._update_soon),
            (layers.selection.events.active, self._update_soon),
            (viewer.events.theme, self._dress),
        ):
            emitter.connect(callback)
            self._ends.append(partial(emitter.disconnect, callback))

    def _dress(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            for pane in self.panes:
                pane.viewer.theme = viewer.theme

    def _update_soon(self, event: Any = None) -> None:
        """Look at the viewer's layers when the events of the moment have run.

        A layer that is being removed still has its textures: the panes must not
        draw, nor delete theirs, in between.
        """
        if not self._pending:
            self._pending = True
            QTimer.singleShot(0, self._catch_up)

    def _catch_up(self) -> None:
        self._pending = False
        viewer = self._viewer()
        if viewer is not None and _open.get(viewer) is self:
            try:
                self._update()
            except TomoError as error:
                show(error)

    def _wanted(self, viewer: Any, present: ScanLink | None) -> ScanLink | None:
        """The volume to show: that of the active layer, else the present one, else the topmost."""
        active = link_of(viewer.layers.selection.active)
        if active is not None:
            return active
        found = [link for layer in reversed(viewer.layers) if (link := link_of(layer)) is not None]
        return present if present in found else next(iter(found), None)

    def _update(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        link = self._wanted(viewer, self._link)
        layers = [] if link is None else _layers_of(viewer, link)
        shown = (link, link and link.volume, *layers, *(layer.data for layer in layers))
        if len(shown) == len(self._shown) and all(map(_is, shown, self._shown)):
            return
        self._empty()
        self._shown = shown
        if link is None:
            self._say("No scan")
            return
        if link.volume.ndim < 3:
            self._say(_too_flat(link))
            return
        self._keep_place(link)
        self._link = link
        copies = [pane.show_scan(link, layers) for pane in self.panes]
        for layer, *group in zip(layers, *copies, strict=True):
            keep_alike(layer, group)
            self._groups.append((layer, group))
            for emitter in (layer.events.data, layer.events.metadata):
                emitter.connect(self._update_soon)
        self.volume.show_scan(link, layers[0])
        link.cursor.moved.connect(self._moved)
        self._moved(link.cursor.position)

    def _empty(self) -> None:
        """Show nothing: no copy is left, and nothing is connected to a layer or a cursor."""
        link, self._link = self._link, None
        self._shown, self._found = (), None
        if link is not None:
            link.cursor.moved.disconnect(self._moved)
        for layer, copies in self._groups:
            for emitter in (layer.events.data, layer.events.metadata):
                emitter.disconnect(self._update_soon)
            let_go(layer, copies)
        self._groups = []
        for pane in self.panes:
            pane.clear()
        self.volume.clear()

    def _say(self, text: str) -> None:
        for pane in self.panes:
            pane.say(text)

    def _moved(self, position: tuple[int, ...]) -> None:
        if self._link is None:
            return
        self._last = (self._link.volume, position)
        try:
            for pane in self.panes:
                pane.follow(position)
            self.volume.follow(position)
        except TomoError as error:
            # A file that is gone or changed must not leave the cursor half moved.
            show(error)

    def _here(self, link: ScanLink) -> Reading:
        """The parameter under the cursor; three captions and the volume's ask for it."""
        position = link.cursor.position
        if self._found is None or self._found[0] is not link or self._found[1] != position:
            self._found = (link, position, Reading(link, position, 0))
        return self._found[2]

    def _volume_heading(self, reading: Reading | None) -> list[str]:
        link, viewer = self._link, self._viewer()
        if link is None or viewer is None:
            return []
        volume, position = link.volume, link.cursor.position
        shift = viewer.dims.ndim - volume.ndim
        fixed = [axis - shift for axis in viewer.dims.not_displayed if axis >= shift]
        words = ["3-D" if viewer.dims.ndisplay == 3 else "2-D", title(link)]
        words += [position_caption(volume, axis, position[axis]) for axis in fixed]
        here = [] if reading is not None else self._here(link).lines()
        return [" · ".join(words), *here]

    def _keep_place(self, link: ScanLink) -> None:
        """Put the cursor on the parameter that it was on in the volume shown before."""
        volume, cursor = link.volume, link.cursor
        at = None
        if self._last is not None and self._last[0] is not volume:
            at = _same_parameter(*self._last, volume)
        if cursor.shape != volume.shape:
            cursor.enter(volume.shape, at)
        elif at is not None:
            cursor.move(at)


class _Guard(QObject):  # type: ignore[misc]
    """Closes the views before their window goes."""

    def __init__(self, views: FourViews) -> None:
        super().__init__()
        self._views = ref(views)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """A window that is closed by a script closes its canvas, one closed by hand deletes it."""
        kind = event.type()
        views = self._views()
        if views is not None and (
            kind == QEvent.Type.DeferredDelete
            or (kind == QEvent.Type.Close and watched is views.home)
        ):
            views.close()
        return False


def _layers_of(viewer: Any, link: ScanLink) -> list[Any]:
    """The images and atlases of a volume in a viewer, lowest first; what else shows it is 3-D."""
    from napari.layers import Image, Labels

    return [
        layer
        for layer in viewer.layers
        if link_of(layer) is link and isinstance(layer, (Image, Labels))
    ]


def _check(link: ScanLink) -> None:
    if link.volume.ndim < 3:
        raise DisplayError(_too_flat(link))


def _too_flat(link: ScanLink) -> str:
    axes = ", ".join(link.volume.axes)
    return (
        f"{title(link)} has the axes {axes} only: three planes need three axes. "
        "Scan it as a body or a cube."
    )


def _same_parameter(
    before: Volume, position: tuple[int, ...], volume: Volume
) -> tuple[int, ...] | None:
    """Where the parameter at a voxel of one volume is in another; None if it is not there."""
    place = before.layout.place(position)
    if place is None:
        return None
    try:
        return volume.voxel(place.tensor, place.index)
    except (TomoError, IndexError):
        return None


def _take_place(cursor: Cursor, viewer: Any, link: ScanLink) -> None:
    """Put the cursor on the slice that a viewer shows in 2-D."""
    layer = _layers_of(viewer, link)[0]
    shift = viewer.dims.ndim - layer.ndim
    voxel = np.rint(np.asarray(layer.world_to_data(viewer.dims.point[shift:]), float))
    cursor.place(
        {a - shift: int(voxel[a - shift]) for a in viewer.dims.not_displayed if a >= shift}
    )


def _give_place(cursor: Cursor, viewer: Any, link: ScanLink) -> None:
    """Show in a viewer in 2-D the slice that the cursor is on."""
    layers = _layers_of(viewer, link)
    if layers:
        shift = viewer.dims.ndim - layers[0].ndim
        world = layers[0].data_to_world(cursor.position)
        axes = [axis for axis in viewer.dims.not_displayed if axis >= shift]
        viewer.dims.set_point(axes, [float(world[axis - shift]) for axis in axes])


def _is(a: object, b: object) -> bool:
    return a is b
