"""Tiny models, made once for all tests of this room."""

from collections.abc import Callable

import pytest

from anatomy.models import Made, maker


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Makes the tiny model of this name, once."""
    return maker(tmp_path_factory.mktemp("models"))
