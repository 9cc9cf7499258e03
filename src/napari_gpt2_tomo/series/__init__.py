"""Checkpoints of one training run as a series in time.

Kept light: the plugin's reader asks `is_series` of every folder that is dropped.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from .find import Paths, Step, find_steps, is_series

if TYPE_CHECKING:
    from .series import Series

__all__ = ["Paths", "Step", "find_steps", "is_series"]


class _Room(ModuleType):
    """This package. Python makes it the attribute ``series`` of its parent when it is imported, in
    place of the function of that name: so it can be called like the function.
    """

    def __call__(self, where: Paths, family: str | None = None, **sizes: int | None) -> "Series":
        from .series import Series

        return Series(where, family, **sizes)


sys.modules[__name__].__class__ = _Room
