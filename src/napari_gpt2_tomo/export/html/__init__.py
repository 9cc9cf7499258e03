"""The HTML scanner: a scan as one file for any browser."""

from .export import export_html, write_scanner
from .niivue import niivue_module
from .resolution import DEFAULT_VOXELS, Resolution, choose_resolution, resolutions

__all__ = [
    "DEFAULT_VOXELS",
    "Resolution",
    "choose_resolution",
    "export_html",
    "niivue_module",
    "resolutions",
    "write_scanner",
]
