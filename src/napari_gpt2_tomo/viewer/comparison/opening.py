"""Opening two models that are to be shown side by side."""

import os
from dataclasses import dataclass
from typing import Any

from ...comparison.compare import refuse_adapter
from ...comparison.lora import adapted, is_adapter
from ...facade import Scan
from ..link import ScanLink, link_of
from .sides import Side

__all__ = ["Opened", "open_sides", "shown_in"]


@dataclass(frozen=True, slots=True)
class Opened:
    """Two models that were opened to be shown side by side.

    Attributes
    ----------
    a
        None where a viewer shows it already.
    b
        The second one.
    base
        What `b` is computed from, where it is an adapter.
    """

    a: Scan | None
    b: Scan
    base: Scan | None = None


def open_sides(a: Side, b: Side, shown: bool) -> Opened:
    """Open two models, in a thread that has time for it; `open_side_by_side` shows them.

    Parameters
    ----------
    a, b
        The models.
    shown
        Whether the viewer shows `a` already.

    Raises
    ------
    TomoError
        A path is no checkpoint, or `b` is an adapter of another model.
    """
    opened: list[Scan] = []
    try:
        refuse_adapter(a.path)
        adapter = is_adapter(b.path)
        first = None if shown else a.open()
        opened += [] if first is None else [first]
        # On a base of its own: the first scan may be closed while the pane still reads.
        base = a.open() if adapter else None
        opened += [] if base is None else [base]
        return Opened(first, b.open() if base is None else adapted(base, b.path), base)
    except BaseException:
        for scan in opened:
            scan.close()
        raise


def shown_in(viewer: Any, side: Any) -> ScanLink | None:
    """What shows a model in a viewer already."""
    if isinstance(side, Scan):
        wanted = str(side.still.checkpoint.path)
    else:
        wanted = side.path if isinstance(side, Side) else os.path.abspath(os.fspath(side))
    for layer in reversed(viewer.layers):
        link = link_of(layer)
        if link is None or type(link.scan) is not Scan:
            continue
        if link.scan is side or str(link.scan.checkpoint.path) == wanted:
            return link
    return None
