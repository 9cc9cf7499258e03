"""What a run gave, in short, and the way to everything else."""

from html import escape
from typing import Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ....activity.lens.chances import Chances
from ....activity.lens.words import labels_of
from ....activity.record import Activity
from ....base import TomoError
from ...preferences import PLUGIN
from ..plot_view import theme_of

__all__ = ["NextTokens", "Result", "docks"]

TOP = 5
"""Next tokens that are listed."""

ROW, LABEL, NUMBER = 18, 0.34, 54
"""Pixels of a row's height, share of the width that a token takes, pixels of a percentage."""

LONGEST = 600
"""Characters of the text that are repeated."""

COLUMNS = 2


def docks() -> list[tuple[str, str]]:
    """Names of the docks that show an activity, and what they are called by their commands."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    if PLUGIN not in manager:
        return []
    contributed = manager.get_manifest(PLUGIN).contributions
    homes = {command.id: command for command in contributed.commands or ()}
    found = []
    for widget in contributed.widgets or ():
        command = homes[widget.command]
        home = str(command.python_name)
        if ".viewer.activity." in home and not home.endswith(":RunDock"):
            found.append((widget.display_name, command.title))
    return found


class Result(QWidget):  # type: ignore[misc]
    """The text, the likeliest next tokens, notes, and buttons to the docks and layers.

    Attributes
    ----------
    dock_wanted
        Emitted with the name of a dock.
    layer_wanted
        Emitted with the name of what is to be shown as a layer.
    paint_wanted, save_wanted
        Emitted without arguments.
    """

    dock_wanted = Signal(str)
    layer_wanted = Signal(str)
    paint_wanted = Signal()
    save_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.next = NextTokens()
        self.notes = QLabel()
        self.notes.setWordWrap(True)
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.layers = QPushButton("Show as layer")
        self.layers.setToolTip("Any recorded activity as an image, with the tokens on its axes")
        self.paint = QPushButton("Paint on the body")
        self.paint.setToolTip("Light up the heads, neurons and tokens that this prompt used")
        self.paint.clicked.connect(lambda: self.paint_wanted.emit())
        self.save = QPushButton("Save…")
        self.save.setToolTip("Write all that was recorded to a folder, to open it again later")
        self.save.clicked.connect(lambda: self.save_wanted.emit())
        self.buttons = QGridLayout()
        self.buttons.setSpacing(4)
        first = QHBoxLayout()
        first.setSpacing(4)
        first.addWidget(self.layers, stretch=1)
        first.addWidget(self.paint, stretch=1)
        first.addWidget(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        column.addWidget(self.next)
        column.addWidget(self.notes)
        column.addLayout(first)
        column.addLayout(self.buttons)
        for number, (name, about) in enumerate(docks()):
            button = QPushButton(name)
            button.setToolTip(about)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, name=name: self.dock_wanted.emit(name))
            self.buttons.addWidget(button, number // COLUMNS, number % COLUMNS)

    def show_activity(self, activity: Activity) -> None:
        """Show what is known of an activity."""
        from ..sites import SHOWABLE

        source = activity.source
        text = activity.text
        shown = text if len(text) <= LONGEST else "… " + text[-LONGEST:]
        # A line may break after bytes that are shown one by one.
        lines = escape(shown).replace("\n", "<br>").replace("⟩", "⟩\N{ZERO WIDTH SPACE}")
        head = f"<b>{escape(source.name)}</b> read {len(activity.tokens):,} tokens"
        self.text.setText(f"{head}<br>{lines}")
        changes = [f"Changed: {change}" for change in source.changes]
        self.notes.setText("\n".join([*changes, *activity.notes]))
        self.notes.setVisible(bool(self.notes.text()))
        self.next.show_activity(activity)
        menu = QMenu(self.layers)
        menu.setToolTipsVisible(True)
        for kind in SHOWABLE:
            if kind.fits(activity):
                action = menu.addAction(kind.title)
                action.setToolTip(kind.about)
                action.triggered.connect(
                    lambda _=False, name=kind.name: self.layer_wanted.emit(name)
                )
        self.layers.setMenu(menu)


class NextTokens(QWidget):  # type: ignore[misc]
    """The likeliest next tokens as bars."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, float]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_activity(self, activity: Activity) -> None:
        """Show what may follow the last token; nothing for an encoder."""
        self.rows = []
        if "logits" in activity and (activity.model is None or activity.model.causal):
            try:
                chances = Chances.of_logits(activity.read("logits", -1))
            except TomoError:
                chances = None
            if chances is not None:
                ids = chances.top(TOP)
                shares = np.exp(chances.log_probability[ids]).tolist()
                self.rows = list(zip(labels_of(activity, ids), shares, strict=True))
        self.setVisible(bool(self.rows))
        said = ", ".join(f"{label} {100 * share:.1f} %" for label, share in self.rows)
        self.setAccessibleName(f"Likeliest next tokens: {said}")
        self.setToolTip("The likeliest next tokens, of all in the vocabulary")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(200, ROW * max(len(self.rows), 1))

    minimumSizeHint = sizeHint

    def paintEvent(self, event: Any) -> None:
        """Draw."""
        theme = theme_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = self.width()
        left = LABEL * width
        room = max(width - left - NUMBER, 1)
        middle = Qt.AlignmentFlag.AlignVCenter
        metrics = painter.fontMetrics()
        for number, (label, share) in enumerate(self.rows):
            top = number * ROW
            painter.setPen(QColor(theme.text))
            fitted = metrics.elidedText(label, Qt.TextElideMode.ElideRight, int(left) - 8)
            painter.drawText(
                QRectF(0, top, left - 8, ROW), middle | Qt.AlignmentFlag.AlignRight, fitted
            )
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.accent if number == 0 else theme.cycle[0]))
            bar = QRectF(left, top + 4, max(share * room, 1.5), ROW - 8)
            painter.drawRoundedRect(bar, 2, 2)
            painter.setPen(QColor(theme.text))
            painter.drawText(
                QRectF(bar.right() + 6, top, NUMBER, ROW), middle, f"{100 * share:.1f} %"
            )
        painter.end()
