"""A series in napari: the slider plays its steps."""

import numpy as np
import pytest

from napari_gpt2_tomo.series.series import Series
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.reader import get_reader
from napari_gpt2_tomo.viewer.series.growing import go_to_step
from napari_gpt2_tomo.viewer.series.opening import as_series, series_of
from napari_gpt2_tomo.viewer.switch import switch

from ...series.runs import STEPS, WIDTH, write_run, write_step


def test_a_folder_of_steps_that_is_dropped_is_a_series(viewer, settle, run_folder):
    assert get_reader(str(run_folder)) is not None
    viewer.open(str(run_folder), plugin="napari-gpt2-tomo")
    settle()
    link = link_of(viewer.layers[0])
    assert isinstance(link.scan, Series)
    assert [layer.ndim for layer in viewer.layers] == [4, 4]
    assert viewer.dims.axis_labels == ("step", "section", "channel", "unit")
    assert viewer.dims.nsteps[0] == len(STEPS)
    assert viewer.dims.point[0] == len(STEPS) - 1
    assert link.cursor.position[0] == link.scan.present == len(STEPS) - 1


def test_a_step_that_is_dropped_stays_one_checkpoint(viewer, settle, run_folder):
    viewer.open(str(run_folder / "step-10"), plugin="napari-gpt2-tomo")
    settle()
    assert series_of(link_of(viewer.layers[0])) is None
    assert viewer.layers[0].ndim == 3


def test_several_folders_at_once_stay_separate_until_they_are_made_a_series(
    viewer, settle, run_folder
):
    paths = [str(run_folder / f"step-{number}") for number in STEPS]
    viewer.open(paths, plugin="napari-gpt2-tomo")
    settle()
    assert len({id(link_of(layer)) for layer in viewer.layers}) == len(STEPS)
    viewer.layers.selection = set(viewer.layers)
    as_series(viewer)
    settle()
    found = series_of(link_of(viewer.layers[-1]))
    assert [step.number for step in found.steps] == list(STEPS)


def test_the_slider_shows_the_weights_of_its_step(viewer, shown, settle, run_folder):
    link = shown(run_folder, signal="signed")
    image = viewer.layers[0]
    section = link.volume.voxel("h.1.attn.c_attn.weight", (0, WIDTH))[1]
    viewer.dims.set_point(1, section * image.scale[1])
    for at in range(len(STEPS)):
        viewer.dims.set_point(0, at)
        settle()
        wanted = np.asarray(link.scan.scans[at].volume("body", "signed")[section])
        drawn = np.asarray(image.data[0][at, section])
        np.testing.assert_array_equal(drawn, wanted)
        assert link.volume.present == link.scan.present == at


def test_the_window_stays_from_step_to_step(viewer, shown, settle, run_folder):
    shown(run_folder)
    limits = []
    for at in range(len(STEPS)):
        viewer.dims.set_point(0, at)
        settle()
        limits.append(tuple(viewer.layers[0].contrast_limits))
    assert len(set(limits)) == 1


def test_the_probe_says_the_step_and_reads_its_checkpoint(viewer, shown, settle, run_folder):
    from napari_gpt2_tomo.viewer.session import session_of

    link = shown(run_folder)
    name, index = "h.1.attn.c_attn.weight", (3, WIDTH + 4)
    for at, number in enumerate(STEPS):
        go_to_step(viewer, link, at)
        world = viewer.layers[0].data_to_world(link.volume.voxel(name, index))
        viewer.dims.set_point(range(4), world)
        viewer.cursor.position = tuple(world)
        probe = session_of(viewer).probe
        probe.update()
        lines = probe.text.splitlines()
        assert lines[0].startswith(f"step {number} ({at + 1} of 3) · axial · section")
        assert lines[0].endswith("L1 K")
        assert lines[1].startswith(f"{name}[3, {WIDTH + 4}] = ")
        assert f"{link.scan.scans[at].checkpoint[name][index]:.6g}" in lines[1]
        assert lines[2].startswith(f"step {number} · L1 K · head 0")


def test_in_3d_only_the_step_that_is_drawn_is_held(viewer, shown, settle, run_folder):
    link = shown(run_folder)
    viewer.dims.ndisplay = 3
    settle()
    level = link.levels[viewer.layers[0].locked_data_level]
    assert level.nbytes == 4 * int(np.prod(level.shape[1:]))
    for at in (0, 2, 1):
        viewer.dims.set_point(0, at)
        settle()
        drawn = np.asarray(viewer.layers[0].data[level.index][at])
        np.testing.assert_array_equal(drawn, np.asarray(link.volume.level(level.index)[at]))
    viewer.dims.ndisplay = 2
    settle()
    assert level.held is None
    assert link.cursor.position[0] == 1


def test_another_layout_keeps_the_step(viewer, shown, settle, run_folder):
    link = shown(run_folder)
    go_to_step(viewer, link, 1)
    switch(viewer, link, layout="heads", role="v")
    settle()
    assert link.volume.axes == ("step", "layer", "head", "d_head", "channel")
    assert viewer.dims.point[0] == link.cursor.position[0] == link.volume.present == 1
    switch(viewer, link, layout="body", signal="signed")
    settle()
    assert viewer.dims.point[0] == link.cursor.position[0] == 1


def test_four_views_move_within_a_step(make_viewer, settle, run_folder):
    from napari_gpt2_tomo.viewer.panes.views import close_views, open_views
    from napari_gpt2_tomo.viewer.series.opening import add_series

    viewer = make_viewer(show=True)
    link = link_of(add_series(viewer, run_folder).image)
    views = open_views(viewer)
    settle()
    assert [pane.axis for pane in views.panes] == [1, 2, 3]
    viewer.dims.set_point(0, 0)
    settle()
    assert link.cursor.position[0] == 0
    assert all(pane.viewer.dims.point[0] == 0 for pane in views.panes)
    assert "step 0 (1 of 3)" in views.volume.caption
    close_views(viewer)


def test_going_to_a_place_stays_in_the_step(viewer, shown, settle, run_folder):
    from napari_gpt2_tomo.viewer.navigator.fly import go_to

    link = shown(run_folder)
    go_to_step(viewer, link, 1)
    target = go_to(viewer, "L1.q[3, 4]", link)
    assert target.voxel[0] == viewer.dims.point[0] == 1
    assert link.volume.address(target.voxel).part == "L1.q"


def test_the_page_of_a_series_shows_the_step_that_is_looked_at(viewer, shown, run_folder, tmp_path):
    from napari_gpt2_tomo.base import SilentProgress
    from napari_gpt2_tomo.viewer.html import write_link

    link = shown(run_folder)
    go_to_step(viewer, link, 1)
    write_link(link, tmp_path / "page.html", 10**6, SilentProgress())
    assert "step-10" in (tmp_path / "page.html").read_text()


def test_what_steps_lack_is_said(viewer, settle, tmp_path, monkeypatch):
    import napari.utils.notifications as notifications

    said = []
    monkeypatch.setattr(notifications, "show_info", said.append)
    folder = write_run(tmp_path / "run")
    write_step(folder / "step-10", 10, lambda found: found.pop("h.1.mlp.c_fc.weight"))
    viewer.open(str(folder), plugin="napari-gpt2-tomo")
    settle()
    assert any("step 10 lacks 1 of" in text for text in said)


def test_another_model_among_the_steps_is_a_notification(viewer, settle, tmp_path, monkeypatch):
    from napari_gpt2_tomo.viewer import work

    errors = []
    monkeypatch.setattr(work, "show", errors.append)
    folder = write_run(tmp_path / "run")
    write_step(folder / "step-300", 300, width=32)
    viewer.open(str(folder), plugin="napari-gpt2-tomo")
    settle()
    assert "d_model 32 against 48" in str(errors[0])
    assert not viewer.layers


def test_files_are_closed_with_the_last_layer(viewer, shown, settle, run_folder):
    from napari_gpt2_tomo.base import CheckpointError

    link = shown(run_folder)
    scans = link.scan.scans
    viewer.layers.clear()
    settle()
    for scan in scans:
        with pytest.raises(CheckpointError):
            scan.checkpoint["wte.weight"][0, 0]


def test_a_session_brings_the_series_back(make_viewer, settle, run_folder, tmp_path):
    import napari_gpt2_tomo as tomo
    from napari_gpt2_tomo.viewer.series.opening import add_series

    for number, where in enumerate((run_folder, [run_folder / "step-0", run_folder / "step-200"])):
        viewer = make_viewer()
        link = link_of(add_series(viewer, where, signal="signed").image)
        settle()
        go_to_step(viewer, link, 1)
        viewer.dims.set_point(1, 5)
        path = tomo.save_session(viewer, tmp_path / f"run{number}")
        assert "tomo.series(" in tomo.save_script(viewer, tmp_path / "again").read_text()
        other = tomo.open_session(path, make_viewer())
        settle()
        found = link_of(other.layers[0])
        assert [step.path for step in found.scan.steps] == list(link.scan.paths)
        assert found.volume.signal == "signed"
        assert other.dims.point[:2] == viewer.dims.point[:2]
        assert found.cursor.position == link.cursor.position
        for one in (viewer, other):
            one.layers.clear()
        settle()
