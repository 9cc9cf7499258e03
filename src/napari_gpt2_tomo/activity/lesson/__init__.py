"""The lesson: one HTML page that explains a model with its own numbers for one text."""

from .write import lesson, write_lesson

__all__ = ["lesson", "write_lesson"]
