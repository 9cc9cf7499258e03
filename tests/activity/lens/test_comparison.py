"""Two prompts, two models, two vocabularies."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from napari_gpt2_tomo.activity.lens import compare_next, compare_streams, titles
from napari_gpt2_tomo.activity.running.run import run
from napari_gpt2_tomo.base import TomoError
from real_data import real_data


@pytest.fixture(scope="module")
def boy(stories):
    return stories.model.run("Once upon a time, there was a little boy named")


@pytest.fixture(scope="module")
def growth():
    folder = real_data("char-gpt2-series")
    text = "First Citizen: Before we proceed any furthe"
    return [run(folder / step, text) for step in ("step00250", "step06000")]


def probabilities(activity):
    logits = activity.read("logits", -1).astype(np.float64)
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def test_divergences_are_those_of_scipy(stories, boy):
    found = compare_next(stories, boy)
    p, q = probabilities(stories), probabilities(boy)
    assert found.kl_first == pytest.approx(entropy(p, q), rel=1e-4)
    assert found.kl_second == pytest.approx(entropy(q, p), rel=1e-4)
    assert found.jensen_shannon == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-4)
    assert found.covered == pytest.approx((1, 1))
    assert found.notes == ()


def test_rows_are_the_likeliest_of_both_with_the_likeliest_first(stories, boy):
    found = compare_next(stories, boy, k=3)
    assert 3 <= len(found.labels) <= 6
    assert found.labels[0] == "·Lily"
    np.testing.assert_allclose(found.first[0], probabilities(stories).max(), rtol=1e-4)
    assert (np.diff(np.maximum(found.first, found.second)) <= 0).all()
    assert found.difference[0] < 0


def test_a_text_does_not_differ_from_itself(stories):
    found = compare_next(stories, stories)
    assert found.jensen_shannon == 0
    np.testing.assert_allclose(compare_streams(stories, stories).cosine, 1, atol=1e-6)


def test_models_of_one_training_are_compared_token_by_token(growth):
    first, second = growth
    found = compare_next(first, second)
    assert found.titles == ("step00250", "step06000")
    assert found.labels[0] == "r"
    assert found.second[0] > found.first[0]
    streams = compare_streams(first, second)
    assert streams.cosine.shape == (len(streams.names), len(first.tokens))
    assert "trained from the same start" in streams.notes[0]


def test_different_vocabularies_are_compared_by_text_and_the_rest_is_said(stories, growth):
    found = compare_next(stories, growth[1])
    common = set(stories.model.tokenizer.vocabulary) & set(growth[1].model.tokenizer.vocabulary)
    assert 0 < len(common) < 100
    assert f"{len(common)} tokens are in both" in found.notes[0]
    assert found.covered[0] < 1
    row = found.labels.index("·Lily")
    assert np.isnan(found.second[row])
    strings = np.array(growth[1].model.tokenizer.vocabulary)
    shared = probabilities(growth[1])[np.isin(strings, list(common))].sum()
    assert found.covered[1] == pytest.approx(shared, rel=1e-4)
    assert np.isfinite(found.jensen_shannon)
    assert found.jensen_shannon <= np.log(2) + 1e-9
    with pytest.raises(TomoError, match="channels"):
        compare_streams(stories, growth[1])


def test_texts_of_different_lengths_are_compared_at_their_ends(stories):
    other = stories.model.run("Once upon a time")
    found = compare_streams(stories, other, halves=False)
    assert found.cosine.shape[1] == 1
    assert found.labels == ("·named | ·time",)
    assert "14 and 5 tokens" in found.notes[0]


def test_titles_tell_what_differs(stories, boy, growth):
    assert titles(*growth) == ("step00250", "step06000")
    assert titles(stories, boy)[0].endswith("girl named")
    assert titles(stories, stories) == ("first", "second")
