"""Which family table fits the names of a checkpoint."""

from collections.abc import Collection, Mapping
from typing import Any

from ..base import TomoError
from .config import model_type
from .families import FAMILIES, Table, tables
from .names import roots_dropped

__all__ = ["choose"]


def choose(
    keys: Collection[str],
    config: Mapping[str, Any],
    family: str | None,
    architecture: str | None = None,
) -> tuple[Table, dict[str, str]] | None:
    """The table that knows most of the names, and its name for each that it knows.

    Parameters
    ----------
    keys
        Names with ``#`` for numbers (`skeleton`), each once.
    config
        Decides between tables that know equally many names; may be empty.
    family
        The only family to consider, or None.
    architecture
        What a GGUF file says that it holds, which decides between tables of its names.

    Raises
    ------
    TomoError
        `family` is not known, or knows none of the names.
    """
    made, index = tables()
    if family is not None and all(family != known.name for known in FAMILIES):
        names = ", ".join(dict.fromkeys(known.name for known in FAMILIES))
        raise TomoError(f"The family {family!r} is not known; say one of {names}.")
    present: set[str] = set()
    matched: dict[Table, dict[str, str]] = {}
    for key in keys:
        variants = roots_dropped(key)
        present.update(variants)
        taken: set[Table] = set()
        for variant in variants:
            for table in index.get(variant, ()):
                if table not in taken:
                    taken.add(table)
                    matched.setdefault(table, {})[key] = variant
    stated = model_type(config)
    best: tuple[Table, dict[str, str]] | None = None
    best_score: tuple[int, bool, int] = (0, False, 0)
    for table in made:
        found = matched.get(table)
        known = table.family
        if not found or (family is not None and known.name != family):
            continue
        by_config = stated in known.model_types
        by_file = architecture in known.architectures
        holds = all(config.get(name) == value for name, value in known.when.items())
        if family is None:
            if not holds or (known.architectures and not by_file):
                continue
            if present.intersection(known.lacks):
                continue
            if not by_config and (
                not present.issuperset(known.needs) or table.evidence.isdisjoint(found.values())
            ):
                continue
        score = (
            len(found),
            by_config or by_file,
            len(known.needs) + (len(known.when) if holds else -1),
        )
        if score > best_score:
            best, best_score = (table, found), score
    if best is None and family is not None:
        raise TomoError(
            f"No tensor of this file has a name of the family {family!r}; "
            f"leave the family out to have it recognised."
        )
    return best
