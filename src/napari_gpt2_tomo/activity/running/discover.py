"""A wiring for families that the table does not have: the one of a family built alike.

The modules must be where that family has them, none may be left over, and a trial run must add up:
what attention and MLP are said to add makes the next state of the stream, and the last state the
logits.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...base import TomoError
from ..record.store import Store
from .heads import HeadShape, head_shape
from .measure import Circuit, measure
from .norms import norm_numbers
from .weights import oriented
from .wiring import FAMILIES, Wiring, below, wiring_of

__all__ = ["discover", "fitting", "known_or_fitting"]

_OUTER = (
    "token_embedding",
    "position_embedding",
    "type_embedding",
    "embedding_norm",
    "project_in",
    "project_out",
    "final_norm",
)
_PATHS = tuple(
    field.name
    for field in fields(Wiring)
    if field.name not in (*_OUTER, "blocks", "fusion", "head_norm", "scheme", "positions", "mid")
)
_OPTIONAL = ("type_embedding", "project_in", "project_out")
TRIAL = 5
"""Tokens of the trial run."""
CLOSE = 1e-3
"""By how much a state may differ from the sum of what makes it, relative to its largest value."""


def known_or_fitting(network: Any) -> Wiring | None:
    """The wiring of a network by its family, or by where its modules are; None if none fits."""
    return wiring_of(network.config) or next(fitting(network), None)


def fitting(network: Any) -> Iterator[Wiring]:
    """Wirings of which a network has all modules, and in whose blocks it has no others."""
    base: nn.Module = network.base_model
    for wiring in dict.fromkeys(FAMILIES.values()):
        blocks = below(base, wiring.blocks)
        if not isinstance(blocks, nn.ModuleList) or not len(blocks):
            continue
        outer = [getattr(wiring, name) for name in _OUTER if name not in _OPTIONAL]
        inner = [getattr(wiring, name) for name in _PATHS]
        if any(path and below(base, path) is None for path in outer):
            continue
        if all(_holds(block, inner) for block in blocks):
            yield wiring


def _holds(block: nn.Module, paths: list[str]) -> bool:
    """Whether a block has modules at these paths, and parameters nowhere else."""
    named = [path for path in paths if path]
    if any(below(block, path) is None for path in named):
        return False
    ends = [path for path in named if not any(other.startswith(f"{path}.") for other in named)]
    return all(
        any(name.startswith(f"{path}.") for path in ends) for name, _ in block.named_parameters()
    )


def discover(network: Any) -> Wiring:
    """The wiring of a network whose family is not in the table.

    Raises
    ------
    TomoError
        None fits, or none that fits adds up.
    """
    for wiring in fitting(network):
        for one in (wiring, replace(wiring, scheme="parallel", mid="")):
            if _adds_up(network, one, head_shape(network.config)):
                return one
    raise TomoError(
        f"How a model of the family {network.config.model_type!r} is built is not known here, and "
        f"it is not built like one of: {', '.join(FAMILIES)}. So nothing can be measured inside it."
    )


def _adds_up(network: Any, wiring: Wiring, heads: HeadShape) -> bool:
    """Whether what is measured with a wiring makes the states of the stream, and the logits."""
    ids = torch.arange(TRIAL, device=network.get_input_embeddings().weight.device)[None]
    store = Store()
    names = ["resid_pre", "attn_out", "mlp_out", "resid_post", "z", "q", "k", "v", "pattern"]
    names += ["logits"] if network.get_output_embeddings() is not None else []
    try:
        circuit = Circuit(network, wiring, heads)
        measure(circuit, ids, None, names, [store])
        found = {name: np.asarray(store.arrays[name]) for name in names}
    except (LookupError, RuntimeError, AttributeError, TypeError, ValueError):
        return False
    middle = found["resid_pre"] + found["attn_out"]
    if wiring.scheme == "post-norm":
        middle = _normed(circuit, wiring.attn_post_norm, middle)
    after = middle + found["mlp_out"]
    if wiring.scheme == "post-norm":
        after = _normed(circuit, wiring.mlp_post_norm, after)
    shared = heads.query // heads.key_value
    gathered = found["pattern"] @ found["v"].repeat(shared, axis=1)
    return (
        _near(after, found["resid_post"])
        and _near(gathered, found["z"])
        and _unembeds(circuit, found["resid_post"][-1], store)
    )


def _unembeds(circuit: Circuit, state: Any, store: Store) -> bool:
    """Whether the final norm and the unembedding alone make the logits."""
    if circuit.head is None:
        return True
    values = torch.from_numpy(state)
    if (norm := below(circuit.base, circuit.wiring.final_norm)) is not None:
        values = norm_numbers(norm).to("cpu")(values)
    logits = values @ oriented(circuit.head).detach().float().cpu()
    return _near(logits.numpy(), store.arrays["logits"])


def _normed(circuit: Circuit, path: str, states: Any) -> Any:
    """States of each layer through the norm of their block."""
    done = []
    for block, state in zip(circuit.blocks, states, strict=True):
        norm = below(block, path)
        if norm is None:
            raise LookupError(path)
        done.append(norm_numbers(norm).to("cpu")(torch.from_numpy(state)).numpy())
    return np.stack(done)


def _near(found: Any, expected: Any) -> bool:
    return bool(np.abs(found - expected).max() <= CLOSE * np.abs(expected).max())
