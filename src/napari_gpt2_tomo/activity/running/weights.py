"""Weights as they are used in the computation, by role, ``(channel, unit)``."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import torch
from torch import nn

from ...base import TomoError
from .experts import mixture_of
from .heads import HeadShape
from .norms import norm_numbers
from .streaming import stored
from .wiring import Wiring, below

__all__ = ["Weights", "oriented"]

Reader = Callable[[nn.Module, str], torch.Tensor | None]
"""From a module and a name to the parameter of this name, or what stands for it."""

_OUTER_NORMS = ("embedding_norm", "final_norm")
_BLOCK_NORMS = ("attn_norm", "attn_post_norm", "mlp_norm", "mlp_post_norm")
_HEAD_NORMS = ("q_norm", "k_norm")
_PROJECTIONS = ("q", "k", "v", "o", "gate", "up", "down", "router")
_EMBEDDINGS = ("token_embedding", "position_embedding", "type_embedding")
_IN_BLOCKS = (*_BLOCK_NORMS, *_HEAD_NORMS, *_PROJECTIONS, "sinks")
ROLES = (*_EMBEDDINGS, *_OUTER_NORMS, *_IN_BLOCKS, "unembedding")


class Weights:
    """The weights of a model by role.

    Parameters
    ----------
    base
        The model without its head.
    blocks
        Its blocks.
    head
        The module that gives the logits, None if there is none.
    wiring, heads
        Where things are.
    """

    def __init__(
        self,
        base: nn.Module,
        blocks: nn.ModuleList,
        head: nn.Module | None,
        wiring: Wiring,
        heads: HeadShape,
    ) -> None:
        self.base = base
        self.blocks = blocks
        self.head = head
        self.wiring = wiring
        self.heads = heads
        self._read: Reader = stored

    def gradient(self, part: str, by_parameter: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """The gradient of a part, ``(channel, unit)``, float32.

        Parameters
        ----------
        part
            Its name, e.g. ``"L3.q"``, ``"L3.down_bias"``, ``"token_embedding"``.
        by_parameter
            Gradients by ``id`` of the parameter.

        Raises
        ------
        TomoError
            There is no such part.
        """

        def read(module: nn.Module, name: str) -> torch.Tensor | None:
            return by_parameter.get(id(getattr(module, name, None)))

        mine = copy(self)
        mine._read = read
        first, _, role = part.rpartition(".")
        if first and not first.removeprefix("L").isdecimal():
            raise TomoError(
                f"There is no parameter or part {part!r}; parts are named like 'L0.q', "
                "'L0.down_bias', 'final_norm'."
            )
        return mine.get(role, int(first[1:]) if first else None)

    @property
    def unembedding_bias(self) -> torch.Tensor | None:
        """What is added to the logits, ``(vocab,)``; None where the model has none."""
        return None if self.head is None else self._read(self.head, "bias")

    def get(
        self,
        role: str,
        layer: int | None = None,
        head: int | None = None,
        expert: int | None = None,
    ) -> torch.Tensor:
        """A weight, float32, see `LanguageModel.weight`."""
        name = role.removesuffix("_bias")
        if name not in ROLES:
            raise TomoError(f"There is no weight {role!r}; there are: {', '.join(ROLES)}.")
        if name in _IN_BLOCKS:
            self._check_layer(role, layer)
        elif layer is not None:
            raise TomoError(f"{role!r} belongs to no layer; leave the layer out.")
        if name in (*_OUTER_NORMS, *_BLOCK_NORMS, *_HEAD_NORMS):
            found = self._norm_part(role, layer)
        elif name == "sinks":
            attention = below(self.blocks[layer or 0], self.wiring.attention)
            found = None if attention is None else self._read(attention, "sinks")
        elif name in _PROJECTIONS:
            found = self._projection(role, layer or 0, head, expert)
        elif name == "unembedding":
            found = self._vocabulary(role)
        else:
            table: Any = below(self.base, getattr(self.wiring, name))
            found = None if table is None or role != name else self._table(name, table)
        if found is None:
            where = "" if layer is None else f" in layer {layer}"
            raise TomoError(f"This model has no {role!r}{where}.")
        return found.detach().float()

    def norm(self, role: str, layer: int | None) -> nn.Module | None:
        """The module of a norm."""
        if role in _OUTER_NORMS:
            return below(self.base, getattr(self.wiring, role))
        if role not in (*_BLOCK_NORMS, *_HEAD_NORMS):
            names = ", ".join((*_OUTER_NORMS, *_BLOCK_NORMS, *_HEAD_NORMS))
            raise TomoError(f"There is no norm {role!r}; there are: {names}.")
        self._check_layer(role, layer)
        paths = {"q_norm": self.wiring.query_norm, "k_norm": self.wiring.key_norm}
        path: str = paths[role] if role in paths else getattr(self.wiring, role)
        return below(self.blocks[layer or 0], path)

    def _check_layer(self, role: str, layer: int | None) -> None:
        n_layers = len(self.blocks)
        if layer is None:
            raise TomoError(f"Say of which layer {role!r} is wanted (layer=0 to {n_layers - 1}).")
        if not 0 <= layer < n_layers:
            raise TomoError(f"The model has the layers 0 to {n_layers - 1}, there is no {layer}.")

    def _norm_part(self, role: str, layer: int | None) -> torch.Tensor | None:
        module = self.norm(role.removesuffix("_bias"), layer)
        if module is None:
            return None
        if self._read is not stored:
            return self._read(module, "bias" if role.endswith("_bias") else "weight")
        numbers = norm_numbers(module)
        return numbers.shift if role.endswith("_bias") else numbers.gain

    def _table(self, name: str, table: Any) -> torch.Tensor | None:
        found = self._read(table, "weight")
        if found is None or self._read is not stored:
            return None if found is None else found.T
        values = found.float()
        scale = getattr(table, "embed_scale", None)
        if scale is not None:
            values = values * float(scale)
        project = below(self.base, self.wiring.project_in) if name == "token_embedding" else None
        if project is not None:
            values = values @ oriented(project, self._read).float()
        offset = getattr(table, "offset", 0)
        return values[offset:].T

    def unembedding(self) -> tuple[torch.Tensor | None, torch.Tensor]:
        """What the final state is multiplied by, as it is stored.

        Returns
        -------
        project
            ``(channel, width)`` where the matrix is not as wide as the stream, else None.
        matrix
            ``(width, vocab)``.

        Raises
        ------
        TomoError
            The model has none.
        """
        if self.head is None:
            raise TomoError("This model has no 'unembedding'.")
        project = below(self.base, self.wiring.project_out) if self._read is stored else None
        matrix = oriented(self.head, self._read)
        return None if project is None else oriented(project, self._read), matrix

    def _vocabulary(self, role: str) -> torch.Tensor | None:
        if self.head is None:
            return None
        if role.endswith("_bias"):
            return self.unembedding_bias
        project, matrix = self.unembedding()
        return matrix if project is None else project.float() @ matrix.float()

    def _projection(
        self, role: str, layer: int, head: int | None, expert: int | None
    ) -> torch.Tensor | None:
        block, name = self.blocks[layer], role.removesuffix("_bias")
        if expert is not None:
            mixture = mixture_of(block, self.wiring)
            return None if mixture is None else mixture.weight(role, expert)
        if name in ("q", "k", "v"):
            return self._reader(block, role, head)
        module: Any = self._module(block, name)
        if module is None:
            return None
        if role != name:
            bias = self._read(module, "bias")
            return _half(bias, name) if bias is not None and self._fused(name) else bias
        weight = oriented(module, self._read)
        if name in ("o", "down"):
            weight = weight.T
        if self._fused(name):
            weight = _half(weight, name)
        if head is None:
            return weight
        if name != "o":
            raise TomoError(f"{role!r} has no heads; leave the head out.")
        self._check_head(name, head)
        size = self.heads.size
        return weight[:, head * size : (head + 1) * size]

    def _fused(self, name: str) -> bool:
        return name in ("gate", "up") and bool(self.wiring.gate_up)

    def _module(self, block: nn.Module, name: str) -> nn.Module | None:
        wiring = self.wiring
        paths = {"o": wiring.out, "gate": wiring.gate, "up": wiring.up, "down": wiring.down}
        if self._fused(name):
            return below(block, wiring.gate_up)
        if name == "router":
            mixture = mixture_of(block, wiring)
            return None if mixture is None else mixture.router
        return below(block, paths[name])

    def _reader(self, block: nn.Module, role: str, head: int | None) -> torch.Tensor | None:
        name = role.removesuffix("_bias")
        wiring = self.wiring
        path = {"q": wiring.query, "k": wiring.key, "v": wiring.value}[name] or wiring.fused
        module: Any = below(block, path)
        if module is None:
            return None
        if role != name:
            bias = self._read(module, "bias")
            if bias is None:
                return None
            rows = bias[None]
        else:
            rows = oriented(module, self._read)
        # Rows stand where tokens do when the projection is used.
        parts = self.heads.part(rows, name, wiring.fusion)
        if head is None:
            whole = parts.transpose(0, 1).flatten(1)
            return whole if role == name else whole[0]
        self._check_head(name, head)
        return parts[head] if role == name else parts[head, 0]

    def _check_head(self, name: str, head: int) -> None:
        n_heads = self.heads.key_value if name in ("k", "v") else self.heads.query
        if not 0 <= head < n_heads:
            raise TomoError(f"{name!r} has the heads 0 to {n_heads - 1}, there is no {head}.")


def oriented(module: nn.Module, read: Reader = stored) -> torch.Tensor:
    """The matrix of a projection, ``(in, out)``."""
    weight = read(module, "weight")
    assert weight is not None
    # transformers' Conv1D, of GPT-1 and GPT-2, stores (in, out), torch's Linear (out, in).
    return weight if type(module).__name__ == "Conv1D" else weight.T


def _half(values: torch.Tensor, name: str) -> torch.Tensor:
    return values.chunk(2, dim=-1)[0 if name == "gate" else 1]
