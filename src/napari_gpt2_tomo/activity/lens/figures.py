"""Every figure of an activity's predictions, for a report."""

from collections.abc import Callable

from ...display.plots import Plot
from ..record import Activity
from .attribution import Attribution, logit_attribution, source_attribution
from .chances import Chances
from .drawing.attribution_plots import heads_plot, sources_plot, steps_plot, strongest_plot
from .drawing.comparison_plots import compare_lens_plot, compare_next_plot, compare_streams_plot
from .drawing.lens_plots import COLOURS, Colour, certainty_plot, lens_plot, trace_plot
from .drawing.next_plots import continuation_plot, next_plot, surprisal_plot
from .drawing.text_plot import text_plot, token_at
from .prediction import next_token, reading
from .projection import logit_lens, token_trace

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
    draw: Callable[[Activity], Plot | None],
    *needs: str,
    model: bool = False,
    causal: bool = False,
) -> Callable[[Activity], Plot | None]:
    """A figure of an activity; None where what it needs is not there."""

    def figure(activity: Activity) -> Plot | None:
        loaded = activity.model
        there = all(name in activity for name in needs)
        fits = (loaded is not None or not model) and (loaded is None or loaded.causal or not causal)
        return draw(activity) if there and fits else None

    return figure


def _over_mean(draw: Callable[[Attribution], Plot]) -> Callable[[Activity], Plot]:
    """A figure of what makes the prediction stand out."""
    return lambda activity: draw(logit_attribution(activity, against="mean"))


def _trace(activity: Activity) -> Plot:
    likeliest = Chances.of_logits(activity.read("logits", -1)).top(CHOICES)
    return trace_plot(token_trace(activity, likeliest.tolist()))


def _sources(activity: Activity) -> Plot:
    attribution = logit_attribution(activity, against="mean")
    return sources_plot(attribution, source_attribution(activity, against="mean"))


_LENS = ("resid_pre", "resid_post", "logits")
_PARTS = (*_LENS, "attn_out", "mlp_out", "z")

FIGURES: tuple[Callable[[Activity], Plot | None], ...] = (
    _if(lambda activity: next_plot(next_token(activity)), "logits", causal=True),
    _if(lambda activity: text_plot(reading(activity)), "logits", causal=True),
    _if(lambda activity: surprisal_plot(reading(activity)), "logits", causal=True),
    _if(lambda activity: lens_plot(logit_lens(activity)), *_LENS, model=True),
    _if(lambda activity: certainty_plot(logit_lens(activity)), *_LENS, model=True),
    _if(_trace, *_LENS, model=True),
    _if(_over_mean(strongest_plot), *_PARTS, model=True, causal=True),
    _if(_over_mean(heads_plot), *_PARTS, model=True, causal=True),
    _if(_over_mean(steps_plot), *_PARTS, model=True, causal=True),
    _if(_sources, *_PARTS, "v", "pattern", model=True, causal=True),
)
"""Each gives a plot of an activity, or None where it does not apply."""
