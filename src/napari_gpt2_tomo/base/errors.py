"""The one family of errors that a user can cause.

Every message says what was wrong, where, and what to do about it.
"""

__all__ = ["Cancelled", "CheckpointError", "DisplayError", "LayoutError", "TomoError"]


class TomoError(Exception):
    """Base of every error that a user's input or request can cause."""


class CheckpointError(TomoError, ValueError):
    """A file that cannot be opened as a checkpoint, or read once it was opened."""


class LayoutError(TomoError, ValueError):
    """A layout, signal or place in a volume that the scan does not have."""


class DisplayError(TomoError, ValueError):
    """A window, preset, colour or view that cannot be shown, or a file of them that is no such."""


class Cancelled(TomoError):
    """Long work was stopped on the user's request; what was finished stays valid."""
