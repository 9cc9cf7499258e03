"""The dock of interventions: what it collects, what it runs, and what clicks do."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from activity.intervention.tiny import build
from napari_gpt2_tomo.activity.intervention.change import Component, Mean, Patch, Zero
from napari_gpt2_tomo.activity.running.changes import effect
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.follow import NOTHING
from napari_gpt2_tomo.viewer.activity.interventions.choices import NO_MODEL
from napari_gpt2_tomo.viewer.activity.interventions_dock import (
    CHANGES,
    COMPOSITION,
    SWEEP,
    InterventionsDock,
)
from napari_gpt2_tomo.viewer.view import view
from napari_gpt2_tomo.viewer.work import finish_all

A, B = "3 14 15 9 2", "3 8 15 1 2"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    build("gpt2", folder)
    return LanguageModel.load(folder, device="cpu")


@pytest.fixture
def dock(qtbot, gpt2):
    """The dock, seen, with a run of the tiny model on the desk."""
    viewer = ViewerModel()
    desk_of(viewer).show(gpt2.run(A))
    made = InterventionsDock(viewer)
    qtbot.addWidget(made)
    made.resize(420, 680)
    made.show()
    yield made
    made._close()
    finish_all()


def choose(box, value):
    box.setCurrentIndex(box.findData(value))


def event_at(tab, x, y):
    return SimpleNamespace(inaxes=tab.view.figure.axes[0], xdata=x, ydata=y)


def test_an_empty_desk_is_said(qtbot):
    made = InterventionsDock(ViewerModel())
    qtbot.addWidget(made)
    made.show()
    assert made.message == NOTHING
    made._close()


def test_what_the_desk_looks_at_is_added(dock):
    tab = dock.changes
    dock.desk.move(layer=2, head=3, neuron=7, channel=5)
    tab.add()
    choose(tab.what, "neuron")
    choose(tab.how, "mean")
    tab.add()
    choose(tab.what, "channel")
    choose(tab.how, "patch")
    tab.other.line.setText(B)
    tab.only.setChecked(True)
    tab.add()
    assert tab.changes == [
        Zero(Component.head(2, 3)),
        Mean(Component.neuron(2, 7)),
        Patch(Component.channel(2, 5), B, (4,)),
    ]
    assert tab.add_button.text() == "Add L2 channel 5"
    tab.add()  # The same again.
    assert len(tab.changes) == 3


def test_the_next_token_before_and_after_is_shown(dock, gpt2):
    tab = dock.changes
    assert tab.view.plot is None
    dock.desk.move(layer=1, head=2)
    tab.add()
    finish_all()
    expected = effect(gpt2, A, [Zero(Component.head(1, 2))]).candidates(8)
    table = tab.view.plot.table.columns
    assert table["id"] == [one.id for one in expected]
    assert np.allclose(table["probability after"], [one.after for one in expected])
    tab.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    finish_all()
    assert tab.view.plot is None


def test_chosen_tokens_are_shown_and_compared(dock, gpt2):
    tab = dock.changes
    tab.also.setText("#4, #9")
    choose(tab.what, "mlp")
    tab.add()
    finish_all()
    assert {4, 9} <= set(tab.view.plot.table.columns["id"])
    before, after = effect(gpt2, A, [Zero(Component.mlp(0))]).difference(4, 9)
    assert f"{before:+.2f} → {after:+.2f}" in tab.said.text()
    tab.also.setText("#999")
    tab.also.editingFinished.emit()
    assert "no token 999" in tab.said.text()


def test_prompts_that_do_not_fit_are_said_and_nothing_old_is_shown(dock):
    tab = dock.changes
    tab.add()
    finish_all()
    assert tab.view.plot is not None
    choose(tab.how, "patch")
    tab.add()
    assert "prompt to patch from" in tab.said.text()
    tab.other.line.setText("1 2")
    assert "2 tokens, not 5" in tab.other.count.text()
    tab.add()
    finish_all()
    assert "5 tokens, the one to patch from 2" in tab.said.text()
    assert tab.view.plot is None


def test_the_changed_run_is_put_on_the_desk_and_taken_back(dock, gpt2):
    tab, plain = dock.changes, dock.desk.activity
    dock.desk.move(token=2, layer=1)
    choose(tab.what, "attention")
    tab.add()
    tab.everywhere.setChecked(True)
    finish_all()
    changed = dock.desk.activity
    assert changed.source.changes == ("Zero ablation of L1 attention",)
    assert dock.desk.other is plain
    assert dock.desk.place.token == 2
    assert not changed["attn_out"][1].any()
    assert tab.everywhere.isChecked()
    tab.everywhere.setChecked(False)
    finish_all()
    assert dock.desk.activity is plain
    tab.everywhere.setChecked(True)
    finish_all()
    tab.clear()
    finish_all()
    assert dock.desk.activity is plain
    assert not tab.everywhere.isChecked()


def test_positions_of_another_text_are_forgotten(dock, gpt2):
    tab = dock.changes
    tab.add()
    tab.only.setChecked(True)
    tab.add()
    assert len(tab.changes) == 2
    dock.desk.show(gpt2.run("7 8 9"))
    assert tab.changes == [Zero(Component.head(0, 0))]
    finish_all()


def test_a_sweep_is_drawn_and_a_click_goes_to_the_head(dock):
    dock.tabs.setCurrentIndex(SWEEP)
    tab = dock.sweep
    tab.start()
    finish_all()
    assert tab.sweep.values.shape == (3, 4)
    assert "Strongest: L" in tab.said.text()
    tab.view.clicked.emit(event_at(tab, 3.2, 1.9))
    assert (dock.desk.place.layer, dock.desk.place.head) == (2, 3)
    choose(tab.over, "resid_pre")
    choose(tab.how, "patch")
    tab.other.line.setText(B)
    choose(tab.metric, "difference")
    tab.token.setText("#4")
    tab.minus.setText("#9")
    tab.start()
    finish_all()
    assert tab.sweep.values.shape == (3, 5)
    assert tab.sweep.source is not None
    tab.view.clicked.emit(event_at(tab, 1.0, 0.0))
    assert (dock.desk.place.layer, dock.desk.place.token) == (0, 1)


def test_a_mean_can_be_over_other_texts_and_each_line_keeps_its_words(dock, gpt2):
    tab = dock.changes
    choose(tab.how, "mean")
    tab.other.line.setText("1 2 3 | 7 8")
    choose(tab.how, "patch")
    assert tab.other.line.text() == ""
    tab.other.line.setText(B)
    choose(tab.how, "mean")
    assert tab.other.line.text() == "1 2 3 | 7 8"
    tab.add()
    change = Mean(Component.head(0, 0), over=("1 2 3", "7 8"))
    assert tab.changes == [change]
    finish_all()
    expected = [one.after for one in effect(gpt2, A, [change]).candidates(8)]
    assert np.allclose(tab.view.plot.table.columns["probability after"], expected)


def test_a_sweep_can_be_stopped_and_begun_again(dock):
    tab = dock.sweep
    tab.start()
    assert tab.start_button.text() == "Stop"
    tab.start()
    assert tab.start_button.text() == "Start"
    finish_all()
    assert tab.sweep is None
    tab.start()
    finish_all()
    assert tab.start_button.text() == "Start"
    assert tab.sweep is not None


def test_the_delete_key_removes_the_selected_change(dock, qtbot):
    tab = dock.changes
    tab.add()
    dock.desk.move(head=1)
    tab.add()
    tab.list.setCurrentRow(0)
    tab.list.setFocus()
    qtbot.keyClick(tab.list, Qt.Key.Key_Delete)
    assert tab.changes == [Zero(Component.head(0, 1))]
    finish_all()


def test_what_a_sweep_lacks_is_said(dock):
    tab = dock.sweep
    choose(tab.metric, "logit")
    tab.token.setText("#777")
    tab.start()
    assert "no token 777" in tab.said.text()
    choose(tab.metric, "kl")
    choose(tab.how, "patch")
    tab.start()
    assert "prompt to patch from" in tab.said.text()
    assert tab.sweep is None


def test_composition_is_compared_when_its_tab_is_seen(dock):
    tab = dock.composition
    assert tab.found is None
    dock.tabs.setCurrentIndex(COMPOSITION)
    finish_all()
    assert tab.found.folded
    assert tab.found.values.shape == (3, 4, 3, 4)
    # Row 9 is head 1 of layer 2, column 3 is head 3 of layer 0.
    tab.view.hovered.emit(event_at(tab, 3.0, 9.0))
    assert tab.said.text().startswith("L2H1 reads L0H3")
    tab.view.clicked.emit(event_at(tab, 3.0, 9.0))
    assert (dock.desk.place.layer, dock.desk.place.head) == (2, 1)
    assert (tab.earlier.value(), tab.later_box.value()) == (0, 2)
    choose(tab.show_as, "pair")
    assert "from layer 0 to layer 2" in tab.view.plot.title
    tab.earlier.setValue(1)
    tab.later_box.setValue(1)
    assert tab.earlier.value() == 0
    choose(tab.show_as, "graph")
    assert len(tab.view.plot.table) == 24


def test_without_folding_the_scores_are_others(dock):
    tab = dock.composition
    dock.tabs.setCurrentIndex(COMPOSITION)
    finish_all()
    folded = tab.found
    tab.fold.setChecked(False)
    finish_all()
    assert not tab.found.folded
    assert np.nanmax(np.abs(tab.found.values - folded.values)) > 1e-4


def test_composition_of_a_scan_needs_no_prompt(viewer, qtbot, model):
    made = InterventionsDock(viewer)
    qtbot.addWidget(made)
    made.show()
    assert made.message == NOTHING
    view(model, viewer)
    finish_all()
    assert made.message == ""
    assert made.tabs.currentIndex() == COMPOSITION
    assert made.composition.found is not None
    assert not made.tabs.isTabEnabled(CHANGES)
    made._close()


def test_an_activity_without_its_model_says_so(dock, gpt2):
    stored = gpt2.run(A)
    stored.model = None
    dock.desk.show(stored)
    assert dock.changes.said.text() == NO_MODEL
    assert not dock.changes.add_button.isEnabled()
    assert not dock.sweep.start_button.isEnabled()
    dock.tabs.setCurrentIndex(COMPOSITION)
    assert "open the model" in dock.composition.said.text()


def test_a_closed_dock_hears_nothing(qtbot, gpt2):
    viewer = ViewerModel()
    desk_of(viewer).show(gpt2.run(A))
    made = InterventionsDock(viewer)
    qtbot.addWidget(made)
    made.show()
    before = len(viewer.layers.events.inserted.callbacks)
    made._close()
    assert len(viewer.layers.events.inserted.callbacks) == before - 1
    shown = made.changes._activity
    desk_of(viewer).show(gpt2.run(B))
    assert made.changes._activity is shown
    gc.collect()
