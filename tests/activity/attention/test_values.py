"""Patterns weighted with what they carry, and norms of outputs."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.attention.looks import Look, all_small, is_causal, shown
from napari_gpt2_tomo.activity.attention.values import (
    output_norms,
    value_norms,
    weighted_pattern,
)
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.base import TomoError


def heads(activity):
    layers, n_heads = activity["pattern"].shape[:2]
    return [(layer, head) for layer in range(layers) for head in range(n_heads)]


def test_weighted_values_of_a_query_add_up_to_what_the_head_writes(activity):
    """With the vectors, not their lengths: what is weighted is what is summed."""
    shared = activity["v"].shape[1]
    n_heads = activity["pattern"].shape[1]
    for layer, head in heads(activity):
        values = activity.read("v", layer, head * shared // n_heads)
        carried = values @ activity.model.weight("o", layer, head).T
        pattern = activity.read("pattern", layer, head)
        np.testing.assert_allclose(
            pattern @ carried, activity.read("head_out", layer, head), atol=1e-4
        )
        lengths = np.linalg.norm(carried, axis=-1)
        np.testing.assert_allclose(value_norms(activity, layer, head), lengths, rtol=1e-4)
        np.testing.assert_allclose(
            weighted_pattern(activity, layer, head), pattern * lengths, rtol=1e-4
        )


def test_norms_of_outputs_are_the_same_from_outputs_and_from_gathered_values(activity):
    names = [name for name in activity if name != "head_out"]
    gathered = Activity(
        activity.tokens,
        {name: activity[name] for name in names},
        activity.source,
        model=activity.model,
    )
    np.testing.assert_allclose(output_norms(gathered), output_norms(activity), rtol=1e-4)
    direct = np.linalg.norm(activity.read("head_out"), axis=-1).mean(axis=-1)
    np.testing.assert_allclose(output_norms(activity), direct, rtol=1e-5)


def test_without_the_model_only_the_raw_pattern_is_there(activity):
    stored = Activity(
        activity.tokens, {name: activity[name] for name in ("pattern", "v")}, activity.source
    )
    assert is_causal(stored)
    assert np.isfinite(shown(stored, 0, 0)).sum() == 7 * 8 / 2
    with pytest.raises(TomoError, match="needs the model: run it again"):
        shown(stored, 0, 0, Look("values"))


def test_a_look_without_the_first_token_shows_shares_of_the_rest(activity):
    whole = shown(activity, 1, 1, Look("values"))
    rest = shown(activity, 1, 1, Look("values", first=False))
    assert np.isnan(rest[:, 0]).all()
    np.testing.assert_allclose(rest[-1, 1:], whole[-1, 1:] / whole[-1, 1:].sum(), rtol=1e-4)
    small = all_small(activity, Look("values", first=False))
    np.testing.assert_array_equal(small[1, 1], rest)
