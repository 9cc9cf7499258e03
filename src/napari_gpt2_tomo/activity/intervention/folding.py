"""Weights with the norms folded in: what a head or neuron really reads, and really writes.

A norm before a matrix is a division by a number for each token, then a gain and a bias for each
channel. The gain can be moved into the matrix that reads the result, and the bias into that
matrix' bias. LayerNorm also takes away the mean over channels; so whatever a matrix writes along
the vector of ones is never seen, and can be taken away from it beforehand. The unembedding may
be centred over the vocabulary: all logits of a position change by the same amount, which softmax
does not see. The model computes the same; weights of different layers can be compared.
"""

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import TomoError
from ...facade import Scan
from .weights import ScanWeights, Weights

__all__ = ["Folded", "weights_of"]

F32 = NDArray[np.float32]

ATTENTION_READERS = ("q", "k", "v")
MLP_READERS = ("gate", "up", "router")
FOLDED_NORMS = ("attn_norm", "mlp_norm", "final_norm")
WRITERS = ("token_embedding", "position_embedding", "type_embedding", "o", "down")


class Folded:
    """The weights of a model as if its norms had neither gain nor bias; see this module.

    Matrices that read the stream are multiplied by the gain of the norm before them, and their
    biases take up its bias. For LayerNorm, what is written to the stream (embeddings, o, down and
    their biases) has no mean over channels, and readers have none either. The unembedding takes up
    the final norm and is centred over the vocabulary, unless the model bends its logits with a
    softcap, which would see the difference. These norms become ones and zeros; norms of queries and
    keys, of embeddings and of what a block writes stay as they are.

    Parameters
    ----------
    weights
        `ScanWeights` or a `LanguageModel`.
    center_unembedding
        Whether to centre it over the vocabulary; None is wherever logits have no softcap.

    Raises
    ------
    TomoError
        The stream itself is normalised (post-norm): there is nothing to fold.
    """

    def __init__(self, weights: Weights, center_unembedding: bool | None = None) -> None:
        if weights.scheme == "post-norm":
            raise TomoError(
                f"The norms of {weights.name} cannot be folded into its weights: they normalise "
                "the stream itself, not what a matrix reads from it."
            )
        self.base = weights
        self.centers = weights.norm_kind == "layer"
        # The outputs of a sandwich go through a norm of their own, whose size would change.
        self._writes_plainly = weights.scheme != "sandwich"
        if center_unembedding is None:
            center_unembedding = weights.softcap is None
        self._center_unembedding = center_unembedding

    @property
    def name(self) -> str:
        """Short name of the model."""
        return self.base.name

    @property
    def sizes(self) -> HyperParameters:
        """Sizes of the model."""
        return self.base.sizes

    @property
    def norm_kind(self) -> str:
        """``"layer"`` or ``"rms"``."""
        return self.base.norm_kind

    @property
    def scheme(self) -> str:
        """Where the norms stand."""
        return self.base.scheme

    @property
    def softcap(self) -> float | None:
        """See `Weights.softcap`."""
        return self.base.softcap

    def weight(
        self,
        role: str,
        layer: int | None = None,
        head: int | None = None,
        expert: int | None = None,
    ) -> F32:
        """A folded matrix ``(channel, unit)`` or vector, float32; computed in float64.

        Biases that the file lacks are there where folding makes them.

        Raises
        ------
        TomoError
            The model has no such weight.
        """
        if role in FOLDED_NORMS:
            return np.ones_like(self.base.weight(role, layer))
        if role.removesuffix("_bias") in FOLDED_NORMS:
            return np.zeros_like(self.base.weight(role, layer))
        bias = role.removesuffix("_bias") if role.endswith("_bias") else None
        if role == "unembedding" or bias == "unembedding":
            return self._unembedding(bias is not None)
        if self._norm(bias or role) is not None:
            if bias is not None:
                return self._read_bias(bias, layer, head, expert)
            return self._read(role, layer, head, expert)
        values = self.base.weight(role, layer, head, expert)
        if self.centers and self._writes_plainly and (bias or role) in WRITERS:
            return _centred(values, 0)
        return values

    def _norm(self, role: str) -> str | None:
        if role in ATTENTION_READERS:
            return "attn_norm"
        return "mlp_norm" if role in MLP_READERS else None

    def _gain(self, role: str, layer: int | None) -> tuple[NDArray[np.float64] | None, ...]:
        """Gain and bias of the norm before a reader; each None where there is none."""
        if role == "unembedding":
            names = ["final_norm"]
        else:
            names = [self._norm(role) or ""]
            if self.scheme == "parallel":
                # Attention and MLP may read through one norm.
                names.append("attn_norm")
        for name in names:
            gain = self._maybe(name, layer)
            if gain is not None:
                return gain, self._maybe(f"{name}_bias", layer)
        return None, None

    def _maybe(self, role: str, *place: int | None) -> NDArray[np.float64] | None:
        try:
            return np.asarray(self.base.weight(role, *place), np.float64)
        except TomoError:
            return None

    def _read(self, role: str, layer: int | None, head: int | None, expert: int | None) -> F32:
        matrix = np.asarray(self.base.weight(role, layer, head, expert), np.float64)
        gain, _ = self._gain(role, layer)
        if gain is not None:
            matrix = gain[:, None] * matrix
        return _centred(matrix, 0) if self.centers else matrix.astype(np.float32)

    def _read_bias(self, role: str, layer: int | None, head: int | None, expert: int | None) -> F32:
        own = self._maybe(f"{role}_bias", layer, head, expert)
        _, shift = self._gain(role, layer)
        if own is None and shift is None:
            # The message of the model itself says what there is.
            return self.base.weight(f"{role}_bias", layer, head, expert)
        matrix = np.asarray(self.base.weight(role, layer, head, expert), np.float64)
        total = np.zeros(matrix.shape[1]) if own is None else own
        if shift is not None:
            total = total + shift @ matrix
        return total.astype(np.float32)

    def _unembedding(self, bias: bool) -> F32:
        matrix = np.asarray(self.base.weight("unembedding"), np.float64)
        gain, shift = self._gain("unembedding", None)
        if not bias:
            if gain is not None:
                matrix = gain[:, None] * matrix
            if self._center_unembedding:
                matrix = matrix - matrix.mean(1, keepdims=True)
            return _centred(matrix, 0) if self.centers else matrix.astype(np.float32)
        own = self._maybe("unembedding_bias")
        total = np.zeros(matrix.shape[1]) if own is None else own
        if shift is not None:
            total = total + shift @ matrix
        if self._center_unembedding:
            total = total - total.mean()
        return total.astype(np.float32)


def weights_of(source: Weights | Scan, folded: bool | None = None) -> Weights:
    """The weights of a scan or of a loaded model, with or without its norms.

    Parameters
    ----------
    source
        An open scan, a `LanguageModel`, or weights.
    folded
        Whether norms are folded in; None is wherever that can be done.

    Raises
    ------
    TomoError
        Norms are to be folded that normalise the stream itself.
    """
    weights: Weights = ScanWeights(source) if isinstance(source, Scan) else source
    if isinstance(weights, Folded):
        return weights if folded is not False else weights.base
    if folded is None:
        folded = weights.scheme != "post-norm"
    return Folded(weights) if folded else weights


def _centred(values: NDArray[np.floating], axis: int) -> F32:
    wide = np.asarray(values, np.float64)
    return np.asarray(wide - wide.mean(axis, keepdims=True), np.float32)
