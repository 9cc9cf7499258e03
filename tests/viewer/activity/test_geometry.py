"""The geometry dock: norms, neurons and angles of a real tiny model."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent

from activity.running.families import network
from napari_gpt2_tomo.activity.geometry.norm import norm_steps
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.geometry_dock import GeometryDock
from napari_gpt2_tomo.viewer.work import finish_all

IDS = [3, 1, 4, 1, 5, 9]
NORM, MLP, ANGLES = range(3)


@pytest.fixture(scope="module")
def activity_of(tmp_path_factory):
    made = {}

    def activity(family):
        if family not in made:
            model = LanguageModel(network(family), tmp_path_factory.getbasetemp() / family)
            made[family] = model.run(IDS)
        return made[family]

    return activity


@pytest.fixture
def dock(qtbot, activity_of):
    viewer = ViewerModel()
    dock = GeometryDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.desk.show(activity_of("gpt2"))
    finish_all()
    yield dock
    dock.desk.show(None)


def names(dock):
    return [layer.name for layer in dock.viewer.layers]


def test_only_the_tab_that_is_seen_computes(dock):
    assert dock.norm.view.plot.name == "norm-steps"
    assert dock.mlp.view.plot is None
    dock.tabs.setCurrentIndex(MLP)
    finish_all()
    assert dock.mlp.view.plot.name == "histogram-mlp-pre"
    assert dock.angles.view.plot is None


def test_the_tab_is_named_for_the_kind_of_norm_and_says_what_its_axes_are(dock, activity_of):
    assert dock.tabs.tabText(NORM) == "LayerNorm"
    assert "(1, …, 1)" in dock.norm.status.text()
    dock.desk.show(activity_of("llama"))
    finish_all()
    assert dock.tabs.tabText(NORM) == "RMSNorm"
    assert "does not centre" in dock.norm.status.text()


def test_every_norm_can_be_chosen_and_follows_the_desk(dock):
    titles = [dock.norm.norms.itemText(index) for index in range(dock.norm.norms.count())]
    assert titles[:2] == ["L0 norm before attention", "L0 norm before the MLP"]
    assert titles[-1] == "Final norm"
    dock.norm.norms.setCurrentIndex(3)
    finish_all()
    assert dock.desk.place.layer == 1
    assert dock.norm.view.plot.title.startswith("L1 norm before the MLP")
    dock.desk.move(layer=0)
    finish_all()
    assert dock.norm.view.plot.title.startswith("L0 norm before the MLP")


def test_the_steps_are_layers_with_a_sphere_and_a_slider(dock, activity_of):
    dock.norm.toggle_scene()
    assert names(dock) == [
        "Norm: axes",
        "Norm: paths",
        "Norm: this token",
        "Norm: steps",
        "Norm: tokens",
    ]
    viewer = dock.viewer
    steps = norm_steps(activity_of("gpt2"), "attn_norm", 0)
    tracks = viewer.layers["Norm: paths"].data
    np.testing.assert_allclose(tracks[:5, 2:], steps.points[:, 0, ::-1], atol=1e-5)
    axis = viewer.dims.ndim - 4
    viewer.dims.set_current_step(axis, 2)
    assert viewer.canvas.overlays.text.text == ("L0 norm before attention: divided by σ: radius √d")
    wires = viewer.layers["Norm: axes"].data[6:]
    np.testing.assert_allclose(np.linalg.norm(wires[0], axis=1), 4, rtol=1e-5)
    # Another layer's norm takes its place, at the same step.
    dock.desk.move(layer=1)
    finish_all()
    assert dock.norm.scene.step == 2
    assert viewer.canvas.overlays.text.text.startswith("L1 norm before attention")
    dock.norm.toggle_scene()
    assert names(dock) == []


def test_the_steps_go_with_their_activity(dock, activity_of):
    dock.norm.toggle_scene()
    dock.desk.show(activity_of("llama"))
    assert names(dock) == []
    assert dock.norm.show_button.text() == "Show in 3-D"


def test_gains_are_a_plot_of_all_layers(dock):
    dock.norm.plots.setCurrentIndex(1)
    finish_all()
    assert dock.norm.view.plot.name == "norm-gains"


def test_every_plot_of_the_neurons_draws(dock):
    dock.tabs.setCurrentIndex(MLP)
    seen = []
    for index in range(dock.mlp.plots.count()):
        dock.mlp.plots.setCurrentIndex(index)
        finish_all()
        seen.append(dock.mlp.view.plot.name)
    assert seen == [
        "histogram-mlp-pre",
        "histogram-mlp-post",
        "sparsity",
        "strongest-neurons",
        "neuron-alignment",
    ]


def test_a_row_of_the_table_goes_to_its_neuron(dock, activity_of):
    dock.tabs.setCurrentIndex(MLP)
    finish_all()
    values = activity_of("gpt2").read("mlp_post")
    layer, token, neuron = np.unravel_index(np.abs(values).argmax(), values.shape)
    table = dock.mlp.table
    assert table.item(0, 0).text() == f"L{layer}"
    assert table.item(0, 1).text() == str(neuron)
    dock.mlp.pick(0)
    place = dock.desk.place
    assert (place.layer, place.token, place.neuron) == (layer, token, neuron)
    dock.desk.move(layer=0, token=2)
    dock.mlp.this_layer.setChecked(True)
    dock.mlp.this_token.setChecked(True)
    finish_all()
    best = np.abs(values[0, 2]).argmax()
    assert (table.item(0, 0).text(), table.item(0, 1).text()) == ("L0", str(best))


def test_angles_of_a_feature_and_their_closest_pairs(dock):
    dock.tabs.setCurrentIndex(ANGLES)
    finish_all()
    tab = dock.angles
    assert tab.view.plot.name == "superposition-in"
    assert tab.features.findData("gate") == -1
    assert tab.layers.isEnabled()
    tab.features.setCurrentIndex(tab.features.findData("token_embedding"))
    tab.centred.setChecked(True)
    finish_all()
    assert tab.view.plot.name == "superposition-token-embedding"
    assert "their mean subtracted first" in tab.status.text()
    assert not tab.layers.isEnabled()
    assert tab.table.rowCount() == 20
    assert "#" in tab.table.item(0, 0).text()


def test_what_needs_the_model_says_so_in_place_of_a_plot(dock, activity_of):
    activity = activity_of("gpt2")
    dock.desk.show(Activity(activity.tokens, dict(activity), activity.source))
    finish_all()
    assert "run it again" in dock.norm.status.text()
    assert dock.norm.view.plot is None
    dock.norm.toggle_scene()
    assert names(dock) == []
    dock.tabs.setCurrentIndex(ANGLES)
    finish_all()
    assert "run the prompt again" in dock.angles.status.text()


def test_nothing_recorded_is_said(dock, activity_of):
    activity = activity_of("gpt2")
    dock.desk.show(Activity(activity.tokens, {}, activity.source, model=activity.model))
    finish_all()
    assert "No input" in dock.norm.status.text()
    dock.tabs.setCurrentIndex(MLP)
    finish_all()
    assert dock.mlp.table.rowCount() == 0
    assert dock.mlp.view.plot.name == "neuron-alignment"


def test_a_dock_that_ends_leaves_nothing_connected(activity_of):
    viewer = ViewerModel()
    dock = GeometryDock(viewer)
    dock.show()
    desk = desk_of(viewer)
    desk.show(activity_of("gpt2"))
    finish_all()
    dock.norm.toggle_scene()
    dock.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert len(desk.changed) == len(desk.moved) == 0
    assert not viewer.layers
