"""The fields of a console as JSON, and back; each is checked by the console itself."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..base import DisplayError
from .console import Console
from .fields import Fields, flag, listed, number, numbers, shortened, text
from .presets import PRESETS, preset
from .transfer import Colour
from .window import Window

__all__ = ["console_of_json", "console_to_json"]


def console_to_json(console: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a console as JSON takes them."""
    found: dict[str, Any] = {}
    for name, value in console.items():
        if isinstance(value, Window):
            found[name] = {"centre": value.centre, "width": value.width}
        elif name == "preset":
            # One of the user's own may be another by then; its window stays.
            found[name] = value.key if value in PRESETS and not value.per_part else None
        elif isinstance(value, frozenset):
            found[name] = sorted(value)
        elif isinstance(value, Mapping):
            found[name] = {part: list(colour) for part, colour in sorted(value.items())}
        else:
            found[name] = value
    return found


def console_of_json(data: Any, where: str) -> dict[str, Any]:
    """The fields of a console from parsed JSON, each checked by the console itself."""
    entries = Fields(data, where)
    trial = Console()
    found: dict[str, Any] = {}
    for one in fields(Console):
        if not one.init or not isinstance(data, Mapping) or one.name not in data:
            continue
        usual = flag if isinstance(one.default, bool) else lambda value: value
        value = entries.take(one.name, _READERS.get(one.name, usual))
        try:
            setattr(trial, one.name, value)
        except (TypeError, ValueError) as error:
            raise DisplayError(f"{where}, {one.name!r}: {error}") from None
        found[one.name] = getattr(trial, one.name)
    entries.done()
    return found


def _window(value: Any) -> Window:
    entries = Fields(value, "a window")
    found = Window(entries.take("centre", number), entries.take("width", number))
    entries.done()
    return found


def _tints(value: Any) -> dict[str, Colour]:
    if not isinstance(value, dict):
        raise DisplayError(f"must be an object in braces, not {shortened(value)}.")
    check = numbers(3)
    return {str(part): check(colour) for part, colour in value.items()}  # type: ignore[misc]


def _names(value: Any) -> frozenset[str] | None:
    return None if value is None else frozenset(text(name) for name in listed(value))


_READERS: Mapping[str, Any] = {
    "window": _window,
    "tints": _tints,
    "shown": _names,
    "hidden": _names,
    "preset": lambda value: None if value is None else preset(text(value)),
}
"""How the fields are read that are no plain numbers, words, true or false."""
