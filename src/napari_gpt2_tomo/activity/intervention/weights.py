"""Weights by role, wherever they come from: a checkpoint on disk or a loaded model."""

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import TomoError
from ...facade import Scan

__all__ = ["ScanWeights", "Weights", "factor"]

F32 = NDArray[np.float32]

LAYER_NORM_KEYS = ("layer_norm_epsilon", "layer_norm_eps", "layer_norm_elementwise_affine")
"""Keys of a config that only models with LayerNorm have."""

RMS_NORM_KEYS = ("rms_norm_eps", "rms_norm_epsilon")
"""Keys of a config that only models with RMSNorm have."""

LAYER_NORM_FAMILIES = ("olmo", "gptj", "opt", "mpt")
"""``model_type`` of models with LayerNorm whose config may not say so."""

PARALLEL_FAMILIES = ("gptj", "phi", "cohere", "falcon", "codegen")
"""``model_type`` of models whose MLP reads what attention reads."""

POST_NORM_FAMILIES = ("openai-gpt", "bert", "roberta", "distilbert", "electra", "xlm-roberta")
"""``model_type`` of models that normalise the stream itself."""

ONE_MORE_FAMILIES = ("gemma", "gemma2", "gemma3", "gemma3_text", "recurrent_gemma", "qwen3_next")
"""``model_type`` of models whose norms multiply by 1 plus what is stored."""

TENSORS_HELD = 8
"""Tensors of a scan that stay in memory: the heads of a layer are asked for one after the other."""


class Weights(Protocol):
    """Weights as the computation uses them; `LanguageModel` and `ScanWeights` are such."""

    @property
    def name(self) -> str:
        """Short name of the model."""

    @property
    def sizes(self) -> HyperParameters:
        """Sizes of the model."""

    @property
    def norm_kind(self) -> str:
        """``"layer"`` or ``"rms"``."""

    @property
    def scheme(self) -> str:
        """``"pre-norm"``, ``"post-norm"``, ``"parallel"`` or ``"sandwich"``."""

    @property
    def softcap(self) -> float | None:
        """Bound c of logits that the model bends to c · tanh(logit / c); None for most models."""

    def weight(
        self,
        role: str,
        layer: int | None = None,
        head: int | None = None,
        expert: int | None = None,
    ) -> F32:
        """A matrix ``(channel, unit)`` or a vector, float32; heads of k and v are key/value heads.

        Raises
        ------
        TomoError
            There is none.
        """


class ScanWeights:
    """The weights of a scan, read from its file when they are asked for; needs no torch.

    Gains of norms are those that a token meets; embeddings are as the file has them, before any
    factor by which a model scales them.

    Parameters
    ----------
    scan
        An open scan; a partial checkpoint gives what it has.
    """

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.name = scan.name
        self.sizes = scan.anatomy.hyper
        self._part = lru_cache(TENSORS_HELD)(self._read)

    @property
    def _config(self) -> dict[str, object]:
        return dict(self.scan.checkpoint.config or {})

    @property
    def norm_kind(self) -> str:
        """``"layer"`` or ``"rms"``, from the config or from whether a norm has a bias.

        Raises
        ------
        TomoError
            Neither tells.
        """
        roles = {part.role for part in self.scan.anatomy.parts}
        config = self._config
        if roles & {"attn_norm_bias", "final_norm_bias", "attn_post_norm_bias"}:
            return "layer"
        if any(key in config for key in RMS_NORM_KEYS):
            return "rms"
        if config.get("model_type") in LAYER_NORM_FAMILIES or any(
            key in config for key in LAYER_NORM_KEYS
        ):
            return "layer"
        raise TomoError(
            f"Whether the norms of {self.name} are LayerNorm or RMSNorm is not known: put its "
            "config.json beside the checkpoint."
        )

    @property
    def scheme(self) -> str:
        """Where the norms stand, from the config and from the norms that there are."""
        roles = {part.role for part in self.scan.anatomy.parts}
        config = self._config
        kind = config.get("model_type")
        on_stream = "attn_post_norm" in roles and "attn_norm" not in roles
        # OPT's own name for it.
        before = config.get("do_layer_norm_before", True)
        if kind in POST_NORM_FAMILIES or not before or (kind is None and on_stream):
            return "post-norm"
        if "attn_post_norm" in roles:
            return "sandwich"
        if kind in PARALLEL_FAMILIES or (
            kind == "gpt_neox" and config.get("use_parallel_residual", True)
        ):
            return "parallel"
        return "pre-norm"

    @property
    def softcap(self) -> float | None:
        """See `Weights.softcap`; from the config."""
        cap = self._config.get("final_logit_softcapping")
        return float(cap) if isinstance(cap, int | float) else None

    def weight(
        self,
        role: str,
        layer: int | None = None,
        head: int | None = None,
        expert: int | None = None,
    ) -> F32:
        """See `Weights.weight`. A tied unembedding is the token embedding."""
        if role == "unembedding" and not self._has(role):
            role = "token_embedding"
        if head is None:
            return self._read(role, layer, expert)
        part = self.scan.anatomy.part(role, layer, expert)
        if part.n_heads is None or part.d_head is None:
            raise TomoError(
                f"The number of heads of {part.name} is not known: open the checkpoint with "
                "n_heads=…, or put its config.json beside it."
            )
        if not 0 <= head < part.n_heads:
            raise TomoError(f"{part.name} has heads 0 to {part.n_heads - 1}, there is no {head}.")
        values = self._part(role, layer, expert)
        return values[..., head * part.d_head : (head + 1) * part.d_head]

    def _has(self, role: str) -> bool:
        return any(part.role == role for part in self.scan.anatomy.parts)

    def _read(self, role: str, layer: int | None, expert: int | None) -> F32:
        values = np.asarray(self.scan.part(role, layer, expert), np.float32)
        if role.endswith("norm") and self._config.get("model_type") in ONE_MORE_FAMILIES:
            return values + np.float32(1)
        return values


def factor(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """The triangular factor R of a ``(channel, d_head)`` matrix A = QR, in float64.

    ``‖A M‖ = ‖R M‖`` for any M, in the Frobenius norm: Q keeps lengths.
    """
    return np.asarray(np.linalg.qr(np.asarray(matrix, np.float64), mode="r"))
