"""A training run in a viewer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ...series.runs import write_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of three steps whose overviews are in the session's cache."""
    from napari_gpt2_tomo.series.series import Series

    folder = write_run(tmp_path_factory.mktemp("runs") / "run")
    with Series(folder) as series:
        series.volume().refine()
    return folder


@pytest.fixture
def new_run(tmp_path: Path) -> Path:
    """Folder of a run of its own, to write into."""
    return write_run(tmp_path / "run")


@pytest.fixture
def shown(viewer, settle) -> Callable:
    """Shows a run in the viewer; gives its link."""

    def show(where, **options):
        from napari_gpt2_tomo.viewer.link import link_of
        from napari_gpt2_tomo.viewer.series.opening import add_series

        link = link_of(add_series(viewer, where, **options).image)
        settle()
        return link

    return show
