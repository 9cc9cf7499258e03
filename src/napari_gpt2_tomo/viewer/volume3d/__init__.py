"""What the 3-D view and thick slices show beside the layers of a scan: slabs, planes, regions,
points, turning.

How a volume is shown is a matter of its console (``link.console``): the fields
``slab``, ``planes``, ``solid``, ``points``, ``region``, ``detail``, ``bounding_box`` and
``rendering`` act in every viewer. What concerns one viewer is here.
"""

from .frame_rate import hide_frame_rate, show_frame_rate, shows_frame_rate
from .region import cancel_drawing, draw_region, region_in_view
from .spin import spin_of, start_spin, stop_spin
from .stance import reset_view, show_axes, shows_axes

__all__ = [
    "cancel_drawing",
    "draw_region",
    "hide_frame_rate",
    "region_in_view",
    "reset_view",
    "show_axes",
    "show_frame_rate",
    "shows_axes",
    "shows_frame_rate",
    "spin_of",
    "start_spin",
    "stop_spin",
]
