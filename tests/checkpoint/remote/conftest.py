"""A server for each test, and a network that does not make tests wait."""

import json
from pathlib import Path

import numpy as np
import pytest

from .hub import FakeHub
from .models import safetensors
from .server import RangeServer


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache for each test: another server may get the port, and so the address, of an old one."""
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path_factory.mktemp("blocks")))


@pytest.fixture
def server():
    served = RangeServer()
    yield served
    served.close()


@pytest.fixture
def patience(monkeypatch):
    """Failures that are repeated at once."""
    from napari_gpt2_tomo.checkpoint.remote import waiting

    monkeypatch.setattr(waiting, "BACKOFF", (0.001, 0.01))


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {f"t{i}": rng.normal(size=(64, 32 + i)).astype(np.float32) for i in range(9)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tensors) -> Path:
    """A model in three shards with an index."""
    made = tmp_path_factory.mktemp("model")
    names = list(tensors)
    weight_map = {}
    for i in range(3):
        shard = f"model-{i + 1:05}-of-00003.safetensors"
        held = {name: tensors[name] for name in names[3 * i : 3 * i + 3]}
        (made / shard).write_bytes(safetensors(held))
        weight_map |= dict.fromkeys(held, shard)
    (made / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (made / "config.json").write_text('{"model_type": "none"}')
    return made


@pytest.fixture
def hub(server: RangeServer, monkeypatch, tmp_path) -> FakeHub:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return FakeHub(server)
