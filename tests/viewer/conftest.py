"""Real viewers on a small, planted GPT-2."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .small_model import write_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the small model; its overview is in the session's cache."""
    from napari_gpt2_tomo.facade import Scan

    folder = write_model(tmp_path_factory.mktemp("models") / "small")
    with Scan(folder) as scan:
        scan.volume().refine()
    return folder


@pytest.fixture
def new_model(tmp_path: Path) -> Path:
    """Folder of a small model that the cache does not know."""
    return write_model(tmp_path / "new", seed=np.random.SeedSequence().entropy % 2**32)


@pytest.fixture
def make_viewer(make_napari_viewer: Callable) -> Callable:
    """Makes viewers of one size; hidden ones draw for screenshots only, which saves time."""

    def make(show: bool = False):
        viewer = make_napari_viewer(show=show)
        viewer.window.resize(640, 480)
        return viewer

    return make


@pytest.fixture
def viewer(make_viewer: Callable):
    """A hidden viewer."""
    return make_viewer()


@pytest.fixture
def window(make_viewer: Callable):
    """A visible viewer, for tests that look at pixels."""
    return make_viewer(show=True)


@pytest.fixture
def settle() -> Callable[[], None]:
    """Runs events until nothing is under way."""
    from napari_gpt2_tomo.viewer.work import finish_all

    return finish_all


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """A test must not leave threads that read its files."""
    yield
    from napari_gpt2_tomo.viewer.work import stop_all

    stop_all()
