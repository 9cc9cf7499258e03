"""Checkpoints of one training run as a series in time.

Kept light: the plugin's reader asks `is_series` of every folder that is dropped.
"""

from .find import Step, find_steps, is_series

__all__ = ["Step", "find_steps", "is_series"]
