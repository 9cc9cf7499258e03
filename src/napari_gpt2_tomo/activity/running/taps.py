"""Where each site is seen in the modules of a model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from .experts import mixture_of
from .heads import HeadShape
from .wiring import Wiring, below

__all__ = ["Tap", "block_taps", "outer_taps"]

View = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Tap:
    """One place where a site is seen.

    Attributes
    ----------
    site, layer
        What is seen there; no layer outside of the blocks.
    module
        The module that it goes into or comes out of.
    side
        ``"in"``, ``"out"``, or ``"attention"``: inside the attention function.
    view
        From the module's tensor to ``(batch, …)`` in the axes of the site.
    alias
        Whether the tensor is also used elsewhere, so that a change must be made in place.
    computed
        Whether the view is computed anew, so that nothing can be changed there.
    """

    site: str
    layer: int | None
    module: nn.Module
    side: Literal["in", "out", "attention"]
    view: View | None = None
    alias: bool = False
    computed: bool = False


def outer_taps(base: nn.Module, wiring: Wiring) -> Iterator[Tap]:
    """Taps outside of the blocks; `base` is the model without its head."""
    embed = below(base, wiring.project_in) or below(base, wiring.token_embedding)
    if embed is not None:
        yield Tap("embed", None, embed, "out")
    if (positions := below(base, wiring.position_embedding)) is not None:
        yield Tap("pos_embed", None, positions, "out", _with_batch)
    if (norm := below(base, wiring.final_norm)) is not None:
        yield Tap("final", None, norm, "out")


def block_taps(block: nn.Module, layer: int, wiring: Wiring, heads: HeadShape) -> Iterator[Tap]:
    """Taps of one block."""
    yield Tap("resid_pre", layer, block, "in")
    yield from _attention_taps(block, layer, wiring, heads)
    after = wiring.mid.startswith(">")
    if (mid := below(block, wiring.mid.removeprefix(">"))) is not None:
        yield Tap("resid_mid", layer, mid, "out" if after else "in", alias=not after)
    yield from _mlp_taps(block, layer, wiring)
    yield Tap("resid_post", layer, block, "out")


def _attention_taps(
    block: nn.Module, layer: int, wiring: Wiring, heads: HeadShape
) -> Iterator[Tap]:
    counts = {"q": heads.query, "k": heads.key_value, "v": heads.key_value}
    paths = {"q": wiring.query, "k": wiring.key, "v": wiring.value}
    norms = {"q": wiring.query_norm, "k": wiring.key_norm, "v": ""}
    for which, n_heads in counts.items():
        norm = below(block, norms[which])
        if norm is not None:
            view: View = {
                "flat": partial(heads.split, n_heads=n_heads),
                "token, head": partial(torch.transpose, dim0=-3, dim1=-2),
                "head, token": _same,
            }[wiring.head_norm]
            yield Tap(which, layer, norm, "out", view)
            continue
        projection = below(block, paths[which] or wiring.fused)
        if projection is not None:
            part = partial(heads.part, which=which, fusion=wiring.fusion)
            yield Tap(which, layer, projection, "out", part)
    attention = below(block, wiring.attention)
    weights = below(block, wiring.weights)
    if weights is not None:
        yield Tap("pattern", layer, weights, "out")
    elif attention is not None:
        rotary = ("rot_q", "rot_k") if wiring.positions == "rotary" else ()
        for site in (*rotary, "scores", "pattern"):
            yield Tap(site, layer, attention, "attention", computed=site == "scores")
    out = below(block, wiring.out)
    if out is not None:
        yield Tap("z", layer, out, "in", partial(heads.split, n_heads=heads.query))
    post = below(block, wiring.attn_post_norm) if wiring.scheme == "sandwich" else None
    if (adds := post or out) is not None:
        yield Tap("attn_out", layer, adds, "out")


def _mlp_taps(block: nn.Module, layer: int, wiring: Wiring) -> Iterator[Tap]:
    if (gate := below(block, wiring.gate)) is not None:
        yield Tap("mlp_pre", layer, gate, "out")
        if (up := below(block, wiring.up)) is not None:
            yield Tap("mlp_linear", layer, up, "out")
    elif (up := below(block, wiring.up)) is not None:
        yield Tap("mlp_pre", layer, up, "out")
    elif (both := below(block, wiring.gate_up)) is not None:
        yield Tap("mlp_pre", layer, both, "out", _first_half)
        yield Tap("mlp_linear", layer, both, "out", _second_half)
    mlp, mixture = below(block, wiring.mlp), mixture_of(block, wiring)
    if mlp is not None and mixture is not None:
        yield Tap("router", layer, mlp, "in", mixture.probabilities, computed=True)
        yield Tap("experts", layer, mlp, "in", mixture.chosen, computed=True)
        for site in ("mlp_pre", "mlp_linear", "mlp_post"):
            view = partial(mixture.neurons, which=site)
            yield Tap(site, layer, mlp, "in", view, computed=True)
    down = below(block, wiring.down)
    if down is not None:
        yield Tap("mlp_post", layer, down, "in")
    post = below(block, wiring.mlp_post_norm) if wiring.scheme == "sandwich" else None
    if (adds := post or down or mlp) is not None:
        yield Tap("mlp_out", layer, adds, "out")


def _same(values: torch.Tensor) -> torch.Tensor:
    return values


def _with_batch(values: torch.Tensor) -> torch.Tensor:
    return values if values.ndim == 3 else values[None]


def _first_half(values: torch.Tensor) -> torch.Tensor:
    return values.chunk(2, dim=-1)[0]


def _second_half(values: torch.Tensor) -> torch.Tensor:
    return values.chunk(2, dim=-1)[1]
