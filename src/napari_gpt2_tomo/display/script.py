"""A scan session as a Python script that opens it again, by the public names only."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from ..volume.choice import Choice
from .console import Console
from .looks import LOOKS
from .opening import FIXED
from .presets import PRESETS
from .state import ScanState, SessionState, Source, ViewState
from .transfer import DEFAULTS
from .window import Window

__all__ = ["session_script"]

HEAD = '''"""A scan session of napari-gpt2-tomo as a script; it opens the same view again."""

import napari
import napari_gpt2_tomo as tomo

viewer = napari.Viewer()
'''

TAIL = """
if __name__ == "__main__":
    napari.run()
"""


def session_script(state: SessionState) -> str:
    """The script of a session: what differs from how a scan opens anyway, one call a line."""
    lines = [HEAD.rstrip()]
    for scan in state.scans:
        lines += ["", *_scan(scan)]
    lines += ["", "# Where one looks.", *_view(state.view)]
    return "\n".join(lines) + "\n" + TAIL


def _scan(scan: ScanState) -> Iterator[str]:
    yield f"# {_comment(scan.name)}"
    if scan.source.steps:
        yield f"scan = tomo.series({_opening(scan.source)})"
    elif scan.source.against is None:
        yield f"scan = tomo.scan({_opening(scan.source)})"
    else:
        yield f"first = tomo.scan({_opening(scan.source)})"
        second = repr(scan.source.against.path)
        if _said(scan.source.against):
            yield f"second = tomo.scan({_opening(scan.source.against)})"
            second = "second"
        yield f"scan = tomo.compare(first, {second}, kind={scan.source.kind!r})"
    options = "".join(f", {name}={value!r}" for name, value in _options(scan.volume))
    yield f"tomo.view(scan, viewer{options}, name={scan.name!r})"
    yield "link = tomo.link(viewer)"
    if not scan.visible:
        yield "viewer.layers[-2].visible = False"
    if scan.atlas:
        yield "viewer.layers[-1].visible = True"
    if scan.margins:
        yield "link.margins = True"
    yield from _console(scan.console, scan.volume.signal)
    for pin in scan.pins:
        note = f", note={pin.note!r}" if pin.note else ""
        yield f"tomo.pin(viewer, {f'{pin.tensor}{list(pin.index)}'!r}{note})"
    yield f"link.cursor.move({scan.cursor!r})"


def _said(source: Source) -> dict[str, Any]:
    """What the user said about a model when it was opened."""
    said: dict[str, Any] = dict(source.sizes)
    if source.family is not None:
        said["family"] = source.family
    return said


def _opening(source: Source) -> str:
    """The arguments that open a model."""
    said = "".join(f", {name}={value!r}" for name, value in _said(source).items())
    # A series of a list has no place but its first step's.
    listed = bool(source.steps) and source.path == source.steps[0]
    return f"{list(source.steps) if listed else source.path!r}{said}"


def _options(volume: Choice) -> Iterator[tuple[str, str]]:
    for name in ("layout", "signal", "reduction", "tensor", "role"):
        value = getattr(volume, name)
        if value is not None:
            yield name, value


def _console(console: Mapping[str, Any], signal: str) -> Iterator[str]:
    look = LOOKS[signal]
    opening = {
        "transfer": DEFAULTS[signal],
        "gamma": look.gamma,
        "rendering": look.rendering,
        "attenuation": look.attenuation,
    }
    chosen = console.get("preset")
    for one in fields(Console):
        if one.name not in console or one.name == "preset":
            continue
        value = console[one.name]
        if one.name == "window":
            yield from _window(value, chosen, FIXED.get(signal))
            continue
        usual = one.default if one.default is not MISSING else None
        if one.default_factory is not MISSING:
            usual = one.default_factory()
        if value != opening.get(one.name, usual):
            yield f"link.console.{one.name} = {_literal(value)}"


def _window(window: Window, chosen: Any, opening: str | None) -> Iterator[str]:
    if chosen in PRESETS and not chosen.per_part:
        if chosen.key != opening:
            yield f"link.console.apply_preset({chosen.key!r})"
        return
    low, high = window.limits
    # Twelve digits: more than a float32 has, without the noise of centre ± width/2.
    yield f"link.console.set_limits({low:.12g}, {high:.12g})"


def _view(view: ViewState) -> Iterator[str]:
    if view.four_views:
        yield "tomo.open_views(viewer)"
    yield f"viewer.dims.order = {view.order!r}"
    yield f"viewer.dims.ndisplay = {view.ndisplay!r}"
    yield f"viewer.dims.set_point(range({len(view.point)}), {view.point!r})"
    yield "camera = viewer.scene.camera"
    yield f"camera.center = {view.center!r}"
    if view.canvas:
        height, width = view.canvas
        yield "height, width = viewer.canvas.size"
        yield f"camera.zoom = {view.zoom!r} * min(height / {height:g}, width / {width:g})"
    else:
        yield f"camera.zoom = {view.zoom!r}"
    yield f"camera.angles = {view.angles!r}"
    if view.perspective:
        yield f"camera.perspective = {view.perspective!r}"


def _literal(value: Any) -> str:
    """A value as Python writes it, in an order that does not change."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(map(repr, sorted(value))) + "}" if value else "set()"
    if isinstance(value, Mapping):
        rows = (f"{part!r}: {tuple(colour)!r}" for part, colour in sorted(value.items()))
        return "{" + ", ".join(rows) + "}"
    return repr(value)


def _comment(words: str) -> str:
    """A name on one line: it is anybody's words, and must not become code."""
    return " ".join(words.split())
