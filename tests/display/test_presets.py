"""The table of presets, and presets of one's own."""

import json

import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.presets import KINDS, PRESETS, Preset, from_json, preset, to_json
from napari_gpt2_tomo.display.window import Scale


def _normal(signal="signed"):
    from statistics import NormalDist

    bell = NormalDist(0, 2)
    if signal == "magnitude":
        # Of |w|, w normal with σ 2: mean 2·√(2/π), σ 2·√(1 − 2/π).
        return Scale(1.596, 1.206, 0, 9, lambda p: bell.inv_cdf(0.5 + min(p, 0.99999) / 2), signal)
    return Scale(0, 2, -9, 9, lambda p: bell.inv_cdf(min(max(p, 1e-5), 0.99999)), signal)


ORIGINAL = {
    "hu-full": (0, 2000),
    "hu-soft-tissue": (40, 400),
    "hu-high-density": (500, 1500),
    "hu-fine-structure": (0, 100),
    "hu-low": (-200, 600),
}
"""Centre and width in HU of the original scanner."""


@pytest.mark.parametrize(("key", "numbers"), ORIGINAL.items())
def test_the_original_presets_are_there_in_hounsfield_units(key, numbers):
    scale = _normal()
    window = preset(key).window(scale)
    assert scale.to(window.centre, "hu") == pytest.approx(numbers[0])
    assert scale.length_to(window.width, "hu") == pytest.approx(numbers[1])


def test_keys_are_unique_and_every_preset_says_what_it_is_good_for():
    assert len({row.key for row in PRESETS}) == len(PRESETS)
    assert all(row.about for row in PRESETS)


@pytest.mark.parametrize("signal", ["signed", "magnitude"])
@pytest.mark.parametrize("key", [row.key for row in PRESETS])
def test_every_preset_gives_a_window_for_signs_and_for_magnitudes(key, signal):
    assert preset(key).window(_normal(signal)).width > 0


def test_percentiles_of_signed_weights_are_centred_and_magnitudes_begin_at_zero():
    assert preset("p1-99").window(_normal()).limits == pytest.approx((-4.65, 4.65), abs=0.01)
    assert preset("p1-99").window(_normal("magnitude")).limits[0] == 0


def test_outliers_are_what_lies_beyond_six_sigma():
    scale = _normal("magnitude")
    low, high = preset("outliers").window(scale).limits
    assert (scale.to(low, "sigma"), scale.to(high, "sigma")) == pytest.approx((6, 12))


def test_constant_data_get_a_window_from_every_preset():
    flat = Scale(0.0, 0.0, 0.0, 0.0, lambda share: 0.0, "magnitude")
    assert all(row.window(flat).limits == (-1, 1) for row in PRESETS if row.kind != "weight")


def test_an_unknown_preset_is_answered_with_those_that_exist():
    with pytest.raises(DisplayError, match="soft-tissue"):
        preset("bones")


def _own():
    numbers = {"tail": (3, 9), "percentile": (5, 95), "part": (1, 99), "central": (80,)}
    numbers |= {"around_zero": (0.2,), "range": ()}
    return tuple(Preset(f"my-{k}", k, k, numbers.get(k, (0.5, 1.5))) for k in KINDS)


def test_own_presets_survive_a_file():
    assert from_json(to_json(_own())) == _own()


def test_the_file_is_readable():
    assert json.loads(to_json(_own()[:1])) == {
        "presets": [{"title": "weight", "kind": "weight", "centre": 0.5, "width": 1.5}]
    }


GOOD = {"title": "a", "kind": "sigma", "centre": 0, "width": 1}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("not json", "no file of presets"),
        ("[]", 'no list "presets"'),
        ([3], "Preset 1 is no object"),
        ([GOOD | {"title": 3}], "no title"),
        ([GOOD | {"title": " "}], "title of 1 to"),
        ([GOOD | {"title": "\x1b[31m"}], "title of 1 to"),
        ([GOOD | {"kind": "bone"}], "'bone'"),
        ([GOOD | {"width": 0}], "width must be above 0"),
        ([GOOD | {"width": "wide"}], "width must be a finite number"),
        ([GOOD | {"width": True}], "width must be a finite number"),
        ([GOOD | {"centre": float("nan")}], "centre must be a finite number"),
        ([GOOD | {"centre": 10**400}], "centre must be a finite number"),
        ([GOOD | {"depth": 1}], "depth"),
        ([{"title": "a", "kind": "sigma", "centre": 0}], "width"),
        ([{"title": "a", "kind": "percentile", "low": 9, "high": 3}], "low must be below"),
        ([{"title": "a", "kind": "percentile", "low": 9, "high": 300}], "between 0 and 100"),
        ([GOOD, GOOD], "Two presets"),
    ],
)
def test_an_invalid_file_is_refused_with_the_place(rows, said):
    text = rows if isinstance(rows, str) else json.dumps({"presets": rows})
    with pytest.raises(DisplayError, match=said):
        from_json(text)
