"""How a model knows where a token stands: a table, rotations, slopes, or sines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...anatomy import Anatomy
from ...anatomy.config import text_config
from ...base import finite_number

__all__ = ["PositionScheme", "cosine_matrix", "position_scheme", "rotary_wavelengths"]

Kind = Literal["learned", "rotary", "alibi", "sinusoidal", "unknown"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

THETA_NAMES = ("rope_theta", "rotary_emb_base", "rotary_base")
"""Names that configs use for the base of rotary frequencies, first choice first."""

GPTJ_THETA = 10000.0
"""The base where a model of GPT-J's kind does not state it: Su et al. 2021, equation 15."""

FRACTIONS = ("partial_rotary_factor", "rotary_pct")
"""Names that configs use for the share of a head's dimensions that is turned."""

ALIBI = ("bloom",)
"""``model_type`` of models that always have attention slopes."""

SINES = ("ctrl", "xglm", "transfo-xl")
"""``model_type`` of models that compute sines in place of a table."""


@dataclass(frozen=True, slots=True)
class PositionScheme:
    """How positions enter a model.

    Attributes
    ----------
    kind
        ``"learned"``: a stored table is added to the tokens; ``"rotary"``: queries and keys are
        turned (Su et al. 2021); ``"alibi"``: distance lowers the score (Press et al. 2022);
        ``"sinusoidal"``: fixed sines are added (Vaswani et al. 2017); ``"unknown"``.
    words
        A sentence for a person: what it is, and why figures of positions are absent where they
        are.
    theta
        Base of rotary frequencies; None where the config does not state it.
    turned
        Dimensions of a head that rotation turns.
    context
        Number of positions that the model was made for, None if unknown.
    scaling
        Name of a rule that changes the rotary frequencies for long texts, empty if none.
    """

    kind: Kind
    words: str
    theta: float | None = None
    turned: int | None = None
    context: int | None = None
    scaling: str = ""


def position_scheme(anatomy: Anatomy, config: Mapping[str, Any] | None) -> PositionScheme:
    """The scheme of a model, from its parts and its config; nothing is read."""
    context = anatomy.hyper.context
    settings = text_config(config)
    if any(part.role == "position_embedding" for part in anatomy.parts):
        return PositionScheme("learned", "A learned vector for each position.", context=context)
    model = settings.get("model_type")
    attention = settings.get("attn_config")
    slopes = isinstance(attention, Mapping) and attention.get("alibi")
    if model in ALIBI or settings.get("alibi") or slopes:
        words = (
            "This model has no position embeddings: its attention scores fall with the distance "
            "between two tokens (ALiBi), by a slope for each head that is not learned."
        )
        return PositionScheme("alibi", words, context=context)
    if model in SINES:
        words = (
            "This model stores no position embeddings: it adds fixed sines and cosines, which "
            "are computed and not learned."
        )
        return PositionScheme("sinusoidal", words, context=context)
    theta, scaling = _rotary_base(settings)
    if theta is not None:
        words = (
            "This model has no position embeddings: it turns pairs of dimensions of queries and "
            "keys by an angle that grows with the position (rotary positions)."
        )
        return PositionScheme(
            "rotary", words, theta, _turned(settings, anatomy.hyper.d_head), context, scaling
        )
    words = (
        "This file holds no position embeddings, and its config does not say how the model "
        "knows positions."
    )
    return PositionScheme("unknown", words, context=context)


def rotary_wavelengths(theta: float, turned: int) -> F64:
    """Positions after which each rotary pair has turned once, ``(turned / 2,)`` float64.

    Pair i turns by ``theta ** (-2 i / turned)`` radians a position (Su et al. 2021, equation
    15), so its wavelength is 2π over that. Scaling rules for long texts are not applied.
    """
    pairs = np.arange(turned // 2)
    return np.asarray(2 * np.pi * float(theta) ** (2 * pairs / turned), np.float64)


def cosine_matrix(rows: F32) -> F32:
    """Cosine between every two rows, ``(row, row)`` float32; 0 where a row is 0."""
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    unit = rows / np.where(norms > 0, norms, 1)[:, None]
    return np.clip(unit @ unit.T, -1, 1).astype(np.float32)


def _rotary_base(settings: Mapping[str, Any]) -> tuple[float | None, str]:
    rules = [settings.get(name) for name in ("rope_parameters", "rope_scaling")]
    stated = [settings, *(rule for rule in rules if isinstance(rule, Mapping))]
    # Layers of several kinds may each have rules of their own; the first stands for them.
    stated += [
        inner for rule in stated[1:] for inner in rule.values() if isinstance(inner, Mapping)
    ]
    scaling = ""
    for rule in stated[1:]:
        name = rule.get("rope_type", rule.get("type"))
        if isinstance(name, str) and name != "default":
            scaling = name
    for rule in stated:
        for name in THETA_NAMES:
            value = finite_number(rule.get(name))
            if value is not None and value > 0:
                return value, scaling
    return (GPTJ_THETA if _size(settings.get("rotary_dim")) else None), scaling


def _turned(settings: Mapping[str, Any], d_head: int | None) -> int | None:
    direct = _size(settings.get("rotary_dim"))
    if direct is not None:
        return direct
    if d_head is None:
        return None
    rule = settings.get("rope_parameters")
    for source in (settings, rule if isinstance(rule, Mapping) else {}):
        for name in FRACTIONS:
            share = source.get(name)
            if isinstance(share, int | float) and 0 < share <= 1:
                return max(2, int(d_head * share) // 2 * 2)
    return d_head


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 1 else None
