"""The plots of the geometry that a report shows."""

from collections.abc import Callable
from dataclasses import replace

from ...base import TomoError
from ...display.plots import Plot
from ..record import Activity
from .alignment import alignment
from .angle_figures import angles_plot
from .firing import histograms, sparsity
from .gains import norm_gains
from .neuron_figures import alignment_plot, firing_plot, histogram_plot, sparsity_plot
from .norm import norm_places, norm_steps
from .norm_figures import gains_plot, norm_plot
from .superposition import angles

__all__ = ["FIGURES"]


def _norm(activity: Activity) -> Plot | None:
    places = norm_places(activity)
    if activity.model is None or not places:
        return None
    steps = norm_steps(activity, *places[0])
    return norm_plot(steps, activity.tokens.labels, len(activity.tokens) - 1)


def _gains(activity: Activity) -> Plot | None:
    places = norm_places(activity)
    if activity.model is None or not places:
        return None
    try:
        return gains_plot(norm_gains(activity, places[0][0]))
    except TomoError:
        # A norm without gains (OLMo) has nothing to draw.
        return None


def _before(activity: Activity) -> Plot | None:
    return histogram_plot(histograms(activity, "mlp_pre")) if "mlp_pre" in activity else None


def _after(activity: Activity) -> Plot | None:
    return histogram_plot(histograms(activity, "mlp_post")) if "mlp_post" in activity else None


def _sparsity(activity: Activity) -> Plot | None:
    return sparsity_plot(sparsity(activity)) if "mlp_post" in activity else None


def _firing(activity: Activity) -> Plot | None:
    if "mlp_post" not in activity:
        return None
    plot = firing_plot(activity, activity.n_layers // 2)
    said = " Drawn is the layer in the middle of the model."
    return None if plot is None else replace(plot, caption=plot.caption + said)


def _alignment(activity: Activity) -> Plot | None:
    return None if activity.model is None else alignment_plot(alignment(activity))


def _neurons(activity: Activity) -> Plot | None:
    return None if activity.model is None else angles_plot(angles(activity, "in"))


def _embeddings(activity: Activity) -> Plot | None:
    if activity.model is None:
        return None
    return angles_plot(angles(activity, "token_embedding", centred=True))


FIGURES: tuple[Callable[[Activity], Plot | None], ...] = (
    _norm,
    _gains,
    _before,
    _after,
    _sparsity,
    _firing,
    _alignment,
    _neurons,
    _embeddings,
)
"""The plots of a report; None where one does not apply."""
