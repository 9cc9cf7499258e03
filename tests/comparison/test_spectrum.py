"""Ranks and spectra of changes against full decompositions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from comparison.test_parts import Held, whole
from napari_gpt2_tomo.comparison import spectrum as module
from napari_gpt2_tomo.comparison.parts import pair_moments
from napari_gpt2_tomo.comparison.spectrum import change_spectrum

WEIGHTS = (90, 70)


def low_rank(rank, shape=WEIGHTS, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.05, (shape[0], rank)) @ rng.normal(0, 0.5, (rank, shape[1]))


def measured(a, b, order="C"):
    stored = b if order == "C" else b.T
    sides = (
        {"w": Held("w", a)},
        whole("w", a.shape),
        {"v": Held("v", stored)},
        whole("v", b.shape, order),
    )
    return change_spectrum(*sides, pair_moments(*sides))


def weights(shape=WEIGHTS):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(90, 70), (40, 300), (300, 40), (64, 64), (1, 9)])
@pytest.mark.parametrize("band", [64, 10_000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_all_singular_values_equal_those_of_numpy(monkeypatch, shape, band, order):
    monkeypatch.setattr(module, "BAND", band)
    a, b = weights(shape), weights(shape) * np.float32(1.5)
    found = measured(a, b, order)
    truth = np.linalg.svd(b.astype(float) - a, compute_uv=False)
    assert found.complete
    assert_allclose(found.values, truth, rtol=1e-10, atol=1e-12 * truth[0])
    share = (truth[:3] ** 2).sum() / (truth**2).sum()
    assert found.energy(3) == pytest.approx(share, rel=1e-10)


@pytest.mark.parametrize("rank", [0, 1, 4, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_a_merge_has_the_rank_of_its_adapter_in_every_stored_type(rank, dtype):
    a = weights().astype(dtype)
    b = (a.astype(float) + low_rank(rank)).astype(dtype)
    assert measured(a, b).rank == rank


def test_rounding_alone_has_no_rank():
    a = weights()
    b = a.astype(np.float16)
    assert measured(a.astype(np.float64), b).rank == 0


def test_a_change_of_everything_has_full_rank():
    assert measured(weights(), weights() + weights()[::-1]).rank == 70


def test_large_matrices_are_sketched(monkeypatch):
    monkeypatch.setattr(module, "EXACT", 32)
    monkeypatch.setattr(module, "SKETCH", 12)
    monkeypatch.setattr(module, "BAND", 500)
    a = weights((90, 70))
    b = (a + low_rank(5)).astype(np.float32)
    found = measured(a, b)
    truth = np.linalg.svd(b.astype(float) - a, compute_uv=False)
    assert (found.complete, found.rank, found.bounded) == (False, 5, True)
    assert_allclose(found.values[:5], truth[:5], rtol=1e-6)
    full = measured(a, a + weights((90, 70))[::-1])
    assert (full.rank, full.bounded) == (12, False)
    truth = np.linalg.svd((a + weights((90, 70))[::-1]).astype(float) - a, compute_uv=False)
    assert (full.values <= truth[:12] * (1 + 1e-9)).all()


def test_vectors_and_broken_parts_have_no_spectrum():
    assert measured(weights((70,)), weights((70,))) is None
    broken = weights()
    broken[3, 4] = np.nan
    assert measured(weights(), broken) is None


def test_equal_parts_have_rank_0_and_no_energy():
    found = measured(weights(), weights())
    assert (found.rank, found.energy(8), found.bounded) == (0, None, True)
