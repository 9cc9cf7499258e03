"""A norm of a model, taken apart: what it does to real tokens, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..projection import fit_pca
from ..record import Activity

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["NORMS", "NormKind", "NormSteps", "NormWhere", "norm_places", "norm_steps", "take_apart"]

F32 = NDArray[np.float32]
NormWhere = Literal["attn_norm", "mlp_norm", "attn_post_norm", "mlp_post_norm", "final_norm"]
NormKind = Literal["layer", "rms"]

NORMS: Mapping[NormWhere, str] = {
    "attn_norm": "norm before attention",
    "mlp_norm": "norm before the MLP",
    "attn_post_norm": "norm after attention",
    "mlp_post_norm": "norm after the MLP",
    "final_norm": "final norm",
}
"""The norms of a model, as a person says them."""

_INPUTS: Mapping[NormWhere, tuple[str, ...]] = {
    "attn_norm": ("resid_pre",),
    "mlp_norm": ("resid_pre",),
    "attn_post_norm": ("resid_pre", "attn_out"),
    "mlp_post_norm": ("resid_mid", "mlp_out"),
}
"""Sites whose sum a norm reads; between the halves of a block that has a middle, that."""

TOLERANCE = 0.02
"""Share of the largest output by which the steps may miss it: half precision rounds by 0.8 %."""


@dataclass(frozen=True, eq=False)
class NormSteps:
    """The steps of one norm for every token.

    A norm divides by σ = √(mean of squares + ε), LayerNorm after it has subtracted the mean of
    the channels: geometrically a projection on the hyperplane ⊥ (1, …, 1) and then on a sphere
    of radius √d (Brody, Alon and Yahav 2023). Gain and bias stretch and shift it.

    Attributes
    ----------
    title
        Which norm, e.g. ``"L3 norm before attention"``.
    kind
        ``"layer"``, or ``"rms"`` which does not centre.
    names
        Of the steps: ``raw``, ``centred``, ``sphere``, ``gain``, ``bias``; those that the norm
        does not have are absent.
    values
        ``(step, token, channel)`` float32.
    radius
        √d: the norm of a token on the sphere, but for ε.
    basis
        ``(3, channel)`` float32, orthonormal: the axes of the picture.
    axes
        Titles of those axes.
    stated
        What they are, as a sentence.
    """

    title: str
    kind: NormKind
    names: tuple[str, ...]
    values: F32
    radius: float
    basis: F32
    axes: tuple[str, ...]
    stated: str

    @property
    def points(self) -> F32:
        """``(step, token, 3)`` float32: where the steps lie on the axes of the picture."""
        return np.asarray(self.values @ self.basis.T, np.float32)


def take_apart(
    raw: F32,
    scale: F32,
    gain: F32 | None,
    bias: F32 | None,
    kind: NormKind,
    title: str = "norm",
) -> NormSteps:
    """The steps of a norm.

    Parameters
    ----------
    raw
        ``(token, channel)``: what goes in.
    scale
        ``(token, 1)``: what the norm divides by, ε included.
    gain, bias
        ``(channel,)`` as the computation uses them; None where there is none.
    kind
        ``"layer"`` or ``"rms"``.
    title
        Which norm.
    """
    steps: dict[str, F32] = {"raw": np.asarray(raw, np.float32)}
    if kind == "layer":
        steps["centred"] = steps["raw"] - steps["raw"].mean(axis=-1, keepdims=True)
    before = steps["centred" if kind == "layer" else "raw"]
    steps["sphere"] = (before / scale).astype(np.float32)
    last = steps["sphere"]
    if gain is not None:
        last = steps["gain"] = (last * gain).astype(np.float32)
    if bias is not None:
        steps["bias"] = (last + bias).astype(np.float32)
    basis, axes, stated = _basis(steps["sphere"], kind)
    radius = float(np.sqrt(raw.shape[-1]))
    return NormSteps(
        title, kind, tuple(steps), np.stack(list(steps.values())), radius, basis, axes, stated
    )


def norm_places(activity: Activity) -> tuple[tuple[NormWhere, int | None], ...]:
    """The norms whose input was recorded, in forward order: which, and of which layer."""
    post = activity.model is not None and activity.model.scheme == "post-norm"
    pair: tuple[NormWhere, NormWhere] = ("attn_norm", "mlp_norm")
    if post:
        pair = ("attn_post_norm", "mlp_post_norm")
    here = [
        where
        for where in pair
        if set(_INPUTS[where]) <= set(activity) and _has_norm(activity.model, where)
    ]
    found: list[tuple[NormWhere, int | None]] = [
        (where, layer) for layer in range(activity.n_layers) for where in here
    ]
    if {"final", "resid_post"} <= set(activity):
        found.append(("final_norm", None))
    return tuple(found)


def norm_steps(activity: Activity, where: NormWhere, layer: int | None = None) -> NormSteps:
    """The steps of a norm of the model for the tokens of the prompt.

    Parameters
    ----------
    activity
        With the residual stream, and with its model.
    where
        Which norm.
    layer
        Of which layer; None for the final norm.

    Raises
    ------
    TomoError
        The model is not there, has no such norm, or its input was not recorded.
    """
    model = _model(activity)
    raw = norm_input(activity, where, layer)
    title = NORMS[where] if layer is None else f"L{layer} {NORMS[where]}"
    scale = np.asarray(model.norm_scale(where, raw, layer), np.float32)
    gain = _vector(model, where, layer)
    bias = _vector(model, f"{where}_bias", layer)
    steps = take_apart(raw, scale, gain, bias, model.norm_kind, title)
    own = np.asarray(model.norm(where, raw, layer), np.float32)
    off = float(np.abs(steps.values[-1] - own).max(initial=0.0))
    if off > TOLERANCE * max(float(np.abs(own).max(initial=0.0)), 1.0):
        raise TomoError(
            f"The {title} of {activity.source.name} does more than centre, scale, gain and bias: "
            f"its own output differs by up to {off:.3g}."
        )
    return steps


def norm_input(activity: Activity, where: NormWhere, layer: int | None) -> F32:
    """What a norm reads, ``(token, channel)``."""
    if where == "final_norm":
        return activity.read("resid_post", -1)
    if layer is None:
        raise TomoError(f"The {NORMS[where]} is one of a layer: say of which.")
    if where == "mlp_norm" and "resid_mid" in activity:
        return activity.read("resid_mid", layer)
    # A norm after a half-block reads the sum of the stream and what was added to it.
    parts = [activity.read(name, layer) for name in _INPUTS[where]]
    return np.asarray(sum(parts), np.float32)


def _basis(sphere: F32, kind: NormKind) -> tuple[F32, tuple[str, ...], str]:
    """Axes through the origin, so that a sphere about it stays one.

    Nothing is subtracted first: principal axes about the tokens' mean would not pass through it.
    """
    d = sphere.shape[-1]
    if kind == "rms":
        mirrored = np.concatenate([sphere, -sphere])
        found = fit_pca(mirrored, 3)
        stated = (
            "Three principal axes through the origin of the tokens on the sphere. RMSNorm does "
            "not centre, so the direction (1, …, 1) is no axis of its own."
        )
        names = tuple(
            f"axis {number} ({100 * share:.0f} %)"
            for number, share in enumerate(found.explained, 1)
        )
        return found.axes, names, stated
    ones = np.full((1, d), d**-0.5, np.float32)
    flat = sphere - (sphere @ ones.T) @ ones
    found = fit_pca(np.concatenate([flat, -flat]), 2)
    # Where the tokens span less than two axes, those that were added may lean on the first.
    basis, turns = np.linalg.qr(np.concatenate([ones, found.axes]).T)
    shares = [f"{100 * share:.0f} %" for share in found.explained]
    names = ("(1, …, 1)", f"axis 1 ({shares[0]})", f"axis 2 ({shares[1]})")
    stated = (
        "The first axis is the direction (1, …, 1) that centring removes; the others are the two "
        "principal axes through the origin of the centred tokens on the sphere."
    )
    return np.asarray((basis * np.sign(np.diag(turns))).T, np.float32), names, stated


def _has_norm(model: "LanguageModel | None", where: NormWhere) -> bool:
    """Whether the blocks have this norm: some norm only what they add, some share one."""
    if model is None:
        return True
    try:
        model.norm_scale(where, np.zeros((1, model.sizes.d_model or 1), np.float32), 0)
    except TomoError:
        return False
    return True


def _model(activity: Activity) -> "LanguageModel":
    if activity.model is None:
        raise TomoError(f"The steps of a norm need the model {activity.source.name}: run it again.")
    return activity.model


def _vector(model: "LanguageModel", role: str, layer: int | None) -> F32 | None:
    try:
        return np.asarray(model.weight(role, layer=layer), np.float32)
    except TomoError:
        return None
