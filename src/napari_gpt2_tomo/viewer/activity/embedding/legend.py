"""What the colours of a cloud mean."""

from html import escape
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from .colours import Coloured

__all__ = ["Legend"]

CHIP = 12
"""Pixels of a colour's square."""

BAR = 12
"""Pixels of the height of a bar of colours."""

STOPS = 16
"""Colours that a bar is drawn with; Qt blends between them."""

COLUMNS = 2


class Legend(QWidget):  # type: ignore[misc]
    """Kinds with their colours, each to be hidden; or a bar from the first colour to the last.

    Attributes
    ----------
    hid
        Emitted with the set of kinds that are not to be drawn.
    """

    hid = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._body: QWidget | None = None
        self._name = ""
        self.boxes: dict[int, QCheckBox] = {}

    def show_colours(self, shown: Coloured | None, hidden: frozenset[int] = frozenset()) -> None:
        """Explain colours; the same kinds as before keep their boxes."""
        name = "" if shown is None else f"{shown.property.name} {shown.kinds}"
        if shown is not None and shown.kinds and name == self._name:
            for kind, box in self.boxes.items():
                box.blockSignals(True)
                box.setChecked(kind not in hidden)
                box.blockSignals(False)
            return
        self._name = name
        if self._body is not None:
            self._layout.removeWidget(self._body)
            self._body.setParent(None)
            self._body.deleteLater()
        self.boxes = {}
        self._body = None
        if shown is not None:
            self._body = self._kinds(shown, hidden) if shown.kinds else self._range(shown)
            self._body.setToolTip(f"<qt>{escape(shown.property.words)}</qt>")
            self._layout.addWidget(self._body)

    def _kinds(self, shown: Coloured, hidden: frozenset[int]) -> QWidget:
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setHorizontalSpacing(10)
        present = [kind for kind, (_, count) in enumerate(shown.kinds) if count]
        rows = -(-len(present) // COLUMNS)
        for place, kind in enumerate(present):
            colour, count = shown.kinds[kind]
            line = QHBoxLayout()
            line.setSpacing(4)
            chip = QLabel()
            chip.setFixedSize(CHIP, CHIP)
            chip.setStyleSheet(f"background: {colour}; border-radius: 2px;")
            box = QCheckBox(f"{shown.property.kinds[kind]}  {count:,}")
            box.setChecked(kind not in hidden)
            box.setToolTip("Draw the tokens of this kind")
            box.toggled.connect(self._toggled)
            self.boxes[kind] = box
            line.addWidget(chip)
            line.addWidget(box, stretch=1)
            grid.addLayout(line, place % rows, place // rows)
        return body

    def _range(self, shown: Coloured) -> QWidget:
        body = QWidget()
        line = QHBoxLayout(body)
        line.setContentsMargins(0, 0, 0, 0)
        low, high = shown.limits
        line.addWidget(QLabel(f"≤ {low:.3g}"))
        line.addWidget(_Bar(shown.colormap), stretch=1)
        line.addWidget(QLabel(f"≥ {high:.3g}"))
        return body

    def _toggled(self, checked: bool) -> None:
        self.hid.emit({kind for kind, box in self.boxes.items() if not box.isChecked()})


class _Bar(QWidget):  # type: ignore[misc]
    """The colours of a colormap, first to last."""

    def __init__(self, colormap: str) -> None:
        super().__init__()
        from matplotlib import colormaps

        self.setFixedHeight(BAR)
        chosen = colormaps[colormap]
        shares = [stop / (STOPS - 1) for stop in range(STOPS)]
        self._stops = [(share, QColor.fromRgbF(*chosen(share))) for share in shares]

    def paintEvent(self, event: Any) -> None:
        """See Qt."""
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for share, colour in self._stops:
            gradient.setColorAt(share, colour)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(QRectF(self.rect()), 3, 3)
        painter.end()
