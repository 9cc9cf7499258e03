"""Histograms and distribution functions of what is displayed."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.distribution import Distribution, Distributions
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.reading.signal import DEFAULT_REDUCTION, make_signal


@pytest.fixture(scope="module")
def scan(tiny_phantom):
    with Scan(tiny_phantom) as opened:
        opened.statistics()
        yield opened


def _values(scan, signal, names=None):
    """Every displayed value of the named parts, straight from the file."""
    statistics = scan.statistics()
    rule = make_signal(signal, scan.anatomy, statistics)
    found = [
        rule.apply(scan.values(part).reshape(-1), number)
        for number, part in enumerate(scan.anatomy.parts)
        if names is None or part.name in names
    ]
    values = np.concatenate(found).astype(np.float64)
    return values[np.isfinite(values)]


@pytest.mark.parametrize("signal", list(DEFAULT_REDUCTION))
def test_the_whole_distribution_is_that_of_the_weights(scan, signal):
    found = Distribution.of_statistics(scan.statistics(), signal)
    values = _values(scan, signal)
    assert not found.estimate
    assert found.n == values.size
    assert found.mean == pytest.approx(values.mean(), abs=0.02 * values.std())
    assert found.sigma == pytest.approx(values.std(), rel=0.02)
    assert (found.low, found.high) == pytest.approx(
        (values.min(), values.max()), rel=1e-5, abs=1e-5
    )
    at = np.quantile(values, [0.05, 0.3, 0.5, 0.9, 0.99])
    # A bin of the statistics is 6 % wide.
    np.testing.assert_allclose(found.cdf(at), [0.05, 0.3, 0.5, 0.9, 0.99], atol=0.03)


@pytest.mark.parametrize("signal", list(DEFAULT_REDUCTION))
def test_the_window_of_the_opening_percentiles_is_the_volumes(scan, signal):
    volume = scan.volume(signal=signal)
    scale = Distributions(volume).of().scale()
    low, high = (0, 1) if signal == "rank" else (scale.quantile(0.001), scale.quantile(0.999))
    assert scale.window(low, high).limits == pytest.approx(volume.window())


@pytest.mark.parametrize("signal", list(DEFAULT_REDUCTION))
@pytest.mark.parametrize("part", ["L1.q", "final_norm"])
def test_a_part_is_estimated_from_its_quantiles_and_sampled_exactly(scan, signal, part):
    made = Distributions(scan.volume(signal=signal))
    quick, sampled = made.of(part), made.sample(part)
    values = _values(scan, signal, {part})
    assert quick.estimate
    assert not sampled.estimate
    assert quick.n == sampled.n == values.size
    spread = values.std() or 1
    assert sampled.mean == pytest.approx(values.mean(), abs=1e-5 * spread)
    assert sampled.sigma == pytest.approx(values.std(), rel=1e-4, abs=1e-6)
    assert quick.mean == pytest.approx(values.mean(), abs=0.35 * spread)
    assert quick.quantile(0.5) == pytest.approx(np.median(values), abs=0.2 * spread)


def test_a_sample_of_a_large_part_says_that_it_is_one(scan):
    made = Distributions(scan.volume(signal="signed"))
    part = max(scan.anatomy.parts, key=lambda one: one.size)
    sampled = made.sample(part.name, limit=part.size // 8)
    values = _values(scan, "signed", {part.name})
    assert sampled.estimate
    assert sampled.n == part.size
    assert sampled.sigma == pytest.approx(values.std(), rel=0.2)


def test_an_unknown_part_is_an_error_of_the_user(scan):
    with pytest.raises(DisplayError, match=r"L99\.q"):
        Distributions(scan.volume()).of("L99.q")


def test_bins_for_drawing_hold_the_weights_between_two_values():
    values = np.random.default_rng(0).normal(0, 1, 20000).astype(np.float32)
    found = Distribution.of_values(values, "signed", "normal")
    drawn = found.binned(-3, 3, 30)
    expected, _ = np.histogram(values, 30, (-3, 3))
    np.testing.assert_allclose(drawn, expected, rtol=0.15, atol=30)
    assert found.share(-1, 1) == pytest.approx(0.683, abs=0.02)


def test_nothing_and_constants_and_non_finite_values_have_a_distribution():
    empty = Distribution.of_values(np.array([np.nan, np.inf], np.float32), "signed", "x")
    assert (empty.n, empty.quantile(0.5), float(empty.cdf(1.0))) == (0, 0, 0)
    flat = Distribution.of_values(np.full(9, 2.0, np.float32), "signed", "x")
    assert (flat.sigma, flat.low, flat.high) == (0, 2, 2)
    assert flat.scale().window(flat.quantile(0.01), flat.quantile(0.99)).limits == (1, 3)
