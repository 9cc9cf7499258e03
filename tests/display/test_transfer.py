"""Transfer functions: their stops, tables and names."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.transfer import (
    DEFAULTS,
    TRANSFERS,
    TransferFunction,
    for_signal,
    register,
    transfer,
)
from napari_gpt2_tomo.volume.reading.signal import DEFAULT_REDUCTION

# Position, red, green, blue in 0…255, opacity: the original scanner's.
ORIGINAL = {
    "MRI T1": "0:0,0,0/0; .2:0,0,50/.1; .4:20,20,30/.05; .5:80,60,60/.3; .7:150,100,80/.5; "
    ".85:200,180,160/.7; 1:255,255,240/.9",
    "MRI T2": "0:0,0,0/0; .3:0,30,80/.2; .5:50,100,150/.4; .7:100,180,220/.6; 1:200,240,255/.9",
    "CT bone": "0:0,0,0/0; .5:0,0,0/0; .6:150,130,100/.3; .8:220,200,180/.7; 1:255,255,255/1",
    "Rainbow": "0:0,0,128/.3; .25:0,128,255/.5; .5:0,255,0/.6; .75:255,255,0/.7; 1:255,0,0/.9",
    "Heat": "0:0,0,128/.2; .25:0,100,200/.4; .5:255,255,255/.5; .75:255,150,0/.7; 1:200,0,0/.9",
}


@pytest.mark.parametrize("name", ORIGINAL)
def test_the_original_functions_have_their_stops(name):
    for stop in ORIGINAL[name].split(";"):
        at, rest = stop.split(":")
        rgb, alpha = rest.split("/")
        found = transfer(name).at(np.array([float(at)]))[0]
        np.testing.assert_allclose(found[:3] * 255, [int(v) for v in rgb.split(",")], atol=1e-3)
        assert found[3] == pytest.approx(float(alpha))


@pytest.mark.parametrize("name", list(TRANSFERS))
def test_every_function_makes_a_table(name):
    lut = TRANSFERS[name].lut()
    assert lut.shape == (256, 4)
    assert lut.dtype == np.float32
    assert lut.min() >= 0
    assert lut.max() <= 1


@pytest.mark.parametrize("name", [n for n in TRANSFERS if TRANSFERS[n].signed])
def test_signed_functions_are_clear_around_zero_and_rise_on_both_sides(name):
    alpha = TRANSFERS[name].lut(257)[:, 3]
    assert alpha[128] == 0
    assert (np.diff(alpha[128:]) >= 0).all()
    assert (np.diff(alpha[:129]) <= 0).all()
    assert min(alpha[0], alpha[-1]) >= 0.9


def test_every_signal_has_a_colour_blind_safe_default_of_its_kind():
    assert set(DEFAULTS) > set(DEFAULT_REDUCTION)
    for signal in DEFAULT_REDUCTION:
        assert for_signal(signal).safe
        assert for_signal(signal).signed == (signal in ("signed", "sigma", "sigma_global"))


def test_what_a_prompt_does_has_defaults_of_its_kind():
    assert for_signal("activity").signed
    # Both rise in lightness from black, so that they can be laid over a picture.
    for signal in ("attention", "strength"):
        lightness = for_signal(signal).lut()[:, :3] @ [0.2126, 0.7152, 0.0722]
        assert lightness[0] < 0.05
        assert (np.diff(lightness) >= 0).all()


def test_inverting_turns_colours_and_leaves_the_air_clear():
    plain, turned = transfer("CT bone").lut(), transfer("CT bone").lut(invert=True)
    np.testing.assert_allclose(turned[:, :3], plain[::-1, :3], atol=1e-6)
    np.testing.assert_array_equal(turned[:, 3], plain[:, 3])


def test_a_function_is_linear_between_its_positions():
    function = transfer("MRI T1")
    for invert in (False, True):
        places = np.array(function.positions(invert=invert))
        rows = function.at(places, invert=invert)
        at = np.linspace(0, 1, 101)
        linear = np.stack([np.interp(at, places, rows[:, i]) for i in range(4)], axis=1)
        np.testing.assert_allclose(function.at(at, invert=invert), linear, atol=1e-6)


def test_over_a_background_the_clear_parts_show_it():
    laid = transfer("CT bone").over((1.0, 0.5, 0.0), 5)
    np.testing.assert_allclose(laid[0], [1, 0.5, 0])
    np.testing.assert_allclose(laid[-1], [1, 1, 1])


def test_any_colormap_of_cmap_can_be_named_and_capitals_do_not_matter():
    assert transfer("mri t1") == TRANSFERS["MRI T1"]
    assert transfer("cmocean:balance").signed
    assert not transfer("turbo").signed
    with pytest.raises(DisplayError, match=r"mud.*inferno"):
        transfer("mud")


def test_a_function_of_ones_own_is_found_by_its_name_but_replaces_none():
    own = TransferFunction("my greens", ((0, (0, 0, 0)), (1, (0, 1, 0))), ((0, 0), (1, 1)))
    register(own)
    assert transfer("my greens") is own
    with pytest.raises(DisplayError, match="already"):
        register(TransferFunction("inferno", own.colours, own.opacity))


def test_stops_out_of_order_are_refused():
    with pytest.raises(DisplayError, match="rise from 0 to 1"):
        TransferFunction("wrong", ((0.5, (0, 0, 0)), (1, (1, 1, 1))), ((0, 0), (1, 1)))
