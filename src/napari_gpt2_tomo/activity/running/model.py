"""A language model that is loaded and can be run."""

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import Progress, TomoError
from ..record import SITES, Activity, Source, Tokens
from ..record.sites import site
from ..record.store import BUDGET, Store
from .discover import discover
from .experts import mixture_of
from .heads import head_shape
from .hooks import Hook
from .loading import choose_device, choose_dtype, load_network
from .measure import Circuit, measure
from .numbers import Numbers
from .places import find_place, read_config
from .reading import Text
from .tokenizer import Tokenizer, load_tokenizer
from .weights import Weights
from .wiring import Scheme, wiring_of
from .writing import Writer

__all__ = ["LARGE", "LanguageModel", "Text"]

F32 = NDArray[np.float32]

_ALIKE = "The family {!r} is not one that is known; it is built like one, and a trial run adds up."

LARGE = frozenset({"head_out", "scores"})
"""Sites that are recorded only when they are asked for: large, and easily computed from others."""


class LanguageModel(Writer, Numbers):
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
    notes
        What a person should know about everything that is measured with it.
    """

    def __init__(
        self,
        network: Any,
        folder: Path,
        *,
        causal: bool = True,
        tokenizer: Tokenizer | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        config = network.config
        wiring = wiring_of(config)
        if wiring is None:
            wiring = discover(network)
            notes = (*notes, _ALIKE.format(config.model_type))
        heads = head_shape(config)
        self.name = folder.resolve().name
        # A model outlives the folder that its process worked in when it was loaded.
        self.path = folder.absolute()
        self.family: str = config.model_type
        self.causal = causal
        self.tokenizer = tokenizer
        self.scheme: Scheme = wiring.scheme
        self.positions: str = wiring.positions
        self.circuit = Circuit(network, wiring, heads)
        self._weights = Weights(
            self.circuit.base, self.circuit.blocks, self.circuit.head, wiring, heads
        )
        self.notes = (*notes, *self.circuit.notes)
        self.sizes = _sizes(self.circuit, self._weights)
        table = network.get_input_embeddings().weight
        self.device = str(table.device)
        self.dtype = str(table.dtype).removeprefix("torch.")
        self.lock = threading.RLock()

    @classmethod
    def load(
        cls,
        path: "str | os.PathLike[str] | Any",
        device: str = "auto",
        dtype: str = "auto",
        streaming: bool | str = "auto",
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
        streaming
            Whether weights stay on disk and are read block by block while the model computes;
            ``"auto"`` does so where they do not fit in memory.
        progress
            Told when the weights are read.

        Raises
        ------
        TomoError
            There is no model, tensors are missing (they are named), or it cannot be run.
        """
        place = find_place(path)
        config, notes = read_config(place)
        where = choose_device(device)
        if progress is not None:
            progress.start(1, f"Loading {place.name}")
        kind = choose_dtype(dtype, where, config)
        network, causal = load_network(place, config, where, kind, streaming)
        if progress is not None:
            progress.advance(1)
        n_ids = int(network.get_input_embeddings().weight.shape[0])
        tokenizer = load_tokenizer(place.folder, n_ids)
        made = cls(network, place.folder, causal=causal, tokenizer=tokenizer, notes=notes)
        made.name = place.name
        return made

    def run(
        self,
        text: Text,
        what: Iterable[str] | None = None,
        progress: Progress | None = None,
        hooks: Sequence[Hook] | None = None,
        truncate: bool = False,
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
        truncate
            Whether a text that is too long may be cut: of a causal model its end is kept, of an
            encoder its beginning. The activity's notes tell what was cut off.
        budget
            Bytes that may stay in memory; what is beyond is written to the cache folder.

        Raises
        ------
        TomoError
            The text is empty or too long, or a site or hook has no place in this model.
        Cancelled
            `progress` asked to stop; the model stays as it was.
        """
        tokens, notes = self._fitting(self.tokens(text), truncate)
        wanted = self._wanted(what)
        store = Store(budget)
        if progress is not None:
            progress.start(len(self.circuit.blocks), f"{self.name} reads {len(tokens)} tokens")
        with self.lock:
            measure(self.circuit, self._ids(tokens), None, wanted, [store], hooks or (), progress)
        return self._activity(tokens, store, notes)

    def run_batch(
        self,
        texts: Sequence[Text],
        what: Iterable[str] | None = None,
        batch_size: int = 8,
        progress: Progress | None = None,
        truncate: bool = False,
        budget: int = BUDGET,
    ) -> list[Activity]:
        """What happens inside while the model reads each of several texts.

        Shorter texts of a batch are padded on the right and masked; the numbers are those of
        single runs up to rounding.

        Parameters
        ----------
        texts
            Texts, ids, or tokens.
        what, progress, truncate, budget
            See `run`; the budget is shared by all texts.
        batch_size
            Texts that are run at once.

        Raises
        ------
        TomoError, Cancelled
            See `run`.
        """
        fitting = [self._fitting(self.tokens(text), truncate) for text in texts]
        wanted = self._wanted(what)
        n_batches = -(-len(texts) // batch_size)
        if progress is not None:
            total = n_batches * len(self.circuit.blocks)
            progress.start(total, f"{self.name} reads {len(texts)} texts")
        found: list[Activity] = []
        for first in range(0, len(texts), batch_size):
            batch = fitting[first : first + batch_size]
            stores = [Store(budget // len(texts)) for _ in batch]
            ids, mask = self._padded([tokens for tokens, _ in batch])
            with self.lock:
                measure(self.circuit, ids, mask, wanted, stores, (), progress)
            found += [
                self._activity(tokens, store, notes)
                for (tokens, notes), store in zip(batch, stores, strict=True)
            ]
        return found

    def _activity(self, tokens: Tokens, store: Store, notes: tuple[str, ...]) -> Activity:
        source = Source(self.name, str(self.path), self.family, self.sizes)
        notes = (*notes, *self.notes)
        return Activity(tokens, store.arrays, source, model=self, notes=notes, store=store)

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

    def next_logits(self, text: Text, hooks: Sequence[Hook] | None = None) -> F32:
        """``(token, vocab)`` logits of a forward pass of which nothing else is kept.

        Raises
        ------
        TomoError
            The model has no logits, or the text is too long.
        """
        tokens, _ = self._fitting(self.tokens(text), truncate=False)
        store = Store()
        with self.lock:
            measure(self.circuit, self._ids(tokens), None, {"logits"}, [store], hooks or ())
        if "logits" not in store.arrays:
            raise TomoError(f"{self.name} is an encoder without a head: it has no logits.")
        found: F32 = store.arrays["logits"]
        return found

    def close(self) -> None:
        """Let go of the weights; the model cannot be used afterwards."""
        self.__dict__.pop("circuit", None)
        self.__dict__.pop("_weights", None)

    @property
    def closed(self) -> bool:
        """Whether the weights have been let go of."""
        return "circuit" not in self.__dict__

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not there.
        if name in ("circuit", "_weights"):
            raise TomoError("This model was closed: load it again.")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

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
