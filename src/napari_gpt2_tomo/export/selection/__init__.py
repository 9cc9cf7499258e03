"""Parts, boxes and sections as files for other programs, each value traceable to its parameter."""

from .choosing import Selection, select
from .save import FORMATS, save_selection, size_of, write_selection

__all__ = ["FORMATS", "Selection", "save_selection", "select", "size_of", "write_selection"]
