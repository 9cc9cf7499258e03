"""What the console remembers from one session to the next, in napari's plugin settings."""

import json
import os
from pathlib import Path
from typing import Any

from ..base import DisplayError
from ..checkpoint.address import Address, address_of
from ..display.presets import Preset, from_json, to_json
from .preferences import CONSOLE, section

__all__ = [
    "add_preset",
    "delete_preset",
    "drags_window",
    "merge_presets",
    "offers_console",
    "own_presets",
    "recent_addresses",
    "recent_scans",
    "remember_scan",
    "set_drags_window",
    "stop_offering",
]

LONGEST = 10
"""Recent scans that are kept: what a menu shows without scrolling."""

_unsaved: dict[str, Any] = {
    "drag_window": True,
    "offer_console": True,
    "presets": "",
    "recent_scans": "",
}
"""The values while napari has no settings of the plugin: a script that uses it unregistered."""


def drags_window() -> bool:
    """Whether the right button moves the window."""
    return bool(_get("drag_window"))


def set_drags_window(on: bool) -> None:
    """Let the right button move the window, or leave it to napari."""
    _set("drag_window", bool(on))


def offers_console() -> bool:
    """Whether the console is offered when the first scan of a session is opened."""
    return bool(_get("offer_console"))


def stop_offering() -> None:
    """Offer the console no more."""
    _set("offer_console", False)


def own_presets() -> tuple[Preset, ...]:
    """The user's own presets.

    Raises
    ------
    DisplayError
        The settings hold something else.
    """
    text = str(_get("presets"))
    if not text.strip():
        return ()
    try:
        return from_json(text)
    except DisplayError as error:
        raise DisplayError(
            f"Your presets in napari's settings cannot be read. {error} Mend or empty them in "
            "Preferences ▸ GPT-2 Tomograph ▸ My window presets; until then they stay as they are."
        ) from error


def add_preset(title: str, kind: Any, numbers: tuple[float, ...]) -> Preset:
    """Keep a preset; one of the same title is replaced.

    Raises
    ------
    DisplayError
        The preset is none, or the settings hold something that must not be lost.
    """
    title = title.strip()
    made = Preset(f"my-{title}", title, kind, numbers)
    kept = [row for row in own_presets() if row.title != made.title]
    _set("presets", to_json([*kept, made]))
    return made


def delete_preset(key: str) -> None:
    """Forget a preset; nothing happens if there is none."""
    _set("presets", to_json(row for row in own_presets() if row.key != key))


def merge_presets(text: str) -> tuple[Preset, ...]:
    """Add the presets of a file; one whose title is taken by another gets a number.

    Returns
    -------
    added
        Those that were not there before.

    Raises
    ------
    DisplayError
        The text is no file of presets, or the settings hold something that must not be lost.
    """
    kept = list(own_presets())
    added = []
    for row in from_json(text):
        same = (row.kind, row.numbers)
        if any(old.title == row.title and (old.kind, old.numbers) == same for old in kept):
            continue
        titles = {old.title for old in kept}
        title, number = row.title, 2
        while title in titles:
            title, number = f"{row.title} ({number})", number + 1
        new = Preset(f"my-{title}", title, row.kind, row.numbers)
        kept.append(new)
        added.append(new)
    _set("presets", to_json(kept))
    return tuple(added)


def recent_scans() -> list[Path]:
    """Where the checkpoints on disk are that were opened last, newest first; some may be gone."""
    return [Path(text) for text in _recent() if address_of(text) is None]


def recent_addresses() -> list[Address]:
    """Addresses of the checkpoints on servers that were opened last, newest first."""
    return [address for text in _recent() if (address := address_of(text)) is not None]


def _recent() -> list[str]:
    try:
        found = json.loads(str(_get("recent_scans")) or "[]")
    except ValueError:
        return []
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def remember_scan(path: str | os.PathLike[str]) -> None:
    """Put a checkpoint on top of the recent ones."""
    new = str(address_of(path) or os.path.abspath(path))
    others = [old for old in _recent() if old != new]
    _set("recent_scans", json.dumps([new, *others][:LONGEST]))


def _get(name: str) -> Any:
    found = section(CONSOLE)
    return _unsaved[name] if found is None else getattr(found, name)


def _set(name: str, value: Any) -> None:
    found = section(CONSOLE)
    if found is None:
        _unsaved[name] = value
    else:
        setattr(found, name, value)
