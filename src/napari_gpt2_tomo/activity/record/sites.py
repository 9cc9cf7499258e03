"""The places in a transformer where activity is measured, under the field's usual names."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...base import TomoError

__all__ = ["SITES", "Site", "site"]


@dataclass(frozen=True, slots=True)
class Site:
    """A place where activity is measured.

    Attributes
    ----------
    name
        As `Activity` knows it.
    axes
        What each axis of its array counts.
    title
        For a person.
    """

    name: str
    axes: tuple[str, ...]
    title: str


_STREAM = ("layer", "token", "channel")
_HEADS = ("layer", "head", "token", "d_head")
_SHARED = ("layer", "kv_head", "token", "d_head")
_PATTERN = ("layer", "head", "query", "key")
_NEURONS = ("layer", "token", "neuron")

_ALL = (
    Site("embed", ("token", "channel"), "token embedding"),
    Site("pos_embed", ("token", "channel"), "position embedding"),
    Site("resid_pre", _STREAM, "residual stream before a block"),
    Site("attn_out", _STREAM, "what attention adds to the stream"),
    Site("resid_mid", _STREAM, "residual stream between attention and MLP"),
    Site("mlp_out", _STREAM, "what the MLP adds to the stream"),
    Site("resid_post", _STREAM, "residual stream after a block"),
    Site("final", ("token", "channel"), "residual stream after the final norm"),
    Site("q", _HEADS, "queries"),
    Site("k", _SHARED, "keys"),
    Site("v", _SHARED, "values"),
    Site("rot_q", _HEADS, "queries after rotary positions"),
    Site("rot_k", _SHARED, "keys after rotary positions"),
    Site("scores", _PATTERN, "attention scores before the softmax"),
    Site("pattern", _PATTERN, "attention pattern"),
    Site("z", _HEADS, "values gathered by a head"),
    Site("head_out", ("layer", "head", "token", "channel"), "what a head adds to the stream"),
    Site("mlp_pre", _NEURONS, "neurons before their activation function"),
    Site("mlp_linear", _NEURONS, "the linear side of gated neurons"),
    Site("mlp_post", _NEURONS, "neurons"),
    Site("router", ("layer", "token", "expert"), "probability that the router gives an expert"),
    Site("experts", ("layer", "token", "slot"), "experts that the router chose"),
    Site("logits", ("token", "vocab"), "scores of the next token"),
)

SITES: Mapping[str, Site] = {one.name: one for one in _ALL}
"""Every site by name, in forward order. The neurons of experts have a slot axis before theirs."""


def site(name: str) -> Site:
    """The site of this name.

    Raises
    ------
    TomoError
        There is none; the message lists them.
    """
    if name not in SITES:
        raise TomoError(f"There is no activity {name!r}; there are: {', '.join(SITES)}.")
    return SITES[name]
