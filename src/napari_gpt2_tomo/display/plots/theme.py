"""Colours and letters of plots: right on a dark and on a light ground."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .letters import families

__all__ = ["DARK", "LIGHT", "THEMES", "Theme"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours to draw with, as ``#rrggbb``.

    Attributes
    ----------
    ground, panel
        Behind the figure, and behind its axes.
    text, faint
        Letters and lines; those that stand back: grids, spines, ticks.
    accent
        What the reader is looking at.
    cycle
        Colours of series that stand side by side; told apart with colour blindness too.
    sequential, diverging
        matplotlib colormaps for values from 0 up, and for values on both sides of 0.
    size
        Points of the letters.
    """

    ground: str
    panel: str
    text: str
    faint: str
    accent: str
    cycle: tuple[str, ...]
    sequential: str = "magma"
    diverging: str = "RdBu_r"
    size: float = 8.0

    def settings(self) -> Any:
        """What `matplotlib.rc_context` takes: a dict of its settings."""
        from cycler import cycler

        return {
            "axes.edgecolor": self.faint,
            "axes.facecolor": self.panel,
            "axes.grid": False,
            "axes.labelcolor": self.text,
            "axes.labelsize": self.size,
            "axes.prop_cycle": cycler(color=self.cycle),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": self.text,
            "axes.titlelocation": "left",
            "axes.titlesize": self.size + 1,
            "figure.edgecolor": self.ground,
            "figure.facecolor": self.ground,
            # By name: inside "sans-serif" matplotlib takes the first family and asks no other.
            "font.family": list(families()),
            "font.size": self.size,
            "grid.color": self.faint,
            "grid.linewidth": 0.5,
            "image.interpolation": "nearest",
            "legend.fontsize": self.size - 0.5,
            "legend.frameon": False,
            "legend.labelcolor": self.text,
            "lines.linewidth": 1.4,
            "savefig.facecolor": self.ground,
            # Letters stay letters: a file that can be searched and read aloud.
            "svg.fonttype": "none",
            "svg.hashsalt": "napari-gpt2-tomo",
            "text.color": self.text,
            # A token may hold a dollar sign; it is no formula.
            "text.parse_math": False,
            "xtick.color": self.text,
            "ytick.color": self.text,
            "xtick.labelsize": self.size - 0.5,
            "ytick.labelsize": self.size - 0.5,
        }


DARK = Theme(
    ground="#262930",
    panel="#1f2228",
    text="#f0f1f2",
    faint="#5b616b",
    accent="#ffb74d",
    cycle=("#78aaff", "#ffb74d", "#4dd0a5", "#f48fb1", "#b39ddb", "#e6e07a", "#80deea", "#bcaaa4"),
)

LIGHT = Theme(
    ground="#ffffff",
    panel="#ffffff",
    text="#20242a",
    faint="#a9b0ba",
    accent="#b25400",
    cycle=("#1e54be", "#b25400", "#00795c", "#ad1457", "#5e35b1", "#7a6f00", "#00707f", "#6d4c41"),
)

THEMES: Mapping[str, Theme] = {"dark": DARK, "light": LIGHT}
"""Themes by name."""
