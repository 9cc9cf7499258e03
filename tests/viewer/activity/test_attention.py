"""The attention dock: what it draws, and what clicks, keys and switches do."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QColor, QMouseEvent

from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.anatomy.part import HyperParameters
from napari_gpt2_tomo.viewer.activity.attention_dock import (
    CIRCUIT,
    HEADS,
    METRICS,
    ONE_TOKEN,
    AttentionDock,
)
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.follow import NOTHING
from napari_gpt2_tomo.viewer.link import links
from napari_gpt2_tomo.viewer.view import view
from napari_gpt2_tomo.viewer.work import finish_all

from ..small_model import HEADS as N_HEADS
from ..small_model import LAYERS

WORDS = ("The", " cat", " sat", " on", " the", " cat")
PREVIOUS = (1, 2)
"""Layer and head that looks at the token before."""


def planted(n: int = len(WORDS), path: str | None = None, causal: bool = True) -> Activity:
    """All heads rest on the first token by half, and one looks at the token before."""
    seen = np.tri(n) if causal else np.ones((n, n))
    pattern = np.tile(seen / seen.sum(axis=1, keepdims=True), (LAYERS, N_HEADS, 1, 1)) / 2
    pattern[..., 0] += 0.5
    pattern[PREVIOUS] = np.eye(n, k=-1)
    pattern[PREVIOUS][0, 0] = 1
    strings = tuple(WORDS[i % len(WORDS)] for i in range(n))
    ids = [WORDS.index(word) for word in strings]
    sizes = HyperParameters(n_layers=LAYERS, n_heads=N_HEADS)
    source = Source("planted", path, "gpt2", sizes)
    tokens = Tokens(np.array(ids), strings)
    return Activity(tokens, {"pattern": pattern.astype(np.float32)}, source)


@pytest.fixture
def dock(qtbot):
    """The dock, seen, with a planted activity on the desk; a window would take a second."""
    yield from shown_dock(ViewerModel(), qtbot)


@pytest.fixture
def dock_of_window(viewer, qtbot):
    """The same beside a real viewer."""
    yield from shown_dock(viewer, qtbot)


def shown_dock(viewer, qtbot):
    desk_of(viewer).show(planted())
    made = AttentionDock(viewer)
    qtbot.addWidget(made)
    made.resize(420, 680)
    made.show()
    yield made
    made._close()


def mouse(widget, place, kind=QEvent.Type.MouseButtonPress) -> None:
    """A left click, or a move of the mouse."""
    pressed = kind == QEvent.Type.MouseButtonPress
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    at = QPointF(place)
    event = QMouseEvent(
        kind,
        at,
        widget.mapToGlobal(at),
        left if pressed else none,
        left if pressed else none,
        Qt.KeyboardModifier.NoModifier,
    )
    (widget.mousePressEvent if pressed else widget.mouseMoveEvent)(event)


def move(widget, place) -> None:
    mouse(widget, place, QEvent.Type.MouseMove)


def contrast(widget, place) -> float:
    """How far the lightness of a pixel is from the ground's."""
    point = QPointF(place).toPoint()
    picture = widget.grab().toImage()
    ratio = picture.width() / widget.width()
    pixel = QColor(picture.pixel(int(point.x() * ratio), int(point.y() * ratio)))
    return abs(pixel.lightnessF() - widget.palette().window().color().lightnessF())


def test_an_empty_desk_is_said(qtbot):
    made = AttentionDock(ViewerModel())
    qtbot.addWidget(made)
    made.show()
    assert made.message == NOTHING
    made._close()


def test_a_click_on_a_thumbnail_looks_at_that_head(dock):
    dock.tabs.setCurrentIndex(HEADS)
    mouse(dock.grid, dock.grid.center(*PREVIOUS))
    assert (dock.desk.place.layer, dock.desk.place.head) == PREVIOUS
    assert (dock.layer.value(), dock.head.value()) == PREVIOUS
    dock.tabs.setCurrentIndex(0)
    assert dock.pattern.line.text() == "·cat[5] looks at ·the[4] 1"


def test_arrow_keys_and_numbers_walk_from_head_to_head(dock, qtbot):
    dock.tabs.setCurrentIndex(HEADS)
    qtbot.keyClick(dock.grid, Qt.Key.Key_Right)
    qtbot.keyClick(dock.grid, Qt.Key.Key_Down)
    assert (dock.desk.place.layer, dock.desk.place.head) == (1, 1)
    qtbot.keyClick(dock.grid, Qt.Key.Key_Up)
    qtbot.keyClick(dock.grid, Qt.Key.Key_Up)
    assert (dock.desk.place.layer, dock.desk.place.head) == (0, 1)
    dock.layer.setValue(2)
    dock.head.setValue(3)
    assert (dock.desk.place.layer, dock.desk.place.head) == (2, 3)


def test_the_matrix_stands_out_as_the_attention_is_strong(dock):
    dock.desk.move(layer=PREVIOUS[0], head=PREVIOUS[1])
    matrix = dock.pattern.matrix
    strong = contrast(matrix, matrix.cell_center(4, 3))
    weak = contrast(matrix, matrix.cell_center(4, 1))
    assert strong > weak + 0.5
    # A query cannot look ahead: the ground shows.
    assert contrast(matrix, matrix.cell_center(1, 4)) < 0.02


def test_the_thumbnail_of_the_planted_head_is_empty_below_its_line(dock):
    dock.tabs.setCurrentIndex(HEADS)
    corner, other = dock.grid.center(*PREVIOUS), dock.grid.center(1, 1)
    third = dock.grid.mosaic.cell // 3
    for center in (corner, other):
        center.setX(center.x() - third)
        center.setY(center.y() + third)
    assert contrast(dock.grid, other) > contrast(dock.grid, corner) + 0.1


def test_what_is_under_the_mouse_is_said(dock):
    dock.desk.move(layer=PREVIOUS[0], head=PREVIOUS[1])
    matrix = dock.pattern.matrix
    move(matrix, matrix.cell_center(2, 1))
    assert dock.pattern.line.text() == "·sat[2] → ·cat[1]: 1"
    move(matrix, matrix.cell_center(2, 5))
    assert dock.pattern.line.text() == "·sat[2] → ·cat[5]: not seen, it comes later"
    move(matrix, QPointF(1, 1))
    assert dock.pattern.line.text().startswith("·cat[5] looks at")
    dock.tabs.setCurrentIndex(HEADS)
    move(dock.grid, dock.grid.center(*PREVIOUS))
    said = dock.heads.line.text().replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("L1H2: previous token 1, current token 0, first token .2")


@pytest.mark.parametrize("name", ["links", "text"])
def test_a_token_under_the_mouse_shows_its_keys(dock, name):
    dock.desk.move(layer=PREVIOUS[0], head=PREVIOUS[1])
    dock.pattern.choose({"links": "Lines", "text": "Text"}[name])
    one = getattr(dock.pattern, name)
    center = one.row_center if name == "links" else one.token_center
    before = one.grab().toImage()
    move(one, center(3))
    assert dock.pattern.line.text() == "·on[3] looks at ·sat[2] 1"
    assert one.grab().toImage() != before
    mouse(one, center(2))
    assert dock.desk.place.token == 2


def test_a_click_on_a_row_of_the_matrix_looks_at_that_query(dock):
    mouse(dock.pattern.matrix, dock.pattern.matrix.cell_center(3, 0))
    assert dock.desk.place.token == 3
    assert dock.pattern.line.text().startswith("·on[3] looks at")


def test_without_the_first_token_the_rest_is_shown(dock):
    assert dock.pattern.line.text().startswith("·cat[5] looks at The[0]")
    dock.sinkless.setChecked(True)
    assert "The[0]" not in dock.pattern.line.text()
    assert "·cat[1] .2" in dock.pattern.line.text()
    matrix = dock.pattern.matrix
    move(matrix, matrix.cell_center(3, 0))
    assert dock.pattern.line.text() == "·on[3] → The[0]: left out"


def test_the_table_is_sorted_and_a_click_on_a_row_selects(dock):
    dock.tabs.setCurrentIndex(METRICS)
    table, model = dock.metrics.table, dock.metrics.table.model()
    column = 1 + dock.metrics.model.names.index("previous")
    table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    assert model.index(0, 0).data() == "L1H2"
    assert model.index(0, column).data() == "1.000"
    table.clicked.emit(model.index(0, 0))
    assert (dock.desk.place.layer, dock.desk.place.head) == PREVIOUS
    heading = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "A[i, i−1]" in heading


def test_a_click_on_a_point_of_the_scatter_selects_its_head(dock):
    dock.tabs.setCurrentIndex(METRICS)
    tab = dock.metrics
    tab.across.setCurrentIndex(tab.across.findData("first"))
    tab.up.setCurrentIndex(tab.up.findData("previous"))
    axes = tab.plot.figure.axes[0]
    values = tab.model.metrics
    x, y = axes.transData.transform((values["first"][PREVIOUS], values["previous"][PREVIOUS]))
    event = SimpleNamespace(inaxes=axes, x=x, y=y)
    tab.plot.hovered.emit(event)
    tab.plot.clicked.emit(event)
    assert (dock.desk.place.layer, dock.desk.place.head) == PREVIOUS
    tab.plot.clicked.emit(SimpleNamespace(inaxes=axes, x=x + 100, y=y))
    assert (dock.desk.place.layer, dock.desk.place.head) == PREVIOUS


@pytest.mark.parametrize("n", [1, 2, 40])
def test_any_length_is_drawn_in_every_tab(dock, n):
    dock.desk.show(planted(n))
    for tab in range(dock.tabs.count()):
        dock.tabs.setCurrentIndex(tab)
        assert not dock.message
        assert not dock.grab().isNull()
    for view_name in ("Lines", "Text", "Matrix"):
        dock.tabs.setCurrentIndex(0)
        dock.pattern.choose(view_name)
        assert not dock.grab().isNull()
    dock.tabs.setCurrentIndex(METRICS)
    assert (dock.metrics.note.text() == ONE_TOKEN) == (n == 1)


def test_without_the_model_the_dock_says_what_needs_it(dock):
    assert not dock.weight.isEnabled()
    dock.tabs.setCurrentIndex(METRICS)
    assert dock.metrics.more.isHidden()
    dock.tabs.setCurrentIndex(CIRCUIT)
    dock.circuit.kind.setCurrentIndex(dock.circuit.kind.findData("ov"))
    assert "need the model" in dock.circuit.note.text()


def test_a_head_that_is_not_there_is_the_last_one_where_sizes_are_unknown(dock):
    made = planted()
    dock.desk.show(Activity(made.tokens, dict(made), Source("unknown")))
    dock.desk.move(layer=70, head=80)
    assert not dock.message
    assert (dock.layer.value(), dock.head.value()) == (LAYERS - 1, N_HEADS - 1)


def test_an_activity_without_patterns_is_said(dock):
    dock.desk.show(Activity(Tokens.of_ids([1, 2]), {}, Source("empty")))
    assert "'pattern'" in dock.message
    dock.desk.show(planted())
    assert not dock.message


def test_a_model_is_probed_and_its_circuits_are_drawn(dock, cache):
    from napari_gpt2_tomo.activity.running.model import LanguageModel
    from napari_gpt2_tomo.checkpoint.phantoms.functional import functional_phantom

    model = LanguageModel.load(functional_phantom(), device="cpu")
    dock.desk.show(model.run("the cat and the cat"))
    dock.desk.move(layer=1, head=2)
    dock.weight.setCurrentIndex(1)
    assert "attention × ‖value‖" in dock.look.title
    dock.tabs.setCurrentIndex(HEADS)
    finish_all()
    assert contrast(dock.grid, dock.grid.center(0, 1)) > 0
    dock.tabs.setCurrentIndex(METRICS)
    dock.metrics.more.click()
    finish_all()
    assert dock.metrics.model.metrics.best("induction") == (1, 2)
    assert {"output", "copying"} <= set(dock.metrics.model.names)
    assert not dock.metrics.note.text()
    dock.tabs.setCurrentIndex(CIRCUIT)
    names = []
    for kind in range(dock.circuit.kind.count()):
        dock.circuit.kind.setCurrentIndex(kind)
        finish_all()
        names.append(dock.circuit.plot.plot.name.split("-")[1])
    assert names == ["score", "writes", "ov", "qk"]


def test_the_weights_of_the_head_are_gone_to(viewer, dock_of_window, model):
    dock = dock_of_window
    view(model, viewer)
    dock.desk.show(planted(path=str(model / "model.safetensors")))
    dock.desk.move(layer=1, head=2)
    assert dock.weights_button.text() == "Show weights"
    dock.show_weights("k")
    link = next(link for link in links() if link.layers)
    address = link.volume.address(link.cursor.position)
    assert (address.role, address.layer, address.head) == ("k", 1, 2)
    dock.weights_button.click()
    assert link.volume.address(link.cursor.position).role == "q"


def test_weights_that_are_not_open_are_opened(viewer, dock_of_window, model, settle):
    dock = dock_of_window
    dock.desk.show(planted(path=str(model)))
    assert dock.weights_button.text() == "Open weights"
    dock.desk.move(layer=2, head=1)
    dock.show_weights("o")
    settle()
    assert dock.weights_button.text() == "Show weights"
    link = next(link for link in links() if link.layers)
    address = link.volume.address(link.cursor.position)
    assert (address.role, address.layer, address.head) == ("o", 2, 1)


def test_the_picture_of_the_tab_is_saved(dock, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    for tab, name in ((0, "pattern.csv"), (HEADS, "heads.png")):
        path = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, path=path: (str(path), ""))
        dock.tabs.setCurrentIndex(tab)
        dock.save_button.click()
        assert path.stat().st_size > 0


def test_nothing_hears_the_desk_after_the_dock_is_gone(qtbot):
    viewer = ViewerModel()
    desk = desk_of(viewer)
    before = (len(desk.moved), len(desk.changed), len(viewer.layers.events.inserted.callbacks))
    made = AttentionDock(viewer)
    made.show()
    desk.show(planted())
    made.deleteLater()
    qtbot.waitUntil(lambda: len(desk.moved) == before[0])
    del made
    gc.collect()
    assert len(desk.changed) == before[1]
    assert len(viewer.layers.events.inserted.callbacks) == before[2]
