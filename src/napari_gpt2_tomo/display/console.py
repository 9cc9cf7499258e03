"""How one volume is shown: an object that holds it, checks it and says when it changes."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from psygnal import Signal, SignalGroupDescriptor

from ..base import DisplayError
from .distribution import Distribution, Distributions, Spread
from .looks import LOOKS, RENDERINGS, Rendering
from .opening import opening_preset
from .presets import Preset, preset
from .transfer import DEFAULTS, Colour, transfer
from .window import Scale, Unit, Window

if TYPE_CHECKING:
    from ..volume.volume import Volume

__all__ = [
    "PROJECTIONS",
    "Console",
    "Projection",
    "Region",
]

Projection = Literal["mean", "max", "min"]
"""How the sections of a thick slab become one picture."""

PROJECTIONS: tuple[Projection, ...] = get_args(Projection)

Region = tuple[tuple[int, int], ...]
"""A box in voxels of level 0: per axis the first and one past the last."""

MOST_POINTS = 10**6
"""Points that are drawn at once: more hide each other, and napari takes minutes to make them."""


@dataclass(eq=False)
class Console:
    """How one volume is shown. Every field has a signal of its name in ``console.events``.

    A field that is set to something that cannot be shown raises `DisplayError`
    and keeps its value.

    Attributes
    ----------
    window
        Which values are spread over the colours, in units of the displayed signal.
    transfer
        Name of the transfer function.
    invert
        Whether its colours are turned round.
    gamma, opacity
        Exponent of the position in the window, 0.05 to 5; opacity of the layer, 0 to 1.
    rendering, attenuation, iso_threshold
        How the volume is drawn in 3-D; how fast it fades in ``attenuated_mip``, 0 to 1;
        where in the window (0 to 1) the surface of ``iso`` lies.
    slab, slab_projection
        Sections that a slice is thick, and how they become one picture.
    solid, planes
        Whether the volume itself, and whether the slices at the cursor are drawn in 3-D.
    region
        Box that the volume is cut to, in voxels of level 0; None is all.
    detail
        Level that is drawn in 3-D, 0 is the finest; None is the finest that fits the budget.
    bounding_box
        Whether the edges of the volume are drawn.
    points
        How many of the strongest parameters are drawn as points in 3-D; 0 is none.
    shown, hidden
        Names of the parts that alone are shown (None is all), and of those that are not.
    tints
        Colour of parts that have one of their own, by name.
    preset
        The preset that the window is that of; None once it was moved.
    """

    window: Window = field(default_factory=lambda: Window(0.5, 1.0))
    transfer: str = DEFAULTS["magnitude"]
    invert: bool = False
    gamma: float = 1.0
    opacity: float = 1.0
    rendering: Rendering = "attenuated_mip"
    attenuation: float = 0.05
    iso_threshold: float = 0.5
    slab: int = 1
    slab_projection: Projection = "mean"
    solid: bool = True
    planes: bool = False
    region: Region | None = None
    detail: int | None = None
    bounding_box: bool = False
    points: int = 0
    shown: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    tints: Mapping[str, Colour] = field(default_factory=dict)
    preset: Preset | None = None

    _distributions: Spread | None = field(default=None, init=False, repr=False)
    _part: str | None = field(default=None, init=False, repr=False)
    _untouched: bool = field(default=False, init=False, repr=False)

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(
        signal_aliases={"_distributions": None, "_part": None, "_untouched": None}
    )

    refreshed = Signal()
    """The volume, or its statistics, are others than before."""

    def __setattr__(self, name: str, value: Any) -> None:
        check = _CHECKS.get(name)
        value = value if check is None else check(name, value)
        moved = name == "window" and self.__dict__.get("window") not in (None, value)
        super().__setattr__(name, value)
        if name == "preset":
            self._untouched = False
        if moved:
            self.preset = None

    @classmethod
    def of(cls, volume: "Volume") -> "Console":
        """The console of a volume as its signal is shown at first."""
        console = cls()
        console.follow(volume)
        console.reset()
        return console

    @classmethod
    def of_values(cls, values: Spread) -> "Console":
        """The console of what is no volume of weights, as its signal is shown at first."""
        console = cls()
        console._distributions = values
        console.reset()
        return console

    @property
    def distributions(self) -> Spread:
        """What windows in σ, HU and percent are read off.

        Raises
        ------
        DisplayError
            The console belongs to no volume.
        """
        if self._distributions is None:
            raise DisplayError("This console belongs to no volume yet.")
        return self._distributions

    @property
    def signal(self) -> str:
        """The displayed signal."""
        return self.distributions.signal

    def distribution(self, part: str | None = None) -> Distribution:
        """How the signal is distributed over all parts, or in one.

        Raises
        ------
        DisplayError
            There is no such part, or the console has no volume.
        """
        return self.distributions.of(part)

    def scale(self, part: str | None = None) -> Scale:
        """What windows in σ, HU and percent refer to; see `distribution`."""
        return self.distribution(part).scale()

    def apply_preset(
        self, name: str | Preset, part: str | None = None, own: Iterable[Preset] = ()
    ) -> None:
        """Set the window of a preset.

        Parameters
        ----------
        name
            Key of a preset of the table or of `own`, or a preset.
        part
            The part that the numbers refer to; all parts if None. A preset per part needs one.
        own
            Presets beside those of the table.

        Raises
        ------
        DisplayError
            There is no such preset or part.
        """
        wanted = name if isinstance(name, Preset) else preset(name, own)
        if wanted.per_part and part is None:
            raise DisplayError(
                f"The preset {wanted.title!r} is the window of one part: say which, "
                'e.g. part="L3.q", or put the cursor on it.'
            )
        self.window = wanted.window(self.scale(part))
        self.preset = wanted
        self._part = part

    def set_limits(self, low: float, high: float) -> None:
        """Set the window between two values of the signal."""
        self.window = Window.of_limits(low, high)

    def set(
        self, unit: Unit = "weight", *, centre: float | None = None, width: float | None = None
    ) -> None:
        """Set centre or width of the window, or both, in any unit.

        Raises
        ------
        DisplayError
            The width is not above 0, or there is no such unit.
        """
        scale = self.scale() if unit != "weight" else _PLAIN
        old = self.window
        self.window = Window(
            old.centre if centre is None else scale.from_(centre, unit),
            old.width if width is None else scale.length_from(width, unit),
        )

    def reset(self) -> None:
        """Everything about the picture as the signal is shown at first; what is hidden stays."""
        look = LOOKS[self.signal]
        self.transfer, self.invert = DEFAULTS[self.signal], False
        self.gamma, self.opacity = look.gamma, 1.0
        self.rendering, self.attenuation = look.rendering, look.attenuation
        self.iso_threshold = 0.5
        self._open_window()

    def _open_window(self) -> None:
        """Take the window that the signal opens with, until somebody takes another."""
        self.apply_preset(opening_preset(self.signal, self.scale()))
        self._untouched = True

    def follow(self, volume: "Volume") -> None:
        """Belong to a volume from now on.

        The window stays where it means the same; with another signal it becomes
        that of the present preset, or of the one that the signal opens with.
        """
        before = self._distributions
        self._distributions = Distributions(volume)
        if before is not None and before.signal != volume.signal:
            look, old = LOOKS[volume.signal], LOOKS[before.signal]
            if self.transfer == DEFAULTS[before.signal]:
                self.transfer = DEFAULTS[volume.signal]
            for name in ("gamma", "rendering", "attenuation"):
                if getattr(self, name) == getattr(old, name):
                    setattr(self, name, getattr(look, name))
            if not self._untouched:
                self.preset = self.preset or opening_preset(volume.signal, self.scale())
        self.refresh()

    def refresh(self) -> None:
        """The statistics of the volume are better: a window of a preset follows them."""
        if self._untouched:
            self._open_window()
        elif self.preset is not None:
            self.apply_preset(self.preset, self._part)
        self.refreshed.emit()

    def state(self) -> dict[str, Any]:
        """Every field by name, as `update` takes them."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}

    def update(self, state: Mapping[str, Any]) -> None:
        """Set several fields, in the order of the class, so that a preset survives its window."""
        for one in fields(self):
            if one.init and one.name in state:
                setattr(self, one.name, state[one.name])


_PLAIN = Scale(0.0, 1.0, 0.0, 1.0, float)
"""For numbers in weights, which need no statistics."""


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def check(name: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not low <= number <= high:
            raise DisplayError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")
        return number

    return check


def _choice(known: tuple[str, ...]) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if value not in known:
            raise DisplayError(f"{name} must be one of {', '.join(known)}, not {value!r}.")
        return str(value)

    return check


def _window(name: str, value: Any) -> Window:
    if not isinstance(value, Window):
        raise DisplayError(f"A window is a Window(centre, width), not {value!r}.")
    return value


def _transfer(name: str, value: Any) -> str:
    return transfer(value).name


def _flag(name: str, value: Any) -> bool:
    return bool(value)


def _whole(name: str, value: Any, low: int, high: float = math.inf) -> int:
    try:
        number = -1 if isinstance(value, bool) or int(value) != value else int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not low <= number <= high:
        to = f"from {low} to {high:,}" if high < math.inf else f"of {low} or more"
        raise DisplayError(f"{name} must be a whole number {to}, not {value!r}.")
    return number


def _slab(name: str, value: Any) -> int:
    return _whole("The thickness of a slab in sections", value, 1)


def _region(name: str, value: Any) -> Region | None:
    if value is None:
        return None
    try:
        box = tuple((int(first), int(stop)) for first, stop in value)
    except (TypeError, ValueError):
        box = ()
    if not box or any(not 0 <= first < stop for first, stop in box):
        raise DisplayError(
            f"A region is (first, one past the last) per axis, in voxels, not {value!r}."
        )
    return box


def _count(name: str, value: Any) -> int:
    return _whole(f"The number of {name}", value, 0, MOST_POINTS)


def _level(name: str, value: Any) -> int | None:
    return None if value is None else _whole("A level of detail (0 is the finest)", value, 0)


def _names(name: str, value: Any) -> frozenset[str]:
    try:
        names = frozenset([value] if isinstance(value, str) else value)
    except TypeError:
        names = frozenset([value])
    if not all(isinstance(one, str) for one in names):
        raise DisplayError(f"{name} must be names of parts, not {value!r}.")
    return names


def _names_or_all(name: str, value: Any) -> frozenset[str] | None:
    return None if value is None else _names(name, value)


def _tints(name: str, value: Any) -> Mapping[str, Colour]:
    tints: dict[str, Colour] = {}
    try:
        for part, (red, green, blue) in value.items():
            tints[str(part)] = (float(red), float(green), float(blue))
    except (AttributeError, TypeError, ValueError):
        raise DisplayError(
            f"Tints must be red, green, blue by name of a part, not {value!r}."
        ) from None
    if not all(0 <= shade <= 1 for rgb in tints.values() for shade in rgb):
        raise DisplayError(f"Tints must be red, green, blue in 0…1, not {value!r}.")
    return MappingProxyType(tints)


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "window": _window,
    "transfer": _transfer,
    "invert": _flag,
    "gamma": _number(0.05, 5.0),
    "opacity": _number(0.0, 1.0),
    "rendering": _choice(RENDERINGS),
    "attenuation": _number(0.0, 1.0),
    "iso_threshold": _number(0.0, 1.0),
    "slab": _slab,
    "slab_projection": _choice(PROJECTIONS),
    "solid": _flag,
    "planes": _flag,
    "region": _region,
    "detail": _level,
    "bounding_box": _flag,
    "points": _count,
    "shown": _names_or_all,
    "hidden": _names,
    "tints": _tints,
}
