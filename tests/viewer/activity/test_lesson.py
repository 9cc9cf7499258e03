"""The lesson in napari: the dock, and the page that it writes."""

import re

import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog

from activity.running.families import network
from napari_gpt2_tomo.activity.lesson import plain_chapter, tell, write_chapters
from napari_gpt2_tomo.activity.lesson.mathml import formula
from napari_gpt2_tomo.activity.lesson.plain import plain_formula
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.viewer.activity import lesson
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.follow import NOTHING
from napari_gpt2_tomo.viewer.activity.lesson_dock import LessonDock
from napari_gpt2_tomo.viewer.work import finish_all

IDS = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture(scope="module")
def activity(tmp_path_factory):
    return LanguageModel(network("llama"), tmp_path_factory.mktemp("models") / "tiny").run(IDS)


@pytest.fixture
def dock(qtbot, activity):
    viewer = ViewerModel()
    made = LessonDock(viewer)
    qtbot.addWidget(made)
    made.resize(480, 700)
    made.show()
    desk_of(viewer).show(activity)
    finish_all()
    yield made
    made._close()
    finish_all()


def test_without_a_prompt_the_dock_says_what_to_do(qtbot):
    made = LessonDock(ViewerModel())
    qtbot.addWidget(made)
    made.show()
    assert made.message == NOTHING
    made._close()


def test_the_chapters_are_walked_one_by_one(dock):
    titles = [dock.contents.itemText(i) for i in range(dock.contents.count())]
    assert titles[0] == "1. From text to numbers"
    assert titles[-1] == "11. Back to the model"
    assert not dock.back.isEnabled()
    assert "Before it, a tokenizer cuts the text" in dock.text.toPlainText()
    for _ in titles[1:]:
        dock.forward.click()
    assert dock.text.toPlainText().startswith(titles[-1])
    assert not dock.forward.isEnabled()
    dock.back.click()
    assert f"{dock.story.gradient.norm:.4g}"[:4] in dock.text.toPlainText()


def test_the_lesson_and_the_other_docks_show_each_other_their_head(dock):
    choice = dock.story.choice
    dock.here.click()
    place = dock.desk.place
    assert (place.layer, place.head, place.token) == (choice.layer, choice.head, choice.focus)
    other = (1 - choice.layer, (choice.head + 1) % 4)
    dock.desk.move(layer=other[0], head=other[1])
    dock.contents.setCurrentIndex(3)
    dock.other.click()
    finish_all()
    assert (dock.story.choice.layer, dock.story.choice.head) == other
    assert dock.contents.currentIndex() == 3
    assert dock.text.toPlainText().startswith("4. Attention")


def test_the_page_is_written_and_opened(dock, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(lesson, "show_page", opened.append)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *arguments: (str(tmp_path / "page"), "")
    )
    dock.page.click()
    finish_all()
    assert opened == [tmp_path / "page.html"]
    text = opened[0].read_text(encoding="utf-8")
    choice = dock.story.choice
    assert f"selected>layer {choice.layer}</option>" in text
    assert f"selected>head {choice.head}</option>" in text


def test_a_file_that_cannot_be_written_is_told(dock, tmp_path, monkeypatch):
    from napari_gpt2_tomo.viewer import work

    said = []
    monkeypatch.setattr(work, "show", said.append)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *arguments: (str(tmp_path / "file" / "page.html"), ""),
    )
    dock.page.click()
    finish_all()
    assert "cannot be written" in str(said[0])


def test_a_dock_that_is_gone_follows_no_more(qtbot, activity):
    viewer = ViewerModel()
    made = LessonDock(viewer)
    qtbot.addWidget(made)
    made.show()
    made._close()
    desk_of(viewer).show(activity)
    finish_all()
    assert made.story is None


def test_the_lines_that_lead_back_open_the_head(viewer, model, settle, monkeypatch):
    """The code at the end of a lesson, in a viewer that is open already."""
    import napari

    import napari_gpt2_tomo as tomo
    from napari_gpt2_tomo.activity.lesson.snippets import view_snippet
    from napari_gpt2_tomo.viewer.commands import current_link

    show = tomo.view
    monkeypatch.setattr(tomo, "view", lambda path: show(path, viewer))
    monkeypatch.setattr(napari, "run", lambda: None)
    story = tell(tomo.run(model, "5 6 7 8"), layer=2, head=3, training=False)
    code = view_snippet(story)[0]
    exec(compile(code, "lesson", "exec"), {})
    settle()
    link = current_link(viewer)
    place = link.volume.layout.place(link.cursor.position)
    part = link.volume.anatomy.parts[place.part]
    assert part.name == "L2.q"
    viewer.layers.clear()
    settle()


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_plain_chapters_keep_the_text_and_lose_no_formula(family, tmp_path):
    model = LanguageModel(network(family), tmp_path / "tiny", causal=family != "bert")
    story = tell(model.run(IDS), training=False)
    for chapter in write_chapters(story):
        plain = plain_chapter(chapter.body)
        assert not re.search(r"<(svg|math|select|script|pre|semantics)", plain)
        assert "application/x-tex" not in plain
        assert plain.count("<p") == plain.count("</p>") > 0
        assert plain.count("<table") == plain.count("</table>")


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}", "(x − μ)/(√(σ<sup>2</sup> + ε))"),
        (r"e_t = W_E[:, \text{id}_t]", "e<sub>t</sub> = W<sub>E</sub>[:,id<sub>t</sub>]"),
        (r"a < b", "a &lt; b"),
    ],
)
def test_formulas_in_plain_letters(latex, plain):
    assert plain_formula(formula(latex)) == plain
