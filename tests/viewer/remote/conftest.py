"""A small model on a local server."""

from pathlib import Path

import numpy as np
import pytest

from checkpoint.remote.hub import FakeHub
from checkpoint.remote.server import RangeServer
from viewer.small_model import write_model

ADDRESS = "hf://org/small"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache for each test: another server may get the port, and so the address, of an old one."""
    from huggingface_hub import constants

    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("remote") / "small", seed=77)


@pytest.fixture
def server():
    served = RangeServer()
    yield served
    served.close()


@pytest.fixture
def address(server: RangeServer, folder: Path, monkeypatch) -> str:
    """The model's address on a hub."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    FakeHub(server).add_folder("org/small", folder)
    return ADDRESS


@pytest.fixture
def local(folder: Path) -> np.ndarray:
    """What every section of the model shows."""
    from napari_gpt2_tomo.facade import Scan

    with Scan(folder) as scan:
        return scan.volume()[...]
