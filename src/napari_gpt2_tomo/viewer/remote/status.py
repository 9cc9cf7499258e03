"""What was read of a remote model, in words."""

from typing import TYPE_CHECKING

from ...base.sizes import megabytes
from ...checkpoint.remote.traffic import Traffic

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["told"]


def told(link: "ScanLink") -> str:
    """Bytes that were read from the server, of those of the model, for a status line."""
    traffic = Traffic.of(str(link.scan.still.checkpoint.path))
    return f"{link.name}: {megabytes(traffic.received)} of {megabytes(traffic.total)} read"
