"""A scan session as data: what is open, how it is shown, where one looks. As JSON and back.

The file is small and meant to be read and mended by people: one entry a line, named as in
the API. Whatever is wrong in it is said with the place; nothing is guessed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from ..base import DisplayError, save_text
from ..volume.choice import Choice
from ..volume.reading.signal import SignalName
from .console_state import console_of_json, console_to_json
from .fields import (
    Fields,
    flag,
    integer,
    integers,
    listed,
    number,
    numbers,
    one_of,
    shortened,
    text,
)

__all__ = [
    "FORMAT",
    "SUFFIX",
    "VERSION",
    "PinEntry",
    "ScanState",
    "SessionState",
    "Source",
    "ViewState",
    "read_state",
    "write_state",
]

SUFFIX = ".tomo.json"
"""How the name of a session's file ends."""

FORMAT = "napari-gpt2-tomo scan session"
VERSION = 1
"""Raised when an entry changes its meaning."""

MAX_BYTES = 16 << 20
"""Bytes: a session takes a few kilobytes, with thousands of pins a megabyte."""


@dataclass(frozen=True)
class Source:
    """Where a checkpoint is.

    Attributes
    ----------
    path
        Absolute path of the file or folder.
    relative
        The same from the folder of the session's file, with slashes; None if there is no way.
        Tried when `path` is gone: a folder with a model and its sessions may be moved.
    fingerprint
        `Checkpoint.fingerprint`: tells whether it is still the same.
    family, sizes
        What the user said about the model when it was opened.
    against
        Of a comparison: the second model; this is the first one. `fingerprint` is then that of
        their difference.
    kind
        Of a comparison: what of it is shown.
    steps
        Of a series: the paths of its checkpoints, which are taken where `path`, its folder or
        pattern, leads to none any more. Empty for a single checkpoint.
    """

    path: str
    fingerprint: str
    relative: str | None = None
    family: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    against: "Source | None" = None
    kind: str | None = None
    steps: tuple[str, ...] = ()

    @classmethod
    def of_json(cls, data: Any, where: str) -> "Source":
        """From parsed JSON."""
        entries = Fields(data, where)
        found = cls(
            entries.take("path", text),
            entries.take("fingerprint", text),
            entries.optional("relative", text),
            entries.optional("family", text),
            entries.take("sizes", _sizes, {}),
            entries.optional("against", lambda found: cls.of_json(found, f"{where}, against")),
            entries.optional("kind", text),
            entries.take("steps", lambda value: tuple(map(text, listed(value))), ()),
        )
        entries.done()
        return found


@dataclass(frozen=True)
class PinEntry:
    """A pinned parameter; the rest follows from the model."""

    tensor: str
    index: tuple[int, ...]
    note: str = ""

    @classmethod
    def of_json(cls, data: Any, where: str) -> "PinEntry":
        """From parsed JSON."""
        entries = Fields(data, where)
        found = cls(
            entries.take("tensor", text),
            entries.take("index", integers),
            entries.take("note", text, ""),
        )
        entries.done()
        return found


@dataclass(frozen=True)
class ScanState:
    """One scan of a session.

    Attributes
    ----------
    source
        The checkpoint.
    name
        What it is called on screen.
    volume
        What is shown of it.
    console
        How: the fields of `Console`, as `Console.update` takes them.
    cursor
        The voxel that all views share.
    margins
        Whether the margins of a body are shown in 3-D.
    visible, atlas
        Whether the image and the atlas are seen.
    pins
        The pinned probes.
    """

    source: Source
    name: str
    volume: Choice
    console: Mapping[str, Any]
    cursor: tuple[int, ...]
    margins: bool = False
    visible: bool = True
    atlas: bool = False
    pins: tuple[PinEntry, ...] = ()

    @classmethod
    def of_json(cls, data: Any, where: str) -> "ScanState":
        """From parsed JSON."""
        entries = Fields(data, where)
        pins: Sequence[Any] = entries.take("pins", listed, ())
        found = cls(
            entries.take("source", lambda value: Source.of_json(value, f"{where}, source")),
            entries.take("name", text),
            entries.take("volume", lambda value: _choice(value, f"{where}, volume")),
            entries.take("console", lambda value: console_of_json(value, f"{where}, console")),
            entries.take("cursor", integers),
            entries.take("margins", flag, False),
            entries.take("visible", flag, True),
            entries.take("atlas", flag, False),
            tuple(PinEntry.of_json(pin, f"{where}, pin {i}") for i, pin in enumerate(pins, 1)),
        )
        entries.done()
        return found


@dataclass(frozen=True)
class ViewState:
    """Where a viewer looks.

    Attributes
    ----------
    ndisplay, order, point
        Of its dims.
    center, zoom, angles, perspective
        Of its camera.
    canvas
        Height and width in pixels when it was saved: in a window of another size the
        camera comes nearer or goes away accordingly.
    four_views
        Whether the planes stand beside the volume.
    """

    ndisplay: int
    order: tuple[int, ...]
    point: tuple[float, ...]
    center: tuple[float, ...]
    zoom: float
    angles: tuple[float, ...]
    perspective: float = 0.0
    canvas: tuple[float, ...] = ()
    four_views: bool = False

    @classmethod
    def of_json(cls, data: Any, where: str) -> "ViewState":
        """From parsed JSON."""
        entries = Fields(data, where)
        found = cls(
            entries.take("ndisplay", one_of((2, 3))),
            entries.take("order", integers),
            entries.take("point", numbers()),
            entries.take("center", numbers(3)),
            entries.take("zoom", _positive),
            entries.take("angles", numbers(3)),
            entries.take("perspective", number, 0.0),
            entries.take("canvas", numbers(2), ()),
            entries.take("four_views", flag, False),
        )
        entries.done()
        if sorted(found.order) != list(range(len(found.point))):
            raise DisplayError(
                f"{where}: 'order' must hold each of the {len(found.point)} axes of 'point' once, "
                f"not {list(found.order)}."
            )
        return found


@dataclass(frozen=True)
class SessionState:
    """A whole session: the scans from the lowest layer to the highest, and the view."""

    scans: tuple[ScanState, ...]
    view: ViewState

    def to_json(self) -> str:
        """The session as text for a file."""
        scans = [
            asdict(replace(scan, console=console_to_json(scan.console))) for scan in self.scans
        ]
        data = {"format": FORMAT, "version": VERSION, "scans": scans, "view": asdict(self.view)}
        return _written(data) + "\n"

    @classmethod
    def of_json(cls, words: str) -> "SessionState":
        """From the text of a file.

        Raises
        ------
        DisplayError
            It is no session, one of a later version, or something in it is wrong: says what.
        """
        try:
            data = json.loads(words)
        except (ValueError, RecursionError) as error:
            raise DisplayError(f"This is no scan session: {error}.") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise DisplayError(f'This is no scan session: it lacks "format": "{FORMAT}".')
        version = data.get("version")
        if version != VERSION:
            raise DisplayError(
                f"This scan session has version {shortened(version)}; this program reads version "
                f"{VERSION}. Update napari-gpt2-tomo."
            )
        entries = Fields(data, "The session")
        entries.take("format", text)
        entries.take("version", integer)
        scans = entries.take("scans", listed)
        found = cls(
            tuple(ScanState.of_json(value, f"Scan {i}") for i, value in enumerate(scans, 1)),
            entries.take("view", lambda value: ViewState.of_json(value, "The view")),
        )
        entries.done()
        return found


def write_state(state: SessionState, path: Path) -> Path:
    """Write a session to a file, whole or not at all; its name gets the right ending.

    Raises
    ------
    TomoError
        The file cannot be written.
    """
    name = path.name.removesuffix(SUFFIX).removesuffix(".json").removesuffix(".tomo")
    return save_text(path.with_name(name + SUFFIX), state.to_json())


def read_state(path: Path) -> SessionState:
    """The session of a file.

    Raises
    ------
    DisplayError
        The file cannot be read, or is no session; the message names the file and the entry.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DisplayError(f"{path} is larger than any scan session.")
        words = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DisplayError(f"{path} cannot be read: {error}.") from error
    try:
        return SessionState.of_json(words)
    except DisplayError as error:
        raise DisplayError(f"{path}: {error}") from None


def _choice(data: Any, where: str) -> Choice:
    """What a volume shows; whether there is such a volume is found out when it is opened."""
    entries = Fields(data, where)
    found = Choice(
        entries.take("layout", text),
        entries.take("signal", one_of(get_args(SignalName))),
        entries.take("reduction", text),
        entries.optional("tensor", text),
        entries.optional("role", text),
    )
    entries.done()
    return found


def _positive(value: Any) -> float:
    found = number(value)
    if found <= 0:
        raise DisplayError(f"must be above 0, not {found:g}.")
    return found


def _sizes(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise DisplayError(f"must be an object in braces, not {shortened(value)}.")
    return {str(name): integer(size) for name, size in value.items()}


def _written(value: Any, indent: str = "") -> str:
    """JSON with one entry a line, and lists of plain values on one."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        rows = (f"{inner}{json.dumps(key)}: {_written(item, inner)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        rows = (inner + _written(item, inner) for item in value)
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
