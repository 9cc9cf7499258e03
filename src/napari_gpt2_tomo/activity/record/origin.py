"""The model that a stored activity was measured on: where it is, and whether it is the same."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...base import Progress, TomoError
from .activity import Activity, Source

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["model_place", "with_model"]

COMPARED = ("final", "resid_post", "logits", "z", "pattern", "mlp_post", "resid_pre", "embed")
"""Sites that tell whether a model computes what was recorded, those that tell most first."""

SAME = 1e-3
"""Relative difference up to which numbers are the same: float32 on two machines is below 1e-5."""

ROUNDED = 0.05
"""Relative difference that 16-bit numbers make in deep models; another model is far beyond."""


def model_place(source: Source) -> Path | None:
    """Where the model of an activity lies; None where it is not known, or gone.

    Looks at names only.
    """
    if source.path is None:
        return None
    folder = Path(source.path)
    own = folder / f"{source.name}.safetensors"
    if own.is_file():
        return own
    return folder if folder.is_dir() else None


def with_model(
    activity: Activity,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress | None = None,
) -> Activity:
    """See `Activity.with_model`."""
    from ..running.run import language_model

    source = activity.source
    place = model_place(source)
    if place is None:
        where = "is not known" if source.path is None else f"is not at {source.path}"
        raise TomoError(
            f"The model that this was measured on, {source.name}, {where}. Run the text again with "
            "a model that is on this machine."
        )
    model = language_model(place, device, dtype, progress)
    now, then = model.sizes.known(), source.sizes.known()
    others = [name for name in then if name in now and now[name] != then[name]]
    if others or (source.family is not None and source.family != model.family):
        name = others[0] if others else "family"
        values = (then[name], now[name]) if others else (source.family, model.family)
        raise TomoError(
            f"The model at {place} is not the one that this was measured on: {name} was "
            f"{values[0]} and is {values[1]}. Run the text again."
        )
    said = _compared(activity, model, place, progress)
    return activity.replace(model=model, notes=(*activity.notes, said) if said else None)


def _compared(
    activity: Activity, model: "LanguageModel", place: Path, progress: Progress | None
) -> str:
    """Let the model read the text again; says what differs. Raises where it is another model."""
    changed = bool(activity.source.changes)
    names = ("embed",) if changed else COMPARED
    site = next((one for one in names if one in activity and one in model.circuit.sites), None)
    if site is None:
        return (
            f"The model at {place} has the sizes of the one that this was measured on; that it is "
            "the same could not be checked."
        )
    again = model.run(activity.tokens, (site,), progress)
    # The last layer, or the last token, has gone through everything before it.
    then, now = (np.asarray(one.read(site, -1), np.float64) for one in (activity, again))
    off = float("inf")
    if then.shape == now.shape:
        length = float(np.linalg.norm(then))
        off = float(np.linalg.norm(then - now)) / max(length, 1e-30)
    if not off <= ROUNDED:
        raise TomoError(
            f"The model at {place} is another than the one that this was measured on: what was "
            f"recorded ({site}) and what it computes now differ"
            f"{f' by {100 * off:.0f} %' if np.isfinite(off) else ''}. Run the text again."
        )
    if off > SAME:
        return (
            f"What was recorded ({site}) and what the model computes now differ by "
            f"{100 * off:.1f} %: it ran in other numbers, or its weights have changed a little."
        )
    if changed:
        return "It ran under changes: only the embeddings were compared with those of the model."
    return ""
