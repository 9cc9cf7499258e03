"""A language model that is loaded and can be run."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import Progress, TomoError
from ..record import SITES, Activity, Source, Tokens
from ..record.sites import site
from ..record.store import BUDGET, Store
from .experts import mixture_of
from .generation import Sampling, Step, continuation
from .gradient import Slope, losses
from .heads import head_shape
from .hooks import Hook
from .loading import (
    choose_device,
    choose_dtype,
    find_folder,
    load_network,
    read_config,
)
from .measure import Circuit, measure
from .norms import NormKind, NormNumbers, norm_numbers
from .tokenizer import Tokenizer, load_tokenizer
from .weights import Weights
from .wiring import Scheme, wiring_of

__all__ = ["LARGE", "LanguageModel"]

F32 = NDArray[np.float32]
Text = str | Sequence[int] | NDArray[np.integer[Any]] | Tokens

LARGE = frozenset({"head_out", "scores"})
"""Sites that are recorded only when they are asked for: large, and easily computed from others."""


class LanguageModel:
    """A language model that is loaded and can be run; arrays go in and come out as numpy.

    Attributes
    ----------
    name, path, family, sizes
        Short name, folder, ``model_type``, and sizes of the model.
    device, dtype
        Where it computes, and in what.
    causal
        Whether it predicts the next token; an encoder does not.
    scheme
        Where the norms of a block stand, see `wiring.Scheme`.
    positions
        How it knows where a token stands: ``"learned"``, ``"rotary"``, ``"alibi"``,
        ``"sinusoidal"`` or ``"none"``.
    tokenizer
        Texts to ids and back; None where the folder has none.
    """

    def __init__(
        self,
        network: Any,
        folder: Path,
        *,
        causal: bool = True,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        config = network.config
        wiring = wiring_of(config)
        if wiring is None:
            raise TomoError(
                f"How a model of the family {config.model_type!r} is built is not known here, so "
                "nothing can be measured inside it."
            )
        heads = head_shape(config)
        self.name = folder.resolve().name
        self.path = folder
        self.family: str = config.model_type
        self.causal = causal
        self.tokenizer = tokenizer
        self.scheme: Scheme = wiring.scheme
        self.positions: str = wiring.positions
        self.circuit = Circuit(network, wiring, heads)
        self._weights = Weights(
            self.circuit.base, self.circuit.blocks, self.circuit.head, wiring, heads
        )
        self.sizes = _sizes(self.circuit, self._weights)
        parameter = next(network.parameters())
        self.device = str(parameter.device)
        self.dtype = str(parameter.dtype).removeprefix("torch.")
        self.lock = threading.RLock()

    @classmethod
    def load(
        cls,
        path: "str | os.PathLike[str] | Any",
        device: str = "auto",
        dtype: str = "auto",
        progress: Progress | None = None,
    ) -> "LanguageModel":
        """Load a model; nothing is fetched from the network.

        Parameters
        ----------
        path
            A folder, a file in it, an open `Scan`, or the name of a model in the Hugging Face
            cache.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        dtype
            ``"auto"`` (the file's on a graphics card, else float32), ``"float32"``,
            ``"float16"`` or ``"bfloat16"``.
        progress
            Told when the weights are read.

        Raises
        ------
        TomoError
            There is no model, tensors are missing (they are named), or it cannot be run.
        """
        folder = find_folder(path)
        config = read_config(folder)
        place = choose_device(device)
        if progress is not None:
            progress.start(1, f"Loading {folder.name}")
        network, causal = load_network(folder, config, place, choose_dtype(dtype, place, config))
        if progress is not None:
            progress.advance(1)
        rows = network.get_input_embeddings().weight.shape[0]  # type: ignore[operator, union-attr]
        return cls(network, folder, causal=causal, tokenizer=load_tokenizer(folder, int(rows)))

    # -- texts ---------------------------------------------------------------------------------

    def tokens(self, text: Text) -> Tokens:
        """The tokens of a text, of ids, or of numbers in a text where there is no tokenizer.

        Raises
        ------
        TomoError
            There is nothing to read, or ids that the model does not have.
        """
        if isinstance(text, Tokens):
            return self._checked(text)
        if not isinstance(text, str):
            return self._checked(self._of_ids([int(one) for one in text]))
        if self.tokenizer is not None:
            return self._checked(self.tokenizer.encode(text))
        try:
            ids = [int(word) for word in text.replace(",", " ").split()]
        except ValueError as error:
            raise TomoError(
                f"{self.name} has no tokenizer, so it reads no words: give ids, such as '12 7 9'."
            ) from error
        return self._checked(self._of_ids(ids))

    def _of_ids(self, ids: Sequence[int]) -> Tokens:
        n_ids = self.sizes.vocab or 0
        wrong = next((id for id in ids if not 0 <= id < n_ids), None)
        if wrong is not None:
            raise TomoError(f"{self.name} has the tokens 0 to {n_ids - 1}, there is no {wrong}.")
        strings = None if self.tokenizer is None else [self.tokenizer.string(id) for id in ids]
        return Tokens.of_ids(ids, strings)

    def _checked(self, tokens: Tokens) -> Tokens:
        if len(tokens):
            return tokens
        begin = getattr(self.tokenizer, "begin", None)
        if begin is None:
            raise TomoError("There is nothing to read: the text has no tokens. Type something.")
        found = self._of_ids([begin])
        return Tokens(found.ids, found.strings, tokens.text, special=(0,))

    # -- running -------------------------------------------------------------------------------

    def run(
        self,
        text: Text,
        what: Iterable[str] | None = None,
        progress: Progress | None = None,
        hooks: Sequence[Hook] | None = None,
        budget: int = BUDGET,
    ) -> Activity:
        """What happens inside while the model reads a text.

        Parameters
        ----------
        text
            A text, ids, or tokens.
        what
            Names of `SITES`; None is all that the model has but those in `LARGE`.
        progress
            Advances with each block.
        hooks
            Changes of what flows.
        budget
            Bytes that may stay in memory; what is beyond is written to the cache folder.

        Raises
        ------
        TomoError
            The text is empty or too long, or a site or hook has no place in this model.
        Cancelled
            `progress` asked to stop; the model stays as it was.
        """
        tokens = self.tokens(text)
        wanted = self._wanted(what)
        store = Store(budget)
        if progress is not None:
            progress.start(len(self.circuit.blocks), f"{self.name} reads {len(tokens)} tokens")
        with self.lock:
            measure(self.circuit, self._ids(tokens), None, wanted, [store], hooks or (), progress)
        return self._activity(tokens, store)

    def run_batch(
        self,
        texts: Sequence[Text],
        what: Iterable[str] | None = None,
        batch_size: int = 8,
        progress: Progress | None = None,
        budget: int = BUDGET,
    ) -> list[Activity]:
        """What happens inside while the model reads each of several texts.

        Shorter texts of a batch are padded on the right and masked; the numbers are those of
        single runs up to rounding.

        Parameters
        ----------
        texts
            Texts, ids, or tokens.
        what, progress, budget
            See `run`; the budget is shared by all texts.
        batch_size
            Texts that are run at once.
        """
        all_tokens = [self.tokens(text) for text in texts]
        wanted = self._wanted(what)
        n_batches = -(-len(texts) // batch_size)
        if progress is not None:
            progress.start(n_batches * len(self.circuit.blocks), f"{self.name} reads texts")
        found: list[Activity] = []
        for first in range(0, len(texts), batch_size):
            batch = all_tokens[first : first + batch_size]
            stores = [Store(budget // len(texts)) for _ in batch]
            ids, mask = self._padded(batch)
            with self.lock:
                measure(self.circuit, ids, mask, wanted, stores, (), progress)
            pairs = zip(batch, stores, strict=True)
            found += [self._activity(tokens, store) for tokens, store in pairs]
        return found

    def _padded(self, batch: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """``(text, token)`` ids of several texts, and which of them are no padding."""
        lengths = [len(tokens) for tokens in batch]
        ids = torch.zeros(len(batch), max(lengths), dtype=torch.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.as_tensor(tokens.ids)
        ids = ids.to(self.device)
        if len(set(lengths)) == 1:
            return ids, None
        counts = torch.tensor(lengths)[:, None]
        mask = torch.arange(max(lengths))[None] < counts
        return ids, mask.long().to(self.device)

    def continued(self, text: Text, n: int, **options: Any) -> Tokens:
        """The tokens of a text and of its continuation, see `generate`."""
        tokens = self.tokens(text)
        steps = list(self.generate(tokens, n, **options))
        ids = np.concatenate([tokens.ids, np.array([step.id for step in steps], np.int64)])
        strings = (*tokens.strings, *(step.string for step in steps))
        return Tokens(ids, strings, unknown=tokens.unknown, special=tokens.special)

    def _activity(self, tokens: Tokens, store: Store) -> Activity:
        source = Source(self.name, str(self.path), self.family, self.sizes)
        return Activity(tokens, store.arrays, source, model=self)

    def _wanted(self, what: Iterable[str] | None) -> set[str]:
        has = self.circuit.sites
        if what is None:
            return set(has - LARGE)
        wanted = [site(name).name for name in ([what] if isinstance(what, str) else what)]
        absent = next((name for name in wanted if name not in has), None)
        if absent is not None:
            there = ", ".join(name for name in SITES if name in has)
            raise TomoError(
                f"{self.name} has no {SITES[absent].title} ({absent!r}); it has: {there}."
            )
        return set(wanted)

    def _ids(self, tokens: Tokens) -> torch.Tensor:
        return torch.as_tensor(tokens.ids, device=self.device)[None]

    def next_logits(self, text: Text, hooks: Sequence[Hook] | None = None) -> F32:
        """``(token, vocab)`` logits of a bare forward pass.

        Raises
        ------
        TomoError
            The model has no logits.
        """
        tokens = self.tokens(text)
        store = Store()
        with self.lock:
            measure(self.circuit, self._ids(tokens), None, {"logits"}, [store], hooks or ())
        if "logits" not in store.arrays:
            raise TomoError(f"{self.name} is an encoder without a head: it has no logits.")
        found: F32 = store.arrays["logits"]
        return found

    def generate(
        self,
        text: Text,
        n: int = 20,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[Step]:
        """Continue a text, one token at a time.

        Parameters
        ----------
        text
            What to continue.
        n
            Tokens at most; fewer where the model ends the text or its context is full.
        temperature, top_k, top_p, seed
            See `Sampling`; at temperature 0 the most probable token is taken.
        progress
            Advances with each token.

        Raises
        ------
        TomoError
            The model does not predict the next token, or a number is out of its range.
        Cancelled
            `progress` asked to stop.
        """
        if not self.causal:
            raise TomoError(f"{self.name} is an encoder: it does not continue texts.")
        choose = Sampling(temperature, top_k, top_p, seed).chooser()
        return self._steps(self.tokens(text), n, choose, progress)

    def _steps(
        self, tokens: Tokens, n: int, choose: Any, progress: Progress | None
    ) -> Iterator[Step]:
        room = n if self.sizes.context is None else min(n, self.sizes.context - len(tokens))
        if progress is not None:
            progress.start(room, f"{self.name} continues the text")
        following = continuation(self.circuit.network, self._ids(tokens), choose)
        ends = self._ends()
        for _ in range(room):
            with self.lock:
                id, logits = next(following)
            weights = np.exp(logits.astype(np.float64) - logits.max())
            string = str(id) if self.tokenizer is None else self.tokenizer.string(id)
            yield Step(id, string, float(weights[id] / weights.sum()), logits)
            if progress is not None:
                progress.advance(1)
            if id in ends:
                return

    def _ends(self) -> frozenset[int]:
        """Tokens that end a text."""
        found = getattr(self.circuit.network.generation_config, "eos_token_id", None)
        return frozenset([found] if isinstance(found, int) else found or ())

    # -- loss and gradient ---------------------------------------------------------------------

    def loss(self, text: Text) -> F32:
        """``(token - 1,)`` nats: −log probability of each token but the first.

        Raises
        ------
        TomoError
            There is only one token, or the model does not predict the next token.
        """
        ids = self._predicted(text)
        with self.lock:
            found: F32 = losses(self.circuit.network, ids).cpu().numpy()
        return found

    def gradient(self, text: Text, names: Iterable[str]) -> dict[str, F32]:
        """The gradient of the mean loss of a text in some parameters, float32.

        Parameters
        ----------
        text
            With at least two tokens.
        names
            Names of parameters as the network has them, or of parts as an anatomy has them
            (``"L3.q"``, ``"L3.down_bias"``, ``"token_embedding"``), oriented ``(channel, unit)``.
            A matrix that is both embedding and unembedding has one gradient for both uses.

        Raises
        ------
        TomoError
            There is no such parameter or part, only one token, or the weights are not in memory.
        """
        ids = self._predicted(text)
        with self.lock:
            found = Slope(self.circuit.network, ids).of(names, self._weights)
        return {name: one.cpu().numpy() for name, one in found.items()}

    def stepped_loss(self, text: Text, rate: float) -> tuple[float, float, float]:
        """One step of gradient descent on a copy: mean loss before, after, norm of the gradient.

        The weights of the model stay bit for bit what they were.

        Parameters
        ----------
        text
            With at least two tokens.
        rate
            Each parameter moves by −rate times its gradient.

        Raises
        ------
        TomoError
            There is only one token, or the weights are not in memory.
        """
        ids = self._predicted(text)
        with self.lock:
            slope = Slope(self.circuit.network, ids)
            return slope.before, slope.after(rate), slope.norm

    def _predicted(self, text: Text) -> torch.Tensor:
        if not self.causal:
            raise TomoError(f"{self.name} is an encoder: it has no loss of next tokens.")
        return self._ids(self.tokens(text))

    # -- weights -------------------------------------------------------------------------------

    def weight(
        self,
        role: str,
        layer: int | None = None,
        head: int | None = None,
        expert: int | None = None,
    ) -> F32:
        """A weight as it is used in the computation, float32, read-only.

        Parameters
        ----------
        role
            As in an anatomy: ``"token_embedding"`` ``(channel, vocab)``, ``"position_embedding"``,
            ``"q"``, ``"k"``, ``"v"``, ``"o"`` ``(channel, unit)``, ``"gate"``, ``"up"``,
            ``"down"`` ``(channel, neuron)``, ``"unembedding"`` ``(channel, vocab)``,
            ``"attn_norm"``, ``"mlp_norm"``, ``"final_norm"`` ``(channel,)``; with ``_bias`` what
            is added, ``(unit,)`` or ``(channel,)``.
        layer
            Of the block.
        head
            For q, k, v and o: only its ``(channel, d_head)``.
        expert
            For gate, up and down of a mixture.

        Raises
        ------
        TomoError
            There is no such weight.
        """
        with self.lock:
            found: F32 = self._weights.get(role, layer, head, expert).cpu().numpy()
        found.flags.writeable = False
        return found

    @property
    def norm_kind(self) -> NormKind:
        """``"layer"`` or ``"rms"``."""
        kinds = ("final_norm", "embedding_norm")
        module = next((one for kind in kinds if (one := self._weights.norm(kind, None))), None)
        for role in ("attn_norm", "attn_post_norm"):
            module = module or self._weights.norm(role, 0)
        return norm_numbers(module).kind if module is not None else "layer"

    def norm(self, where: str, values: F32, layer: int | None = None) -> F32:
        """A norm of ``(…, channel)`` values, as the model computes it.

        Parameters
        ----------
        where
            ``"attn_norm"``, ``"mlp_norm"``, ``"final_norm"``, or another norm of the model.
        values
            What is normed.
        layer
            Of the block.

        Raises
        ------
        TomoError
            The model has no such norm.
        """
        found: F32 = self._norm(where, layer)(torch.as_tensor(values).float()).numpy()
        return found

    def norm_scale(self, where: str, values: F32, layer: int | None = None) -> F32:
        """What a norm divides ``(…, channel)`` values by, ``(…, 1)``, see `norm`."""
        found: F32 = self._norm(where, layer).scale(torch.as_tensor(values).float()).numpy()
        return found

    def _norm(self, where: str, layer: int | None) -> NormNumbers:
        with self.lock:
            module = self._weights.norm(where, layer)
            if module is None:
                raise TomoError(f"{self.name} has no {where!r}.")
            return norm_numbers(module).to("cpu")

    def unembed(self, values: F32, norm: bool = True) -> F32:
        """``(…, vocab)`` logits that ``(…, channel)`` states of the stream would give.

        Parameters
        ----------
        values
            States of the residual stream.
        norm
            Whether they have still to go through the final norm.

        Raises
        ------
        TomoError
            The model has no logits.
        """
        if norm and self._weights.norm("final_norm", None) is not None:
            values = self.norm("final_norm", values)
        logits = values @ self.weight("unembedding")
        try:
            logits = logits + self.weight("unembedding_bias")
        except TomoError:
            pass
        cap = getattr(self.circuit.network.config, "final_logit_softcapping", None)
        return logits if cap is None else (cap * np.tanh(logits / cap)).astype(np.float32)

    def close(self) -> None:
        """Let go of the weights."""
        del self.circuit, self._weights

    def __repr__(self) -> str:
        return f"<LanguageModel {self.name}: {self.family}, {self.device}, {self.dtype}>"


def _sizes(circuit: Circuit, weights: Weights) -> HyperParameters:
    config, heads = circuit.network.config, circuit.heads
    table = circuit.network.get_input_embeddings().weight
    mixture = mixture_of(circuit.blocks[0], circuit.wiring)
    expert = None if mixture is None else 0
    context = getattr(config, "max_position_embeddings", None)
    # RoBERTa counts positions from the padding token's id on.
    skipped = (config.pad_token_id or 0) + 1 if config.model_type in PADDED_POSITIONS else 0
    return HyperParameters(
        d_model=int(config.hidden_size),
        n_layers=len(circuit.blocks),
        n_heads=heads.query,
        n_kv_heads=heads.key_value,
        d_head=heads.size,
        d_mlp=int(weights.get("down", 0, expert=expert).shape[1]),
        n_experts=None if mixture is None else mixture.n_experts,
        vocab=int(table.shape[0]),
        context=None if context is None else int(context) - skipped,
    )


PADDED_POSITIONS = ("roberta", "xlm-roberta", "camembert")
"""Families whose position table begins with rows that belong to no position."""
