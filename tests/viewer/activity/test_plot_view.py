"""A plot in a dock: in napari's colours, saved by one dialog."""

import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.plots import Plot, Table
from napari_gpt2_tomo.viewer.activity.plot_view import PlotView


@pytest.fixture
def drawn():
    """Grounds that a plot was drawn on."""
    return []


@pytest.fixture
def plot(drawn):
    def draw(figure, theme):
        drawn.append(theme.ground)
        axes = figure.subplots()
        axes.plot([1, 2, 3])
        axes.set_xticks([0, 1, 2], ["a", "\U00012000", "c"])

    table = Table({"x": [1, 2, 3], "token": ["=1+1", "猫", " the"]})
    return Plot("three-points", "Three points", draw, table, "What they are.", (3.0, 2.0))


@pytest.fixture
def view(qtbot, plot):
    made = PlotView()
    qtbot.addWidget(made)
    made.show_plot(plot)
    return made


def test_a_plot_has_its_title_and_its_caption(view, plot):
    assert view.plot is plot
    assert view.title.text() == "Three points"
    assert view.title.toolTip() == "What they are."
    assert view.save_button.isEnabled()
    view.show_plot(None)
    assert view.title.text() == ""
    assert not view.figure.axes
    assert not view.save_button.isEnabled()


def test_letters_that_no_font_has_are_drawn_by_number(view):
    view.canvas.draw()
    labels = [label.get_text() for label in view.figure.axes[0].get_xticklabels()]
    assert labels == ["a", "U+12000", "c"]


def test_another_theme_draws_in_its_colours(window, view, drawn):
    window.theme = "dark"
    window.window.add_dock_widget(view)
    QApplication.processEvents()
    before = len(drawn)
    window.theme = "light"
    QApplication.processEvents()
    dark, light = drawn[before - 1], drawn[before]
    assert set(drawn[before:]) == {light}, "napari changes the palette step by step"
    assert int(dark[1:3], 16) < 128 < int(light[1:3], 16)


@pytest.mark.parametrize(
    ("typed", "chosen", "written", "begins"),
    [
        ("one.png", "Picture (*.png)", "one.png", b"\x89PNG"),
        ("one.svg", "Picture (*.png)", "one.svg", b"<?xml"),
        ("one", "Numbers (*.csv)", "one.csv", b"x,token"),
        ("three-points.png", "Drawing (*.svg)", "three-points.svg", b"<?xml"),
    ],
)
def test_one_dialog_saves_picture_drawing_and_numbers(
    view, tmp_path, monkeypatch, typed, chosen, written, begins
):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), chosen))
    view.save_button.click()
    assert [path.name for path in tmp_path.iterdir()] == [written]
    assert (tmp_path / written).read_bytes().startswith(begins)


def test_a_file_that_cannot_be_written_is_said(view, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("napari_gpt2_tomo.viewer.activity.plot_view.show", said.append)
    for name in ("no/such/folder.png", "picture.jpg"):
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_, name=name: (str(tmp_path / name), "(*.jpg)")
        )
        view.save_button.click()
    assert "cannot be written" in str(said[0])
    assert isinstance(said[1], DisplayError)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    view.save_button.click()
    assert len(said) == 2
