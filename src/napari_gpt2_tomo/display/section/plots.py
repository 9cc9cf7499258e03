"""Plots of the spectrum of a section and of the singular values of a part."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..plots import Plot, Table, Theme, log_scale
from .singular import SingularValues, marchenko_pastur
from .spectrum import Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["singular_plot", "spectrum_map", "spectrum_plot"]

MOST_SIDE = 512
"""Cells along a side of a drawn spectrum: more than a dock has pixels for."""


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
        axes.set_ylabel("dB over white noise")
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


def spectrum_map(spectrum: Spectrum) -> Plot:
    """The spectrum as a picture, frequency 0 in the middle; of several frequencies in one cell
    the strongest is drawn.
    """
    decibels = _strongest(spectrum.decibels())
    rows, columns = spectrum.plane.axes
    typical = float(np.median(decibels))
    high = max(float(np.percentile(decibels, 99.9)), typical + 6)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        image = axes.imshow(
            decibels,
            cmap=theme.sequential,
            vmin=typical - 10,
            vmax=high,
            extent=(-0.5, 0.5, 0.5, -0.5),
            interpolation="nearest",
        )
        bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label("dB over white noise")
        axes.set_xlabel(f"frequency along {columns or 'columns'}, cycles per parameter")
        axes.set_ylabel(f"frequency along {rows or 'rows'}")
        axes.tick_params(length=2)

    places = [np.linspace(-0.5, 0.5, n, endpoint=False) for n in decibels.shape]
    return Plot(
        "spectrum-2d",
        f"2-D spectrum of {spectrum.plane.title}",
        draw,
        Table.of_grid(decibels, row_frequency=list(places[0]), column_frequency=list(places[1])),
        "Power by frequency in both directions, in decibels over that of independent noise of the "
        "same variance. Lines through the middle are patterns that run across one axis.",
        (6.0, 5.0),
    )


def _strongest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks of a picture by their largest value, so that no side is longer than `MOST_SIDE`."""
    for axis in (0, 1):
        step = -(-values.shape[axis] // MOST_SIDE)
        if step > 1:
            starts = np.arange(0, values.shape[axis], step)
            values = np.maximum.reduceat(values, starts, axis=axis)
    return values


def singular_plot(found: SingularValues) -> Plot:
    """The singular values as a histogram with the law of noise, and by rank."""
    values, (low, high) = found.values, found.edges
    count = int(np.clip(len(values) // 8, 12, 80))

    def draw(figure: "Figure", theme: Theme) -> None:
        tall = figure.get_figheight() > figure.get_figwidth()
        left, right = figure.subplots(*((2, 1) if tall else (1, 2)))
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
        if values[0] > 0:
            log_scale(right, "y")
        right.set_xlabel("rank")
        right.set_ylabel("singular value")

    said = (
        f"{found.n_outliers} of {len(values)} lie beyond the edge of noise, with "
        f"{found.outlier_share:.0%} of Σw²; stable rank {found.stable_rank:.1f}."
    )
    if found.n_nonfinite:
        said += f" {found.n_nonfinite:,} weights are NaN or infinite and count as 0."
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
