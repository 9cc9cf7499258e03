"""Statistics of the experts of a mixture, and what their routers look for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...anatomy.part import Part
from ...base import LayoutError, Progress
from ...base.tables import delimited
from ...checkpoint.tensor import Checkpoint
from ..layouts.experts import expert_roles
from .summary import Statistics

__all__ = ["ExpertRow", "ExpertTable", "expert_table", "router_weights"]


@dataclass(frozen=True, slots=True)
class ExpertRow:
    """One expert of one layer.

    Attributes
    ----------
    layer, expert
        Which one.
    parameters
        Weights in its matrices.
    norm, sigma
        Euclidean norm √Σw² and standard deviation over all its matrices.
    norms
        The norm of each matrix, in the order of `ExpertTable.roles`; NaN where it is absent.
    router_norm
        Norm of the router's column of this expert; None without a router.
    nearest, cosine
        The other expert of the layer whose router column points most nearly the same way, and the
        cosine between the two; None where there is no other.
    """

    layer: int
    expert: int
    parameters: int
    norm: float
    sigma: float
    norms: tuple[float, ...]
    router_norm: float | None
    nearest: int | None
    cosine: float | None


class ExpertTable(Sequence[ExpertRow]):
    """The experts of a checkpoint, layer by layer.

    Attributes
    ----------
    roles
        What the matrices of an expert are, e.g. ``("gate", "up", "down")``.
    layers
        The layers that have experts.
    n_experts
        The most that a layer has.
    cosines
        By layer: ``(expert, expert)``, the cosine between the router's columns; NaN where a
        column is 0. Layers without a router lack.
    estimate
        Whether norms and σ come from a sample and not from every weight.
    """

    def __init__(
        self,
        rows: Sequence[ExpertRow],
        roles: tuple[str, ...],
        cosines: dict[int, NDArray[np.float64]],
        estimate: bool,
    ) -> None:
        self._rows = list(rows)
        self.roles = roles
        self.layers = tuple(dict.fromkeys(row.layer for row in rows))
        self.n_experts = 1 + max((row.expert for row in rows), default=-1)
        self.cosines = cosines
        self.estimate = estimate

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> ExpertRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[ExpertRow]: ...
    def __getitem__(self, index: int | slice) -> ExpertRow | list[ExpertRow]:
        return self._rows[index]

    def grid(self, column: str) -> NDArray[np.float64]:
        """A column as ``(layer, expert)``, rows as in `layers`; NaN where there is nothing.

        Parameters
        ----------
        column
            ``"norm"``, ``"sigma"``, ``"router_norm"``, ``"cosine"``, or a role: the norm of that
            matrix.
        """
        values = np.full((len(self.layers), self.n_experts), np.nan)
        place = {layer: i for i, layer in enumerate(self.layers)}
        for row in self._rows:
            if column in self.roles:
                found: float | None = row.norms[self.roles.index(column)]
            else:
                found = getattr(row, column)
            if found is not None:
                values[place[row.layer], row.expert] = found
        return values

    def csv(self, delimiter: str = ",") -> str:
        """The table as text with a header, all digits kept."""
        norms = [f"norm {role}" for role in self.roles]
        last = ["router norm", "nearest expert", "cosine"]
        columns = ["layer", "expert", "parameters", "norm", "sigma", *norms, *last]
        cells: list[list[object]] = []
        for row in self._rows:
            first = [row.layer, row.expert, row.parameters, row.norm, row.sigma]
            cells.append([*first, *row.norms, row.router_norm, row.nearest, row.cosine])
        return delimited(columns, cells, delimiter)

    def __repr__(self) -> str:
        kind = "estimated" if self.estimate else "exact"
        return f"<ExpertTable of {len(self)} experts in {len(self.layers)} layers, {kind}>"


def expert_table(
    checkpoint: Checkpoint,
    anatomy: Anatomy,
    statistics: Statistics,
    progress: Progress | None = None,
) -> ExpertTable:
    """The experts of a checkpoint by layer and number.

    Norms and σ are taken from the statistics of the parts; of the weights only the routers
    are read.

    Raises
    ------
    LayoutError
        The checkpoint has no experts.
    """
    roles = expert_roles(anatomy)
    if not roles:
        raise LayoutError("This checkpoint has no experts, so there is no table of them.")
    members: dict[tuple[int, int], dict[str, int]] = {}
    for position, part in enumerate(anatomy.parts):
        if part.expert is not None and part.layer is not None and part.role in roles:
            members.setdefault((part.layer, part.expert), {})[part.role] = position
    layers = sorted({layer for layer, _ in members})
    if progress is not None:
        progress.start(len(layers), "Routers")
    cosines: dict[int, NDArray[np.float64]] = {}
    norms: dict[int, NDArray[np.float64]] = {}
    for layer in layers:
        columns = router_weights(checkpoint, anatomy, layer)
        if columns is not None:
            cosines[layer], norms[layer] = _cosines(columns)
        if progress is not None:
            progress.advance(1)
    rows = [
        _row(place, members[place], roles, statistics, cosines, norms) for place in sorted(members)
    ]
    return ExpertTable(rows, roles, cosines, statistics.estimate)


def router_weights(
    checkpoint: Checkpoint, anatomy: Anatomy, layer: int
) -> NDArray[np.float64] | None:
    """The router of a layer, ``(channel, expert)``, float64; None if it has none."""
    part = anatomy.by_name.get(f"L{layer}.router")
    return None if part is None or len(part.shape) != 2 else _values(checkpoint, part)


def _values(checkpoint: Checkpoint, part: Part) -> NDArray[np.float64]:
    out = np.empty(part.shape)
    for target, split, region in part.view.pieces([(0, n) for n in part.shape]):
        out[target].reshape(split)[...] = checkpoint[part.tensor].read(region)
    return out


def _cosines(columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines between columns, and the norms of the columns."""
    lengths = np.linalg.norm(columns, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        units = columns / lengths
    return units.T @ units, lengths


def _row(
    place: tuple[int, int],
    members: dict[str, int],
    roles: tuple[str, ...],
    statistics: Statistics,
    cosines: dict[int, NDArray[np.float64]],
    lengths: dict[int, NDArray[np.float64]],
) -> ExpertRow:
    layer, expert = place
    used = list(members.values())
    n, mean = statistics.n[used].astype(float), statistics.mean[used]
    squares = n * (statistics.sigma[used] ** 2 + mean**2)
    total = max(n.sum(), 1.0)
    centre = float((n * mean).sum() / total)
    by_role = dict(zip(members, np.sqrt(squares).tolist(), strict=True))
    router = lengths.get(layer)
    nearest: int | None = None
    cosine: float | None = None
    if router is not None and expert < len(router) > 1:
        others = cosines[layer][expert].copy()
        others[expert] = np.nan
        if np.isfinite(others).any():
            nearest = int(np.nanargmax(others))
            cosine = float(others[nearest])
    return ExpertRow(
        layer,
        expert,
        int((statistics.n[used] + statistics.nonfinite[used]).sum()),
        float(np.sqrt(squares.sum())),
        float(np.sqrt(max(squares.sum() / total - centre**2, 0.0))),
        tuple(by_role.get(role, float("nan")) for role in roles),
        float(router[expert]) if router is not None and expert < len(router) else None,
        nearest,
        cosine,
    )
