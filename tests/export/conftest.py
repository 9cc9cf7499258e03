"""Small models, and pages of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.export.html import export_html
from viewer.small_model import write_model


@pytest.fixture(scope="session")
def small_scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tomo.Scan]:
    """A GPT-2 of 64 channels and three layers, with one weight far above the others."""
    with tomo.scan(write_model(tmp_path_factory.mktemp("small") / "small")) as scan:
        yield scan


@pytest.fixture(scope="session")
def make_page(small_scan: tomo.Scan, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """Writes a page of the small model, once for the same options."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, Path] = {}

    def make(**options) -> Path:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = export_html(small_scan, folder / f"{len(made)}.html", **options)
        return made[key]

    return make
