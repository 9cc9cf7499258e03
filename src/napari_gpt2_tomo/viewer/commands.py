"""What the menus do; each function gets the viewer from napari."""

from typing import Any

import napari

from ..base import TomoError
from ..volume.choice import Choice
from .layers import add_scan
from .link import Link, ScanLink, link_of, owner_of, shown_by
from .session import session_of
from .switch import switch
from .work import show

__all__ = [
    "add_again",
    "best_detail",
    "current_link",
    "current_shown",
    "show_body",
    "show_cube",
    "show_experts",
    "show_magnitude",
    "show_sigma",
    "show_signed",
    "toggle_four_views",
    "toggle_margins",
]

NO_SCAN = "Open a checkpoint first: drop a .safetensors file or a model's folder on the window."


def current_link(viewer: Any) -> ScanLink | None:
    """The scan that a command is about: that of the active layer, else of the topmost."""
    active = owner_of(viewer.layers.selection.active)
    if active is not None:
        return active
    found = (link_of(layer) for layer in reversed(viewer.layers))
    return next((link for link in found if link is not None), None)


def current_shown(viewer: Any) -> Link | None:
    """What the window of a viewer is about: what its active layer shows, else the topmost."""
    found = shown_by(viewer.layers.selection.active) or current_link(viewer)
    if found is not None:
        return found
    others = (shown_by(layer) for layer in reversed(viewer.layers))
    return next((link for link in others if link is not None), None)


def show_body(viewer: napari.Viewer) -> None:
    """Show the scan as a body: one section per matrix."""
    _show_as(viewer, layout="body")


def show_cube(viewer: napari.Viewer) -> None:
    """Show the scan with its whole tensors along a Hilbert curve."""
    _show_as(viewer, layout="cube")


def show_experts(viewer: napari.Viewer) -> None:
    """Show the experts of each layer of a mixture side by side."""
    _show_as(viewer, layout="experts")


def show_magnitude(viewer: napari.Viewer) -> None:
    """Show the magnitudes of the scan's weights."""
    _show_as(viewer, signal="magnitude")


def show_signed(viewer: napari.Viewer) -> None:
    """Show the scan's weights with their signs."""
    _show_as(viewer, signal="signed")


def show_sigma(viewer: napari.Viewer) -> None:
    """Show how far each weight of the scan is from its part's mean."""
    _show_as(viewer, signal="sigma")


def add_again(viewer: napari.Viewer) -> None:
    """Add what is shown of the scan as other layers, with a window and a cursor of their own."""
    link = _needed(viewer)
    if link is None:
        return
    shown = Choice.of(link.volume)
    options = {"tensor": shown.tensor, "role": shown.role}
    try:
        add_scan(
            viewer,
            link.scan,
            shown.layout,
            shown.signal,
            reduction=shown.reduction,
            owned=link.owned,
            name=link.name,
            **{name: value for name, value in options.items() if value is not None},
        )
    except TomoError as error:
        show(error)


def toggle_margins(viewer: napari.Viewer) -> None:
    """Show the margins of a body in 3-D (norms and biases), or hide them."""
    link = _needed(viewer)
    session = session_of(viewer)
    if session is None or link is None:
        return
    if link.volume.core is None:
        _say(f"A {link.volume.layout.name} has no margins; a body has.")
        return
    link.margins = not link.margins
    session.update_details()


def toggle_four_views(viewer: napari.Viewer) -> None:
    """Show the scan in three planes beside the volume, or the main view alone again."""
    from .panes import toggle_views

    toggle_views(viewer)


def best_detail(viewer: napari.Viewer) -> None:
    """Draw the finest level that the GPU takes in 3-D, or go back to the preferred budget."""
    link = _needed(viewer)
    if link is None:
        return
    best = link.console.detail != 0
    link.console.detail = 0 if best else None
    _say("Best 3-D detail." if best else "3-D detail within the budget of the preferences.")


def _show_as(viewer: Any, layout: str | None = None, signal: str | None = None) -> None:
    link = _needed(viewer)
    if link is None:
        return
    volume = link.volume
    wanted = (layout or volume.layout.name, signal or volume.signal)
    if wanted == (volume.layout.name, volume.signal):
        _say(f"{link.name} is shown as {wanted[0]}, {wanted[1].replace('_', ' ')} already.")
        return
    try:
        switch(viewer, link, layout, signal, wait=False)
    except TomoError as error:
        show(error)


def _needed(viewer: Any) -> ScanLink | None:
    link = current_link(viewer)
    if link is None:
        _say(NO_SCAN)
    return link


def _say(text: str) -> None:
    from napari.utils.notifications import show_info

    show_info(text)
