"""The dock that compares two models: a difference layer, and the parts by their change."""

from collections.abc import Callable, Generator
from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from ...base import Progress, TomoError
from ...comparison import ChangeTable, Comparison
from ...comparison.compare import refuse_adapter
from ...comparison.difference import KINDS
from ...comparison.lora import adapted, is_adapter
from ...facade import Scan
from .. import compat
from ..link import ScanLink, link_of
from ..navigator.fly import go_to
from ..preferences import PLUGIN
from ..work import Job, show
from .change_table import ChangeView
from .sides import Side, SidePicker, sides_of

__all__ = ["WIDGET", "CompareDock", "open_compare"]

WIDGET = "Compare"
"""Name of the dock in the manifest."""

SIZE = (900, 260)
"""Pixels that the dock asks for: ten columns of the table beside the form."""

FORM = 330
"""Pixels of the form's width."""

WIDE = 1.4
"""From this ratio of width to height on the table stands beside the form, not below it."""

HINT = "Choose two models: any that are open, were opened lately, or lie in a file or folder."
"""What the dock says at first."""

TITLES = {
    "absolute": "Difference, b − a",
    "relative": "Difference in σ of the part",
    "sign": "Sign flips",
}


def open_compare(viewer: napari.Viewer) -> Any:
    """Open the dock that compares two models below a viewer's canvas; returns its dock."""
    real = compat.real_viewer(viewer)
    dock, widget = real.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    window = dock.parentWidget()
    if window is not None and not widget.placed:
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        widget.placed = True
    dock.show()
    dock.raise_()
    return dock


class CompareDock(QWidget):  # type: ignore[misc]
    """Compares two models part by part, and shows where they differ.

    Attributes
    ----------
    comparison
        What is compared; None before.
    placed
        Whether the dock has its place below the canvas.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = compat.real_viewer(viewer)
        self._job: Job | None = None
        self._link: Any = None
        self._began: tuple[int, ...] | None = None
        self.placed = False
        self.comparison: Comparison | None = None
        self.a = SidePicker(self._viewer, "First model")
        self.b = SidePicker(self._viewer, "Second model, or a LoRA adapter of the first")
        self.kind = QComboBox()
        for kind, formula in KINDS.items():
            self.kind.addItem(TITLES[kind], kind)
            self.kind.setItemData(self.kind.count() - 1, formula, Qt.ItemDataRole.ToolTipRole)
        self.swap = QPushButton("⇅")
        self.swap.setToolTip("Swap the two")
        self.swap.setFixedWidth(30)
        self.swap.clicked.connect(self._swap)
        self.compare_button = QPushButton("Compare")
        self.compare_button.setToolTip("Add their difference as a layer, and list what changed")
        self.compare_button.clicked.connect(self.compare)
        self.beside = QPushButton("Side by side")
        self.beside.setToolTip("Show both beside each other, with linked cameras and slices")
        self.beside.clicked.connect(self.show_side_by_side)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.changes = ChangeView(self._go, self.measure_ranks)
        self._arrange()
        for picker in (self.a, self.b):
            picker.changed.connect(self._enable)
        self._viewer.layers.events.connect(self._layers_changed)
        # The viewer outlives its docks. A dock that Python frees is forgotten by itself;
        # one that Qt deletes while somebody keeps it must be told.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self.status.setText(HINT)
        self._suggest()
        self._enable()

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    def resizeEvent(self, event: Any) -> None:
        """The table stands beside the form where there is room, else below it."""
        super().resizeEvent(event)
        wide = self.width() > WIDE * self.height()
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self._split.orientation() != wanted:
            self._split.setOrientation(wanted)
            room = self.width() if wide else self.height()
            first = FORM if wide else self._form.sizeHint().height()
            self._split.setSizes([first, max(1, room - first)])

    def compare(self, checked: bool = False) -> None:
        """Compare the two models that are chosen; the layer and the table come one by one."""
        a, b = self.a.side, self.b.side
        if a is None or b is None:
            return
        kind = str(self.kind.currentData())
        self.cancel()
        self.changes.show_table(None)

        def work(report: Progress) -> Generator[object, None, None]:
            comparison = _compared(a, b, kind, report)
            try:
                volume = comparison.volume(exact=False)
                volume.overview.quick_look(report)
            except BaseException:
                comparison.close()
                raise
            yield comparison
            yield comparison.table(progress=report)

        self._begin(work, f"Comparing {a.title} and {b.title} …")

    def measure_ranks(self) -> None:
        """Measure the rank of every changed matrix."""
        comparison = self.comparison
        if comparison is None or self.link is None:
            return

        def work(report: Progress) -> Generator[object, None, None]:
            yield comparison.table(ranks=True, progress=report)

        self._begin(work, "Measuring the ranks of the changes …")

    def show_side_by_side(self, checked: bool = False) -> None:
        """Open the two models that are chosen and show them beside each other."""
        from .opening import open_sides, shown_in
        from .side_by_side import open_side_by_side

        a, b = self.a.side, self.b.side
        if a is None or b is None:
            return
        told = self.status.text() if self.link is not None else ""
        viewer = self._viewer
        shown = shown_in(viewer, a) is not None

        def work(report: Progress) -> Generator[object, None, None]:
            yield open_sides(a, b, shown)

        def arrived(opened: Any) -> None:
            self.status.setText(told)
            try:
                open_side_by_side(viewer, a, b, opened)
            except TomoError as error:
                self._failed(error)

        self._begin(work, f"Opening {a.title} and {b.title} …", arrived)

    def cancel(self, checked: bool = False) -> None:
        """Stop what is under way; what is shown already stays."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self.status.setText("Cancelled.")
        self._enable()

    @property
    def link(self) -> ScanLink | None:
        """What the layers of the comparison show; None when they are gone."""
        link: ScanLink | None = None if self._link is None else self._link()
        return link if link is not None and link.layers else None

    def _begin(self, work: Any, words: str, arrived: Callable[[Any], None] | None = None) -> None:
        self.status.setText(words)
        self._job = job = Job(work, arrived or self._arrived, self._failed)
        job.on_end = self._ended
        self._enable()

    def _arrived(self, found: Any) -> None:
        if isinstance(found, Comparison):
            self._show(found)
        elif isinstance(found, ChangeTable) and self.comparison is not None:
            self.changes.show_table(found, self.comparison.name)
            self._tell(found)
            self._leave_what_is_equal(found)

    def _show(self, comparison: Comparison) -> None:
        from ..layers import add_scan

        self.comparison = comparison
        layers = add_scan(self._viewer, comparison, "auto", comparison.usual_signal, owned=True)
        link = link_of(layers.image)
        self._link = None if link is None else ref(link)
        self._began = None if link is None else link.cursor.position
        self._tell(None)

    def _leave_what_is_equal(self, table: ChangeTable) -> None:
        """Go to what changed most if a part is shown that did not change, and nobody has moved:
        an adapter changes a few matrices of many.
        """
        link, changed = self.link, table.by()[0]
        if link is None or link.cursor.position != self._began or not changed.relative:
            return
        place = link.volume.layout.place(link.cursor.position)
        names = {row.part: row for row in table}
        shown = None if place is None else names.get(link.volume.anatomy.parts[place.part].name)
        if shown is None or not shown.largest:
            self._go(changed.part)

    def _tell(self, table: ChangeTable | None) -> None:
        comparison = self.comparison
        if comparison is None:
            return
        lines = comparison.statement.split("\n")
        if table is not None:
            total = table.total
            equal = sum(not (row.largest or row.nonfinite) for row in table)
            lines.append(
                f"All together: ‖Δ‖ / ‖w‖ {total.relative:.4g} · cosine {total.cosine:.6f}"
            )
            if equal:
                lines.append(f"{equal} parts are equal, value for value.")
            left_out = sum(row.parameters for row in table) - total.n
            if left_out:
                lines.append(f"{left_out:,} values are NaN or infinite; they are left out.")
        self.status.setText("\n".join(lines))

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, TomoError):
            self.status.setText("")
            show(error)
            return
        # The whole of it stands in the dock; two models may differ in dozens of lines.
        self.status.setText(str(error))
        show(TomoError(str(error).split("\n", 1)[0]))

    def _ended(self) -> None:
        if self._job is not None and not self._job.running:
            self._job = None
        self._enable()

    def _go(self, part: str) -> None:
        link = self.link
        if link is None:
            self.status.setText("The difference is not shown any more: compare again.")
            return
        try:
            go_to(self._viewer, part, link)
        except TomoError as error:
            show(error)

    def _swap(self, checked: bool = False) -> None:
        a, b = self.a.side, self.b.side
        self.a.choose(b)
        self.b.choose(a)

    def _suggest(self) -> None:
        """The two models that are shown, the one that was opened first as the first."""
        shown = [side for side in sides_of(self._viewer) if self._is_shown(side)]
        if len(shown) > 1:
            self.a.choose(shown[1])
            self.b.choose(shown[0])
        elif shown:
            self.a.choose(shown[0])

    def _is_shown(self, side: Side) -> bool:
        links = (link_of(layer) for layer in self._viewer.layers)
        return any(str(x.scan.still.checkpoint.path) == side.path for x in links if x is not None)

    def _layers_changed(self, event: Any = None) -> None:
        if getattr(event, "type", "") not in ("inserted", "removed"):
            return
        for picker in (self.a, self.b):
            picker.fill()
        if self.a.side is None and self.b.side is None:
            self._suggest()
        self._enable()

    def _enable(self) -> None:
        running = self._job is not None and self._job.running
        both = self.a.side is not None and self.b.side is not None
        self.compare_button.setVisible(not running)
        self.compare_button.setEnabled(both)
        self.beside.setEnabled(both and not running)
        self.cancel_button.setVisible(running)
        measured = self.changes.model is not None
        self.changes.ranks.setEnabled(measured and not running and self.link is not None)

    def _arrange(self) -> None:
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("a", self.a)
        rows.addRow("b", self.b)
        rows.addRow("show", self.kind)
        buttons = QHBoxLayout()
        buttons.addWidget(self.compare_button, stretch=1)
        buttons.addWidget(self.cancel_button, stretch=1)
        buttons.addWidget(self.beside, stretch=1)
        buttons.addWidget(self.swap)
        words = QScrollArea()
        words.setWidgetResizable(True)
        words.setFrameShape(QScrollArea.Shape.NoFrame)
        words.setWidget(self.status)
        self._form = QWidget()
        column = QVBoxLayout(self._form)
        column.setContentsMargins(0, 0, 6, 0)
        column.addLayout(rows)
        column.addLayout(buttons)
        column.addWidget(words, stretch=1)
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self._form)
        self._split.addWidget(self.changes)
        self._split.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self._split)

    def _let_go(self) -> None:
        """Hear nothing any more."""
        self._viewer.layers.events.disconnect(self._layers_changed)
        if self._job is not None:
            # The buttons that its end would enable may be gone by then.
            self._job.on_end = _nothing
            self._job.cancel()
            self._job = None


def _nothing() -> None:
    """Do nothing."""


def _compared(a: Side, b: Side, kind: str, report: Progress) -> Comparison:
    """The comparison of two models, each opened on its own."""
    owned: list[Scan] = []
    try:
        refuse_adapter(a.path)
        owned.append(a.open())
        owned.append(adapted(owned[0], b.path) if is_adapter(b.path) else b.open())
        first, second = owned
        return Comparison(first, second, kind, owned=(first, second), progress=report)
    except BaseException:
        for scan in owned:
            scan.close()
        raise


def _stop(dock: "CompareDock | None") -> None:
    if dock is not None:
        dock._let_go()
