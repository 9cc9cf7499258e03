"""Window presets: a table, and how each kind of row becomes a window."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..base import DisplayError, finite_number
from .window import Scale, Window

__all__ = [
    "KINDS",
    "PRESETS",
    "Kind",
    "Preset",
    "from_json",
    "preset",
    "to_json",
]

Kind = Literal[
    "weight", "sigma", "hu", "percentile", "part", "tail", "central", "around_zero", "range"
]

NUMBERS: Mapping[Kind, tuple[str, ...]] = {
    "weight": ("centre", "width"),
    "sigma": ("centre", "width"),
    "hu": ("centre", "width"),
    "percentile": ("low", "high"),
    "part": ("low", "high"),
    "tail": ("low", "high"),
    "central": ("share",),
    "around_zero": ("reach",),
    "range": (),
}
"""What the numbers of each kind are.

weight, sigma, hu: centre and width in that unit. percentile: percent of all
values. part: the same of the values of one part. tail: strong values, black
up to `low` σ, full from `high` σ. central: the percent of all values that are
nearest to 0. around_zero: up to `reach` σ from 0. range: everything.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

LONGEST_TITLE = 60
"""Characters of a title: what fits into a menu."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One row of the table.

    Attributes
    ----------
    key
        What a script calls it.
    title
        What a person reads.
    kind
        How the numbers are meant, see `NUMBERS`.
    numbers
        As many as the kind has.
    about
        What it is good for, in one line.
    group
        Heading that it stands under.

    Raises
    ------
    DisplayError
        The kind does not exist, or the numbers do not fit it.
    """

    key: str
    title: str
    kind: Kind
    numbers: tuple[float, ...] = ()
    about: str = ""
    group: str = "My presets"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def per_part(self) -> bool:
        """Whether the window is that of one part, not of all that is shown."""
        return self.kind == "part"

    def window(self, scale: Scale) -> Window:
        """The window for a signal; for a preset per part `scale` is the part's."""
        return _WINDOWS[self.kind](scale, *self.numbers)


def _centred(scale: Scale, centre: float, width: float, unit: Any) -> Window:
    length = scale.length_from(width, unit)
    return Window(scale.from_(centre, unit), length) if length > 0 else scale.exactly(0, 0)


def _percentile(scale: Scale, low: float, high: float) -> Window:
    return scale.window(scale.quantile(low / 100), scale.quantile(high / 100))


def _tail(scale: Scale, low: float, high: float) -> Window:
    # One window cannot leave out the middle of a signed signal: its transfer
    # function does, whose opacity grows with the distance from 0.
    if scale.two_sided:
        return scale.exactly(scale.mean - high * scale.sigma, scale.mean + high * scale.sigma)
    return scale.exactly(scale.mean + low * scale.sigma, scale.mean + high * scale.sigma)


def _central(scale: Scale, share: float) -> Window:
    inside = share / 100
    if scale.two_sided:
        return scale.window(scale.quantile((1 - inside) / 2), scale.quantile((1 + inside) / 2))
    return scale.window(scale.low, scale.quantile(inside))


def _around_zero(scale: Scale, reach: float) -> Window:
    far = reach * scale.sigma
    return scale.exactly(-far if scale.two_sided else 0.0, far)


_WINDOWS: Mapping[Kind, Callable[..., Window]] = {
    "weight": lambda scale, centre, width: _centred(scale, centre, width, "weight"),
    "sigma": lambda scale, centre, width: _centred(scale, centre, width, "sigma"),
    "hu": lambda scale, centre, width: _centred(scale, centre, width, "hu"),
    "percentile": _percentile,
    "part": _percentile,
    "tail": _tail,
    "central": _central,
    "around_zero": _around_zero,
    "range": lambda scale: scale.window(scale.low, scale.high),
}


def _check(row: Preset) -> None:
    if row.kind not in KINDS:
        raise DisplayError(f"There is no kind of preset {row.kind!r}: {_one_of(KINDS)}.")
    if not row.title.strip() or len(row.title) > LONGEST_TITLE or not row.title.isprintable():
        raise DisplayError(f"A preset needs a title of 1 to {LONGEST_TITLE} characters.")
    names = NUMBERS[row.kind]
    if len(row.numbers) != len(names):
        raise DisplayError(f"A preset of kind {row.kind!r} has {_listed(names)}.")
    for name, value in zip(names, row.numbers, strict=True):
        if finite_number(value) is None:
            raise DisplayError(f"Its {name} must be a finite number, not {value!r}.")
    values = dict(zip(names, row.numbers, strict=True))
    if any(values.get(name, 1) <= 0 for name in ("width", "share", "reach")):
        raise DisplayError(f"Its {names[-1]} must be above 0: a window of width 0 shows nothing.")
    if "low" in values and not values["low"] < values["high"]:
        raise DisplayError("Its low must be below its high.")
    shares = [value for name, value in values.items() if name == "share"]
    if row.kind in ("percentile", "part"):
        shares += row.numbers
    if any(not 0 <= value <= 100 for value in shares):
        raise DisplayError("Its percentages must lie between 0 and 100.")


def _one_of(names: Iterable[str]) -> str:
    return f"choose one of {', '.join(names)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no numbers"


AUTO, WEIGHTS, SCANNER = "Automatic", "Tissue of weights", "CT numbers (HU)"

PRESETS: tuple[Preset, ...] = (
    Preset(
        "p0.1-99.9",
        "Percentiles 0.1–99.9",
        "percentile",
        (0.1, 99.9),
        "All but one weight in a thousand on either side: what a scan opens with",
        AUTO,
    ),
    Preset(
        "p1-99",
        "Percentiles 1–99",
        "percentile",
        (1, 99),
        "More contrast: one weight in a hundred is saturated on either side",
        AUTO,
    ),
    Preset(
        "part",
        "This part",
        "part",
        (0.1, 99.9),
        "Percentiles 0.1–99.9 of the part at the cursor",
        AUTO,
    ),
    Preset("full", "Full", "range", (), "From the smallest to the largest value", WEIGHTS),
    Preset(
        "soft-tissue",
        "Soft tissue",
        "central",
        (90,),
        "The bulk: the 90 % of the weights that are nearest to 0",
        WEIGHTS,
    ),
    Preset(
        "high-density",
        "High density",
        "tail",
        (1, 5),
        "Strong weights: dark up to 1 σ above the mean, full from 5 σ",
        WEIGHTS,
    ),
    Preset(
        "fine-structure",
        "Fine structure",
        "sigma",
        (0, 1),
        "Half a σ to either side of the mean: texture of ordinary weights",
        WEIGHTS,
    ),
    Preset(
        "low-density", "Low density", "central", (50,), "The weaker half of the weights", WEIGHTS
    ),
    Preset(
        "outliers",
        "Outliers beyond 6 σ",
        "tail",
        (6, 12),
        "Dark up to 6 σ, full from 12 σ; with signs, half of full strength at 6 σ",
        WEIGHTS,
    ),
    Preset(
        "zero",
        "Zero neighbourhood",
        "around_zero",
        (0.1,),
        "Up to a tenth of a σ from 0: pruned, masked and untrained weights",
        WEIGHTS,
    ),
    # Centre and width of the original scanner.
    Preset("hu-full", "Full", "hu", (0, 2000), "Centre 0, width 2000 HU", SCANNER),
    Preset("hu-soft-tissue", "Soft tissue", "hu", (40, 400), "Centre 40, width 400 HU", SCANNER),
    Preset(
        "hu-high-density", "High density", "hu", (500, 1500), "Centre 500, width 1500 HU", SCANNER
    ),
    Preset(
        "hu-fine-structure", "Fine structure", "hu", (0, 100), "Centre 0, width 100 HU", SCANNER
    ),
    Preset("hu-low", "Low density", "hu", (-200, 600), "Centre −200, width 600 HU", SCANNER),
)
"""In the order of the menu."""

_BY_KEY = {row.key: row for row in PRESETS}


def preset(key: str, own: Iterable[Preset] = ()) -> Preset:
    """The preset of this key, from the table or from a user's own.

    Raises
    ------
    DisplayError
        There is no such preset; the message lists those that there are.
    """
    known = _BY_KEY | {row.key: row for row in own}
    if key not in known:
        raise DisplayError(f"There is no preset {key!r}; there are {', '.join(known)}.")
    return known[key]


def to_json(presets: Iterable[Preset]) -> str:
    """Own presets as text for a file: one readable object each."""
    rows = [
        {"title": row.title, "kind": row.kind}
        | dict(zip(NUMBERS[row.kind], row.numbers, strict=True))
        for row in presets
    ]
    return json.dumps({"presets": rows}, indent=2, ensure_ascii=False)


def from_json(text: str) -> tuple[Preset, ...]:
    """Own presets from the text of a file.

    Raises
    ------
    DisplayError
        The text is not what `to_json` writes: says which entry is wrong, and how.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DisplayError(f"This is no file of presets: {error}.") from None
    rows = data.get("presets") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise DisplayError('This is no file of presets: it has no list "presets".')
    found = tuple(_row(row, number) for number, row in enumerate(rows, 1))
    titles = [row.title for row in found]
    for title in titles:
        if titles.count(title) > 1:
            raise DisplayError(f"Two presets are called {title!r}: give each its own title.")
    return found


def _row(row: Any, number: int) -> Preset:
    where = f"Preset {number}"
    if not isinstance(row, dict):
        raise DisplayError(f"{where} is no object with a title, a kind and numbers.")
    title, kind = row.get("title"), row.get("kind")
    if not isinstance(title, str):
        raise DisplayError(f"{where} has no title.")
    if kind not in KINDS:
        raise DisplayError(f"{where} ({title!r}) has the kind {kind!r}: {_one_of(KINDS)}.")
    names = NUMBERS[kind]
    wrong = set(row) ^ {"title", "kind", *names}
    if wrong:
        raise DisplayError(
            f"{where} ({title!r}) is of kind {kind!r}, which has {_listed(names)}; look at "
            f"{_listed(sorted(wrong))}."
        )
    try:
        return Preset(f"my-{title}", title, kind, tuple(row[name] for name in names))
    except DisplayError as error:
        raise DisplayError(f"{where} ({title!r}): {error}") from None
