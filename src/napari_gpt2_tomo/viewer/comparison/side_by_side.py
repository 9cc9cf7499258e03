"""Two scans side by side in one window, with linked cameras and slices."""

import os
from typing import Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

from ...base import DisplayError, LayoutError
from ...comparison.lora import adapted, is_adapter
from ...facade import Scan
from ...volume.choice import Choice
from .. import compat
from ..layers import add_scan, is_image
from ..link import ScanLink, link_of
from ..panes.bar import Buttons
from ..panes.home import Guard
from ..panes.places import layers_of, probe_of
from ..panes.views import close_views
from ..session import session_of, watch
from ..switch import switch
from .captions import Lines, Words
from .linked import Eye, LinkedEyes
from .opening import Opened, shown_in
from .sides import Side

__all__ = [
    "SideBySide",
    "close_side_by_side",
    "main_viewer",
    "open_side_by_side",
    "side_by_side_of",
]

_open: WeakKeyDictionary[Any, "SideBySide"] = WeakKeyDictionary()


def open_side_by_side(
    viewer: Any,
    a: Side | Scan | str | os.PathLike[str],
    b: Side | Scan | str | os.PathLike[str],
    opened: Opened | None = None,
) -> "SideBySide":
    """Show two models beside each other, with linked cameras, slices and windows.

    Parameters
    ----------
    viewer
        A napari viewer with a window, or the proxy of one that a plugin is handed.
    a, b
        Scans, which stay the caller's, or paths. `a` is shown in the viewer itself, where it may
        be shown already, `b` in a pane to the right of it. `b` may be a LoRA adapter of `a`.
    opened
        Both, if they are open already; they are closed with what shows them.

    Raises
    ------
    TomoError
        A path is no checkpoint, or the viewer has no window.
    """
    viewer = compat.real_viewer(viewer)
    close_side_by_side(viewer)
    close_views(viewer)
    return SideBySide(viewer, a, b, opened)


def close_side_by_side(viewer: Any) -> None:
    """Close the second pane of a viewer, if there is one."""
    found = side_by_side_of(viewer)
    if found is not None:
        found.close()


def side_by_side_of(viewer: Any) -> "SideBySide | None":
    """The two panes of a viewer; None while it has but one."""
    return _open.get(compat.real_viewer(viewer))


def main_viewer(viewer: Any) -> Any:
    """The viewer whose second pane a viewer is; of all others the viewer itself."""
    viewer = compat.real_viewer(viewer)
    return next((main for main, beside in _open.items() if beside.pane is viewer), viewer)


class SideBySide:
    """A second pane beside a viewer's canvas. See `open_side_by_side`.

    Attributes
    ----------
    pane
        The viewer model of the second pane.
    links
        What the two panes show.
    """

    def __init__(self, viewer: Any, a: Any, b: Any, opened: Opened | None = None) -> None:
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        home = compat.qt_viewer_of(viewer)
        parent = None if home is None else home.parentWidget()
        layout = None if parent is None else parent.layout()
        if home is None or layout is None or layout.indexOf(home) < 0:
            raise DisplayError("Two scans side by side need a window: open them in napari.Viewer.")
        self._viewer = ref(viewer)
        self._owned: list[Scan] = []
        try:
            first, scan = self._sides(viewer, a, b, opened)
        except BaseException:
            self._release()
            raise
        self._home, self._layout = home, layout
        self._place = layout.indexOf(home)
        self.pane: Any = ViewerModel(title=scan.name)
        self.pane.theme = viewer.theme
        # Nobody reads the status of a pane, and computing it slows every move of the mouse.
        self.pane.cursor.events.position.disconnect(self.pane.update_status_from_cursor)
        self._qt_viewer: Any = QtViewer(self.pane)
        self._qt_viewer.setAcceptDrops(False)
        self._frame = QWidget()
        column = QVBoxLayout(self._frame)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._qt_viewer)
        self._arrange()
        self._hidden = _hide_others(viewer, first)
        try:
            second = self._fill(scan, first, b.title if isinstance(b, Side) else None)
        except BaseException:
            self._take_apart(viewer)
            self._release()
            raise
        self.links = (first, second)
        self.buttons = Buttons(self._qt_viewer.canvas.native, _nothing, self.close_soon)
        self.buttons.enlarge.hide()
        if self.buttons.close_views is not None:
            self.buttons.close_views.setToolTip("Close the second view")
        self.buttons.adjustSize()
        self.buttons.rise()
        self._eyes = LinkedEyes(Eye(viewer, first), Eye(self.pane, second))
        self._listen(viewer, True)
        self._guard = Guard(home, self.close)
        _open[viewer] = self
        self._write()
        QTimer.singleShot(0, self._fit)

    def close(self) -> None:
        """Close the second pane; the viewer is as it was before."""
        viewer = self._viewer()
        if viewer is None or _open.get(viewer) is not self:
            return
        del _open[viewer]
        self._guard.leave()
        self._listen(viewer, False)
        self._eyes.close()
        probe = probe_of(viewer)
        if probe is not None:
            probe.words = None
            probe.update_soon()
        self._take_apart(viewer)
        self._release()
        # Whoever keeps this object must not keep the window.
        for name in ("pane", "buttons", "_qt_viewer", "_frame", "_split", "_home", "_layout"):
            delattr(self, name)
        for name in ("_eyes", "_guard", "_hidden"):
            delattr(self, name)

    def close_soon(self) -> None:
        """Close the second pane when the events of the moment have run."""
        QTimer.singleShot(0, self.close)

    def _sides(self, viewer: Any, a: Any, b: Any, opened: Opened | None) -> tuple[ScanLink, Scan]:
        """What shows the first scan, and the second scan."""
        first = shown_in(viewer, a)
        if opened is None:
            first = first or self._add(viewer, a)
            return first, self._opened(b, first.scan)
        self._owned += [scan for scan in (opened.base, opened.b) if scan is not None]
        if first is None:
            first = self._add(viewer, a if opened.a is None else opened.a, owned=True)
        elif opened.a is not None:
            self._owned.append(opened.a)
        return first, opened.b

    def _opened(self, side: Any, base: Scan) -> Scan:
        """The second scan, open."""
        if isinstance(side, Scan):
            return side
        path = side.path if isinstance(side, Side) else os.fspath(side)
        if is_adapter(path):
            # On a base of its own: the first scan may be closed while the pane still reads.
            own = Scan(base.still.checkpoint.path, base.family, **base.sizes)
            self._owned.append(own)
            scan = adapted(own, path)
        else:
            scan = side.open() if isinstance(side, Side) else Scan(path)
        self._owned.append(scan)
        return scan

    def _add(self, viewer: Any, side: Any, owned: bool = False) -> ScanLink:
        """The first scan, shown in the viewer."""
        owned = owned or not isinstance(side, Scan)
        scan = side if isinstance(side, Scan) else None
        if scan is None:
            scan = side.open() if isinstance(side, Side) else Scan(side)
        link = link_of(add_scan(viewer, scan, owned=owned).image)
        assert link is not None
        return link

    def _fill(self, scan: Scan, first: ScanLink, name: str | None) -> ScanLink:
        """Show the second scan as the first one is shown."""
        watch(self.pane)
        choice = Choice.of(first.volume)
        options: dict[str, Any] = {"tensor": choice.tensor, "role": choice.role}
        given = {key: value for key, value in options.items() if value is not None}
        try:
            layers = add_scan(
                self.pane,
                scan,
                choice.layout,
                choice.signal,
                reduction=choice.reduction,
                name=name,
                **given,
            )
        except LayoutError:
            # The layout may need what this model does not have, e.g. a tensor of this name.
            layers = add_scan(self.pane, scan, "auto", choice.signal, name=name)
        link = link_of(layers.image)
        assert link is not None
        return link

    def _arrange(self) -> None:
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        # In the window first: a canvas that leaves its window loses its GL context.
        self._layout.insertWidget(self._place, self._split)
        self._split.addWidget(self._home)
        self._split.addWidget(self._frame)
        half = max(self._split.width(), 2) // 2
        self._split.setSizes([half, half])

    def _take_apart(self, viewer: Any) -> None:
        for layer in self._hidden:
            if layer in viewer.layers:
                layer.visible = True
        session = session_of(self.pane)
        if session is not None:
            for layer in list(self.pane.layers):
                session.release(layer)
        self._qt_viewer.close()
        self._layout.insertWidget(self._place, self._home)
        self._home.show()
        self._layout.removeWidget(self._split)
        self._split.hide()
        self._layout.activate()
        self._split.deleteLater()

    def _release(self) -> None:
        """Close what was opened for the pane, once nothing reads it."""
        from ..work import when_idle

        for scan in reversed(self._owned):
            when_idle(scan.close)
        self._owned = []

    def _listen(self, viewer: Any, begin: bool) -> None:
        first, _ = self.links
        for emitter, callback in (
            (viewer.layers.events.removed, self._look),
            (viewer.layers.events.inserted, self._crowded),
            (viewer.canvas.events.size, self._resized),
            (viewer.events.theme, self._dress),
            (first.switched, self._switched),
            (self.pane.canvas.events.size, self._resized),
        ):
            (emitter.connect if begin else emitter.disconnect)(callback)
        for one in (viewer, self.pane):
            events = one.dims.events.point
            (events.connect if begin else events.disconnect)(self._write)

    def _look(self, event: Any = None) -> None:
        """Without its first scan there is nothing to compare the second one with."""
        viewer = self._viewer()
        if viewer is not None and not layers_of(viewer, self.links[0]):
            self.close_soon()

    def _crowded(self, event: Any) -> None:
        """Another scan over the first one is neither of the two that are told apart here."""
        link = link_of(event.value)
        if link is not None and link.scan is not self.links[0].scan:
            self.close_soon()

    def _dress(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self.pane.theme = viewer.theme

    def _switched(self) -> None:
        """The first scan is shown in another layout or signal: so is the second."""
        first, second = self.links
        choice = Choice.of(first.volume)
        try:
            switch(
                self.pane,
                second,
                choice.layout,
                choice.signal,
                choice.reduction,
                tensor=choice.tensor,
                role=choice.role,
                wait=False,
            ).on_end = self._caught_up
        except LayoutError as error:
            from ..work import show

            show(error)

    def _caught_up(self) -> None:
        viewer = self._viewer()
        if viewer is not None and _open.get(viewer) is self:
            self._eyes.follow(*self._eyes.eyes)
            self._write()

    def _resized(self, event: Any = None) -> None:
        self.buttons.rise()
        for one in (self._viewer(), self.pane):
            probe = None if one is None else probe_of(one)
            if probe is not None:
                probe.update_soon()

    def _fit(self) -> None:
        """Show all of both: the canvases have their sizes by now."""
        viewer = self._viewer()
        if viewer is not None and _open.get(viewer) is self:
            # What else the viewer shows is hidden, and may be of any size.
            viewer.fit_to_view(layers=layers_of(viewer, self.links[0]))
            self._eyes.follow(*self._eyes.eyes)

    def _write(self, event: Any = None) -> None:
        """Say on each canvas which model it is."""
        viewer = self._viewer()
        for one, link in zip((viewer, self.pane), self.links, strict=True):
            probe = None if one is None else probe_of(one)
            if probe is not None and probe.words is None:
                fit = self.buttons.beside if one is self.pane else Lines(self._home)
                probe.words = Words(one, link, fit)
                probe.update_soon()


def _hide_others(viewer: Any, link: ScanLink) -> list[Any]:
    """Hide what lies over or under a scan; returns what was hidden."""
    hidden = [layer for layer in viewer.layers if layer.visible and link_of(layer) is not link]
    for layer in hidden:
        layer.visible = False
    for layer in layers_of(viewer, link):
        if is_image(layer):
            layer.visible = True
            viewer.layers.selection.active = layer
    return hidden


def _nothing() -> None:
    """Enlarge nothing."""
