"""The lesson: one HTML page that explains a model with its own numbers for one text."""

from .chapters import Chapter, write_chapters
from .gather_gradient import count_parameters
from .plain import plain_chapter
from .story import Story
from .write import lesson, lesson_name, tell, write_lesson

__all__ = [
    "Chapter",
    "Story",
    "count_parameters",
    "lesson",
    "lesson_name",
    "plain_chapter",
    "tell",
    "write_chapters",
    "write_lesson",
]
