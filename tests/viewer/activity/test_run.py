"""The dock that runs prompts, and docks that follow what it found."""

import gc
import weakref

import numpy as np
import pytest

from napari_gpt2_tomo.activity.catalogue import MODELS, cached_models, local_path
from napari_gpt2_tomo.activity.examples import PROMPTS
from napari_gpt2_tomo.activity.preview import Piece, pieces
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.follow import NOTHING, Following
from napari_gpt2_tomo.viewer.activity.run.model_picker import ModelPicker, entries
from napari_gpt2_tomo.viewer.activity.run.prompt_box import PromptBox, chips
from napari_gpt2_tomo.viewer.activity.run_dock import RunDock
from napari_gpt2_tomo.viewer.layers import add_scan
from real_data import real_data

from .made_activity import made_activity

# A dock that follows.


class Trial(Following):
    """Writes down what it is told."""

    def __init__(self, viewer):
        super().__init__(viewer)
        self.heard = []
        self.wrong = None

    def show_activity(self, activity):
        self.heard.append(activity)
        if self.wrong is not None:
            raise self.wrong

    def show_place(self, place):
        self.heard.append(place)


@pytest.fixture
def trial(viewer, qtbot):
    made = Trial(viewer)
    qtbot.addWidget(made)
    return made


def test_a_dock_without_an_activity_says_so(trial):
    trial.show()
    assert trial.message == NOTHING
    assert trial.heard == []


def test_a_hidden_dock_catches_up_when_it_is_shown(trial):
    activity = made_activity()
    desk = trial.desk
    desk.show(made_activity())
    desk.show(activity)
    desk.move(layer=1)
    assert trial.heard == []
    trial.show()
    assert trial.heard == [activity]
    assert trial.message == ""
    desk.move(layer=2)
    assert trial.heard[1:] == [desk.place]
    trial.hide()
    desk.move(layer=0)
    assert len(trial.heard) == 2
    trial.show()
    assert trial.heard[2:] == [desk.place]


def test_what_cannot_be_shown_is_said_in_the_dock_until_something_can(trial):
    trial.show()
    trial.wrong = TomoError("No neurons were recorded.")
    trial.desk.show(made_activity())
    assert trial.message == "No neurons were recorded."
    trial.wrong = None
    trial.desk.move(layer=1)
    assert trial.message == ""
    trial.desk.show(None)
    assert trial.message == NOTHING


def test_a_dock_that_is_gone_hears_nothing(viewer, qtbot):
    made = Trial(viewer)
    desk = made.desk
    made.deleteLater()
    weak = weakref.ref(made)
    qtbot.waitUntil(lambda: not len(desk.changed), timeout=2000)
    assert not len(desk.moved)
    del made
    gc.collect()
    assert weak() is None


# Models and texts.


def test_models_that_are_not_here_are_named_and_cannot_be_chosen(
    viewer, qtbot, monkeypatch, tmp_path
):
    monkeypatch.setattr("napari_gpt2_tomo.activity.catalogue._cache", lambda: tmp_path)
    found = entries(viewer)
    missing = {entry.title for entry in found if entry.place is None}
    names = {"openai-gpt", "gpt2", "gpt-neo-1.3B", "gpt-j-6B", "gpt-oss-20b", "OLMo-7B"}
    assert names <= missing == {model.name for model in MODELS}
    assert all("hf download" in entry.about for entry in found if entry.place is None)


def snapshot(root, repository, *files):
    folder = root / f"models--{repository.replace('/', '--')}" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text('{"model_type": "gpt2"}')
    return folder


def test_models_of_the_cache_are_found_by_either_name(monkeypatch, tmp_path):
    monkeypatch.setattr("napari_gpt2_tomo.activity.catalogue._cache", lambda: tmp_path)
    whole = snapshot(tmp_path, "gpt2", "config.json", "model.safetensors")
    snapshot(tmp_path, "EleutherAI/gpt-j-6b", "config.json")
    assert [(one.repository, one.family) for one in cached_models()] == [("gpt2", "gpt2")]
    assert local_path("gpt2") == local_path("openai-community/gpt2") == whole
    assert local_path("gpt-j-6B") is None, "weights are not there"


def test_the_picker_prefers_what_the_viewer_shows(viewer, qtbot, model, settle):
    from napari_gpt2_tomo.facade import Scan

    with Scan(model) as scan:
        add_scan(viewer, scan)
        settle()
        picker = ModelPicker(viewer)
        qtbot.addWidget(picker)
        assert picker.place == model
        picker.choose(model / "model.safetensors")
        assert picker.place == model
        other = model.parent
        picker.choose(other)
        picker.fill()
        assert picker.place == other


def test_pieces_of_a_text_are_told_without_torch():
    folder = real_data("stories260K")
    found = pieces(folder, "One 🍕")
    assert found[0].added
    assert found[-1] == Piece("🍕", 4)
    assert "".join(piece.text for piece in found if not piece.added) == "One 🍕"
    assert pieces(folder.parent, "One") is None


def test_tokens_are_shown_as_text_whatever_they_hold():
    shown = chips((Piece("<b>&"), Piece("⁦a"), Piece("🍕", 4)), dark=True)
    assert "&lt;b&gt;&amp;" in shown
    assert "<sup> 4</sup>" in shown


def test_every_example_says_what_it_shows():
    assert len({one.title for one in PROMPTS}) == len(PROMPTS) >= 10
    assert all(one.text.strip() and len(one.shows) > 20 for one in PROMPTS)


# Running.


@pytest.fixture
def dock(viewer, qtbot, model):
    made = RunDock(viewer)
    qtbot.addWidget(made)
    made.show()
    made.model.choose(model)
    made.prompt.text.setPlainText("12 7 9 12 7")
    return made


def test_a_run_puts_an_activity_on_the_desk(dock, viewer, settle):
    assert dock.result.isHidden() or not dock.result.isVisible()
    dock.run()
    assert dock.running
    assert dock.cancel_button.isVisible()
    dock.wait()
    settle()
    activity = desk_of(viewer).activity
    assert isinstance(activity, Activity)
    assert activity.tokens.ids.tolist() == [12, 7, 9, 12, 7]
    assert dock.result.isVisible()
    assert not dock.running
    assert dock.run_button.isVisible()
    assert not dock.status.isVisible()
    rows = dock.result.next.rows
    logits = activity["logits"][-1].astype(float)
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert [share for _, share in rows] == pytest.approx(np.sort(shares)[::-1][:5], rel=1e-4)
    dock.continuation.n.setValue(3)
    dock.means.sites.choose(("pattern", "router"))
    dock.run()
    dock.wait()
    settle()
    again = desk_of(viewer).activity
    assert list(again) == ["pattern"], "what the model has not is left out"
    assert len(again.tokens) == 8


def test_errors_are_said_in_the_dock(dock, viewer, model, settle, monkeypatch):
    said = []
    monkeypatch.setattr(
        "napari_gpt2_tomo.viewer.activity.run_dock.show", lambda error: said.append(str(error))
    )
    for prompt, words in (("", "no tokens"), ("one two", "no tokenizer"), ("5000", "no 5000")):
        dock.prompt.text.setPlainText(prompt)
        dock.run()
        dock.wait()
        settle()
        assert words in dock.status.text()
        assert words in said[-1]
    assert desk_of(viewer).activity is None
    dock.model.box.setCurrentIndex(-1)
    dock.run()
    assert "Choose a model" in dock.status.text()


def test_a_cancelled_run_leaves_the_desk_as_it_was(dock, viewer, settle):
    before = made_activity()
    desk_of(viewer).show(before)
    dock.run()
    dock.cancel()
    dock.wait()
    settle()
    assert desk_of(viewer).activity is before
    assert dock.run_button.isVisible()
    assert not dock.running


def test_tokens_that_are_counted_too_late_are_not_shown(qapp):
    from qtpy.QtCore import QCoreApplication, QEvent

    box = PromptBox()
    box.deleteLater()
    QCoreApplication.sendPostedEvents(box, QEvent.Type.DeferredDelete)
    box._counted((None,))
    with pytest.raises(RuntimeError, match="deleted"):
        box.count.text()


def test_options_read_as_the_model_takes_them(dock):
    form = dock.continuation
    assert form.value.top_k is None
    assert not form.seed.isEnabled()
    form.temperature.setValue(0.8)
    form.top_k.setValue(5)
    form.top_p.setValue(0.9)
    assert form.seed.isEnabled()
    assert (form.value.top_k, form.value.top_p) == (5, pytest.approx(0.9))
    assert dock.means.sites.value is None
    dock.means.streaming.choose("on")
    assert dock.means.value.streaming == "on"


def test_a_run_dock_that_is_gone_hears_nothing(viewer, qtbot, model, settle):
    made = RunDock(viewer)
    made.model.choose(model)
    desk = desk_of(viewer)
    settle()
    made.deleteLater()
    qtbot.waitUntil(lambda: not len(desk.changed), timeout=2000)
