"""The dock of the activity that is painted on the body: what is painted, and what it shows."""

from html import escape
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ...activity.record import Activity
from ...activity.strength import Used
from ...base import Cancelled, TomoError
from ...display.transfer import transfer
from ..console.fields import WordList
from ..work import show
from .desk import Place
from .follow import Following
from .overlay import Overlay, overlay_of, paint_activity

__all__ = ["OverlayDock"]

MEASURES = (
    ("written", "What they write", "Length of what a head or neuron adds to the residual stream"),
    ("activity", "What they hold", "Length of a head's gathered values; value of a neuron"),
    ("channels", "Channels of the stream", "How large each residual channel is, in every matrix"),
)
SUMS = (
    ("max", "Any token of the prompt", "The strongest over all tokens"),
    ("mean", "The mean of all tokens", "Used all the time, not once"),
    ("token", "The token that is looked at", "Follows the other docks"),
)

USED = Qt.ItemDataRole.UserRole


class OverlayDock(Following):
    """Says what of the prompt is painted on the body, and lists what was used most."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._overlay: Overlay | None = None
        self.paint = QPushButton("Paint on the body")
        self.paint.setToolTip("Light up the heads, neurons and tokens that this prompt used")
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Take the painted layer out of the viewer")
        self.measure = WordList("What is painted")
        self.measure.fill(MEASURES)
        self.sum = WordList("Of which tokens")
        self.sum.fill(SUMS)
        self.by_channel = QCheckBox("Weighed with the channels of the stream")
        self.by_channel.setToolTip("A weight lights up where its unit and its channel are strong")
        self.token = QLabel()
        self.token.setTextFormat(Qt.TextFormat.RichText)
        self.token.setWordWrap(True)
        self.legend = _Legend(self)
        self.used = QTableWidget(0, 2)
        self.used.setHorizontalHeaderLabels(["Heads used most", "Neurons used most"])
        self._arrange()
        self.paint.clicked.connect(self._paint)
        self.remove.clicked.connect(self._remove)
        self.measure.activated.connect(lambda: self._brush(measure=self.measure.word))
        self.sum.activated.connect(lambda: self._brush(sum=self.sum.word))
        self.by_channel.toggled.connect(lambda on: self._brush(by_channel=on))
        self.used.cellClicked.connect(self._go)

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(320, 520)

    @property
    def overlay(self) -> Overlay | None:
        """What is painted in the viewer."""
        return self._overlay

    def show_activity(self, activity: Activity) -> None:
        """Show what is painted of an activity."""
        self._take(overlay_of(self.viewer))
        self._show()

    def show_place(self, place: Place) -> None:
        """Show what another token used."""
        self._show()

    def let_go(self) -> None:
        """Hear nothing of the overlay."""
        self._take(None)

    def _take(self, overlay: Overlay | None) -> None:
        if self._overlay is not None:
            self._overlay.changed.disconnect(self._changed, missing_ok=True)
        self._overlay = overlay
        if overlay is not None:
            overlay.changed.connect(self._changed)

    def _changed(self) -> None:
        if self._overlay is not None and self._overlay.layer is None:
            self._take(None)
        self._show()

    def _show(self) -> None:
        overlay, activity = self._overlay, self.activity
        stale = overlay is not None and overlay.activity is not activity
        self.paint.setText("Paint this prompt" if stale else "Paint on the body")
        self.paint.setVisible(overlay is None or stale)
        for widget in (self.remove, self.measure, self.sum, self.by_channel, self.used):
            widget.setEnabled(overlay is not None)
        if overlay is None:
            self.token.setText("Nothing is painted yet.")
            self.used.setRowCount(0)
            return
        brush = overlay.brush
        self.measure.choose(brush.measure)
        self.sum.choose(brush.sum)
        self.by_channel.setChecked(brush.by_channel)
        self.by_channel.setEnabled(brush.measure != "channels")
        shown = overlay.activity
        token = min(self.desk.place.token, len(shown.tokens) - 1)
        of = f"token {token} ‘<b>{escape(shown.tokens.labels[token])}</b>’"
        words = {"token": of, "max": "any token", "mean": "the mean token"}[brush.sum]
        name, text = escape(shown.source.name), escape(_short(shown.text))
        self.token.setText(f"{name} · {words} of “{text}”")
        self.legend.update()
        self._list(overlay.strengths.strongest(brush.measure, brush.sum, token))

    def _list(self, used: list[Used]) -> None:
        kinds = [[one for one in used if one.kind == kind] for kind in ("head", "neuron")]
        self.used.setRowCount(max((len(kind) for kind in kinds), default=0))
        self.used.clearContents()
        for column, kind in enumerate(kinds):
            letter = "H" if column == 0 else "N"
            for row, one in enumerate(kind):
                item = QTableWidgetItem(f"L{one.layer}{letter}{one.index}   {one.strength:.2f}")
                item.setData(USED, one)
                item.setToolTip("Click: look at it in every dock; double click: go to its weights")
                self.used.setItem(row, column, item)

    def _brush(self, **how: Any) -> None:
        if self._overlay is not None:
            self._overlay.paint(**how)

    def _paint(self, checked: bool = False) -> None:
        try:
            self._take(paint_activity(self.viewer))
        except Cancelled:
            return
        except TomoError as error:
            show(error)
        self._show()

    def _remove(self, checked: bool = False) -> None:
        if self._overlay is not None:
            self._overlay.remove()

    def _go(self, row: int, column: int) -> None:
        item = self.used.item(row, column)
        if item is None:
            return
        one = item.data(USED)
        self.desk.move(layer=one.layer, **{one.kind: one.index})

    def _go_to(self, row: int, column: int) -> None:
        """Go to the weights of a head or neuron in the body."""
        from ..navigator.fly import go_to

        item = self.used.item(row, column)
        if item is None or self._overlay is None:
            return
        one = item.data(USED)
        letter = "H" if one.kind == "head" else "N"
        try:
            go_to(self.viewer, f"L{one.layer}.{letter}{one.index}", self._overlay.link)
        except TomoError as error:
            show(error)

    def _arrange(self) -> None:
        table = self.used
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.cellDoubleClicked.connect(self._go_to)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Paint", self.measure)
        form.addRow("Of", self.sum)
        legend = QHBoxLayout()
        legend.addWidget(QLabel("not used"))
        legend.addWidget(self.legend, stretch=1)
        legend.addWidget(QLabel("strongest"))
        self.content.addWidget(self.token)
        self.content.addWidget(self.paint)
        self.content.addLayout(form)
        self.content.addWidget(self.by_channel)
        self.content.addLayout(legend)
        self.content.addWidget(table, stretch=1)
        self.content.addWidget(self.remove, alignment=Qt.AlignmentFlag.AlignLeft)


class _Legend(QWidget):  # type: ignore[misc]
    """The colours of the strengths."""

    def __init__(self, dock: OverlayDock) -> None:
        super().__init__()
        self._dock = dock
        self.setFixedHeight(12)

    def paintEvent(self, event: Any) -> None:
        """Draw."""
        overlay = self._dock.overlay
        if overlay is None or overlay.layer is None:
            return
        console = overlay.console
        painter = QPainter(self)
        at = np.linspace(0, 1, max(self.width(), 2)) ** console.gamma
        colours = transfer(console.transfer).at(at, invert=console.invert)
        for x, (red, green, blue) in enumerate((255 * colours[:, :3]).astype(int).tolist()):
            painter.fillRect(x, 0, 1, self.height(), QColor(red, green, blue))
        painter.end()


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 48 else f"{words[:47]}…"
