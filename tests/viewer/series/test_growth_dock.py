"""The dock that draws how a series grows."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.series.growth import METRICS
from napari_gpt2_tomo.series.lines import KINDS
from napari_gpt2_tomo.viewer.series.dock import GrowthDock

from ...series.runs import STEPS, write_step


@pytest.fixture
def dock(viewer, shown, settle, run_folder):
    """The dock in a viewer that shows the run."""
    shown(run_folder)
    made = GrowthDock(viewer)
    viewer.window.add_dock_widget(made, name="Growth")
    wait_until_drawn(settle, made)
    yield made
    made._let_go()


def wait_until_drawn(settle, dock):
    settle()
    dock._draw()
    settle()


def test_without_a_series_it_says_how_to_open_one(viewer, settle, run_folder):
    dock = GrowthDock(viewer)
    assert dock.series is None
    assert dock._pages.currentIndex() == 0
    viewer.open(str(run_folder / "step-0"), plugin="napari-gpt2-tomo")
    settle()
    assert dock.series is None
    dock._let_go()


def test_it_draws_the_series_of_the_active_layer(dock):
    assert [step.number for step in dock.series.steps] == list(STEPS)
    assert dock.growth is not None
    plot = dock.chart.view.plot
    assert plot.title == "Norm"
    assert dock.where.text() == "run · step 200 (3 of 3)"


CHOICES = [
    *(("norm", kind) for kind in KINDS),
    *((metric.name, "roles") for metric in METRICS),
]


def test_every_choice_is_drawn(dock, settle):
    for metric, kind in CHOICES:
        dock.choose(metric, kind)
        wait_until_drawn(settle, dock)
        plot = dock.chart.view.plot
        assert metric in plot.table.columns
        assert dock.values.columnCount() == len(STEPS)
        assert dock.values.rowCount() * len(STEPS) == len(plot.table)


def test_the_line_follows_the_slider(dock, viewer, settle):
    for at in (0, 2, 1):
        viewer.dims.set_point(0, at)
        settle()
        assert dock.chart.step == at
        assert f"({at + 1} of 3)" in dock.where.text()


def test_the_line_is_drawn_at_the_step_without_drawing_the_plot_again(
    make_viewer, settle, run_folder, qtbot
):
    from napari_gpt2_tomo.viewer.series.opening import add_series

    viewer = make_viewer(show=True)
    add_series(viewer, run_folder)
    dock = GrowthDock(viewer)
    viewer.window.add_dock_widget(dock, name="Growth")
    wait_until_drawn(settle, dock)
    # Plots are drawn again when their size has come to rest.
    qtbot.wait(400)
    canvas = dock.chart.view.canvas
    draws = []
    canvas.mpl_connect("draw_event", draws.append)
    viewer.dims.set_point(0, 0)
    settle()
    places = dock.chart._line.get_xdata()
    assert places == [0.0, 0.0]
    viewer.dims.set_point(0, 1)
    assert dock.chart._line.get_xdata() == [10.0, 10.0]
    assert not draws
    dock._let_go()


def test_a_click_in_the_plot_goes_to_the_nearest_step(dock, viewer, settle):
    canvas = dock.chart.view.canvas
    canvas.draw()
    axes = dock.chart.view.figure.axes[0]
    for at, number in enumerate(STEPS):
        x, y = axes.transData.transform((number, np.mean(axes.get_ylim())))

        class Click:
            inaxes, xdata, ydata = axes, number, 0.0

        Click.x, Click.y = x + 2, y
        dock.chart._pressed(Click)
        settle()
        assert viewer.dims.point[0] == at


def test_lines_of_a_place_follow_the_cursor(dock, viewer, settle):
    link = dock._link
    dock.choose("norm", "role")
    for role, letter in (("k", "K"), ("down", "down")):
        part = link.scan.anatomy.part(role, 1)
        index = (2, 50) if role == "k" else (50, 2)
        link.cursor.move(link.volume.voxel(part.tensor, index))
        wait_until_drawn(settle, dock)
        assert dock.chart.view.plot.title == f"Norm · {letter} of every layer"


def test_numbers_are_saved(dock, tmp_path):
    dock.save(tmp_path / "growth.csv")
    assert (tmp_path / "growth.csv").read_text().startswith("step,checkpoint,part")
    with pytest.raises(TomoError):
        dock.save(tmp_path / "growth.txt")


def test_the_present_step_is_marked_in_the_table(dock, viewer, settle):
    from qtpy.QtCore import Qt

    viewer.dims.set_point(0, 1)
    settle()
    marks = [
        dock.values.data(dock.values.index(0, i), Qt.ItemDataRole.BackgroundRole)
        for i in range(len(STEPS))
    ]
    assert [mark is not None for mark in marks] == [False, True, False]
    first = dock.values.data(dock.values.index(0, 0))
    assert float(first) == pytest.approx(dock.growth.of("norm", [0])[0], rel=1e-4)


def test_without_the_series_it_is_empty_again(dock, viewer, settle):
    viewer.layers.clear()
    settle()
    assert dock.series is None
    assert dock._pages.currentIndex() == 0


def test_it_hears_nothing_after_its_end(dock, viewer, settle):
    link = dock._link
    before = len(link.cursor.moved), len(link.switched)
    dock._let_go()
    assert (len(link.cursor.moved), len(link.switched)) == (before[0] - 1, before[1] - 1)


def test_a_folder_is_watched_from_the_dock(viewer, shown, settle, new_run):
    link = shown(new_run)
    dock = GrowthDock(viewer)
    wait_until_drawn(settle, dock)
    dock.watch.setChecked(True)
    watcher = dock._watcher
    assert watcher.on
    settle()
    write_step(new_run / "step-300", 300)
    for _ in range(2):
        watcher.look()
        settle()
    assert link.volume.shape[0] == len(STEPS) + 1
    wait_until_drawn(settle, dock)
    assert dock.growth.steps[-1] == "step 300"
    assert "step 300 (4 of 4)" in dock.where.text()
    dock.watch.setChecked(False)
    assert not watcher.on
    dock._let_go()
