"""A console and a layer in step: whoever is changed, the other follows."""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

import numpy as np

from ...base import DisplayError
from ...display.console import Console
from ...display.window import Window
from ..appearance import colormap_of, slider_range, threshold_of, transfer_of
from ..work import show

__all__ = ["Binding"]

EXACT = 1e-9
"""Relative difference below which two limits are the same: rounding of centre and width."""


class Binding:
    """Keeps an image layer and a console in step until it is closed.

    A change of the layer (by napari's own controls or a script) changes the
    console, one of the console changes the layer; neither comes back. Nothing
    that it does makes napari read weights again.

    Parameters
    ----------
    layer
        An image; not kept alive.
    console
        What it shows; wins where the two differ at first.
    viewer
        The viewer model that the layer is in, not kept alive: a volume has
        opacity, a slice has none.
    """

    def __init__(self, layer: Any, console: Console, viewer: Any) -> None:
        self._layer = ref(layer)
        self._viewer = ref(viewer)
        self._console = console
        self._busy = False
        self._soon = _throttled(self._push_window)
        for name, heard in self._hear().items():
            getattr(layer.events, name).connect(heard)
        for names, told in self._tell().items():
            for name in names.split():
                getattr(console.events, name).connect(told)
        console.refreshed.connect(self._push_range)
        viewer.dims.events.ndisplay.connect(self._turned)
        self._push_range()
        for told in self._tell().values():
            told()

    def close(self) -> None:
        """Let go of both."""
        self._soon.stop()
        layer, viewer = self._layer(), self._viewer()
        if layer is not None:
            for name, heard in self._hear().items():
                getattr(layer.events, name).disconnect(heard)
        for names, told in self._tell().items():
            for name in names.split():
                getattr(self._console.events, name).disconnect(told, missing_ok=True)
        self._console.refreshed.disconnect(self._push_range, missing_ok=True)
        if viewer is not None:
            viewer.dims.events.ndisplay.disconnect(self._turned)

    def flush(self) -> None:
        """Show a window that waits to be shown in 3-D."""
        self._soon.flush()

    def _hear(self) -> Mapping[str, Callable[..., None]]:
        """What is done when an attribute of the layer changes."""
        return {
            "contrast_limits": self._take_window,
            "colormap": self._take_colormap,
            "gamma": self._take_gamma,
            "opacity": self._take_opacity,
            "rendering": self._take_rendering,
            "attenuation": self._take_attenuation,
            "iso_threshold": self._take_threshold,
        }

    def _tell(self) -> Mapping[str, Callable[..., None]]:
        """What is done when fields of the console change."""
        return {
            "window": self._window_moved,
            "preset": self._preset_chosen,
            "transfer invert": self._push_colormap,
            "gamma": self._push_gamma,
            "opacity": self._push_opacity,
            "rendering": self._push_rendering,
            "attenuation": self._push_attenuation,
            "iso_threshold": self._push_threshold,
        }

    # From the layer to the console.

    def _take(self, change: Callable[[Any], None]) -> None:
        layer = self._layer()
        if self._busy or layer is None:
            return
        self._busy = True
        try:
            change(layer)
        except DisplayError as error:
            show(error)
        finally:
            self._busy = False

    def _take_window(self, event: Any = None) -> None:
        def change(layer: Any) -> None:
            low, high = (float(limit) for limit in layer.contrast_limits)
            if not _same((low, high), self._console.window.limits):
                self._soon.stop()
                self._console.window = Window.of_limits(low, high)

        self._take(change)
        self._push_threshold()

    def _take_colormap(self, event: Any = None) -> None:
        def change(layer: Any) -> None:
            self._console.transfer, self._console.invert = transfer_of(layer.colormap)

        self._take(change)
        # Somebody's map of the same name, or one without opacity for a volume.
        self._push_colormap()

    def _take_gamma(self, event: Any = None) -> None:
        self._take(lambda layer: setattr(self._console, "gamma", layer.gamma))

    def _take_opacity(self, event: Any = None) -> None:
        self._take(lambda layer: setattr(self._console, "opacity", layer.opacity))

    def _take_rendering(self, event: Any = None) -> None:
        self._take(lambda layer: setattr(self._console, "rendering", str(layer.rendering)))
        self._push_threshold()
        self._push_colormap()

    def _take_attenuation(self, event: Any = None) -> None:
        self._take(lambda layer: setattr(self._console, "attenuation", layer.attenuation))

    def _take_threshold(self, event: Any = None) -> None:
        def change(layer: Any) -> None:
            window = self._console.window
            share = (float(layer.iso_threshold) - window.limits[0]) / window.width
            self._console.iso_threshold = min(max(share, 0.0), 1.0)

        self._take(change)

    # From the console to the layer.

    def _push(self, name: str, value: Any) -> None:
        layer = self._layer()
        if layer is None or self._busy or getattr(layer, name) == value:
            return
        self._busy = True
        try:
            setattr(layer, name, value)
        finally:
            self._busy = False

    def _window_moved(self, *_: Any) -> None:
        if self._displayed() == 3:
            self._soon.call()
        else:
            self._push_window()

    def _push_window(self) -> None:
        layer, limits = self._layer(), self._console.window.limits
        if layer is not None and not _same(layer.contrast_limits, limits):
            self._push("contrast_limits", limits)
        self._push_threshold()

    def _push_range(self) -> None:
        layer = self._layer()
        if layer is not None:
            low, high = slider_range(self._console)
            shown = layer.contrast_limits
            # Limits outside of it would be moved into it.
            self._push("contrast_limits_range", [min(low, shown[0]), max(high, shown[1])])

    def _preset_chosen(self, *_: Any) -> None:
        # A window far out widened the range; one by hand is no reason to change it.
        if self._console.preset is not None:
            self._push_range()

    def _push_colormap(self, *_: Any) -> None:
        self._push("colormap", colormap_of(self._console, self._displayed()))

    def _push_gamma(self, *_: Any) -> None:
        self._push("gamma", self._console.gamma)

    def _push_opacity(self, *_: Any) -> None:
        self._push("opacity", self._console.opacity)

    def _push_rendering(self, *_: Any) -> None:
        self._push("rendering", self._console.rendering)
        self._push_threshold()
        self._push_colormap()

    def _push_attenuation(self, *_: Any) -> None:
        self._push("attenuation", self._console.attenuation)

    def _push_threshold(self, *_: Any) -> None:
        # In units of the data it changes with every move of the window, and napari draws
        # the layer's thumbnail again for it.
        if self._console.rendering == "iso":
            self._push("iso_threshold", threshold_of(self._console))

    def _turned(self, event: Any = None) -> None:
        self._push_colormap()
        self._push_window()

    def _displayed(self) -> int:
        viewer = self._viewer()
        return 2 if viewer is None else int(viewer.dims.ndisplay)


def _same(one: Any, other: Any) -> bool:
    scale = max(abs(other[0]), abs(other[1]))
    return bool(np.allclose(one, other, rtol=0, atol=EXACT * scale))


class _AtOnce:
    """What a throttle is where there is no window to draw in."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.call = function

    def flush(self) -> None:
        """Nothing waits."""

    stop = flush


def _throttled(function: Callable[[], None]) -> Any:
    try:
        from qtpy.QtWidgets import QApplication

        from ..throttle import Throttle
    except ImportError:
        return _AtOnce(function)
    return _AtOnce(function) if QApplication.instance() is None else Throttle(function)
