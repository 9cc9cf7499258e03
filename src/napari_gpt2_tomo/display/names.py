"""Names like a mistyped one, also among a hundred thousand of them."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["near_names", "suggestion"]

_NUMBER = re.compile(r"\d+")

CUTOFF = 0.6
"""Likeness (0…1) from which a name counts as a slip of the pen; difflib's own choice."""


def near_names(name: str, names: Iterable[str], limit: int = 3) -> list[str]:
    """The names that are most like `name`, the best first.

    Names are compared by their form, which numbers do not change: a model has
    thousands of names but few forms. Of one form, the name with the closest
    numbers is taken.
    """
    forms: dict[str, list[str]] = {}
    for candidate in names:
        forms.setdefault(_form(candidate), []).append(candidate)
    wanted = [int(n) for n in _NUMBER.findall(name)]

    def distance(candidate: str) -> tuple[int, int]:
        numbers = [int(n) for n in _NUMBER.findall(candidate)]
        pairs = zip(wanted, numbers, strict=False)
        return abs(len(wanted) - len(numbers)), sum(abs(a - b) for a, b in pairs)

    return [
        min(forms[form], key=distance)
        for form in get_close_matches(_form(name), list(forms), limit, CUTOFF)
    ]


def suggestion(found: Iterable[str]) -> str:
    """ " Did you mean …?" for an error message, empty without names."""
    words = list(found)
    return f" Did you mean {' or '.join(words)}?" if words else ""


def _form(name: str) -> str:
    return _NUMBER.sub("0", name).casefold()
