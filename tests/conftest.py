"""What every test shares: a cache of its own, and a small checkpoint that is always there."""

import gc

import pytest
from hypothesis import settings

from guards import EscapedExceptions, FatalMessages, WindowsLeftOpen

# A machine that others use too takes any time it likes for one example.
settings.register_profile("tomo", deadline=None)
settings.load_profile("tomo")


def pytest_configure(config):
    # Who is registered last hears what happens while the others work.
    for guard in (WindowsLeftOpen(), FatalMessages(config), EscapedExceptions()):
        config.pluginmanager.register(guard)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder for the session: no test reads or fills the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_GPT2_TOMO_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_phantom(cache):
    """Path of the tiny phantom's safetensors file (12 layers, 0.6 M parameters)."""
    from napari_gpt2_tomo.checkpoint.phantoms.anatomical import phantom_checkpoint

    return phantom_checkpoint("tiny")


@pytest.fixture(scope="module", autouse=True)
def garbage_of_others():
    """Spares the garbage collector what earlier modules left alive, torch's modules above all.

    napari collects garbage whenever a layer is removed, which takes the longer the more there is.
    """
    gc.collect()
    gc.freeze()
