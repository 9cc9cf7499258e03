"""A report of everything that a prompt does in a model: figures, their numbers, one page."""

from .collect import ROOMS, Drawn, Left, collect
from .write import write_report

__all__ = ["ROOMS", "Drawn", "Left", "collect", "write_report"]
