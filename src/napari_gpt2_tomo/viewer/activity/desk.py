"""What the docks of the functional scan share in one viewer: the activity, and the place in it."""

from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from ...activity.record import Activity
from .. import compat

__all__ = ["Desk", "Place", "desk_of", "share_desk"]


@dataclass(frozen=True, slots=True)
class Place:
    """What of an activity is looked at; an index that does not fit is moved to the nearest.

    Attributes
    ----------
    layer, head, token, neuron, channel
        Indices from 0. `token` is the query where there is a pair.
    """

    layer: int = 0
    head: int = 0
    token: int = 0
    neuron: int = 0
    channel: int = 0


_desks: WeakKeyDictionary[Any, "Desk"] = WeakKeyDictionary()


def desk_of(viewer: Any) -> "Desk":
    """The desk of a viewer; made when it is first asked for."""
    viewer = compat.real_viewer(viewer)
    if viewer not in _desks:
        _desks[viewer] = Desk()
    return _desks[viewer]


def share_desk(viewer: Any, other: Any) -> None:
    """Let a viewer have the desk of another from now on; call it before anything follows it."""
    _desks[compat.real_viewer(viewer)] = desk_of(other)


class Desk:
    """The activity that a viewer's docks are about, and the place in it. Use on the main thread.

    Attributes
    ----------
    changed
        Emitted without arguments when another activity is on the desk, or none.
    moved
        Emitted with the new `Place` when another place is looked at.
    """

    changed = Signal()
    moved = Signal(Place)

    def __init__(self) -> None:
        self._activity: Activity | None = None
        self._other: Activity | None = None
        self._place = Place()

    @property
    def activity(self) -> Activity | None:
        """The activity that is shown."""
        return self._activity

    @property
    def other(self) -> Activity | None:
        """The one that it is compared with, if any."""
        return self._other

    @property
    def place(self) -> Place:
        """What of it is looked at."""
        return self._place

    def show(self, activity: Activity | None, other: Activity | None = None) -> None:
        """Put an activity on the desk; the last token of its text is looked at."""
        self._activity, self._other = activity, other
        if activity is not None:
            self._place = self._within(replace(self._place, token=len(activity.tokens) - 1))
        self.changed.emit()

    def move(self, **where: int) -> None:
        """Look at another place: ``move(layer=3, head=1)``; nothing happens if it is the same."""
        place = self._within(replace(self._place, **where))
        if place != self._place:
            self._place = place
            self.moved.emit(place)

    def _within(self, place: Place) -> Place:
        activity = self._activity
        if activity is None:
            return place
        sizes = activity.source.sizes
        most = {
            "layer": activity.n_layers,
            "head": sizes.n_heads,
            "token": len(activity.tokens),
            "neuron": sizes.d_mlp,
            "channel": sizes.d_model,
        }
        fitting = {
            name: max(0, min(getattr(place, name), (size or 2**31) - 1))
            for name, size in most.items()
        }
        return Place(**fitting)
