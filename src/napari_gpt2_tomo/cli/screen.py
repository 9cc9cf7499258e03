"""Whether a window can be opened at all."""

import os
import sys

from ..base import TomoError

__all__ = ["need_screen"]

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
"""Variables that tell Qt on Linux where windows go."""


def need_screen() -> None:
    """Raise `TomoError` where there is no screen; Qt itself would end the process."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in SCREENS):
        raise TomoError(
            "There is no screen here (DISPLAY is not set), and this command draws with OpenGL. "
            'Put a virtual screen before it: xvfb-run -a -s "-screen 0 1600x1000x24" '
            "napari-gpt2-tomo … The commands slice and html need none."
        )
