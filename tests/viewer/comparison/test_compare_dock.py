"""The dock that compares two models."""

import shutil

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from safetensors.numpy import load_file, save_file

from comparison.adapters import pair, write_adapter
from napari_gpt2_tomo.comparison import Comparison
from napari_gpt2_tomo.viewer.comparison.change_model import SHOWN
from napari_gpt2_tomo.viewer.comparison.dock import CompareDock
from napari_gpt2_tomo.viewer.comparison.sides import Side, sides_of
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of


@pytest.fixture
def viewer(qapp):
    """A viewer without a window."""
    from napari.components import ViewerModel

    made = ViewerModel()
    yield made
    made.layers.clear()


@pytest.fixture
def dock(viewer, model, other, settle):
    """A dock whose two models are chosen."""
    made = CompareDock(viewer)
    made.a.choose(Side.at(model))
    made.b.choose(Side.at(other))
    yield made
    settle()
    made._let_go()
    made.deleteLater()


def test_a_difference_layer_and_a_table_appear(dock, viewer, settle):
    dock.compare()
    assert dock.cancel_button.isVisibleTo(dock)
    settle()
    link = link_of(viewer.layers[0])
    assert isinstance(link.scan, Comparison)
    assert viewer.layers[0].name == "small → other · signed"
    assert dock.changes.model.rowCount() == len(link.scan.anatomy.parts)
    assert "All 52 parts match." in dock.status.text()
    assert not dock.cancel_button.isVisibleTo(dock)


def test_the_largest_change_stands_first(dock, settle):
    dock.compare()
    settle()
    shown = dock.changes.table.model()
    column = SHOWN.index("relative")
    heights = [float(shown.index(row, column).data()) for row in range(5)]
    assert heights == sorted(heights, reverse=True)


def test_a_click_goes_to_the_part(dock, viewer, settle):
    dock.compare()
    settle()
    shown = dock.changes.table.model()
    row = next(r for r in range(shown.rowCount()) if shown.index(r, 0).data() == "L1.down")
    dock.changes.table.clicked.emit(shown.index(row, 0))
    settle()
    link = dock.link
    section = round(viewer.dims.point[0] / viewer.layers[0].scale[0])
    assert link.volume.caption(section).startswith("L1 down")


def test_the_probe_tells_both_values(dock, viewer, settle):
    dock.compare()
    settle()
    link = dock.link
    address = link.volume.address(link.cursor.position)
    comparison = dock.comparison
    a = comparison.a.checkpoint[address.tensor][address.index]
    b = comparison.b.checkpoint[address.tensor][address.index]
    assert (address.a, address.b) == (a, b)
    viewer.cursor.position = viewer.layers[0].data_to_world(link.cursor.position)
    settle()
    assert "Δ" in viewer.canvas.overlays.text.text


def test_ranks_are_measured_on_demand(dock, settle):
    dock.compare()
    settle()
    assert dock.changes.table.isColumnHidden(SHOWN.index("rank"))
    dock.measure_ranks()
    settle()
    assert not dock.changes.table.isColumnHidden(SHOWN.index("rank"))
    ranks = {row.part: row.rank for row in dock.changes.model.table}
    assert (ranks["L0.q"], ranks["L0.q_bias"]) == (64, None)


def test_what_is_wrong_is_said_in_the_dock(dock, tmp_path, settle, monkeypatch):
    told = []
    monkeypatch.setattr("napari_gpt2_tomo.viewer.comparison.dock.show", told.append)
    dock.b.choose(Side.at(tmp_path / "nowhere"))
    dock.compare()
    settle()
    assert "does not exist" in dock.status.text()
    assert len(told) == 1
    assert dock.compare_button.isVisibleTo(dock)


def test_cancelled_work_shows_nothing(dock, viewer, settle):
    dock.compare()
    dock.cancel()
    settle()
    assert dock.status.text() == "Cancelled."
    assert dock.changes.model is None


def test_models_that_are_shown_are_suggested(viewer, model, other, settle):
    from napari_gpt2_tomo.facade import Scan

    with Scan(model) as first, Scan(other) as second:
        add_scan(viewer, first)
        add_scan(viewer, second)
        dock = CompareDock(viewer)
        assert (dock.a.side.title, dock.b.side.title) == ("small", "other")
        dock._swap()
        assert (dock.a.side.title, dock.b.side.title) == ("other", "small")
        settle()
        viewer.layers.clear()
        dock._let_go()
        dock.deleteLater()


def test_a_comparison_is_no_side_of_another(dock, viewer, settle):
    dock.compare()
    settle()
    assert "small → other" not in [side.title for side in sides_of(viewer)]


def test_removing_the_layers_closes_the_files(dock, viewer, settle):
    dock.compare()
    settle()
    comparison = dock.comparison
    viewer.layers.clear()
    settle()
    assert dock.link is None
    with pytest.raises(Exception, match="closed"):
        np.asarray(comparison.a.part("q", 0))
    dock._go("L0.q")
    assert "compare again" in dock.status.text()


def test_the_difference_is_shown_in_other_layouts_and_signals(dock, viewer, settle):
    from napari_gpt2_tomo.viewer.switch import switch

    dock.compare()
    settle()
    switch(viewer, dock.link, layout="cube", signal="magnitude")
    assert dock.link.volume.layout.name == "cube"
    assert type(dock.link.volume).__name__ == "DifferenceVolume"


def test_the_table_stands_beside_the_form_where_there_is_room(dock):
    dock.resize(900, 250)
    dock.show()
    assert dock._split.orientation() == Qt.Orientation.Horizontal
    dock.resize(350, 700)
    assert dock._split.orientation() == Qt.Orientation.Vertical
    dock.hide()


def test_a_session_keeps_the_comparison(dock, viewer, settle, tmp_path, qapp):
    from napari.components import ViewerModel

    from napari_gpt2_tomo.viewer.state import open_session, save_script, save_session

    dock.compare()
    settle()
    dock.link.console.set_limits(-0.25, 0.25)
    path = save_session(viewer, tmp_path / "both.tomo.json")
    again = open_session(path, ViewerModel())
    settle()
    found = link_of(again.layers[0])
    assert isinstance(found.scan, Comparison)
    assert found.scan.checkpoint.fingerprint == dock.comparison.checkpoint.fingerprint
    assert found.console.window.limits == pytest.approx((-0.25, 0.25))
    again.layers.clear()
    settle()
    script = save_script(viewer, tmp_path / "both.py").read_text("utf-8")
    assert "scan = tomo.compare(first, " in script


def test_the_console_offers_what_a_difference_can_be_shown_as(dock, viewer, settle):
    from napari_gpt2_tomo.viewer.console.source_panel import SourcePanel

    dock.compare()
    settle()
    panel = SourcePanel(viewer)
    panel.set_link(dock.link)
    items = panel.layout_.model()
    enabled = {
        panel.layout_.itemText(i): items.item(i).isEnabled() for i in range(items.rowCount())
    }
    assert enabled["Heads"]
    assert not enabled["Circuits"]
    panel.set_link(None)
    panel.deleteLater()


def test_both_are_opened_beside_the_window(dock, viewer, settle, monkeypatch):
    from threading import current_thread, main_thread

    from napari_gpt2_tomo.viewer.comparison import side_by_side

    opened, shown = [], []
    monkeypatch.setattr(Side, "open", _noting(Side.open, opened, current_thread))
    monkeypatch.setattr(side_by_side, "open_side_by_side", lambda *given: shown.append(given))
    dock.show_side_by_side()
    assert dock.cancel_button.isVisibleTo(dock)
    settle()
    assert len(opened) == 2
    assert main_thread() not in opened
    (given,) = shown
    assert given[0] is viewer
    for scan in (given[3].a, given[3].b):
        scan.close()


def _noting(method, notes, what):
    def called(self):
        notes.append(what())
        return method(self)

    return called


def test_an_adapter_cannot_be_the_first(dock, tmp_path, settle, monkeypatch):
    monkeypatch.setattr("napari_gpt2_tomo.viewer.comparison.dock.show", lambda error: None)
    adapter = write_adapter(tmp_path / "adapter", pair("h.0.attn.c_attn", 192, 64))
    dock.a.choose(Side.at(adapter))
    for begin in (dock.compare, dock.show_side_by_side):
        begin()
        settle()
        assert "give its base model first" in dock.status.text()


def test_a_long_message_is_short_in_the_notification(dock, tmp_path, settle, monkeypatch):
    told = []
    monkeypatch.setattr("napari_gpt2_tomo.viewer.comparison.dock.show", told.append)
    save_file({"w": np.ones((3, 5), np.float32)}, tmp_path / "model.safetensors")
    dock.b.choose(Side.at(tmp_path))
    dock.compare()
    settle()
    assert "\n" in dock.status.text()
    assert "\n" not in str(told[0])
    assert "no part in common" in str(told[0])


def test_what_changed_is_looked_at_where_little_did(dock, viewer, model, tmp_path, settle):
    adapter = write_adapter(
        tmp_path / "adapter",
        pair("h.2.mlp.c_fc", 256, 64),
        fan_in_fan_out=True,
    )
    dock.b.choose(Side.at(adapter))
    dock.compare()
    settle()
    place = dock.link.volume.layout.place(dock.link.cursor.position)
    assert dock.link.volume.anatomy.parts[place.part].name == "L2.up"


def test_values_that_are_nan_are_counted(dock, model, tmp_path, settle):
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    tensors = load_file(broken / "model.safetensors")
    name = next(name for name in tensors if name.endswith("h.0.mlp.c_fc.weight"))
    tensors[name] = tensors[name].copy()
    tensors[name][:2, :3] = np.nan
    save_file(tensors, broken / "model.safetensors")
    dock.b.choose(Side.at(broken))
    dock.compare()
    settle()
    assert "6 values are NaN or infinite" in dock.status.text()


def test_a_dock_that_is_gone_while_it_works_stays_silent(viewer, model, other, settle):
    gone = CompareDock(viewer)
    gone.a.choose(Side.at(model))
    gone.b.choose(Side.at(other))
    gone.compare()
    gone.deleteLater()
    QCoreApplication.sendPostedEvents(gone, QEvent.Type.DeferredDelete.value)
    settle()
    assert not viewer.layers
