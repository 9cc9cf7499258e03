"""What a pickle is made of that Python would make objects of: names of classes, and instances."""

from typing import Any

from .malformed import Malformed, quoted

__all__ = ["Global", "Instance", "OutOfBytes", "Refused", "as_key"]

_KEYS = (str, int, float, bytes, type(None))
"""What may be a key: hashing tuples of tuples of tuples … would take forever."""


class OutOfBytes(Exception):
    """The pickle goes on after the bytes that there are."""


class Refused(Malformed):
    """The pickle wants something that is not done; `wanted` is its name."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"it wants to call {quoted(wanted)[1:-1]}", "That is not done")
        self.wanted = wanted


class Global:
    """The name of a class or function."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Instance:
    """An object of any class, as far as the pickle tells.

    Attributes
    ----------
    kind
        Its class.
    args
        What it was made with.
    state
        What it was given afterwards: mostly a mapping of its attributes.
    items
        What was put into it under keys, as into a mapping.
    """

    __slots__ = ("args", "items", "kind", "state")

    def __init__(self, kind: Global, args: tuple[Any, ...] = ()) -> None:
        self.kind = kind
        self.args = args
        self.state: Any = None
        self.items: dict[Any, Any] = {}


def as_key(value: Any) -> Any:
    """A key of a mapping; other things than texts and numbers by what stands for them."""
    if isinstance(value, _KEYS):
        return value
    if isinstance(value, tuple) and len(value) <= 8 and all(isinstance(it, _KEYS) for it in value):
        return value
    if isinstance(value, (Global, Instance)):
        return value
    raise TypeError("a key that is neither text nor number")
