"""Composition scores: how strongly a head reads what an earlier head writes, by the weights alone.

For an earlier head 1 with W_OV = W_O W_Vᵀ and a later head 2, each matrix ``(channel, d_head)``:

* Q-composition ‖W_QKᵀ W_OV‖ / (‖W_QK‖ ‖W_OV‖): head 1 changes what head 2 looks for;
* K-composition ‖W_QK W_OV‖ / (‖W_QK‖ ‖W_OV‖): head 1 changes where head 2 finds it;
* V-composition ‖W_OV² W_OV‖ / (‖W_OV²‖ ‖W_OV‖): head 2 moves on what head 1 wrote;

with W_QK = W_Q W_Kᵀ and Frobenius norms; see Elhage et al., "A Mathematical Framework for
Transformer Circuits", 2021. Biases and rotary positions are left out; norms only scale, except for
their gains, which `Folded` puts into the weights.

Every product has rank d_head, so its norm is that of a d_head × d_head matrix: with triangular
factors R of both outer matrices, ‖K (Qᵀ O) Vᵀ‖ = ‖R_K (Qᵀ O) R_Vᵀ‖.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...base import Progress, SilentProgress, TomoError
from ...facade import Scan
from .folding import Folded, weights_of
from .weights import Weights, factor

__all__ = [
    "KINDS",
    "Composer",
    "Composition",
    "CompositionKind",
    "composition",
    "random_scores",
]

CompositionKind = Literal["q", "k", "v"]

KINDS: dict[str, tuple[str, str]] = {"q": ("q", "k"), "k": ("k", "q"), "v": ("v", "o")}
"""Kind of composition → role of the matrix that reads the stream, and of the other one."""

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

HELD_BYTES = 2**30
"""Memory for the factors of the earlier layers: all pairs of layers are gone through."""


@dataclass(frozen=True, eq=False)
class Composition:
    """Composition scores between all heads of a model.

    Attributes
    ----------
    name
        Short name of the model.
    kind
        ``"q"``, ``"k"`` or ``"v"``.
    values
        ``(layer, head, layer, head)`` float32: of the later head (first pair of axes) with the
        earlier one (second pair); NaN where the second does not come before the first.
    baseline
        1/√d_model: the root mean square of the score if a random rotation of the stream stood
        between the two heads, whatever their weights are.
    folded
        Whether gains of norms are in the weights, and what is written is centred.
    """

    name: str
    kind: str
    values: F32
    baseline: float
    folded: bool

    def strongest(self, count: int) -> list[tuple[float, tuple[int, int], tuple[int, int]]]:
        """The highest scores with (layer, head) of the earlier and of the later head."""
        flat = np.where(np.isnan(self.values), -np.inf, self.values).ravel()
        count = min(count, int(np.isfinite(flat).sum()))
        # A stable order: of equal scores the earlier place first.
        order = np.argsort(-flat, kind="stable")[:count]
        found = []
        for place in order:
            later, head, earlier, source = (
                int(i) for i in np.unravel_index(place, self.values.shape)
            )
            found.append((float(flat[place]), (earlier, source), (later, head)))
        return found


@dataclass(frozen=True, eq=False)
class _Readers:
    """What reads the stream in a layer: matrices, whose heads they are, and the outer factors."""

    matrices: tuple[F32, ...]
    shared: tuple[int, ...]
    outer: tuple[F64, ...]
    norms: F64


@dataclass(frozen=True, eq=False)
class _Writers:
    """What heads of a layer write: O side by side, outer factors of V, and norms of OV."""

    o: F32
    outer: tuple[F64, ...]
    norms: F64


class Composer:
    """Computes composition scores; keeps the factors of a few layers.

    Parameters
    ----------
    weights
        Where q, k, v and o come from: `ScanWeights`, a `LanguageModel`, or either `Folded`.

    Raises
    ------
    TomoError
        The number of heads or layers is not known.
    """

    def __init__(self, weights: Weights) -> None:
        sizes = weights.sizes
        if sizes.n_heads is None or sizes.n_layers is None or sizes.d_model is None:
            raise TomoError(
                f"Composition needs the number of layers and heads of {weights.name}, which is not "
                "known: open it with n_heads=…, or put its config.json beside it."
            )
        self.weights = weights
        self.n_layers, self.n_heads = sizes.n_layers, sizes.n_heads
        self.n_kv_heads = sizes.n_kv_heads or sizes.n_heads
        self.baseline = float(sizes.d_model**-0.5)
        width = sizes.d_head or sizes.d_model // sizes.n_heads
        layer_bytes = 4 * sizes.d_model * sizes.n_heads * width
        self._readers = lru_cache(1)(self._read_readers)
        # The earlier layers are walked through once for each later one.
        self._writers = lru_cache(max(2, HELD_BYTES // layer_bytes))(self._read_writers)

    def between(self, kind: str, earlier: int, later: int) -> F32:
        """Scores of the heads of two layers, ``(head of later, head of earlier)`` float32.

        Raises
        ------
        TomoError
            There is no such kind, the layers are not in this order, or the model lacks the
            weights.
        """
        if kind not in KINDS:
            raise TomoError(f"There is no composition {kind!r}; there are: {', '.join(KINDS)}.")
        if not 0 <= earlier < later < self.n_layers:
            raise TomoError(
                f"A head of layer {later} cannot read what layer {earlier} writes: choose an "
                f"earlier and a later one of the layers 0 to {self.n_layers - 1}."
            )
        readers, writers = self._readers(kind, later), self._writers(earlier)
        width = writers.o.shape[1] // self.n_heads
        out = np.empty((self.n_heads, self.n_heads), np.float32)
        for shared, matrix in enumerate(readers.matrices):
            # d_head rows for all heads of the earlier layer at once: (d_head, head·d_head).
            inner = np.asarray(matrix.T @ writers.o, np.float64)
            for head in (h for h in range(self.n_heads) if readers.shared[h] == shared):
                left = readers.outer[head] @ inner
                for source in range(self.n_heads):
                    product = left[:, source * width : (source + 1) * width]
                    norm = np.linalg.norm(product @ writers.outer[source].T)
                    size = readers.norms[head] * writers.norms[source]
                    out[head, source] = norm / size if size else 0.0
        return out

    def _kv_head(self, head: int) -> int:
        return head * self.n_kv_heads // self.n_heads

    def _own(self, role: str, head: int) -> int:
        return self._kv_head(head) if role in ("k", "v") else head

    def _read_readers(self, kind: str, layer: int) -> _Readers:
        reads, other = KINDS[kind]
        count = self.n_kv_heads if reads in ("k", "v") else self.n_heads
        matrices = tuple(self.weights.weight(reads, layer, head) for head in range(count))
        inner = [factor(matrix) for matrix in matrices]
        shared = tuple(self._own(reads, head) for head in range(self.n_heads))
        outer = [
            factor(self.weights.weight(other, layer, head))
            for head in range(self.n_kv_heads if other in ("k", "v") else self.n_heads)
        ]
        outers = tuple(outer[self._own(other, head)] for head in range(self.n_heads))
        norms = [
            np.linalg.norm(outers[head] @ inner[shared[head]].T) for head in range(self.n_heads)
        ]
        return _Readers(matrices, shared, outers, np.asarray(norms))

    def _read_writers(self, layer: int) -> _Writers:
        outputs = [self.weights.weight("o", layer, head) for head in range(self.n_heads)]
        values = [factor(self.weights.weight("v", layer, head)) for head in range(self.n_kv_heads)]
        outers = tuple(values[self._kv_head(head)] for head in range(self.n_heads))
        norms = [np.linalg.norm(factor(o) @ v.T) for o, v in zip(outputs, outers, strict=True)]
        return _Writers(np.concatenate(outputs, axis=1), outers, np.asarray(norms))


def composition(
    source: Weights | Scan,
    kind: str = "k",
    *,
    folded: bool | None = None,
    progress: Progress | None = None,
) -> Composition:
    """Composition scores between all heads of a model.

    Parameters
    ----------
    source
        Where q, k, v and o come from: an open scan, which may be of a partial checkpoint, a
        `LanguageModel`, or weights.
    kind
        ``"q"``, ``"k"`` or ``"v"``: what of the later head reads the earlier one's output.
    folded
        Whether gains of norms are in the weights and what is written is centred, see `Folded`;
        None is wherever that can be done.
    progress
        Told of the pairs of layers.

    Raises
    ------
    TomoError
        There is no such kind, or the model lacks the weights.
    Cancelled
        `progress` asked to stop.
    """
    weights = weights_of(source, folded)
    composer = Composer(weights)
    n_layers, n_heads = composer.n_layers, composer.n_heads
    if kind not in KINDS:
        raise TomoError(f"There is no composition {kind!r}; there are: {', '.join(KINDS)}.")
    report = progress or SilentProgress()
    report.start(n_layers * (n_layers - 1) // 2, f"{kind.upper()}-composition of heads")
    values = np.full((n_layers, n_heads, n_layers, n_heads), np.nan, np.float32)
    for later in range(1, n_layers):
        for earlier in range(later):
            values[later, :, earlier, :] = composer.between(kind, earlier, later)
            report.advance(1)
    return Composition(weights.name, kind, values, composer.baseline, isinstance(weights, Folded))


def random_scores(
    reader: tuple[F32, F32], writer: tuple[F32, F32], count: int = 64, seed: int = 0
) -> F64:
    """Scores of two heads with a random rotation of the stream between them, ``(count,)``.

    Their root mean square is 1/√d_model; this is how they spread.

    Parameters
    ----------
    reader, writer
        The matrix that meets the stream, then the other one, ``(channel, d_head)`` each: (q, k)
        for Q-composition, (o, v) for the writer.
    count, seed
        How many rotations, and the seed of the generator.
    """
    generator = np.random.default_rng(seed)
    reads, read_outer = factor(reader[0]), factor(reader[1])
    writes, write_outer = factor(writer[0]), factor(writer[1])
    size = np.linalg.norm(read_outer @ reads.T) * np.linalg.norm(writes @ write_outer.T)
    d_model, width = reader[0].shape
    out = np.empty(count)
    for i in range(count):
        # Orthonormal columns of which the rotated d_head rows are a corner of the rotation.
        columns, triangle = np.linalg.qr(generator.standard_normal((d_model, writes.shape[0])))
        corner = (columns * np.sign(np.diagonal(triangle)))[:width]
        out[i] = np.linalg.norm(read_outer @ reads.T @ corner @ writes @ write_outer.T) / size
    return out
