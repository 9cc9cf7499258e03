"""Which panels the console has, from top to bottom."""

from .help import HelpPanel
from .panel import Panel
from .transfer_panel import TransferPanel
from .window_panel import WindowPanel

__all__ = ["PANELS"]

PANELS: tuple[type[Panel], ...] = (
    WindowPanel,
    TransferPanel,
    HelpPanel,
)
"""Add a panel here."""
