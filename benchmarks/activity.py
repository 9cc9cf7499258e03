"""What measuring inside a model costs, beside the bare forward pass of the same model.

The models are a random one of GPT-2 small's shape and, where the real data lie beside the checkout,
two small real ones.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import Report, arguments, best_ratio, interleaved, median, ratio

from napari_gpt2_tomo.activity.running.measure import forward
from napari_gpt2_tomo.activity.running.model import LanguageModel

TARGET = 1.15
"""Measuring takes at most so many times the bare pass, on GPT-2 small's shape."""

THREADS = 1
"""Of the small real models: for their matrices a second one only gets in the way."""

REAL = Path(__file__).parents[2] / "shared" / "data"
LENGTHS = (64, 128, 256)
"""Tokens of a text."""


def small_gpt2() -> LanguageModel:
    """A random model of GPT-2 small's shape."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    network = GPT2LMHeadModel._from_config(GPT2Config(), attn_implementation="eager")
    return LanguageModel(network.eval().requires_grad_(False), Path("GPT-2 small, random"))


def models() -> dict[str, Callable[[], LanguageModel]]:
    """Models by name; made when they are measured."""
    real = {"stories260K": "stories260K", "char-gpt2": "char-gpt2-series/step06000"}
    found: dict[str, Callable[[], LanguageModel]] = {"GPT-2 small": small_gpt2}
    for name, place in real.items():
        if (REAL / place).is_dir():
            found[name] = lambda place=place: LanguageModel.load(REAL / place, device="cpu")
    return found


def cases(model: LanguageModel, n_tokens: int) -> dict[str, Callable[[], object]]:
    """What is timed: the bare pass, with both attention functions, and measured passes.

    "measured" records all that is recorded by default, "states" the residual stream and the logits,
    "read" also puts every recorded array together, which else happens when it is looked at.
    """
    n_ids = model.sizes.vocab or 1
    ids = np.random.default_rng(0).integers(0, n_ids, n_tokens)
    batch = torch.as_tensor(ids)[None]
    network = model.circuit.network

    def bare(attention: str) -> object:
        network.config._attn_implementation = attention
        try:
            with torch.no_grad():
                return forward(network, batch)
        finally:
            network.config._attn_implementation = "eager"

    def looked_at() -> object:
        return [values.shape for values in model.run(ids).values()]

    return {
        "bare": lambda: bare("eager"),
        "sdpa": lambda: bare("sdpa"),
        "measured": lambda: model.run(ids),
        "states": lambda: model.run(ids, ["resid_pre", "resid_post", "logits"]),
        "read": looked_at,
    }


def main() -> None:
    options = arguments(__doc__).parse_args()
    repeats = options.repeats or 15
    report = Report("activity.py", options.json)
    threads = torch.get_num_threads()
    for name, make in models().items():
        torch.set_num_threads(threads if name == "GPT-2 small" else THREADS)
        model = make()
        rows: list[dict[str, Any]] = []
        for n_tokens in LENGTHS:
            if model.sizes.context is not None and n_tokens > model.sizes.context:
                continue
            times = interleaved(cases(model, n_tokens), repeats, warm_up=2)
            ratios = {
                f"{what} / bare": ratio(times, what, "bare") for what in ("sdpa", "states", "read")
            }
            rows.append(
                {
                    "tokens": n_tokens,
                    "bare, ms": 1e3 * median(times["bare"]),
                    "measured, ms": 1e3 * median(times["measured"]),
                    "measured / bare": ratio(times, "measured", "bare"),
                    "best / best": best_ratio(times, "measured", "bare"),
                    **ratios,
                }
            )
        report.table(f"{name}: target {TARGET} at GPT-2 small's shape", rows)
    report.finish()


if __name__ == "__main__":
    main()
