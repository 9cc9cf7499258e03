"""What is drawn of paths: places, names and colours, without a viewer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXTENT", "Picture"]

F32 = NDArray[np.float32]

EXTENT = 100.0
"""World units that the paths are wide: the size of axes and points is made for it."""

MOST_LABELS = 60
"""Tokens that are named on the canvas; more names would cover each other and the paths."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn.

    Attributes
    ----------
    points
        ``(step, token, 3)`` float32.
    title
        What is said on the canvas, before the name of the step.
    name
        A word for the layers.
    names, ticks
        Name of each step, and a short one.
    labels
        Of the tokens.
    axes
        Titles of the three axes.
    colours
        ``(step, 4)`` RGBA from 0 to 1.
    near
        Tokens that the camera is to show.
    wires
        Lines that stand still, ``(point, 3)`` each.
    by_token
        ``(token, 4)`` RGBA: each path in a colour of its own, in place of `colours`.
    """

    points: F32
    title: str
    name: str
    names: tuple[str, ...]
    ticks: tuple[str, ...]
    labels: tuple[str, ...]
    axes: tuple[str, ...]
    colours: NDArray[np.float64]
    near: tuple[int, ...]
    wires: tuple[F32, ...] = ()
    by_token: NDArray[np.float64] | None = None

    def corner(self) -> F32:
        """Where the three axes meet, and their ends, beside the paths, ``(4, 3)``."""
        near = self.points[:, list(self.near)].reshape(-1, 3)
        if self.wires:
            near = np.concatenate([near, *self.wires])
        low, high = near.min(axis=0), near.max(axis=0)
        room = 0.06 * float((high - low).max())
        origin = low - room
        ends = [origin]
        for axis in range(3):
            end = origin.copy()
            end[axis] = high[axis] + room
            ends.append(end)
        return np.stack(ends)

    @property
    def scale(self) -> float:
        """World units per unit of the axes."""
        near = self.points[:, list(self.near)]
        seen = np.concatenate([near.reshape(-1, 3), *self.wires])
        return EXTENT / max(float(np.ptp(seen, axis=0).max()), 1e-9)

    def tracks(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """``(vertex, 5)``: id, step and place, one token after the other."""
        steps = np.arange(len(self.names))
        rows = [
            np.column_stack([np.full(len(steps), token), steps, self.points[:, token, ::-1]])
            for token in tokens
        ]
        return np.concatenate(rows)

    def faces(self, steps: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(point, 4)`` RGBA of points of these steps and tokens."""
        return self.colours[steps] if self.by_token is None else self.by_token[tokens]

    def shades(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where on its colormap each vertex lies, 0 to 1."""
        if self.by_token is None:
            return data[:, 1] / max(len(self.names) - 1, 1)
        return data[:, 0] / max(len(self.labels) - 1, 1)

    def words(self, tokens: NDArray[np.int64]) -> list[str]:
        """Labels of points of these tokens; of very many tokens only some are named."""
        labels = self.labels
        named = set(np.linspace(0, len(labels) - 1, min(len(labels), MOST_LABELS)).astype(int))
        return [labels[token] if token in named else "" for token in tokens]
