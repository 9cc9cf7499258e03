"""The facade: a checkpoint, its anatomy and its volumes in one object."""

from .scan import Scan

__all__ = ["Scan"]
