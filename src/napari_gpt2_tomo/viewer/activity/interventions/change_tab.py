"""A list of changes, and what they do together to the next token."""

from typing import Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ....activity.intervention.change import Change, describe
from ....activity.intervention.effect import Effect
from ....activity.intervention.figures import change_plot, effect_plot
from ....activity.lens.words import labels_of, token_of
from ....activity.record import Activity
from ....base import TomoError
from ..desk import Place
from ..later import Later
from ..plot_view import PlotView
from .choices import HOW, HOW_TIP, NO_MODEL, WHAT, OtherPrompt, change_of, combo, component_at

__all__ = ["ChangeTab"]

LIST_HEIGHT = 92
"""Pixels of the list: four changes are seen, more scroll."""

BEGIN = "Choose a head, neuron or channel in any dock, say what to do with it, and add it."


class ChangeTab(QWidget):  # type: ignore[misc]
    """Collects changes and shows the next token before and after.

    Attributes
    ----------
    wanted
        Emitted with the changes under which all docks shall show the prompt; none is without.
    """

    wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self._place = Place()
        self._effect: Effect | None = None
        self._asked = ""
        self.what = combo(WHAT, "What to change, at the layer and index that the docks look at")
        self.how = combo(HOW, HOW_TIP)
        self.only = QCheckBox()
        self.only.setToolTip("At the token that is looked at alone, not at all tokens")
        self.add_button = QPushButton("Add")
        self.other = OtherPrompt()
        self.list = _Changes()
        self.list.setMaximumHeight(LIST_HEIGHT)
        self.list.setToolTip("What is ticked is changed, all at once")
        self.remove_button, self.clear_button = QPushButton("Remove"), QPushButton("Remove all")
        self.everywhere = QCheckBox("Show in all docks")
        self.everywhere.setToolTip("Put the run with these changes on the desk, beside the first")
        self.also = QLineEdit()
        self.also.setPlaceholderText("Also show tokens: her, him or #42")
        self.also.setToolTip("Words with commas between; of two the difference of logits is told")
        self.also.setClearButtonEnabled(True)
        self.view_choice = combo(
            {"Probabilities": effect_plot, "Logits": change_plot}, "What the bars are"
        )
        self.said = QLabel()
        # A token may look like markup.
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setWordWrap(True)
        self.view = PlotView()
        self._lay_out()
        self.later = Later(self._tell_of_work)
        for box in (self.what, self.how):
            box.currentIndexChanged.connect(self._offer)
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self.remove)
        self.clear_button.clicked.connect(self.clear)
        self.list.itemChanged.connect(self._start)
        self.list.deleted.connect(self.remove)
        self.everywhere.toggled.connect(self._tell)
        self.also.editingFinished.connect(self._draw)
        self.view_choice.currentIndexChanged.connect(self._draw)

    def _lay_out(self) -> None:
        adding, list_row, showing = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for widget, stretch in ((self.what, 1), (self.how, 1), (self.add_button, 0)):
            adding.addWidget(widget, stretch=stretch)
        list_row.addWidget(self.remove_button)
        list_row.addWidget(self.clear_button)
        list_row.addStretch(1)
        list_row.addWidget(self.everywhere)
        showing.addWidget(self.also, stretch=1)
        showing.addWidget(self.view_choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(adding)
        layout.addWidget(self.only)
        layout.addWidget(self.other)
        layout.addWidget(self.list)
        layout.addLayout(list_row)
        layout.addLayout(showing)
        layout.addWidget(self.said)
        layout.addWidget(self.view, stretch=1)

    @property
    def changes(self) -> list[Change]:
        """Those that are ticked."""
        return [
            item.data(Qt.ItemDataRole.UserRole)
            for item in self._items()
            if item.checkState() == Qt.CheckState.Checked
        ]

    def show_activity(self, activity: Activity, place: Place) -> None:
        """Change the model of an activity on its text, at a place."""
        before, self._activity, self._place = self._activity, activity, place
        if before is not None and before.source.path != activity.source.path:
            self._remove(lambda change: True)
        elif before is not None and list(before.tokens.ids) != list(activity.tokens.ids):
            # A position means another token in another text.
            self._remove(lambda change: change.tokens is not None)
        self._set_quietly(self.everywhere, bool(activity.source.changes))
        self.other.show_activity(activity)
        self._offer()
        self._start()

    def show_place(self, place: Place) -> None:
        """Offer what is looked at now."""
        moved = place.token != self._place.token
        self._place = place
        self._offer()
        if moved:
            self._start()

    def add(self, checked: bool = False) -> None:
        """Add the change that is offered."""
        component = component_at(self.what.currentData(), self._place)
        tokens = (self._place.token,) if self.only.isChecked() else None
        try:
            change = change_of(self.how.currentData(), component, tokens, self.other)
        except TomoError as error:
            self._say(str(error))
            return
        if any(item.data(Qt.ItemDataRole.UserRole) == change for item in self._items()):
            return
        item = QListWidgetItem(self._words(change))
        item.setToolTip(item.text())
        item.setData(Qt.ItemDataRole.UserRole, change)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        self.list.blockSignals(True)
        item.setCheckState(Qt.CheckState.Checked)
        self.list.addItem(item)
        self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self._start()

    def remove(self, checked: bool = False) -> None:
        """Remove the change that is selected."""
        if self.list.currentItem() is not None:
            self.list.takeItem(self.list.currentRow())
            self._start()

    def clear(self, checked: bool = False) -> None:
        """Remove all changes."""
        self._remove(lambda change: True)
        self._start()

    def _words(self, change: Change) -> str:
        if self._activity is None:
            return str(change)
        return describe([change], self._activity.tokens)[0]

    def _items(self) -> list[Any]:
        return [self.list.item(row) for row in range(self.list.count())]

    def _remove(self, is_wrong: Any) -> None:
        self.list.blockSignals(True)
        for item in self._items():
            if is_wrong(item.data(Qt.ItemDataRole.UserRole)):
                self.list.takeItem(self.list.row(item))
        self.list.blockSignals(False)

    def _offer(self, index: int = 0) -> None:
        """Say what would be added."""
        activity = self._activity
        if activity is None:
            return
        if self.how.currentData() != self._asked:
            self._asked = self.how.currentData()
            self.other.ask_for(self._asked)
        component = component_at(self.what.currentData(), self._place)
        what = {"mlp": "MLP"}.get(component.kind, component.kind)
        which = "" if component.index is None else f" {component.index}"
        self.add_button.setText(f"Add L{component.layer} {what}{which}")
        self.add_button.setToolTip(str(component))
        label = activity.tokens.labels[self._place.token]
        self.only.setText(f"Only at token {self._place.token}  {label}")
        for widget in (self.add_button, self.list, self.everywhere):
            widget.setEnabled(activity.model is not None)

    def _start(self, item: Any = None) -> None:
        activity, changes = self._activity, self.changes
        if activity is None:
            return
        self.later.cancel()
        model = activity.model
        if model is None or not changes:
            self._effect = None
            self._say(NO_MODEL if model is None else BEGIN)
            self._draw()
            if not changes and self.everywhere.isChecked():
                self._tell()
            return
        tokens, position = activity.tokens, self._place.token

        def work(report: Any) -> Effect:
            from ....activity.running.changes import effect

            return effect(model, tokens, changes, position, report)

        self.later.start(work, self._show, "")
        if self.everywhere.isChecked() and describe(changes, tokens) != activity.source.changes:
            self._tell()

    def _show(self, effect: Effect) -> None:
        self._effect = effect
        self._draw()

    def _draw(self, index: int = 0) -> None:
        effect = self._effect
        if effect is None or self._activity is None:
            self.view.show_plot(None)
            return
        also = []
        self._say("")
        for word in self.also.text().split(","):
            if word.strip():
                try:
                    also.append(token_of(self._activity, word.strip()))
                except TomoError as error:
                    self._say(str(error))
        if len(also) == 2:
            names = labels_of(self._activity, also)
            before, after = effect.difference(also[0], also[1])
            self._say(f"Logit of {names[0]} − {names[1]}: {before:+.2f} → {after:+.2f}")
        draw = self.view_choice.currentData()
        self.view.show_plot(draw(effect, also=also))

    def _tell(self, on: bool = True) -> None:
        self.wanted.emit(tuple(self.changes) if self.everywhere.isChecked() else ())

    def _tell_of_work(self, text: str) -> None:
        """Say what went wrong; what was shown before belongs to other changes."""
        self._say(text)
        if text:
            self._effect = None
            self.view.show_plot(None)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))

    @staticmethod
    def _set_quietly(box: QCheckBox, on: bool) -> None:
        box.blockSignals(True)
        box.setChecked(on)
        box.blockSignals(False)


class _Changes(QListWidget):  # type: ignore[misc]
    """A list whose selected row the delete key removes."""

    deleted = Signal()

    def keyPressEvent(self, event: Any) -> None:
        """See Qt."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.deleted.emit()
        else:
            super().keyPressEvent(event)
