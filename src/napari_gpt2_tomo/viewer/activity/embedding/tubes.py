"""Lines in 3-D that are seen from every side: thin prisms around them."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["tubes"]

F32 = NDArray[np.float32]
Ints = NDArray[np.int64]

SIDES = 5
"""Of a prism: at a few pixels of width, five are as round as many."""


def tubes(starts: F32, ends: F32, radius: float) -> tuple[F32, Ints]:
    """Vertices and faces of a prism around each segment.

    Parameters
    ----------
    starts, ends
        ``(segment, 3)``.
    radius
        Of the prisms.

    Returns
    -------
    vertices
        ``(segment · 2 · SIDES, 3)`` float32: of each segment the ring at its start, then the one
        at its end.
    faces
        ``(segment · 2 · SIDES, 3)`` indices of triangles.
    """
    n = len(starts)
    way = ends - starts
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-12)
    # Across the segment: the axis that it runs along least is never parallel to it.
    least = np.eye(3)[np.abs(way).argmin(axis=1)]
    first = np.cross(way, least)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    second = np.cross(way, first)
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    ring = radius * (
        np.cos(turn)[None, :, None] * first[:, None] + np.sin(turn)[None, :, None] * second[:, None]
    )
    vertices = np.stack([starts[:, None] + ring, ends[:, None] + ring], axis=1)
    side = np.arange(SIDES)
    after = (side + 1) % SIDES
    one = np.concatenate(
        [
            np.stack([side, after, side + SIDES], axis=1),
            np.stack([after, after + SIDES, side + SIDES], axis=1),
        ]
    )
    faces = one[None] + (np.arange(n) * 2 * SIDES)[:, None, None]
    return (
        vertices.reshape(-1, 3).astype(np.float32),
        faces.reshape(-1, 3).astype(np.int64),
    )
