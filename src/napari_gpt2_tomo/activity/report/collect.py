"""Every figure of every room, for one activity."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...base import Cancelled, TomoError
from ...display.plots import Plot
from ..record import Activity

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["ROOMS", "Drawn", "Left", "Room", "collect", "heading"]


@dataclass(frozen=True, slots=True)
class Room:
    """A subject of a report.

    Attributes
    ----------
    name
        Of its room in `activity`, and of its files.
    title
        Its heading.
    of_scan
        Whether its figures are of the model's weights alone, and not of the prompt.
    """

    name: str
    title: str
    of_scan: bool = False


ROOMS: tuple[Room, ...] = (
    Room("lens", "What comes next, and where it is decided"),
    Room("attention", "Attention"),
    Room("journey", "The journey through the residual stream"),
    Room("geometry", "Norms, neurons, superposition"),
    Room("intervention", "Interventions and composition"),
    Room("embedding", "The embeddings of the model", of_scan=True),
)
"""The subjects of a report, in its order."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A figure of a report.

    Attributes
    ----------
    room
        Where it belongs.
    plot
        The figure.
    """

    room: Room
    plot: Plot


@dataclass(frozen=True, slots=True)
class Left:
    """A figure that could not be drawn, and why."""

    room: Room
    reason: str


def heading(activity: Activity) -> str:
    """What a report is about."""
    count = len(activity.tokens)
    return f"{activity.source.name} reads {count:,} {'token' if count == 1 else 'tokens'}"


def collect(activity: Activity, scan: "Scan | None" = None) -> Iterator[Drawn | Left]:
    """The figures of all rooms, each made when it is asked for; those that do not apply lack.

    Parameters
    ----------
    activity
        What was measured.
    scan
        The checkpoint of the model, for the figures of its weights; None leaves them out.
    """
    for room in ROOMS:
        module = import_module(f"..{room.name}.figures", __package__)
        subject: Any = scan if room.of_scan else activity
        if subject is None:
            yield Left(room, "The model's checkpoint is not open, so its weights are not drawn.")
            continue
        said: set[str] = set()
        for figure in (*module.FIGURES, *getattr(module, "SERIES", ())):
            for found in _made(room, figure, subject):
                # One reason may keep a whole room from being drawn: it is told once.
                if isinstance(found, Left) and found.reason in said:
                    continue
                if isinstance(found, Left):
                    said.add(found.reason)
                yield found


def _made(
    room: Room, figure: Callable[[Any], Plot | Sequence[Plot] | None], subject: Any
) -> Iterator[Drawn | Left]:
    try:
        found = figure(subject)
    except Cancelled:
        raise
    except TomoError as error:
        yield Left(room, str(error))
        return
    except Exception as error:
        # A report of forty figures is not lost for one of them; the reason is not hidden.
        yield Left(room, f"{type(error).__name__}: {error}")
        return
    plots = [found] if isinstance(found, Plot) else found or ()
    for plot in plots:
        yield Drawn(room, plot)
