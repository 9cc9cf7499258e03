"""The three-dimensional Hilbert curve, as cells, as aligned bricks and as lookup tables.

The curve is the one of J. Skilling, "Programming the Hilbert curve", AIP Conf.
Proc. 707, 381 (2004). A curve of order *m* visits the 8^m cells of a cube of
side 2^m. Two of its properties carry the cube layout: an aligned brick of side
2^b is one run of 8^b cells, and halving all coordinates gives the curve of one
order less, so a coarse voxel is an aligned run of the fine ones.

Inside every brick the curve is the canonical one of that size with its axes
permuted and reversed: its *orientation*, a number below `N_ORIENTATIONS`.
"""

import itertools
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MAX_ORDER",
    "N_ORIENTATIONS",
    "brick_table",
    "brick_voxels",
    "decode",
    "decode_point",
    "encode",
    "encode_point",
    "extent",
    "mirrored",
    "orientations",
]

MAX_ORDER = 20
"""Largest order: three coordinates of 20 bits fill 60 of the 63 bits of a positive int64."""

N_ORIENTATIONS = 48
"""Signed permutations of three axes; the curve uses only some of them."""

Int = TypeVar("Int", int, NDArray[np.int64])

_SPREAD = (
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
"""Shifts and masks that move bit *i* of a 21-bit number to bit 3·i (Morton codes)."""


def _spread(x: Int) -> Int:
    for shift, mask in _SPREAD:
        x = (x | (x << shift)) & mask
    return x


def _gather(x: Int) -> Int:
    x = x & _SPREAD[-1][1]
    for (shift, _), mask in zip(
        reversed(_SPREAD), (*(m for _, m in reversed(_SPREAD[:-1])), 0x1FFFFF), strict=True
    ):
        x = (x | (x >> shift)) & mask
    return x


def _exchange(a: Int, b: Int, bit: int) -> tuple[Int, Int]:
    """Skilling's step for two axes: bit set in `b` → invert `a` below it, else swap below it."""
    low = (1 << bit) - 1
    invert = -((b >> bit) & 1) & low
    swap = (a ^ b) & (low ^ invert)
    return a ^ invert ^ swap, b ^ swap


def _encode(x: Int, y: Int, z: Int, order: int) -> Int:
    for bit in range(order - 1, 0, -1):
        # The first axis against itself: nothing to swap, only the inversion.
        x = x ^ (-((x >> bit) & 1) & ((1 << bit) - 1))
        x, y = _exchange(x, y, bit)
        x, z = _exchange(x, z, bit)
    y = y ^ x
    z = z ^ y
    gray = z & 0
    for bit in range(order - 1, 0, -1):
        gray = gray ^ (-((z >> bit) & 1) & ((1 << bit) - 1))
    return (_spread(x ^ gray) << 2) | (_spread(y ^ gray) << 1) | _spread(z ^ gray)


def _decode(index: Int, order: int) -> tuple[Int, Int, Int]:
    x, y, z = _gather(index >> 2), _gather(index >> 1), _gather(index)
    gray = z >> 1
    z = z ^ y
    y = y ^ x
    x = x ^ gray
    for bit in range(1, order):
        x, z = _exchange(x, z, bit)
        x, y = _exchange(x, y, bit)
        x = x ^ (-((x >> bit) & 1) & ((1 << bit) - 1))
    return x, y, z


def encode(cells: ArrayLike, order: int) -> NDArray[np.int64]:
    """Position on the curve of each cell.

    Parameters
    ----------
    cells
        Coordinates ``0 ≤ c < 2^order``, integers of shape (…, 3).
    order
        Order of the curve, at most `MAX_ORDER`.

    Returns
    -------
    int64 array of shape (…)
    """
    at = np.asarray(cells, np.int64)
    return _encode(at[..., 0], at[..., 1], at[..., 2], order)


def decode(index: ArrayLike, order: int) -> NDArray[np.int64]:
    """Cell at each position of the curve, int64 of shape (…, 3); inverse of `encode`."""
    return np.stack(_decode(np.asarray(index, np.int64), order), axis=-1)


def encode_point(cell: Sequence[int], order: int) -> int:
    """`encode` of one cell, in Python integers: no array overhead."""
    x, y, z = cell
    return _encode(x, y, z, order)


def decode_point(index: int, order: int) -> tuple[int, int, int]:
    """`decode` of one position, in Python integers."""
    return _decode(index, order)


def extent(count: int, order: int) -> tuple[int, int, int]:
    """Size of the bounding box of the first `count` cells; it begins at cell (0, 0, 0)."""
    high = [0, 0, 0]
    at = 0
    # The first `count` cells are at most seven aligned bricks of each size.
    for bits in range(order, -1, -1):
        while count - at >= 8**bits:
            corner = decode_point(at >> 3 * bits, order - bits)
            high = [max(h, (c + 1) << bits) for h, c in zip(high, corner, strict=True)]
            at += 8**bits
    return high[0], high[1], high[2]


_PERMUTATIONS = tuple(itertools.permutations(range(3)))
"""Axis of the canonical curve that each axis of a brick plays."""

_PERMUTATION_OF_STEPS = np.zeros((3, 3), np.int64)
"""Number of the permutation whose brick steps first along one axis, then along another."""
for _number, _roles in enumerate(_PERMUTATIONS):
    _PERMUTATION_OF_STEPS[_roles.index(2), _roles.index(1)] = _number


def orientations(index: ArrayLike, order: int) -> NDArray[np.int64]:
    """Orientation of the curve inside the bricks at positions `index` of a brick grid.

    Parameters
    ----------
    index
        Positions of bricks on the curve through the grid of bricks, shape (…).
    order
        Order of that curve.

    Returns
    -------
    int64 array of shape (…)
        ``6·entry + permutation``: the octant in which the curve enters the brick
        and how its axes are permuted. The canonical curve has orientation 0.
    """
    # The canonical curve enters at octant 0 and steps first along axis 2, then along
    # axis 1; a signed permutation of the axes is known by where those three lie.
    at = np.asarray(index, np.int64)
    octants = decode(8 * at[..., None] + np.arange(3), order + 1) & 1
    steps = np.diff(octants, axis=-2) != 0
    first, second = steps[..., 0, :].argmax(-1), steps[..., 1, :].argmax(-1)
    entry = octants[..., 0, :] @ np.array([4, 2, 1])
    turned: NDArray[np.int64] = 6 * entry + _PERMUTATION_OF_STEPS[first, second]
    return turned


def mirrored(orientation: int) -> int:
    """The orientation with the axes in reverse order: its tables are the transposed ones."""
    entry, permutation = divmod(orientation, 6)
    reverse = (entry & 1) << 2 | entry & 2 | entry >> 2
    return 6 * reverse + _PERMUTATIONS.index(_PERMUTATIONS[permutation][::-1])


def _orient(canonical: NDArray[np.int32], orientation: int) -> NDArray[np.int32]:
    entry, permutation = divmod(orientation, 6)
    turned = canonical.transpose(_PERMUTATIONS[permutation])
    return turned[tuple(slice(None, None, -1 if entry >> bit & 1 else 1) for bit in (2, 1, 0))]


@cache
def _canonical(bits: int) -> NDArray[np.int32]:
    table = np.zeros((2**bits,) * 3, np.int32)
    if bits:
        half = 2 ** (bits - 1)
        smaller = _canonical(bits - 1)
        for octant, orientation in enumerate(orientations(np.arange(8), 1).tolist()):
            corner = decode_point(octant, 1)
            target = tuple(slice(half * c, half * (c + 1)) for c in corner)
            table[target] = _orient(smaller, orientation) + octant * half**3
    table.flags.writeable = False
    return table


@lru_cache(maxsize=4 * N_ORIENTATIONS)
def brick_table(orientation: int, bits: int = 6) -> NDArray[np.int32]:
    """Position in the run of a brick of each of its voxels.

    Parameters
    ----------
    orientation
        As `orientations` gives it.
    bits
        The brick's side is 2^bits voxels, at most 2^10 (int32).

    Returns
    -------
    Read-only int32 array of shape (2^bits, 2^bits, 2^bits), made once.
    """
    table = np.ascontiguousarray(_orient(_canonical(bits), orientation))
    table.flags.writeable = False
    return table


@lru_cache(maxsize=4 * N_ORIENTATIONS)
def brick_voxels(orientation: int, bits: int = 6) -> NDArray[np.int32]:
    """Flat C-order voxel at each position in the run of a brick; inverse of `brick_table`.

    Read-only int32 array of length 8^bits, made once.
    """
    table = brick_table(orientation, bits).ravel()
    voxels = np.empty_like(table)
    voxels[table] = np.arange(table.size, dtype=np.int32)
    voxels.flags.writeable = False
    return voxels
