"""Running a model in one call."""

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.checkpoint.phantoms.circuits import END

IDS = [END, *b"a cat"]


@pytest.mark.parametrize("prompt", ["a cat", IDS, np.array(IDS)], ids=["text", "ids", "array"])
def test_a_text_its_ids_and_an_array_of_them_are_one_prompt(prompt):
    activity = tomo.run("functional-phantom", prompt, ["logits"])
    assert activity.tokens.ids.tolist() == IDS
    assert activity["logits"].shape == (len(IDS), 257)


def test_several_prompts_are_run_as_a_batch():
    one, other = tomo.run("functional-phantom", ["a cat", [END, 98]], ["logits"])
    assert one.tokens.ids.tolist() == IDS
    assert other.tokens.ids.tolist() == [END, 98]


def test_a_continuation_is_measured_with_its_text_and_noted():
    activity = tomo.run("functional-phantom", "room 42, room 4", ["logits"], max_new_tokens=2)
    assert activity.text.endswith("room 42,")
    assert "last 2 tokens were written by the model" in activity.notes[0]


def test_a_model_stays_loaded_for_the_next_call():
    first = tomo.run("functional-phantom", "a", ["logits"])
    assert tomo.run("functional-phantom", "b", ["logits"]).model is first.model


@pytest.mark.parametrize("nothing", ["", []], ids=["text", "ids"])
def test_of_nothing_a_model_reads_the_begin_of_a_text(nothing):
    assert tomo.run("functional-phantom", nothing, ["logits"]).tokens.ids.tolist() == [END]
