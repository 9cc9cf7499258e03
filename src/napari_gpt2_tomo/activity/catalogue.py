"""Language models by name: those that are often looked at, and those on this machine."""

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MODELS", "Known", "Local", "cached_models", "local_path"]


@dataclass(frozen=True, slots=True)
class Known:
    """A model that is often looked at.

    Attributes
    ----------
    name
        As people call it.
    repository
        Where the Hugging Face hub has it.
    parameters
        How many it has, in millions.
    """

    name: str
    repository: str
    parameters: int


@dataclass(frozen=True, slots=True)
class Local:
    """A model in the Hugging Face cache of this machine.

    Attributes
    ----------
    repository
        Its name on the hub.
    path
        The folder of its newest snapshot.
    family
        ``model_type`` of its config.
    """

    repository: str
    path: Path
    family: str


MODELS: tuple[Known, ...] = (
    Known("gpt2", "openai-community/gpt2", 124),
    Known("openai-gpt", "openai-community/openai-gpt", 117),
    Known("gpt2-medium", "openai-community/gpt2-medium", 355),
    Known("gpt-neo-125m", "EleutherAI/gpt-neo-125m", 125),
    Known("gpt-neo-1.3B", "EleutherAI/gpt-neo-1.3B", 1_300),
    Known("pythia-160m", "EleutherAI/pythia-160m", 162),
    Known("gpt-j-6B", "EleutherAI/gpt-j-6b", 6_050),
    Known("OLMo-7B", "allenai/OLMo-7B-hf", 6_900),
    Known("gpt-oss-20b", "openai/gpt-oss-20b", 20_900),
    Known("Mistral-7B", "mistralai/Mistral-7B-v0.1", 7_240),
    Known("Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", 494),
    Known("gemma-2-2b", "google/gemma-2-2b", 2_610),
    Known("Mixtral-8x7B", "mistralai/Mixtral-8x7B-v0.1", 46_700),
)
"""Models that are often looked at, the smallest kin of GPT-2 first."""

ALIASES = {"openai-community/gpt2": "gpt2", "openai-community/openai-gpt": "openai-gpt"}
"""Former names on the hub, under which older caches hold a model."""

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
"""Files of which a snapshot that can be run has one at least."""


def cached_models() -> tuple[Local, ...]:
    """The models in the Hugging Face cache that can be run, by name; opens no connection."""
    root = _cache()
    found = []
    for folder in sorted(root.glob("models--*")) if root.is_dir() else ():
        repository = folder.name.removeprefix("models--").replace("--", "/")
        path = _snapshot(folder)
        if path is not None:
            found.append(Local(repository, path, _family(path)))
    return tuple(found)


def local_path(name: str) -> Path | None:
    """The folder of a model that is known by name or repository, if it is on this machine."""
    repository = next((one.repository for one in MODELS if name == one.name), name)
    cached = {one.repository.lower(): one.path for one in cached_models()}
    for wanted in (repository, ALIASES.get(repository, repository)):
        if wanted.lower() in cached:
            return cached[wanted.lower()]
    return None


def _cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _snapshot(folder: Path) -> Path | None:
    """The newest snapshot with a config and weights: that of ``main``, else any."""
    snapshots = folder / "snapshots"
    main = folder / "refs" / "main"
    others = sorted(snapshots.iterdir()) if snapshots.is_dir() else []
    named = [snapshots / main.read_text().strip()] if main.is_file() else []
    places: list[Path] = [*named, *others]
    for one in places:
        if (one / "config.json").is_file() and any(any(one.glob(kind)) for kind in WEIGHTS):
            return one
    return None


def _family(path: Path) -> str:
    try:
        found = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("model_type", "")) if isinstance(found, dict) else ""
