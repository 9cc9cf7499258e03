"""Transfer functions: the colour and the opacity of every value of a window."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..base import DisplayError

__all__ = [
    "DEFAULTS",
    "TRANSFERS",
    "Colour",
    "TransferFunction",
    "for_signal",
    "register",
    "transfer",
]

Colour = tuple[float, float, float]
"""Red, green, blue in 0…1, sRGB."""

Stops = tuple[tuple[float, float], ...]
"""Position in the window (0…1) and the opacity (0…1) there."""


@dataclass(frozen=True, slots=True)
class TransferFunction:
    """Colour stops and opacity stops over the window, linear in between.

    Attributes
    ----------
    name
        What it is called on screen and in scripts.
    colours, opacity
        Positions from 0 to 1 in ascending order, with the colour or the opacity there.
    signed
        Whether its middle is neutral: made for signals on both sides of 0.
    safe
        Whether people with a colour vision deficiency read it as others do.
    group
        Heading that it stands under.
    """

    name: str
    colours: tuple[tuple[float, Colour], ...]
    opacity: Stops
    signed: bool = False
    safe: bool = False
    group: str = "Other"

    def __post_init__(self) -> None:
        for stops in (self.colours, self.opacity):
            positions = [at for at, _ in stops]
            if positions != sorted(positions) or positions[:1] != [0] or positions[-1:] != [1]:
                raise DisplayError(
                    f"The stops of the transfer function {self.name!r} must rise from 0 to 1."
                )

    def lut(self, n: int = 256, *, invert: bool = False) -> NDArray[np.float32]:
        """A table of `n` colours, shape ``(n, 4)``: straight red, green, blue and opacity."""
        at = np.linspace(0, 1, n)
        return self.at(at, invert=invert)

    def at(self, positions: NDArray[np.floating], *, invert: bool = False) -> NDArray[np.float32]:
        """Colour and opacity at positions (0…1) of the window, shape ``(n, 4)``.

        `invert` turns the colours round, not the opacity: what is thin stays thin.
        """
        where = np.asarray(positions, np.float64)
        places = np.array([place for place, _ in self.colours])
        colours = np.array([colour for _, colour in self.colours])
        turned = 1 - where if invert else where
        out = np.empty((*where.shape, 4), np.float32)
        for channel in range(3):
            out[..., channel] = np.interp(turned, places, colours[:, channel])
        clear, alpha = zip(*self.opacity, strict=True)
        out[..., 3] = np.interp(where, clear, alpha)
        return out

    def positions(self, *, invert: bool = False) -> tuple[float, ...]:
        """Every position that has a stop: the function is linear between two of them."""
        turned = {1 - at if invert else at for at, _ in self.colours}
        return tuple(sorted(turned | {at for at, _ in self.opacity}))

    def over(
        self, background: Colour = (0.0, 0.0, 0.0), n: int = 256, *, invert: bool = False
    ) -> NDArray[np.float32]:
        """A table of `n` opaque colours, shape ``(n, 3)``: the function laid over a background."""
        lut = self.lut(n, invert=invert)
        colours, alpha = lut[:, :3], lut[:, 3:]
        return colours * alpha + np.asarray(background, np.float32) * (1 - alpha)


def _bytes(
    name: str, group: str, *stops: tuple[float, tuple[int, int, int], float]
) -> TransferFunction:
    """A function from rows of position, colour in 0…255 and opacity."""
    return TransferFunction(
        name,
        tuple((at, (r / 255, g / 255, b / 255)) for at, (r, g, b), _ in stops),
        tuple((at, alpha) for at, _, alpha in stops),
        group=group,
    )


RISING: Stops = ((0.0, 0.0), (0.2, 0.0), (0.36, 0.03), (0.6, 0.25), (1.0, 0.9))
"""Opacity of a magnitude: ordinary weights are air, strong ones solid.

Tried on GPT-2, where a ray meets several hundred voxels: with more opacity for
the bulk of the weights nothing is seen but the surface.
"""

VALLEY: Stops = (
    *((0.5 - at / 2, alpha) for at, alpha in reversed(RISING)),
    *((0.5 + at / 2, alpha) for at, alpha in RISING[1:]),
)
"""Opacity of a signed signal: the same to either side of 0, so V-shaped with a flat bottom."""

EVEN, DIVERGING, SCANNER, OTHER = "Even steps", "Signed", "Scanner", "Other"

MAP_STOPS = 33
"""Colour stops taken of a map of cmap; between them it is linear within 5 of 255 steps."""

WEIGHTS = "blue-orange"
"""Name of the function for signed weights."""

_OWN: tuple[TransferFunction, ...] = (
    TransferFunction(
        WEIGHTS,
        (
            (0.00, (0.78, 0.93, 1.00)),
            (0.20, (0.34, 0.70, 1.00)),
            (0.38, (0.16, 0.44, 0.88)),
            (0.50, (0.04, 0.04, 0.06)),
            (0.62, (0.88, 0.34, 0.12)),
            (0.80, (1.00, 0.60, 0.24)),
            (1.00, (1.00, 0.93, 0.70)),
        ),
        VALLEY,
        signed=True,
        safe=True,
        group=DIVERGING,
    ),
    # The five below are those of the original scanner, stop by stop.
    _bytes(
        "MRI T1",
        SCANNER,
        (0.0, (0, 0, 0), 0.0),
        (0.2, (0, 0, 50), 0.1),
        (0.4, (20, 20, 30), 0.05),
        (0.5, (80, 60, 60), 0.3),
        (0.7, (150, 100, 80), 0.5),
        (0.85, (200, 180, 160), 0.7),
        (1.0, (255, 255, 240), 0.9),
    ),
    _bytes(
        "MRI T2",
        SCANNER,
        (0.0, (0, 0, 0), 0.0),
        (0.3, (0, 30, 80), 0.2),
        (0.5, (50, 100, 150), 0.4),
        (0.7, (100, 180, 220), 0.6),
        (1.0, (200, 240, 255), 0.9),
    ),
    _bytes(
        "CT bone",
        SCANNER,
        (0.0, (0, 0, 0), 0.0),
        (0.5, (0, 0, 0), 0.0),
        (0.6, (150, 130, 100), 0.3),
        (0.8, (220, 200, 180), 0.7),
        (1.0, (255, 255, 255), 1.0),
    ),
    _bytes(
        "Rainbow",
        SCANNER,
        (0.0, (0, 0, 128), 0.3),
        (0.25, (0, 128, 255), 0.5),
        (0.5, (0, 255, 0), 0.6),
        (0.75, (255, 255, 0), 0.7),
        (1.0, (255, 0, 0), 0.9),
    ),
    _bytes(
        "Heat",
        SCANNER,
        (0.0, (0, 0, 128), 0.2),
        (0.25, (0, 100, 200), 0.4),
        (0.5, (255, 255, 255), 0.5),
        (0.75, (255, 150, 0), 0.7),
        (1.0, (200, 0, 0), 0.9),
    ),
)

_MAPS: Mapping[str, tuple[str, bool]] = {
    "inferno": (EVEN, False),
    "magma": (EVEN, False),
    "viridis": (EVEN, False),
    "cividis": (EVEN, False),
    "batlow": (EVEN, False),
    "gray": (EVEN, False),
    "berlin": (DIVERGING, True),
    "managua": (DIVERGING, True),
    "vik": (DIVERGING, True),
}
"""Maps of cmap that are in the table, all safe for colour-blind people: group, signed."""

_ORDER = (*list(_MAPS)[:6], WEIGHTS, *list(_MAPS)[6:], *(own.name for own in _OWN[1:]))

DEFAULTS: Mapping[str, str] = {
    "magnitude": "inferno",
    "rank": "magma",
    "signed": WEIGHTS,
    "sigma": WEIGHTS,
    "sigma_global": WEIGHTS,
    "activity": WEIGHTS,
    "strength": "hot",
    "attention": "magma",
}
"""Name of the function that a signal is shown with at first."""


class _Table(Mapping[str, TransferFunction]):
    """The functions by name in the order of the menu; those of cmap are made when asked for."""

    def __getitem__(self, name: str) -> TransferFunction:
        for own in _OWN:
            if own.name == name:
                return own
        if name not in _MAPS:
            raise KeyError(name)
        group, signed = _MAPS[name]
        return _map(name, name, group, signed=signed, safe=True)

    def __iter__(self) -> Iterator[str]:
        return iter(_ORDER)

    def __len__(self) -> int:
        return len(_ORDER)


TRANSFERS: Mapping[str, TransferFunction] = _Table()
"""Every function that a menu offers."""

_registered: dict[str, TransferFunction] = {}


def register(function: TransferFunction) -> None:
    """Make a function known by its name to `transfer` in this process.

    Raises
    ------
    DisplayError
        The table has another function of this name.
    """
    if function.name in TRANSFERS and TRANSFERS[function.name] != function:
        raise DisplayError(f"There is a transfer function {function.name!r} already.")
    _registered[function.name] = function


def transfer(name: str) -> TransferFunction:
    """The function of this name: of the table, registered, or any colormap that cmap knows.

    Capitals do not matter.

    Raises
    ------
    DisplayError
        Nobody knows it; the message lists the table.
    """
    if name in _registered:
        return _registered[name]
    known = {key.casefold(): key for key in TRANSFERS}
    found = known.get(str(name).casefold())
    return TRANSFERS[found] if found is not None else _from_cmap(str(name))


def for_signal(signal: str) -> TransferFunction:
    """What a signal is shown with at first."""
    return transfer(DEFAULTS[signal])


@cache
def _from_cmap(name: str) -> TransferFunction:
    import cmap

    try:
        category = cmap.Colormap(name).category
    except (TypeError, ValueError) as error:
        raise DisplayError(
            f"There is no transfer function {name!r}; there are {', '.join(TRANSFERS)}, and the "
            "colormaps of https://cmap-docs.readthedocs.io."
        ) from error
    return _map(name, name, OTHER, signed=category == "diverging", safe=False)


@cache
def _map(name: str, source: str, group: str, *, signed: bool, safe: bool) -> TransferFunction:
    import cmap

    at = np.linspace(0, 1, MAP_STOPS)
    rows = np.asarray(cmap.Colormap(source)(at), float)[:, :3].tolist()
    colours = tuple((float(x), (r, g, b)) for x, (r, g, b) in zip(at, rows, strict=True))
    return TransferFunction(name, colours, VALLEY if signed else RISING, signed, safe, group)
