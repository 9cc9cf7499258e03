"""Two small models. One window serves a module: making one takes longer than most tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from viewer.panes.conftest import window_of_a_module
from viewer.small_model import write_model


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a second small model, of other weights."""
    return write_model(tmp_path_factory.mktemp("models") / "other", seed=7)


@pytest.fixture(scope="module")
def module_window() -> Iterator[Any]:
    """A viewer on the screen."""
    yield from window_of_a_module(show=True)
