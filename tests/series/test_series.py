"""A series as one scan: what must agree, what may be absent, and its volumes."""

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.series.pool import pooled
from napari_gpt2_tomo.series.series import Series
from napari_gpt2_tomo.volume.statistics.exact import exact_statistics

from .runs import STEPS, WIDTH, write_run, write_step

LACKS = "h.1.mlp.c_fc.weight"


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    """A run whose middle step lacks a tensor."""
    folder = write_run(tmp_path_factory.mktemp("partial") / "run")
    write_step(folder / "step-10", 10, lambda found: found.pop(LACKS))
    return folder


def test_a_list_is_scanned_as_a_series(run_folder):
    with tomo.scan([run_folder / "step-200", run_folder / "step-0"]) as scan:
        assert isinstance(scan, Series)
        assert [step.number for step in scan.steps] == [0, 200]


def test_the_function_of_the_package_opens_a_folder(run_folder):
    # The package of this name takes the place of the function when it is imported.
    with tomo.series(run_folder) as opened:
        assert [step.title for step in opened.steps] == [f"step {n}" for n in STEPS]
        assert opened.name == "run"
        assert opened.notes == ()


def test_what_is_asked_of_a_scan_is_about_the_step_that_is_looked_at(series, run_folder):
    for at, number in enumerate(STEPS):
        series.attend(at)
        with Scan(run_folder / f"step-{number}") as alone:
            np.testing.assert_array_equal(series.part("k", 1), alone.part("k", 1))
            assert series.checkpoint.fingerprint == alone.checkpoint.fingerprint
        assert series.still is series.scans[at]
    series.attend(99)
    assert series.present == len(STEPS) - 1


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "body", "signal": "magnitude"},
        {"layout": "cube", "signal": "signed"},
        {"layout": "heads", "role": "v", "signal": "sigma"},
        {"layout": "tensor", "tensor": "wte.weight", "signal": "rank"},
        {"layout": "circuits", "role": "ov", "signal": "signed"},
    ],
    ids=lambda options: options["layout"],
)
def test_a_step_of_the_volume_is_the_volume_of_the_step(series, options):
    volume = series.volume(**options)
    assert volume.axes[0] == "step"
    assert volume.shape[0] == len(STEPS)
    for at, scan in enumerate(series.scans):
        alone = scan.volume(**options)
        assert volume.shape[1:] == alone.shape
        for level, factors in enumerate(alone.factors):
            assert volume.factors[level] == (1, *factors)
            np.testing.assert_array_equal(volume.level(level)[at], np.asarray(alone.level(level)))
        np.testing.assert_array_equal(volume.atlas.level(0)[at], np.asarray(alone.atlas.level(0)))


def test_steps_are_cut_like_any_other_axis(series):
    volume = series.volume("body", "signed")
    whole = np.asarray(volume.level(0))
    np.testing.assert_array_equal(volume[::-1, 2, 3:5, 1], whole[::-1, 2, 3:5, 1])
    np.testing.assert_array_equal(volume[1:, ..., 7], whole[1:, ..., 7])
    assert volume.core is not None
    assert volume.core_shape[0] == len(STEPS)
    np.testing.assert_array_equal(np.asarray(volume.levels[0]), whole)


def test_an_address_is_of_its_steps_checkpoint(series):
    volume = series.volume("body", "signed")
    name, index = "h.1.attn.c_attn.weight", (3, WIDTH + 4)
    for at, number in enumerate(STEPS):
        volume.attend((at,))
        voxel = volume.voxel(name, index)
        assert voxel[0] == at
        found = volume.address(voxel)
        assert (found.tensor, found.index) == (name, index)
        assert found.value == series.scans[at].checkpoint[name][index]
        assert found.step == f"step {number}"
        assert found.where.startswith(f"step {number} · L1 K · head 0")
        assert volume.lead_title(at) == f"step {number}"
    assert volume.caption(voxel[1]) == series.scans[0].volume("body").caption(voxel[1])
    with pytest.raises(IndexError):
        volume.address((len(STEPS), 0, 0, 0))


def test_the_window_is_one_for_all_steps(series):
    volume = series.volume("body", "magnitude")
    first, *_, last = (frame.window(0, 90)[1] for frame in volume.frames)
    assert first < volume.window(0, 90)[1] < last
    assert volume.range[1] == max(frame.range[1] for frame in volume.frames)


def test_statistics_together_are_those_of_all_weights(series):
    each = [exact_statistics(scan.checkpoint, scan.anatomy) for scan in series.scans]
    none = [np.zeros(len(series.anatomy.parts), bool)] * len(each)
    found = pooled(each, none)
    for i, part in enumerate(series.anatomy.parts):
        values = np.stack([scan.values(part) for scan in series.scans]).astype(np.float64)
        assert found.n[i] == values.size
        assert found.mean[i] == pytest.approx(values.mean(), abs=1e-9)
        assert found.sigma[i] == pytest.approx(values.std(), rel=1e-6, abs=1e-9)
        assert (found.low[i], found.high[i]) == (values.min(), values.max())
        if part.name == "L0.up":
            # The median of a mixture whose parts differ a hundredfold in spread.
            share = (values <= found.quantiles[i][:, None, None, None]).mean(axis=(1, 2, 3))
            wanted = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999]
            np.testing.assert_allclose(share, wanted, atol=0.03)


def test_what_a_step_lacks_is_air_there_and_said(partial):
    with Series(partial) as series:
        assert series.absent[1] == (LACKS,)
        assert series.absent[0] == series.absent[2] == ()
        (note,) = series.notes
        assert "step 10 lacks 1 of" in note
        assert LACKS in note
        for layout in ("body", "cube"):
            volume = series.volume(layout, "magnitude")
            here = volume.voxel(LACKS, (3, 4))[1:]
            label = volume.region("L1.up").label
            for step, there in ((0, True), (1, False), (2, True)):
                assert (volume[(step, *here)] > 0) == there
                assert (volume.atlas.level(0)[(step, *here)] == label) == there
                assert (volume.address((step, *here)) is not None) == there
            assert np.isfinite(np.asarray(volume.level(0))).all()
            volume.refine()
            assert all(
                np.isfinite(np.asarray(volume.level(i))).all() for i in range(len(volume.factors))
            )
            gone = np.asarray(volume.level(0)[1]) == 0
            assert gone[np.asarray(volume.atlas.level(0)[0]) == label].all()


def test_what_a_step_lacks_does_not_count(partial):
    with Series(partial) as series:
        number = [part.name for part in series.anatomy.parts].index("L1.up")
        size = series.anatomy.parts[number].size
        assert series.volume("body").statistics.n[number] == 2 * size
        assert series.volume("body").statistics.nonfinite.sum() == 0


def test_a_circuit_of_which_a_step_lacks_a_factor_is_air(tmp_path):
    folder = write_run(tmp_path)
    write_step(folder / "step-10", 10, lambda found: found.pop("h.0.attn.c_proj.weight"))
    with Series(folder) as series:
        volume = series.volume("circuits", "signed", role="ov")
        whole = np.asarray(volume.level(0))
        assert not whole[1, 0].any()
        assert whole[1, 1].any()
        assert whole[0, 0].any()
        assert volume.address((1, 0, 0, 0, 0)) is None


def test_the_reference_is_the_first_that_is_complete(tmp_path):
    folder = write_run(tmp_path)
    write_step(folder / "step-0", 0, lambda found: found.pop(LACKS))
    with Series(folder) as series:
        assert series.absent == ((LACKS,), (), ())
        assert LACKS in series.anatomy.by_tensor


@pytest.mark.parametrize(
    ("change", "width", "said"),
    [
        (lambda found: None, 32, f"d_model 32 against {WIDTH}"),
        (
            lambda found: found.update({"wte.weight": np.zeros((30, WIDTH), np.float32)}),
            WIDTH,
            rf"wte.weight \(30, {WIDTH}\) against \(24, {WIDTH}\)",
        ),
    ],
    ids=["another width", "another vocabulary"],
)
def test_another_model_is_refused_and_what_differs_is_said(tmp_path, change, width, said):
    folder = write_run(tmp_path)
    write_step(folder / "step-300", 300, change, width)
    with pytest.raises(CheckpointError, match=said) as raised:
        Series(folder)
    assert "step 300" in str(raised.value)
    assert "step 0" in str(raised.value)


def test_another_family_is_refused(tmp_path):
    from safetensors.numpy import save_file

    folder = write_run(tmp_path)
    (folder / "step-300").mkdir()
    foreign = {
        f"model.layers.{i}.mlp.{name}_proj.weight": np.zeros((16, 16), np.float32)
        for i in range(2)
        for name in ("gate", "up", "down")
    }
    save_file(foreign, folder / "step-300" / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"family .* against gpt2"):
        Series(folder)


def test_a_checkpoint_of_a_folder_that_does_not_open_is_left_out_and_said(tmp_path):
    folder = write_run(tmp_path)
    data = (folder / "step-200" / "model.safetensors").read_bytes()
    (folder / "step-300").mkdir()
    (folder / "step-300" / "model.safetensors").write_bytes(data[: len(data) // 2])
    with Series(folder) as series:
        assert [step.number for step in series.steps] == list(STEPS)
        assert any("step 300 is left out" in note for note in series.notes)
    with pytest.raises(CheckpointError):
        Series([folder / "step-0", folder / "step-300"])


def test_a_series_is_extended_by_a_step(tmp_path):
    folder = write_run(tmp_path)
    with Series(folder) as series:
        before = series.volume("body", "signed")
        write_step(folder / "step-300", 300)
        from napari_gpt2_tomo.series.find import step_of

        longer = series.extended(step_of(folder / "step-300"))
        after = longer.volume("body", "signed")
        assert [step.number for step in longer.steps] == [*STEPS, 300]
        assert after.layout.token == before.layout.token
        np.testing.assert_array_equal(after[: len(STEPS)], np.asarray(before.level(0)))
        assert after.frames[0].overview.key == before.frames[0].overview.key
        longer.close()


def test_notes_of_a_series_are_about_what_it_has(series):
    assert "3 steps, step 0 to step 200" in repr(series)
    assert len(series.files) == len(STEPS)
