"""Four linked views: axial, coronal and sagittal panes beside the volume of the main viewer."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QTimer

from ...base import DisplayError, TomoError
from ...display.cursor import Cursor
from ...display.planes import plane_caption, position_caption
from ...volume.volume import Volume
from .. import compat
from ..commands import NO_SCAN
from ..layers import title
from ..link import ScanLink, link_of
from ..reading import Reading
from ..work import show
from .copies import Copies
from .grid import Grid
from .home import Before, Guard, turn
from .places import Last, layers_of, set_sliders, slider_indices
from .slice_pane import SlicePane
from .volume_pane import VolumePane

__all__ = [
    "FourViews",
    "close_views",
    "open_views",
    "pane_viewers",
    "toggle_views",
    "views_of",
]

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
    from ..comparison.side_by_side import main_viewer  # Which needs this module.

    viewer = main_viewer(viewer)
    return _open.get(viewer) or FourViews(viewer)


def close_views(viewer: Any) -> None:
    """Close the four views of a viewer, if they are open."""
    views = views_of(viewer)
    if views is not None:
        views.close()


def views_of(viewer: Any) -> "FourViews | None":
    """The four views of a viewer, or those that a viewer is a pane of; None if there are none."""
    viewer = compat.real_viewer(viewer)
    found = _open.get(viewer)
    if found is not None:
        return found
    return next((v for v in _open.values() if any(p.viewer is viewer for p in v.panes)), None)


def pane_viewers() -> list[Any]:
    """The viewer model of every pane that is open."""
    return [pane.viewer for views in _open.values() for pane in views.panes]


def toggle_views(viewer: Any) -> None:
    """Open the four views of a viewer, or close them; what is in the way is shown in napari."""
    views = views_of(viewer)
    if views is not None:
        # A key pressed in a pane must not delete it before it has been dealt with.
        views.close_soon()
        return
    from ..comparison.side_by_side import main_viewer

    main = main_viewer(viewer)
    if main is not compat.real_viewer(viewer):
        QTimer.singleShot(0, partial(toggle_views, main))
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
        link = self._wanted(viewer)
        if link is None:
            raise DisplayError(NO_SCAN)
        if link.volume.ndim < 3:
            raise DisplayError(_too_flat(link))
        from ..comparison.side_by_side import close_side_by_side

        close_side_by_side(viewer)  # It has the place of the canvas.
        self._viewer = ref(viewer)
        self._link: ScanLink | None = None
        self._shown: Volume | None = None
        self._last: Last | None = None
        self._found: tuple[tuple[int, ...], Reading] | None = None
        self._pending = False
        self._before = Before(viewer)
        if viewer.dims.ndisplay == 2:
            link.cursor.place(slider_indices(viewer, layers_of(viewer, link)[0]))
        self.home = home
        self.panes = tuple(SlicePane(plane, home, self) for plane in range(3))
        self._copies = Copies(self.panes, self._update_soon)
        axial, coronal, sagittal = self.panes
        # Rows of the upper two panes and columns of the left two are the same axis.
        self._grid = Grid(home, [axial.widget, sagittal.widget, coronal.widget])
        self.volume = VolumePane(home, self._volume_heading, self.move, self.toggle)
        viewer.dims.ndisplay = 3
        self._guard = Guard(home, self.close)
        for emitter, callback in self._events(viewer):
            emitter.connect(callback)
        _open[viewer] = self
        self._update()

    @property
    def link(self) -> ScanLink | None:
        """The volume that is shown; None while the viewer has none of three axes."""
        return None if self._shown is None else self._link

    @property
    def cursor(self) -> Cursor | None:
        """The place that all views show, in voxels of level 0; None without a volume."""
        return None if self.link is None else self.link.cursor

    @property
    def enlarged(self) -> str | None:
        """Name of the pane that fills the window, None while all are shown."""
        return next((p.name for p in self._all if self._widget(p) is self._grid.enlarged), None)

    def move(self, indices: Mapping[int, int]) -> None:
        """Move the cursor to these indices of some axes; it stops at the edges."""
        if self._link is not None and self._link.volume is self._shown:
            self._link.cursor.place(indices)

    def step(self, axis: int, count: int) -> None:
        """Move the cursor some voxels along an axis."""
        if self._link is not None and self._link.volume is self._shown:
            self._link.cursor.step(axis, count)

    def enlarge(self, name: str | None) -> None:
        """Let one pane fill the window; None shows all.

        Parameters
        ----------
        name
            ``"axial"``, ``"coronal"``, ``"sagittal"`` or ``"volume"``.

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
        if link is None or link.volume is not self._shown:
            return []
        address = self._here(link).address
        return [plane_caption(link.volume, pane.axis, link.cursor.position, address)]

    def close(self) -> None:
        """Close the panes; the viewer is as it was before, at the place of the cursor."""
        viewer = self._viewer()
        if viewer is None or _open.get(viewer) is not self:
            return
        del _open[viewer]
        self._guard.leave()
        for emitter, callback in self._events(viewer):
            emitter.disconnect(callback)
        link = self._link
        self._clear()
        self._copies.abandon()
        # Before the canvas grows: drawing a volume on all of it only to leave it takes time.
        self._before.flatten(viewer)
        if link is not None and viewer.dims.ndisplay == 2:
            for layer in layers_of(viewer, link)[:1]:
                set_sliders(viewer, layer, layer.data_to_world(link.cursor.position))
        for pane in self.panes:
            pane.close()
        self._grid.close()
        self.volume.close()
        self._before.look(viewer)
        # Whoever keeps this object must not keep the window.
        for name in ("panes", "volume", "home", "_grid", "_copies", "_guard"):
            delattr(self, name)

    def close_soon(self) -> None:
        """Close the views when the events of the moment have run."""
        QTimer.singleShot(0, self.close)

    @property
    def _all(self) -> tuple[SlicePane | VolumePane, ...]:
        return (*self.panes, self.volume)

    def _widget(self, pane: SlicePane | VolumePane) -> Any:
        return pane.widget if isinstance(pane, SlicePane) else self.home

    def _events(self, viewer: Any) -> tuple[tuple[Any, Callable[..., None]], ...]:
        layers = viewer.layers
        return (
            (layers.events.inserted, self._update_soon),
            (layers.events.removed, self._update_soon),
            (layers.events.reordered, self._update_soon),
            (layers.selection.events.active, self._update_soon),
            (viewer.events.theme, self._dress),
        )

    def _dress(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            for pane in self.panes:
                pane.viewer.theme = viewer.theme

    def _wanted(self, viewer: Any) -> ScanLink | None:
        """The volume to show: that of the active layer, else the present one, else the topmost."""
        active = link_of(viewer.layers.selection.active)
        if active is not None:
            return active
        found = [link for layer in reversed(viewer.layers) if (link := link_of(layer)) is not None]
        present = getattr(self, "_link", None)
        return present if present in found else next(iter(found), None)

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

    def _update(self) -> None:
        """Show what the viewer shows."""
        viewer = self._viewer()
        if viewer is None:
            return
        link = self._wanted(viewer)
        volume = None if link is None or link.volume.ndim < 3 else link.volume
        begin = link is not self._link or volume is not self._shown
        if begin:
            self._clear()
            self._copies.clear()
            self._link = link
            if link is not None:
                link.switched.connect(self._catch_up)
        if link is None or volume is None:
            for pane in self.panes:
                pane.say("No scan" if link is None else _too_flat(link))
            return
        layers = layers_of(viewer, link)
        self._copies.show(layers)
        if begin:
            if self._last is not None:
                self._last.carry(link)
            self._shown = volume
            for pane in self.panes:
                pane.show_volume(link)
            self.volume.show_volume(link, layers[0])
            turn(viewer)
            link.cursor.moved.connect(self._moved)
        for pane in self.panes:
            pane.measure()
        self._moved(link.cursor.position)

    def _clear(self) -> None:
        """Follow nothing."""
        link, shown = self._link, self._shown
        self._link = self._shown = self._found = None
        if link is not None:
            link.switched.disconnect(self._catch_up)
            if shown is not None:
                link.cursor.moved.disconnect(self._moved)
        for pane in self._all:
            pane.clear()

    def _moved(self, position: tuple[int, ...]) -> None:
        link = self._link
        if link is None or link.volume is not self._shown:
            # Another volume is being shown; `switched` says when it is.
            return
        self._last = Last(link, position)
        try:
            for pane in self._all:
                pane.follow(position)
        except TomoError as error:
            # A file that is gone must not leave the cursor half moved.
            show(error)

    def _here(self, link: ScanLink) -> Reading:
        """The parameter under the cursor; all captions ask for it."""
        position = link.cursor.position
        if self._found is None or self._found[0] != position:
            self._found = (position, Reading(link, position, 0))
        return self._found[1]

    def _volume_heading(self, reading: Reading | None) -> list[str]:
        link, viewer = self._link, self._viewer()
        if link is None or viewer is None or link.volume is not self._shown:
            return []
        volume, position = link.volume, link.cursor.position
        shift = viewer.dims.ndim - volume.ndim
        fixed = [axis - shift for axis in viewer.dims.not_displayed if axis >= shift]
        words = ["3-D" if viewer.dims.ndisplay == 3 else "2-D", title(link)]
        words += [position_caption(volume, axis, position[axis]) for axis in fixed]
        here = [] if reading is not None else self._here(link).lines()
        return [" · ".join(words), *here]


def _too_flat(link: ScanLink) -> str:
    return (
        f"{title(link)} has {link.volume.ndim} axes, three planes need 3.\n"
        "Show the scan as a body or a cube."
    )
