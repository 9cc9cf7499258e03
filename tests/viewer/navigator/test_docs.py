"""The page of the navigator tells what is there."""

from pathlib import Path

from napari_gpt2_tomo.display.queries import EXAMPLES
from napari_gpt2_tomo.viewer.navigator.tables import TITLES
from napari_gpt2_tomo.volume.statistics.details import NEAR_SIGMAS

PAGE = (Path(__file__).parents[3] / "docs" / "navigator.md").read_text(encoding="utf-8")


def test_every_kind_of_query_is_told():
    assert [query for query, _ in EXAMPLES if f"`{query}`" not in PAGE] == []


def test_every_number_of_the_statistics_is_told():
    for title in TITLES.values():
        assert title in PAGE
    assert f"within {NEAR_SIGMAS:g} σ of 0" in PAGE
