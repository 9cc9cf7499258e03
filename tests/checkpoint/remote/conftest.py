"""A server for each test, and a network that does not make tests wait."""

import pytest

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
    from napari_gpt2_tomo.checkpoint.remote import transfer

    monkeypatch.setattr(transfer, "BACKOFF", (0.001, 0.01))
