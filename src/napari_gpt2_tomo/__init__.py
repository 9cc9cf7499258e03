"""Scan language models in napari the way a hospital scans a body.

    import napari_gpt2_tomo as tomo
    scan = tomo.scan("gpt2/")
    tomo.view(scan)

Importing this package costs milliseconds: the rooms behind the names are
imported when a name is first used.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

    from .activity.embedding.space import embedding_space
    from .activity.intervention import composition
    from .activity.lens import compare_next, logit_attribution, logit_lens, next_token
    from .activity.lesson import lesson
    from .activity.record import Activity, open_activity
    from .activity.report import write_report
    from .activity.running.changes import effect, run_changed
    from .activity.running.run import language_model, run
    from .activity.running.sweeps import sweep
    from .anatomy import Anatomy
    from .base import TomoError
    from .checkpoint import Checkpoint, open_checkpoint
    from .checkpoint.remote.download import download
    from .comparison import Comparison, compare
    from .export.html import export_html
    from .export.selection import save_selection
    from .facade import Scan
    from .series.series import Series
    from .viewer.activity.embedding.explorer import explore
    from .viewer.activity.layers import view_activity
    from .viewer.activity.overlay import paint_activity
    from .viewer.comparison.side_by_side import open_side_by_side
    from .viewer.console.commands import open_console
    from .viewer.navigator.fly import go_to
    from .viewer.navigator.pinning import pin
    from .viewer.panes.views import open_views
    from .viewer.pictures import record_flight, record_turntable, screenshot
    from .viewer.state import open_session, save_script, save_session
    from .viewer.switch import switch
    from .viewer.view import link
    from .volume.address import Address
    from .volume.strongest import strongest
    from .volume.volume import Volume

__all__ = [
    "Activity",
    "Address",
    "Anatomy",
    "Checkpoint",
    "Comparison",
    "Scan",
    "Series",
    "TomoError",
    "Volume",
    "compare",
    "compare_next",
    "composition",
    "download",
    "effect",
    "embedding_space",
    "explore",
    "export_html",
    "go_to",
    "language_model",
    "lesson",
    "link",
    "logit_attribution",
    "logit_lens",
    "next_token",
    "open_activity",
    "open_checkpoint",
    "open_console",
    "open_session",
    "open_side_by_side",
    "open_views",
    "paint_activity",
    "pin",
    "record_flight",
    "record_turntable",
    "run",
    "run_changed",
    "save_script",
    "save_selection",
    "save_session",
    "scan",
    "screenshot",
    "series",
    "strongest",
    "sweep",
    "switch",
    "view",
    "view_activity",
    "write_report",
]

_HOME = {
    "Activity": ".activity.record",
    "Address": ".volume.address",
    "Anatomy": ".anatomy",
    "Checkpoint": ".checkpoint",
    "Comparison": ".comparison",
    "Scan": ".facade",
    "Series": ".series.series",
    "TomoError": ".base",
    "Volume": ".volume.volume",
    "compare": ".comparison",
    "compare_next": ".activity.lens",
    "composition": ".activity.intervention",
    "download": ".checkpoint.remote.download",
    "effect": ".activity.running.changes",
    "embedding_space": ".activity.embedding.space",
    "explore": ".viewer.activity.embedding.explorer",
    "export_html": ".export.html",
    "go_to": ".viewer.navigator.fly",
    "language_model": ".activity.running.run",
    "lesson": ".activity.lesson",
    "link": ".viewer.view",
    "logit_attribution": ".activity.lens",
    "logit_lens": ".activity.lens",
    "next_token": ".activity.lens",
    "open_activity": ".activity.record",
    "open_checkpoint": ".checkpoint",
    "open_console": ".viewer.console.commands",
    "open_session": ".viewer.state",
    "open_side_by_side": ".viewer.comparison.side_by_side",
    "open_views": ".viewer.panes.views",
    "paint_activity": ".viewer.activity.overlay",
    "pin": ".viewer.navigator.pinning",
    "record_flight": ".viewer.pictures",
    "record_turntable": ".viewer.pictures",
    "run": ".activity.running.run",
    "run_changed": ".activity.running.changes",
    "save_script": ".viewer.state",
    "save_selection": ".export.selection",
    "save_session": ".viewer.state",
    "screenshot": ".viewer.pictures",
    "strongest": ".volume.strongest",
    "sweep": ".activity.running.sweeps",
    "switch": ".viewer.switch",
    "view_activity": ".viewer.activity.layers",
    "write_report": ".activity.report",
}


def scan(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    family: str | None = None,
    n_heads: int | None = None,
    **sizes: int,
) -> "Scan":
    """Open a checkpoint as a scan; reads headers only.

    Parameters
    ----------
    path
        A ``.safetensors`` file, an ``*.index.json``, one shard of a set, or a folder. A list
        of them gives a `Series`.
    family
        Family table to read the tensor names with; found from the names if None.
    n_heads, **sizes
        Hyper-parameters that the checkpoint does not tell.

    Raises
    ------
    TomoError
        The path is no checkpoint that can be read.
    """
    if not isinstance(path, str | os.PathLike):
        return series(path, family, n_heads=n_heads, **sizes)
    from .facade import Scan

    return Scan(path, family, n_heads=n_heads, **sizes)


def series(
    where: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    family: str | None = None,
    **sizes: int | None,
) -> "Series":
    """Open the checkpoints of a training run as one scan with a time axis; reads headers only.

    Parameters
    ----------
    where
        A folder of checkpoints (``step-1000/``, ``checkpoint-500/``, …), a pattern like
        ``"runs/step-*"``, or a list of anything that `scan` takes.
    family, **sizes
        As of `scan`, for every step.

    Raises
    ------
    TomoError
        There is no checkpoint, or they are not of one model: says what differs.
    """
    from .series.series import Series

    return Series(where, family, **sizes)


def view(
    scan: "Scan | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
    viewer: "napari.Viewer | None" = None,
    **options: Any,
) -> "napari.Viewer":
    """Show a scan or a series in napari, as drag and drop would; adds to `viewer` if one is given.

    `options` are those of `Scan.volume`: layout, signal, reduction, tensor, role.
    """
    from .viewer.view import view as show

    return show(scan, viewer, **options)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
