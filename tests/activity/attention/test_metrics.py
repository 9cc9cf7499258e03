"""Metrics of heads: exact on planted patterns, sane on real ones, undefined where they are."""

import json

import numpy as np
import pytest

from napari_gpt2_tomo.activity.attention.catalogue import METRICS, metric
from napari_gpt2_tomo.activity.attention.metrics import HeadMetrics, head_metrics, head_name
from napari_gpt2_tomo.base import TomoError
from real_data import real_data

from .patterns import as_pattern, current, first, induction, previous, uniform

N = 6
PLAIN = np.arange(N)


def one(pattern, ids=PLAIN, **options) -> dict[str, float]:
    """Metrics of a single head."""
    found = head_metrics(as_pattern(pattern), np.asarray(ids), **options)
    return {name: float(values[0, 0]) for name, values in found.items()}


def test_a_head_that_looks_at_itself():
    found = one(current(N))
    assert found["current"] == 1
    assert found["previous"] == found["first"] == 0
    assert found["entropy"] == found["spread"] == found["distance"] == 0
    assert found["last_peak"] == 1
    assert found["last_first"] == 0


def test_a_head_that_looks_at_the_previous_token():
    found = one(previous(N))
    assert found["previous"] == found["distance"] == 1
    assert found["current"] == 0
    # Only for the second token the previous one is the first.
    assert found["first"] == pytest.approx(1 / (N - 1))


def test_a_head_that_rests_on_the_first_token():
    found = one(first(N))
    assert found["first"] == found["last_first"] == 1
    assert found["distance"] == np.mean(np.arange(1, N))


def test_a_head_that_looks_at_everything_alike():
    found = one(uniform(N))
    sizes = np.arange(2, N + 1)
    assert found["entropy"] == pytest.approx(np.mean(np.log2(sizes)), rel=1e-6)
    assert found["spread"] == pytest.approx(1, rel=1e-6)
    assert found["previous"] == found["current"] == pytest.approx(np.mean(1 / sizes), rel=1e-6)
    assert found["distance"] == pytest.approx(np.mean((sizes - 1) / 2), rel=1e-6)
    assert found["last_peak"] == pytest.approx(1 / N, rel=1e-6)


def test_duplicates_and_what_followed_them():
    ids = [3, 4, 5, 3, 4, 5]
    found = one(induction(ids), ids)
    assert found["prefix"] == 1
    assert found["duplicate"] == 0
    found = one(uniform(N), ids)
    share = np.mean([1 / (i + 1) for i in (3, 4, 5)])
    assert found["duplicate"] == found["prefix"] == pytest.approx(share, rel=1e-6)


def test_a_token_that_repeats_the_one_before_has_a_duplicate_and_no_prefix():
    found = one(previous(3), [7, 7, 8])
    assert found["duplicate"] == 1
    # What follows the first 7 is the second 7 itself.
    assert np.isnan(found["prefix"])


def test_without_duplicates_both_are_undefined():
    found = head_metrics(as_pattern(uniform(N)), PLAIN)
    assert {"duplicate", "prefix", "next", "special"}.isdisjoint(found.defined)
    with pytest.raises(TomoError, match="undefined for this text"):
        found.best("duplicate")


def test_one_token_leaves_everything_undefined_in_a_causal_model_alone():
    pattern = as_pattern(np.ones((1, 1)))
    assert head_metrics(pattern, np.array([5])).defined == ()
    encoder = head_metrics(pattern, np.array([5]), causal=False)
    assert set(encoder.defined) == {
        *("current", "last_peak", "last_first", "entropy", "distance"),
    }


def test_an_encoder_looks_both_ways():
    pattern = np.eye(N, k=1)
    pattern[-1, -1] = 1
    found = one(pattern, [1, 2, 3, 1, 5, 6], causal=False)
    assert found["next"] == 1
    assert found["distance"] == pytest.approx((N - 1) / N)
    assert found["current"] == pytest.approx(1 / N)
    ends = np.zeros((N, N))
    ends[0, 3] = ends[3, 0] = 1
    both = one(ends + np.diag([0, 1, 1, 0, 1, 1]), [1, 2, 3, 1, 5, 6], causal=False)
    assert both["duplicate"] == 1
    assert one(np.full((N, N), 1 / N), causal=False)["spread"] == pytest.approx(1, rel=1e-6)


def test_special_tokens():
    pattern = np.zeros((4, 4))
    pattern[:, 0], pattern[:, 3] = 0.25, 0.75
    assert one(pattern, range(4), causal=False, special=(0, 3))["special"] == 1
    assert one(pattern, range(4), causal=False, special=(3,))["special"] == 0.75


def test_rows_that_do_not_sum_to_one_are_taken_as_distributions_for_their_entropy():
    halved = 0.5 * uniform(N)
    whole = one(uniform(N))
    found = one(halved)
    assert found["entropy"] == pytest.approx(whole["entropy"], rel=1e-6)
    assert found["distance"] == pytest.approx(whole["distance"], rel=1e-6)
    assert found["first"] == pytest.approx(whole["first"] / 2, rel=1e-6)
    assert found["nowhere"] == pytest.approx(0.5)
    assert np.isnan(whole["nowhere"])


def test_a_pattern_that_does_not_fit_the_tokens_is_refused():
    with pytest.raises(ValueError, match="does not fit 5 tokens"):
        head_metrics(as_pattern(uniform(4)), np.arange(5))


def test_the_table_has_a_row_for_each_head_and_says_where_it_is():
    found = head_metrics(as_pattern(current(N), previous(N), first(N)), PLAIN)
    table = found.table()
    assert list(table.columns["name"]) == ["L0H0", "L0H1", "L0H2"]
    assert found.best("previous") == (0, 1)
    assert table.csv().splitlines()[0].startswith("name,layer,head,previous")
    joined = found.joined({"copying": np.array([[0.1, 0.9, 0.2]])})
    assert joined.best("copying") == (0, 1)


def test_every_metric_says_how_it_is_computed_and_whose_idea_it_is():
    for found in METRICS.values():
        assert found.formula
        assert found.meaning.endswith(".")
        assert any(year in found.source for year in ("2019", "2020", "2021", "2022", "2023"))
    with pytest.raises(TomoError, match="there are: previous"):
        metric("sideways")
    with pytest.raises(TomoError):
        HeadMetrics({"sideways": np.zeros((1, 1))})


@pytest.mark.parametrize("example", range(5))
def test_gpt2_has_its_known_previous_token_head(example):
    folder = real_data("gpt2-attention-reference")
    stored = np.load(folder / f"reference_activations_ex{example}.npz")
    tokens = json.loads((folder / f"reference_activations_ex{example}.json").read_text("utf-8"))
    assert len(tokens["tokens"]) == len(stored["token_ids"])
    found = head_metrics(stored["attention"], stored["token_ids"])
    assert head_name(*found.best("previous")) == "L4H11"
    assert found["previous"][4, 11] > 0.99
    # The middle and late layers rest on the first token, the first layer does not.
    by_layer = found["first"].mean(axis=1)
    assert by_layer[5:11].min() > 0.7 > by_layer[0]
    n = len(stored["token_ids"])
    assert (found["spread"] >= 0).all()
    assert (found["spread"] <= 1 + 1e-6).all()
    assert found["distance"].max() < n
