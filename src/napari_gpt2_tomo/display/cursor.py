"""The place in a volume that several views share."""

from collections.abc import Mapping, Sequence

from psygnal import Signal

from ..base import DisplayError

__all__ = ["Cursor"]


class Cursor:
    """A voxel of level 0 that every view of a volume shows and that any of them may move.

    It is no viewer's own: a view takes from it the axes that it needs, so a step
    along one axis costs nothing in the views that show that axis anyway.

    Parameters
    ----------
    shape
        Voxels of level 0 per axis.
    position
        Where it is at first; the middle of the volume by default.

    Attributes
    ----------
    moved
        Signal, emitted with the new position after every change of it.

    Raises
    ------
    DisplayError
        The position is outside the volume.
    """

    moved = Signal(tuple)

    def __init__(self, shape: Sequence[int], position: Sequence[int] | None = None) -> None:
        self._shape = tuple(int(n) for n in shape)
        middle = tuple(n // 2 for n in self._shape)
        self._position = middle if position is None else self._checked(position)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of level 0 per axis of the volume that it moves in."""
        return self._shape

    @property
    def position(self) -> tuple[int, ...]:
        """The voxel, one index per axis."""
        return self._position

    def move(self, position: Sequence[int]) -> None:
        """Go to a voxel.

        Raises
        ------
        DisplayError
            There is no such voxel.
        """
        self._go(self._checked(position))

    def place(self, indices: Mapping[int, int]) -> None:
        """Go to these indices along some axes, by number of the axis; stops at the edges."""
        at = list(self._position)
        for axis, index in indices.items():
            at[axis] = min(max(int(index), 0), self._shape[axis] - 1)
        self._go(tuple(at))

    def step(self, axis: int, count: int = 1) -> None:
        """Go some voxels along an axis, backwards where `count` < 0; stops at the edges."""
        self.place({axis: self._position[axis] + count})

    def enter(self, shape: Sequence[int], position: Sequence[int] | None = None) -> None:
        """Go to another volume: its shape, and the voxel there (its middle by default).

        Raises
        ------
        DisplayError
            There is no such voxel.
        """
        other = Cursor(shape, position)
        self._shape = other.shape
        self._position = other.position
        self.moved.emit(self._position)

    def _checked(self, position: Sequence[int]) -> tuple[int, ...]:
        at = tuple(int(v) for v in position)
        inside = len(at) == len(self._shape) and all(
            0 <= v < n for v, n in zip(at, self._shape, strict=True)
        )
        if not inside:
            raise DisplayError(
                f"Voxel {at} is not in a volume of shape {self._shape}: "
                "give one index per axis, from 0 and below the shape."
            )
        return at

    def _go(self, position: tuple[int, ...]) -> None:
        if position != self._position:
            self._position = position
            self.moved.emit(position)

    def __repr__(self) -> str:
        return f"<Cursor at {self._position} of {self._shape}>"
