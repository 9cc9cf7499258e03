"""Interventions as descriptions: which component of a model is changed, how, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...anatomy.part import HyperParameters
from ...base import TomoError
from ..record import Tokens, site

__all__ = ["STREAM_SITES", "Change", "Component", "Kind", "Mean", "Patch", "Zero"]

Kind = Literal["head", "neuron", "channel", "attention", "mlp", "stream"]

STREAM_SITES = ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")
"""Sites ``(layer, token, channel)`` where a channel, or the whole stream, can be changed."""

_SITES: dict[str, str] = {
    "head": "z",
    "neuron": "mlp_post",
    "attention": "attn_out",
    "mlp": "mlp_out",
}

_SIZES: dict[str, tuple[str, str]] = {
    "head": ("n_heads", "heads"),
    "neuron": ("d_mlp", "neurons"),
    "channel": ("d_model", "channels"),
}
"""Kind → name of the size that counts it, and what it is called."""


@dataclass(frozen=True)
class Component:
    """A component of a model that can be changed; make it by one of its class methods.

    Attributes
    ----------
    kind
        See `Kind`.
    layer
        Block, from 0.
    site
        Where in the block: one of `SITES`.
    index
        Head, neuron or channel; None for a whole.
    """

    kind: Kind
    layer: int
    site: str
    index: int | None = None

    @classmethod
    def head(cls, layer: int, head: int) -> "Component":
        """What an attention head gathers (``z``), before its output matrix."""
        return cls("head", layer, _SITES["head"], head)

    @classmethod
    def neuron(cls, layer: int, neuron: int) -> "Component":
        """An MLP neuron, after its activation function (and its gate)."""
        return cls("neuron", layer, _SITES["neuron"], neuron)

    @classmethod
    def channel(cls, layer: int, channel: int, site: str = "resid_pre") -> "Component":
        """A channel of the residual stream at one of `STREAM_SITES`."""
        return cls("channel", layer, _stream_site(site), channel)

    @classmethod
    def attention(cls, layer: int) -> "Component":
        """All that the attention of a block adds to the stream, its output bias too."""
        return cls("attention", layer, _SITES["attention"])

    @classmethod
    def mlp(cls, layer: int) -> "Component":
        """All that the MLP of a block adds to the stream, its output bias too."""
        return cls("mlp", layer, _SITES["mlp"])

    @classmethod
    def stream(cls, layer: int, site: str = "resid_pre") -> "Component":
        """The whole residual stream at one of `STREAM_SITES`."""
        return cls("stream", layer, _stream_site(site))

    def check(self, sizes: HyperParameters) -> None:
        """Raise an error unless a model of these sizes has the component.

        Raises
        ------
        TomoError
            It has no such layer, head, neuron or channel.
        """
        _within(self.layer, sizes.n_layers, "layers")
        if self.index is not None:
            size, plural = _SIZES[self.kind]
            _within(self.index, getattr(sizes, size), plural)

    def __str__(self) -> str:
        place = f"L{self.layer}"
        if self.kind in ("attention", "mlp"):
            return f"{place} {'MLP' if self.kind == 'mlp' else 'attention'}"
        if self.kind == "stream":
            return f"{place} {site(self.site).title}"
        if self.kind == "channel":
            return f"{place} {site(self.site).title}, channel {self.index}"
        return f"{place} {self.kind} {self.index}"


@dataclass(frozen=True)
class Zero:
    """Zero ablation: the component gives 0.

    Attributes
    ----------
    component
        What is changed.
    tokens
        Positions where; None is everywhere.
    """

    component: Component
    tokens: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return f"Zero ablation of {self.component}{_where(self.tokens)}"


@dataclass(frozen=True)
class Mean:
    """Mean ablation: the component gives its mean, which carries no news of this prompt.

    Attributes
    ----------
    component
        What is changed.
    tokens
        Positions where; None is everywhere.
    over
        Texts over all of whose positions, the first too, the mean is taken; without texts over
        the positions of the prompt itself, in the run without changes.
    """

    component: Component
    tokens: tuple[int, ...] | None = None
    over: tuple[str, ...] = ()

    def __str__(self) -> str:
        over = f"over {len(self.over)} texts" if self.over else "over this prompt"
        return f"Mean ablation ({over}) of {self.component}{_where(self.tokens)}"


@dataclass(frozen=True)
class Patch:
    """Patching: the component gives what it gives for another prompt.

    Attributes
    ----------
    component
        What is changed.
    source
        The other prompt: a text, or ids.
    tokens
        Positions where; None is everywhere.
    source_tokens
        For each of them the position in the other prompt; None is the same one, which needs
        prompts of equal length.
    """

    component: Component
    source: str | tuple[int, ...]
    tokens: tuple[int, ...] | None = None
    source_tokens: tuple[int, ...] | None = None

    def aligned(self, tokens: int, source: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Positions in the prompt, and those of the other prompt that belong to them.

        Parameters
        ----------
        tokens, source
            Lengths of the two prompts.

        Raises
        ------
        TomoError
            The prompts differ in length and no positions are given, or these do not fit.
        """
        mine = self.tokens if self.tokens is not None else tuple(range(tokens))
        if self.source_tokens is None:
            if tokens != source:
                raise TomoError(
                    f"The prompt has {tokens} tokens, the one to patch from {source}: which belong "
                    "together is not clear. Use prompts of equal length, or give the positions "
                    "(tokens=…, source_tokens=…)."
                )
            theirs = mine
        else:
            theirs = self.source_tokens
        if len(mine) != len(theirs):
            raise TomoError(
                f"{len(mine)} positions of the prompt and {len(theirs)} of the other prompt do "
                "not belong together: give one for each."
            )
        check_positions(mine, tokens, "The prompt")
        check_positions(theirs, source, "The prompt to patch from")
        return mine, theirs

    def __str__(self) -> str:
        source = self.source if isinstance(self.source, str) else " ".join(map(str, self.source))
        return f"{_upper(str(self.component))}{_where(self.tokens)} patched from “{source}”"


Change = Zero | Mean | Patch


def check_positions(positions: Sequence[int], length: int, whose: str) -> None:
    """Raise an error unless all positions lie in a prompt of this length."""
    wrong = next((one for one in positions if not 0 <= one < length), None)
    if wrong is not None:
        raise TomoError(f"{whose} has the positions 0 to {length - 1}, there is no {wrong}.")


def describe(changes: Sequence[Change], tokens: Tokens) -> tuple[str, ...]:
    """A sentence for each change, with the tokens at its positions."""
    found = []
    for change in changes:
        text = str(change)
        if change.tokens is not None:
            text += f" ({' '.join(tokens.labels[one] for one in change.tokens)})"
        found.append(text)
    return tuple(found)


def _stream_site(name: str) -> str:
    if name not in STREAM_SITES:
        raise TomoError(
            f"{name!r} is not a place of the residual stream; there are: {', '.join(STREAM_SITES)}."
        )
    return name


def _within(index: int, size: int | None, plural: str) -> None:
    if size is not None and not 0 <= index < size:
        raise TomoError(f"The model has the {plural} 0 to {size - 1}, there is no {index}.")


def _where(tokens: tuple[int, ...] | None) -> str:
    if tokens is None:
        return ""
    return f" at position{'s' if len(tokens) != 1 else ''} {', '.join(map(str, tokens))}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
