"""Small widgets of a pane: where its plane lies, and its buttons."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QSpinBox, QToolButton, QWidget

from ..lettering import text_width, wrapped
from ..probe import FONT_SIZE

__all__ = ["AxisBar", "Buttons"]

INK = "#c8ccd4"
"""Colour of the icons: readable on every picture, quieter than the captions."""

ICON = 14
"""Pixels a side of an icon."""

BUTTON = 22
"""Pixels a side of a button."""

MARGIN = 8
"""Pixels between the buttons and the edges of the canvas."""

DIGITS = 3
"""Digits that a number has room for at least."""

PAGE = 10
"""Voxels that a click beside the slider's handle moves."""

BUTTON_STYLE = f"""
QToolButton {{
    background: rgba(10, 10, 15, 150); border: none; border-radius: 3px;
    min-width: {BUTTON}px; max-width: {BUTTON}px; min-height: {BUTTON}px; max-height: {BUTTON}px;
    padding: 0; margin: 0;
}}
QToolButton:hover {{ background: rgba(90, 98, 115, 230); }}
"""


class AxisBar(QWidget):  # type: ignore[misc]
    """Slider and number of one axis, with the axis' full name in its colour.

    Parameters
    ----------
    moved
        Called with the index that the user chose.
    """

    def __init__(self, moved: Callable[[int], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._moved = moved
        self.name = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setPageStep(PAGE)
        self.number = QSpinBox()
        self.number.setKeyboardTracking(False)
        self.number.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.total = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 2, 8, 2)
        row.setSpacing(8)
        row.addWidget(self.name)
        row.addWidget(self.slider, stretch=1)
        row.addWidget(self.number)
        row.addWidget(self.total)
        self.slider.valueChanged.connect(self._changed)
        self.number.valueChanged.connect(self._changed)
        self.setFixedHeight(self.sizeHint().height())
        self._show(False)

    def set_axis(
        self, name: str, length: int, count: int, colour: tuple[float, float, float]
    ) -> None:
        """Say which axis it is.

        Parameters
        ----------
        name
            Of the axis.
        length
            Voxels of level 0, margins included.
        count
            What is told as its length: without margins.
        colour
            Of the axis.
        """
        shade = QColor.fromRgbF(*colour).name()
        self.name.setText(name)
        self.name.setStyleSheet(f"border-left: 3px solid {shade}; padding-left: 6px;")
        self.total.setText(f"of {count}")
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
            widget.setRange(0, max(length - 1, 0))
            widget.blockSignals(False)
        digits = "0" * max(DIGITS, len(str(length - 1)))
        self.number.setFixedWidth(self.number.fontMetrics().horizontalAdvance(digits) + 28)
        self._show(True)

    def clear(self) -> None:
        """There is no axis."""
        self.name.setText("")
        self.name.setStyleSheet("")
        self.total.setText("")
        self._show(False)

    def show_index(self, index: int) -> None:
        """Show where the plane lies, without telling anybody."""
        for widget in (self.slider, self.number):
            if widget.value() != index:
                widget.blockSignals(True)
                widget.setValue(index)
                widget.blockSignals(False)

    def _show(self, shown: bool) -> None:
        for widget in (self.slider, self.number):
            widget.setVisible(shown)

    def _changed(self, index: int) -> None:
        self.show_index(index)
        self._moved(index)


class Buttons(QWidget):  # type: ignore[misc]
    """Buttons in the upper right corner of a canvas: enlarge the pane, close the views.

    Parameters
    ----------
    canvas
        The widget on which they lie.
    enlarge
        Called when the pane is to fill the window, or to go back.
    close
        Called when the views are to be closed; without it there is no such button.
    """

    def __init__(
        self, canvas: QWidget, enlarge: Callable[[], None], close: Callable[[], None] | None = None
    ) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.enlarge = _Button("", enlarge)
        row.addWidget(self.enlarge)
        self.close_views: QToolButton | None = None
        if close is not None:
            self.close_views = _Button("Close the four views", close)
            self.close_views.setIcon(_icon(_cross))
            row.addWidget(self.close_views)
        self.set_enlarged(False)
        self.setStyleSheet(BUTTON_STYLE)
        self.adjustSize()
        self.rise()
        self.show()

    def set_enlarged(self, enlarged: bool) -> None:
        """Say what the first button would do."""
        self.enlarge.setIcon(_icon(_inward if enlarged else _outward))
        words = "Back to four views" if enlarged else "Enlarge this view"
        self.enlarge.setToolTip(f"{words} (double click)")

    def rise(self) -> None:
        """Go to the corner; call it when the canvas has another size."""
        self.move(self._canvas.width() - self.width() - MARGIN, MARGIN)
        self.raise_()

    def beside(self, lines: Sequence[str]) -> list[str]:
        """Lines of a caption, broken so that they fit on the canvas and beside the buttons."""
        width = self._canvas.width() - 3 * MARGIN
        return wrapped(
            lines, width, width - self.width() - MARGIN, lambda text: text_width(text, FONT_SIZE)
        )


class _Button(QToolButton):  # type: ignore[misc]
    """A button of a pane. Its slot is its own method: Qt keeps other functions for too long."""

    def __init__(self, words: str, pressed: Callable[[], None]) -> None:
        super().__init__()
        self._pressed = pressed
        self.setToolTip(words)
        self.setIconSize(QSize(ICON, ICON))
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.clicked.connect(self._press)

    def _press(self, checked: bool = False) -> None:
        self._pressed()


def _icon(draw: Callable[[QPainter, float], None], sharp: int = 2) -> QIcon:
    """An icon from strokes, drawn `sharp` times as large for fine screens."""
    picture = QPixmap(ICON * sharp, ICON * sharp)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor(INK))
    pen.setWidthF(1.6 * sharp)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    draw(painter, float(ICON * sharp))
    painter.end()
    picture.setDevicePixelRatio(sharp)
    return QIcon(picture)


def _outward(painter: QPainter, side: float) -> None:
    margin = 0.16 * side
    painter.drawRect(QRectF(margin, margin, side - 2 * margin, side - 2 * margin))


def _inward(painter: QPainter, side: float) -> None:
    for x in (0.14, 0.56):
        for y in (0.14, 0.56):
            painter.drawRect(QRectF(x * side, y * side, 0.3 * side, 0.3 * side))


def _cross(painter: QPainter, side: float) -> None:
    a, b = 0.2 * side, 0.8 * side
    painter.drawLine(QPointF(a, a), QPointF(b, b))
    painter.drawLine(QPointF(a, b), QPointF(b, a))
