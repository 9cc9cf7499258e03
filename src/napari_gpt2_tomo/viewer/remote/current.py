"""What was read of the remote scan that is shown, and what reading all of it would cost."""

from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...base.sizes import megabytes
from ...checkpoint.remote.traffic import Traffic
from ..commands import current_link
from ..link import ScanLink
from .downloading import Downloading, confirm

__all__ = ["CurrentPanel"]

GLANCE = 500
"""Milliseconds between two looks at what was read."""


class CurrentPanel(QWidget):  # type: ignore[misc]
    """Shows the bytes that were read of the active scan, if it is on a server."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._downloading: Downloading | None = None
        self.title = QLabel()
        self.title.setStyleSheet("font-weight: 600;")
        self.words = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(4)
        self.bar.setRange(0, 1000)
        for label in (self.title, self.words):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.refine = QPushButton()
        self.refine.setToolTip(
            "Exact coarse levels and statistics, for 3-D and for zooming out. Until then they are "
            "a quick look."
        )
        self.download = QPushButton("Download…")
        self.download.setToolTip("The whole model on this machine's disk, e.g. to run it")
        self.refine.clicked.connect(self._refine)
        self.download.clicked.connect(self._download)
        buttons = QHBoxLayout()
        buttons.addWidget(self.refine, stretch=1)
        buttons.addWidget(self.download)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self.words)
        column.addWidget(self.bar)
        column.addLayout(buttons)
        self._glance = QTimer(self)
        self._glance.setInterval(GLANCE)
        self._glance.timeout.connect(self.follow)
        self.follow()

    @property
    def link(self) -> ScanLink | None:
        """The active scan, if it is on a server."""
        found = current_link(self._viewer)
        return found if found is not None and found.scan.still.checkpoint.is_remote else None

    def showEvent(self, event: Any) -> None:
        """Look again."""
        super().showEvent(event)
        self._glance.start()

    def follow(self) -> None:
        """Show what was read by now."""
        link = self.link
        for widget in (self.title, self.words, self.bar, self.refine, self.download):
            widget.setVisible(link is not None)
        if link is None:
            return
        traffic = Traffic.of(str(link.scan.still.checkpoint.path))
        total = max(1, traffic.total)
        self.title.setText(link.name)
        under_way = self._downloading
        if under_way is not None:
            self.words.setText(under_way.report)
            self.bar.setValue(int(1000 * under_way.share))
        else:
            words = f"{megabytes(traffic.received)} of {megabytes(traffic.total)} read"
            self.words.setText(f"{words} in {traffic.requests:,} requests")
            self.bar.setValue(int(1000 * min(1.0, traffic.received / total)))
        self.download.setText("Download…" if under_way is None else "Cancel")
        cost = link.volume.overview.cost
        busy = link.refinement is not None and link.refinement.running
        self.refine.setEnabled(bool(cost) and not busy)
        self.refine.setText(f"Read all: {megabytes(cost)}…" if cost else "All of it was read")

    def stop(self) -> None:
        """Look no more."""
        self._glance.stop()
        if self._downloading is not None:
            self._downloading.cancel()

    def _refine(self) -> None:
        link = self.link
        if link is None or link.refinement is None:
            return
        size = megabytes(link.volume.overview.cost)
        question = (
            f"Read all {size} of {link.name} from the server once?\n\nThe overview of this layout "
            "and signal is exact then, and stays in the cache. It can be cancelled and goes on "
            "later where it stopped."
        )
        if confirm("Exact overview", question, f"Read {size}", self):
            link.refinement.confirm()
            self.follow()

    def _download(self) -> None:
        if self._downloading is not None:
            self._downloading.cancel()
            return
        link = self.link
        if link is not None:
            address = str(link.scan.still.checkpoint.path)
            self._downloading = Downloading(address, self._done, self._ended, self)
            self.follow()

    def _done(self, folder: Any) -> None:
        from napari.utils.notifications import show_info

        show_info(f"The model is in {folder}. It can be run and opened from there.")

    def _ended(self) -> None:
        self._downloading = None
        self.follow()
