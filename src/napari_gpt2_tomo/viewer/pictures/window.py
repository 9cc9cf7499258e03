"""A window that is open for as long as its pictures are taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import Progress
from ...volume.layouts.body import BodyLayout
from ...volume.volume import Volume
from ..layers import add_scan
from ..link import link_of
from ..work import finish_all

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["in_a_window", "telling_place"]


@contextmanager
def in_a_window(
    scan: "Scan",
    layout: str = "auto",
    signal: str | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Iterator[Any]:
    """A viewer that shows a scan at its best, with the cursor where there is something to see.

    Needs OpenGL and a display, which may be a virtual one.

    Parameters
    ----------
    scan
        Stays open.
    layout, signal, **options
        As `Scan.volume` takes them.
    progress
        Told of the pass over the weights that makes the overview, if the cache lacks it.

    Yields
    ------
    napari.Viewer
        Closed afterwards.

    Raises
    ------
    TomoError
        The layout or signal does not exist here.
    """
    import napari

    volume = scan.volume(layout, signal, progress=progress, **options)
    volume.refine(progress)
    # A canvas that was never shown is not drawn either.
    viewer = napari.Viewer(show=True)
    try:
        image = add_scan(viewer, scan, layout, signal, **options).image
        link = link_of(image)
        assert link is not None
        at = telling_place(scan, link.volume)
        link.cursor.move(at)
        for axis, place in enumerate(image.data_to_world(at)):
            viewer.dims.set_point(axis, float(place))
        finish_all()
        yield viewer
    finally:
        finish_all()
        viewer.close()


def telling_place(scan: "Scan", volume: Volume) -> list[int]:
    """Where planes show something of a scan: in a body, the keys a third of the way up and the
    channel that this layer writes loudest, for there heads and outlier channels are seen; else
    the middle.
    """
    at = [n // 2 for n in volume.shape]
    layer = (scan.anatomy.hyper.n_layers or 0) // 3
    keys, writer = (scan.anatomy.by_name.get(f"L{layer}.{role}") for role in ("k", "o"))
    layout = volume.still.layout
    if isinstance(layout, BodyLayout) and keys is not None and writer is not None:
        position = scan.anatomy.parts.index(keys)
        sections = (i for i, s in enumerate(layout.sections) if position in s.parts)
        loudness = np.nan_to_num(np.square(scan.values(writer), dtype=np.float64), posinf=0)
        place = [next(sections), int(loudness.sum(axis=1).argmax()), writer.shape[0] // 2]
        at = [*at[: volume.lead], *place]
    return at
