"""Which panels the console has, from top to bottom."""

from .help import HelpPanel
from .panel import Panel
from .region_panel import RegionPanel
from .source_panel import SourcePanel
from .transfer_panel import TransferPanel
from .volume_panel import VolumePanel
from .window_panel import WindowPanel

__all__ = ["PANELS"]

PANELS: tuple[type[Panel], ...] = (
    WindowPanel,
    TransferPanel,
    SourcePanel,
    VolumePanel,
    RegionPanel,
    HelpPanel,
)
"""Add a panel here."""
