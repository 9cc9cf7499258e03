"""Which weights reading a box of a volume needs, for servers that are asked for them in one go."""

from collections.abc import Mapping

from ...checkpoint.ahead import Wanted
from ...checkpoint.tensor import LazyTensor
from ..layouts.layout import Box, Layout
from .chunks import chunks

__all__ = ["wanted"]


def wanted(layout: Layout, tensors: Mapping[str, LazyTensor], box: Box, level: int) -> Wanted:
    """The regions of tensors that the voxels of a box of a level are made of."""
    factors = layout.factors[level]
    fine = tuple(
        (a * f, min(b * f, n)) for (a, b), f, n in zip(box, factors, layout.shape, strict=True)
    )
    _, steps = chunks(layout, fine)
    return ((tensors[chunk.tensor], chunk.region) for chunk, _ in steps if chunk is not None)
