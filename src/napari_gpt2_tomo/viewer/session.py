"""What lives beside a viewer while it shows scans: probe, refinement, 3-D detail, tidying up."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

from . import compat, drag, shortcuts
from .activity.array_link import ArrayLink, array_link_of
from .activity.pictures import Pictures
from .console.binding import Binding
from .console.notice import offer
from .detail import Detail
from .files import remember_files
from .layers import is_image
from .link import ScanLink, link_of, links
from .preferences import on_change, preferences
from .probe import Probe
from .refine import Refinement
from .volume3d.scene import Scene
from .work import when_idle

__all__ = [
    "Session",
    "detail_budget",
    "session_of",
    "sessions_of",
    "show_again",
    "watch",
    "watch_open_viewers",
    "watch_soon",
]

MEGABYTE = 2**20

FLAT = ((0.0, 0.0, 0.0), (0.0, 0.0, 90.0))
"""Euler angles in degrees of a camera that nobody has turned yet, by version of napari."""

CORNER = (0.0, 25.0, 40.0)
"""Euler angles in degrees from which three faces of a volume are seen."""

_sessions: WeakKeyDictionary[Any, "Session"] = WeakKeyDictionary()


def watch(viewer: Any) -> "Session":
    """Make the layers of scans live in a viewer, those in it and those to come. Idempotent."""
    viewer = compat.real_viewer(viewer)
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = Session(viewer)
    return session


def session_of(viewer: Any) -> "Session | None":
    """The session of a viewer, None if it never showed a scan."""
    return _sessions.get(compat.real_viewer(viewer))


def show_again(link: ScanLink) -> None:
    """Draw a link's present voxels in every viewer that shows it."""
    for session in list(_sessions.values()):
        session.show_again(link)


def sessions_of(link: ScanLink) -> "list[Session]":
    """The sessions of all viewers that show a link."""
    return [
        session
        for session in list(_sessions.values())
        if any(link_of(layer) is link for layer in list(session.details))
    ]


def watch_open_viewers() -> None:
    """Watch every viewer of this process: a reader does not know for which one it reads."""
    for viewer in compat.open_viewers():
        watch(viewer)


_looking = False


def watch_soon() -> None:
    """Watch every viewer when the events of the moment have run; only on Qt's main thread."""
    from qtpy.QtCore import QThread, QTimer
    from qtpy.QtWidgets import QApplication

    global _looking
    app = QApplication.instance()
    if _looking or app is None or QThread.currentThread() != app.thread():
        return

    def look() -> None:
        global _looking
        _looking = False
        watch_open_viewers()

    _looking = True
    QTimer.singleShot(0, look)


class Session:
    """Makes the layers of scans live in one viewer.

    Attributes
    ----------
    probe
        Reads what is under the cursor; None while the viewer shows no scan.
    details
        Who chooses the 3-D level of each layer.
    bindings
        What keeps each image in step with its scan's console.
    scenes
        What shows slabs, planes, region and points of each image.
    pictures
        What makes layers of activity live; None while the viewer shows none.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self.probe: Probe | None = None
        self.details: WeakKeyDictionary[Any, Detail] = WeakKeyDictionary()
        self.bindings: WeakKeyDictionary[Any, Binding] = WeakKeyDictionary()
        self.scenes: WeakKeyDictionary[Any, Scene] = WeakKeyDictionary()
        self.pictures: Pictures | None = None
        self._end_preferences: Callable[[], None] = _nothing
        self._end_hands: tuple[Callable[[], None], ...] = ()
        events = viewer.layers.events
        events.inserted.connect(self._inserted)
        events.removing.connect(self._removing)
        events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._turn)
        for layer in viewer.layers:
            self.adopt(layer)

    @property
    def viewer(self) -> Any:
        """The viewer model; None once it is gone."""
        return self._viewer()

    def adopt(self, layer: Any) -> None:
        """Make a layer live; layers of others are left alone."""
        viewer, link = self._viewer(), link_of(layer)
        picture = array_link_of(layer)
        if viewer is not None and picture is not None and layer not in self.bindings:
            self._adopt_picture(viewer, layer, picture)
        if viewer is None or link is None or layer in self.details:
            return
        link.layers.add(layer)
        remember_files(link.scan)
        link.masks.tint(layer)
        if is_image(layer):
            self.bindings[layer] = Binding(layer, link.console, viewer)
        if not self.details:
            self._end_preferences = on_change(self.update_details)
        self._take_hands(viewer)
        detail = Detail(viewer, layer, link, lambda: detail_budget())
        self.details[layer] = detail
        detail.update()
        if is_image(layer):
            self.scenes[layer] = Scene(viewer, layer, link, lambda: detail_budget(), _say)
        self._probe(viewer, layer)
        _refine(link)
        _select_image_soon(viewer, link)
        offer(viewer)

    def release(self, layer: Any) -> None:
        """Let go of a layer: nothing of it stays connected or in memory."""
        picture = array_link_of(layer)
        if self.pictures is not None and picture is not None and layer in self.bindings:
            self._release_picture(self.pictures, layer, picture)
        detail = self.details.pop(layer, None)
        link = link_of(layer)
        if detail is None or link is None:
            return
        detail.close()
        for kept in (self.bindings, self.scenes):
            if layer in kept:
                kept.pop(layer).close()
        link.layers.discard(layer)
        if not self.details:
            self._end_preferences()
            self._end_preferences = _nothing
        self._unprobe(layer)
        if not link.layers:
            _settle_soon(link)

    def _adopt_picture(self, viewer: Any, layer: Any, link: ArrayLink) -> None:
        link.layers.add(layer)
        self.bindings[layer] = Binding(layer, link.console, viewer)
        self._take_hands(viewer)
        if self.pictures is None:
            self.pictures = Pictures(viewer)
        self.pictures.add(layer)
        self._probe(viewer, layer)

    def _release_picture(self, pictures: Pictures, layer: Any, link: ArrayLink) -> None:
        link.layers.discard(layer)
        self.bindings.pop(layer).close()
        pictures.remove(layer)
        if not len(pictures.layers):
            pictures.close()
            self.pictures = None
        self._unprobe(layer)

    def _take_hands(self, viewer: Any) -> None:
        """Let mouse and keys move the window, if they do not yet."""
        if not self._end_hands:
            self._end_hands = (drag.install(viewer), shortcuts.install(viewer))

    def _probe(self, viewer: Any, layer: Any) -> None:
        if self.probe is None:
            self.probe = Probe(viewer)
        layer.events.set_data.connect(self.probe.update_soon)
        layer.events.visible.connect(self.probe.update_soon)
        self.probe.update()

    def _unprobe(self, layer: Any) -> None:
        """Read a layer no more; without another one give mouse, keys and canvas text back."""
        if self.probe is not None:
            layer.events.set_data.disconnect(self.probe.update_soon)
            layer.events.visible.disconnect(self.probe.update_soon)
        if self.details or self.pictures is not None:
            if self.probe is not None:
                self.probe.update()
            return
        for end in self._end_hands:
            end()
        self._end_hands = ()
        if self.probe is not None:
            self.probe.close()
            self.probe = None

    def show_again(self, link: ScanLink) -> None:
        """Draw a link's present voxels."""
        for layer, detail in list(self.details.items()):
            if link_of(layer) is link:
                detail.reload()
                if layer in self.scenes:
                    self.scenes[layer].update()
        if self.probe is not None:
            self.probe.update()

    def let_go(self, link: ScanLink) -> None:
        """Hold no voxels of a link's layers: they are about to get another volume."""
        for layer, detail in self.details.items():
            if link_of(layer) is link:
                detail.let_go()

    def take_up(self, link: ScanLink) -> None:
        """Show the volume that a link's layers have got, and make it better."""
        for layer, detail in list(self.details.items()):
            if link_of(layer) is link:
                detail.update()
                link.masks.tint(layer)
                if layer in self.scenes:
                    self.scenes[layer].update()
        _refine(link)

    def update_details(self) -> None:
        """Choose the 3-D level and the clipping of every layer again."""
        for detail in self.details.values():
            detail.update()
        for scene in self.scenes.values():
            scene.update()

    def _turn(self, event: Any = None) -> None:
        """Look at a volume from a corner: napari's first view shows one face of it, flat."""
        viewer = self._viewer()
        live = self.details or self.pictures is not None
        if viewer is None or not live or viewer.dims.ndisplay != 3:
            return
        camera = viewer.scene.camera
        if tuple(camera.angles) in FLAT:
            camera.angles = CORNER
            viewer.fit_to_view()

    def _inserted(self, event: Any) -> None:
        try:
            self.adopt(event.value)
        except Exception as error:
            # An exception in here would leave napari's insertion half done.
            _report(error)

    def _removing(self, event: Any) -> None:
        viewer = self._viewer()
        if viewer is not None and self.details:
            compat.keep_context(viewer)

    def _removed(self, event: Any) -> None:
        try:
            self.release(event.value)
        except Exception as error:
            _report(error)


def detail_budget() -> int:
    """Bytes that one volume may take on the GPU, as the user set them."""
    return preferences().detail_megabytes * MEGABYTE


def _refine(link: ScanLink) -> None:
    if link.refinement is None:
        weak = ref(link)

        def stage() -> None:
            found = weak()
            if found is not None:
                show_again(found)

        link.refinement = Refinement(link, stage)
    link.refinement.start()


def _select_image_soon(viewer: Any, link: ScanLink) -> None:
    """Make the image of a link the active layer once napari has chosen the one added last.

    The atlas lies over the image, so it comes last, but whoever opens a scan
    wants the controls of the picture.
    """
    from qtpy.QtCore import QTimer

    weak = ref(viewer)

    def select() -> None:
        found = weak()
        if found is None or link_of(found.layers.selection.active) is not link:
            return
        images = [layer for layer in found.layers if link_of(layer) is link and is_image(layer)]
        if images and not found.layers.selection.active.visible:
            found.layers.selection.active = images[-1]

    QTimer.singleShot(0, select)


def _settle_soon(link: ScanLink) -> None:
    """Stop the work for a link and close its scan, unless its layers move to another viewer."""
    from qtpy.QtCore import QTimer

    QTimer.singleShot(0, lambda: _settle(link))


def _settle(link: ScanLink) -> None:
    if link.layers:
        return
    if link.refinement is not None:
        link.refinement.cancel()
        link.refinement = None
    if link.scan.still.checkpoint.is_remote:
        link.arrivals.stop()
    if not link.owned or any(other.layers and other.scan is link.scan for other in links()):
        return
    # A thread that still reads must not lose the mapped file under its feet.
    when_idle(link.scan.close)


def _say(text: str) -> None:
    from napari.utils.notifications import show_info

    show_info(text)


def _report(error: Exception) -> None:
    from napari.utils.notifications import notification_manager

    notification_manager.receive_error(type(error), error, error.__traceback__)


def _nothing() -> None:
    """End nothing."""
