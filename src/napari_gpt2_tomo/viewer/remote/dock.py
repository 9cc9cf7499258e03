"""The dock that opens models of the hub and of other servers."""

from collections.abc import Generator
from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...base import Progress, TomoError
from ...checkpoint.address import Address, address_of
from ...checkpoint.remote.addresses import EXAMPLES, HubName, hub_text, parse
from .. import compat
from ..console.section import Rule
from ..preferences import PLUGIN
from ..remembered import recent_addresses
from ..work import Job, show
from .current import CurrentPanel
from .opening import prepare
from .summary import Summary, look

__all__ = ["WIDGET", "RemoteDock", "open_remote_dock"]

WIDGET = "Open from hub or URL"
"""Name of the dock in the manifest."""

WIDTH = 330
"""Pixels that an address of usual length needs."""

ERROR = "color: #ff6b5b;"
"""Of words that say what is wrong."""


def open_remote_dock(viewer: napari.Viewer) -> Any:
    """Open the dock that opens models of the hub and of other servers; returns it."""
    dock, _ = compat.real_viewer(viewer).window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    dock.raise_()
    return dock


class RemoteDock(QWidget):  # type: ignore[misc]
    """An address, what lies there, and a button that opens it."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._job: Job | None = None
        self.setMinimumWidth(WIDTH)
        self.address = QComboBox()
        self.address.setEditable(True)
        self.address.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.address.setAccessibleName("Address of a model")
        self.address.lineEdit().setPlaceholderText(EXAMPLES[0])
        self.address.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.revision = QLineEdit()
        self.revision.setPlaceholderText("main")
        self.revision.setToolTip("A branch, tag, commit, or refs/pr/1, of a model of the hub")
        self.token = QLabel()
        self.about = QLabel()
        for label in (self.token, self.about):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.choices = QListWidget()
        self.choices.setAccessibleName("Checkpoints at this address")
        self.choices.setMaximumHeight(110)
        self.look_button = QPushButton("Look")
        self.look_button.setToolTip("Read the headers only: how large it is, and what it is")
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Show it; its weights are read as they are looked at")
        self.cancel_button = QPushButton("Cancel")
        self.current = CurrentPanel(viewer)
        self._rule = Rule()
        self._arrange()
        self.look_button.clicked.connect(self.look)
        self.open_button.clicked.connect(self.open)
        self.cancel_button.clicked.connect(self.cancel)
        self.address.lineEdit().returnPressed.connect(self.look)
        self.address.editTextChanged.connect(self._typed)
        self.choices.itemDoubleClicked.connect(self.open)
        self._events = viewer.layers.selection.events.active
        self._events.connect(self._follow)
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._fill()
        self._rest()

    @property
    def wanted(self) -> Address | None:
        """The address that is meant, with the revision and the chosen checkpoint; None without.

        Raises
        ------
        CheckpointError
            What was typed is no address.
        """
        item = self.choices.currentItem() if not self.choices.isHidden() else None
        if item is not None:
            return Address(item.data(Qt.ItemDataRole.UserRole))
        text = self.address.currentText().strip()
        if not text:
            return None
        # What is copied from the hub's pages: organisation/name.
        address = address_of(text) or Address(f"hf://{text}")
        name, revision = parse(address), self.revision.text().strip()
        if isinstance(name, HubName) and revision:
            name = HubName(name.repository, revision, name.path)
        return Address(hub_text(name)) if isinstance(name, HubName) else address

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._job is not None and self._job.running

    def look(self, checked: Any = None) -> None:
        """Show what lies at the address."""
        address = self._asked()
        if address is None:
            return

        def work(report: Progress) -> Generator[object, None, None]:
            yield look(address, report)

        self._begin(work, self._seen, "Reading the headers …")

    def open(self, checked: Any = None) -> None:
        """Open the model at the address; its layers come when the first picture is there."""
        address = self._asked()
        if address is None:
            return

        def work(report: Progress) -> Generator[object, None, None]:
            yield prepare(address, report)

        self._begin(work, self._opened, "Reading the headers and a quick look …")

    def cancel(self, checked: bool = False) -> None:
        """Stop what is under way."""
        if self._job is not None:
            self._job.cancel()
            self._say("Stopping …")

    def wait(self) -> None:
        """Process events until nothing is under way, for scripts."""
        if self._job is not None:
            self._job.wait()
            self._rest()

    def _asked(self) -> Address | None:
        if self.busy:
            return None
        try:
            address = self.wanted
        except TomoError as error:
            self._say(str(error), wrong=True)
            return None
        if address is None:
            self._say("Give an address: " + ", ".join(EXAMPLES), wrong=True)
        return address

    def _begin(self, work: Any, on_stage: Any, words: str) -> None:
        self._say(words)
        for button in (self.look_button, self.open_button):
            button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self._job = Job(work, on_stage, self._failed)
        self._job.on_end = self._rest

    def _seen(self, found: Summary) -> None:
        self._say("\n".join(found.lines))
        self.choices.clear()
        for address in found.found:
            self.choices.addItem(address.rpartition("/")[2])
            self.choices.item(self.choices.count() - 1).setData(
                Qt.ItemDataRole.UserRole, str(address)
            )
        self.choices.setVisible(bool(found.found))
        self.choices.setCurrentRow(0 if found.found else -1)

    def _opened(self, found: Any) -> None:
        from napari.layers import Layer

        from ..reader import layers_of
        from ..session import watch

        scan, volume = found
        watch(self._viewer)
        for data in layers_of(scan, volume=volume):
            self._viewer.add_layer(Layer.create(*data))
        self._say(f"{scan.name} is open.")
        self._fill()

    def _failed(self, error: Exception) -> None:
        self._say(str(error), wrong=True)
        if "open one of them" in str(error):
            self._rest()
            self.look()
            return
        show(error)

    def _rest(self) -> None:
        self._job = None if not self.busy else self._job
        for button in (self.look_button, self.open_button):
            button.setEnabled(True)
        self.cancel_button.setEnabled(False)
        if self.about.text() == "Stopping …":
            self._say("Cancelled.")
        self._follow()

    def _say(self, text: str, wrong: bool = False) -> None:
        self.about.setText(text)
        self.about.setStyleSheet(ERROR if wrong else "")
        self.about.setVisible(bool(text))

    def _typed(self, text: str) -> None:
        self.choices.clear()
        self.choices.hide()
        address = address_of(text)
        self.revision.setEnabled(address is None or address.startswith("hf://"))

    def _follow(self, event: Any = None) -> None:
        self.current.follow()
        self._rule.setVisible(self.current.link is not None)

    def _fill(self) -> None:
        """List the recent addresses, and examples after them."""
        text = self.address.currentText()
        self.address.clear()
        recent = recent_addresses()
        self.address.addItems([*recent, *(one for one in EXAMPLES if one not in recent)])
        self.address.setEditText(text)
        self.token.setText(_token_words())

    def _arrange(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Address", self.address)
        form.addRow("Revision", self.revision)
        buttons = QHBoxLayout()
        for button in (self.look_button, self.open_button, self.cancel_button):
            buttons.addWidget(button, stretch=1)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(6)
        column.addLayout(form)
        column.addWidget(self.token)
        column.addLayout(buttons)
        column.addWidget(self.about)
        column.addWidget(self.choices)
        column.addWidget(self._rule)
        column.addWidget(self.current)
        column.addStretch(1)
        self.choices.hide()
        self.about.hide()

    def _let_go(self) -> None:
        self._events.disconnect(self._follow)
        self.current.stop()
        if self._job is not None:
            self._job.on_end = _nothing
            self._job.cancel()


def _token_words() -> str:
    """Whether private models of the hub can be read."""
    from huggingface_hub import get_token

    if get_token():
        return "Your token of the hub is used for private and gated models."
    return "Private and gated models of the hub need a token: set HF_TOKEN or run 'hf auth login'."


def _stop(dock: "RemoteDock | None") -> None:
    if dock is not None:
        dock._let_go()


def _nothing() -> None:
    """End nothing."""
