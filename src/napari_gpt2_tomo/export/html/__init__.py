"""The HTML scanner: a scan as one file for any browser."""

from .export import export_html, write_scanner
from .resolution import DEFAULT_VOXELS, Resolution, choose_resolution, resolutions

__all__ = [
    "DEFAULT_VOXELS",
    "Resolution",
    "choose_resolution",
    "export_html",
    "resolutions",
    "write_scanner",
]
