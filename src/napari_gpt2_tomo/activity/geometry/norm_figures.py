"""Plots of norms: their steps in three dimensions, and their gains."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme, log_scale
from ..journey.panels import panels
from .gains import Gains
from .norm import NormSteps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STEP_TITLES", "gains_plot", "norm_plot", "wire_sphere"]

F32 = NDArray[np.float32]

STEP_TITLES = {
    "raw": "raw",
    "centred": "centred: ⊥ (1, …, 1)",
    "sphere": "divided by σ: radius √d",
    "gain": "times gain",
    "bias": "plus bias",
}
"""Steps of a norm, as a person says them."""

MOST_LABELS = 12
"""Tokens that are named in one of the small pictures."""

MOST_LAYERS = 12
"""Layers that are drawn beside each other; of more, evenly chosen ones."""

CROWDED = 0.35
"""Share of the sphere's radius within which tokens lie too close together to be named."""

ROOM = 1.08
"""Half the width of a picture over the farthest thing that is to be seen in it."""


def wire_sphere(radius: float, circles: int = 6, points: int = 49) -> tuple[F32, ...]:
    """Meridians and parallels of a sphere about the origin, ``(point, 3)`` float32 each.

    Parameters
    ----------
    radius
        Of the sphere.
    circles
        Meridians (half as many full circles), and one fewer parallels.
    points
        Of each circle; the last is the first again.
    """
    around = np.linspace(0, 2 * np.pi, points)
    found = []
    for turn in np.pi * np.arange(circles // 2 + circles % 2) / (circles // 2 + circles % 2):
        upright = [np.sin(around), np.cos(around) * np.cos(turn), np.cos(around) * np.sin(turn)]
        found.append(np.stack(upright, axis=1))
    for height in np.linspace(-1, 1, circles + 1)[1:-1]:
        ring = np.sqrt(1 - height**2)
        level = [np.full(points, height), ring * np.cos(around), ring * np.sin(around)]
        found.append(np.stack(level, axis=1))
    return tuple((radius * one).astype(np.float32) for one in found)


def norm_plot(found: NormSteps, labels: Sequence[str], token: int | None = None) -> Plot:
    """A small three-dimensional picture of each step, with the sphere of radius √d."""
    points = found.points

    def draw(figure: "Figure", theme: Theme) -> None:
        from mpl_toolkits.mplot3d.art3d import Line3DCollection

        count = len(found.names)
        width, height = figure.get_figwidth(), figure.get_figheight()
        # As large as they can be: in a row on paper, in a column or two in a dock.
        columns = max(
            range(1, count + 1), key=lambda one: min(width / one, height / -(-count // one))
        )
        rows = -(-count // columns)
        for number, (name, here) in enumerate(zip(found.names, points, strict=True)):
            axes: Any = figure.add_subplot(rows, columns, number + 1, projection="3d")
            axes.add_collection3d(
                Line3DCollection(
                    wire_sphere(found.radius), colors=theme.faint, linewidths=0.5, alpha=0.6
                )
            )
            shade = np.full(len(here), theme.cycle[0], dtype=object)
            if token is not None:
                shade[token] = theme.accent
            axes.scatter(*here.T, c=list(shade), s=12, depthshade=False)
            # Before the division tokens lie close together, and names on each other.
            small = float(np.abs(here).max(initial=0.0)) < CROWDED * found.radius
            for one in range(0 if small else min(len(here), MOST_LABELS)):
                ink = theme.accent if one == token else theme.text
                axes.text(*here[one], f" {labels[one]}", color=ink, fontsize=theme.size - 2)
            reach = ROOM * max(found.radius, float(np.abs(here).max(initial=0.0)))
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
            axes.set_title(_title(name, found.kind), fontsize=theme.size)
            axes.set_box_aspect((1, 1, 1), zoom=1.1)
            for axis, title in zip((axes.xaxis, axes.yaxis, axes.zaxis), found.axes, strict=True):
                axis.set_pane_color((0, 0, 0, 0))
                axis.line.set_color(theme.faint)
                axis.set_ticks([-found.radius, 0, found.radius], labels=[])
                axis.set_label_text(title, fontsize=theme.size - 2)
                axis.labelpad = -12
                axis._axinfo["grid"].update(color=theme.faint, linewidth=0.2)

    steps, tokens = np.indices(points.shape[:2]).reshape(2, -1)
    flat = points.reshape(-1, 3)
    table = Table(
        {
            "step": [found.names[step] for step in steps],
            "position": tokens,
            "token": [labels[one] for one in tokens],
            **{title: flat[:, axis] for axis, title in enumerate(found.axes)},
            "norm": np.linalg.norm(found.values, axis=-1).ravel(),
        }
    )
    caption = (
        f"{found.stated} After the division every token lies on the sphere of radius "
        f"√d = {found.radius:.2f} in all channels, but for ε; of it these three axes show a "
        "ball, so tokens lie in it. The wires are its surface; each picture has its own scale."
    )
    return Plot(
        "norm-steps",
        f"{found.title}: {'LayerNorm' if found.kind == 'layer' else 'RMSNorm'} step by step",
        draw,
        table,
        caption,
        (2.7 * len(found.names), 3.1),
    )


def _title(step: str, kind: str) -> str:
    """A step as a person says it; what RMSNorm divides by is no deviation."""
    title = STEP_TITLES[step]
    return title.replace("σ", "RMS") if kind == "rms" else title


def gains_plot(found: Gains) -> Plot:
    """Gain against deviation, a dot for each channel, in every layer."""
    layers, channels = found.gains.shape
    shown = sorted({round(one) for one in np.linspace(0, layers - 1, min(layers, MOST_LAYERS))})

    def draw(figure: "Figure", theme: Theme) -> None:
        grid = panels(figure, len(shown), sharey=True)
        wide = bool((found.sigma > 0).all()) and found.sigma.max() > 30 * found.sigma.min()
        for axes, layer in zip(grid, shown, strict=True):
            axes.scatter(
                found.sigma[layer],
                found.gains[layer],
                s=5,
                color=theme.cycle[0],
                alpha=0.5,
                linewidths=0,
                rasterized=True,
            )
            rho = float(found.correlation[layer])
            # Of gains that are all equal there is no correlation.
            title = f"ρ = {rho:+.2f}" if np.isfinite(rho) else "all gains equal"
            axes.set_title(f"L{layer}   {title}" if layers > 1 else title)
            if wide:
                log_scale(axes, "x")
        figure.supxlabel(found.meaning, fontsize=theme.size)
        figure.supylabel("gain", fontsize=theme.size)

    layer, channel = np.indices(found.gains.shape).reshape(2, -1)
    table = Table(
        {
            "layer": layer,
            "channel": channel,
            "sigma": found.sigma.ravel(),
            "gain": found.gains.ravel(),
            "rank correlation of the layer": found.correlation[layer],
        }
    )
    rows = -(-len(shown) // 4)
    return Plot(
        "norm-gains",
        f"Gains of the {found.title}, per channel",
        draw,
        table,
        f"Gain of each of the {channels} channels against {found.meaning}; ρ is the rank "
        "correlation (Spearman).",
        (7.5, 1.2 + 1.9 * rows),
    )
