"""The explorer of tokens as a tab: search, colours, what is near."""

from collections.abc import Callable
from html import escape
from typing import Any

from qtpy.QtCore import QPoint, QSignalBlocker, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from ....activity.embedding.arithmetic import is_sum
from ....activity.embedding.neighbours import MEASURES, Neighbours
from ....activity.embedding.properties import PROPERTIES, available, property_of
from ....activity.embedding.search import PARTIAL, Match
from ....activity.embedding.token_figures import MEASURE_WORDS
from ....base import Cancelled, Progress, TomoError
from ...work import show, wait_for
from .explorer import Explorer
from .legend import Legend
from .placing import AXES, place_rows, placing
from .search_line import SearchLine

__all__ = ["ExplorerTab"]

NUMBERS = (None, 20000, 5000)
"""Points that may be drawn; fewer turn smoothly where a processor draws them."""

MOST_NEIGHBOURS = 200

HINT = (
    "Shows every token as a point, on the principal components of the embeddings. The layers that "
    "are seen now are hidden meanwhile."
)


class ExplorerTab(QWidget):  # type: ignore[misc]
    """Opens the explorer in the viewer and steers it.

    Parameters
    ----------
    begin
        Opens the explorer; it is handed to `set_explorer` when it is ready.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        super().__init__()
        self._begin = begin
        self.explorer: Explorer | None = None
        self.toggle = QPushButton("Explore in the viewer")
        self.toggle.clicked.connect(self._toggle)
        self.hint = QLabel(HINT)
        self.hint.setWordWrap(True)
        self.search = SearchLine(self._find, self._label, self._pick, self._enter)
        self.axes, self.which, self.colour = QComboBox(), QComboBox(), QComboBox()
        self.number, self.measure = QComboBox(), QComboBox()
        self.positions = QCheckBox("Positions")
        self.positions.setToolTip("Draw the path of the position embeddings")
        self.lines = QCheckBox("Lines")
        self.lines.setToolTip("Draw lines from the selected token to its neighbours")
        self.legend = Legend()
        self.token = QLabel()
        self.token.setWordWrap(True)
        self.token.setTextFormat(Qt.TextFormat.PlainText)
        self.k = QSpinBox()
        self.k.setRange(1, MOST_NEIGHBOURS)
        self.local = QPushButton("Its surroundings")
        self.local.setCheckable(True)
        self.local.setToolTip(
            "Show only the nearest tokens of the selected one, on principal components of their own"
        )
        self.fly = QPushButton("Fly to it")
        self.home = QPushButton("Whole cloud")
        self.home.setToolTip("Fly back until everything is seen")
        self.table = _table()
        self.body = QWidget()
        self._fill()
        self._connect()
        layout = QVBoxLayout(self)
        layout.addWidget(self.toggle)
        layout.addWidget(self.hint)
        layout.addWidget(self.body, stretch=1)
        layout.addStretch(0)
        self.set_explorer(None)

    def set_explorer(self, explorer: Explorer | None) -> None:
        """Steer an explorer, or none."""
        self._release()
        self.explorer = explorer
        self.body.setVisible(explorer is not None)
        notes = HINT if explorer is None else "\n".join(explorer.space.notes)
        self.hint.setText(notes)
        self.hint.setVisible(bool(notes))
        self.toggle.setText("Explore in the viewer" if explorer is None else "Close the explorer")
        self.toggle.setEnabled(True)
        if explorer is None:
            return
        explorer.moved.connect(self._moved)
        explorer.hovered.connect(self._hovered)
        explorer.recoloured.connect(self._recoloured)
        explorer.closed.connect(self._closed)
        self._choices(explorer)
        self._recoloured()
        self._moved(explorer.selected)

    def let_go(self) -> None:
        """Steer nothing any more; the explorer stays open."""
        self._release()

    def _release(self) -> None:
        explorer, self.explorer = self.explorer, None
        if explorer is not None:
            explorer.moved.disconnect(self._moved)
            explorer.hovered.disconnect(self._hovered)
            explorer.recoloured.disconnect(self._recoloured)
            explorer.closed.disconnect(self._closed)

    def _fill(self) -> None:
        form = QFormLayout()
        form.setVerticalSpacing(4)
        form.addRow("Vectors", self.which)
        form.addRow("Axes", self.axes)
        form.addRow("Colour", self.colour)
        form.addRow("", self.legend)
        self._form = form
        drawn = QHBoxLayout()
        for widget in (self.number, self.positions, self.lines):
            drawn.addWidget(widget)
        drawn.addStretch(1)
        drawn.addWidget(self.home)
        form.addRow("Draw", drawn)
        self.by = QLabel("nearest by")
        near = QHBoxLayout()
        near.addWidget(self.k)
        near.addWidget(self.by)
        near.addWidget(self.measure, stretch=1)
        acts = QHBoxLayout()
        acts.addWidget(self.fly)
        acts.addWidget(self.local)
        acts.addStretch(1)
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.search)
        column.addLayout(form)
        column.addWidget(self.token)
        column.addLayout(acts)
        column.addLayout(near)
        column.addWidget(self.table, stretch=1)
        column.addStretch(0)

    def _connect(self) -> None:
        self.axes.activated.connect(lambda: self._prepared("axes", self.axes.currentData()))
        self.which.activated.connect(lambda: self._prepared("which", self.which.currentData()))
        self.colour.activated.connect(lambda: self._prepared("colour", self.colour.currentData()))
        self.number.activated.connect(lambda: self._set("most", self.number.currentData()))
        self.measure.activated.connect(lambda: self._set("measure", self.measure.currentData()))
        self.positions.clicked.connect(lambda on: self._set("positions", on))
        self.lines.clicked.connect(lambda on: self._set("lines", on))
        self.local.clicked.connect(lambda on: self._set("local", on))
        self.k.valueChanged.connect(lambda k: self._set("k", k))
        self.fly.clicked.connect(lambda: self._do(lambda explorer: explorer.fly()))
        self.home.clicked.connect(lambda: self._do(lambda explorer: explorer.home()))
        self.legend.hid.connect(lambda kinds: self._set("hidden", kinds))
        self.table.cellClicked.connect(self._clicked)

    def _choices(self, explorer: Explorer) -> None:
        space = explorer.space
        tables = [which for which in ("tokens", "unembedding") if space.has(which)]
        titles = {"tokens": "Embedding", "unembedding": "Unembedding"}
        _offer(self.which, [(titles[which], which) for which in tables], explorer.which)
        self._form.setRowVisible(self.which, len(tables) > 1)
        axes = [
            (title, name)
            for name, title in AXES.items()
            if (space.can_join if name == "joint" else space.has(name))
        ]
        _offer(self.axes, axes, explorer.axes)
        names = [] if explorer.which is None else available(space, explorer.which)
        _offer(self.colour, [(PROPERTIES[name], name) for name in names], explorer.colour)
        n = 0 if explorer.which is None else len(space.rows(explorer.which))
        offers = [(f"All {n:,}" if most is None else f"{most:,}", most) for most in NUMBERS]
        _offer(self.number, [one for one in offers if one[1] is None or one[1] < n], explorer.most)
        measures = [(MEASURE_WORDS[measure], measure) for measure in MEASURES]
        _offer(self.measure, measures, explorer.measure)
        has_tokens = explorer.which is not None
        for widget in (
            *(self.search, self.number, self.lines, self.table, self.token),
            *(self.k, self.by, self.measure, self.fly, self.local),
        ):
            widget.setVisible(has_tokens)
        for row in (self.colour, self.legend):
            self._form.setRowVisible(row, has_tokens)
        self.positions.setEnabled(space.has("positions"))
        self._recheck(explorer)

    def _recheck(self, explorer: Explorer) -> None:
        """Boxes as the explorer is now."""
        for box, on in (
            (self.positions, explorer.positions),
            (self.lines, explorer.lines),
            (self.local, explorer.local),
        ):
            with QSignalBlocker(box):
                box.setChecked(on)
        with QSignalBlocker(self.k):
            self.k.setValue(explorer.k)
        self.axes.setCurrentIndex(self.axes.findData(explorer.axes))
        self.which.setCurrentIndex(max(self.which.findData(explorer.which), 0))
        self.colour.setCurrentIndex(self.colour.findData(explorer.colour))

    def _toggle(self) -> None:
        if self.explorer is not None:
            self.explorer.close()
        else:
            self.toggle.setEnabled(False)
            self._begin()

    def _closed(self) -> None:
        self.set_explorer(None)

    def _set(self, name: str, value: Any) -> None:
        self._do(lambda explorer: setattr(explorer, name, value))

    def _prepared(self, name: str, value: Any) -> None:
        """Set what takes long to compute, which is done in the background first."""
        explorer = self.explorer
        if explorer is None:
            return
        space, which = explorer.space, explorer.which or "tokens"

        def work(report: Progress) -> None:
            if name == "colour":
                property_of(space, value, which, explorer.selected)
            else:
                placing(space, value, report)
                width = len(space.pca(value).mean)
                for table, rows in space.tables.items():
                    if rows.shape[1] == width:
                        place_rows(space, value, table)

        try:
            wait_for(work)
        except TomoError as error:
            self._recheck(explorer)
            if not isinstance(error, Cancelled):
                self.search.say(str(error), wrong=True)
            return
        if explorer is self.explorer:
            self._set(name, value)

    def _do(self, act: Callable[[Explorer], None]) -> None:
        explorer = self.explorer
        if explorer is None:
            return
        try:
            act(explorer)
        except TomoError as error:
            self.search.say(str(error), wrong=True)
        self._recheck(explorer)
        self._list(explorer.neighbours)

    def _recoloured(self) -> None:
        if self.explorer is not None:
            self.legend.show_colours(self.explorer.shown, self.explorer.hidden)
            self._recheck(self.explorer)

    def _moved(self, token: int | None) -> None:
        explorer = self.explorer
        if explorer is None:
            return
        for widget in (self.fly, self.local):
            widget.setEnabled(token is not None)
        if token is None:
            self.token.setText("Click on a point, or search: no token is selected.")
        else:
            self.token.setText(_about(explorer, token))
        self._list(explorer.neighbours)

    def _hovered(self, token: int | None) -> None:
        if self.explorer is None or token is None:
            QToolTip.hideText()
            return
        # With the widget it has the looks of napari's theme.
        where = QCursor.pos() + QPoint(12, 12)
        # A token may be written like HTML, which Qt would obey.
        QToolTip.showText(where, f"<qt>{escape(_about(self.explorer, token))}</qt>", self)

    def _list(self, found: Neighbours | None) -> None:
        explorer = self.explorer
        self.table.setRowCount(0 if found is None else len(found.ids))
        if found is None or explorer is None:
            return
        self.table.setHorizontalHeaderLabels(["Token", "Id", MEASURE_WORDS[found.measure]])
        for row, (token, value) in enumerate(zip(found.ids, found.values, strict=True)):
            cells = (explorer.space.label(int(token)), f"{token}", f"{value:.3f}")
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(row, column, item)

    def _clicked(self, row: int, column: int) -> None:
        item = self.table.item(row, 1)
        if item is not None:
            self._pick(int(item.text()))

    def _find(self, text: str, limit: int) -> list[Match]:
        return [] if self.explorer is None else self.explorer.index.find(text, limit)

    def _label(self, token: int) -> str:
        return "" if self.explorer is None else self.explorer.space.label(token)

    def _pick(self, token: int) -> None:
        if self.explorer is not None:
            try:
                self.explorer.select(token, fly=True)
            except TomoError as error:
                show(error)

    def _enter(self, text: str) -> str:
        explorer = self.explorer
        if explorer is None:
            return ""
        if is_sum(text, explorer.index):
            found = explorer.sum(text, explorer.k)
            self._list(found)
            return f"Nearest to the sum, its words left out: {self._label(int(found.ids[0]))}"
        token = explorer.search(text)
        other = [
            match
            for match in explorer.index.find(text, 8)
            if match.id != token and match.how not in PARTIAL
        ]
        if not other:
            return f"{self._label(token)} is token {token}"
        also = ", ".join(f"{self._label(match.id)} (#{match.id})" for match in other)
        return f"{self._label(token)} is token {token}; also {also}"


def _about(explorer: Explorer, token: int) -> str:
    """A token, its id, its norm, and the property that it is coloured by."""
    words = [f"{explorer.space.label(token)}   #{token}"]
    if explorer.which is not None:
        words.append(f"norm {explorer.space.norms(explorer.which)[token]:.3g}")
    shown = explorer.shown
    if shown is not None and shown.property.name not in ("norm", "id"):
        words.append(f"{shown.property.title.lower()}: {shown.property.text(token)}")
    return " · ".join(words)


def _offer(box: QComboBox, offers: list[tuple[str, Any]], chosen: Any) -> None:
    with QSignalBlocker(box):
        box.clear()
        for title, value in offers:
            box.addItem(title, value)
        box.setCurrentIndex(max(box.findData(chosen), 0))


def _table() -> QTableWidget:
    table = QTableWidget(0, 3)
    table.setHorizontalHeaderLabels(["Token", "Id", "cosine"])
    table.verticalHeader().hide()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setShowGrid(False)
    table.setToolTip("Click on a token to fly to it")
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table
