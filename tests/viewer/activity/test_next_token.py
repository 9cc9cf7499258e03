"""The dock of the next token: bars, steps, the text, and comparison."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.next_token_dock import (
    NEXT,
    PAIR,
    STEPS,
    TEXT,
    NextTokenDock,
)
from napari_gpt2_tomo.viewer.work import finish_all
from real_data import real_data


@pytest.fixture(scope="module")
def story():
    from napari_gpt2_tomo.activity.running.run import run

    return run(real_data("stories260K"), "Once upon a time, there was a little girl named")


@pytest.fixture
def dock(qtbot, story):
    viewer = ViewerModel()
    made = NextTokenDock(viewer)
    qtbot.addWidget(made)
    made.resize(420, 700)
    made.show()
    desk_of(viewer).show(story)
    finish_all()
    yield made
    made._close()
    finish_all()


def click(view, x, y):
    view.clicked.emit(SimpleNamespace(inaxes=view.figure.axes[0], xdata=x, ydata=y))


def bars(dock):
    return list(dock.next.view.plot.table.columns["token"])


def test_the_likeliest_tokens_stand_first_with_the_entropy(dock):
    assert bars(dock)[0] == "·Lily"
    assert dock.next.numbers.text().startswith("Entropy 0.55 bits (0.38 nats)")


def test_a_token_inside_the_text_shows_what_does_come(dock):
    dock.desk.move(token=8)
    assert "·little comes, rank 1" in dock.next.numbers.text()
    assert "“" in dock.next.view.plot.title


def test_a_step_appends_what_the_model_chooses_and_back_takes_it_away(dock):
    for _ in range(3):
        dock.next.step()
        finish_all()
    added = [step.string for step in dock.next.continuing.taken]
    assert added[0] == " Lily"
    assert dock.text.text().endswith(f"<b>{''.join(added)}</b>")
    dock.next.back()
    finish_all()
    assert [step.string for step in dock.next.continuing.taken] == added[:2]


def test_a_click_on_a_bar_appends_that_token(dock):
    third = dock.next.shown.strings[2]
    click(dock.next.view, 0.01, 2)
    finish_all()
    assert dock.next.continuing.taken[0].string == third
    assert dock.next.continuing.taken[0].rank == 3
    dock.desk.move(token=3)
    click(dock.next.view, 0.01, 1)
    finish_all()
    assert len(dock.next.continuing.taken) == 1


def test_sampling_shows_which_tokens_survive(dock):
    assert not dock.next.form.top_k.isEnabled()
    dock.next.form.temperature.setValue(1.0)
    dock.next.form.top_k.setValue(3)
    assert "drawn from 3 tokens" in dock.next.numbers.text()
    drawn = dock.next.view.plot.table.columns["probability when drawn"]
    assert (drawn[:3] > 0).all()
    assert not drawn[3:].any()


def test_the_continuation_has_a_tab_once_there_is_one(dock):
    assert not dock.tabs.isTabVisible(STEPS)
    dock.next.step()
    finish_all()
    assert dock.tabs.isTabVisible(STEPS)
    dock.tabs.setCurrentIndex(STEPS)
    assert dock.steps.plot.table.columns["token"][0] == "·Lily"


def test_the_longer_text_can_be_run(dock, story):
    dock.next.step()
    finish_all()
    dock.next.run_button.click()
    finish_all()
    assert dock.activity is not story
    assert dock.activity.tokens.strings[-1] == " Lily"
    assert dock.next.continuing.taken == []
    assert not dock.tabs.isTabVisible(STEPS)
    assert dock.tabs.currentIndex() == NEXT


def test_the_text_says_how_well_each_token_was_foreseen(dock):
    dock.tabs.setCurrentIndex(TEXT)
    assert dock.numbers.text().startswith("Token 13 ·named: 98.1%, rank 1, surprisal 0.03 bits")
    click(dock.bars, 9, 0.1)
    assert dock.desk.place.token == 9
    assert dock.numbers.text().startswith("Token 9 ·little")
    dock.desk.move(token=0)
    assert dock.numbers.text().startswith("Token 0 <s>: nothing stands before it")


def test_a_token_that_looks_like_markup_is_shown_as_it_is(dock, story):
    for label in (dock.numbers, dock.next.numbers, dock.next.said, dock.compare.said):
        assert label.textFormat() == Qt.TextFormat.PlainText
    assert "&lt;s&gt;Once" in dock.text.text()
    dock.desk.show(story.model.run([1]))
    dock.tabs.setCurrentIndex(TEXT)
    assert "perplexity" not in dock.strip.plot.title
    assert dock.bars.plot is None


def test_another_text_is_compared_and_stays_on_the_desk(dock, story):
    dock.tabs.setCurrentIndex(PAIR)
    finish_all()
    dock.compare.line.setText("Once upon a time, there was a big bear named")
    dock.compare.compare()
    finish_all()
    assert dock.desk.activity is story
    assert dock.desk.other.text.endswith("bear named")
    assert "Jensen–Shannon" in dock.compare.said.text()
    names = []
    for index in range(dock.compare.choice.count()):
        dock.compare.choice.setCurrentIndex(index)
        finish_all()
        names.append(dock.compare.view.plot.name)
    assert names == ["compare-next-token", "compare-logit-lens", "compare-residual"]


def test_another_model_reads_the_same_text(dock, story):
    dock.tabs.setCurrentIndex(PAIR)
    finish_all()
    dock.compare.which.setCurrentIndex(1)
    dock.compare.picker.choose(Path(real_data("char-gpt2-series/step06000")))
    dock.compare.compare()
    finish_all()
    assert dock.desk.other.text == story.text
    assert "vocabularies differ" in dock.compare.said.text()
    dock.compare.choice.setCurrentIndex(2)
    finish_all()
    assert "no cosine between them" in dock.compare.said.text()


def test_under_changes_a_text_is_not_continued_by_the_unchanged_model(dock, story):
    source = replace(story.source, changes=("L0 H0 is off",))
    dock.desk.show(type(story)(story.tokens, dict(story.items()), source, model=story.model))
    assert not dock.next.step_button.isEnabled()
    assert "under changes" in dock.next.said.text()
    dock.desk.show(story)
    assert dock.next.step_button.isEnabled()
    assert dock.next.said.text() == ""


def test_encoders_are_refused(dock):
    from napari_gpt2_tomo.activity.running.run import run

    dock.desk.show(run(real_data("minilm-fp16"), "Hello world"))
    assert "encoder" in dock.message
