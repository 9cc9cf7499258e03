"""Which voxel a ray shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.viewer.pick import STEP, Look, Ray, choose, trace

SHAPE = (9, 12, 15)


def look(rendering: str, **options) -> Look:
    return Look(rendering, (0.0, 1.0), **options)


@given(
    st.tuples(*(st.integers(0, n - 1) for n in SHAPE)),
    st.tuples(*(st.floats(-1, 1) for _ in SHAPE)),
)
def test_a_ray_through_the_middle_of_a_voxel_meets_it(voxel, direction):
    direction = np.array(direction)
    if np.linalg.norm(direction) < 1e-3:
        direction = np.array([1.0, 0, 0])
    middle = np.array(voxel) + 0.5
    ray = Ray(middle - 100 * direction, direction)
    met = trace(np.zeros(SHAPE), ray, np.zeros(3), SHAPE)
    assert list(voxel) in met.tolist()


def test_voxels_come_nearest_first_and_only_inside_the_box():
    ray = Ray(np.array([4.5, 6.5, -50.0]), np.array([0.0, 0.0, 2.0]))
    met = trace(np.zeros(SHAPE), ray, (0, 0, 3), (9, 12, 10))
    assert met[:, 2].tolist() == sorted(met[:, 2].tolist())
    assert set(met[:, 2].tolist()) == set(range(3, 10))


def test_a_ray_beside_the_volume_meets_nothing():
    beside = Ray(np.array([20.0, 0.5, -5.0]), np.array([0.0, 0.0, 1.0]))
    assert len(trace(np.zeros(SHAPE), beside, np.zeros(3), SHAPE)) == 0
    away = Ray(np.array([-5.0, -5.0, -5.0]), np.array([1.0, -1.0, 0.0]))
    assert len(trace(np.zeros(SHAPE), away, np.zeros(3), SHAPE)) == 0


def test_mip_takes_the_brightest():
    assert choose(np.array([0.1, 0.9, 0.3]), look("mip")) == 1


def test_nothing_above_the_window_is_nothing():
    assert choose(np.zeros(5), look("mip")) is None
    assert choose(np.array([np.nan, np.nan]), look("mip")) is None
    assert choose(np.zeros(0), look("mip")) is None


def test_non_finite_values_do_not_win():
    assert choose(np.array([np.nan, 0.4, -np.inf]), look("mip")) == 1


def test_minip_takes_the_darkest():
    assert choose(np.array([0.9, 0.2, 0.5]), look("minip")) == 1


def test_attenuation_prefers_what_is_near():
    values = np.array([0.8, *[0.6] * 200, 0.9])
    assert choose(values, look("mip")) == len(values) - 1
    assert choose(values, look("attenuated_mip", attenuation=0.05)) == 0
    assert choose(values, look("attenuated_mip", attenuation=1e-6)) == len(values) - 1


def test_attenuation_follows_the_shader():
    rng = np.random.default_rng(1)
    values, rate = rng.random(300), 0.03
    best, total, expected = 0.0, 0.0, -1
    for i, value in enumerate(values):
        total += STEP * min(max(value, 0), 1)
        faded = value * np.exp(-rate * (total - 1))
        if faded > best:
            best, expected = faded, i
    assert choose(values, look("attenuated_mip", attenuation=rate)) == expected


def test_an_isosurface_is_hit_first():
    assert choose(np.array([0.1, 0.6, 0.9]), look("iso", threshold=0.5)) == 1
    assert choose(np.array([0.1, 0.2]), look("iso", threshold=0.5)) is None


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 0), (0.02, 2)])
def test_translucent_takes_what_contributes_most(alpha, expected):
    opacity = lambda shown: alpha * shown  # noqa: E731
    assert choose(np.array([0.5, 0.0, 0.9]), look("translucent", opacity=opacity)) == expected
