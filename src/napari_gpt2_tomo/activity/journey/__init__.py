"""Journey: every token's path through the residual stream, drawn and in numbers."""

from .numbers import Journey, Updates, cosine, journey, updates
from .outliers import norms, outliers
from .paths import FITS, LEAVE_OUT, SCALES, Paths, paths

__all__ = [
    "FITS",
    "LEAVE_OUT",
    "SCALES",
    "Journey",
    "Paths",
    "Updates",
    "cosine",
    "journey",
    "norms",
    "outliers",
    "paths",
    "updates",
]
