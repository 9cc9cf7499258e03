"""The panel of the 3-D view and of thick slices."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledSlider

from ...base import TomoError
from ...display.console import MOST_POINTS, PROJECTIONS
from ...volume.strongest import COUNT
from .. import compat
from ..detail import BEST_BYTES, level_to_draw
from ..link import ScanLink
from ..preferences import on_change
from ..session import detail_budget
from ..volume3d import (
    hide_frame_rate,
    reset_view,
    show_axes,
    show_frame_rate,
    shows_axes,
    shows_frame_rate,
    spin_of,
    start_spin,
    stop_spin,
)
from ..volume3d.focus import affordable, level_costs
from ..work import show
from .fields import WordList, number_slider, tick_box, toggle
from .panel import Panel

__all__ = ["RENDERING_TITLES", "VolumePanel", "drawn_axes", "memory"]

RENDERING_TITLES: Mapping[str, tuple[str, str]] = {
    "attenuated_mip": ("Attenuated MIP", "The brightest voxel of a ray, what lies behind fades"),
    "mip": ("Maximum (MIP)", "The brightest voxel of a ray"),
    "minip": ("Minimum (MinIP)", "The darkest voxel of a ray"),
    "average": ("Average", "The mean of a ray"),
    "translucent": ("Translucent", "Every voxel with the opacity of the transfer function"),
    "additive": ("Additive", "Colours add up, each with its opacity"),
    "iso": ("Iso-surface", "A lit surface where the signal crosses a threshold"),
}
"""Title and tooltip by rendering."""

THICKEST = 32
"""Sections of a slab that the panel offers: more take a while to read at every step."""

MEGABYTE = 2**20

FIELDS = (
    "solid",
    "planes",
    "points",
    "rendering",
    "attenuation",
    "iso_threshold",
    "slab",
    "slab_projection",
    "bounding_box",
)
"""Of the console: what the panel shows of it at once."""


def memory(nbytes: int) -> str:
    """Bytes as people read them: ``"130 MB"``, ``"0.6 MB"``."""
    size = nbytes / MEGABYTE
    return f"{size:,.0f} MB" if size >= 10 else f"{size:.1f} MB"


class VolumePanel(Panel):
    """Shows and sets how the volume is drawn in 3-D, and how thick slices are."""

    title = "Volume"

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        self._link: ScanLink | None = None
        self.solid = toggle("Volume", "Draw the volume itself in 3-D")
        self.planes = toggle(
            "Slices", "Draw the slices at the cursor in 3-D, in place of the volume"
        )
        self.points = toggle(
            "Points", "Draw the strongest weights as points in 3-D, with addresses"
        )
        self.rendering = WordList("Rendering")
        self.rendering.fill((name, *title) for name, title in RENDERING_TITLES.items())
        self.attenuation = number_slider("Attenuation", 0.0, 0.2, 3)
        self.threshold = number_slider(
            "Threshold of the surface, as a share of the window", 0.0, 1.0, 2
        )
        self.detail = WordList("Level of detail in 3-D")
        self.count = QSpinBox()
        self.count.setAccessibleName("Number of points")
        self.count.setRange(100, MOST_POINTS)
        self.count.setGroupSeparatorShown(True)
        self.count.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
        self.count.setKeyboardTracking(False)
        self.count.setValue(COUNT)
        self.slab = QSpinBox()
        self.slab.setAccessibleName("Sections of a slice")
        self.slab.setRange(1, THICKEST)
        self.slab.setSpecialValueText("single section")
        self.slab.setSuffix(" sections")
        self.slab.setKeyboardTracking(False)
        self.slab.setToolTip("How many sections a slice shows at once")
        self.projection = WordList("How the sections of a slab become one picture")
        self.projection.setMinimumContentsLength(5)
        self.projection.fill((word, word, f"The {word} of the sections") for word in PROJECTIONS)
        self.places = [QLabeledSlider(Qt.Orientation.Horizontal) for _ in range(3)]
        self.box = tick_box("Box", "Draw the edges of the volume, or of its region")
        self.axes = tick_box("Axes", "Draw the axes with their names")
        self.rate = tick_box("Frame rate", "Measure how often the canvas is drawn")
        self.turn = toggle("Auto-rotate", "The volume turns by itself until you take hold of it")
        self.reset = QPushButton("Reset view")
        self.reset.setToolTip("See all of it from the usual side")
        self._arrange()
        self._connect()

    def set_link(self, link: ScanLink | None) -> None:
        """Show the volume of a scan."""
        self.let_go()
        self._link = link
        if link is None:
            return
        events = link.console.events
        for name in FIELDS:
            self.listen(getattr(events, name), self._show)
        for signal in (events.detail, events.region, link.console.refreshed, link.switched):
            self.listen(signal, self._show_detail)
        self._ends.append(on_change(self._show_detail))
        self.listen(link.switched, self._show_places)
        self.listen(link.cursor.moved, self._show_places)
        dims = self.viewer.dims.events
        for emitter in (dims.ndisplay, dims.order):
            self.listen(emitter, self._show)
            self.listen(emitter, self._show_detail)
        self.listen(self.viewer.scene.overlays.axes.events.visible, self._show)
        self.listen(spin_of(self.viewer).changed, self._show)
        self._show()
        self._show_detail()
        self._show_places()

    def _show(self, *_: Any) -> None:
        if self._link is None:
            return
        console = self._link.console
        for widget, on in (
            (self.solid, console.solid),
            (self.planes, console.planes),
            (self.points, console.points > 0),
            (self.box, console.bounding_box),
            (self.axes, shows_axes(self.viewer)),
            (self.rate, shows_frame_rate(self.viewer)),
            (self.turn, spin_of(self.viewer).running),
        ):
            with QSignalBlocker(widget):
                widget.setChecked(on)
        for field, value in (
            (self.attenuation, console.attenuation),
            (self.threshold, console.iso_threshold),
            (self.slab, console.slab),
        ):
            with QSignalBlocker(field):
                field.setValue(value)
        if console.points:
            with QSignalBlocker(self.count):
                self.count.setValue(console.points)
        self.rendering.choose(console.rendering)
        self.projection.choose(console.slab_projection)
        self.projection.setEnabled(console.slab > 1)
        self._row("attenuation", console.rendering == "attenuated_mip")
        self._row("threshold", console.rendering == "iso")
        self._row("count", console.points > 0)
        self._row("places", console.planes and self.viewer.dims.ndisplay == 3)

    def _show_detail(self, *_: Any) -> None:
        link = self._link
        if link is None:
            return
        volume, console = link.volume, link.console
        displayed = drawn_axes(self.viewer, volume.ndim)
        region = link.region
        limit = compat.max_texture_3d()
        costs = level_costs(volume, region, displayed, detail_budget(), limit)
        if region is None:
            level = level_to_draw(volume, displayed, detail_budget(), limit)
        else:
            level = affordable(costs, None).level
        automatic = f"Automatic: level {level}, {memory(costs[level].nbytes)}"
        rows: list[tuple[int | None, str, str]] = [(None, automatic, "")]
        for cost in costs:
            sides = " × ".join(map(str, cost.shape))
            rows.append((cost.level, f"{cost.level}: {sides}, {memory(cost.nbytes)}", ""))
        self.detail.fill(rows)
        possible = [
            cost.level for cost in costs if cost.nbytes <= BEST_BYTES and max(cost.shape) <= limit
        ]
        self.detail.allow([None, *possible], "More than a GPU takes: choose a region")
        self.detail.choose(console.detail)

    def _show_places(self, *_: Any) -> None:
        link = self._link
        if link is None or link.cursor.shape != link.volume.shape:
            return
        volume = link.volume
        axes = drawn_axes(self.viewer, volume.ndim)
        for slider, label, axis in zip(self.places, self._place_labels, axes, strict=False):
            label.setText(volume.axes[axis])
            with QSignalBlocker(slider):
                slider.setRange(0, volume.shape[axis] - 1)
                slider.setValue(link.cursor.position[axis])
            slider.setAccessibleName(f"Slice along {volume.axes[axis]}")

    def _set(self, **fields: Any) -> None:
        if self._link is None:
            return
        try:
            for name, value in fields.items():
                setattr(self._link.console, name, value)
        except TomoError as error:
            show(error)
            self._show()

    def _stand_alone(self, on: bool, **fields: Any) -> None:
        """Slices and points are hidden in a volume: they take its place at first."""
        self._set(**fields)
        if self._link is not None:
            console = self._link.console
            self._set(solid=not (on or console.planes or console.points))

    def _moved(self, place: int, value: int) -> None:
        if self._link is not None:
            axis = drawn_axes(self.viewer, self._link.volume.ndim)[place]
            self._link.cursor.place({axis: value})

    def _turn(self, on: bool) -> None:
        if on:
            start_spin(self.viewer)
        else:
            stop_spin(self.viewer)

    def _reset(self) -> None:
        if self._link is not None:
            reset_view(self.viewer, self._link)

    def _connect(self) -> None:
        self.solid.toggled.connect(lambda on: self._set(solid=on))
        self.planes.toggled.connect(lambda on: self._stand_alone(on, planes=on))
        self.points.toggled.connect(
            lambda on: self._stand_alone(on, points=self.count.value() if on else 0)
        )
        self.count.valueChanged.connect(lambda count: self._set(points=count))
        self.rendering.activated.connect(lambda: self._set(rendering=self.rendering.word))
        self.attenuation.valueChanged.connect(lambda value: self._set(attenuation=value))
        self.threshold.valueChanged.connect(lambda value: self._set(iso_threshold=value))
        self.detail.activated.connect(lambda: self._set(detail=self.detail.word))
        self.slab.valueChanged.connect(lambda value: self._set(slab=value))
        self.projection.activated.connect(lambda: self._set(slab_projection=self.projection.word))
        for place, slider in enumerate(self.places):
            slider.valueChanged.connect(lambda value, place=place: self._moved(place, value))
        self.box.toggled.connect(lambda on: self._set(bounding_box=on))
        self.axes.toggled.connect(lambda on: show_axes(self.viewer, on))
        self.rate.toggled.connect(
            lambda on: (show_frame_rate if on else hide_frame_rate)(self.viewer)
        )
        self.turn.toggled.connect(self._turn)
        self.reset.clicked.connect(self._reset)

    def _row(self, name: str, visible: bool) -> None:
        for widget in self._rows[name]:
            widget.setVisible(visible)

    def _arrange(self) -> None:
        shown = QHBoxLayout()
        shown.setSpacing(4)
        for button in (self.solid, self.planes, self.points):
            shown.addWidget(button, stretch=1)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[QWidget, ...]] = {}
        slab = QHBoxLayout()
        slab.addWidget(self.slab, stretch=1)
        slab.addWidget(self.projection)
        places = QWidget()
        stack = QGridLayout(places)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setColumnStretch(1, 1)
        self._place_labels = [QLabel() for _ in self.places]
        for row, (label, slider) in enumerate(zip(self._place_labels, self.places, strict=True)):
            stack.addWidget(label, row, 0)
            stack.addWidget(slider, row, 1)
        for row, (name, text, content) in enumerate(
            (
                ("shown", "Show", shown),
                ("rendering", "Rendering", self.rendering),
                ("attenuation", "Fading", self.attenuation),
                ("threshold", "Threshold", self.threshold),
                ("detail", "Detail", self.detail),
                ("count", "Points", self.count),
                ("places", "Slices", places),
                ("slab", "Slab in 2-D", slab),
            )
        ):
            label = QLabel(text)
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop if name == "places" else ALIGN)
            if isinstance(content, QWidget):
                label.setBuddy(content)
                grid.addWidget(content, row, 1)
                self._rows[name] = (label, content)
            else:
                grid.addLayout(content, row, 1)
        ticks = QHBoxLayout()
        for check in (self.box, self.axes, self.rate):
            ticks.addWidget(check)
        ticks.addStretch(1)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.turn)
        buttons.addWidget(self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(5)
        layout.addLayout(grid)
        layout.addLayout(ticks)
        layout.addLayout(buttons)


ALIGN = Qt.AlignmentFlag.AlignVCenter


def drawn_axes(viewer: Any, ndim: int) -> list[int]:
    """The axes of a volume that are drawn in 3-D, or would be."""
    if viewer.dims.ndisplay == 3 and ndim >= 3:
        shift = viewer.dims.ndim - ndim
        found = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
        if len(found) == 3:
            return found
    return list(range(max(ndim - 3, 0), ndim))
