"""The navigator dock: what its tabs show and do."""

import csv
import gc
import io
import json

import pytest
from qtpy.QtCore import QItemSelectionModel, QModelIndex, Qt
from qtpy.QtGui import QGuiApplication

from napari_gpt2_tomo.viewer.commands import NO_SCAN
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.navigator.dock import Navigator
from napari_gpt2_tomo.viewer.navigator.model_tab import PALETTE
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.viewer.view import view

from ..small_model import HEADS, LAYERS, PLANTED, VOCABULARY

PLUGIN = "napari-gpt2-tomo"


@pytest.fixture
def dock(shown, qtbot):
    """The dock beside the small model."""
    navigator = Navigator(shown.viewer)
    qtbot.addWidget(navigator)
    yield navigator
    navigator._let_go()


def rows(model, parent=None) -> list[str]:
    above = parent if parent is not None else QModelIndex()
    return [model.index(row, 0, above).data() for row in range(model.rowCount(above))]


def find(model, *path):
    at = QModelIndex()
    for title in path:
        at = model.index(rows(model, at).index(title), 0, at)
    return at


def choose(tab, *paths) -> None:
    tree = tab.tree
    tree.selectionModel().clearSelection()
    flags = QItemSelectionModel.SelectionFlag
    for path in paths:
        index = find(tree.model(), *path)
        tree.selectionModel().select(index, flags.Select | flags.Rows)


def test_the_tree_lists_the_model_and_a_click_goes_there(dock, shown):
    model = dock.model.tree.model()
    tops = rows(model)
    assert [top for top in tops if top.startswith("layer")] == [f"layer {i}" for i in range(LAYERS)]
    assert rows(model, find(model, "layer 1")) == ["attention", "MLP"]
    keys = find(model, "layer 1", "attention", "K")
    assert rows(model, keys) == [f"head {h}" for h in range(HEADS)]
    assert model.index(keys.row(), 1, keys.parent()).data() == "64 × 64"
    dock.model.tree.clicked.emit(keys)
    assert shown.link.cursor.position[0] == shown.link.volume.voxel(*PLANTED)[0]
    dock.model.tree.clicked.emit(model.index(2, 0, keys))
    assert shown.viewer.dims.point[2] == 40
    assert "small" in dock.model.summary.text()
    assert "parameters" in dock.model.summary.text()


def test_search_opens_what_it_finds_and_clearing_it_goes_back(dock):
    tab = dock.model
    full = tab.tree
    tab.search.setText("L2 head 3 k")
    assert tab.tree is not full
    model = tab.tree.model()
    assert rows(model) == ["layer 2"]
    head = find(model, "layer 2", "attention", "K", "head 3")
    assert tab.tree.isExpanded(head.parent())
    tab.search.setText("nothing like it")
    assert rows(tab.tree.model()) == []
    tab.search.setText("")
    assert tab.tree is full


def test_isolating_hiding_and_tinting_what_is_selected(dock, shown):
    tab, console = dock.model, shown.console
    assert not tab.isolate.isEnabled()
    assert not tab.show_all.isEnabled()
    keys, values = ("layer 1", "attention", "K"), ("layer 1", "attention", "V")
    choose(tab, keys, values)
    tab.isolate.click()
    assert console.shown == {"L1.k", "L1.v"}
    choose(tab, ("layer 1", "attention", "V"))
    tab.hide_button.click()
    assert console.hidden == {"L1.v"}
    assert tab.hide_button.text() == "Show"
    tab.hide_button.click()
    assert console.hidden == frozenset()
    choose(tab, ("layer 1", "attention", "K", "head 2"))
    next(a for a in tab.tint.menu().actions() if a.text() == "sky blue").trigger()
    assert dict(console.tints) == {"L1.k": PALETTE["sky blue"]}
    assert shown.atlas.visible
    choose(tab, ("layer 0",))
    assert tab.hide_button.text() == "Show"
    tab.hide_button.click()
    assert {"L0.q", "L1.k", "L1.v"} <= console.shown
    tab.show_all.click()
    assert (console.shown, console.hidden, dict(console.tints)) == (None, frozenset(), {})
    assert not tab.show_all.isEnabled()


def test_rows_show_what_a_script_hides(dock, shown):
    model = dock.model.tree.model()
    keys = find(model, "layer 1", "attention", "K")
    assert keys.data(Qt.ItemDataRole.ForegroundRole) is None
    shown.console.hidden = {"L1.k"}
    assert keys.data(Qt.ItemDataRole.ForegroundRole) is not None


def test_going_somewhere_by_the_line(dock, shown, qtbot):
    name, index = PLANTED
    dock.go(f"{name}{list(index)}")
    assert shown.link.cursor.position == shown.link.volume.voxel(*PLANTED)
    assert dock.go_line.message.isHidden()
    selected = dock.model.tree.selectionModel().selectedRows()
    assert [i.data() for i in selected] == ["K"]
    before = shown.link.cursor.position
    dock.go("L1.qq")
    assert "Did you mean L1.q" in dock.go_line.message.text()
    assert not dock.go_line.message.isHidden()
    assert shown.link.cursor.position == before
    dock.go_line.line.setText("")
    qtbot.keyClicks(dock.go_line.line, "L1.N3")
    assert dock.go_line.message.isHidden()
    assert "L1.N3" in dock.go_line._words.stringList()
    dock.go("L1.N3")
    assert dock.go_line.message.text() == "Also in L1.N3.down."


def test_tokens_are_looked_up_beside_the_model(viewer, new_model, settle, qtbot, said):
    vocabulary = {f"Ġw{i}": i for i in range(VOCABULARY)}
    text = json.dumps({"model": {"type": "BPE", "vocab": vocabulary}})
    (new_model / "tokenizer.json").write_text(text, encoding="utf-8")
    view(new_model, viewer)
    settle()
    dock = Navigator(viewer)
    qtbot.addWidget(dock)
    dock.go('"w7"')
    settle()
    assert dock.link.cursor.position[2] == 7
    assert 'token 7 " w7"' in dock.go_line.message.text()
    qtbot.keyClicks(dock.go_line.line, " ")
    dock.go_line.line.setText('"w5')
    dock.go_line._edited('"w5')
    assert '" w5"' in dock.go_line._words.stringList()
    model = dock.model.tree.model()
    tokens = find(model, "embeddings", "token embedding")
    assert model.index(3, 1, tokens).data() == "“ w3”"
    dock.go('"nothing"')
    assert "not one token" in dock.go_line.message.text()
    dock._let_go()
    viewer.layers.clear()
    settle()


def test_pins_are_rows_that_lead_back(dock, shown, tmp_path, monkeypatch):
    tab = dock.pins
    assert tab.table.isHidden()
    for query in ("L1.k[37, 21]", "L2.up[3, 4]", "token 8"):
        dock.go(query)
        tab.widgets["Pin"].click()
    model = tab.table.model()
    assert model.rowCount() == 3
    assert not tab.table.isHidden()
    assert [pin.part for pin in shown.link.pins] == ["L1.k", "L2.up", "token_embedding"]
    header = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]
    note = model.index(0, header.index("note"))
    assert model.setData(note, "the loudest")
    assert shown.link.pins[0].note == "the loudest"
    tab.table.doubleClicked.emit(model.index(0, 0))
    assert shown.link.cursor.position == shown.link.volume.voxel(*PLANTED)
    tab.select(1)
    tab.widgets["Copy"].click()
    copied = list(csv.DictReader(io.StringIO(QGuiApplication.clipboard().text()), delimiter="\t"))
    assert [row["part"] for row in copied] == ["L2.up"]
    path = tmp_path / "mine.csv"
    monkeypatch.setattr(
        "napari_gpt2_tomo.viewer.navigator.pins_tab.QFileDialog.getSaveFileName",
        lambda *_: (str(path.with_suffix("")), ""),
    )
    tab.widgets["Export CSV…"].click()
    assert path.read_text(encoding="utf-8") == shown.link.pins.csv()
    tab.widgets["Remove"].click()
    assert [pin.part for pin in shown.link.pins] == ["L1.k", "token_embedding"]


def test_what_cannot_be_pinned_or_written_is_said(dock, shown, tmp_path, monkeypatch, said):
    shown.link.cursor.move((0, 65, 65))
    dock.pins.widgets["Pin"].click()
    assert "is air" in dock.go_line.message.text()
    dock.go("L1.q[1, 2]")
    dock.pins.widgets["Pin"].click()
    monkeypatch.setattr(
        "napari_gpt2_tomo.viewer.navigator.pins_tab.QFileDialog.getSaveFileName",
        lambda *_: (str(tmp_path / "absent" / "x.csv"), ""),
    )
    dock.pins.widgets["Export CSV…"].click()
    assert "cannot be written" in said[-1]


def test_statistics_sort_measure_and_lead_to_their_part(dock, shown, settle):
    tab = dock.statistics
    table, model = tab.table, tab.model
    assert len(model.table) == len(shown.scan.anatomy.parts)
    assert not model.table.estimate
    high = [
        model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())
    ].index("max")
    table.sortByColumn(high, Qt.SortOrder.DescendingOrder)
    assert table.model().index(0, 0).data() == "L1.k"
    assert table.model().index(0, high).data() == "3"
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert table.model().index(0, 0).data() == "token_embedding"
    assert "one more pass" in tab.status.text()
    tab.measure.click()
    assert not tab.measure.isEnabled()
    settle()
    assert tab.model.table.complete
    assert "every finite weight" in tab.status.text()
    assert tab.measure.isHidden()
    kurtosis = tab.model.table[shown.link.volume.region("L1.k").label - 1].kurtosis
    assert kurtosis > 20
    position = [r.part for r in tab.model.table].index("L2.down")
    table.doubleClicked.emit(table.model().index(position, 0))
    assert shown.link.volume.address(shown.link.cursor.position).part == "L2.down"
    tab.copy_button.click()
    assert QGuiApplication.clipboard().text() == tab.model.table.csv("\t")


def test_back_and_forward_light_up_when_there_is_somewhere_to_go(dock, shown):
    assert not dock.back.isEnabled()
    dock.go("L1.q")
    dock.go("L2.q")
    assert (dock.back.isEnabled(), dock.forward.isEnabled()) == (True, False)
    dock.back.click()
    assert shown.link.volume.address(shown.link.cursor.position).part == "L1.q"
    assert dock.go_line.message.text() == "L1 Q"
    dock.forward.click()
    assert shown.link.volume.address(shown.link.cursor.position).part == "L2.q"


def test_it_follows_the_active_scan_its_layout_and_its_end(dock, shown, settle):
    dock.go("L1.q[1, 2]")
    dock.pin()
    layers = add_scan(shown.viewer, shown.scan, "heads", role="k", name="keys")
    settle()
    shown.viewer.layers.selection.active = layers.image
    assert "keys" in dock.model.summary.text()
    assert len(layers.image.metadata[PLUGIN].pins) == 0
    dock.go("L1.H2")
    assert dock.link.cursor.position[:2] == (1, 2)
    shown.viewer.layers.selection.active = shown.image
    before = shown.link.pins[0].voxel
    switch(shown.viewer, shown.link, "cube")
    settle()
    assert shown.link.pins[0].voxel != before
    dock.go("L1.q[1, 2]")
    assert shown.link.cursor.position == shown.link.pins[0].voxel
    switch(shown.viewer, shown.link, "circuits")
    settle()
    assert dock.statistics.model is None
    assert dock.model.tree.model().rowCount() == LAYERS
    shown.viewer.layers.clear()
    settle()
    assert dock.link is None
    assert NO_SCAN in dock.model.summary.text()
    dock.go("L1.q")
    assert dock.go_line.message.text() == NO_SCAN


def test_a_closed_dock_hears_nothing_more(viewer, model, settle, qtbot, said):
    view(model, viewer)
    settle()
    link = viewer.layers[0].metadata[PLUGIN]

    def listeners() -> tuple[int, ...]:
        return (
            sum(owner() is not None for owner, _ in viewer.layers.events.callbacks),
            len(link.console.events),
            len(link.console.refreshed),
            len(link.pins.changed),
            len(link.switched),
        )

    before = listeners()
    for kept in (False, True):
        dock, navigator = viewer.window.add_plugin_dock_widget(PLUGIN, "Navigator")
        assert isinstance(navigator, Navigator)
        assert listeners() > before
        viewer.window.remove_dock_widget(dock)
        if kept:
            navigator.deleteLater()
        else:
            del navigator
        del dock
        qtbot.wait(50)
        gc.collect()
        assert listeners() == before
    viewer.layers.clear()
    settle()
