"""One forward pass, measured."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn

from ...base import Progress
from ..record.sites import SITES
from ..record.store import Store
from .attention import IMPLEMENTATION, register
from .heads import HeadShape
from .hooks import Hook
from .recorder import Recorder
from .taps import Tap, block_taps, outer_taps
from .watch import watching
from .wiring import Wiring, below

__all__ = ["Circuit", "forward", "measure"]


class Circuit:
    """The modules of a model and where each site is seen in them.

    Parameters
    ----------
    network
        The model.
    wiring, heads
        Where things are.

    Attributes
    ----------
    base, blocks
        The model without its head; its blocks.
    head
        The module that gives the logits, None if there is none.
    taps
        Every place that can be watched.
    uneven
        Sites that only some blocks have, or have in another form; they cannot be watched.
    """

    def __init__(self, network: Any, wiring: Wiring, heads: HeadShape) -> None:
        self.network = network
        self.wiring = wiring
        self.heads = heads
        self.base: nn.Module = network.base_model
        blocks = below(self.base, wiring.blocks)
        if not isinstance(blocks, nn.ModuleList):
            raise LookupError(wiring.blocks)
        self.blocks = blocks
        self.head: nn.Module | None = network.get_output_embeddings()
        by_block = [
            list(block_taps(block, layer, wiring, heads)) for layer, block in enumerate(blocks)
        ]
        # What only some blocks have (a mixture among plain MLPs) has no place in one array.
        kinds = [{(tap.site, tap.computed) for tap in taps} for taps in by_block]
        common = set.intersection(*kinds)
        self.uneven = frozenset(site for site, _ in set.union(*kinds) - common)
        self.taps: tuple[Tap, ...] = (
            *outer_taps(self.base, wiring),
            *(tap for taps in by_block for tap in taps if tap.site not in self.uneven),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about what is measured here."""
        found: list[str] = []
        if self.uneven:
            names = ", ".join(name for name in SITES if name in self.uneven)
            found.append(f"Not recorded, because the layers differ in it: {names}.")
        if hasattr(below(self.blocks[0], self.wiring.attention), "sinks"):
            found.append(
                "Each head has a sink that takes part of its attention: the rows of the pattern "
                "sum to less than 1."
            )
        return tuple(found)

    @property
    def sites(self) -> frozenset[str]:
        """Sites that the model has."""
        found = {tap.site for tap in self.taps}
        return frozenset(found | {"logits"} if self.head is not None else found)

    @contextmanager
    def watched_attention(self) -> Iterator[None]:
        """While the context lasts, attention goes through the function that can be watched."""
        if self.wiring.weights:
            yield
            return
        register()
        attention = (below(block, self.wiring.attention) for block in self.blocks)
        owners = {id(one): one for one in (self.network, self.base, *attention) if one is not None}
        configs = {id(one.config): one.config for one in owners.values() if hasattr(one, "config")}
        before = {key: config._attn_implementation for key, config in configs.items()}
        try:
            for config in configs.values():
                config._attn_implementation = IMPLEMENTATION
            yield
        finally:
            for key, config in configs.items():
                config._attn_implementation = before[key]


def forward(
    network: Any, ids: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor | None:
    """``(batch, token, vocab)`` logits of a bare forward pass; None for a model without them."""
    options: dict[str, Any] = {} if mask is None else {"attention_mask": mask}
    kind: Any = type(network)
    if _may_cache(kind):
        options["use_cache"] = False
    out = network(ids, **options)
    return getattr(out, "logits", None)


@cache
def _may_cache(kind: Any) -> bool:
    """Whether networks of a class can be told to keep keys and values."""
    return "use_cache" in inspect.signature(kind.forward).parameters


def measure(
    circuit: Circuit,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    wanted: Iterable[str],
    stores: Sequence[Store],
    hooks: Sequence[Hook] = (),
    progress: Progress | None = None,
) -> None:
    """Run ``(batch, token)`` ids and put what happens into one store for each.

    Raises
    ------
    TomoError
        A hook has no place.
    Cancelled
        `progress` asked to stop; the model stays as it was.
    """
    names = set(wanted)
    lengths = [ids.shape[1]] * len(ids) if mask is None else [int(n) for n in mask.sum(-1)]
    recorder = Recorder(lengths, len(circuit.blocks), stores)
    _record(circuit, ids, mask, names, recorder, hooks, progress)
    if recorder.is_stale:
        recorder = Recorder(lengths, len(circuit.blocks), stores, copies=True)
        _record(circuit, ids, mask, names, recorder, hooks, None)


def _record(
    circuit: Circuit,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    names: set[str],
    recorder: Recorder,
    hooks: Sequence[Hook],
    progress: Progress | None,
) -> None:
    at_logits = [hook for hook in hooks if hook.site == "logits"]
    inside = [hook for hook in hooks if hook.site != "logits"]
    batch = (ids.shape[0], ids.shape[1])
    with (
        torch.no_grad(),
        circuit.watched_attention(),
        watching(circuit.taps, names, recorder.see, inside, batch),
        _told(circuit.blocks, progress),
    ):
        logits = forward(circuit.network, ids, mask)
    if logits is None:
        return
    for hook in at_logits:
        logits = hook.change(logits)
    if "logits" in names:
        recorder.see("logits", None, logits)


@contextmanager
def _told(blocks: nn.ModuleList, progress: Progress | None) -> Iterator[None]:
    """While the context lasts, `progress` advances with each block."""
    if progress is None:
        yield
        return
    told = progress

    def advance(*_: Any) -> None:
        told.advance(1)

    handles = [block.register_forward_pre_hook(advance) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
