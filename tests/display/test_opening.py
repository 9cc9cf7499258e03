"""The window that a scan opens with shows most weights, whatever a few large ones do."""

import numpy as np
import pytest

from napari_gpt2_tomo.display.opening import opening_preset
from napari_gpt2_tomo.display.window import Scale


def scale_of(values: np.ndarray, signal: str = "magnitude") -> Scale:
    return Scale(
        float(values.mean()),
        float(values.std()),
        float(values.min()),
        float(values.max()),
        lambda share: float(np.quantile(values, share)),
        signal,
    )


@pytest.mark.parametrize(("gains", "key"), [(0, "p0.1-99.9"), (5, "p0.1-99.9"), (20, "p1-99")])
def test_gains_of_norms_do_not_darken_the_matrices(gains: int, key: str) -> None:
    """Ten thousand weights of about 0.05, and some gains of 1."""
    weights = np.abs(np.random.default_rng(0).normal(0, 0.05, 10_000))
    values = np.concatenate([weights, np.ones(gains)])
    assert opening_preset("magnitude", scale_of(values)).key == key


def test_constant_values_and_other_signals_have_theirs() -> None:
    assert opening_preset("magnitude", scale_of(np.zeros(100))).key == "p0.1-99.9"
    assert opening_preset("rank", scale_of(np.linspace(0, 1, 9), "rank")).key == "full"
