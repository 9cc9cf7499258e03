"""The embedding space of a model: its tables of tokens and positions, as rows in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...anatomy import Part
from ...anatomy.families import FAMILIES
from ...base import DisplayError, Progress, SilentProgress, TomoError
from ...display.vocabulary import Vocabulary
from ..projection import Projection, fit_pca
from ..record.tokens import visible
from .positions import PositionScheme, position_scheme

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["EmbeddingSpace", "Which", "embedding_space"]

F32 = NDArray[np.float32]

Which = Literal["tokens", "positions", "unembedding"]
"""A table of rows in the space."""

ROLES: Mapping[Which, str] = {
    "tokens": "token_embedding",
    "positions": "position_embedding",
    "unembedding": "unembedding",
}
"""The role of the part that a table is."""

NAMES: Mapping[Which, str] = {
    "tokens": "token embeddings",
    "positions": "position embeddings",
    "unembedding": "unembedding vectors",
}
"""What the rows of a table are called."""

BLOCK = 4096
"""Rows of a table that are turned or measured at a time."""

MOST_AXES = 2048
"""Channels up to which the whole spectrum is computed; beyond it the `FEW_AXES` strongest."""

FEW_AXES = 64

SEED = 0
"""Of every random choice here: the same file gives the same picture."""

_spaces: "WeakKeyDictionary[Scan, EmbeddingSpace]" = WeakKeyDictionary()


@dataclass(eq=False)
class EmbeddingSpace:
    """Tables of vectors in the residual stream of one model, as they are stored.

    Attributes
    ----------
    name
        Of the model.
    tables
        ``(row, channel)`` float32 for each table that the checkpoint holds. A row of ``tokens``
        is what a token brings into the stream, a row of ``unembedding`` what is compared with
        the stream to score a token. Tied tables are one, ``tokens``.
    texts
        Text of each token; None where no vocabulary lies beside the checkpoint.
    scheme
        How the model knows positions.
    notes
        Sentences for a person: what is absent, and what was done to the tables.
    """

    name: str
    tables: Mapping[Which, F32]
    texts: tuple[str, ...] | None = None
    scheme: PositionScheme = field(default_factory=lambda: PositionScheme("unknown", ""))
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._pca: dict[str, Projection] = {}
        self._norms: dict[Which, F32] = {}

    @classmethod
    def of(
        cls, scan: "Scan", vocabulary: Vocabulary | None = None, progress: Progress | None = None
    ) -> "EmbeddingSpace":
        """Read the tables of a checkpoint.

        Parameters
        ----------
        scan
            An open checkpoint.
        vocabulary
            Its words if they are at hand; else they are read from beside it.
        progress
            Told of the rows that are read.

        Raises
        ------
        TomoError
            The checkpoint has neither token nor position embeddings.
        Cancelled
            `progress` asked to stop.
        """
        report = progress or SilentProgress()
        notes: list[str] = []
        parts = {which: _part(scan, role) for which, role in ROLES.items()}
        found = {which: part for which, part in parts.items() if part is not None}
        if not found:
            raise TomoError(
                f"{scan.name} holds no embeddings: no tensor of it has the role of a token "
                "embedding, a position embedding or an unembedding."
            )
        report.start(sum(part.size for part in found.values()), "Reading embeddings")
        tables = {which: _rows(scan, part, report) for which, part in found.items()}
        if "tokens" in tables:
            tables["tokens"] = _through_project_in(scan, tables["tokens"], notes)
        else:
            notes.append("This file holds no token embeddings, so figures of tokens are absent.")
        if {"tokens", "unembedding"} <= tables.keys() and np.array_equal(
            tables["tokens"], tables["unembedding"]
        ):
            del tables["unembedding"]
        extra = _extra_positions(scan)
        if "positions" in tables and 0 < extra < len(tables["positions"]):
            tables["positions"] = tables["positions"][extra:]
            notes.append(
                f"The first {extra} rows of the position embeddings belong to no position and are "
                "left out."
            )
        scheme = position_scheme(scan.anatomy, scan.checkpoint.config)
        if "positions" not in tables:
            notes.append(scheme.words)
        texts = None
        n = max(
            (len(tables[which]) for which in ("tokens", "unembedding") if which in tables),
            default=0,
        )
        try:
            texts = _texts(scan, vocabulary, n)
        except DisplayError as error:
            notes.append(str(error))
        return cls(scan.name, tables, texts, scheme, tuple(notes))

    def has(self, which: Which) -> bool:
        """Whether a table is there."""
        return which in self.tables

    def rows(self, which: Which) -> F32:
        """A table, ``(row, channel)``.

        Raises
        ------
        TomoError
            It is absent; the message says why.
        """
        if which not in self.tables:
            reason = self.scheme.words if which == "positions" else ""
            if which == "unembedding" and "tokens" in self.tables:
                reason = "The unembedding is the token embedding itself."
            raise TomoError(f"{self.name} has no {NAMES[which]}. {reason}".strip())
        return self.tables[which]

    def norms(self, which: Which) -> F32:
        """Length of each row, ``(row,)``; computed once."""
        if which not in self._norms:
            rows = self.rows(which)
            found = np.empty(len(rows), np.float32)
            for start in range(0, len(rows), BLOCK):
                block = rows[start : start + BLOCK].astype(np.float64)
                found[start : start + BLOCK] = np.sqrt(np.einsum("ij,ij->i", block, block))
            self._norms[which] = found
        return self._norms[which]

    def pca(self, which: Which | Literal["joint"], progress: Progress | None = None) -> Projection:
        """Principal components of a table, or of tokens and positions together; computed once.

        The whole spectrum up to `MOST_AXES` channels, else `FEW_AXES` axes. The joint one is
        fitted on all positions and on equally many tokens, drawn with seed `SEED`: all tokens
        would outweigh the positions.

        Raises
        ------
        TomoError
            The table is absent, or tokens and positions differ in their number of channels.
        Cancelled
            `progress` asked to stop.
        """
        if which not in self._pca:
            rows, stated = self._fitted_on(which)
            d = rows.shape[1]
            k = min(d, len(rows)) if min(rows.shape) <= MOST_AXES else FEW_AXES
            watched = rows if progress is None else _Watched(rows, progress)
            self._pca[which] = fit_pca(watched, max(k, min(3, d)), stated, SEED)
        return self._pca[which]

    def knows_pca(self, which: Which | Literal["joint"]) -> bool:
        """Whether `pca` answers at once."""
        return which in self._pca

    @property
    def can_join(self) -> bool:
        """Whether tokens and positions lie in one space."""
        both = [self.tables.get(which) for which in ("tokens", "positions")]
        return all(table is not None for table in both) and (
            self.tables["tokens"].shape[1] == self.tables["positions"].shape[1]
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """How each token is written in a picture: white space made visible, ids without words."""
        if self.texts is None:
            n = max((len(t) for which, t in self.tables.items() if which != "positions"), default=0)
            return tuple(f"⟨{i}⟩" for i in range(n))
        return tuple(visible(text) for text in self.texts)

    def label(self, token: int) -> str:
        """How a token is written in a picture."""
        return self.labels[token] if 0 <= token < len(self.labels) else f"⟨{token}⟩"

    def _fitted_on(self, which: Which | Literal["joint"]) -> tuple[F32, str]:
        if which != "joint":
            rows = self.rows(which)
            return rows, f"all {len(rows):,} {NAMES[which]}"
        tokens, positions = self.rows("tokens"), self.rows("positions")
        if not self.can_join:
            raise TomoError(
                f"Tokens have {tokens.shape[1]} channels and positions {positions.shape[1]}: they "
                "share no space."
            )
        n = min(len(tokens), len(positions))
        drawn = np.sort(np.random.default_rng(SEED).choice(len(tokens), n, replace=False))
        stated = f"all {len(positions):,} positions and {n:,} tokens drawn with seed {SEED}"
        return np.concatenate([tokens[drawn], positions]), stated


def embedding_space(
    scan: "Scan", vocabulary: Vocabulary | None = None, progress: Progress | None = None
) -> EmbeddingSpace:
    """The embedding space of a scan, read once; see `EmbeddingSpace.of`."""
    if scan not in _spaces:
        _spaces[scan] = EmbeddingSpace.of(scan, vocabulary, progress)
    return _spaces[scan]


class _Watched:
    """Rows that tell how many of them were read, and stop whoever reads them on request."""

    def __init__(self, rows: F32, progress: Progress) -> None:
        self._rows, self._progress = rows, progress
        self.shape = rows.shape
        progress.start(2 * rows.size, "Fitting principal components")

    def __getitem__(self, where: slice) -> F32:
        block: F32 = self._rows[where]
        self._progress.advance(block.size)
        return block


def _part(scan: "Scan", role: str) -> Part | None:
    return next((part for part in scan.anatomy.parts if part.role == role), None)


def _rows(scan: "Scan", part: Part, report: Progress) -> F32:
    """The rows of a part, whichever way round it lies."""
    values = scan.values(part)
    # A table that does not fit the stream keeps the shape of its tensor: rows are rows.
    if part.axes[0] == "channel":
        values = values.T
    rows = np.empty(values.shape, np.float32)
    for start in range(0, len(rows), BLOCK):
        rows[start : start + BLOCK] = values[start : start + BLOCK]
        report.advance(rows[start : start + BLOCK].size)
    return rows


def _extra_positions(scan: "Scan") -> int:
    """Rows at the beginning of the position table that the family's models never add."""
    name = scan.anatomy.family
    return next((family.extra_positions for family in FAMILIES if family.name == name), 0)


def _through_project_in(scan: "Scan", tokens: F32, notes: list[str]) -> F32:
    """Tokens as they enter the stream, where a matrix lies between it and their table."""
    part = _part(scan, "project_in")
    d_model = scan.anatomy.hyper.d_model
    if part is None or tokens.shape[1] == d_model or part.axes[0] != "channel":
        return tokens
    matrix = scan.values(part).astype(np.float32)
    if matrix.shape[1] != tokens.shape[1]:
        return tokens
    notes.append(
        f"Tokens are shown as they enter the stream: their table of {tokens.shape[1]} columns "
        f"times {part.tensor}."
    )
    return tokens @ matrix.T


def _texts(scan: "Scan", vocabulary: Vocabulary | None, n: int) -> tuple[str, ...] | None:
    vocabulary = vocabulary or Vocabulary.of(scan.checkpoint)
    if vocabulary is None:
        return None
    texts = (vocabulary.text(token) for token in range(n))
    # Tables are padded to round sizes: their last rows may belong to no token.
    return tuple(f"⟨{i}⟩" if text is None else text for i, text in enumerate(texts))
