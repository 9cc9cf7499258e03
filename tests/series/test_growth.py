"""Numbers of parts over time, against numpy on the whole tensors."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import Cancelled, DisplayError, SilentProgress
from napari_gpt2_tomo.series import growth as module
from napari_gpt2_tomo.series.growth import METRICS, measure_growth, stored_growth
from napari_gpt2_tomo.series.series import Series

from .runs import STEPS, WIDTH, write_run, write_step


def truth(name, values):
    """A metric of vectors, one for each step, in float64."""
    found = []
    for t, now in enumerate(values):
        before, first, last = values[t - 1] if t else None, values[0], values[-1]
        if name == "norm":
            found.append(np.linalg.norm(now))
        elif name == "sigma":
            found.append(now.std())
        elif name.startswith("cosine"):
            other = last if name == "cosine_to_last" else before
            length = 0 if other is None else np.linalg.norm(now) * np.linalg.norm(other)
            found.append(now @ other / length if length else np.nan)
        else:
            other = first if "first" in name else before
            if other is None:
                found.append(np.nan)
                continue
            change = np.linalg.norm(now - other)
            length = np.linalg.norm(other)
            if name.startswith("relative"):
                change = change / length if length else np.nan
            found.append(change)
    return np.array(found)


@pytest.mark.parametrize("band", [2**21, 100])
def test_every_metric_equals_that_of_the_whole_tensors(tmp_path, monkeypatch, band):
    monkeypatch.setattr(module, "BAND", band)
    with Series(write_run(tmp_path)) as series:
        growth = measure_growth(series)
        vectors = [
            [scan.values(part).astype(np.float64).ravel() for scan in series.scans]
            for part in series.anatomy.parts
        ]
        for metric in METRICS:
            each = growth.each(metric.name)
            for row, values in zip(each, vectors, strict=True):
                wanted = truth(metric.name, values)
                np.testing.assert_allclose(row, wanted, rtol=1e-9, atol=1e-12)
        # Parts together are one long vector.
        chosen = [0, 3, 5]
        joined = [
            np.concatenate(steps) for steps in zip(*(vectors[i] for i in chosen), strict=True)
        ]
        for metric in METRICS:
            np.testing.assert_allclose(
                growth.of(metric.name, chosen), truth(metric.name, joined), rtol=1e-9, atol=1e-12
            )


def test_small_changes_of_large_weights_keep_their_digits(tmp_path):
    def shifted(found):
        found["wte.weight"] = np.full((24, WIDTH), 1000, np.float32)
        found["wte.weight"][5, 6] += np.float32(2**-10)

    def flat(found):
        found["wte.weight"] = np.full((24, WIDTH), 1000, np.float32)

    write_step(tmp_path / "step-1", 1, flat)
    write_step(tmp_path / "step-2", 2, shifted)
    with Series(tmp_path) as series:
        number = [part.name for part in series.anatomy.parts].index("token_embedding")
        assert measure_growth(series).of("change", [number])[1] == 2**-10


def test_what_is_not_finite_takes_part_in_nothing(tmp_path):
    def broken(found):
        found["wte.weight"][0, :3] = (np.nan, np.inf, -np.inf)

    write_step(tmp_path / "step-1", 1)
    write_step(tmp_path / "step-2", 2, broken)
    with Series(tmp_path) as series:
        growth = measure_growth(series)
        a, b = (scan.checkpoint["wte.weight"][...].astype(float) for scan in series.scans)
        number = [part.name for part in series.anatomy.parts].index("token_embedding")
        good = np.isfinite(b)
        assert growth.of("norm", [number])[1] == pytest.approx(np.linalg.norm(b[good]))
        assert growth.of("change", [number])[1] == pytest.approx(np.linalg.norm((b - a)[good]))


def test_a_part_that_a_step_lacks_has_no_numbers_there(tmp_path):
    folder = write_run(tmp_path)
    write_step(folder / "step-10", 10, lambda found: found.pop("h.1.mlp.c_fc.weight"))
    with Series(folder) as series:
        number = [part.name for part in series.anatomy.parts].index("L1.up")
        growth = measure_growth(series)
        assert np.isnan(growth.of("norm", [number])).tolist() == [False, True, False]
        assert np.isnan(growth.of("change", [number])).all()
        assert np.isnan(growth.of("change_from_first", [number])).tolist() == [False, True, False]


def test_numbers_are_kept_and_found_again(tmp_path, monkeypatch):
    folder = write_run(tmp_path)
    with Series(folder) as series:
        assert stored_growth(series) is None
        measured = measure_growth(series)

        def never(*_):
            raise AssertionError("the weights were read again")

        monkeypatch.setattr(module, "_add_part", never)
        np.testing.assert_array_equal(measure_growth(series).sums, measured.sums)
    write_step(folder / "step-200", 7)
    with Series(folder) as other:
        assert stored_growth(other) is None


def test_measuring_can_be_stopped(tmp_path):
    with Series(write_run(tmp_path)) as series:
        progress = SilentProgress()
        progress.cancel()
        with pytest.raises(Cancelled):
            measure_growth(series, progress)
        assert stored_growth(series) is None


def test_all_weights_are_counted_by_the_progress(tmp_path):
    with Series(write_run(tmp_path)) as series:
        progress = SilentProgress()
        measure_growth(series, progress)
        assert progress.done == progress.total == series.anatomy.n_parameters * len(STEPS)


def test_a_metric_that_does_not_exist_is_said(series):
    with pytest.raises(DisplayError, match="cosine_to_last"):
        series.growth().of("fame")
