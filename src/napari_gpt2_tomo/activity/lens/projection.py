"""The logit lens: what each state of the residual stream would predict if it were the last.

The final norm and the unembedding are applied to every state, after nostalgebraist,
"interpreting GPT: the logit lens" (2020).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...base import Progress, SilentProgress, TomoError
from ..record import Activity, Tokens
from ..record.states import States, states
from .chances import F32, F64, divergence, entropies, log_chances, ranks, strongest
from .words import labels_of, model_of, position_of, strings_of, token_of

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["Lens", "Trace", "logit_lens", "token_trace"]

LOGITS = 2**23
"""Logits that are held at a time: 32 MB of float32, and as much again for each step with them."""

CAVEAT = (
    "Blocks of this model end in a norm, and no norm stands before the unembedding: the stream "
    "is read as it is. Its states before the last were never trained to be read so."
)

ENCODER = (
    "This model reads a text in both directions: each position is read for the token that stands "
    "there, not for the next one."
)


@dataclass(frozen=True, eq=False)
class Lens:
    """What each state of the residual stream would predict.

    Attributes
    ----------
    activity
        What was looked at.
    names
        Names of the states in forward order, ``(state,)``.
    layers
        Block of each state, −1 for the embedding, ``(state,)``.
    top
        Ids of the likeliest tokens, ``(state, token, rank)`` int64.
    log_probability
        Their log-probabilities in nats, same shape.
    entropy
        Uncertainty of each prediction in nats, ``(state, token)`` float64.
    to_final
        KL(final‖state) in nats, ``(state, token)`` float64: what it costs to take the state's
        prediction for the model's own.
    predicted
        Log-probability in nats, in each state, of what the model predicts in the end,
        ``(state, token)`` float32.
    predicted_rank
        Its rank, from 1, ``(state, token)`` int64.
    notes
        What limits the reading.
    """

    activity: Activity
    names: tuple[str, ...]
    layers: NDArray[np.int64]
    top: NDArray[np.int64]
    log_probability: F32
    entropy: F64
    to_final: F64
    predicted: F32
    predicted_rank: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def probability(self) -> F32:
        """Probabilities of `top`, ``(state, token, rank)`` float32."""
        return np.exp(self.log_probability)

    @property
    def final(self) -> NDArray[np.int64]:
        """What the model predicts at each position, ``(token,)`` int64."""
        return self.top[-1, :, 0]

    def strings(self) -> NDArray[np.object_]:
        """The likeliest token of each state, white space visible, ``(state, token)``."""
        return self._words(self.top[:, :, 0])

    def strings_of_top(self) -> NDArray[np.object_]:
        """All of `top` as strings, white space visible, ``(state, token, rank)``."""
        return self._words(self.top)

    def _words(self, ids: NDArray[np.int64]) -> NDArray[np.object_]:
        several, place = np.unique(ids, return_inverse=True)
        return np.array(labels_of(self.activity, several), object)[place.reshape(ids.shape)]


@dataclass(frozen=True, eq=False)
class Trace:
    """How likely chosen tokens are in each state, at one position.

    Attributes
    ----------
    activity, position
        What was looked at, and where.
    names, layers
        The states, as in `Lens`.
    ids
        The chosen tokens, ``(choice,)``.
    strings
        Their strings.
    log_probability
        ``(state, choice)`` float32, nats.
    rank
        ``(state, choice)`` int64, from 1.
    """

    activity: Activity
    position: int
    names: tuple[str, ...]
    layers: NDArray[np.int64]
    ids: NDArray[np.int64]
    strings: tuple[str, ...]
    log_probability: F32
    rank: NDArray[np.int64]

    @property
    def labels(self) -> tuple[str, ...]:
        """`strings` with white space made visible."""
        return Tokens.of_ids(self.ids.tolist(), self.strings).labels

    @property
    def probability(self) -> F32:
        """``(state, choice)`` float32."""
        return np.exp(self.log_probability)


def logit_lens(
    activity: Activity, k: int = 10, halves: bool = True, progress: Progress | None = None
) -> Lens:
    """What every state of the residual stream would predict, at every position.

    The logits of all states are never held at once: of each distribution stay its `k` likeliest
    tokens and its sums. States before the final norm go through it; the state after it does not
    again.

    Parameters
    ----------
    activity
        With the residual stream and the model.
    k
        Tokens to keep of each distribution.
    halves
        Also between attention and MLP of a block.
    progress
        Is told of finished positions; may cancel.

    Raises
    ------
    TomoError
        The model is not there or has no unembedding, or the stream was not recorded.
    """
    model = model_of(activity, "The logit lens")
    stream = states(activity, halves=halves)
    _check_head(activity, model, stream)
    n_states, n_tokens = stream.values.shape[:2]
    progress = progress or SilentProgress()
    progress.start(n_states * n_tokens, "Logit lens")
    chunks = [_chunk(model, stream, part, k, progress) for part in _parts(model, n_tokens)]
    top, chance, entropy, to_final, predicted, rank = (
        np.concatenate(column, axis=1) for column in zip(*chunks, strict=True)
    )
    return Lens(
        activity,
        stream.names,
        stream.layer,
        top,
        chance,
        entropy,
        to_final,
        predicted,
        rank,
        _notes(model),
    )


def token_trace(
    activity: Activity,
    tokens: Sequence[int | str],
    position: int = -1,
    halves: bool = True,
) -> Trace:
    """How likely chosen tokens are in each state, at one position.

    Parameters
    ----------
    activity
        With the residual stream and the model.
    tokens
        Ids or texts of single tokens.
    position
        Where the prediction is read; −1 is the last token.
    halves
        Also between attention and MLP of a block.

    Raises
    ------
    TomoError
        A token or the position is not there; else as `logit_lens`.
    """
    model = model_of(activity, "The logit lens")
    place = position_of(activity, position)
    ids = np.array([token_of(activity, one) for one in tokens], np.int64)
    stream = states(activity, halves=halves)
    _check_head(activity, model, stream)
    found, order = [], []
    for state in range(len(stream.names)):
        chance = log_chances(_read(model, stream, state, slice(place, place + 1)))
        found.append(chance[0, ids])
        order.append(ranks(chance, ids[None])[0])
    return Trace(
        activity,
        place,
        stream.names,
        stream.layer,
        ids,
        strings_of(activity, ids),
        np.array(found, np.float32),
        np.array(order, np.int64),
    )


def _check_head(activity: Activity, model: "LanguageModel", stream: States) -> None:
    """Encoders have heads of many kinds: what unembeds must give the logits that were recorded."""
    if model.causal or "logits" not in activity:
        return
    found = _read(model, stream, len(stream.names) - 1, slice(0, 1))[0]
    if not np.allclose(found, activity.read("logits", 0), rtol=1e-2, atol=1e-2):
        raise TomoError(
            f"The head of {model.name} does more than unembed, so other states cannot be read "
            "through it."
        )


def _parts(model: "LanguageModel", n_tokens: int) -> Iterator[slice]:
    step = max(1, LOGITS // (model.sizes.vocab or 2**16))
    for start in range(0, n_tokens, step):
        yield slice(start, min(start + step, n_tokens))


def _chunk(
    model: "LanguageModel", stream: States, part: slice, k: int, progress: Progress
) -> tuple[NDArray[Any], ...]:
    """The arrays of a `Lens` for some positions."""
    last = len(stream.names) - 1
    final = log_chances(_read(model, stream, last, part))
    best = strongest(final, 1)
    rows = []
    for state in range(last + 1):
        chance = final if state == last else log_chances(_read(model, stream, state, part))
        top = strongest(chance, k)
        rows.append(
            (
                top,
                np.take_along_axis(chance, top, -1),
                entropies(chance),
                divergence(final, chance),
                np.take_along_axis(chance, best, -1)[:, 0],
                ranks(chance, best)[:, 0],
            )
        )
        progress.advance(len(top))
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


def _read(model: "LanguageModel", stream: States, state: int, part: slice) -> F32:
    """Logits of a state, ``(token, vocab)``."""
    values = np.asarray(stream.values[state, part], np.float32)
    logits = model.unembed(values, norm=stream.kind[state] != "final")
    if not np.isfinite(logits.max()):
        raise TomoError(
            f"The state {stream.names[state]!r} gives no finite logits: a weight is NaN or "
            "infinite, or the numbers overflow (then run the model in float32)."
        )
    return logits


def _notes(model: "LanguageModel") -> tuple[str, ...]:
    notes = (CAVEAT, model.scheme == "post-norm"), (ENCODER, not model.causal)
    return tuple(note for note, applies in notes if applies)
