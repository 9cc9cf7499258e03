"""Principal components: right, the same each time, and honest about what they show."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity import projection
from napari_gpt2_tomo.activity.projection import fit_pca, fit_umap
from napari_gpt2_tomo.base import TomoError


def rows_of(n: int, d: int, seed: int = 0):
    """Rows with a spectrum that falls, and a mean."""
    random = np.random.default_rng(seed)
    return (random.standard_normal((n, d)) * 0.7 ** np.arange(d) + 3).astype(np.float32)


def truth(rows, k):
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    return axes[:k], (singular**2 / np.square(singular).sum())[:k]


@pytest.mark.parametrize(("n", "d"), [(40, 9), (9, 40), (12, 12)])
def test_axes_and_shares_are_those_of_the_singular_values(n, d):
    rows = rows_of(n, d)
    found = fit_pca(rows, 3)
    axes, shares = truth(rows, 3)
    np.testing.assert_allclose(np.abs((found.axes * axes).sum(axis=1)), 1, rtol=1e-5)
    np.testing.assert_allclose(found.explained, shares, rtol=1e-4)
    np.testing.assert_allclose(found.project(rows).mean(axis=0), 0, atol=1e-5)


def test_many_blocks_give_what_one_gives(monkeypatch):
    rows = rows_of(50, 7)
    whole = fit_pca(rows, 3)
    monkeypatch.setattr(projection, "BLOCK", 8)
    parts = fit_pca(rows, 3)
    np.testing.assert_allclose(parts.axes, whole.axes, atol=1e-5)
    np.testing.assert_allclose(parts.explained, whole.explained, rtol=1e-5)


def test_a_randomised_fit_finds_the_same_axes_and_says_that_it_is_one(monkeypatch):
    rows = rows_of(80, 60)
    exact = fit_pca(rows, 3, "rows")
    monkeypatch.setattr(projection, "EXACT", 10)
    found = fit_pca(rows, 3, "rows", seed=4)
    assert found.stated == "rows, randomised with seed 4"
    np.testing.assert_allclose(found.axes, exact.axes, atol=1e-4)
    np.testing.assert_allclose(found.explained, exact.explained, rtol=1e-4)


def test_the_largest_component_of_an_axis_is_positive():
    rows = rows_of(30, 6)
    for found in (fit_pca(rows, 3), fit_pca(-rows, 3), fit_pca(rows[::-1], 3)):
        peaks = np.abs(found.axes).argmax(axis=1)
        assert (found.axes[np.arange(3), peaks] > 0).all()


@pytest.mark.parametrize("rows", [np.full((1, 5), 2.5), np.full((9, 5), 3.3), np.zeros((2, 5))])
def test_rows_without_variance_have_axes_that_explain_nothing(rows):
    found = fit_pca(rows, 3)
    np.testing.assert_array_equal(found.explained, 0)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(found.project(rows), 0, atol=1e-5)


def test_two_rows_lie_on_the_first_axis():
    found = fit_pca(np.array([[0, 0, 0, 0], [0, 2, 0, 0]]), 3)
    np.testing.assert_allclose(found.explained, [1, 0, 0], atol=1e-12)
    assert found.labels[0] == "PC 1 (100 %)"


def test_what_cannot_be_fitted_is_said():
    with pytest.raises(TomoError, match="not finite"):
        fit_pca(np.array([[1, 2, np.inf], [1, 2, -np.inf]]), 2)
    with pytest.raises(TomoError, match="no rows"):
        fit_pca(np.zeros((0, 4)), 2)
    with pytest.raises(TomoError, match="no 3 axes"):
        fit_pca(np.zeros((4, 2)), 3)
    with pytest.raises(TomoError, match="5 channels"):
        fit_pca(rows_of(9, 4), 2).project(np.zeros(5))


def test_umap_that_is_not_installed_is_asked_for(monkeypatch):
    monkeypatch.setattr(projection, "has_umap", lambda: False)
    with pytest.raises(TomoError, match="pip install umap-learn"):
        fit_umap(rows_of(9, 4), 3)


@pytest.mark.filterwarnings("ignore")
def test_umap_is_the_same_for_the_same_seed():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    rows = rows_of(40, 6)
    first, second = (fit_umap(rows, 3, "rows", seed=2) for _ in range(2))
    np.testing.assert_array_equal(first.project(rows), second.project(rows))
    assert "seed 2" in first.stated
