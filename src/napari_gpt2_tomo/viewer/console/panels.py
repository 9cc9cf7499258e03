"""Which panels the console has, from top to bottom."""

from .panel import Panel

__all__ = ["PANELS"]

PANELS: tuple[type[Panel], ...] = ()
"""Add a panel here."""
