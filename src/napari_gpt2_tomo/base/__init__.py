"""What every room may import: errors, progress with cancel, the cache folder."""

from .cache import cache_folder
from .errors import Cancelled, CheckpointError, DisplayError, LayoutError, TomoError
from .files import new_file, save_bytes, save_text
from .numbers import finite_number
from .progress import Progress, SilentProgress

__all__ = [
    "Cancelled",
    "CheckpointError",
    "DisplayError",
    "LayoutError",
    "Progress",
    "SilentProgress",
    "TomoError",
    "cache_folder",
    "finite_number",
    "new_file",
    "save_bytes",
    "save_text",
]
