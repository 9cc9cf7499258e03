"""Attention in numbers that can be worked by hand: how scores come from queries and keys."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Heads", "Rule", "aside_from_rest", "default_head", "find_rule", "read_slots"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

TERMS = 8
"""Products of one dot product that are written out; the others are summed."""

KEYS = 6
"""Tokens whose share in the softmax is written out; the others are summed."""

DIMS = 4
"""Dimensions of a value that are written out."""

CLOSE = 2e-3
"""Share of the largest score by which a rule may miss: float16 models round that much."""

MASKED = -1e4
"""Scores below this stand for "not allowed to look"."""


@dataclass(frozen=True, eq=False)
class Rule:
    """How a layer's scores come from queries and keys: ``score = scale · q·k + slope · place``.

    Attributes
    ----------
    scale
        What the dot product is multiplied with.
    words
        The scale as a formula, e.g. ``1/√8``.
    slopes
        ``(head,)`` of ALiBi: what a step towards the query is worth; None without.
    absolute
        Whether the place is the key's position j, and not j − i: the softmax is the same.
    exact
        Whether the rule gives the scores that the model had. Where it does not, the family does
        something that this page has no formula for.
    """

    scale: float
    words: str
    slopes: F64 | None
    exact: bool
    absolute: bool = False


def find_rule(q: F64, k: F64, scores: F64, layer: int) -> Rule:
    """The rule that gives `scores` ``(head, query, key)`` from `q` and `k` ``(head, token, d)``.

    The usual scales are tried; else the one that fits best is told as a number.
    """
    d_head = q.shape[-1]
    products = np.einsum("hid,hjd->hij", q, k)
    seen = np.isfinite(scores) & (scores > MASKED)
    dots, wanted = products[seen], scores[seen]
    power = float((dots**2).sum())
    fitted = float((dots * wanted).sum()) / power if power else 1 / math.sqrt(d_head)
    root = round(1 / fitted**2) if fitted > 0 else 0
    usual = (
        (1 / math.sqrt(d_head), f"1/√{d_head}"),
        (1.0, "1"),
        (1 / math.sqrt(d_head) / (layer + 1), f"1/(√{d_head} · {layer + 1})"),
        (1 / math.sqrt(max(root, 1)), f"1/√{root}"),
    )
    size = float(np.abs(wanted).max(initial=0.0)) or 1.0
    for scale, words in (*usual, (fitted, f"{fitted:.5g}")):
        if np.abs(scale * dots - wanted).max(initial=0.0) <= CLOSE * size:
            return Rule(scale, words, None, exact=True)
    scale, words = usual[0]
    place = np.arange(scores.shape[-1], dtype=np.float64)
    for absolute, steps in ((False, place[None, :] - place[:, None]), (True, place[None, :] + 0.0)):
        wide = np.broadcast_to(steps, scores.shape[1:])
        slopes = _slopes(scores - scale * products, np.where(seen, wide, 0.0))
        bent = scale * products + slopes[:, None, None] * wide
        if np.abs(bent - scores)[seen].max(initial=0.0) <= CLOSE * size:
            return Rule(scale, words, slopes, exact=True, absolute=absolute)
    return Rule(scale, words, None, exact=False)


def _slopes(rest: F64, steps: F64) -> F64:
    power = (steps**2).sum((1, 2))
    along = (np.where(steps != 0, rest, 0.0) * steps).sum((1, 2))
    return np.asarray(np.divide(along, power, out=np.zeros_like(along), where=power > 0))


def default_head(rows: F32, query: int, first: int) -> tuple[int, int]:
    """Layer and head that make a good first example.

    One that gives about half of its attention to one token that is neither the first of the text
    nor the query itself: those two are where heads look that have nothing to say, and a softmax
    with one winner has nothing to show.

    Parameters
    ----------
    rows
        ``(layer, head, key)``: attention of the query to the tokens from `first` on.
    query, first
        Positions in the text.
    """
    shares = aside_from_rest(rows, query, first).max(-1)
    best = np.unravel_index(int((shares * (1 - shares)).argmax()), shares.shape)
    return int(best[0]), int(best[1])


def aside_from_rest(rows: F32, query: int, first: int) -> F64:
    """Attention to all but the places where heads rest, see `default_head`; those become 0."""
    shares = np.array(rows, np.float64)
    if query >= 2:
        shares[..., query - first] = 0
        if first == 0:
            shares[..., 0] = 0
    return shares


@dataclass(frozen=True, eq=False)
class Heads:
    """What a page holds of attention: some whole layers, on the tokens that are drawn.

    Attributes
    ----------
    layers
        Numbers of the layers.
    first
        Position of the first token that is drawn.
    q, z
        ``(layer, head, token, d_head)``: queries and gathered values; `q` as it enters the dot
        product, so after rotary positions.
    k, v
        ``(layer, kv_head, token, d_head)``.
    scores, pattern
        ``(layer, head, query, key)``.
    adds
        ``(layer, head, token)``: length of what a head adds to the stream; None if not known.
    rules
        One for each layer.
    """

    layers: tuple[int, ...]
    first: int
    q: F32
    k: F32
    v: F32
    z: F32
    scores: F32
    pattern: F32
    adds: F32 | None
    rules: tuple[Rule, ...]

    @property
    def n_tokens(self) -> int:
        """Number of tokens that are drawn."""
        return int(self.q.shape[2])

    @property
    def shared(self) -> int:
        """Query heads that read one key/value head."""
        return int(self.q.shape[1] // self.k.shape[1])


def read_slots(
    heads: Heads, labels: list[str], at: int, head: int, query: int, key: int
) -> dict[str, str]:
    """Every text of the attention chapter that depends on the choice; `Heads.read` in the script.

    Parameters
    ----------
    heads
        The numbers.
    labels
        Labels of the drawn tokens.
    at
        Index into `heads.layers`.
    head, query, key
        What is chosen; tokens as indices into the drawn ones.
    """
    from .markup import fixed, percent

    rule = heads.rules[at]
    source = head // heads.shared
    q = heads.q[at, head, query].astype(np.float64)
    k = heads.k[at, source, key].astype(np.float64)
    v = heads.v[at, source].astype(np.float64)
    pattern = heads.pattern[at, head, query].astype(np.float64)
    scores = heads.scores[at, head, query].astype(np.float64)
    z = heads.z[at, head, query].astype(np.float64)
    found = {
        "layer": str(heads.layers[at]),
        "head": str(head),
        "kv": str(source),
        "query": labels[query],
        "key": labels[key],
        "query-at": str(heads.first + query),
        "key-at": str(heads.first + key),
        "share": percent(float(pattern[key])),
    }
    if heads.adds is not None:
        found["adds"] = fixed(float(heads.adds[at, head, query]), 3)

    products = q * k
    order = np.argsort(-np.abs(products), kind="stable")
    for row, dim in enumerate(order[:TERMS].tolist()):
        found |= {
            f"dim:{row}": str(dim),
            f"q:{row}": fixed(q[dim]),
            f"k:{row}": fixed(k[dim]),
            f"qk:{row}": fixed(products[dim]),
        }
    found["qk:rest"] = fixed(float(products[order[TERMS:]].sum()))
    total = float(products.sum())
    found["qk:sum"] = fixed(total)
    found["scaled"] = fixed(rule.scale * total)
    if rule.slopes is not None:
        place = heads.first + key if rule.absolute else key - query
        found["slope"] = fixed(float(rule.slopes[head]), 4)
        found["steps"] = fixed(place, 0)
        found["bias"] = fixed(float(rule.slopes[head]) * place)
    allowed = scores[key] > MASKED
    found["score"] = fixed(float(scores[key])) if allowed else "masked"

    visible = np.where(scores > MASKED, scores, -np.inf)
    top = float(visible.max())
    powers = np.exp(visible - top)
    ranked = np.argsort(-pattern, kind="stable")[:KEYS]
    # The drawn tokens may not be all: earlier ones, or a sink, take what is missing.
    here = float(powers.sum())
    everything = here / max(float(pattern.sum()), 1e-12)
    for row in range(KEYS):
        names = tuple(f"{name}:{row}" for name in ("sm", "at", "s", "e", "p", "vt", "vp"))
        if row >= len(ranked) or not np.isfinite(visible[ranked[row]]):
            found |= dict.fromkeys(names, "")
            found |= {f"v:{row}:{d}": "" for d in range(DIMS)}
            continue
        j = int(ranked[row])
        weight = float(pattern[j])
        found |= dict(
            zip(
                names,
                (
                    labels[j],
                    str(heads.first + j),
                    fixed(visible[j]),
                    fixed(powers[j], 4),
                    percent(weight),
                    labels[j],
                    percent(weight),
                ),
                strict=True,
            )
        )
        found |= {f"v:{row}:{d}": fixed(weight * v[j, d]) for d in range(min(DIMS, len(q)))}
    chosen = ranked[np.isfinite(visible[ranked])]
    found["top"] = fixed(top)
    found["e:rest"] = fixed(everything - float(powers[chosen].sum()), 4)
    found["p:rest"] = percent(max(0.0, 1 - float(pattern[chosen].sum())))
    found["e:sum"] = fixed(everything, 4)
    gathered = pattern[chosen] @ v[chosen]
    for d in range(min(DIMS, len(q))):
        found[f"v:rest:{d}"] = fixed(float(z[d] - gathered[d]))
        found[f"z:{d}"] = fixed(float(z[d]))
    for j in range(heads.n_tokens):
        found[f"row:{j}"] = percent(float(pattern[j])) if np.isfinite(visible[j]) else "–"
    return found
