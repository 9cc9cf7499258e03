"""The circuits of the functional phantom, built by hand into the weights of a GPT-2.

A byte's embedding is a codeword of ±1 over `WIDTH` channels: the rows of a Hadamard matrix
for ASCII, their negatives for the bytes above, so that two of them are orthogonal or
opposite (a biorthogonal, or first-order Reed-Muller, code). Positions are sines and cosines
of `FREQUENCIES`, so that a rotation of them is a shift. The residual stream is divided into
bands (`BANDS`); a matrix copies one band to another.
"""

import math
from collections import Counter
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .text import TEXT
from .tissue import Dimensions

__all__ = ["BANDS", "DIMENSIONS", "END", "KINDS", "build", "codewords", "followers"]

Floats = NDArray[np.float64]

WIDTH = 128
"""Channels of a codeword, and of a head."""

D_MODEL, CONTEXT = 4 * WIDTH, 256
DIMENSIONS = Dimensions(D_MODEL, 3, 4, D_MODEL, 257, CONTEXT)
END = DIMENSIONS.vocab - 1
"""Id of the token that begins and ends a text; the others are bytes."""

BANDS: Mapping[str, slice] = {
    "token": slice(0, 128),
    "position": slice(128, 240),
    "kinds": slice(240, 254),
    "end": slice(254, 256),
    "previous": slice(256, 384),
    "next": slice(384, 512),
}
"""Channels: the token, where it stands, the kinds of letters that it belongs to, the mark of
the begin of a text, the token before this one, and what may follow."""

FREQUENCIES = (
    *(1, 2, 3, 4, 5, 9, 10, 12, 13, 17, 18, 19, 20, 21, 23, 25, 29, 35, 36, 39, 44, 46, 50, 51, 53),
    *(58, 59, 61, 62, 64, 66, 67, 68, 73, 75, 82, 83, 86, 90, 92, 93, 94, 95, 98, 99, 101, 106),
    *(108, 110, 114, 116, 118, 120, 124, 125, 126),
)
"""Turns of each position pair over the context; searched so that the correlation of two
positions is at most 0.09 of that of equal ones."""

DIGITS = 6
"""Decimals kept of what libm computes: coarser than its error, finer than a look."""

VOWELS, CAPITALS, NUMBERS = "aeiouAEIOU", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyz" + CAPITALS
KINDS: Mapping[str, str] = {
    "vowels": VOWELS,
    "consonants": "".join(one for one in LETTERS if one not in VOWELS),
    "capitals": CAPITALS,
    "digits": NUMBERS,
    "spaces": " ",
}
"""What each of the first neurons of layer 0 fires for."""

SHARPNESS = 16.0
"""Attention score, over all others, of the position that a head looks for."""

SURE, FLOOR = 14.0, 11.0
"""Logit that an induction head adds to the token that it expects; logits that a letter gets for
following another with certainty, falling by 1 for each factor e of rarity, to 0."""

FIRE, REST = 4.0, -4.0
"""Input of a neuron for what it recognises, and for anything that is orthogonal to it."""


@cache
def followers() -> dict[int, dict[int, float]]:
    """For each byte of the text its followers, with the natural logarithm of their share."""
    data = TEXT.encode()
    pairs = Counter(pairwise(data))
    pairs.update((END, first) for first in (line.encode()[0] for line in TEXT.split("\n") if line))
    totals: Counter[int] = Counter()
    for (first, _), count in pairs.items():
        totals[first] += count
    found: dict[int, dict[int, float]] = {}
    for (first, second), count in sorted(pairs.items()):
        found.setdefault(first, {})[second] = math.log(count / totals[first])
    return found


def codewords() -> Floats:
    """The codeword of each byte, ``(256, WIDTH)`` of ±1."""
    hadamard = np.ones((1, 1))
    while len(hadamard) < WIDTH:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    # The row of ones is left to byte 0, which no text holds: heads rest on it, and all
    # other words have a mean of 0, which a norm leaves as they are.
    return np.concatenate([hadamard, -hadamard])


def _positions() -> Floats:
    """Rows of positions, ``(CONTEXT, 112)``."""
    angles = 2 * np.pi * np.outer(np.arange(CONTEXT), FREQUENCIES) / CONTEXT
    # Alternating signs: all cosines of position 0 are 1, and a norm takes a mean away.
    signs = 1.0 - 2.0 * (np.arange(len(FREQUENCIES)) % 2)
    waves = signs[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    rounded: Floats = np.round(waves.reshape(CONTEXT, -1), DIGITS)
    return rounded


def _turn(shift: int, share: Floats) -> Floats:
    """The matrix that shifts a row of positions, with each pair's `share`, ``(112, 112)``."""
    out = np.zeros((2 * len(FREQUENCIES), 2 * len(FREQUENCIES)))
    for pair, turns in enumerate(FREQUENCIES):
        angle = 2 * np.pi * turns * shift / CONTEXT
        cos, sin = round(math.cos(angle), DIGITS), round(math.sin(angle), DIGITS)
        at = slice(2 * pair, 2 * pair + 2)
        out[at, at] = share[pair] * np.array([[cos, sin], [-sin, cos]])
    return out


def _scale(*squares: float) -> float:
    """What a norm multiplies a state with whose bands have these squared lengths."""
    return math.sqrt(D_MODEL / sum(squares))


CODE, PLACE = float(WIDTH), float(len(FREQUENCIES))
"""Squared lengths of a codeword and of a position."""

EARLY = _scale(CODE, PLACE)
LATE = _scale(CODE, PLACE, CODE)
LAST = _scale(PLACE, CODE)
"""Scales of the norms: before the previous token is known, after it, and of the last norm."""


MARK = math.sqrt(CODE / 2) * np.array([1.0, -1.0])
"""The mark of the begin of a text: as long as a codeword, so that every state has the same
length, and of mean 0."""


class _Weights:
    """The tensors, zero until something is built."""

    def __init__(self) -> None:
        self.tensors = {name: np.zeros(shape) for name, shape in DIMENSIONS.shapes().items()}
        for name, values in self.tensors.items():
            if name.endswith((".ln_1.weight", ".ln_2.weight", "ln_f.weight")):
                values[:] = 1.0

    def head(self, layer: int, head: int, role: str) -> Floats:
        """Weights of q, k or v ``(channel, WIDTH)``, or of o ``(WIDTH, channel)``, to write to."""
        if role == "o":
            at = slice(head * WIDTH, (head + 1) * WIDTH)
            return self.tensors[f"h.{layer}.attn.c_proj.weight"][at]
        start = "qkv".index(role) * D_MODEL + head * WIDTH
        return self.tensors[f"h.{layer}.attn.c_attn.weight"][:, start : start + WIDTH]

    def query_bias(self, layer: int, head: int) -> Floats:
        """Bias of q ``(WIDTH,)``, to write to."""
        at = slice(head * WIDTH, (head + 1) * WIDTH)
        return self.tensors[f"h.{layer}.attn.c_attn.bias"][at]

    def copy(self, layer: int, head: int, source: str, target: str, gain: float) -> None:
        """Make a head's values the band `source`, and write them to `target` with a gain."""
        n = BANDS[source].stop - BANDS[source].start
        self.head(layer, head, "v")[BANDS[source], :n] = np.eye(n)
        self.head(layer, head, "o")[:n, BANDS[target]] = gain * np.eye(n)

    def look_back(
        self, layer: int, head: int, by: int, scale: float, share: Floats | None = None
    ) -> None:
        """Make a head attend to the position `by` tokens before."""
        n = 2 * len(FREQUENCIES)
        share = np.ones(len(FREQUENCIES)) if share is None else share
        # Scores are divided by √WIDTH; the norm's scale is in q and in k.
        gain = SHARPNESS * math.sqrt(WIDTH) / (PLACE * scale**2)
        self.head(layer, head, "q")[BANDS["position"], :n] = gain * _turn(-by, share)
        self.head(layer, head, "k")[BANDS["position"], :n] = np.eye(n)

    def match(self, layer: int, head: int, query: str, key: str, scale: float) -> None:
        """Make a head attend to where the band `key` holds what `query` holds here."""
        gain = SHARPNESS * math.sqrt(WIDTH) / (CODE * scale**2)
        self.head(layer, head, "q")[BANDS[query]] = gain * np.eye(WIDTH)
        self.head(layer, head, "k")[BANDS[key]] = np.eye(WIDTH)

    def rest(self, layer: int, head: int, score: float, scale: float) -> None:
        """Give the begin of the text a score, for a head to attend to when it finds nothing."""
        # Along the codeword of ones, to which those of a text are orthogonal.
        self.query_bias(layer, head)[:] = 1.0
        key = score * math.sqrt(WIDTH) / (WIDTH * scale)
        self.head(layer, head, "k")[BANDS["end"]] = key * MARK[:, None] / CODE

    def neuron(
        self, layer: int, neuron: int, reads: Floats, writes: Floats, rest: float = REST
    ) -> None:
        """Build a neuron; its input is `rest`, and `FIRE` - `REST` more where `reads` gives 1."""
        self.tensors[f"h.{layer}.mlp.c_fc.weight"][:, neuron] = (FIRE - REST) * reads
        self.tensors[f"h.{layer}.mlp.c_fc.bias"][neuron] = rest
        self.tensors[f"h.{layer}.mlp.c_proj.weight"][neuron] = writes / FIRE


def build() -> dict[str, Floats]:
    """All tensors of the functional phantom by name, in forward order."""
    made = _Weights()
    words = codewords()
    tokens = made.tensors["wte.weight"]
    tokens[:256, BANDS["token"]] = words
    tokens[END, BANDS["end"]] = MARK
    made.tensors["wpe.weight"][:, BANDS["position"]] = _positions()

    made.match(0, 0, "token", "token", EARLY)
    made.look_back(0, 1, 1, EARLY)
    made.copy(0, 1, "token", "previous", 1 / EARLY)
    # The begin of a text has no codeword; the next token gets one that no text holds, so
    # that its state is as long as all others.
    made.head(0, 1, "v")[BANDS["end"]] = np.outer(MARK, words[1]) / CODE
    made.rest(0, 2, SHARPNESS, EARLY)

    kinds = range(BANDS["kinds"].start, BANDS["kinds"].stop)
    for neuron, members in enumerate(KINDS.values()):
        reads, writes = np.zeros(D_MODEL), np.zeros(D_MODEL)
        # Words are orthogonal, so each member gives the sum the same.
        reads[BANDS["token"]] = words[[ord(one) for one in members]].sum(0) / (CODE * LATE)
        writes[kinds[neuron]] = 1.0
        made.neuron(0, neuron, reads, writes)

    slow = np.array([0.25 if turns < 12 else 0.0 for turns in FREQUENCIES])
    made.look_back(1, 0, 0, LATE, slow * PLACE / slow.sum() / 4)
    made.match(1, 2, "token", "previous", LATE)
    made.rest(1, 2, SHARPNESS / 2, LATE)
    made.copy(1, 2, "token", "next", SURE / (CODE * LAST) / LATE)

    known = np.zeros(D_MODEL)
    for neuron, (first, seconds) in enumerate(followers().items()):
        reads = np.zeros(D_MODEL)
        if first == END:
            reads[BANDS["end"]] = MARK / (CODE * LATE)
        else:
            reads[BANDS["token"]] = words[first] / (CODE * LATE)
        known += reads
        made.neuron(1, neuron, reads, _expect(words, seconds))
    made.neuron(1, len(followers()), -known, _expect(words, {ord(" "): 0.0}), FIRE)

    ends = (("next", "token", 1.0), ("token", "token", -1.0), ("end", "end", -1.0))
    for head, (source, target, gain) in enumerate(ends):
        made.look_back(2, head, 0, LATE)
        made.copy(2, head, source, target, gain / LATE)
    return made.tensors


def _expect(words: Floats, shares: Mapping[int, float]) -> Floats:
    """What a neuron writes that expects bytes, by the logarithm of their share, ``(channel,)``."""
    out = np.zeros(D_MODEL)
    for byte, share in shares.items():
        strength = max(0.0, FLOOR + round(share, DIGITS)) / (CODE * LAST)
        out[BANDS["next"]] += strength * words[byte]
    return out
