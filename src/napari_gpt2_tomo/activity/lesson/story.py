"""What a lesson tells: the numbers of each chapter, as arrays and words. No markup, no model."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ..record import Tokens
from .facts import Activation
from .heads import Heads
from .rotary import Rotary

__all__ = [
    "Block",
    "Choice",
    "Embedding",
    "Gradient",
    "Loss",
    "Neuron",
    "Norm",
    "Positions",
    "Prediction",
    "Story",
]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Choice:
    """What the example is about.

    Attributes
    ----------
    first, stop
        The tokens that are drawn, as a half-open interval of positions.
    focus
        Position of the token whose way is followed.
    answer
        Whether the text goes on after `focus`, so that the true next token is known.
    layer, head
        The first head that is shown.
    key
        The token that it looks at most.
    """

    first: int
    stop: int
    focus: int
    answer: bool
    layer: int
    head: int
    key: int

    @property
    def drawn(self) -> slice:
        """The tokens that are drawn."""
        return slice(self.first, self.stop)


@dataclass(frozen=True, eq=False)
class Norm:
    """One norm at work on the followed token.

    Attributes
    ----------
    kind
        ``"layer"`` or ``"rms"``.
    epsilon
        ε; None where it is not known.
    before, after
        ``(channel,)``.
    gain, bias
        ``(channel,)``; a gain that is stored less one has that one here.
    mean, variance
        Of `before`; for an RMS norm the mean is 0 by definition and the variance the mean square.
    exact
        Whether the formula gives `after`.
    """

    kind: str
    epsilon: float | None
    before: F64
    after: F64
    gain: F64 | None
    bias: F64 | None
    mean: float
    variance: float
    exact: bool


@dataclass(frozen=True, eq=False)
class Embedding:
    """Where the vectors of the tokens come from.

    Attributes
    ----------
    vectors
        ``(token, channel)``: the embedding of each token of the text.
    norms
        ``(token,)``.
    neighbours
        The tokens of the vocabulary whose embeddings point where that of the followed token
        does: id, text, cosine. Empty where the vocabulary is too large to compare.
    factor
        What the model multiplies embeddings with; 1 for most.
    """

    vectors: F64
    norms: F64
    neighbours: tuple[tuple[int, str, float], ...]
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class Positions:
    """How the model knows where a token stands.

    Attributes
    ----------
    kind
        ``"learned"``, ``"rotary"``, ``"alibi"``, ``"sinusoidal"`` or ``"none"``.
    vectors
        ``(token, channel)`` of a table of positions that is added.
    stream
        ``(token, channel)``: the stream as it enters the first block.
    rotary
        How queries and keys are turned.
    q, turned
        ``(token, d_head)``: queries of the first example before and after.
    """

    kind: str
    vectors: F64 | None
    stream: F64
    rotary: Rotary | None = None
    q: F64 | None = None
    turned: F64 | None = None


@dataclass(frozen=True, eq=False)
class Neuron:
    """One neuron of the MLP at work on the followed token.

    Attributes
    ----------
    layer, number
        Which one: the one that adds the longest vector to the stream.
    expert
        Of a mixture: whose neuron it is.
    experts
        Of a mixture: the experts that were chosen, with the router's probability.
    gated
        Whether a second side multiplies it.
    entry
        ``(channel,)``: what the MLP reads.
    weights, bias
        What the neuron (its gate, where it has one) reads with.
    before, linear, after
        Its value before the activation function, of its linear side, and after.
    all_before, all_after
        ``(neuron,)``: every neuron of the layer.
    output
        ``(channel,)``: what it writes for each unit of its value.
    promotes, demotes
        Tokens whose logits it raises and lowers most: text, change.
    activation
        The function; None where it is none of the known ones.
    exact
        Whether entry, weights and bias give `before`.
    normed
        Whether `entry` has gone through a norm.
    """

    layer: int
    number: int
    expert: int | None
    experts: tuple[tuple[int, float], ...]
    gated: bool
    entry: F64
    weights: F64
    bias: float
    before: float
    linear: float | None
    after: float
    all_before: F64
    all_after: F64
    output: F64
    promotes: tuple[tuple[str, float], ...]
    demotes: tuple[tuple[str, float], ...]
    activation: Activation | None
    exact: bool
    normed: bool


@dataclass(frozen=True, eq=False)
class Block:
    """The stream of the followed token through all blocks.

    Attributes
    ----------
    layer
        The block that is worked in numbers.
    before, attention, between, mlp, after
        ``(channel,)`` of that block; `between` attention and MLP, None where both work at once.
    norm
        The norm that makes `between` of the sum before it, in a family that norms sums.
    sizes
        ``(layer, 4)``: length of the stream before, of what attention and the MLP add, of the
        stream after.
    guesses
        For each layer the token that the stream would predict there, and its probability; empty
        for a model that predicts nothing.
    adds
        Whether before + attention + mlp is after; not so where a norm stands in between.
    """

    layer: int
    before: F64
    attention: F64
    between: F64 | None
    mlp: F64
    after: F64
    sizes: F64
    guesses: tuple[tuple[str, float], ...]
    adds: bool
    norm: Norm | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What comes next, by the model.

    Attributes
    ----------
    top
        The likeliest tokens: id, text, logit, probability.
    largest, total
        The largest logit, and the sum of e^(logit − largest) over the vocabulary.
    entropy
        In nats.
    state, column, bias
        The final state, the unembedding of the likeliest token, and its bias: their dot product
        is its logit. None where the vocabulary is too large to read.
    cap
        Whether the logits are bent after the dot product, so that it misses.
    after
        The likeliest tokens after the whole text: text, probability.
    vocabulary
        Number of tokens.
    """

    top: tuple[tuple[int, str, float, float], ...]
    largest: float
    total: float
    entropy: float
    state: F64 | None
    column: F64 | None
    bias: float
    cap: bool
    after: tuple[tuple[str, float], ...]
    vocabulary: int


@dataclass(frozen=True, eq=False)
class Loss:
    """How well each true next token was foreseen.

    Attributes
    ----------
    target
        The true token after the followed one: id, text.
    shares
        ``(position,)``: probability of the true next token at each but the last.
    losses
        ``(position,)``: −ln of them.
    ranks
        ``(position,)``: how many tokens were thought likelier.
    mean
        Of `losses`.
    """

    target: tuple[int, str]
    shares: F64
    losses: F64
    ranks: NDArray[np.int64]
    mean: float


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of the mean loss, and one step against it.

    Attributes
    ----------
    error
        Probabilities less the truth, at the followed token: id, text, probability, p − y.
    norms
        Length of the gradient by part: its name (role), layer (None outside the blocks), length.
    norm
        Length of the whole gradient.
    rate
        η of the step.
    before, after
        Mean loss before and after it.
    tried
        Losses after steps of other rates: rate, loss.
    weight
        The parameter with the largest gradient: name, index, value, gradient.
    n_parameters
        Number of parameters that the step moves.
    """

    error: tuple[tuple[int, str, float, float], ...]
    norms: tuple[tuple[str, int | None, float], ...]
    norm: float
    rate: float
    before: float
    after: float
    tried: tuple[tuple[float, float], ...]
    weight: tuple[str, tuple[int, ...], float, float]
    n_parameters: int


@dataclass(frozen=True, eq=False)
class Story:
    """All that a lesson tells. A chapter that does not apply is None, with its reason in `absent`.

    Attributes
    ----------
    name, path, family, sizes
        Of the model.
    causal
        Whether it predicts the next token.
    scheme
        Order of norms and sums: ``"pre-norm"``, ``"post-norm"``, ``"parallel"``, ``"sandwich"``.
    n_layers, n_heads, n_kv_heads, d_head
        As they were met in the arrays.
    text, tokens
        The prompt.
    vocabulary
        Size of it, where known.
    choice
        What the example is about.
    absent
        Why chapters are missing: the chapter's id, the reason.
    notes
        What was said while the model ran.
    tied
        Whether the output vectors are the embeddings.
    has_tokenizer
        Whether tokens have text.
    head_norm
        Whether queries and keys go through a norm of their own.
    """

    name: str
    path: str
    family: str
    sizes: HyperParameters
    causal: bool
    scheme: str
    norm_kind: str
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_head: int
    text: str
    tokens: Tokens
    choice: Choice
    embedding: Embedding
    positions: Positions
    attention_norm: Norm | None
    heads: Heads
    every: F32
    neuron: Neuron | None
    block: Block
    final_norm: Norm | None
    prediction: Prediction | None
    loss: Loss | None
    gradient: Gradient | None
    absent: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    tied: bool = False
    has_tokenizer: bool = True
    head_norm: bool = False

    @property
    def labels(self) -> list[str]:
        """Labels of the tokens that are drawn."""
        return list(self.tokens.labels[self.choice.drawn])

    @property
    def channels(self) -> int:
        """Channels of the stream."""
        return int(self.positions.stream.shape[-1])
