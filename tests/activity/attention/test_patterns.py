"""Ways to look at patterns: without the first token, small, from one picture of all heads."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.attention.mosaic import Mosaic
from napari_gpt2_tomo.activity.attention.patterns import (
    from_last,
    hide_future,
    resampled,
    thumbnails,
    to_first,
    without_first,
)

from .patterns import as_pattern, first, previous, uniform


def test_without_the_first_token_rows_are_shares_of_the_rest():
    rest = without_first(uniform(4))
    assert np.isnan(rest[:, 0]).all()
    assert np.isnan(rest[0]).all()
    np.testing.assert_allclose(np.nansum(rest[1:], axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(rest[3, 1:], 1 / 3, rtol=1e-6)
    assert np.isnan(without_first(first(4))).all()


def test_attention_to_the_first_token_and_from_the_last():
    pattern = as_pattern(first(4), previous(4))
    np.testing.assert_allclose(to_first(pattern), [[1, 1 / 3]])
    np.testing.assert_allclose(from_last(pattern), [[0.5, 0, 0.5, 0]])
    assert np.isnan(to_first(as_pattern(np.ones((1, 1))))).all()
    assert to_first(as_pattern(np.ones((1, 1))), causal=False) == 1


def test_what_a_query_cannot_see_is_hidden():
    hidden = hide_future(uniform(3))
    assert np.isnan(hidden[np.triu_indices(3, 1)]).all()
    assert np.isfinite(hidden[np.tril_indices(3)]).all()


@pytest.mark.parametrize("n", [1, 6, 40, 64, 65, 200])
def test_single_pairs_stay_in_sight_in_small_pictures(n):
    pattern = as_pattern(previous(n))
    small = thumbnails(pattern)
    assert small.shape == (1, 1, min(n, 64), min(n, 64))
    assert (small[0, 0].max(axis=1) == 1).all()
    for size in (5, 29, 64, 90):
        picture = resampled(small, size)
        assert picture.shape[-2:] == (size, size)
        assert (picture.max(axis=-1) == 1).all()


def test_hidden_pairs_are_nothing_and_blocks_of_them_stay_hidden():
    small = resampled(hide_future(uniform(100))[None, None], 10)[0, 0]
    assert np.isnan(small[np.triu_indices(10, 1)]).all()
    assert np.isfinite(small[np.tril_indices(10)]).all()


def test_every_head_of_a_mosaic_is_found_where_it_lies():
    mosaic = Mosaic.fitting(5, 8, 380, 600)
    width, height = mosaic.size
    assert width <= 380
    assert height <= 600
    values = np.arange(40, dtype=np.float32).reshape(5, 8, 1, 1)
    picture = mosaic.picture(values)
    assert picture.shape == (height, width)
    for layer in range(5):
        for head in range(8):
            x, y = mosaic.corner(layer, head)
            assert mosaic.at(x, y) == (layer, head)
            assert mosaic.at(x + mosaic.cell - 1, y + mosaic.cell - 1) == (layer, head)
            cell = picture[y : y + mosaic.cell, x : x + mosaic.cell]
            assert (cell == values[layer, head]).all()
    assert np.isnan(picture[:, mosaic.cell]).all()
    assert mosaic.at(-1, 0) is None
    assert mosaic.at(0, height + mosaic.gap) is None


def test_a_mosaic_of_many_heads_keeps_its_smallest_cells():
    mosaic = Mosaic.fitting(80, 64, 380, 600, least=10)
    assert mosaic.cell == 10
    assert mosaic.size[0] > 380
