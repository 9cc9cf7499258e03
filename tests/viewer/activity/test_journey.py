"""The journey dock and its layers: what they show, and what they give back."""

import gc
from types import SimpleNamespace
from weakref import ref

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent

from activity.journey.planted import LAYERS, planted
from napari_gpt2_tomo.activity.journey.path_figures import state_colours
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.follow import NOTHING
from napari_gpt2_tomo.viewer.activity.journey.scene import PathScene, Picture
from napari_gpt2_tomo.viewer.activity.journey.stage import stage_of
from napari_gpt2_tomo.viewer.activity.journey.strip import StepStrip
from napari_gpt2_tomo.viewer.activity.journey_dock import JourneyDock
from napari_gpt2_tomo.viewer.work import finish_all

STATES = 2 * LAYERS + 2
NAMES = {
    "Journey: axes",
    "Journey: paths",
    "Journey: this token",
    "Journey: steps",
    "Journey: tokens",
}


@pytest.fixture
def model():
    """A viewer without a window, and an image that was there before."""
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 5, 6)), name="scan")
    return viewer


def shown_dock(viewer, qtbot, activity):
    dock = JourneyDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    desk_of(viewer).show(activity)
    finish_all()
    return dock


@pytest.fixture
def dock(model, qtbot):
    dock = shown_dock(model, qtbot, planted())
    yield dock
    desk_of(model).show(None)


def text_of(viewer):
    return viewer.canvas.overlays.text.text


def test_without_an_activity_the_dock_says_what_to_do(model, qtbot):
    dock = JourneyDock(model)
    qtbot.addWidget(dock)
    dock.show()
    assert dock.message == NOTHING
    dock.toggle_scene()
    assert dock.scene is None


def test_the_dock_says_what_the_axes_were_fitted_on_and_draws_every_plot(dock):
    assert "all states of this prompt before the final norm" in dock.stated.text()
    names = []
    for index in range(dock.plots.count()):
        dock.plots.setCurrentIndex(index)
        names.append(dock.view.plot.name)
    assert len(set(names)) == len(names) == 8


def test_a_click_into_a_plot_goes_to_its_state_and_token(dock):
    dock.toggle_scene()

    def click_at(name, x, y, axes=0):
        dock.plots.setCurrentIndex(dock.plots.findData(name))
        inaxes = dock.view.figure.axes[axes]
        dock.view.clicked.emit(SimpleNamespace(inaxes=inaxes, xdata=x, ydata=y))
        return dock.desk.place.layer, dock.desk.place.token, dock.scene.step

    assert click_at("map own", 2.8, 4.1) == (1, 4, 3)
    assert click_at("map own", 0.5, 0.5, axes=1) == (1, 4, 3)
    assert click_at("sizes", 0.3, 0.9) == (0, 4, 0)
    assert click_at("updates", 2.2, 0.1) == (2, 4, 6)


def test_paths_are_tracks_over_the_states_and_other_layers_are_hidden(dock, model):
    dock.toggle_scene()
    assert {layer.name for layer in model.layers} == {"scan", *NAMES}
    assert not model.layers["scan"].visible
    assert model.dims.ndisplay == 3
    tracks = model.layers["Journey: paths"].data
    np.testing.assert_array_equal(np.unique(tracks[:, 0]), range(6))
    np.testing.assert_array_equal(tracks[:STATES, 1], range(STATES))
    found = dock._found.paths.points
    np.testing.assert_allclose(tracks[STATES : 2 * STATES, 2:], found[:, 1, ::-1], atol=1e-6)
    assert len(model.layers["Journey: this token"].data) == STATES
    assert text_of(model) == "Journey: after final norm"


def test_the_slider_steps_through_the_states_and_moves_the_desk(dock, model):
    dock.toggle_scene()
    axis = model.dims.ndim - 4
    model.dims.set_current_step(axis, 3)
    assert text_of(model) == "Journey: after L1 attention"
    assert dock.desk.place.layer == 1
    assert len(model.layers["Journey: tokens"]._view_data) == 6
    # Beads stand for the steps behind the present one, not for those to come.
    assert len(model.layers["Journey: steps"]._view_data) == 4 * 6


def test_another_layer_on_the_desk_moves_the_slider_to_what_it_leaves_behind(dock, model):
    dock.toggle_scene()
    dock.desk.move(token=1)
    assert dock.scene.step == STATES - 1
    dock.desk.move(layer=1)
    assert dock.scene.step == 4
    assert text_of(model) == "Journey: after L1 MLP"
    # A state of that layer that is shown already is not left.
    model.dims.set_current_step(model.dims.ndim - 4, 3)
    dock.desk.move(token=2)
    assert dock.scene.step == 3


def test_another_token_is_drawn_thick(dock, model):
    dock.toggle_scene()
    dock.desk.move(token=2)
    chosen = model.layers["Journey: this token"]
    np.testing.assert_array_equal(np.unique(chosen.data[:, 0]), [2])
    assert chosen.color_by == "shade"


def test_a_click_on_a_point_goes_to_its_token_and_layer(dock, model):
    dock.toggle_scene()
    scene = dock.scene
    scene.go(4)
    layer = model.layers["Journey: tokens"]
    place = layer.data_to_world(layer.data[4 * 6 + 1])
    shown = list(model.dims.displayed)
    click(
        dock.scene,
        position=place,
        view_direction=model.scene.camera.calculate_nd_view_direction(model.dims.ndim, shown),
        dims_displayed=shown,
    )
    assert (dock.desk.place.token, dock.desk.place.layer) == (1, 1)


def click(scene, moved=0, **event):
    """Press the left button, move by pixels, release it."""
    mouse = SimpleNamespace(type="mouse_press", button=1, modifiers=(), pos=(9, 9), **event)
    steps = scene._clicks(scene.viewer, mouse)
    next(steps)
    mouse.type, mouse.pos = "mouse_move", (9, 9 + moved)
    if moved:
        with pytest.raises(StopIteration):
            next(steps)
        return
    mouse.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(steps)


def test_a_drag_picks_nothing(dock, model):
    dock.toggle_scene()
    before = dock.desk.place
    click(dock.scene, moved=60)
    assert dock.desk.place == before


def test_labels_can_be_read_on_a_light_canvas_too(dock, model):
    dock.toggle_scene()
    text = model.layers["Journey: tokens"].text
    dark = text.color.array[0, :3].mean()
    model.theme = "light"
    assert text.color.array[0, :3].mean() < 0.3 < 0.7 < dark


def test_closing_gives_the_viewer_back_as_it_was(dock, model):
    model.scene.camera.angles = (3, 4, 5)
    overlay = model.canvas.overlays.text
    overlay.text = "before"
    callbacks = list(model.mouse_drag_callbacks)
    margin, labels = model.dims.margin_left, model.dims.axis_labels
    dock.toggle_scene()
    dock.toggle_scene()
    assert [layer.name for layer in model.layers] == ["scan"]
    assert model.layers["scan"].visible
    assert model.dims.ndisplay == 2
    assert model.dims.margin_left == margin
    assert model.dims.axis_labels == labels
    np.testing.assert_allclose(model.scene.camera.angles, (3, 4, 5))
    assert overlay.text == "before"
    assert not overlay.visible
    assert dock.show_button.text() == "Show in 3-D"
    assert list(model.mouse_drag_callbacks) == callbacks


def test_what_others_write_on_the_canvas_gives_way_to_the_state(dock, model):
    dock.toggle_scene()
    model.canvas.overlays.text.text = "somebody else"
    assert text_of(model) == "Journey: after final norm"


def test_a_layer_that_is_removed_by_hand_takes_the_others_with_it(dock, model):
    dock.toggle_scene()
    model.layers.remove("Journey: paths")
    assert [layer.name for layer in model.layers] == ["scan"]
    assert dock.scene is None


def test_another_activity_gets_paths_of_its_own(dock, model):
    dock.toggle_scene()
    dock.desk.show(planted(3))
    finish_all()
    assert len(np.unique(model.layers["Journey: paths"].data[:, 0])) == 3
    dock.desk.show(None)
    assert [layer.name for layer in model.layers] == ["scan"]


def test_other_choices_are_projected_again_at_the_same_state(dock, model):
    dock.toggle_scene()
    dock.scene.go(2)
    before = model.layers["Journey: paths"].data.copy()
    dock.scale.setCurrentIndex(1)
    finish_all()
    assert dock.scene.step == 2
    assert not np.allclose(model.layers["Journey: paths"].data, before)
    assert "raw states" in dock.stated.text()
    dock.halves.setChecked(False)
    finish_all()
    assert len(dock.scene.picture.names) == LAYERS + 2


def test_colours_can_be_those_of_the_tokens(dock, model):
    dock.toggle_scene()
    dock.colour.setCurrentIndex(1)
    faces = model.layers["Journey: tokens"].face_color
    np.testing.assert_allclose(faces[0], faces[6])
    assert not np.allclose(faces[0], faces[1])


def test_what_cannot_be_fitted_is_said_and_the_old_paths_go(model, qtbot):
    activity = planted()
    alone = Activity(activity.tokens, dict(activity), activity.source)
    dock = shown_dock(model, qtbot, alone)
    dock.toggle_scene()
    dock.fit.setCurrentIndex(dock.fit.findData("embeddings"))
    finish_all()
    assert "need the model" in dock.stated.text()
    assert dock.scene is None


def test_one_token_has_a_path(model, qtbot):
    dock = shown_dock(model, qtbot, planted(1))
    dock.toggle_scene()
    assert len(model.layers["Journey: paths"].data) == STATES
    dock.toggle_scene()


def test_a_dock_that_ends_leaves_nothing_behind(model):
    dock = JourneyDock(model)
    dock.show()
    desk = desk_of(model)
    desk.show(planted())
    finish_all()
    dock.toggle_scene()
    gone = ref(dock)
    dock.deleteLater()
    del dock
    for _ in range(3):
        # Qt deletes the dock, then what was connected to its parts.
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
    assert gone() is None
    assert len(desk.changed) == len(desk.moved) == 0
    assert [layer.name for layer in model.layers] == ["scan"]
    assert stage_of(model).actor is None


def picture(count=4, tokens=3):
    points = np.random.default_rng(0).standard_normal((count, tokens, 3)).astype(np.float32)
    return Picture(
        points=points,
        title="Paths",
        name="Paths",
        names=tuple(f"step {step}" for step in range(count)),
        ticks=tuple(str(step) for step in range(count)),
        labels=tuple("abc"[:tokens]),
        axes=("one", "two", "three"),
        colours=state_colours(count),
        near=tuple(range(tokens)),
    )


def test_only_one_picture_has_a_viewer_at_a_time(model):
    closed = []
    first = PathScene(model, picture(), on_close=lambda: closed.append("first"))
    second = PathScene(model, picture())
    assert closed == ["first"]
    assert not first.open
    assert stage_of(model).actor is second
    second.close()
    assert model.layers["scan"].visible


def test_the_camera_looks_at_paths_that_are_wide_or_flat(model):
    flat = picture()
    flat.points[..., 2] = 0
    scene = PathScene(model, flat)
    assert np.isfinite(model.scene.camera.center).all()
    assert 0 < model.scene.camera.zoom < 1e3
    scene.close()


def test_the_strip_marks_the_state_and_can_be_clicked(window, qtbot):
    scene = PathScene(window, picture())
    canvas = scene._strip.parent()
    strip = canvas.findChild(StepStrip)
    assert strip.step == 3
    place = QPointF(strip.width() * 0.4, 25)
    press = QMouseEvent(
        QEvent.Type.MouseButtonPress,
        place,
        strip.mapToGlobal(place),
        Qt.MouseButton.LeftButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    strip.mousePressEvent(press)
    assert scene.step == strip.step == 1
    pixels = window.screenshot(canvas_only=True, flash=False)
    # The path's own colour is on the canvas.
    colour = 255 * state_colours(4)[0][:3]
    assert (np.abs(pixels[..., :3] - colour).max(axis=-1) < 40).sum() > 20
    scene.close()
    assert not strip.isVisible()
