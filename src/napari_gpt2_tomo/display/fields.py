"""Reading parsed JSON strictly: every entry is known, there and of its type, or it is said."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from ..base import DisplayError, finite_number

__all__ = [
    "Fields",
    "flag",
    "integer",
    "integers",
    "listed",
    "number",
    "numbers",
    "one_of",
    "text",
]

T = TypeVar("T")


class Fields:
    """The entries of one object of a file.

    Parameters
    ----------
    data
        What was parsed.
    where
        What it is, for messages.

    Raises
    ------
    DisplayError
        It is no object.
    """

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, Mapping):
            raise DisplayError(f"{where} must be an object in braces, not {shortened(data)}.")
        self._data = data
        self._where = where
        self._left = set(data)

    def take(self, name: str, check: Callable[[Any], T], *default: T) -> T:
        """An entry, checked; without a default it must be there."""
        self._left.discard(name)
        if name not in self._data:
            if default:
                return default[0]
            raise DisplayError(f"{self._where} lacks the entry {name!r}.")
        try:
            return check(self._data[name])
        except DisplayError as error:
            raise DisplayError(f"{self._where}, {name!r}: {error}") from None

    def optional(self, name: str, check: Callable[[Any], T]) -> T | None:
        """An entry that may be absent or null."""
        if self._data.get(name) is None:
            self._left.discard(name)
            return None
        return self.take(name, check)

    def done(self) -> None:
        """Raise `DisplayError` if there are entries that nobody took: perhaps a slip of the pen."""
        if self._left:
            words = ", ".join(sorted(map(repr, self._left)))
            raise DisplayError(f"{self._where} has entries that are not known: {words}.")


def text(value: Any) -> str:
    """A text, or `DisplayError`."""
    if not isinstance(value, str):
        raise DisplayError(f"must be a text, not {shortened(value)}.")
    return value


def number(value: Any) -> float:
    """A finite number, or `DisplayError`."""
    if value != value:
        raise DisplayError("must be a number, not NaN.")
    found = finite_number(value)
    if found is None:
        raise DisplayError(f"must be a finite number, not {shortened(value)}.")
    return found


def integer(value: Any) -> int:
    """A whole number, or `DisplayError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise DisplayError(f"must be a whole number, not {shortened(value)}.")
    return value


def flag(value: Any) -> bool:
    """True or false, or `DisplayError`."""
    if not isinstance(value, bool):
        raise DisplayError(f"must be true or false, not {shortened(value)}.")
    return value


def listed(value: Any) -> Sequence[Any]:
    """A list, or `DisplayError`."""
    if not isinstance(value, list | tuple):
        raise DisplayError(f"must be a list in brackets, not {shortened(value)}.")
    return value


def numbers(count: int | None = None) -> Callable[[Any], tuple[float, ...]]:
    """A check for a list of `count` finite numbers, of any number if None."""

    def check(value: Any) -> tuple[float, ...]:
        found = tuple(number(item) for item in listed(value))
        if count is not None and len(found) != count:
            raise DisplayError(f"must have {count} numbers, not {len(found)}.")
        return found

    return check


def integers(value: Any) -> tuple[int, ...]:
    """A list of whole numbers, or `DisplayError`."""
    return tuple(integer(item) for item in listed(value))


def one_of(known: Collection[Any]) -> Callable[[Any], Any]:
    """A check for one of some values."""

    def check(value: Any) -> Any:
        if value not in known:
            choices = ", ".join(map(repr, known))
            raise DisplayError(f"must be one of {choices}, not {shortened(value)}.")
        return value

    return check


def shortened(value: Any) -> str:
    """A value for a message."""
    words = repr(value)
    return words if len(words) <= SHORT else f"{words[: SHORT - 1]}…"


SHORT = 60
"""Characters of a value that a message quotes."""
