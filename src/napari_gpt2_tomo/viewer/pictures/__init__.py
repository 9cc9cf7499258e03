"""Pictures and movies of scans, from a script, the dock or the command line."""

from .record import Recording, record_flight, record_turntable
from .shots import screenshot

__all__ = ["Recording", "record_flight", "record_turntable", "screenshot"]
