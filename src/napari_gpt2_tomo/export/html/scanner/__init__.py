"""The page itself: markup, style and scripts as they are inlined, in this order."""

from functools import cache
from importlib import resources

__all__ = ["MARKUP", "SCRIPTS", "STYLES", "source"]

MARKUP = "scanner.html"
STYLES = ("scanner.css",)
SCRIPTS = (
    "data.js",
    "store.js",
    "addresses.js",
    "colours.js",
    "gestures.js",
    "slices.js",
    "shader.js",
    "nifti.js",
    "picking.js",
    "volume.js",
    "window.js",
    "panels.js",
    "link.js",
    "picture.js",
    "main.js",
)
"""They become one module, one after another: a name belongs to all files below its own."""


@cache
def source(*names: str) -> str:
    """The text of some files, one after another."""
    folder = resources.files(__name__)
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
