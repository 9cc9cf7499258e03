"""The dock of embeddings: tokens and positions of a model, without a prompt."""

import contextlib
from collections.abc import Generator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import napari
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
)

from ...activity.embedding.properties import property_of
from ...activity.embedding.space import EmbeddingSpace, embedding_space
from ...base import Progress, TomoError
from .. import compat
from ..commands import current_link
from ..link import OWNER, ScanLink
from ..preferences import PLUGIN
from ..work import Job
from .desk import desk_of
from .docked import Docked
from .embedding.choices import DIMENSIONS, PCA, POSITIONS, Asked
from .embedding.explorer import Explorer, explorer_of
from .embedding.explorer_tab import ExplorerTab
from .embedding.figure_tab import FigureTab
from .embedding.picture import first_table
from .embedding.placing import place_rows, placing
from .embedding.search_line import ERROR

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["WIDGET", "EmbeddingDock", "open_embeddings"]

WIDGET = "Embeddings"
"""Name of the dock in the manifest."""

SIZE = (420, 720)
"""Pixels of width and height that the dock asks for."""

NO_MODEL = (
    "Drop a .safetensors file or a model's folder on the window, or open one here: its token and "
    "position embeddings are shown. No prompt is needed."
)


def open_embeddings(viewer: napari.Viewer) -> Any:
    """Open the dock of embeddings, or bring it to the front; returns its dock."""
    dock, _ = compat.real_viewer(viewer).window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    dock.raise_()
    return dock


class EmbeddingDock(Docked):
    """Shows the embedding space of the scan of the active layer, or of a model that is opened.

    Without either, of the model that a prompt ran through.

    The tables are read when the dock is seen.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._viewer = compat.real_viewer(viewer)
        self._link: ScanLink | None = None
        self._scan: Scan | None = None
        self._own: Scan | None = None
        self._job: Job | None = None
        self._stale = True
        self.space: EmbeddingSpace | None = None
        self.name = QLabel()
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.name.setWordWrap(True)
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip("Open a model's folder for its embeddings alone")
        self.open_button.clicked.connect(self._ask)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.again = QPushButton("Read the embeddings")
        self.again.clicked.connect(self._read)
        self.explorer_tab = ExplorerTab(self._begin)
        self.dimensions = FigureTab(DIMENSIONS, self._asked)
        self.positions = FigureTab(POSITIONS, self._asked)
        self.pca = FigureTab(PCA, self._asked)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for tab, title in (
            (self.explorer_tab, "Explorer"),
            (self.dimensions, "Dimensions"),
            (self.positions, "Positions"),
            (self.pca, "PCA"),
        ):
            self.tabs.addTab(tab, title)
        top = QHBoxLayout()
        top.addWidget(self.name, stretch=1)
        top.addWidget(self.open_button)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.message)
        layout.addWidget(self.again, alignment=Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.tabs, stretch=1)
        layout.addStretch(0)
        self._events = (self._viewer.layers.selection.events, self._viewer.layers.events)
        for events in self._events:
            events.connect(self._follow)
        # The viewer outlives its docks, which are told of their end in no other way.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._desk = desk_of(self._viewer)
        self._desk.changed.connect(self._follow_desk)
        self._follow()
        self._follow_desk()
        if self.space is None:
            self._show_space(None)

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    def open(self, path: str | Path) -> None:
        """Open a model for its embeddings alone, as if it was chosen.

        Raises
        ------
        TomoError
            It cannot be opened.
        """
        from ...facade import Scan

        scan = Scan(path)
        self._close_own()
        self._own = scan
        self._set_scan(scan, None)

    def come_to_front(self) -> None:
        """See `Docked`: read the tables when somebody looks."""
        if self._stale:
            self._read()

    def _ask(self, checked: bool = False) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a model's folder")
        if folder:
            try:
                self.open(folder)
            except TomoError as error:
                self._say(str(error), wrong=True)

    def _follow(self, event: Any = None) -> None:
        """Take the scan of the active layer; one that was opened here stays until there is one."""
        link = current_link(self._viewer)
        if link is None or link is self._link:
            return
        self._set_scan(link.scan, link)

    def _follow_desk(self) -> None:
        """Without a scan, take the model that a prompt ran through."""
        activity = self._desk.activity
        path = None if activity is None else activity.source.path
        if self._link is not None or path is None or not Path(path).exists():
            return
        if self._own is None or self._own.checkpoint.path != Path(path):
            # What runs need not be a checkpoint that is read here; then nothing is shown of it.
            with contextlib.suppress(TomoError):
                self.open(path)

    def _set_scan(self, scan: "Scan", link: ScanLink | None) -> None:
        self._link = link
        if scan is self._scan:
            return
        self._scan = scan
        if self._own is not None and scan is not self._own:
            self._close_own()
        self._show_space(None)
        self._stale = True
        if self.seen:
            self._read()

    def _read(self, checked: bool = False) -> None:
        """Read the tables in the background."""
        scan = self._scan
        if scan is None:
            return
        self._cancel()
        self._stale = False
        self._say(f"Reading the embeddings of {scan.name} …")

        def work(report: Progress) -> Generator[object, None, None]:
            yield embedding_space(scan, progress=report)

        job = self._job = Job(work, self._show_space, self._failed)
        job.on_end = lambda: self._ended(job)

    def _ended(self, job: Job) -> None:
        """Work ended without a space: somebody stopped it."""
        if job is self._job and self.space is None and not self._failed_with:
            self._say("The reading was stopped.")
            self.again.show()

    def _failed(self, error: Exception) -> None:
        self._failed_with = str(error)
        self._say(str(error), wrong=True)

    def _show_space(self, space: EmbeddingSpace | None) -> None:
        self._failed_with = ""
        self.space = space
        scan = self._scan
        self.name.setText("" if scan is None else scan.name)
        self.name.setVisible(scan is not None)
        self._say(NO_MODEL if scan is None else "")
        self.tabs.setVisible(space is not None)
        self.again.hide()
        if space is not None:
            tables = " · ".join(
                f"{len(rows):,} {'positions' if which == 'positions' else which}"
                for which, rows in space.tables.items()
            )
            d = next(iter(space.tables.values())).shape[1]
            self.name.setText(f"{space.name}: {tables} · {d} dimensions")
            self.name.setToolTip("<br>".join(escape(note) for note in space.notes))
        for tab in (self.dimensions, self.positions, self.pca):
            tab.set_space(space)
        open_one = explorer_of(self._viewer)
        fits = open_one is not None and open_one.space is space
        self._steer(open_one if fits else None)

    def _begin(self) -> None:
        """Open the explorer once its axes are fitted."""
        space = self.space
        if space is None:
            return
        self._cancel()

        def work(report: Progress) -> Generator[object, None, None]:
            first = first_table(space)
            placing(space, first, report)
            place_rows(space, first, first)
            space.norms(first)
            if first != "positions":
                property_of(space, "kind" if space.texts else "norm", first)
            _ = space.labels
            yield space

        def ready(found: EmbeddingSpace) -> None:
            former = explorer_of(self._viewer)
            if former is not None:
                former.close()
            metadata = {} if self._link is None else {OWNER: self._link}
            self._steer(Explorer(self._viewer, found, metadata))

        job = self._job = Job(work, ready, self._failed)
        job.on_end = lambda: self.explorer_tab.toggle.setEnabled(True)

    def _steer(self, explorer: Explorer | None) -> None:
        former = self.explorer_tab.explorer
        if former is not None:
            former.moved.disconnect(self._outdated)
            former.recoloured.disconnect(self._outdated)
        self.explorer_tab.set_explorer(explorer)
        if explorer is not None:
            explorer.moved.connect(self._outdated)
            explorer.recoloured.connect(self._outdated)

    def _outdated(self, *_: Any) -> None:
        self.pca.outdated()

    def _asked(self, text: str) -> Asked:
        explorer = self.explorer_tab.explorer
        if explorer is None or explorer.which is None:
            has_words = self.space is not None and self.space.texts is not None
            return Asked(text, colour="kind" if has_words else "norm")
        return Asked(
            text,
            explorer.selected,
            explorer.which,
            explorer.colour,
            explorer.measure,
            explorer.k,
        )

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.message.setText(text)
        self.message.setStyleSheet(ERROR if wrong else "")
        self.message.setVisible(bool(text))

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.on_end = _nothing
            self._job.cancel()
            self._job = None

    def _close_own(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            own.close()

    def _let_go(self) -> None:
        """Hear nothing any more; an explorer that is open stays."""
        for events in self._events:
            events.disconnect(self._follow)
        self._desk.changed.disconnect(self._follow_desk, missing_ok=True)
        self._cancel()
        explorer = self.explorer_tab.explorer
        if explorer is not None:
            explorer.moved.disconnect(self._outdated)
            explorer.recoloured.disconnect(self._outdated)
        self.explorer_tab.let_go()
        for tab in (self.dimensions, self.positions, self.pca):
            tab.let_go()
        self._close_own()


def _stop(dock: "EmbeddingDock | None") -> None:
    if dock is not None:
        dock._let_go()


def _nothing() -> None:
    """Do nothing."""
