"""Plots of the spectrum of a section and of the singular values of a part."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots import Plot, Table, Theme, log_scale
from .singular import SingularValues, marchenko_pastur
from .spectrum import Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["singular_plot", "spectrum_plot"]


def spectrum_plot(spectrum: Spectrum) -> Plot:
    """Power against frequency: over all directions, and along rows and columns."""
    plane = spectrum.plane
    lines = {"all directions": spectrum.radial()}
    for axis, name in enumerate(plane.axes):
        if spectrum.power.shape[axis] > 1:
            lines[f"along {name or 'rows'}"] = spectrum.along(axis)
    reference = spectrum.variance or 1.0

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=theme.faint, linewidth=1)
        for (name, (frequency, power)), colour in zip(lines.items(), theme.cycle, strict=False):
            first = name == "all directions"
            axes.plot(
                frequency,
                10 * np.log10(np.maximum(power / reference, 1e-12)),
                label=name,
                color=colour,
                linewidth=1.8 if first else 0.9,
                zorder=3 if first else 2,
            )
        log_scale(axes, "x")
        lowest = min((float(f[0]) for f, _ in lines.values() if len(f)), default=0.01)
        axes.set_xlim(min(lowest, 0.25), 0.5)
        axes.set_xlabel("frequency, cycles per parameter")
        axes.set_ylabel("power over that of white noise, dB")
        axes.legend(loc="upper right")

    columns: dict[str, Any] = {
        "direction": [name for name, (f, _) in lines.items() for _ in f],
        "frequency": np.concatenate([f for f, _ in lines.values()]),
        "power": np.concatenate([p for _, p in lines.values()]),
    }
    return Plot(
        "spectrum",
        f"Spectrum of {plane.title}",
        draw,
        Table(columns),
        "Mean power of the weights by frequency, the mean removed"
        + (", with a Hann window" if spectrum.window == "hann" else "")
        + ". 0 dB is what independent noise of the same variance has at every frequency; a peak "
        "at 1/64 is a pattern that repeats every 64 parameters.",
    )


def singular_plot(found: SingularValues) -> Plot:
    """The singular values as a histogram with the law of noise, and by rank."""
    values, (low, high) = found.values, found.edges
    count = int(np.clip(len(values) // 8, 12, 80))

    def draw(figure: "Figure", theme: Theme) -> None:
        left, right = figure.subplots(1, 2)
        # The bulk in its own scale: outliers may lie ten times as far out.
        reach = min(float(values[0]), 2.5 * high) if len(values) and high else 1.0
        left.hist(
            values[values <= reach], count, density=False, color=theme.cycle[0], alpha=0.75,
            weights=np.full((values <= reach).sum(), 1 / max(len(values), 1)),
        )  # fmt: skip
        if found.sigma > 0:
            grid = np.linspace(low, high, 400)[1:-1]
            kept = values[values <= reach]
            width = (float(kept.max()) - float(kept.min())) / count if len(kept) else 1.0
            law = marchenko_pastur(grid, found.shape, found.sigma) * width
            left.plot(grid, law, color=theme.accent, label="noise (Marchenko–Pastur)")
            left.axvline(high, color=theme.accent, linestyle=":", linewidth=1.2)
            left.legend(loc="upper right")
        left.set_xlabel("singular value")
        left.set_ylabel("share of them")
        right.plot(np.arange(1, len(values) + 1), np.maximum(values, values[0] * 1e-9),
                   color=theme.cycle[0])  # fmt: skip
        right.axhline(high, color=theme.accent, linestyle=":", linewidth=1.2)
        log_scale(right, "x")
        log_scale(right, "y")
        right.set_xlabel("rank")
        right.set_ylabel("singular value")

    said = (
        f"{found.n_outliers} of {len(values)} lie beyond the edge of noise, with "
        f"{found.outlier_share:.0%} of Σw²; stable rank {found.stable_rank:.1f}."
    )
    return Plot(
        "singular-values",
        f"Singular values of {found.title}: {said}",
        draw,
        Table({"rank": np.arange(1, len(values) + 1), "value": values}),
        "Left: how the singular values are distributed, and how those of independent noise of "
        "the same σ and shape would be; right: by rank. What lies beyond the edge (dotted) "
        f"is structure. {said}",
        (9.0, 4.0),
    )
