"""The command line: ``napari-gpt2-tomo`` with the commands below.

Everything heavy is imported inside the command that needs it: ``--help`` answers at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import activity, cache, compare, download, html, lesson, pictures, read, save, series, show
from .app import app, main
from .progress import terminal_progress

__all__ = ["app", "main", "terminal_progress"]

COMMANDS: Mapping[str, Callable[..., Any]] = {
    "view": show.view,
    "info": read.info,
    "probe": read.probe,
    "slice": show.slice_,
    "picture": pictures.picture,
    "movie": pictures.movie,
    "html": html.html,
    "save": save.save,
    "compare": compare.compare,
    "series": series.series,
    "lesson": lesson.lesson,
    "activity": activity.activity,
    "download": download.download,
    "cache": cache.cache,
}
"""Every command by name, as ``--help`` lists them."""

for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
