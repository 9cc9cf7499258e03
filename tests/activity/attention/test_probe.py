"""Random text that repeats itself: what is drawn, and which heads it finds."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_gpt2_tomo.activity.attention.figures import measured
from napari_gpt2_tomo.activity.attention.probe import (
    Repeated,
    repeated_metrics,
    repeated_scores,
    repeated_sequence,
)
from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from real_data import real_data

from .patterns import as_pattern, induction, previous, uniform


def bare(vocab: int = 100, context: int | None = None, tokenizer=None, causal: bool = True):
    """As much of a model as a sequence needs."""
    sizes = SimpleNamespace(vocab=vocab, context=context)
    return SimpleNamespace(name="bare", sizes=sizes, tokenizer=tokenizer, causal=causal)


def test_a_sequence_repeats_tokens_that_are_all_different():
    found = repeated_sequence(bare(), 20, seed=3)
    assert found.begin == 0
    assert len(found.ids) == 40
    assert len(set(found.ids[:20].tolist())) == 20
    np.testing.assert_array_equal(found.ids[:20], found.ids[20:])
    np.testing.assert_array_equal(found.ids, repeated_sequence(bare(), 20, seed=3).ids)
    assert (found.ids != repeated_sequence(bare(), 20, seed=4).ids).any()


def test_special_tokens_and_ids_without_text_are_not_drawn():
    tokenizer = SimpleNamespace(
        begin=0, special=frozenset({0, 1}), vocabulary=("<s>", "</s>", "a", "b", "c", "⟨5⟩")
    )
    found = repeated_sequence(bare(6, tokenizer=tokenizer), 50)
    assert found.ids[0] == 0
    assert found.begin == 1
    assert set(found.ids[1:].tolist()) == {2, 3, 4}


def test_a_sequence_is_as_long_as_vocabulary_and_context_let_it_be():
    assert repeated_sequence(bare(10), 50).length == 10
    assert repeated_sequence(bare(context=31), 50).length == 15
    with pytest.raises(TomoError, match="too few tokens"):
        repeated_sequence(bare(1))


def test_scores_of_planted_patterns_are_exact():
    repeated = Repeated(np.array([9, 1, 2, 3, 4, 1, 2, 3, 4]), 4, 1)
    ids = repeated.ids.tolist()
    found = repeated_scores(as_pattern(induction(ids), previous(9), uniform(9)), repeated)
    np.testing.assert_allclose(found["induction"], [[1, 0, np.mean(1 / np.arange(6, 10))]])
    np.testing.assert_allclose(found["random_previous"][0, 1], 1)
    assert found["random_duplicate"][0, 0] == 0


def test_the_circuits_of_the_functional_phantom_are_found(phantom):
    found = repeated_metrics(phantom, length=30, sequences=2)
    assert found.best("induction") == (1, 2)
    assert found["induction"][1, 2] > 0.9
    assert np.sort(found["induction"].ravel())[-2] < 0.2
    assert found.best("random_previous") == (0, 1)
    assert found["random_previous"][0, 1] > 0.99
    assert found.best("random_duplicate") == (0, 0)
    here = measured(phantom.run("the cat and the cat"))
    assert here.best("prefix") == (1, 2)
    assert here.best("previous") == (0, 1)
    assert here.best("first") == (0, 2)
    assert here["spread"][0, 3] == pytest.approx(1, abs=1e-4)


def test_an_encoder_is_refused_with_a_word():
    from napari_gpt2_tomo.activity.running.model import LanguageModel

    model = LanguageModel.load(real_data("minilm-fp16"), device="cpu")
    with pytest.raises(TomoError, match="is an encoder"):
        repeated_metrics(model)
    found = measured(model.run("The cat sat on the mat"))
    assert "next" in found.defined
    assert "special" in found.defined


def test_the_probe_can_be_cancelled(phantom):
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        repeated_metrics(phantom, length=10, sequences=1, progress=progress)
