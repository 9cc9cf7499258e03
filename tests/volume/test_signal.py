"""What a voxel shows of its weight."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.anatomy.anatomy import Anatomy
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.volume.layouts.blocks import tensor_layout
from napari_gpt2_tomo.volume.layouts.body import body_layout
from napari_gpt2_tomo.volume.reading.reader import make_reader
from napari_gpt2_tomo.volume.reading.signal import Signal, make_signal, resolve_reduction
from napari_gpt2_tomo.volume.statistics.exact import exact_statistics
from napari_gpt2_tomo.volume.statistics.summary import Statistics, estimate_statistics
from volume.architectures import Sizes, gpt2
from volume.fakes import MemoryCheckpoint, checkpoint_of
from volume.truth import assert_reduced, limits, same, streamed

SIGNALS = ("signed", "magnitude", "sigma", "sigma_global", "rank")
ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -3.4e38, 0.5, -0.5], np.float32)


def scan(**tensors: np.ndarray) -> tuple[MemoryCheckpoint, Anatomy, Statistics]:
    stored = {
        name: ("F32", np.asarray(v, np.float32).view(np.uint32)) for name, v in tensors.items()
    }
    checkpoint = MemoryCheckpoint(stored)
    anatomy = recognise(checkpoint.shapes)
    return checkpoint, anatomy, exact_statistics(checkpoint, anatomy)


@pytest.mark.parametrize(
    ("signal", "reduction"),
    [("signed", "extreme"), ("magnitude", "rms"), ("sigma", "extreme"),
     ("sigma_global", "extreme"), ("rank", "mean")],
)  # fmt: skip
def test_every_signal_has_a_reduction_of_its_own(signal, reduction):
    assert resolve_reduction(signal, None) == (signal, reduction)


@pytest.mark.parametrize("signal", ["signed", "sigma", "sigma_global"])
def test_a_signal_with_a_sign_is_not_shown_without_it(signal):
    with pytest.raises(LayoutError, match="loses"):
        resolve_reduction(signal, "rms")
    assert resolve_reduction(signal, "mean") == (signal, "mean")
    assert resolve_reduction("magnitude", "extreme") == ("magnitude", "extreme")


def test_unknown_words_are_answered_with_those_that_there_are():
    with pytest.raises(LayoutError, match="magnitude"):
        resolve_reduction("loudness", None)
    with pytest.raises(LayoutError, match="extreme"):
        resolve_reduction("signed", "median")


@pytest.mark.parametrize("name", ["sigma", "sigma_global", "rank"])
def test_what_depends_on_all_weights_needs_statistics(name):
    with pytest.raises(LayoutError, match="statistics"):
        make_signal(name, recognise({"a": (3,)}), None)


def test_signed_shows_the_weight_and_magnitude_its_size():
    anatomy = recognise({"a": ODD.shape})
    assert same(make_signal("signed", anatomy, None).apply(ODD, 0), ODD)
    assert same(make_signal("magnitude", anatomy, None).apply(ODD, 0), np.abs(ODD))


def test_sigma_is_the_score_in_the_part_and_sigma_global_in_all():
    rng = np.random.default_rng(0)
    small, large = rng.normal(0, 1, 500), rng.normal(5, 20, (30, 40))
    _, anatomy, statistics = scan(small=small, large=large)
    every = np.concatenate([small, large.ravel()]).astype(np.float32).astype(np.float64)
    sigma = make_signal("sigma", anatomy, statistics)
    overall = make_signal("sigma_global", anatomy, statistics)
    for part, values in enumerate((small, large)):
        values = values.astype(np.float32)
        wide = values.astype(np.float64)
        expected = (wide - wide.mean()) / wide.std()
        np.testing.assert_allclose(sigma.apply(values, part), expected, rtol=1e-5, atol=1e-6)
        expected = (wide - every.mean()) / every.std()
        np.testing.assert_allclose(overall.apply(values, part), expected, rtol=1e-5, atol=1e-6)


def test_rank_is_the_share_of_parameters_at_or_below():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 4000), np.zeros(1000), rng.normal(0, 1e-4, 1000)])
    values = values.astype(np.float32)
    _, anatomy, statistics = scan(a=values)
    ranks = make_signal("rank", anatomy, statistics).apply(values, 0)
    below = np.searchsorted(np.sort(values), values, side="left") / values.size
    above = np.searchsorted(np.sort(values), values, side="right") / values.size
    # A bin spans a sixteenth of an octave: 2.2 % of a normal distribution at most.
    assert (ranks >= below - 0.022).all()
    assert (ranks <= above + 0.022).all()
    order = np.argsort(values)
    assert (np.diff(ranks[order]) >= 0).all()
    assert ranks.min() >= 0
    assert ranks.max() <= 1


def test_constant_parts_deviate_nowhere_and_what_is_not_finite_stays_visible():
    flat = np.full(9, 0.1)
    flat[3], flat[4] = np.nan, -np.inf
    _, anatomy, statistics = scan(flat=flat, other=np.arange(5.0))
    for name in ("sigma", "rank"):
        shown = make_signal(name, anatomy, statistics).apply(flat.astype(np.float32), 0)
        assert np.isnan(shown[3])
        assert shown[4] == -np.inf
        assert np.isfinite(np.delete(shown, [3, 4])).all()
    shown = make_signal("sigma", anatomy, statistics).apply(flat.astype(np.float32), 0)
    assert not np.delete(shown, [3, 4]).any()
    everywhere = scan(flat=np.full(7, 2.5))
    shown = make_signal("sigma_global", *everywhere[1:]).apply(np.full(7, 2.5), 0)
    assert same(shown, np.zeros(7, np.float32))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIGNALS), st.sampled_from(["<f8", "<f2", "<i8"]))
def test_a_weight_shows_the_same_value_wherever_it_is_computed(seed, name, dtype):
    """One at a time, part by part, or all at once with a part for each."""
    rng = np.random.default_rng(seed)
    count = 3
    signal = Signal(
        name,
        np.array([0, 1, 0], np.float32) * rng.integers(2),
        rng.standard_normal(count).astype(np.float32),
        np.array([0, 0.5, 2], np.float32),
        np.sort(rng.standard_normal(5)).astype(np.float32),
        np.linspace(0, 1, 5, dtype=np.float32),
    )
    weights = (rng.standard_normal(200) * 50).astype(dtype)
    if weights.dtype.kind == "f":
        weights[:3] = np.nan, np.inf, -np.inf
    part = rng.integers(0, count, 200)
    together = signal.apply(weights, part)
    for i in range(count):
        assert same(signal.apply(weights[part == i], i), together[part == i])
    alone = np.array(
        [signal.apply(np.asarray(w), int(p)) for w, p in zip(weights, part, strict=True)]
    )
    assert same(alone.astype(np.float32), together)


def with_shift(anatomy: Anatomy, name: str, shift: float) -> Anatomy:
    parts = [replace(p, shift=shift) if p.name == name else p for p in anatomy.parts]
    return replace(anatomy, parts=tuple(parts))


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_norm_stored_less_one_is_shown_with_it(signal):
    found = gpt2(Sizes(12, 2, 3, 3, 4, 20, 30, 4, 1, 1, False))
    checkpoint = checkpoint_of(found.shapes)
    anatomy = with_shift(recognise(found.shapes), "L1.mlp_norm", 1.0)
    position = [p.name for p in anatomy.parts].index("L1.mlp_norm")
    statistics = exact_statistics(checkpoint, anatomy)
    stored = checkpoint.truth["h.1.ln_2.weight"]
    assert statistics.mean[position] == pytest.approx(1 + stored.astype(float).mean())
    assert statistics.sigma[position] == pytest.approx(stored.astype(float).std())
    assert statistics.low[position] == pytest.approx(1 + stored.min())
    estimate = estimate_statistics(checkpoint, anatomy)
    assert estimate.mean[position] == pytest.approx(statistics.mean[position])

    rule = make_signal(signal, anatomy, statistics)
    value = stored + np.float32(1)
    expected = value
    if signal == "magnitude":
        expected = np.abs(value)
    elif signal.startswith("sigma"):
        expected = (value - rule.centre[position]) / rule.spread[position]
    elif signal == "rank":
        expected = np.interp(value, rule.values, rule.ranks)
    with limits(plane=4):
        layout = body_layout(anatomy, found.shapes)
    _, reduction = resolve_reduction(signal, None)
    reader = make_reader(layout, checkpoint, rule, reduction)
    box = tuple((0, n) for n in layout.shape)
    voxels = reader.read(box, 0)
    shown = np.array([voxels[layout.voxel("h.1.ln_2.weight", (i,))] for i in range(12)])
    # Ranks are found in a table of bins instead of by a search.
    expected = expected.astype(np.float32)
    close = 2e-7 if signal == "rank" else 0
    assert np.allclose(shown, expected, rtol=0, atol=close)
    # The neighbours of other parts are not moved.
    other = voxels[layout.voxel("h.0.ln_2.weight", (3,))]
    assert other == rule.apply(checkpoint.truth["h.0.ln_2.weight"], anatomy_part(anatomy))[3]
    held = reader.labels(box, 0) != 0
    for level, found_level in streamed(reader, rule.is_weight).items():
        assert_reduced(found_level, voxels, held, layout.factors[level], reduction)
    alone = tensor_layout(anatomy, found.shapes, "h.1.ln_2.weight")
    row = make_reader(alone, checkpoint, rule, reduction).read(((0, 1), (0, 12)), 0)
    assert np.allclose(row[0], expected, rtol=0, atol=close)


def anatomy_part(anatomy: Anatomy) -> int:
    return [p.name for p in anatomy.parts].index("L0.mlp_norm")


def test_the_token_tells_signals_apart_that_show_other_values():
    _, anatomy, statistics = scan(a=np.arange(50.0), b=np.ones((3, 4)))
    _, _, moved = scan(a=np.arange(50.0) + 1, b=np.ones((3, 4)))
    tokens = [make_signal(name, anatomy, statistics).token for name in SIGNALS]
    tokens += [make_signal(name, anatomy, moved).token for name in SIGNALS[2:]]
    tokens.append(make_signal("signed", with_shift(anatomy, "a", 1.0), None).token)
    assert len(set(tokens)) == len(tokens)
    assert (
        make_signal("signed", anatomy, statistics).token
        == make_signal("signed", anatomy, moved).token
    )
