"""Every figure of an activity's predictions, for a report."""

from collections.abc import Callable

from ...display.plots import Plot
from ..record import Activity
from .attribution import logit_attribution, source_attribution
from .chances import Chances
from .drawing.attribution_plots import heads_plot, sources_plot, steps_plot, strongest_plot
from .drawing.comparison_plots import compare_lens_plot, compare_next_plot, compare_streams_plot
from .drawing.lens_plots import COLOURS, Colour, certainty_plot, lens_plot, trace_plot
from .drawing.next_plots import continuation_plot, next_plot, surprisal_plot
from .drawing.text_plot import text_plot, token_at
from .logit_lens import logit_lens, token_trace
from .reading import next_token, reading

__all__ = [
    "COLOURS",
    "FIGURES",
    "Colour",
    "certainty_plot",
    "compare_lens_plot",
    "compare_next_plot",
    "compare_streams_plot",
    "continuation_plot",
    "heads_plot",
    "lens_plot",
    "next_plot",
    "sources_plot",
    "steps_plot",
    "strongest_plot",
    "surprisal_plot",
    "text_plot",
    "token_at",
    "trace_plot",
]

CHOICES = 5
"""Tokens that the trace of a report follows: the likeliest in the end."""


def _if(
    draw: Callable[[Activity], Plot | None], *needs: str, model: bool = False
) -> Callable[[Activity], Plot | None]:
    """A figure of an activity; None where what it needs was not recorded."""

    def figure(activity: Activity) -> Plot | None:
        there = all(name in activity for name in needs)
        return draw(activity) if there and (activity.model is not None or not model) else None

    return figure


def _next(activity: Activity) -> Plot | None:
    return next_plot(next_token(activity)) if _predicts(activity) else None


def _text(activity: Activity) -> Plot | None:
    return text_plot(reading(activity)) if _predicts(activity) else None


def _surprisal(activity: Activity) -> Plot | None:
    return surprisal_plot(reading(activity)) if _predicts(activity) else None


def _predicts(activity: Activity) -> bool:
    return activity.model is None or activity.model.causal


def _trace(activity: Activity) -> Plot:
    likeliest = Chances.of_logits(activity.read("logits", -1)).top(CHOICES)
    return trace_plot(token_trace(activity, likeliest.tolist()))


def _sources(activity: Activity) -> Plot:
    attribution = logit_attribution(activity, against="mean")
    return sources_plot(attribution, source_attribution(activity, against="mean"))


_LENS = ("resid_pre", "resid_post", "logits")
_PARTS = (*_LENS, "attn_out", "mlp_out", "z")

FIGURES: tuple[Callable[[Activity], Plot | None], ...] = (
    _if(_next, "logits"),
    _if(_text, "logits"),
    _if(_surprisal, "logits"),
    _if(lambda activity: lens_plot(logit_lens(activity)), *_LENS, model=True),
    _if(lambda activity: certainty_plot(logit_lens(activity)), *_LENS, model=True),
    _if(_trace, *_LENS, model=True),
    _if(
        lambda activity: strongest_plot(logit_attribution(activity, against="mean")),
        *_PARTS,
        model=True,
    ),
    _if(
        lambda activity: heads_plot(logit_attribution(activity, against="mean")),
        *_PARTS,
        model=True,
    ),
    _if(
        lambda activity: steps_plot(logit_attribution(activity, against="mean")),
        *_PARTS,
        model=True,
    ),
    _if(_sources, *_PARTS, "v", "pattern", model=True),
)
"""Each gives a plot of an activity, or None where it does not apply."""
