"""A section as a signal: known waves, known noise, and plain sums as the truth."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import Cancelled, DisplayError
from napari_gpt2_tomo.display.section import (
    Plane,
    marchenko_pastur,
    part_plane,
    power_spectrum,
    section_plane,
    singular,
    singular_plot,
    singular_values,
    smooth,
    spectrum_plot,
)
from napari_gpt2_tomo.display.section import plane as module
from napari_gpt2_tomo.facade import Scan
from real_data import real_data
from volume.architectures import Sizes, gpt2, mixtral
from volume.fakes import MemoryCheckpoint, checkpoint_of

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def the_same_numbers_whatever_ran_before():
    global RNG
    RNG = np.random.default_rng(5)


def plane_of(values: np.ndarray, held: np.ndarray | None = None) -> Plane:
    values = np.asarray(values, np.float32)
    return Plane(values, np.ones(values.shape, bool) if held is None else held, ("a", "b"), "x")


class TestSpectrum:
    @pytest.mark.parametrize("window", ["none", "hann"])
    @pytest.mark.parametrize(("row", "column"), [(0.125, 0.0), (0.0, 0.25), (0.1875, -0.375)])
    def test_a_wave_has_its_peak_at_its_frequency(self, window, row, column):
        i, j = np.indices((64, 96))
        found = power_spectrum(plane_of(np.sin(2 * np.pi * (row * i + column * j)) + 3), window)
        peak = np.unravel_index(found.power.argmax(), found.power.shape)
        rows, columns = found.frequencies
        at = (rows[peak[0]], columns[peak[1]])
        # A real wave has its power at both signs.
        assert at in ((row, column), (-row, -column))
        if window == "none":
            assert np.sort(found.power.ravel())[-2:].sum() == pytest.approx(
                found.power.sum(), rel=1e-5
            )

    @pytest.mark.parametrize("window", ["none", "hann"])
    @pytest.mark.parametrize("shape", [(32, 48), (31, 47), (1, 20)])
    def test_it_is_that_of_numpy_and_keeps_the_energy(self, window, shape):
        values = RNG.normal(2, 0.5, shape)
        fade = [
            np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 if window == "hann" and n > 1
            else np.ones(n) for n in shape
        ]  # fmt: skip
        windowed = (values - values.mean()) * np.outer(*fade)
        energy = np.outer(fade[0] ** 2, fade[1] ** 2).mean()
        truth = np.abs(np.fft.fftshift(np.fft.fft2(windowed))) ** 2 / windowed.size / energy
        found = power_spectrum(plane_of(values), window)
        np.testing.assert_allclose(found.power, truth, rtol=1e-3, atol=1e-6)
        assert found.power.mean() == pytest.approx((windowed**2).mean() / energy, rel=1e-5)
        assert found.variance == pytest.approx(values.var(), rel=1e-5)

    def test_noise_is_flat_at_its_variance(self):
        found = power_spectrum(plane_of(RNG.normal(0, 0.3, (256, 256))))
        _, power = found.radial(8)
        np.testing.assert_allclose(power[2:], 0.09, rtol=0.1)  # Inner rings hold few.
        assert np.median(found.decibels()) == pytest.approx(-1.6, abs=0.3)

    def test_lines_are_means_of_the_power(self):
        found = power_spectrum(plane_of(RNG.normal(0, 1, (24, 30))), "none")
        rows, columns = found.frequencies
        radius = np.sqrt(np.add.outer(rows**2, columns**2))
        frequency, power = found.radial(6)
        for middle, mean in zip(frequency, power, strict=True):
            ring = np.minimum((radius * 12).astype(int), np.where(radius == 0.5, 5, 99))
            ring = ring == int(middle * 12)
            assert mean == pytest.approx(found.power[ring & (radius > 0)].mean(), rel=1e-5)
        frequency, power = found.along(1)
        np.testing.assert_allclose(frequency, np.arange(1, 16) / 30)
        expected = (found.power[:, 15 + 4].mean() + found.power[:, 15 - 4].mean()) / 2
        assert power[3] == pytest.approx(expected, rel=1e-5)

    def test_air_is_the_mean_and_constants_have_no_power(self):
        held = np.ones((8, 8), bool)
        held[2:4] = False
        values = np.where(held, 5.0, 0.0)
        found = power_spectrum(plane_of(values, held))
        assert not found.power.any()
        assert (found.decibels() == -120).all()

    def test_the_plot_has_a_line_for_each_direction(self):
        plot = spectrum_plot(power_spectrum(plane_of(RNG.normal(0, 1, (32, 32)))))
        axes = plot.figure().axes[0]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["all directions", "along a", "along b"]
        assert set(plot.table.columns["direction"]) == set(labels)


class TestSmoothing:
    def test_inside_it_is_the_gaussian_of_scipy(self):
        values = RNG.normal(0, 1, (60, 60))
        found = smooth(plane_of(values), 2.0)
        truth = gaussian_filter(values.astype(np.float32), 2.0)
        np.testing.assert_allclose(found[10:-10, 10:-10], truth[10:-10, 10:-10], atol=1e-5)

    def test_borders_and_air_do_not_darken_a_constant(self):
        held = np.ones((40, 50), bool)
        held[10:20, 15:30] = False
        values = np.where(held, 0.25, 0.0)
        found = smooth(plane_of(values, held), 3.0)
        np.testing.assert_allclose(found[held], 0.25, rtol=1e-5)
        assert not found[~held].any()

    def test_it_is_the_weighted_mean_of_what_is_held(self):
        held = RNG.random((15, 15)) > 0.4
        values = np.where(held, RNG.normal(0, 1, (15, 15)), 0)
        found = smooth(plane_of(values, held), 1.5)
        i, j = np.indices((15, 15))
        at = tuple(np.argwhere(held)[len(np.argwhere(held)) // 2])
        near = (np.abs(i - at[0]) <= 6) & (np.abs(j - at[1]) <= 6)
        weight = np.exp(-((i - at[0]) ** 2 + (j - at[1]) ** 2) / (2 * 1.5**2)) * held * near
        assert found[at] == pytest.approx((weight * values).sum() / weight.sum(), rel=1e-4)

    def test_the_width_must_be_above_zero(self):
        for wrong in (0.0, -1.0, float("nan")):
            with pytest.raises(DisplayError, match="above 0"):
                smooth(plane_of(np.zeros((4, 4))), wrong)


class TestPlanes:
    def test_a_section_is_its_weights_without_margins(self, tiny_phantom):
        with Scan(tiny_phantom) as scan:
            volume = scan.volume("body", "magnitude", exact=False)
            section = volume.voxel(scan.anatomy.by_name["L1.q"].tensor, (0, 0))[0]
            found = section_plane(volume, (section, 0, 0))
            np.testing.assert_array_equal(found.values, scan.part("q", 1).astype(np.float32))
            assert found.title == "L1 Q"
            assert found.axes == ("channel", "unit")
            assert found.held.all()
            channel = section_plane(volume, (0, 7, 0), (0, 2))
            assert channel.box[1] == (7, 8)
            np.testing.assert_array_equal(
                channel.values[section, :64], scan.part("q", 1).astype(np.float32)[7]
            )

    def test_bands_give_the_same(self, tiny_phantom, monkeypatch):
        with Scan(tiny_phantom) as scan:
            volume = scan.volume("body", exact=False)
            at = (volume.voxel("wte.weight", (0, 0))[0], 0, 0)
            whole = section_plane(volume, at)
            monkeypatch.setattr(module, "BAND", 100)
            bands = section_plane(volume, at)
            np.testing.assert_array_equal(whole.values, bands.values)
            np.testing.assert_array_equal(whole.held, bands.held)
            part = scan.anatomy.by_name["L2.down"]
            np.testing.assert_array_equal(
                part_plane(scan.checkpoint, part).values, scan.values(part).astype(np.float32)
            )

    def test_what_cannot_be_shown_is_said(self, tiny_phantom, monkeypatch):
        with Scan(tiny_phantom) as scan:
            volume = scan.volume("body", exact=False)
            monkeypatch.setattr(module, "MOST", 100)
            with pytest.raises(DisplayError, match="more than the 100"):
                section_plane(volume, (0, 0, 0))
        made = mixtral(Sizes(8, 1, 2, 2, 4, 8, 9, 4, 3, 6, False))
        checkpoint = checkpoint_of(made.shapes, made.config)
        norm = recognise(made.shapes, made.config).by_name["final_norm"]
        assert part_plane(checkpoint, norm).shape == (1, 8)

    def test_values_that_are_not_finite_are_left_out(self):
        made = gpt2(Sizes(12, 1, 1, 1, 1, 30, 20, 4, 1, 1, False))
        checkpoint = checkpoint_of(made.shapes, made.config, odd=True, seed=2)
        part = recognise(made.shapes, made.config).by_name["L0.up"]
        found = part_plane(checkpoint, part)
        truth = checkpoint.truth[part.tensor]
        np.testing.assert_array_equal(found.held, np.isfinite(truth))
        np.testing.assert_array_equal(found.values, np.where(np.isfinite(truth), truth, 0))


@pytest.fixture(scope="module")
def made():
    found = gpt2(Sizes(12, 1, 1, 1, 1, 30, 20, 4, 1, 1, False))
    return checkpoint_of(found.shapes, found.config), recognise(found.shapes, found.config)


class TestSingularValues:
    @pytest.mark.parametrize("name", ["L0.up", "L0.down", "L0.q", "token_embedding"])
    def test_they_are_those_of_numpy(self, made, name, monkeypatch):
        monkeypatch.setattr(singular, "BAND", 50)
        checkpoint, anatomy = made
        part = anatomy.by_name[name]
        found = singular_values(checkpoint, part)
        matrix = part_plane(checkpoint, part).values.astype(float)
        truth = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(found.values, truth, rtol=1e-6, atol=1e-6 * truth[0])
        assert found.sigma == pytest.approx(matrix.std())
        assert found.stable_rank == pytest.approx((matrix**2).sum() / truth[0] ** 2)

    def test_noise_stays_within_the_edge_and_follows_the_law(self):
        noise = RNG.normal(0, 0.02, (300, 500))
        values = np.linalg.svd(noise, compute_uv=False)
        found = singular.SingularValues(values, (300, 500), float(noise.std()), "noise")
        low, high = found.edges
        assert found.n_outliers <= 1
        assert low * 0.9 < values[-1]
        grid = np.linspace(low, high, 20001)
        density = marchenko_pastur(grid, (300, 500), found.sigma)
        assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
        share = np.trapezoid(density[:10001], grid[:10001])
        assert (values <= grid[10000]).mean() == pytest.approx(share, abs=0.02)

    def test_a_planted_direction_lies_beyond_the_edge(self):
        noise = RNG.normal(0, 0.02, (100, 200))
        noise += 2 * np.outer(np.ones(100) / 10, np.ones(200) / np.sqrt(200))
        values = np.linalg.svd(noise, compute_uv=False)
        found = singular.SingularValues(values, (100, 200), float(noise.std()), "planted")
        assert found.n_outliers == 1
        assert 0.2 < found.outlier_share < 0.6
        plot = singular_plot(found)
        assert "1 of 100 lie beyond the edge" in plot.title
        assert len(plot.figure().axes) == 2

    def test_weights_that_are_not_finite_are_told(self, made):
        checkpoint, anatomy = made
        part = anatomy.by_name["L0.up"]
        whole = np.array(checkpoint[part.tensor][...], np.float32)
        whole[:2] = np.nan
        found = singular_values(MemoryCheckpoint({part.tensor: ("F32", whole)}), part)
        assert found.n_nonfinite == whole[:2].size
        assert "NaN or infinite" in singular_plot(found).title
        whole[:] = np.inf
        with pytest.raises(DisplayError, match="no finite weight"):
            singular_values(MemoryCheckpoint({part.tensor: ("F32", whole)}), part)

    def test_a_matrix_of_zeros_is_drawn(self):
        found = singular.SingularValues(np.zeros(20), (20, 30), 0.0, "zeros")
        assert "0 of 20" in singular_plot(found).title
        assert singular_plot(found).figure().axes[1].get_yscale() == "linear"

    def test_vectors_and_giants_are_refused_and_work_can_be_stopped(self, made, monkeypatch):
        checkpoint, anatomy = made
        with pytest.raises(DisplayError, match="those of a matrix"):
            singular_values(checkpoint, anatomy.by_name["final_norm"])

        class Stop:
            def start(self, total: int, description: str) -> None:
                assert "L0.up" in description

            def advance(self, amount: int) -> None:
                raise Cancelled("stopped")

        with pytest.raises(Cancelled):
            singular_values(checkpoint, anatomy.by_name["L0.up"], Stop())
        monkeypatch.setattr(singular, "MOST_SIDE", 8)
        with pytest.raises(DisplayError, match="shorter side"):
            singular_values(checkpoint, anatomy.by_name["L0.up"])


def test_the_heads_of_the_real_gpt2_are_seen_in_the_spectrum_of_magnitudes():
    with Scan(real_data("gpt2-attention-fp16")) as scan:
        found = singular_values(scan.checkpoint, scan.anatomy.by_name["L4.k"])
        assert found.n_outliers > 10
        plane = part_plane(scan.checkpoint, scan.anatomy.by_name["L4.k"])
        # Heads are bands of 64 units, some of stronger weights than others.
        frequency, power = power_spectrum(plane.magnitudes()).along(1)
        assert power[frequency < 1 / 64].mean() > 2 * power[frequency > 0.25].mean()
