"""What a model's configuration says that its arrays do not: ε, activation function, rotary base."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import finite_number

__all__ = ["ACTIVATIONS", "Activation", "Facts", "activation_of", "read_facts"]

F64 = NDArray[np.float64]

CLOSE, EXACT = 2e-3, 1e-5
"""Shares of the largest value by which an activation function may miss: in a model that computes
in float16, and in float32."""

_EPSILONS = (
    "layer_norm_epsilon",
    "layer_norm_eps",
    "rms_norm_eps",
    "norm_epsilon",
    "norm_eps",
    "attention_layer_norm_epsilon",
)
"""Names that configs use for the ε of their norms."""

_ACTIVATIONS = ("activation_function", "hidden_act", "hidden_activation", "afn", "activation")
"""Names that configs use for their MLP's activation function."""


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation function of the usual ones.

    Attributes
    ----------
    name
        As configs write it.
    title
        For a person.
    latex
        Its formula, of ``a``.
    apply
        The function.
    """

    name: str
    title: str
    latex: str
    apply: Callable[[F64], F64]
    python: str


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(a: F64) -> F64:
    return np.asarray(0.5 * a * (1 + _erf(a / math.sqrt(2))))


def _tanh_gelu(a: F64) -> F64:
    return np.asarray(0.5 * a * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))))


def _sigmoid(a: F64) -> F64:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * a)))


_TANH_GELU = (
    r"\frac{a}{2}\left(1 + \tanh\left(\sqrt{\frac{2}{\pi}}\left(a + 0.044715\, "
    r"a^3\right)\right)\right)"
)
_TANH_GELU_PYTHON = "0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))"

_KNOWN = (
    Activation(
        "gelu",
        "GELU",
        r"a\,\Phi(a) = \frac{a}{2}\left(1 + \operatorname{erf}\frac{a}{\sqrt{2}}\right)",
        _gelu,
        "0.5 * a * (1 + math.erf(a / math.sqrt(2)))",
    ),
    Activation(
        "gelu_new", "GELU, its approximation by tanh", _TANH_GELU, _tanh_gelu, _TANH_GELU_PYTHON
    ),
    Activation(
        "silu",
        "SiLU, also called swish",
        r"a\,\sigma(a) = \frac{a}{1 + e^{-a}}",
        lambda a: np.asarray(a * _sigmoid(a)),
        "a / (1 + np.exp(-a))",
    ),
    Activation(
        "relu",
        "ReLU",
        r"\max(0, a)",
        lambda a: np.asarray(np.maximum(a, 0)),
        "np.maximum(a, 0)",
    ),
    Activation(
        "relu2",
        "squared ReLU",
        r"\max(0, a)^2",
        lambda a: np.asarray(np.maximum(a, 0) ** 2),
        "np.maximum(a, 0) ** 2",
    ),
    Activation(
        "quick_gelu",
        "GELU, its approximation by a sigmoid",
        r"a\,\sigma(1.702\, a)",
        lambda a: np.asarray(a * _sigmoid(1.702 * a)),
        "a / (1 + np.exp(-1.702 * a))",
    ),
)

ACTIVATIONS: Mapping[str, Activation] = {one.name: one for one in _KNOWN}
"""Activation functions by their names in configs (Hugging Face, ``transformers.activations``)."""

_SAME = {
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_accurate": "gelu_new",
    "swish": "silu",
    "relu_squared": "relu2",
}
"""Other names of the same functions; the name may lie: OpenAI GPT calls its tanh ``"gelu"``."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a configuration says; None where it does not say it.

    Attributes
    ----------
    epsilon
        What the norms add before the root.
    activation
        The name of the MLP's activation function.
    rotary_base
        θ of rotary positions.
    rotary_plain
        Whether the angles are θ's powers as published, without scaling.
    """

    epsilon: float | None = None
    activation: str | None = None
    rotary_base: float | None = None
    rotary_plain: bool = True


def read_facts(config: Mapping[str, Any]) -> Facts:
    """The facts in a model's configuration."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = rope if isinstance(rope, Mapping) else {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    name = next((config[key] for key in _ACTIVATIONS if isinstance(config.get(key), str)), None)
    return Facts(
        epsilon=finite_number(next((config[key] for key in _EPSILONS if key in config), None)),
        activation=name,
        rotary_base=finite_number(
            rope.get("rope_theta", config.get("rope_theta", config.get("rotary_emb_base", 10000.0)))
        ),
        rotary_plain=kind == "default",
    )


def activation_of(name: str | None, before: F64, after: F64) -> Activation | None:
    """The activation function that makes `after` of `before`; see `Facts.activation` for the name.

    None where none of the known ones does.
    """
    wanted = ACTIVATIONS.get(_SAME.get(name or "", name or ""))
    scale = float(np.abs(after).max(initial=0.0)) or 1.0

    def miss(one: Activation) -> float:
        return float(np.abs(one.apply(before) - after).max(initial=0.0)) / scale

    best = min(_KNOWN, key=miss)
    # Where rounding hides the difference between two of them, the name decides.
    if wanted is not None and miss(wanted) <= max(2 * miss(best), EXACT):
        best = wanted
    return best if miss(best) <= CLOSE else None
