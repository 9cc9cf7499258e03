"""The numbers of a lesson, asked of a model and checked against its formulas."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...anatomy.config import text_config
from ...base import Progress, TomoError
from ..record import Activity
from .facts import Facts, read_facts
from .gather_gradient import gather_gradient, is_tied
from .gather_neuron import gather_neuron
from .gather_norm import gather_norm, weight_of
from .gather_words import LARGEST, gather_loss, gather_prediction, softmax, string_of
from .heads import Heads, aside_from_rest, default_head, find_rule
from .rotary import find_rotary
from .story import Block, Choice, Embedding, Positions, Story

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["WHAT", "gather"]

F64 = NDArray[np.float64]

WHAT = (
    "embed",
    "pos_embed",
    "resid_pre",
    "attn_out",
    "resid_mid",
    "mlp_out",
    "resid_post",
    "final",
    "q",
    "k",
    "v",
    "rot_q",
    "rot_k",
    "scores",
    "pattern",
    "z",
    "mlp_pre",
    "mlp_linear",
    "mlp_post",
    "router",
    "experts",
    "logits",
)
"""What a lesson needs of a run."""

DRAWN = 32
"""Tokens that are drawn, the last ones of the text: more are too small to read on a page."""

HELD = 220_000
"""Numbers of heads that a page holds, but for one whole layer at least: some 1 MB as text."""

NEIGHBOURS = 6
"""Nearest tokens of the vocabulary that are named."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person chose; None is up to the lesson."""

    layer: int | None = None
    head: int | None = None
    token: int | None = None


def gather(
    model: "LanguageModel",
    activity: Activity,
    *,
    layer: int | None = None,
    head: int | None = None,
    token: int | None = None,
    training: bool = True,
    progress: Progress | None = None,
) -> Story:
    """The numbers of a lesson about a model and a text that it has read.

    Parameters
    ----------
    model
        Loaded.
    activity
        What happened when it read the text: at least the sites in `WHAT` that it has.
    layer, head
        The head to begin with.
    token
        The position of the token that is followed.
    training
        Whether to compute the gradient, which takes the time of some ten forward passes and twice
        as much memory again as the weights.
    progress
        Told of the chapters.

    Raises
    ------
    TomoError
        There is no such layer, head or token, or what a lesson cannot do without was not recorded.
    """
    facts = read_facts(text_config(model.circuit.network.config.to_dict()))
    choice = _choose(model, activity, Wish(layer, head, token))
    absent: dict[str, str] = {}
    heads = _heads(model, activity, choice)
    stream = activity.read("resid_pre", choice.layer, choice.focus).astype(np.float64)
    final = None
    if "final" in activity:
        final = gather_norm(
            model,
            facts,
            "final_norm",
            activity.read("resid_post", -1, choice.focus).astype(np.float64),
            after=activity.read("final", choice.focus).astype(np.float64),
        )
    prediction = gather_prediction(model, activity, choice.focus) if model.causal else None
    loss = gather_loss(activity, choice.focus) if choice.answer else None
    gradient = None
    if loss is not None and training:
        try:
            gradient = gather_gradient(model, activity, choice.focus, progress)
        except TomoError as error:
            absent["gradient"] = str(error)
    elif loss is not None:
        absent["gradient"] = "The page was written without it."
    _explain(absent, model, activity, choice.answer)
    scheme = model.scheme
    return Story(
        name=activity.source.name or model.name,
        path=str(activity.source.path or model.path),
        family=model.family,
        sizes=model.sizes,
        causal=model.causal,
        scheme=scheme,
        norm_kind=model.norm_kind,
        n_layers=activity.n_layers,
        n_heads=int(activity["pattern"].shape[1]),
        n_kv_heads=int(activity["k"].shape[1]),
        d_head=int(activity["q"].shape[-1]),
        text=activity.text,
        tokens=activity.tokens,
        choice=choice,
        embedding=_embedding(model, activity, choice),
        positions=_positions(model, activity, facts, choice),
        attention_norm=None
        if scheme == "post-norm"
        else gather_norm(model, facts, "attn_norm", stream, layer=choice.layer),
        heads=heads,
        every=activity.read("pattern")[:, :, choice.drawn, choice.drawn].astype(np.float32),
        neuron=gather_neuron(model, activity, facts, choice.layer, choice.focus),
        block=_block(model, activity, facts, choice),
        final_norm=final,
        prediction=prediction,
        loss=loss,
        gradient=gradient,
        absent=absent,
        notes=activity.notes,
        tied=_is_tied(model, activity),
        has_tokenizer=model.tokenizer is not None,
        head_norm=weight_of(model, "q_norm", layer=choice.layer) is not None,
    )


def _is_tied(model: "LanguageModel", activity: Activity) -> bool:
    size = (model.sizes.vocab or 0) * activity["embed"].shape[-1]
    return model.causal and 0 < size <= LARGEST and is_tied(model)


def _explain(
    absent: dict[str, str], model: "LanguageModel", activity: Activity, answer: bool
) -> None:
    """Why the last chapters are missing, if they are."""
    if not model.causal:
        reason = (
            f"{activity.source.name} is an encoder: every token sees the whole text, so there is "
            "no next token that it could be asked to foresee. Encoders learn by restoring words "
            "that were hidden from them; what they hand on is the last vector of each token."
        )
        absent |= dict.fromkeys(("prediction", "loss", "gradient"), reason)
    elif len(activity.tokens) < 2:
        reason = "The text has one token, and nothing follows it: a true next token is not known."
        absent |= dict.fromkeys(("loss", "gradient"), reason)
    elif not answer:
        reason = "The followed token is the last of the text: what comes after it is not known."
        absent |= dict.fromkeys(("loss", "gradient"), reason)


def _choose(model: "LanguageModel", activity: Activity, wish: Wish) -> Choice:
    n_tokens = len(activity.tokens)
    last = n_tokens - 1
    if wish.token is not None and not 0 <= wish.token <= last:
        raise TomoError(f"The text has tokens 0 to {last}: there is no {wish.token}.")
    # A decoder's last token is what it is asked to foresee; an encoder's is a mark of the end.
    usual = max(0, last - 1) if model.causal else last // 2
    focus = usual if wish.token is None else wish.token
    answer = model.causal and focus < last
    # Most of what a token looks at lies before it.
    first = max(0, min(n_tokens - DRAWN, focus + 4 - DRAWN))
    drawn = slice(first, min(n_tokens, first + DRAWN))
    pattern = activity.read("pattern")
    layers, heads = pattern.shape[:2]
    for name, value, count in (("layer", wish.layer, layers), ("head", wish.head, heads)):
        if value is not None and not 0 <= value < count:
            raise TomoError(
                f"{activity.source.name} has {name}s 0 to {count - 1}: there is no {value}."
            )
    rows = np.asarray(pattern[:, :, focus, drawn], np.float32)
    some = rows if wish.layer is None else rows[wish.layer : wish.layer + 1]
    if wish.head is not None:
        some = some[:, wish.head : wish.head + 1]
    layer, head = default_head(some, focus, first)
    layer = layer if wish.layer is None else wish.layer
    head = head if wish.head is None else wish.head
    key = int(aside_from_rest(rows[layer, head], focus, first).argmax())
    return Choice(first, drawn.stop, focus, answer, layer, head, first + key)


def _heads(model: "LanguageModel", activity: Activity, choice: Choice) -> Heads:
    turned = "rot_q" in activity and "rot_k" in activity
    q_name, k_name = ("rot_q", "rot_k") if turned else ("q", "k")
    n_layers, n_heads, _, d_head = activity[q_name].shape
    n_shared = activity["k"].shape[1]
    drawn = choice.stop - choice.first
    each = drawn * d_head * 2 * (n_heads + n_shared) + 2 * n_heads * drawn**2
    layers = _held(n_layers, choice.layer, max(1, HELD // each))
    span = choice.drawn

    def some(name: str) -> NDArray[np.float32]:
        return np.stack([activity.read(name, one)[:, span] for one in layers]).astype(np.float32)

    recorded = "scores" in activity
    rules, scores = [], []
    for one in layers:
        q, k = activity.read(q_name, one).astype(np.float64), activity.read(k_name, one)
        k = np.repeat(k.astype(np.float64), n_heads // n_shared, axis=0)
        if recorded:
            real = activity.read("scores", one).astype(np.float64)
        else:
            with np.errstate(divide="ignore"):
                real = np.log(activity.read("pattern", one).astype(np.float64))
        rules.append(find_rule(q, k, real, one))
        # JSON and the page's arithmetic have no use for infinities.
        scores.append(np.maximum(real, -1e30)[:, span, span])
    adds = _lengths(model, activity, layers, span)
    pattern = np.stack([activity.read("pattern", one)[:, span, span] for one in layers])
    return Heads(
        layers,
        choice.first,
        some(q_name),
        some(k_name),
        some("v"),
        some("z"),
        np.stack(scores).astype(np.float32),
        pattern.astype(np.float32),
        adds,
        tuple(rules),
    )


def _lengths(
    model: "LanguageModel", activity: Activity, layers: tuple[int, ...], span: slice
) -> NDArray[np.float32] | None:
    """``(layer, head, token)``: length of what each head adds to the stream."""
    found = []
    for layer in layers:
        z = activity.read("z", layer)[:, span].astype(np.float64)
        columns = weight_of(model, "o", layer=layer)
        if columns is None or columns.shape[1] != z.shape[0] * z.shape[2]:
            return None
        parts = columns.reshape(-1, z.shape[0], z.shape[2])
        found.append(np.linalg.norm(np.einsum("htd,chd->htc", z, parts), axis=-1))
    return np.stack(found).astype(np.float32)


def _held(n_layers: int, wanted: int, most: int) -> tuple[int, ...]:
    """At most so many layers, evenly spread, with the one that is wanted."""
    if most >= n_layers:
        return tuple(range(n_layers))
    spread = np.linspace(0, n_layers - 1, most).round().astype(int).tolist()
    if wanted not in spread:
        nearest = min(range(len(spread)), key=lambda i: abs(spread[i] - wanted))
        spread[nearest] = wanted
    return tuple(sorted(spread))


def _embedding(model: "LanguageModel", activity: Activity, choice: Choice) -> Embedding:
    vectors = activity.read("embed").astype(np.float64)
    neighbours: tuple[tuple[int, str, float], ...] = ()
    factor = 1.0
    vocabulary = model.sizes.vocab or 0
    table = None
    if 0 < vocabulary * vectors.shape[1] <= LARGEST:
        table = weight_of(model, "token_embedding")
    if table is not None:
        own = int(activity.tokens.ids[choice.focus])
        column = table[:, own]
        lengths = np.linalg.norm(table, axis=0)
        cosines = column @ table / np.maximum(lengths * lengths[own], 1e-30)
        cosines[own] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:NEIGHBOURS]
        neighbours = tuple((int(i), string_of(model, int(i)), float(cosines[i])) for i in order)
    if model.family.startswith("gemma"):
        factor = float(np.sqrt(vectors.shape[1]))
    return Embedding(vectors, np.linalg.norm(vectors, axis=-1), neighbours, factor)


def _positions(
    model: "LanguageModel", activity: Activity, facts: Facts, choice: Choice
) -> Positions:
    stream = activity.read("resid_pre", 0).astype(np.float64)
    vectors = activity.read("pos_embed").astype(np.float64) if "pos_embed" in activity else None
    if "rot_q" not in activity:
        return Positions(model.positions, vectors, stream)
    q = activity.read("q", choice.layer, choice.head).astype(np.float64)
    turned = activity.read("rot_q", choice.layer, choice.head).astype(np.float64)
    rotary = find_rotary(q, turned, facts.rotary_base if facts.rotary_plain else None)
    return Positions("rotary", vectors, stream, rotary, q, turned)


def _block(model: "LanguageModel", activity: Activity, facts: Facts, choice: Choice) -> Block:
    def one(name: str) -> F64:
        return activity.read(name, choice.layer, choice.focus).astype(np.float64)

    def length(name: str) -> F64:
        return np.asarray(np.linalg.norm(activity.read(name)[:, choice.focus], axis=-1), np.float64)

    names = ("resid_pre", "attn_out", "mlp_out", "resid_post")
    before, attention, mlp, after = map(one, names)
    between = one("resid_mid") if "resid_mid" in activity else None
    norm = None
    if model.scheme == "post-norm" and between is not None:
        norm = gather_norm(
            model, facts, "attn_post_norm", before + attention, layer=choice.layer, after=between
        )
    miss = np.abs(before + attention + mlp - after).max()
    return Block(
        choice.layer,
        before,
        attention,
        between,
        mlp,
        after,
        np.stack([length(name) for name in names], 1),
        _guesses(model, activity, choice.focus),
        bool(miss <= 5e-3 * np.abs(after).max()),
        norm,
    )


def _guesses(
    model: "LanguageModel", activity: Activity, token: int
) -> tuple[tuple[str, float], ...]:
    if not model.causal:
        return ()
    states = activity.read("resid_post", slice(None), token)
    try:
        shares = softmax(np.asarray(model.unembed(states), np.float64))
    except TomoError:
        return ()
    best = shares.argmax(-1)
    return tuple(
        (string_of(model, int(one)), float(share[one]))
        for one, share in zip(best, shares, strict=True)
    )
