"""Mouse and keys on a canvas, as Qt sends them."""

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

NOTCH = 120
"""Eighths of a degree of one notch of a wheel."""

PLAIN = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier


def canvas_point(viewer, world) -> tuple[float, float]:
    """Pixels from the left and the top of a 2-D canvas at which a place of the world is drawn."""
    rows, columns = viewer.canvas.size
    camera = viewer.scene.camera
    down, across = viewer.dims.displayed
    y = rows / 2 + (world[down] - camera.center[-2]) * camera.zoom
    x = columns / 2 + (world[across] - camera.center[-1]) * camera.zoom
    return float(x), float(y)


def mouse(pane, kind, x, y, button=Qt.MouseButton.LeftButton, modifiers=PLAIN):
    """Send one event of the mouse to a pane's canvas."""
    native = pane.qt_viewer.canvas.native
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button
    if kind == QEvent.Type.MouseMove:
        button = Qt.MouseButton.NoButton
    at = QPointF(x, y)
    event = QMouseEvent(kind, at, native.mapToGlobal(at), button, held, modifiers)
    QApplication.sendEvent(native, event)


def drag(pane, start, end, steps=4, button=Qt.MouseButton.LeftButton, modifiers=PLAIN):
    """Press, move and release a button."""
    mouse(pane, QEvent.Type.MouseMove, *start, Qt.MouseButton.NoButton, modifiers)
    mouse(pane, QEvent.Type.MouseButtonPress, *start, button, modifiers)
    for i in range(1, steps + 1):
        x, y = (a + (b - a) * i / steps for a, b in zip(start, end, strict=True))
        mouse(pane, QEvent.Type.MouseMove, x, y, button, modifiers)
        pause()
    mouse(pane, QEvent.Type.MouseButtonRelease, *end, button, modifiers)


def click(pane, x, y):
    """Press and release the left button."""
    hover(pane, x, y)
    mouse(pane, QEvent.Type.MouseButtonPress, x, y)
    mouse(pane, QEvent.Type.MouseButtonRelease, x, y)


def double_click(pane, x, y):
    """What Qt sends for a double click."""
    click(pane, x, y)
    mouse(pane, QEvent.Type.MouseButtonDblClick, x, y)
    mouse(pane, QEvent.Type.MouseButtonRelease, x, y)


def hover(pane, x, y):
    """Move the mouse without a button."""
    mouse(pane, QEvent.Type.MouseMove, x, y, Qt.MouseButton.NoButton)
    pause()


def wheel(pane, notches, x=50.0, y=50.0, modifiers=PLAIN):
    """Turn the wheel; away from the user where `notches` > 0."""
    native = pane.qt_viewer.canvas.native
    at = QPointF(x, y)
    event = QWheelEvent(
        at,
        native.mapToGlobal(at),
        QPoint(),
        QPoint(0, NOTCH * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(native, event)


def key(pane, code, modifiers=PLAIN):
    """Press and release a key on a pane's canvas."""
    native = pane.qt_viewer.canvas.native
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        QApplication.sendEvent(native, QKeyEvent(kind, code, modifiers))


def pause():
    """Longer than napari's throttle of moves (5 ms)."""
    from time import sleep

    QApplication.processEvents()
    sleep(0.007)
    QApplication.processEvents()
