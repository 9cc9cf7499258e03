"""Interventions and composition find the circuits that the functional phantom was built with."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.intervention import Component, Metric, Zero, composition
from napari_gpt2_tomo.activity.running.changes import effect
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.activity.running.sweeps import sweep
from napari_gpt2_tomo.checkpoint.phantoms.functional import CIRCUITS, functional_phantom

HEADS = {one.name: (one.layer, one.head) for one in CIRCUITS if one.head is not None}

TEXT = "xqz yabk xq"
"""Repeats itself: a z is expected."""


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return LanguageModel.load(functional_phantom(tmp_path_factory.mktemp("phantom")), device="cpu")


def test_the_induction_head_reads_the_previous_token_head_as_its_key(phantom):
    found = composition(phantom, "k")
    (score, writes, reads), *others = found.strongest(8)
    assert (writes, reads) == (HEADS["previous-token"], HEADS["induction"])
    assert score > 1.5 * found.baseline
    assert not [one for one in others if one[2] == reads and one[0] > found.baseline / 4]


def test_the_repetition_needs_the_heads_of_its_circuit_and_no_other(phantom):
    found = sweep(phantom, TEXT, "heads", "zero", Metric("logit", token=ord("z")))
    needed = {HEADS[name] for name in ("previous-token", "induction", "mover")}
    for layer, head in np.ndindex(found.values.shape):
        share = found.effects[layer, head] / found.unchanged
        if (layer, head) in needed:
            assert share < -0.9
        elif (layer, head) != HEADS["eraser"]:  # Without it the present token is in the way.
            assert abs(share) < 0.01


def test_the_expected_token_is_lost_with_the_induction_head(phantom):
    found = effect(phantom, TEXT, [Zero(Component.head(*HEADS["induction"]))])
    listed = {one.id: one for one in found.candidates(3)}
    assert listed[ord("z")].before > 0.9
    assert listed[ord("z")].after < 0.001


def test_patching_moves_the_memory_of_another_text_along(phantom):
    other = TEXT.replace("z", "w")
    metric = Metric("difference", token=ord("w"), other=ord("z"))
    found = sweep(phantom, TEXT, "resid_pre", "patch", metric, source=other)
    # The difference is at the letter itself until the induction head has read it.
    assert found.restored[0, TEXT.index("z") + 1] == pytest.approx(1, abs=0.01)
    assert found.restored[1, TEXT.index("z") + 1] == pytest.approx(1, abs=0.05)
    assert found.restored[2, len(TEXT)] == pytest.approx(1, abs=0.01)
    assert abs(found.restored[2, TEXT.index("z") + 1]) < 0.05
