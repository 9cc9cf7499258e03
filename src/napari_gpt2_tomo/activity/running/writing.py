"""What a causal model says about the next token: continuations, losses, gradients."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...base import Progress, TomoError
from ..record import Tokens
from .generation import Sampling, Step, continuation
from .gradient import Slope, losses
from .measure import Circuit
from .reading import Reader, Text
from .weights import Weights

__all__ = ["Writer"]

F32 = NDArray[np.float32]


class Writer(Reader):
    """The side of a language model that predicts the next token.

    Attributes
    ----------
    circuit, lock
        See `LanguageModel`.
    """

    circuit: Circuit
    lock: threading.RLock
    _weights: Weights

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
            The model does not predict the next token, a number is out of its range, or the text
            is too long.
        Cancelled
            `progress` asked to stop.
        """
        if not self.causal:
            raise TomoError(f"{self.name} is an encoder: it does not continue texts.")
        choose = Sampling(temperature, top_k, top_p, seed).chooser()
        tokens, _ = self._fitting(self.tokens(text), truncate=False)
        return self._steps(tokens, n, choose, progress)

    def _steps(
        self, tokens: Tokens, n: int, choose: Callable[[F32], int], progress: Progress | None
    ) -> Iterator[Step]:
        # The last token is chosen but not read any more.
        context = self.sizes.context
        room = n if context is None else min(n, context - len(tokens) + 1)
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
        settings: Any = getattr(self.circuit.network, "generation_config", None)
        found = getattr(settings, "eos_token_id", None)
        return frozenset([found] if isinstance(found, int) else found or ())

    def continued(self, text: Text, n: int, **options: Any) -> Tokens:
        """The tokens of a text and of its continuation, as many as the model can read at once.

        Parameters
        ----------
        text
            What to continue.
        n
            Tokens to add at most.
        **options
            Those of `generate`.
        """
        tokens = self.tokens(text)
        if self.sizes.context is not None:
            n = min(n, max(0, self.sizes.context - len(tokens)))
        steps = list(self.generate(tokens, n, **options))
        ids = np.concatenate([tokens.ids, np.array([step.id for step in steps], np.int64)])
        if self.tokenizer is not None and tokens.text is not None:
            plain = [int(id) for at, id in enumerate(ids) if at not in tokens.special]
            again = self.tokenizer.encode(self.tokenizer.decode(plain))
            if np.array_equal(again.ids, ids):
                return again
        strings = (*tokens.strings, *(step.string for step in steps))
        return Tokens(ids, strings, unknown=tokens.unknown, special=tokens.special)

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
        before, (after,), norm = self.stepped_losses(text, [rate])
        return before, after, norm

    def stepped_losses(
        self, text: Text, rates: Sequence[float]
    ) -> tuple[float, tuple[float, ...], float]:
        """`stepped_loss` for several rates, each a step from the weights as they are.

        The gradient is computed once.

        Parameters
        ----------
        text
            With at least two tokens.
        rates
            Of the steps.

        Returns
        -------
        before, after, norm
            Mean loss, mean loss after the step of each rate, norm of the gradient.

        Raises
        ------
        TomoError
            There is only one token, or the weights are not in memory.
        """
        ids = self._predicted(text)
        with self.lock:
            slope = Slope(self.circuit.network, ids)
            return slope.before, tuple(slope.after(rate) for rate in rates), slope.norm

    def _predicted(self, text: Text) -> torch.Tensor:
        if not self.causal:
            raise TomoError(f"{self.name} is an encoder: it has no loss of next tokens.")
        return self._ids(self._fitting(self.tokens(text), truncate=False)[0])
