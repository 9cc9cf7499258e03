"""Angles between directions: of a neuron's own, and of features among each other."""

import numpy as np
import pytest

from activity.running.families import network
from napari_gpt2_tomo.activity.geometry import superposition
from napari_gpt2_tomo.activity.geometry.alignment import alignment
from napari_gpt2_tomo.activity.geometry.angle_figures import angles_plot
from napari_gpt2_tomo.activity.geometry.figures import FIGURES
from napari_gpt2_tomo.activity.geometry.neuron_figures import alignment_plot
from napari_gpt2_tomo.activity.geometry.superposition import (
    angles,
    angles_between,
    participation_ratio,
    random_density,
    random_magnitude,
)
from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from napari_gpt2_tomo.display.plots import DARK, LIGHT
from napari_gpt2_tomo.facade import Scan


@pytest.fixture(scope="module")
def activity_of(tmp_path_factory):
    made = {}

    def activity(family):
        if family not in made:
            model = LanguageModel(network(family), tmp_path_factory.getbasetemp() / family)
            made[family] = model.run([3, 1, 4, 1, 5])
        return made[family]

    return activity


def rows_of(n=300, d=20, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(rows), 1)]


@pytest.mark.parametrize("channels", [4, 16, 768])
def test_the_density_of_random_cosines_integrates_to_1_and_has_its_moments(channels):
    x = np.linspace(-1, 1, 200_001)
    density = random_density(x, channels)
    step = x[1] - x[0]
    assert density.sum() * step == pytest.approx(1, rel=1e-4)
    assert (density * x**2).sum() * step == pytest.approx(1 / channels, rel=1e-4)
    assert (density * np.abs(x)).sum() * step == pytest.approx(random_magnitude(channels), rel=1e-4)


def test_random_directions_lie_as_the_baseline_says():
    found = angles_between(rows_of(1500, 32), "random")
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    np.testing.assert_allclose(found.density, random_density(middles, 32), atol=0.05)
    assert found.magnitude == pytest.approx(random_magnitude(32), rel=0.01)
    assert found.dimension == pytest.approx(found.random_dimension, rel=0.01)


def test_every_pair_is_counted_once_however_many_blocks_there_are(monkeypatch):
    rows = rows_of()
    monkeypatch.setattr(superposition, "BLOCK", 70)
    found = angles_between(rows, "rows")
    truth = cosines(rows)
    counts = np.histogram(truth, found.edges)[0]
    np.testing.assert_allclose(found.density * len(truth) * 0.01, counts, atol=3)
    assert found.magnitude == pytest.approx(np.abs(truth).mean(), rel=1e-5)
    strongest = np.sort(np.abs(truth))[::-1][:5]
    np.testing.assert_allclose([abs(one.cosine) for one in found.pairs[:5]], strongest, rtol=1e-5)


def test_planted_pairs_are_named_the_opposite_one_too():
    rows = rows_of()
    rows[17] = 2 * rows[250]
    rows[40] = -rows[41]
    rows[41] += 0.01
    found = angles_between(rows, "rows", lambda index: f"row {index}")
    first, second = found.pairs[:2]
    assert (first.first, first.second) == ("row 17", "row 250")
    assert (second.first, second.second) == ("row 40", "row 41")
    assert second.cosine < -0.99


def test_a_shared_direction_goes_when_the_mean_is_subtracted():
    rows = rows_of() + 5
    assert angles_between(rows, "rows").magnitude > 0.9
    centred = angles_between(rows, "rows", centred=True)
    assert centred.magnitude == pytest.approx(random_magnitude(20), rel=0.05)
    assert "mean subtracted" in centred.stated


def test_a_draw_is_the_same_for_the_same_seed_and_is_stated():
    first, again, other = (angles_between(rows_of(), "x", most=50, seed=s) for s in (3, 3, 4))
    assert first.pairs == again.pairs != other.pairs
    assert "50 of 300 directions, drawn with seed 3," in first.stated


def test_orthogonal_directions_have_their_number_as_effective_dimension():
    assert participation_ratio(np.eye(7, 9, dtype=np.float32)) == pytest.approx(7)
    assert participation_ratio(np.ones((5, 4), np.float32)) == pytest.approx(1)


def test_zeros_are_no_directions():
    rows = rows_of(6)
    rows[2] = 0
    assert angles_between(rows, "rows").count == 5
    with pytest.raises(TomoError, match="fewer than two"):
        angles_between(np.zeros((4, 3), np.float32), "rows")
    rows[1, 1] = np.nan
    with pytest.raises(TomoError, match="not finite"):
        angles_between(rows, "rows")


def test_work_on_many_directions_can_be_cancelled():
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        angles_between(rows_of(), "rows", progress=progress)


def test_cosines_of_a_neuron_are_those_of_its_weights(activity_of):
    model = activity_of("llama").model
    found = alignment(activity_of("llama"))
    assert list(found.cosines) == ["in_out", "gate_in", "gate_out"]
    gate, reads, writes = (model.weight(role, layer=1)[:, 5] for role in ("gate", "up", "down"))
    for name, (a, b) in {
        "in_out": (reads, writes),
        "gate_in": (gate, reads),
        "gate_out": (gate, writes),
    }.items():
        expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        np.testing.assert_allclose(found.cosines[name][1][5], expected, rtol=1e-5)
    assert found.sigma == 0.25


def test_neurons_without_gates_have_one_cosine(activity_of):
    assert list(alignment(activity_of("gpt2")).cosines) == ["in_out"]
    with pytest.raises(TomoError, match="no gates"):
        angles(activity_of("gpt2"), "gate")


def test_all_experts_of_a_mixture_count(activity_of):
    found = alignment(activity_of("mixtral"))
    assert {len(one) for one in found.cosines["in_out"]} == {3 * 24}


def test_a_scan_gives_what_the_model_gives_without_running_it(tiny_phantom):
    with Scan(tiny_phantom) as scan:
        found = alignment(scan)
        reads = np.asarray(scan.part("up", 2), np.float32)[:, 3]
        writes = np.asarray(scan.part("down", 2), np.float32)[:, 3]
        expected = reads @ writes / np.linalg.norm(reads) / np.linalg.norm(writes)
        np.testing.assert_allclose(found.cosines["in_out"][2][3], expected, rtol=1e-4)
        drawn = angles(scan, "out", most=100)
        assert drawn.count <= 108
        assert drawn.total == sum(len(one) for one in found.cosines["in_out"])
        assert all(pair.first.startswith("L") for pair in drawn.pairs)
        tokens = angles(scan, "token_embedding", centred=True, most=50)
        assert tokens.pairs[0].first.startswith("#")


def test_layers_that_are_not_there_are_said(activity_of):
    with pytest.raises(TomoError, match="no 7"):
        angles(activity_of("gpt2"), "in", 7)
    activity = activity_of("gpt2")
    with pytest.raises(TomoError, match="run the prompt again"):
        alignment(Activity(activity.tokens, {}, activity.source))


@pytest.mark.parametrize("family", ["gpt2", "olmo", "mixtral"])
def test_every_figure_of_a_report_draws_or_says_that_it_does_not_apply(family, activity_of):
    activity = activity_of(family)
    plots = [make(activity) for make in FIGURES]
    for plot, theme in zip(plots, (DARK, LIGHT) * 5, strict=False):
        if plot is not None:
            plot.figure(theme).draw_without_rendering()
            assert len(plot.table)
    names = [plot.name for plot in plots if plot is not None]
    assert len(set(names)) == len(names)
    assert ("norm-gains" in names) is (family != "olmo")
    assert ("strongest-neurons" in names) is (family != "mixtral")


def test_nothing_recorded_makes_no_figure():
    nothing = Activity(Tokens.of_ids([1, 2]), {}, Source("nothing"))
    assert {make(nothing) for make in FIGURES} == {None}


def test_plots_of_directions_draw(activity_of):
    activity = activity_of("llama")
    plot = alignment_plot(alignment(activity))
    plot.figure(LIGHT).draw_without_rendering()
    assert len(plot.table) == 2 * 24
    found = angles(activity, "unembedding")
    plot = angles_plot(found)
    plot.figure(DARK).draw_without_rendering()
    assert plot.name == "superposition-unembedding"


def test_the_effective_dimension_of_random_directions_is_that_of_unit_vectors():
    # n directions: Σ cos² of all pairs is n + n(n−1)/d, so the ratio is n·d/(n + d − 1).
    stated = angles_between(rows_of(n=6, d=4), "x").random_dimension
    draws = rows_of(n=6 * 3000, d=4).reshape(3000, 6, 4)
    draws /= np.linalg.norm(draws, axis=-1, keepdims=True)
    assert stated == pytest.approx(6 * 4 / 9)
    assert np.mean([1 / participation_ratio(one) for one in draws]) == pytest.approx(
        1 / stated, rel=0.01
    )


def test_directions_that_are_zero_are_told():
    rows = np.concatenate([np.eye(4, dtype=np.float32), np.zeros((3, 4), np.float32)])
    assert "4 directions (3 are 0)" in angles_between(rows, "x").stated
