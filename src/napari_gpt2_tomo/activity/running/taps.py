"""Where each site is seen in the modules of a model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from .experts import mixture_of
from .head_out import HeadOut
from .heads import HeadShape
from .own_attention import OwnAttention
from .wiring import HeadNorm, Wiring, below

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
    finish
        What the model will do to the view in place, done before it is seen.
    """

    site: str
    layer: int | None
    module: nn.Module
    side: Literal["in", "out", "attention"]
    view: View | None = None
    alias: bool = False
    computed: bool = False
    finish: View | None = None


def outer_taps(base: nn.Module, wiring: Wiring) -> Iterator[Tap]:
    """Taps outside of the blocks; `base` is the model without its head."""
    embed = below(base, wiring.project_in) or below(base, wiring.token_embedding)
    if embed is not None:
        yield Tap("embed", None, embed, "out")
    if (positions := below(base, wiring.position_embedding)) is not None:
        yield Tap("pos_embed", None, positions, "out")
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
    yield from _reader_taps(block, layer, wiring, heads)
    attention = below(block, wiring.attention)
    weights = below(block, wiring.weights)
    if attention is not None and weights is not None:
        own = OwnAttention(block, wiring, heads)
        if wiring.positions == "rotary":
            for which, path in (("q", wiring.query), ("k", wiring.key)):
                if (projection := below(block, path)) is not None:
                    view = partial(own.rotated, which=which)
                    yield Tap(f"rot_{which}", layer, projection, "out", view, computed=True)
        yield Tap("scores", layer, attention, "in", own.scores, computed=True)
        yield Tap("pattern", layer, weights, "out")
    elif attention is not None:
        rotary = ("rot_q", "rot_k") if wiring.positions == "rotary" else ()
        for site in (*rotary, "scores", "pattern"):
            yield Tap(site, layer, attention, "attention", computed=site == "scores")
    post = below(block, wiring.attn_post_norm) if wiring.scheme == "sandwich" else None
    out = below(block, wiring.out)
    if out is not None:
        yield Tap("z", layer, out, "in", partial(heads.split, n_heads=heads.query))
        yield Tap("head_out", layer, out, "in", HeadOut(out, post, heads), computed=True)
    if (adds := post or out) is not None:
        yield Tap("attn_out", layer, adds, "out")


def _reader_taps(block: nn.Module, layer: int, wiring: Wiring, heads: HeadShape) -> Iterator[Tap]:
    """Queries, keys and values before rotary positions, after their norms."""
    attention: Any = below(block, wiring.attention)
    clip = getattr(getattr(attention, "config", None), "clip_qkv", None)
    for which, path, norm_path in (
        ("q", wiring.query, wiring.query_norm),
        ("k", wiring.key, wiring.key_norm),
        ("v", wiring.value, ""),
    ):
        n_heads = heads.query if which == "q" else heads.key_value
        if (norm := below(block, norm_path)) is not None:
            views: dict[HeadNorm, View | None] = {
                "flat": partial(heads.split, n_heads=n_heads),
                "token, head": _heads_first,
                "head, token": None,
            }
            yield Tap(which, layer, norm, "out", views[wiring.head_norm])
        elif (projection := below(block, path or wiring.fused)) is not None:
            part = partial(heads.part, which=which, fusion=wiring.fusion)
            limit = partial(torch.clamp, min=-clip, max=clip) if clip else None
            yield Tap(which, layer, projection, "out", part, finish=limit)


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


def _heads_first(values: torch.Tensor) -> torch.Tensor:
    return values.transpose(-3, -2)


def _first_half(values: torch.Tensor) -> torch.Tensor:
    return values.chunk(2, dim=-1)[0]


def _second_half(values: torch.Tensor) -> torch.Tensor:
    return values.chunk(2, dim=-1)[1]
