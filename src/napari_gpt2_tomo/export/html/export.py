"""A scan as one HTML file that anybody can open, without this program and without a network."""

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ...base import DisplayError, Progress
from ...display.opening import opening_preset
from ...display.presets import Preset, preset
from ...display.transfer import for_signal
from ...display.transfer import transfer as transfer_of
from ...display.window import Window
from ...page import Page, in_script, pack, write_page
from ...volume.volume import Volume
from .header import make_header
from .niivue import NIIVUE, niivue_module, niivue_notice
from .resolution import DEFAULT_VOXELS, choose_resolution
from .scanner import MARKUP, SCRIPTS, STYLES, source
from .tables import make_tables
from .voxels import take_voxels

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["Limits", "export_html", "write_scanner"]

Limits = Window | Preset | tuple[float, float]
"""A window as it is given: itself, a preset, or its two limits in units of the signal."""


def export_html(
    scan: "Scan",
    path: str | os.PathLike[str],
    *,
    layout: str = "auto",
    signal: str | None = None,
    reduction: str | None = None,
    tensor: str | None = None,
    role: str | None = None,
    max_voxels: int = DEFAULT_VOXELS,
    window: "Limits | str | None" = None,
    transfer: str | None = None,
    invert: bool = False,
    at: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a scan as one offline HTML page: three slices, the volume, a probe.

    Parameters
    ----------
    scan
        What to show; stays open.
    path
        The file. An older one is replaced when the new one is complete.
    layout, signal, reduction, tensor, role
        As `Scan.volume` takes them.
    max_voxels
        The page shows the finest level with at most so many voxels. 128³ make some 3 MB,
        256³ some 18 MB that a browser needs several seconds for.
    window
        Values of the first and last colour, in units of the signal; a `Window`, a preset
        or its key. By default percentiles 0.1 to 99.9 of what is shown.
    transfer
        Name of a transfer function or of a colormap; the signal's own by default.
    invert
        Whether the colours begin turned round.
    at
        Level-0 voxel of the crosshair at first; by default a place where there is something
        to see.
    progress
        Told of the pass over the weights that computes the overview, if the cache lacks it.

    Returns
    -------
    path
        The file.

    Raises
    ------
    TomoError
        The layout, signal, window or transfer function does not exist here, no level is
        coarse enough, niivue is not installed, or the file cannot be written.
    """
    niivue_module()  # Before work that may take minutes.
    volume = scan.volume(layout, signal, reduction, tensor=tensor, role=role, progress=progress)
    write_scanner(
        scan,
        volume,
        path,
        max_voxels=max_voxels,
        window=window,
        transfer=transfer,
        invert=invert,
        at=at,
        progress=progress,
    )
    return Path(path)


def write_scanner(
    scan: "Scan",
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    max_voxels: int = DEFAULT_VOXELS,
    window: "Limits | str | None" = None,
    transfer: str | None = None,
    invert: bool = False,
    at: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> int:
    """Write the page of a volume of a scan; see `export_html`.

    Returns
    -------
    size
        Bytes of the file.
    """
    wanted = _wanted(window)
    colours = for_signal(volume.signal) if transfer is None else transfer_of(transfer)
    resolution = choose_resolution(volume, max_voxels)
    start = None if at is None else resolution.voxel(at)
    voxels = take_voxels(volume, resolution, progress)
    wanted = wanted or opening_preset(volume.signal, voxels.scale)
    shown = wanted.window(voxels.scale) if isinstance(wanted, Preset) else wanted
    tables = make_tables(volume, scan.shapes, resolution, voxels.labels)
    header = make_header(scan, volume, resolution, voxels, colours, shown.limits)
    header["invert"] = invert
    if start is not None:
        header["start"] = start
    kinds = voxels.labels.dtype.newbyteorder("<")
    contents = {
        "codes": voxels.codes.tobytes(),
        "labels": voxels.labels.astype(kinds).tobytes(),
        "tables": in_script(tables).encode(),
        "niivue": niivue_module().encode(),
    }
    if progress is not None:
        progress.start(sum(map(len, contents.values())), f"Packing {Path(path).name}")
    page = Page(
        title=f"{scan.name} · {volume.layout.name} · napari-gpt2-tomo",
        body=source(MARKUP),
        styles=[source(*STYLES)],
        scripts=[source(*SCRIPTS)],
        data={"scan": header},
        packed={name: pack(content, progress) for name, content in contents.items()},
        about=_about(),
        unpacks_modules=True,
    )
    return write_page(page, path)


def _wanted(window: "Limits | str | None") -> Window | Preset | None:
    """A window in any of its forms; one that cannot be is told before work that takes minutes."""
    if window is None:
        return None
    if isinstance(window, str):
        window = preset(window)
    if isinstance(window, Window | Preset):
        return window
    try:
        low, high = window
    except (TypeError, ValueError):
        raise DisplayError(
            f"A window is two numbers, a Window, a Preset or the key of one, not {window!r}."
        ) from None
    return Window.of_limits(low, high)


def _about() -> str:
    made = f"Made with napari-gpt2-tomo {version('napari-gpt2-tomo')} (MIT)."
    return f"{made} Holds niivue {NIIVUE}:\n\n{niivue_notice()}"
