"""Every token's path through the residual stream, projected on a few stated axes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..projection import Projection, UmapProjection, fit_pca, fit_umap
from ..record import Activity
from ..record.states import States, states
from .outliers import norms, outliers

__all__ = ["FITS", "LEAVE_OUT", "SCALES", "Fit", "LeaveOut", "Paths", "Scale", "paths"]

F32 = NDArray[np.float32]
Fit = Literal["prompt", "last", "embeddings"]
Scale = Literal["direction", "raw"]
LeaveOut = Literal["outliers", "first", "nothing"]

FITS: Mapping[Fit, str] = {
    "prompt": "all states of this prompt",
    "last": "the states after the last block",
    "embeddings": "the token embeddings",
}
"""What axes can be fitted on, as a person says it."""

SCALES: Mapping[Scale, str] = {
    "direction": "directions: every state scaled to length 1",
    "raw": "raw states",
}
"""Whether lengths count. They grow from layer to layer, so raw paths show the last layers most."""

LEAVE_OUT: Mapping[LeaveOut, str] = {
    "outliers": "tokens of outlying norm",
    "first": "the first token",
    "nothing": "no token",
}
"""Tokens that are drawn, but that the axes are not fitted on."""

SPREAD = 4.0
"""Times the median reach of the paths from which one leads off the view."""


@dataclass(frozen=True, eq=False)
class Paths:
    """The tokens' paths in a few dimensions.

    Attributes
    ----------
    points
        ``(state, token, axis)`` float32.
    states
        The states that were projected, with their names and layers.
    axes
        Title of each axis, with the variance that it explains.
    left_out
        Tokens that the axes were not fitted on.
    far
        Tokens so far from the others that a camera should not try to show them.
    stated
        What the axes are and what they were fitted on, as a sentence.
    """

    points: F32
    states: States
    axes: tuple[str, ...]
    left_out: tuple[int, ...]
    far: tuple[int, ...]
    stated: str

    @property
    def near(self) -> tuple[int, ...]:
        """The tokens that a camera should show; all of them where all are far."""
        count = self.points.shape[1]
        return tuple(token for token in range(count) if token not in self.far) or tuple(
            range(count)
        )


def paths(
    activity: Activity,
    fit: Fit = "prompt",
    scale: Scale = "direction",
    leave_out: LeaveOut = "outliers",
    *,
    method: Literal["pca", "umap"] = "pca",
    halves: bool = True,
    seed: int = 0,
) -> Paths:
    """Project every state of every token on three axes.

    Parameters
    ----------
    activity
        With the residual stream.
    fit
        What the axes are fitted on: see `FITS`. States after the final norm are drawn, but no
        axes are fitted on them: the norm's gain gives them another scale in each channel.
    scale
        Whether lengths count: see `SCALES`.
    leave_out
        Tokens that the axes are not fitted on: see `LEAVE_OUT`.
    method
        Principal components, or UMAP if ``umap-learn`` is installed.
    halves
        Whether the states between attention and MLP are steps of their own.
    seed
        Of what is random in a fit.

    Raises
    ------
    TomoError
        The residual stream was not recorded, the token embeddings need a model that is not
        there, or UMAP is not installed.
    """
    found = states(activity, halves=halves)
    values = np.asarray(found.values, np.float32)
    shaped = _shape(scale)(values)
    out = _left_out(values, leave_out)
    rows, said = _rows(activity, found, shaped, fit, scale, out)
    if values.shape[2] < 3:
        raise TomoError(f"A stream of {values.shape[2]} channels has no three axes.")
    projection: Projection | UmapProjection
    if method == "umap":
        projection = fit_umap(rows, 3, said, seed=seed)
    else:
        projection = fit_pca(rows, 3, said, seed=seed)
    points = projection.project(shaped)
    kind = "UMAP" if method == "umap" else "Principal components"
    stated = f"{kind} of {projection.stated}; {SCALES[scale]}."
    return Paths(points, found, projection.labels, out, _far(points), stated)


def _shape(scale: Scale) -> Callable[[F32], F32]:
    return _directions if scale == "direction" else _unchanged


def _directions(values: F32) -> F32:
    lengths = norms(values)[..., None]
    return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)


def _unchanged(values: F32) -> F32:
    return values


def _left_out(values: F32, leave_out: LeaveOut) -> tuple[int, ...]:
    if leave_out == "outliers":
        return outliers(values)
    # One token alone cannot be left out.
    return (0,) if leave_out == "first" and values.shape[1] > 1 else ()


def _rows(
    activity: Activity, found: States, shaped: F32, fit: Fit, scale: Scale, out: tuple[int, ...]
) -> tuple[Any, str]:
    """Rows to fit on, ``(row, channel)``, and what they are."""
    if fit == "embeddings":
        return _vocabulary(activity, shaped.shape[2], scale)
    kept = [token for token in range(shaped.shape[1]) if token not in out]
    before = [index for index, kind in enumerate(found.kind) if kind != "final"]
    if fit == "last":
        said = f"the {len(kept)} tokens' states {found.names[before[-1]]}"
        rows = shaped[before[-1], kept]
    else:
        said = FITS["prompt"]
        if len(before) < len(found.kind):
            said += " before the final norm"
        rows = shaped[before][:, kept].reshape(-1, shaped.shape[2])
    return rows, said + _without(activity, out)


def _without(activity: Activity, out: tuple[int, ...]) -> str:
    if not out:
        return ""
    labels = activity.tokens.labels
    named = ", ".join(f"{token} “{labels[token]}”" for token in out[:3])
    more = f" and {len(out) - 3} others" if len(out) > 3 else ""
    return f" without token{'s' if len(out) > 1 else ''} {named}{more}"


def _vocabulary(activity: Activity, channels: int, scale: Scale) -> tuple[F32, str]:
    if activity.model is None:
        raise TomoError(
            "Axes fitted on the token embeddings need the model: run it again, or fit the axes "
            "on the states of this prompt."
        )
    table = np.asarray(activity.model.weight("token_embedding"), np.float32).T
    if table.shape[1] != channels:
        raise TomoError(
            f"The token embeddings have {table.shape[1]} channels and the stream has {channels}; "
            "fit the axes on the states of this prompt."
        )
    return _shape(scale)(table), f"the {len(table):,} token embeddings"


def _far(points: F32) -> tuple[int, ...]:
    """Tokens whose path leads far from the middle of the others'."""
    if points.shape[1] < 3:
        return ()
    middle = np.median(points, axis=(0, 1))
    reach = np.sqrt(np.square(points - middle).sum(axis=-1)).max(axis=0)
    usual = float(np.median(reach))
    return tuple(np.flatnonzero(reach > SPREAD * max(usual, 1e-12)).tolist())
