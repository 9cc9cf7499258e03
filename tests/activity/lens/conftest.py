"""Tiny models of every family that has read a text, and one with a tokenizer."""

import pytest

from activity.running.families import CAUSAL, network
from napari_gpt2_tomo.activity.running.model import LanguageModel

IDS = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture(scope="session")
def activity_of(tmp_path_factory):
    """An activity of a family's tiny model, with everything that was recorded by default."""
    made = {}
    folder = tmp_path_factory.mktemp("lens")

    def activity(family):
        if family not in made:
            model = LanguageModel(network(family), folder / family, causal=family in CAUSAL)
            made[family] = model.run(IDS)
        return made[family]

    return activity


@pytest.fixture(scope="session")
def stories():
    """The story model on the beginning of a story."""
    from napari_gpt2_tomo.activity.running.run import run
    from real_data import real_data

    return run(real_data("stories260K"), "Once upon a time, there was a little girl named")
