"""Mouse events as Qt sends them."""

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

RIGHT, LEFT = Qt.MouseButton.RightButton, Qt.MouseButton.LeftButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


def send(widget, kind, at, button, buttons, modifiers=NONE):
    """Send one event to a widget."""
    place = QPointF(*at)
    there = QPointF(widget.mapToGlobal(place.toPoint()))
    event = QMouseEvent(kind, place, there, button, buttons, modifiers)
    QApplication.sendEvent(widget, event)
    QApplication.processEvents()


def press(widget, at, button=RIGHT, modifiers=NONE):
    """Press a button."""
    send(widget, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)
    send(widget, QEvent.Type.MouseButtonPress, at, button, button, modifiers)


def move(widget, at, button=RIGHT, modifiers=NONE):
    """Move the mouse with the button held."""
    send(widget, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, button, modifiers)


def release(widget, at, button=RIGHT, modifiers=NONE):
    """Let the button go."""
    none = Qt.MouseButton.NoButton
    send(widget, QEvent.Type.MouseButtonRelease, at, button, none, modifiers)


def drag(widget, start, stops, button=RIGHT, modifiers=NONE):
    """Press, move through places, let go."""
    press(widget, start, button, modifiers)
    for stop in stops:
        move(widget, stop, button, modifiers)
    release(widget, stops[-1], button, modifiers)


def wheel(widget, amount, at=None):
    """Turn the wheel over a widget; 120 is one notch away from the user."""
    place = QPointF(widget.width() / 2, widget.height() / 2) if at is None else QPointF(*at)
    event = QWheelEvent(
        place,
        QPointF(widget.mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, amount),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    QApplication.processEvents()
