"""Plots as pictures with their numbers: drawn by matplotlib, saved as PNG, SVG and CSV."""

from .letters import readable, readable_labels
from .plot import Plot
from .scales import log_scale
from .table import Table
from .theme import DARK, LIGHT, THEMES, Theme

__all__ = [
    "DARK",
    "LIGHT",
    "THEMES",
    "Plot",
    "Table",
    "Theme",
    "log_scale",
    "readable",
    "readable_labels",
]
