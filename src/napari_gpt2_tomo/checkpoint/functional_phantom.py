"""The functional phantom: a small GPT-2 whose every circuit was built by hand.

As a CT scanner has a phantom of known densities, a functional scanner has one of known
responses. This one computes: a head that looks at the previous token, an induction head
that completes what it has read before, neurons that know what letter follows what, and
neurons that recognise kinds of letters. `CIRCUITS` says where each is, so that a measure
of activity can be asked whether it finds it.

How it is built. A byte's embedding is a codeword of ±1 over `WIDTH` channels: the rows of
a Hadamard matrix for ASCII, their negatives for the bytes above, so that two of them are
orthogonal or opposite (a biorthogonal, or first-order Reed-Muller, code). Positions are
sines and cosines of `FREQUENCIES`, so that a rotation of them is a shift. The residual
stream is divided into bands (`BANDS`); a matrix copies one band to another.
"""

import json
import math
import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import CheckpointError, cache_folder
from .drafts import replace_file
from .phantom_text import TEXT

__all__ = ["CIRCUITS", "Circuit", "functional_phantom"]

Floats = NDArray[np.float64]

EDITION = 2
"""Goes up whenever a value changes, so that an older file in the cache is not taken for it."""

FOLDER = "phantom-functional"

WIDTH = 128
"""Channels of a codeword, and of a head."""

D_MODEL, N_LAYERS, N_HEADS, CONTEXT = 4 * WIDTH, 3, 4, 256
D_MLP = D_MODEL
VOCAB = 257
END = 256
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


@dataclass(frozen=True, slots=True)
class Circuit:
    """Something that the functional phantom computes, and where.

    Attributes
    ----------
    name
        What it is.
    layer
        Block that holds it.
    head
        Its head, None for neurons.
    neurons
        Its neurons, half open; None for a head.
    description
        What it does, for a person.
    """

    name: str
    layer: int
    head: int | None
    neurons: tuple[int, int] | None
    description: str


def _followers() -> dict[int, dict[int, float]]:
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


_FIRSTS = tuple(_followers())

CIRCUITS = (
    Circuit("duplicate-token", 0, 0, None, "attends to earlier places of the same token"),
    Circuit("previous-token", 0, 1, None, "copies the token before into the band 'previous'"),
    Circuit("first-token", 0, 2, None, "attends to the begin of the text, and writes nothing"),
    Circuit("silent", 0, 3, None, "has no weights: attends to all tokens alike, writes nothing"),
    Circuit(
        "kinds-of-letters",
        0,
        None,
        (0, len(KINDS)),
        f"neurons for {', '.join(KINDS)}, in this order",
    ),
    Circuit("local", 1, 0, None, "attends to the last tokens, the nearer the more"),
    Circuit(
        "induction",
        1,
        2,
        None,
        "looks for the token that followed this one before, and expects it again; where there is "
        "none it rests on the begin of the text",
    ),
    Circuit(
        "letter-pairs",
        1,
        None,
        (0, len(_FIRSTS)),
        "a neuron for each letter of the phantom's text, which writes what may follow it",
    ),
    Circuit(
        "anything-else",
        1,
        None,
        (len(_FIRSTS), len(_FIRSTS) + 1),
        "fires for a letter that is not in that text, and expects a space",
    ),
    Circuit("mover", 2, 0, None, "moves the band 'next' to where the unembedding reads it"),
    Circuit("eraser", 2, 1, None, "takes the present token away from there"),
    Circuit("end-eraser", 2, 2, None, "takes the mark of the begin of a text away"),
)
"""Everything that the functional phantom computes; other heads and neurons are zero."""


def functional_phantom(folder: str | os.PathLike[str] | None = None) -> Path:
    """Path of the functional phantom's ``model.safetensors``, written first if it is not there.

    5.0 M parameters in float32, 20 MB, with ``config.json`` and a byte tokenizer beside it.

    Parameters
    ----------
    folder
        Where the phantom's folder goes; the user's cache by default.

    Raises
    ------
    CheckpointError
        The folder cannot be written.
    """
    home = (Path(folder) if folder is not None else cache_folder("phantoms")) / FOLDER
    path = home / "model.safetensors"
    files = {
        "config.json": _config(),
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": _tokenizer_config(),
    }
    header = _header()
    try:
        if path.is_file() and all((home / name).is_file() for name in files):
            with path.open("rb") as file:
                if file.read(len(header)) == header:
                    return path
        home.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            replace_file(home / name, iter([json.dumps(content, indent=1).encode()]))
        replace_file(path, _file(header))
    except OSError as error:
        raise CheckpointError(
            f"The functional phantom of 20 MB cannot be written to {home}: {error}. "
            "Make room, or set NAPARI_GPT2_TOMO_CACHE to another folder."
        ) from error
    return path


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
        self.tensors = {name: np.zeros(shape) for name, shape in _shapes().items()}
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


def _build() -> dict[str, Floats]:
    """All tensors."""
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
    for neuron, (first, seconds) in enumerate(_followers().items()):
        reads = np.zeros(D_MODEL)
        if first == END:
            reads[BANDS["end"]] = MARK / (CODE * LATE)
        else:
            reads[BANDS["token"]] = words[first] / (CODE * LATE)
        known += reads
        made.neuron(1, neuron, reads, _expect(words, seconds))
    made.neuron(1, len(_FIRSTS), -known, _expect(words, {ord(" "): 0.0}), FIRE)

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


def _shapes() -> dict[str, tuple[int, ...]]:
    """Stored tensors in forward order, under GPT-2's names."""
    d, m = D_MODEL, D_MLP
    found: dict[str, tuple[int, ...]] = {"wte.weight": (VOCAB, d), "wpe.weight": (CONTEXT, d)}
    for layer in range(N_LAYERS):
        block: dict[str, tuple[int, ...]] = {
            "ln_1.weight": (d,),
            "ln_1.bias": (d,),
            "attn.c_attn.weight": (d, 3 * d),
            "attn.c_attn.bias": (3 * d,),
            "attn.c_proj.weight": (d, d),
            "attn.c_proj.bias": (d,),
            "ln_2.weight": (d,),
            "ln_2.bias": (d,),
            "mlp.c_fc.weight": (d, m),
            "mlp.c_fc.bias": (m,),
            "mlp.c_proj.weight": (m, d),
            "mlp.c_proj.bias": (d,),
        }
        found |= {f"h.{layer}.{name}": shape for name, shape in block.items()}
    return found | {"ln_f.weight": (d,), "ln_f.bias": (d,)}


def _file(header: bytes) -> Iterator[bytes | memoryview]:
    yield header
    for values in _build().values():
        yield np.ascontiguousarray(values, "<f4").data.cast("B")


def _header() -> bytes:
    entries: dict[str, Any] = {
        "__metadata__": {
            # transformers reads no safetensors file without it.
            "format": "pt",
            "title": "Functional phantom",
            "description": "A GPT-2 built by hand, whose circuits are known.",
            "phantom": "functional",
            "edition": str(EDITION),
        }
    }
    offset = 0
    for name, shape in _shapes().items():
        end = offset + 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _config() -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-05,
        "n_embd": D_MODEL,
        "n_layer": N_LAYERS,
        "n_head": N_HEADS,
        "n_inner": D_MLP,
        "n_positions": CONTEXT,
        "n_ctx": CONTEXT,
        "vocab_size": VOCAB,
        "bos_token_id": END,
        "eos_token_id": END,
        "tie_word_embeddings": True,
    }


def _tokenizer() -> dict[str, Any]:
    """A byte tokenizer that puts `END` before a text, in the format of the tokenizers library."""
    end = "<|endoftext|>"
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": END,
                "content": end,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": end, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": end, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {end: {"id": end, "ids": [END], "tokens": [end]}},
        },
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {**_byte_marks(), end: END},
            "merges": [],
        },
    }


def _tokenizer_config() -> dict[str, Any]:
    end = "<|endoftext|>"
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end,
        "eos_token": end,
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
    }


def _byte_marks() -> dict[str, int]:
    """The visible character that stands for each byte in a byte-level vocabulary.

    Bytes that Latin-1 can print stand for themselves; the others get the characters
    from U+0100 on, in order (the convention of GPT-2's vocabulary).
    """
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte if byte in printed else 256 + others.index(byte)): byte for byte in range(256)}
