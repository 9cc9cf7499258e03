"""The dock that looks at a section as a signal."""

from collections.abc import Generator
from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ...base import Progress, TomoError
from ...display.section import (
    Plane,
    Spectrum,
    power_spectrum,
    section_plane,
    singular_plot,
    singular_values,
    smooth,
    spectrum_map,
    spectrum_plot,
)
from .. import compat
from ..activity.plot_view import PlotView
from ..commands import NO_SCAN, current_link
from ..link import ScanLink
from ..preferences import PLUGIN
from ..selections import Glance, glance
from ..work import Job, show
from .layers import add_smoothed, add_spectrum

__all__ = ["SpectrumDock", "open_spectrum"]

WIDGET = "Spectrum"
"""Name of the dock."""

SIZE = (420, 640)
"""Pixels of width and height that the dock asks for."""

REST = 350
"""Milliseconds without a move of the slider after which the dock follows it."""

SIGMA = 4.0
"""Parameters: the usual width of the Gaussian, fine enough to see heads by."""

MOST_SIGMA = 500.0
"""Parameters: beyond, hardly a section is left."""


class SpectrumDock(QWidget):  # type: ignore[misc]
    """Spectrum, singular values and a smoothed version of the section that is looked at.

    Attributes
    ----------
    spectrum
        What is shown; None before anything was computed.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = compat.real_viewer(viewer)
        self._job: Job | None = None
        self.spectrum: Spectrum | None = None
        self._shown: ScanLink | None = None
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.values = QComboBox()
        self.values.addItem("Weights", False)
        self.values.addItem("Magnitudes", True)
        self.values.setToolTip("Bands of strong weights, like heads, show in the magnitudes")
        self.fade = QCheckBox("Fade out the borders (Hann)")
        self.fade.setChecked(True)
        self.fade.setToolTip("Else the jump from one border to the other makes a cross")
        self.follow = QCheckBox("Follow the slider")
        self.compute = _button("Compute", "The spectrum of the section that is shown", self.start)
        self.add = _button("Add as a layer", "The 2-D spectrum beside the section", self._add)
        self.singular = _button(
            "Singular values", "Of the part at the cursor, beside those of noise", self._decompose
        )
        self.sigma = QDoubleSpinBox()
        self.sigma.setRange(0.1, MOST_SIGMA)
        self.sigma.setDecimals(1)
        self.sigma.setValue(SIGMA)
        self.sigma.setSuffix(" parameters")
        self.smooth = _button("Add smoothed layer", "The section smoothed, on it", self._smooth)
        self.lines, self.map, self.law = PlotView(), PlotView(), PlotView()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for name, plot in (("Lines", self.lines), ("2-D", self.map), ("Singular", self.law)):
            self.tabs.addTab(plot, name)
        self._arrange()
        self.values.activated.connect(self.start)
        self.fade.clicked.connect(self.start)
        self.follow.clicked.connect(self.start)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._catch_up)
        self._events = (
            viewer.dims.events, viewer.layers.selection.events, viewer.layers.events
        )  # fmt: skip
        for events in self._events:
            events.connect(self._moved)
        # The viewer outlives its docks, which are told of their end in no other way.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._enable()

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    def start(self, *_: Any) -> None:
        """Compute the spectrum of what is looked at, in the background."""
        seen = self._glance()
        if seen is None:
            return
        magnitudes, window = bool(self.values.currentData()), self._window

        def work(report: Progress) -> Generator[object, None, None]:
            report.start(2, "Spectrum")
            plane = _plane(seen, magnitudes)
            report.advance(1)
            yield power_spectrum(plane, window)

        self._run(work, lambda found: self._arrived(found, seen.link))

    @property
    def _window(self) -> str:
        return "hann" if self.fade.isChecked() else "none"

    def _arrived(self, spectrum: Spectrum, link: ScanLink) -> None:
        self.spectrum, self._shown = spectrum, link
        self.lines.show_plot(spectrum_plot(spectrum))
        self.map.show_plot(spectrum_map(spectrum))
        if self.tabs.currentWidget() is self.law:
            self.tabs.setCurrentWidget(self.lines)
        self._enable()

    def _add(self) -> None:
        """The spectrum of what is looked at now as a layer."""
        seen = self._glance()
        if seen is None:
            return
        magnitudes, window = bool(self.values.currentData()), self._window

        def work(report: Progress) -> Generator[object, None, None]:
            yield power_spectrum(_plane(seen, magnitudes), window)

        def arrived(spectrum: Any) -> None:
            self._arrived(spectrum, seen.link)
            if seen.image in self._viewer.layers:
                add_spectrum(self._viewer, seen.link, spectrum)
                if self._viewer.dims.ndisplay == 2:
                    # It lies beside what fills the canvas.
                    self._viewer.reset_view()

        self._run(work, arrived)

    def _smooth(self) -> None:
        seen = self._glance()
        if seen is None:
            return
        magnitudes, sigma = bool(self.values.currentData()), float(self.sigma.value())

        def work(report: Progress) -> Generator[object, None, None]:
            plane = _plane(seen, magnitudes)
            yield plane, smooth(plane, sigma)

        def arrived(found: Any) -> None:
            if seen.image in self._viewer.layers:
                plane, values = found
                add_smoothed(self._viewer, seen.link, plane, values, sigma)

        self._run(work, arrived)

    def _decompose(self) -> None:
        seen = self._glance()
        if seen is None:
            return
        volume = seen.link.volume.still
        name = seen.link.part_at(seen.at)
        part = None if name is None else volume.anatomy.by_name.get(name)
        if part is None:
            self.about.setText("There is air at the cursor: point at a part.")
            return
        chosen = part

        def work(report: Progress) -> Generator[object, None, None]:
            yield singular_plot(singular_values(volume.checkpoint, chosen, report))

        def arrived(plot: Any) -> None:
            self.law.show_plot(plot)
            self.tabs.setCurrentWidget(self.law)

        self._run(work, arrived)

    def _run(self, work: Any, arrived: Any) -> None:
        """One computation at a time; the last one that was asked for counts."""
        if self._job is not None:
            self._job.cancel()
        self._job = Job(work, arrived, self._fail)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, TomoError):
            self.about.setText(str(error))
        else:
            show(error)

    def _glance(self) -> Glance | None:
        link = current_link(self._viewer)
        seen = None if link is None else glance(self._viewer, link)
        if seen is None:
            self.about.setText(NO_SCAN)
            return None
        part = seen.link.part_at(seen.at)
        at = f" · cursor in {part}" if part is not None else ""
        self.about.setText(f"{seen.title}{at}")
        return seen

    def _moved(self, event: Any = None) -> None:
        self._rest.start()

    def _catch_up(self) -> None:
        self._enable()
        if self.isVisible() and self.follow.isChecked():
            self.start()

    def _enable(self) -> None:
        link = current_link(self._viewer)
        for widget in (self.compute, self.add, self.smooth, self.singular, self.follow):
            widget.setEnabled(link is not None)
        if link is None:
            self.about.setText(NO_SCAN)
        elif self.about.text() in ("", NO_SCAN):
            self._glance()

    def _let_go(self) -> None:
        """Hear nothing any more."""
        self._rest.stop()
        for events in self._events:
            events.disconnect(self._moved)
        if self._job is not None:
            self._job.cancel()

    def _arrange(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Values", self.values)
        form.addRow("Smoothing σ", self.sigma)
        checks = QHBoxLayout()
        checks.addWidget(self.fade)
        checks.addWidget(self.follow)
        rows = []
        for pair in ((self.compute, self.add), (self.smooth, self.singular)):
            row = QHBoxLayout()
            for button in pair:
                row.addWidget(button, stretch=1)
            rows.append(row)
        layout = QVBoxLayout(self)
        layout.addWidget(self.about)
        layout.addLayout(form)
        layout.addLayout(checks)
        for row in rows:
            layout.addLayout(row)
        layout.addWidget(self.tabs, stretch=1)


def open_spectrum(viewer: napari.Viewer) -> Any:
    """Open the dock of the spectrum, or bring it to the front; returns its dock."""
    dock, _ = compat.real_viewer(viewer).window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    dock.raise_()
    return dock


def _plane(seen: Glance, magnitudes: bool) -> Plane:
    plane = section_plane(seen.link.volume.still, seen.place, seen.axes)
    return plane.magnitudes() if magnitudes else plane


def _stop(dock: "SpectrumDock | None") -> None:
    if dock is not None:
        dock._let_go()


def _button(text: str, tip: str, pressed: Any) -> Any:
    button = QPushButton(text)
    button.setToolTip(tip)
    # A bound method, not a function around it: Qt would keep the dock alive by that for ever.
    button.clicked.connect(pressed)
    return button
