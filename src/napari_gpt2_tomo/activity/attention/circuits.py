"""What a head copies and where it looks, from its weights: the OV and QK circuits of tokens.

With the matrices ``(channel, unit)`` of the parts, the full OV circuit W_Eᵀ W_V W_Oᵀ W_U says how
much more probable token t becomes where the head looks at token s; the full QK circuit
W_Eᵀ W_Q W_Kᵀ W_E how much token s looks for token t (Elhage et al., 2021, "A mathematical
framework for Transformer circuits"). Gains of norms are folded into the weights, what LayerNorm
removes is removed, and the unembedding is centred over the vocabulary, which softmax does not
see. Scales of norms, biases and positions are left out: the numbers compare tokens and heads of a
layer, they are no logits.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...base import Progress, SilentProgress, TomoError
from ..intervention.folding import Folded
from ..intervention.weights import Weights
from .metrics import HeadMetrics

__all__ = ["Circuits"]

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]

NEGLIGIBLE = 1e-6
"""Σ |λ| of a head without an OV circuit, as a share of what its weights could give: what is left
of an exact zero by rounding to float32."""


class Circuits:
    """The circuits of a model's heads; keeps the embeddings, folded.

    Parameters
    ----------
    weights
        A `LanguageModel`, or `ScanWeights` of a checkpoint.

    Attributes
    ----------
    weights
        The same with their norms folded in, where they can be: those of a model that normalises
        the stream itself cannot.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights: Weights = weights if weights.scheme == "post-norm" else Folded(weights)

    @cached_property
    def embedding(self) -> F32:
        """``(channel, vocab)``: what tokens are at first."""
        return self.weights.weight("token_embedding")

    @cached_property
    def unembedding(self) -> F32:
        """``(channel, vocab)``: what raises the logits of tokens.

        Raises
        ------
        TomoError
            The model has none: an encoder without a head.
        """
        try:
            return self.weights.weight("unembedding")
        except TomoError as error:
            raise TomoError(
                f"{self.weights.name} has no unembedding: what its heads copy cannot be read as "
                "tokens."
            ) from error

    @cached_property
    def _copied(self) -> Floats:
        """W_E W_Uᵀ, ``(channel, channel)``: the sum over the vocabulary, once for all heads."""
        embedding, unembedding = self.embedding, self.unembedding
        # Of a padded vocabulary one may have more rows than the other.
        n = min(embedding.shape[1], unembedding.shape[1])
        return (embedding[:, :n] @ unembedding[:, :n].T).astype(np.float64)

    def eigenvalues(self, layer: int, head: int) -> NDArray[np.complex128]:
        """Those of a head's full OV circuit that are not 0 by its rank: ``(d_head,)`` complex.

        The circuit is vocab × vocab of rank d_head: its other eigenvalues are those of the small
        matrix W_Vᵀ (W_E W_Uᵀ) W_O, since AB and BA have the same.
        """
        return self._eigenvalues(
            self.weights.weight("v", layer, self._shared(head)),
            self.weights.weight("o", layer, head),
        )

    def _eigenvalues(self, reads: F32, writes: F32) -> NDArray[np.complex128]:
        small = reads.astype(np.float64).T @ (self._copied @ writes)
        return np.linalg.eigvals(small).astype(np.complex128)

    def copying(self, progress: Progress | None = None) -> HeadMetrics:
        """``copying`` and ``positive`` of every head: NaN where a head writes nothing.

        Raises
        ------
        TomoError
            The numbers of layers and heads are not known, or there is no unembedding.
        Cancelled
            `progress` asked to stop.
        """
        sizes = self.weights.sizes
        if not sizes.n_layers or not sizes.n_heads:
            raise TomoError(f"The numbers of layers and heads of {self.weights.name} are unknown.")
        progress = progress or SilentProgress()
        progress.start(sizes.n_layers, f"Eigenvalues of the heads of {self.weights.name}")
        copying = np.full((sizes.n_layers, sizes.n_heads), np.nan)
        positive = copying.copy()
        most = float(np.linalg.norm(self._copied))
        for layer in range(sizes.n_layers):
            # Read once for all heads: the weights may lie on disk.
            reads, writes = (self.weights.weight(role, layer) for role in ("v", "o"))
            size = writes.shape[1] // sizes.n_heads
            for head in range(sizes.n_heads):
                own = self._shared(head)
                v = reads[:, own * size : (own + 1) * size]
                o = writes[:, head * size : (head + 1) * size]
                values = self._eigenvalues(v, o)
                total = np.abs(values).sum()
                # Σ |λ| cannot exceed the product of the norms of the factors.
                if total > NEGLIGIBLE * most * float(np.linalg.norm(v) * np.linalg.norm(o)):
                    copying[layer, head] = values.sum().real / total
                    positive[layer, head] = (values.real > 0).mean()
            progress.advance(1)
        return HeadMetrics({"copying": copying, "positive": positive})

    def ov(self, layer: int, head: int, sources: Sequence[int], targets: Sequence[int]) -> F32:
        """The full OV circuit between tokens: ``(source, target)``.

        Parameters
        ----------
        layer, head
            Which head.
        sources
            Ids of tokens that it looks at.
        targets
            Ids of tokens whose logits it changes.
        """
        return self._written(layer, head, sources) @ self.unembedding[:, list(targets)]

    def qk(self, layer: int, head: int, queries: Sequence[int], keys: Sequence[int]) -> F32:
        """The full QK circuit between tokens, without positions: ``(query, key)``."""
        asks = self.embedding[:, list(queries)].T @ self.weights.weight("q", layer, head)
        answers = self.embedding[:, list(keys)].T @ self.weights.weight(
            "k", layer, self._shared(head)
        )
        scores: F32 = asks @ answers.T
        return scores

    def promotes(self, layer: int, head: int, source: int, n: int = 10) -> list[tuple[int, float]]:
        """Tokens that a head makes more probable where it looks at a token; the most so first."""
        row: F32 = (self._written(layer, head, [source]) @ self.unembedding)[0]
        best = np.argsort(-row, kind="stable")[:n]
        return [(int(id), float(row[id])) for id in best]

    def _written(self, layer: int, head: int, sources: Sequence[int]) -> F32:
        """What a head writes for the embeddings of tokens: ``(source, channel)``."""
        values = self.embedding[:, list(sources)].T @ self.weights.weight(
            "v", layer, self._shared(head)
        )
        return np.asarray(values @ self.weights.weight("o", layer, head).T, np.float32)

    def _shared(self, head: int) -> int:
        """The key/value head that a query head reads."""
        sizes = self.weights.sizes
        if not sizes.n_heads or not sizes.n_kv_heads:
            return head
        return head * sizes.n_kv_heads // sizes.n_heads
