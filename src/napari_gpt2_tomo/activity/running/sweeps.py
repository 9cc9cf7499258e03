"""Changing one component of a model after the other, and what each does to the next token."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ...base import Progress, TomoError
from ..intervention.change import STREAM_SITES, Change, Component, Mean, Patch, Zero
from ..intervention.effect import Metric, Sweep
from ..record import Tokens, site
from .changes import Given, batch_of, logits_at, part_of, position_in, put_values, strings_of
from .hooks import Hook
from .model import LanguageModel, Text

__all__ = ["SWEEPS", "sweep"]

F32 = NDArray[np.float32]

SWEEPS = ("heads", "attention", "mlp", *STREAM_SITES)
"""What can be gone through."""

ROWS = 16
"""Variants that run at once at most: beyond, a batch is no faster."""

LOGITS_BYTES = 2**28
"""Memory for the logits of the variants that run at once."""

_OF_ONE_PLACE = {"attention": "The attention", "mlp": "The MLP"}


def sweep(
    model: LanguageModel,
    text: Text,
    over: str = "heads",
    how: Literal["zero", "mean", "patch"] = "zero",
    metric: Metric | None = None,
    *,
    source: str | tuple[int, ...] | None = None,
    texts: Sequence[str] = (),
    position: int = -1,
    progress: Progress | None = None,
) -> Sweep:
    """The effect of changing one component after the other.

    Patching one position of the stream after the other from a prompt that differs in a word
    shows where the difference travels (causal tracing, Meng et al., "Locating and Editing
    Factual Associations in GPT", 2022).

    Parameters
    ----------
    model, text
        See `run_changed`.
    over
        ``"heads"``: every head at all positions, a grid ``(layer, head)``. ``"attention"``,
        ``"mlp"``, or one of `STREAM_SITES`: at one position after the other, a grid
        ``(layer, token)``.
    how
        ``"zero"``, ``"mean"`` or ``"patch"``.
    metric
        What is measured of the next token; None is KL(before ‖ after).
    source
        For ``"patch"``: the other prompt, of equal length.
    texts
        For ``"mean"``: texts over which; none is this prompt.
    position
        After which token the next one is predicted; negative ones count from the end.
    progress
        Advances with each block of each run.

    Raises
    ------
    TomoError
        See `run_changed`; or `source` is missing.
    Cancelled
        `progress` asked to stop.
    """
    tokens = model.tokens(text)
    at = position_in(position, len(tokens))
    metric = metric or Metric()
    cells = _cells(model, tokens, over, how, source, tuple(texts))
    given = Given(model, tokens, [cell for row in cells for cell in row], progress)
    n_layers, width = len(cells), len(cells[0])
    rows = _fitting_rows(model, tokens)
    if progress is not None:
        runs = n_layers * -(-width // rows) + 1 + (source is not None)
        progress.start(runs * n_layers, f"Changing {model.name}, {n_layers} × {width} times")
    unchanged = logits_at(model, batch_of(model, tokens, 1), at, (), progress)
    if not np.isfinite(unchanged.max()):
        raise TomoError(
            f"{model.name} gives no finite logits on this text, so no change of them can be "
            "measured: a weight is NaN or infinite, or the numbers overflow (then run it in "
            "float32)."
        )
    values = np.empty((n_layers, width), np.float32)
    for layer, row in enumerate(cells):
        for first in range(0, width, rows):
            chunk = row[first : first + rows]
            hook = _hook_of_rows(chunk, [given.values(cell) for cell in chunk])
            logits = logits_at(model, batch_of(model, tokens, len(chunk)), at, [hook], progress)
            values[layer, first : first + rows] = metric(logits, unchanged[0])
    theirs = None
    if source is not None:
        other = model.tokens(source)
        end = at if len(other) == len(tokens) else len(other) - 1
        logits = logits_at(model, batch_of(model, other, 1), end, (), progress)
        theirs = float(metric(logits, unchanged[0])[0])
    return Sweep(
        tokens=tokens,
        position=at,
        over=over,
        changes=_sentence(over, how, source, texts),
        metric=metric,
        values=values,
        unchanged=float(metric(unchanged, unchanged[0])[0]),
        source=theirs,
        metric_title=metric.title(strings_of(model)),
    )


def _cells(
    model: LanguageModel,
    tokens: Tokens,
    over: str,
    how: str,
    source: str | tuple[int, ...] | None,
    texts: tuple[str, ...],
) -> list[list[Change]]:
    """The change of each place of a sweep's grid."""
    layers = range(model.sizes.n_layers or 0)

    def change(component: Component, positions: tuple[int, ...] | None) -> Change:
        if how == "patch":
            if source is None:
                raise TomoError("Patching needs another prompt: give one (source=…).")
            return Patch(component, source, positions)
        return Mean(component, positions, texts) if how == "mean" else Zero(component, positions)

    if how not in ("zero", "mean", "patch"):
        raise TomoError(f"There is no change {how!r}; there are: zero, mean, patch.")
    if over == "heads":
        heads = range(model.sizes.n_heads or 0)
        return [[change(Component.head(layer, head), None) for head in heads] for layer in layers]
    if over not in SWEEPS:
        raise TomoError(f"A sweep over {over!r} is not known; there are: {', '.join(SWEEPS)}.")

    def whole(layer: int) -> Component:
        if over == "attention":
            return Component.attention(layer)
        return Component.mlp(layer) if over == "mlp" else Component.stream(layer, over)

    places = range(len(tokens))
    return [[change(whole(layer), (place,)) for place in places] for layer in layers]


def _hook_of_rows(chunk: Sequence[Change], given: Sequence[tuple[Sequence[int], F32]]) -> Hook:
    """A hook that makes another change in each row of a batch, all at one site of one layer."""

    def put(tensor: torch.Tensor) -> torch.Tensor:
        for row, (change, (positions, values)) in enumerate(zip(chunk, given, strict=True)):
            put_values(part_of(tensor[row : row + 1], change.component), positions, values)
        return tensor

    return Hook(chunk[0].component.site, put, chunk[0].component.layer)


def _fitting_rows(model: LanguageModel, tokens: Tokens) -> int:
    row = 4 * len(tokens) * (model.sizes.vocab or 1)
    return max(1, min(ROWS, LOGITS_BYTES // row))


def _sentence(over: str, how: str, source: Any, texts: Sequence[str]) -> str:
    if over == "heads":
        what = "Each head alone"
    else:
        what = f"{_OF_ONE_PLACE.get(over) or f'The {site(over).title}'}, each position alone,"
    if how == "patch":
        name = source if isinstance(source, str) else " ".join(map(str, source))
        return f"{what} patched from “{name}”"
    if how == "mean":
        return f"{what} set to its mean over {f'{len(texts)} texts' if texts else 'this prompt'}"
    return f"{what} set to 0"
