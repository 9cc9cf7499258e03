"""The HTML scanner: a scan as one file for any browser."""

from .choice import DEFAULT_VOXELS, Choice, choices, choose
from .export import export_html, write_scanner

__all__ = ["DEFAULT_VOXELS", "Choice", "choices", "choose", "export_html", "write_scanner"]
