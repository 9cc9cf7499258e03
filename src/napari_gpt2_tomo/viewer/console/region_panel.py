"""The panel of the region that volume and slices are cut to."""

from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout
from superqt import QLabeledRangeSlider

from ...base import TomoError
from .. import compat
from ..link import ScanLink
from ..session import detail_budget
from ..volume3d.focus import affordable, level_costs
from ..volume3d.region import (
    cancel_drawing,
    draw_region,
    drawing_of,
    region_in_view,
    whole_region,
)
from ..work import show
from .panel import Panel
from .volume_panel import drawn_axes, memory

__all__ = ["RegionPanel"]

AXES = 4
"""Axes that a volume has at most."""

DRAWING = "Draw a rectangle on a slice."


class RegionPanel(Panel):
    """Shows and sets the box that is shown alone, in slices and volume alike."""

    title = "Region"
    folded = True

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        self._link: ScanLink | None = None
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.draw = QPushButton("Draw")
        self.draw.setCheckable(True)
        self.draw.setToolTip("Draw a rectangle on a slice; all sections of it are shown")
        self.view = QPushButton("From view")
        self.view.setToolTip("What the slices show now; with four views what all planes show")
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Show the whole volume")
        self.labels = [QLabel() for _ in range(AXES)]
        self.ranges = [QLabeledRangeSlider(Qt.Orientation.Horizontal) for _ in range(AXES)]
        self._arrange()
        self.draw.toggled.connect(self._draw)
        self.view.clicked.connect(self._from_view)
        self.clear.clicked.connect(self._clear)
        for slider in self.ranges:
            slider.sliderReleased.connect(self._ranged)
            slider.editingFinished.connect(self._ranged)

    def set_link(self, link: ScanLink | None) -> None:
        """Show the region of a scan."""
        self.let_go()
        self._link = link
        if link is None:
            return
        for signal in (
            link.console.events.region,
            link.console.events.detail,
            link.console.refreshed,
            link.switched,
            self.viewer.dims.events.ndisplay,
            self.viewer.layers.events.removed,
        ):
            self.listen(signal, self._show)
        self._show()

    def _show(self, *_: Any) -> None:
        link = self._link
        if link is None:
            return
        region, whole = link.region, whole_region(link)
        waiting = drawing_of(self.viewer) is not None
        with QSignalBlocker(self.draw):
            self.draw.setChecked(waiting)
        self.clear.setEnabled(region is not None)
        for axis in range(AXES):
            exists = axis < link.volume.ndim
            self.labels[axis].setVisible(exists)
            self.ranges[axis].setVisible(exists)
            if not exists:
                continue
            first, stop = (region or whole)[axis]
            self.labels[axis].setText(link.volume.axes[axis])
            self.ranges[axis].setAccessibleName(f"Region along {link.volume.axes[axis]}")
            with QSignalBlocker(self.ranges[axis]):
                self.ranges[axis].setRange(0, link.volume.shape[axis] - 1)
                self.ranges[axis].setValue((first, stop - 1))
        self.about.setText(DRAWING if waiting else _about(self.viewer, link))

    def _draw(self, on: bool) -> None:
        if self._link is None:
            return
        if on:
            draw_region(self.viewer, self._link)
        else:
            cancel_drawing(self.viewer)
        self._show()

    def _from_view(self) -> None:
        if self._link is not None:
            try:
                self._link.console.region = region_in_view(self.viewer, self._link)
            except TomoError as error:
                show(error)

    def _clear(self) -> None:
        if self._link is not None:
            self._link.console.region = None

    def _ranged(self) -> None:
        if self._link is None:
            return
        count = self._link.volume.ndim
        values = [slider.value() for slider in self.ranges[:count]]
        region = tuple((int(first), int(last) + 1) for first, last in values)
        present = self._link.region or whole_region(self._link)
        if region != present:
            self._link.console.region = region

    def _arrange(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.draw, self.view, self.clear):
            buttons.addWidget(button, stretch=1)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setColumnStretch(1, 1)
        for row, (label, slider) in enumerate(zip(self.labels, self.ranges, strict=True)):
            grid.addWidget(label, row, 0)
            grid.addWidget(slider, row, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(5)
        layout.addLayout(buttons)
        layout.addWidget(self.about)
        layout.addLayout(grid)


def _about(viewer: Any, link: ScanLink) -> str:
    """What the region takes in 3-D, before it is shown there."""
    region, volume = link.region, link.volume
    if region is None:
        return "The whole volume is shown."
    axes = drawn_axes(viewer, volume.ndim)
    costs = level_costs(volume, region, axes, detail_budget(), compat.max_texture_3d())
    chosen = affordable(costs, link.console.detail)
    sides = " × ".join(str(b - a) for a, b in region)
    said = f"{sides} voxels; in 3-D level {chosen.level}, {memory(chosen.nbytes)}."
    if chosen.level > (link.console.detail or 0):
        said += f" Level 0 would take {memory(costs[0].nbytes)}."
    return said
