"""Norms taken apart: exact in every architecture, and where geometry says that they lie."""

import numpy as np
import pytest

from activity.journey.planted import planted
from activity.running.families import CAUSAL, CONFIGS, network
from napari_gpt2_tomo.activity.geometry.gains import norm_gains, rank_correlation
from napari_gpt2_tomo.activity.geometry.norm import norm_places, norm_steps, take_apart
from napari_gpt2_tomo.activity.geometry.norm_figures import gains_plot, norm_plot, wire_sphere
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.display.plots import DARK, LIGHT

IDS = [3, 1, 4, 1, 5, 9]


@pytest.fixture(scope="module")
def activity_of(tmp_path_factory):
    made = {}

    def activity(family):
        if family not in made:
            folder = tmp_path_factory.getbasetemp() / family
            model = LanguageModel(network(family), folder, causal=family in CAUSAL)
            made[family] = model.run(IDS)
        return made[family]

    return activity


def parts(kind, gain=True, bias=True, tokens=5, d=16):
    random = np.random.default_rng(0)
    raw = (random.standard_normal((tokens, d)) * 3 + 1).astype(np.float32)
    centred = raw - raw.mean(axis=1, keepdims=True) if kind == "layer" else raw
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    g = random.standard_normal(d).astype(np.float32) if gain else None
    b = random.standard_normal(d).astype(np.float32) if bias else None
    return take_apart(raw, scale, g, b, kind), raw, g, b


@pytest.mark.parametrize("family", CONFIGS)
def test_the_last_step_of_every_norm_is_what_the_model_computes(family, activity_of):
    activity = activity_of(family)
    places = norm_places(activity)
    assert places
    for where, layer in places:
        found = norm_steps(activity, where, layer)
        model = activity.model
        own = model.norm(where, found.values[0], layer)
        np.testing.assert_allclose(found.values[-1], own, rtol=1e-4, atol=1e-5)
        if where == "final_norm":
            np.testing.assert_allclose(own, activity.read("final"), rtol=1e-4, atol=1e-4)
        if where == "attn_post_norm":
            np.testing.assert_allclose(own, activity.read("resid_mid", layer), rtol=1e-4, atol=1e-4)
        if where == "mlp_post_norm":
            np.testing.assert_allclose(
                own, activity.read("resid_post", layer), rtol=1e-4, atol=1e-4
            )


def test_centred_tokens_have_no_part_along_ones_and_those_on_the_sphere_its_radius():
    found, raw, gain, bias = parts("layer")
    assert found.names == ("raw", "centred", "sphere", "gain", "bias")
    steps = dict(zip(found.names, found.values, strict=True))
    np.testing.assert_array_equal(steps["raw"], raw)
    np.testing.assert_allclose(steps["centred"].sum(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(steps["sphere"], axis=1), found.radius, rtol=1e-5)
    assert found.radius == 4
    np.testing.assert_allclose(steps["gain"], steps["sphere"] * gain, rtol=1e-6)
    np.testing.assert_allclose(steps["bias"], steps["gain"] + bias, rtol=1e-6)


def test_an_rms_norm_does_not_centre_and_says_so():
    found, _, _, _ = parts("rms", bias=False)
    assert found.names == ("raw", "sphere", "gain")
    assert "does not centre" in found.stated
    np.testing.assert_allclose(np.linalg.norm(found.values[1], axis=1), 4, rtol=1e-5)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("tokens", [1, 2, 9])
def test_the_axes_of_the_picture_are_orthonormal_and_keep_the_sphere(kind, tokens):
    found, _, _, _ = parts(kind, tokens=tokens)
    np.testing.assert_allclose(found.basis @ found.basis.T, np.eye(3), atol=1e-5)
    assert (np.linalg.norm(found.points[found.names.index("sphere")], axis=1) <= 4 + 1e-4).all()
    if kind == "layer":
        np.testing.assert_allclose(found.basis[0], 0.25, atol=1e-6)
        np.testing.assert_allclose(found.points[1, :, 0], 0, atol=1e-4)
        np.testing.assert_allclose(
            found.points[0, :, 0], found.values[0].sum(axis=1) / 4, rtol=1e-4
        )


def test_a_norm_needs_its_model_and_its_layer(activity_of):
    activity = activity_of("gpt2")
    alone = Activity(activity.tokens, dict(activity), activity.source)
    with pytest.raises(TomoError, match="run it again"):
        norm_steps(alone, "attn_norm", 0)
    with pytest.raises(TomoError, match="of which"):
        norm_steps(activity, "attn_norm")


def test_a_norm_that_does_more_is_refused(activity_of):
    activity = activity_of("gpt2")

    class Odd:
        norm_kind, scheme = "layer", "pre-norm"
        norm_scale, weight = activity.model.norm_scale, activity.model.weight

        def norm(self, where, values, layer=None):
            return activity.model.norm(where, values, layer) ** 2

    odd = Activity(activity.tokens, dict(activity), activity.source, model=Odd())
    with pytest.raises(TomoError, match="does more"):
        norm_steps(odd, "attn_norm", 0)


def test_a_sphere_of_wires_has_its_radius_everywhere():
    for wire in wire_sphere(3.0):
        np.testing.assert_allclose(np.linalg.norm(wire, axis=1), 3, rtol=1e-5)
        np.testing.assert_allclose(wire[0], wire[-1], atol=1e-5)


def test_gains_are_held_against_positions_where_they_are_learned(activity_of):
    found = norm_gains(activity_of("gpt2"), "mlp_norm")
    model = activity_of("gpt2").model
    sigma = model.weight("position_embedding").std(axis=1)
    np.testing.assert_allclose(found.sigma[1], sigma, rtol=1e-5)
    np.testing.assert_array_equal(found.gains[1], model.weight("mlp_norm", layer=1))
    assert "position embedding" in found.meaning


def test_gains_of_other_models_are_held_against_the_stream_which_is_said(activity_of):
    activity = activity_of("llama")
    found = norm_gains(activity, "mlp_norm")
    np.testing.assert_allclose(found.sigma, activity["resid_mid"].std(axis=1), rtol=1e-5)
    assert "stream" in found.meaning
    with pytest.raises(TomoError):
        norm_gains(activity_of("olmo"))


def test_ranks_of_equal_values_are_shared():
    a = np.array([1, 2, 2, 4], np.float32)
    # Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: Pearson's correlation of those.
    expected = np.corrcoef([1, 2.5, 2.5, 4], [1, 3, 2, 4])[0, 1]
    assert rank_correlation(a, np.array([1, 3, 2, 4], np.float32)) == pytest.approx(expected)
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert np.isnan(rank_correlation(a, np.ones(4, np.float32)))


def test_the_plots_draw(activity_of):
    for family, theme in (("gpt2", DARK), ("llama", LIGHT)):
        activity = activity_of(family)
        steps = norm_steps(activity, "attn_norm", 0)
        plot = norm_plot(steps, activity.tokens.labels, 2)
        plot.figure(theme).draw_without_rendering()
        assert len(plot.table) == len(steps.names) * len(IDS)
        gains = gains_plot(norm_gains(activity))
        gains.figure(theme).draw_without_rendering()
        assert len(gains.table) == 2 * 16


def test_without_a_recorded_stream_there_is_no_norm_to_look_at():
    activity = planted()
    assert norm_places(Activity(activity.tokens, {}, activity.source)) == ()
