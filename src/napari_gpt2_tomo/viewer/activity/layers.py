"""The one module that makes layers of activity."""

from collections.abc import Sequence
from typing import Any

from ...activity.record import Activity
from ...base import TomoError
from .. import compat
from ..appearance import appearance
from ..layers import LayerData
from ..link import KEY, link_of
from .array_link import ArrayLink, array_link_of
from .desk import Place, desk_of, share_desk

__all__ = [
    "USUAL",
    "add_activity",
    "look_at",
    "picture_data",
    "show_beside",
    "show_opened",
    "usual",
    "view_activity",
]

USUAL = ("states", "mlp_post", "pattern")
"""What is shown where nothing else is asked for; the last lies on top and is seen."""


def picture_data(activity: Activity, site: str) -> LayerData:
    """An image of one kind of activity, for napari.

    Parameters
    ----------
    activity
        What was measured.
    site
        A name of `sites.SHOWABLE`: that of a site, or ``"states"``.

    Raises
    ------
    TomoError
        There is no such kind, or nothing of it was recorded.
    """
    link = ArrayLink(activity, site)
    picture = link.picture
    options = {
        "name": link.name,
        "scale": picture.scale,
        "translate": picture.translate,
        "axis_labels": ("head", "layer", "row", "column"),
        "units": ("dimensionless",) * len(picture.axes),
        "metadata": {KEY: link, "site": site, "axes": tuple(axis.name for axis in picture.axes)},
        "interpolation2d": "nearest",
        "interpolation3d": "nearest",
        "blending": "translucent",
        "multiscale": False,
        "rgb": False,
        **appearance(link.console),
    }
    return picture.data, options, "image"


def usual(activity: Activity) -> tuple[str, ...]:
    """What of an activity is shown where nothing else is asked for; the last is seen.

    Of `USUAL` what was recorded, else the first that was. Empty if there is nothing to show.
    """
    from .sites import SHOWABLE

    there = [kind.name for kind in SHOWABLE if kind.fits(activity)]
    return tuple(name for name in USUAL if name in there) or tuple(there[:1])


def add_activity(viewer: Any, activity: Activity, sites: Sequence[str] = USUAL) -> list[Any]:
    """Add layers of activity to a viewer, live; the last is on top, the others are hidden.

    What was not recorded is left out where it was not asked for by name.

    Returns
    -------
    list of napari.layers.Image

    Raises
    ------
    TomoError
        Something that was asked for was not recorded.
    """
    from napari.layers import Layer

    from ..session import watch

    names = [sites] if isinstance(sites, str) else list(sites)
    if tuple(names) == USUAL:
        names = list(usual(activity))
        if not names:
            raise TomoError("Nothing was recorded that could be shown: run the model again.")
    made = [picture_data(activity, name) for name in names]
    viewer = compat.real_viewer(viewer)
    watch(viewer)
    desk = desk_of(viewer)
    place = desk.place
    for layer in viewer.layers:
        # All pictures lie in one place: one is seen at a time.
        if array_link_of(layer) is not None:
            layer.visible = False
    layers = []
    for i, (data, options, kind) in enumerate(made):
        options["visible"] = i == len(made) - 1
        layers.append(viewer.add_layer(Layer.create(data, options, kind)))
    look_at(viewer, layers[-1], place)
    return layers


def look_at(viewer: Any, layer: Any, place: Place) -> None:
    """Let a viewer look at a picture that was just added, at a place of the desk."""
    from ..session import session_of
    from .pictures import fit

    viewer.layers.selection.active = layer
    session = session_of(viewer)
    if session is not None and session.pictures is not None:
        # napari begins in the middle of every axis.
        desk_of(viewer).move(layer=place.layer, head=place.head)
        session.pictures.follow()
        fit(viewer, layer, session.pictures)


def view_activity(activity: Activity, viewer: Any = None, sites: Sequence[str] = USUAL) -> Any:
    """Show an activity in napari: images with the tokens on their axes, and on the desk.

    Parameters
    ----------
    activity
        What was measured.
    viewer
        Viewer to add to; a new one if None.
    sites
        What is shown: names of `activity.record.SITES`, or ``"states"`` for the residual stream.
        The last is seen, the others are hidden layers.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    TomoError
        Something that was asked for was not recorded.
    """
    import napari

    if viewer is None:
        viewer = napari.Viewer(title=_title(activity))
    desk = desk_of(viewer)
    if desk.activity is not activity:
        desk.show(activity)
    add_activity(viewer, activity, sites)
    return viewer


def show_beside(viewer: Any, site: str) -> Any:
    """Show one kind of the activity on a viewer's desk, in a window beside it.

    A viewer that shows nothing else is used itself: the axes of a body are others.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    TomoError
        There is nothing on the desk, or it was not recorded.
    """
    viewer = compat.real_viewer(viewer)
    activity = desk_of(viewer).activity
    if activity is None:
        raise TomoError("Run a prompt first.")
    target = _window_beside(viewer, activity)
    for layer in target.layers:
        link = array_link_of(layer)
        if link is not None and link.activity is activity and link.picture.kind.name == site:
            _show_only(target, layer)
            return target
    add_activity(target, activity, (site,))
    return target


def show_opened(viewer: Any, activity: Activity) -> Any:
    """Put an opened activity on a viewer's desk and show it, beside a scan in another window.

    Returns
    -------
    napari.Viewer
        The one that shows its layers.

    Raises
    ------
    TomoError
        Nothing was recorded that could be shown.
    """
    viewer = compat.real_viewer(viewer)
    desk_of(viewer).show(activity)
    target = viewer
    if any(link_of(layer) is not None for layer in viewer.layers):
        target = _window_beside(viewer, activity)
    add_activity(target, activity)
    return target


def _window_beside(viewer: Any, activity: Activity) -> Any:
    """A viewer with the same desk that shows activity and nothing else, a new one if need be."""
    import napari

    target = _beside(viewer)
    if target is None:
        target = napari.Viewer(title=_title(activity))
        share_desk(target, viewer)
    return target


def _show_only(viewer: Any, chosen: Any) -> None:
    from ..session import session_of
    from .pictures import fit

    for layer in viewer.layers:
        if array_link_of(layer) is not None:
            layer.visible = layer is chosen
    viewer.layers.selection.active = chosen
    session = session_of(viewer)
    if session is not None and session.pictures is not None:
        fit(viewer, chosen, session.pictures)


def _beside(viewer: Any) -> Any:
    """An open viewer with the same desk that shows activity and nothing else."""
    desk = desk_of(viewer)
    for one in (viewer, *compat.open_viewers()):
        if desk_of(one) is desk and all(array_link_of(layer) is not None for layer in one.layers):
            return one
    return None


def _title(activity: Activity) -> str:
    text = " ".join(activity.text.split())
    return f"{activity.source.name} · {text[:60]}{'…' if len(text) > 60 else ''}"
