"""Lessons about tiny models of every family, and about real ones."""

from types import SimpleNamespace

import numpy as np
import pytest

from activity.running.families import CAUSAL, network
from napari_gpt2_tomo.activity.lesson.gather import WHAT
from napari_gpt2_tomo.activity.lesson.write import tell
from napari_gpt2_tomo.activity.record import Tokens
from napari_gpt2_tomo.activity.running.model import LanguageModel

IDS = (3, 1, 4, 1, 5, 9, 2, 6)

HOSTILE = ("</script><b>x", "<!--", '"onload="alert(1)', "]]>", "&lt;", "שלום", "🦊", "a" * 80)
"""Texts of tokens that a page must only ever show."""


class Told:
    """A family's network, the model around it, and the lesson about it."""

    def __init__(self, family, folder, ids=IDS, **options):
        self.network = network(family)
        self.model = LanguageModel(self.network, folder / family, causal=family in CAUSAL)
        what = [name for name in WHAT if name in self.model.circuit.sites]
        self.activity = self.model.run(list(ids), what)
        self.story = tell(self.activity, **options)


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """Makes the lesson of a family, once."""
    folder = tmp_path_factory.mktemp("lesson")
    made = {}

    def make(family, **options):
        key = (family, *sorted(options.items()))
        if key not in made:
            made[key] = Told(family, folder, **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """The lesson of a GPT-2 whose vocabulary is made of markup."""
    model = LanguageModel(network("gpt2"), tmp_path_factory.mktemp("hostile") / "<i>model</i>")
    strings = tuple(HOSTILE[i % len(HOSTILE)] for i in range(37))
    model.tokenizer = SimpleNamespace(string=strings.__getitem__, vocabulary=strings)
    ids = np.arange(len(HOSTILE))
    text = "".join(HOSTILE)
    tokens = Tokens(ids, strings[: len(ids)], text=text)
    what = [name for name in WHAT if name in model.circuit.sites]
    return tell(model.run(tokens, what))
