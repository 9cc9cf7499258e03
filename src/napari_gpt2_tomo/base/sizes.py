"""Numbers of bytes for a person."""

__all__ = ["megabytes"]


def megabytes(size: float) -> str:
    """A number of bytes in words: ``"13 kB"``, ``"3.2 MB"``, ``"140 GB"``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            shown = size / scale
            return f"{shown:.1f} {unit}" if shown < 100 else f"{shown:,.0f} {unit}"
    return f"{size / 1e3:.0f} kB"
