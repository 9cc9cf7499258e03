"""Windows and the units that they are given in."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.window import UNITS, Scale, Window

SCALE = Scale(0.1, 0.02, -0.3, 0.5, lambda share: share, "signed")
NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, st.floats(1e-3, 1e6))
def test_limits_and_window_are_each_others_inverse(centre, width):
    window = Window(centre, width)
    again = Window.of_limits(*window.limits)
    assert again.centre == pytest.approx(centre, abs=1e-6)
    assert again.width == pytest.approx(width, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("centre", "width"),
    [(0, 0), (0, -1), (math.nan, 1), (0, math.inf), (1e20, 1e-9), ("high", 1), (None, 1)],
)
def test_a_window_that_shows_nothing_is_refused(centre, width):
    with pytest.raises(DisplayError, match=r"width|number|finite"):
        Window(centre, width)


def test_limits_in_the_wrong_order_are_refused():
    with pytest.raises(DisplayError, match="below"):
        Window.of_limits(1, 1)


def test_no_number_of_moves_brings_the_width_to_nothing():
    window = Window(0, 1)
    for _ in range(1000):
        window = window.moved(0.01, -10)
    assert window.width > 0
    assert window.centre == pytest.approx(10)


@given(st.sampled_from(UNITS), NUMBERS)
def test_units_convert_back(unit, value):
    assert SCALE.to(SCALE.from_(value, unit), unit) == pytest.approx(value, rel=1e-6, abs=1e-6)


def test_hounsfield_units_are_500_a_sigma():
    # HU = 500 (w − mean) / σ, as in the original scanner.
    assert SCALE.to(0.12, "hu") == pytest.approx(500)
    assert SCALE.to(0.12, "sigma") == pytest.approx(1)
    assert SCALE.length_from(2000, "hu") == pytest.approx(0.08)


def test_an_unknown_unit_is_named():
    with pytest.raises(DisplayError, match="furlong"):
        SCALE.to(1, "furlong")


def test_constant_data_get_a_window_around_their_value():
    flat = Scale(2.0, 0.0, 2.0, 2.0, lambda share: 2.0)
    assert flat.window(2, 2).limits == (1, 3)
    assert flat.from_(40, "hu") == 2
    assert np.isfinite(flat.to(5, "sigma"))
