"""A training run that is only read."""

from pathlib import Path

import pytest

from .runs import write_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of three steps."""
    return write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def series(run_folder: Path):
    """The run, opened."""
    from napari_gpt2_tomo.series.series import Series

    with Series(run_folder) as opened:
        yield opened
