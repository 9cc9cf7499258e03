"""The panel of the window: numbers, presets, histogram, parts."""

import numpy as np
import pytest

from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.viewer import remembered
from napari_gpt2_tomo.viewer.console.histogram import view_of
from napari_gpt2_tomo.viewer.console.window_panel import AT_CURSOR, WindowPanel

from .mouse import LEFT, drag, move, press, release, wheel


@pytest.fixture
def panel(shown, qtbot):
    made = WindowPanel(shown.viewer)
    qtbot.addWidget(made)
    made.resize(340, 420)
    made.set_link(shown.link)
    made.show()
    yield made
    made.set_link(None)


def _type(field, text):
    field.lineEdit().setText(text)
    field.interpretText()


def test_numbers_are_those_of_the_window_in_every_unit(panel, shown):
    window, scale = shown.console.window, shown.console.scale()
    for unit in ("weight", "sigma", "hu"):
        panel.set_unit(unit)
        assert panel.centre.value() == pytest.approx(scale.to(window.centre, unit))
        assert panel.width_.value() == pytest.approx(scale.length_to(window.width, unit))


def test_typed_numbers_move_the_window(panel, shown):
    panel.set_unit("hu")
    _type(panel.centre, "40")
    _type(panel.width_, "400")
    scale, window = shown.console.scale(), shown.console.window
    assert scale.to(window.centre, "hu") == pytest.approx(40)
    assert scale.length_to(window.width, "hu") == pytest.approx(400)
    _type(panel.centre, "−1e2")
    assert scale.to(shown.console.window.centre, "hu") == pytest.approx(-100)


@pytest.mark.parametrize("text", ["0", "-1", "wide", "", "1e999"])
def test_a_width_that_shows_nothing_is_said_and_undone(panel, shown, said, text):
    window = shown.console.window
    _type(panel.width_, text)
    assert shown.console.window == window
    assert panel.width_.value() == pytest.approx(window.width)
    assert bool(said) == (text in ("0", "-1"))


def test_the_slider_and_the_window_are_in_step(panel, shown):
    panel.slider.setValue((0.1, 0.3))
    assert shown.console.window.limits == pytest.approx((0.1, 0.3), abs=1e-3)
    shown.console.window = Window(0.3, 0.2)
    assert panel.slider.value() == pytest.approx((0.2, 0.4), abs=1e-3)


def test_the_window_is_dragged_on_the_histogram(panel, shown):
    histogram, console = panel.histogram, shown.console
    console.set_limits(0.2, 0.4)
    y = 60.0

    def x(value):
        return (histogram.x_of(value), y)

    drag(histogram, x(0.4), [x(0.5)], LEFT)
    assert console.window.limits == pytest.approx((0.2, 0.5), abs=0.01)
    drag(histogram, x(0.2), [x(0.1)], LEFT)
    assert console.window.limits == pytest.approx((0.1, 0.5), abs=0.01)
    drag(histogram, x(0.3), [x(0.35)], LEFT)
    assert console.window.limits == pytest.approx((0.15, 0.55), abs=0.01)
    # An edge never passes the other, and a click outside centres the window there.
    drag(histogram, x(0.55), [x(0.05)], LEFT)
    assert 0 < console.window.width < 0.02
    press(histogram, x(0.45), LEFT)
    release(histogram, x(0.45), LEFT)
    assert console.window.centre == pytest.approx(0.45, abs=0.01)


def test_keys_and_wheel_act_on_the_histogram(panel, shown, qtbot):
    from qtpy.QtCore import Qt

    histogram, console = panel.histogram, shown.console
    before = console.window
    qtbot.keyClick(histogram, Qt.Key.Key_Right)
    qtbot.keyClick(histogram, Qt.Key.Key_Up)
    assert console.window.centre > before.centre
    assert console.window.width > before.width
    seen = histogram.view
    wheel(histogram, 120)
    assert histogram.view[1] - histogram.view[0] < seen[1] - seen[0]
    assert (panel.slider.minimum(), panel.slider.maximum()) == pytest.approx(histogram.view)
    histogram.mouseDoubleClickEvent(None)
    assert histogram.view == view_of(histogram.distribution, console.window)


def test_the_histogram_draws_the_window_where_it_is(panel, shown):
    def amber(picture):
        r, b = (picture[..., i].astype(int) for i in (0, 2))
        columns = ((r - b > 80) & (r > 150)).mean(axis=0)
        return np.flatnonzero(columns > 0.5)

    from .pixels import grab

    shown.console.set_limits(0.2, 0.4)
    first = amber(grab(panel.histogram))
    shown.console.set_limits(0.5, 0.7)
    second = amber(grab(panel.histogram))
    assert len(first)
    assert second.min() > first.min() + 20


@pytest.mark.parametrize("preset", ["full", "zero", "outliers", "fine-structure"])
def test_the_window_of_a_preset_can_be_seen_and_taken(panel, shown, preset):
    shown.console.apply_preset(preset)
    low, high = (panel.histogram.x_of(edge) for edge in shown.console.window.limits)
    assert 0 <= low < high <= panel.histogram.width()
    assert high - low > 5


def test_presets_are_chosen_and_a_moved_window_is_none(panel, shown):
    chooser = panel.presets
    chooser.chosen.emit("soft-tissue")
    assert shown.console.preset.key == "soft-tissue"
    assert chooser.current == "soft-tissue"
    shown.console.window = shown.console.window.moved(0.01)
    assert chooser.current == ""


def test_own_presets_are_kept_shown_and_deleted(panel, shown):
    panel.set_unit("sigma")
    shown.console.set("sigma", centre=1, width=2)
    panel.presets.save_as("Mine")
    (mine,) = remembered.own_presets()
    assert (mine.kind, mine.numbers) == ("sigma", pytest.approx((1, 2)))
    assert panel.presets.current == mine.key
    assert panel.presets.remove.isEnabled()
    shown.console.apply_preset("full")
    assert not panel.presets.remove.isEnabled()
    panel.presets.chosen.emit(mine.key)
    assert shown.console.scale().to(shown.console.window.centre, "sigma") == pytest.approx(1)
    window = shown.console.window
    panel.presets.delete()
    assert remembered.own_presets() == ()
    assert shown.console.window == window


def test_a_preset_without_a_title_is_said(panel, said):
    panel.presets.save_as("")
    assert any("title" in text for text in said)


def test_unreadable_presets_are_said_once_and_kept(panel, shown, said):
    remembered._set("presets", "{")
    panel.presets.fill()
    panel.presets.fill()
    assert len([text for text in said if "Preferences" in text]) == 1
    panel.presets.save_as("Mine")
    assert remembered._get("presets") == "{"


def test_a_part_has_its_own_histogram_units_and_presets(panel, shown, settle):
    panel.choose_part("L1.k")
    assert panel.histogram.distribution.estimate
    settle()
    found = panel.histogram.distribution
    values = np.abs(shown.scan.part("k", 1))
    assert not found.estimate
    assert found.n == values.size
    assert found.mean == pytest.approx(values.mean(), rel=1e-4)
    panel.set_unit("sigma")
    centre = (shown.console.window.centre - values.mean()) / values.std()
    assert panel.centre.value() == pytest.approx(centre, rel=1e-3)
    panel.presets.chosen.emit("p1-99")
    assert shown.console.window.limits[1] == pytest.approx(np.quantile(values, 0.99), rel=0.1)
    panel.choose_part(None)
    assert panel.histogram.distribution.n == shown.console.distribution().n


def test_the_part_at_the_cursor_is_followed(panel, shown, settle, qtbot):
    shown.viewer.dims.set_current_step(0, shown.link.volume.voxel("wpe.weight", (3, 3))[0])
    panel.parts.setCurrentIndex(panel.parts.findText(AT_CURSOR))
    panel.parts.activated.emit(panel.parts.currentIndex())
    assert panel.part == "position_embedding"
    at = shown.link.volume.voxel("h.1.mlp.c_fc.weight", (3, 3))
    shown.viewer.dims.set_current_step(0, at[0])
    qtbot.waitUntil(lambda: panel.part == "L1.up")
    settle()


def test_without_a_scan_it_lets_go(panel, shown):
    events = shown.console.events
    before = len(events.window)
    panel.set_link(None)
    assert len(events.window) == before - 1
    shown.console.window = Window(0.1, 0.1)
    assert panel.histogram.window_ != Window(0.1, 0.1)
    panel.presets.chosen.emit("full")
    panel.histogram.dragged.emit(Window(0.3, 0.3))
    assert shown.console.window == Window(0.1, 0.1)


def test_the_right_button_can_be_switched_off(panel):
    panel.drag.setChecked(False)
    assert not remembered.drags_window()
    panel.drag.setChecked(True)
    assert remembered.drags_window()


def test_the_mouse_over_the_histogram_is_told_the_share_below(panel):
    from .pixels import grab

    before = grab(panel.histogram)
    move(panel.histogram, (120.0, 60.0), LEFT)
    assert (grab(panel.histogram) != before).any()


def test_parts_are_searched_by_typing(panel, shown, settle):
    edit = panel.parts.lineEdit()
    edit.setText("no such part")
    edit.editingFinished.emit()
    assert panel.parts.currentText() == "All weights"
    panel.parts.setCurrentIndex(panel.parts.findText("L2.o"))
    panel.parts.activated.emit(panel.parts.currentIndex())
    assert panel.part == "L2.o"
    settle()


def test_another_signal_in_place_brings_its_own_histogram_and_symbol(panel, shown, settle):
    from napari_gpt2_tomo.viewer.switch import switch

    assert panel.units.button(0).text() == "|w|"
    switch(shown.viewer, shown.link, signal="signed")
    settle()
    assert panel.units.button(0).text() == "w"
    assert panel.histogram.distribution.signal == "signed"
    assert panel.histogram.window_ == shown.console.window
