"""Moments of a part and its counterpart: streamed once over both, in float64.

Everything that a comparison tells of a part follows from a few sums over its pairs of
values: norms, cosine, error, signal to noise. They are taken in boxes of the part, so
that memory does not grow with the model, whatever way either file stores it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.part import Part
from ..anatomy.view import View
from ..checkpoint.tensor import LazyTensor
from ..volume.overview.run import Step

__all__ = ["Moments", "boxes", "file_order", "pair_moments", "read_box"]

Box = tuple[tuple[int, int], ...]
"""A half-open interval for each axis of a part."""

CHUNK = 2**18
"""Values of each side that are compared in one step: 2 MB of float64 stay in the cache."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the pairs of values of two parts of the same shape.

    A pair of which one value is not finite takes part in none of them.

    Attributes
    ----------
    n
        Pairs of finite values.
    aa, bb, ab
        Σa², Σb² and Σab.
    dd
        Σ(b − a)², from the differences themselves: no digits are lost where a and b agree.
    largest
        Largest \\|b − a\\|; 0 without a pair.
    place
        Index into the part of the first pair, in the order of a's file, that has it; None
        without a pair.
    flips
        Pairs of which one is positive and the other negative. Zero has no sign.
    nonfinite_a, nonfinite_b
        Values of each side that are not finite.
    """

    n: int
    aa: float
    bb: float
    ab: float
    dd: float
    largest: float
    place: tuple[int, ...] | None
    flips: int
    nonfinite_a: int = 0
    nonfinite_b: int = 0

    @property
    def norm_a(self) -> float:
        """Euclidean (Frobenius) norm of a."""
        return math.sqrt(self.aa)

    @property
    def norm_b(self) -> float:
        """Euclidean (Frobenius) norm of b."""
        return math.sqrt(self.bb)

    @property
    def norm(self) -> float:
        """Euclidean (Frobenius) norm of the difference."""
        return math.sqrt(self.dd)

    @property
    def relative(self) -> float:
        """‖b − a‖ / ‖a‖; 0 where nothing changed, infinite where a is 0 and b is not."""
        return _ratio(self.norm, self.norm_a)

    @property
    def cosine(self) -> float:
        """Cosine of the angle between a and b; NaN where one of them is 0."""
        length = self.norm_a * self.norm_b
        # Rounding may take it past 1 by the last digit.
        return max(-1.0, min(1.0, self.ab / length)) if length else math.nan

    @property
    def rmse(self) -> float:
        """Root of the mean squared difference; NaN without a pair."""
        return math.sqrt(self.dd / self.n) if self.n else math.nan

    @property
    def snr(self) -> float:
        """Signal to noise in dB, 10·log₁₀(‖a‖² / ‖b − a‖²); infinite where nothing changed."""
        if not self.dd:
            return math.inf if self.n else math.nan
        return 10 * math.log10(self.aa / self.dd) if self.aa else -math.inf

    @property
    def flipped(self) -> float:
        """Share of the pairs whose sign flips; NaN without a pair."""
        return self.flips / self.n if self.n else math.nan


def pair_moments(
    tensors_a: Mapping[str, LazyTensor],
    part_a: Part,
    tensors_b: Mapping[str, LazyTensor],
    part_b: Part,
    step: Step | None = None,
) -> Moments:
    """Compare the values of a part with those of its counterpart, element by element.

    Parameters
    ----------
    tensors_a, tensors_b
        Checkpoints, or any tensors by name.
    part_a, part_b
        Parts of the same shape; how each is stored does not matter.
    step
        Told of the finished pairs; may raise `Cancelled`.

    Raises
    ------
    ValueError
        The parts have different shapes.
    """
    shape = part_a.shape
    if part_b.shape != shape:
        raise ValueError(f"{part_a.name} has the shape {shape}, its counterpart {part_b.shape}")
    sums = np.zeros(4)
    n = flips = lost_a = lost_b = 0
    largest, place = -1.0, None
    order = file_order(part_a.view)
    room = np.empty((3, min(CHUNK, max(1, part_a.size))))
    for box in boxes((part_a.view, part_b.view), CHUNK):
        size = math.prod(stop - start for start, stop in box)
        a, b, change = (line[:size] for line in room)
        read_box(tensors_a, part_a, box, a, order)
        read_box(tensors_b, part_b, box, b, order)
        finite = None
        # The sum of finite weights is finite: one pass instead of two masks for each box.
        if not (np.isfinite(a.sum()) and np.isfinite(b.sum())):
            good_a, good_b = np.isfinite(a), np.isfinite(b)
            lost_a += size - int(np.count_nonzero(good_a))
            lost_b += size - int(np.count_nonzero(good_b))
            finite = np.flatnonzero(good_a & good_b)
            a, b = a[finite], b[finite]
            change = change[: finite.size]
        if not a.size:
            continue
        np.subtract(b, a, out=change)
        sums += [_dot(a, a), _dot(b, b), _dot(a, b), _dot(change, change)]
        n += a.size
        flips += _flips(a, b)
        np.abs(change, out=change)
        at = int(change.argmax())
        height = float(change[at])
        if height >= largest:
            flat = at if finite is None else int(finite[at])
            found = _place(flat, box, order)
            # Boxes do not come in the order of the file; the first place must not depend on them.
            if place is None or height > largest or _before(found, place, order):
                largest, place = height, found
        if step is not None:
            step(size)
    aa, bb, ab, dd = sums.tolist()
    return Moments(n, aa, bb, ab, dd, max(largest, 0.0), place, flips, lost_a, lost_b)


def boxes(views: Sequence[View], chunk: int) -> Iterator[Box]:
    """Boxes of at most `chunk` elements that cover views of one shape, good to read in all.

    Whole lines along the axis whose neighbours lie closest in the files; where files differ
    in that axis, boxes that are as long along each of them.
    """
    shape = views[0].shape
    if not all(shape):
        return
    fastest = list(dict.fromkeys(axis for view in views if (axis := _fastest(view)) is not None))
    rest = [axis for axis in reversed(range(len(shape))) if axis not in fastest]
    lengths = [1] * len(shape)
    left = chunk
    for number, axis in enumerate(fastest):
        share = max(1, int(left ** (1 / (len(fastest) - number))))
        lengths[axis] = min(shape[axis], share)
        left //= lengths[axis]
    for axis in [*fastest, *rest]:
        more = max(1, left)
        grown = min(shape[axis], lengths[axis] * more)
        left = left * lengths[axis] // grown
        lengths[axis] = grown
    counts = [-(-n // length) for n, length in zip(shape, lengths, strict=True)]
    for index in np.ndindex(*counts):
        yield tuple(
            (i * length, min((i + 1) * length, n))
            for i, length, n in zip(index, lengths, shape, strict=True)
        )


def file_order(view: View) -> tuple[int, ...]:
    """The axes of a view from the one whose neighbours lie farthest apart in the file."""
    return tuple(sorted(range(len(view.axes)), key=lambda axis: (-_stride(view, axis), axis)))


def read_box(
    tensors: Mapping[str, LazyTensor],
    part: Part,
    box: Box,
    out: NDArray[np.float64],
    order: Sequence[int] | None = None,
) -> None:
    """Write the values of a box of a part into a flat float64 array of its size.

    `order` is that of the axes in `out`, the slowest first; by default that of the part.
    """
    axes = range(len(box)) if order is None else order
    turned = out.reshape([box[axis][1] - box[axis][0] for axis in axes])
    target = turned.transpose(np.argsort(axes)) if order else turned
    tensor = tensors[part.tensor]
    for where, split, region in part.view.pieces(box):
        # With an ellipsis even an array without axes gives a view, not its value.
        at: Any = (*where, ...)
        np.copyto(target[at].reshape(split), tensor.read(region), casting="unsafe")
    if part.shift:
        out += part.shift


def _fastest(view: View) -> int | None:
    """The axis along which neighbours lie closest in the file; None if nothing moves."""
    moving = [a for a, digits in enumerate(view.axes) if math.prod(n for n, _ in digits) > 1]
    return max(moving, key=file_order(view).index) if moving else None


def _stride(view: View, axis: int) -> int:
    """How far apart neighbours along an axis lie in the file."""
    return next((stride for n, stride in reversed(view.axes[axis]) if n > 1), 0)


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    # Not BLAS: its threads and those that compare parts would wait for each other.
    return float(np.einsum("i,i->", a, b))


def _flips(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    up_a, up_b = a > 0, b > 0
    differ = up_a != up_b
    # Different from each other, and neither of them zero.
    differ &= a != 0
    differ &= b != 0
    return int(np.count_nonzero(differ))


def _place(flat: int, box: Box, order: Sequence[int]) -> tuple[int, ...]:
    shape = [box[axis][1] - box[axis][0] for axis in order]
    inner = dict(zip(order, np.unravel_index(flat, shape), strict=True))
    return tuple(start + int(inner[axis]) for axis, (start, _) in enumerate(box))


def _before(one: Sequence[int], other: Sequence[int], order: Sequence[int]) -> bool:
    return [one[axis] for axis in order] < [other[axis] for axis in order]


def _ratio(above: float, below: float) -> float:
    if below:
        return above / below
    return math.inf if above else 0.0
