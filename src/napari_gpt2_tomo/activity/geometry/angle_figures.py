"""Plots of the angles between feature directions."""

from typing import TYPE_CHECKING

import numpy as np

from ...display.plots import Plot, Table, Theme, log_scale
from .superposition import Angles, random_density, random_magnitude

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["angles_plot"]

LOWEST = 1e-4
"""Density at the foot of the plot: a few pairs of two million."""


def angles_plot(found: Angles) -> Plot:
    """Density of the cosines of all pairs, and that of random directions over it."""
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    random = random_density(middles, found.channels)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        axes.stairs(
            found.density,
            found.edges,
            fill=True,
            color=theme.cycle[0],
            alpha=0.55,
            label=_entry(found.title, found.magnitude, found.dimension),
        )
        fine = np.linspace(-1, 1, 1001)
        axes.plot(
            fine,
            random_density(fine, found.channels),
            color=theme.accent,
            label=_entry(
                f"random directions in {found.channels} dimensions",
                random_magnitude(found.channels),
                found.random_dimension,
            ),
        )
        log_scale(axes, "y")
        top = max(float(found.density.max()), float(random.max()))
        axes.set_ylim(LOWEST, 2 * top)
        seen = np.abs(middles)[np.maximum(found.density, random) > LOWEST]
        reach = min(1.0, 1.1 * float(seen.max(initial=0.1)))
        axes.set_xlim(-reach, reach)
        axes.set_xlabel("cosine of the angle between two directions")
        axes.set_ylabel("density")
        figure.legend(loc="outside lower left", ncols=1)

    return Plot(
        f"superposition-{found.name}",
        f"Angles between directions: {found.title}",
        draw,
        Table({"cosine": middles, "density": found.density, "random density": random}),
        f"{found.stated} The line is the exact density for random directions, "
        "∝ (1 − x²)^((d−3)/2). The effective dimension is the participation ratio (Σλ)²/Σλ².",
        (6.5, 4.4),
    )


def _entry(title: str, magnitude: float, dimension: float) -> str:
    return f"{title}:\nmean |cos| {magnitude:.3f}, effective dimension {dimension:.1f}"
