"""The dock of the logit lens: what it computes, and what clicks and lines do."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.follow import NOTHING
from napari_gpt2_tomo.viewer.activity.lens_dock import PARTS, TOKENS, LensDock
from napari_gpt2_tomo.viewer.work import finish_all
from real_data import real_data


@pytest.fixture(scope="module")
def story():
    from napari_gpt2_tomo.activity.running.run import run

    return run(real_data("stories260K"), "Once upon a time, there was a little girl named")


@pytest.fixture
def dock(qtbot, story):
    viewer = ViewerModel()
    made = LensDock(viewer)
    qtbot.addWidget(made)
    made.resize(420, 640)
    made.show()
    desk_of(viewer).show(story)
    finish_all()
    yield made
    made._close()
    finish_all()


def click(view, x, y, axes=0):
    view.clicked.emit(SimpleNamespace(inaxes=view.figure.axes[axes], xdata=x, ydata=y))


def test_an_empty_desk_is_said(qtbot):
    made = LensDock(ViewerModel())
    qtbot.addWidget(made)
    made.show()
    assert made.message == NOTHING
    made._close()


def test_the_end_of_the_text_and_its_prediction_are_seen_first(dock):
    assert dock.lens.strings()[-1, -1] == "·Lily"
    assert len(dock.heat.shown) < 14
    assert dock.heat.shown.stop == 14
    assert dock.heat.words.text().startswith("after final norm, token 13 ·named: ·Lily 92.6%")
    labels = [text.get_text() for text in dock.heat.view.figure.axes[0].texts]
    assert labels.count("·Lily") == 2


def test_a_click_on_a_cell_looks_at_its_layer_and_token(dock):
    dock.heat.bar.setValue(0)
    click(dock.heat.view, 3.2, 5.1)
    assert (dock.desk.place.layer, dock.desk.place.token) == (2, 3)
    assert dock.heat.words.text().startswith("after L2 attention, token 3 ·a:")
    click(dock.heat.view, 3, 0)
    assert dock.desk.place.layer == 0
    assert dock.heat.words.text().startswith("embedding, token 3")


def test_the_bar_follows_the_token_that_is_looked_at(dock):
    dock.desk.move(token=0)
    assert 0 in dock.heat.shown
    dock.desk.move(token=13)
    assert 13 in dock.heat.shown


def test_another_layer_on_the_desk_moves_the_frame(dock):
    dock.desk.move(layer=3)
    assert dock.heat.words.text().startswith("after L3 MLP")


def test_colours_change_without_another_computation(dock):
    lens = dock.lens
    dock.colour.setCurrentIndex(2)
    assert dock.lens is lens
    picture = dock.heat.view.figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[-1], 0, atol=1e-9)


def test_states_between_the_halves_can_be_left_out(dock):
    dock.halves.setChecked(False)
    finish_all()
    assert len(dock.lens.names) == 7


def test_a_token_is_followed_by_its_text(dock):
    dock.tabs.setCurrentIndex(TOKENS)
    finish_all()
    assert len(set(dock.trace.view.plot.table.columns["token"])) == 4
    dock.trace.line.setText("girl")
    dock.trace.follow()
    assert "no single token" in dock.trace.said.text()
    dock.trace.line.setText("Lily")
    dock.trace.follow()
    finish_all()
    assert set(dock.trace.view.plot.table.columns["token"]) == {" Lily"}
    click(dock.trace.view, 4, 0.5)
    assert dock.desk.place.layer == 1


def test_a_part_that_is_clicked_is_looked_at(dock):
    dock.tabs.setCurrentIndex(PARTS)
    finish_all()
    parts = dock.parts
    assert "·Lily" in parts.view.plot.title
    names = list(parts.view.plot.table.columns["part"])
    click(parts.view, 0.1, names.index("L4H0"))
    assert (dock.desk.place.layer, dock.desk.place.head) == (4, 0)
    parts.choice.setCurrentText("Heads and MLPs")
    click(parts.view, 6, 3)
    assert (dock.desk.place.layer, dock.desk.place.head) == (3, 6)


def test_a_difference_of_two_logits_is_explained(dock):
    dock.tabs.setCurrentIndex(PARTS)
    finish_all()
    dock.parts.token.setText("Lily")
    dock.parts.against.setText("Tim")
    dock.parts.against.editingFinished.emit()
    finish_all()
    assert "logit of ·Lily − logit of ·Tim" in dock.parts.view.plot.title
    for index in range(dock.parts.choice.count()):
        dock.parts.choice.setCurrentIndex(index)
        assert dock.parts.view.plot is not None
    dock.parts.against.setText("elephant")
    dock.parts.against.editingFinished.emit()
    finish_all()
    assert "no single token" in dock.parts.said.text()


def test_a_stored_activity_says_that_its_model_is_needed(dock, story):
    stored = type(story)(story.tokens, dict(story.items()), story.source)
    dock.desk.show(stored)
    assert "needs the model" in dock.message


def test_a_model_without_unembedding_says_so(dock):
    from napari_gpt2_tomo.activity.running.run import run

    dock.desk.show(run(real_data("minilm-fp16"), "Hello world"))
    finish_all()
    assert "encoder" in dock.message


def test_a_dock_that_is_gone_hears_nothing_and_is_freed(qtbot, story):
    viewer = ViewerModel()
    made = LensDock(viewer)
    made.show()
    desk_of(viewer).show(story)
    finish_all()
    weak = weakref.ref(made)
    made._close()
    made.deleteLater()
    del made
    qtbot.wait(1)
    gc.collect()
    assert weak() is None
    desk_of(viewer).show(None)
