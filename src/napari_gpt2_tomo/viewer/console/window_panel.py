"""The panel of the window: numbers, presets, histogram."""

from collections.abc import Generator
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
)
from superqt import QDoubleRangeSlider, QSearchableComboBox

from ...base import DisplayError, Progress, TomoError
from ...display.console import Console
from ...display.distribution import Distribution
from ...display.looks import LOOKS
from ...display.transfer import transfer
from ...display.window import UNITS, Unit, Window
from ..link import Link
from ..preferences import CONSOLE, on_change
from ..remembered import drags_window, set_drags_window
from ..work import Job, show
from .chooser import PresetChooser
from .commands import apply_preset, part_at
from .histogram import Histogram
from .numbers import NumberField
from .panel import Panel

__all__ = ["WindowPanel"]

AT_CURSOR = "The part at the cursor"

SOON = 150
"""Milliseconds that the cursor must rest before its part is looked at."""

COLOURS = 256
"""Colours of the strip under the histogram."""

UNIT_TITLES: dict[Unit, tuple[str, str]] = {
    "weight": ("", "Units of the displayed signal"),
    "sigma": ("σ", "Standard deviations from the mean"),
    "hu": ("HU", "500 · (w − mean) / σ, as in the original scanner"),
}
"""Button and tooltip of each unit; the signal's own symbol stands on the first."""


class WindowPanel(Panel):
    """Shows and sets the window."""

    title = "Window"
    scans_only = False

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        self._link: Link | None = None
        self._job: Job | None = None
        self._part: str | None = None
        self.histogram = Histogram()
        self.slider = QDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("First and last value of the window")
        self.centre, self.width_ = NumberField("Centre of the window"), NumberField("Width")
        self.units = QButtonGroup(self)
        self.presets = PresetChooser(self._present)
        self.parts = QSearchableComboBox()
        self.parts.setAccessibleName("What the histogram, σ and percentages refer to")
        self.parts.setToolTip("What the histogram, σ, HU and percentages refer to; type to search")
        self.parts.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.drag = QCheckBox("Right-drag on the picture moves the window")
        self.drag.setToolTip("↔ width, ↕ centre. Shift + right-drag zooms; so does the wheel.")
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON)
        self._soon.timeout.connect(self._look_at_cursor)
        self._arrange()
        self.histogram.dragged.connect(self._set)
        self.histogram.viewed.connect(self._viewed)
        self.slider.valueChanged.connect(self._slid)
        self.centre.valueChanged.connect(self._typed)
        self.width_.valueChanged.connect(self._typed)
        self.units.idClicked.connect(self._show_numbers)
        self.presets.chosen.connect(self._apply)
        self.parts.activated.connect(self._choose_part)
        self.parts.lineEdit().editingFinished.connect(self._show_chosen_part)
        self.drag.toggled.connect(set_drags_window)

    def set_link(self, link: Link | None) -> None:
        """Show the window of a scan."""
        self.let_go()
        if self._job is not None:
            self._job.cancel()
        self._link, self._part = link, None
        if link is None:
            return
        console = link.console
        for signal, heard in (
            (console.events.window, self._show_window),
            (console.events.preset, self._show_preset),
            (console.events.transfer, self._show_colours),
            (console.events.invert, self._show_colours),
            (console.events.gamma, self._show_colours),
            (console.refreshed, self._refreshed),
            (link.cursor.moved, self._cursor_moved),
            (self.viewer.dims.events.point, self._cursor_moved),
        ):
            self.listen(signal, heard)
        self._ends.append(on_change(self._remembered, CONSOLE))
        self._remembered()
        self._fill_parts(link)
        self._show_part(None)

    @property
    def unit(self) -> Unit:
        """What the numbers count."""
        return UNITS[max(int(self.units.checkedId()), 0)]

    def set_unit(self, unit: Unit) -> None:
        """Show the numbers in another unit."""
        self.units.button(UNITS.index(unit)).setChecked(True)
        self._show_numbers()

    @property
    def part(self) -> str | None:
        """The part that the histogram and the units refer to, None for all."""
        return self._part

    def choose_part(self, name: str | None) -> None:
        """Let histogram and units refer to a part, or to all."""
        index = 0 if name is None else self.parts.findText(name)
        self.parts.setCurrentIndex(max(index, 0))
        self._show_part(name)

    # What the console does.

    def _show_window(self, *_: Any) -> None:
        console = self._console()
        if console is None:
            return
        self.histogram.show_window(console.window)
        with QSignalBlocker(self.slider):
            low, high = console.window.limits
            first, last = self.slider.minimum(), self.slider.maximum()
            self.slider.setValue((max(low, first), min(max(high, first), last)))
        self._show_numbers()
        self._tell()

    def _show_numbers(self, *_: Any) -> None:
        console, found = self._console(), self.histogram.distribution
        if console is None or found is None:
            return
        scale, window = found.scale(), console.window
        with QSignalBlocker(self.centre), QSignalBlocker(self.width_):
            self.centre.setValue(scale.to(window.centre, self.unit))
            self.width_.setValue(scale.length_to(window.width, self.unit))
        for field in (self.centre, self.width_):
            field.stride = self.width_.value()

    def _show_preset(self, *_: Any) -> None:
        console = self._console()
        if console is not None:
            self.presets.show_preset("" if console.preset is None else console.preset.key)

    def _show_colours(self, *_: Any) -> None:
        console = self._console()
        if console is None:
            return
        at = np.linspace(0, 1, COLOURS) ** console.gamma
        self.histogram.show_colours(transfer(console.transfer).at(at, invert=console.invert))

    def _refreshed(self, *_: Any) -> None:
        if self._link is not None:
            self._fill_parts(self._link)
            self._show_part(self._part)

    def _remembered(self) -> None:
        with QSignalBlocker(self.drag):
            self.drag.setChecked(drags_window())
        self.presets.fill()
        self._show_preset()

    # What the user does.

    def _set(self, window: Window) -> None:
        console = self._console()
        if console is None:
            return
        try:
            console.window = window
        except TomoError as error:
            show(error)

    def _slid(self, limits: tuple[float, float]) -> None:
        low, high = limits
        if low < high:
            self._set(Window.of_limits(low, high))

    def _typed(self, *_: Any) -> None:
        found = self.histogram.distribution
        if found is None:
            return
        scale = found.scale()
        try:
            window = Window(
                scale.from_(self.centre.value(), self.unit),
                scale.length_from(self.width_.value(), self.unit),
            )
        except DisplayError as error:
            # The fields go back to what is shown; nothing is lost.
            show(error)
            self._show_numbers()
            return
        self._set(window)

    def _apply(self, key: str) -> None:
        if self._link is None:
            return
        try:
            apply_preset(self.viewer, self._link, key, self._part)
        except TomoError as error:
            show(error)
        self._show_preset()

    def _present(self) -> tuple[Any, tuple[float, ...]]:
        """The window as a preset: in the unit that is shown."""
        return self.unit, (self.centre.value(), self.width_.value())

    def _viewed(self, low: float, high: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setRange(low, high)
        self._show_window()

    # Parts.

    def _fill_parts(self, link: Link) -> None:
        self.units.button(0).setText(LOOKS[link.console.signal].symbol)
        names = list(link.parts)
        everything = f"All {link.noun}"
        same = self.parts.count() and self.parts.itemText(0) == everything
        if same and [self.parts.itemText(i) for i in range(2, self.parts.count())] == names:
            return
        before = self.parts.currentText()
        with QSignalBlocker(self.parts):
            self.parts.clear()
            self.parts.addItems([everything, AT_CURSOR, *names])
            self.parts.setCurrentIndex(max(self.parts.findText(before), 0))

    def _choose_part(self, index: int) -> None:
        if index == 1:
            self._look_at_cursor()
        else:
            self._show_part(None if index == 0 else self.parts.itemText(index))

    def _show_chosen_part(self) -> None:
        """Text that names no part gives way to what is chosen."""
        self.parts.setEditText(self.parts.itemText(self.parts.currentIndex()))

    def _cursor_moved(self, *_: Any) -> None:
        if self.parts.currentIndex() == 1:
            self._soon.start()

    def _look_at_cursor(self) -> None:
        if self._link is None or self.parts.currentIndex() != 1:
            return
        part = part_at(self.viewer, self._link)
        if part is not None and part != self._part:
            self._show_part(part)

    def _show_part(self, part: str | None) -> None:
        console = self._console()
        if console is None:
            return
        try:
            found = console.distribution(part)
        except DisplayError:
            # Another scan's part.
            part, found = None, console.distribution()
            self.parts.setCurrentIndex(0)
        self._part = part
        self.histogram.window_ = console.window
        self.histogram.show_distribution(found)
        self._show_colours()
        self._show_preset()
        if part is not None:
            self._sample(console, part)

    def _sample(self, console: Console, part: str) -> None:
        """Read values of the part: its kept quantiles make a coarse histogram."""
        if self._job is not None:
            self._job.cancel()
        distributions = console.distributions

        def work(report: Progress) -> Generator[object, None, None]:
            yield distributions.sample(part)

        def arrived(found: Distribution) -> None:
            if self._part == part and self._console() is console:
                self.histogram.update_distribution(found)
                self._show_window()

        self._job = Job(work, arrived)

    # Appearance.

    def _tell(self) -> None:
        console, found = self._console(), self.histogram.distribution
        if console is None or found is None:
            return
        share = found.share(*console.window.limits)
        about = "estimate" if found.estimate else ""
        noun = "values" if self._link is None else self._link.noun
        words = [f"{100 * share:.4g} % of {found.n:,} {noun} in the window", about]
        self.told.setText(" · ".join(word for word in words if word))

    def _console(self) -> Console | None:
        return None if self._link is None else self._link.console

    def _arrange(self) -> None:
        units = QHBoxLayout()
        units.setSpacing(0)
        for number, unit in enumerate(UNITS):
            text, tip = UNIT_TITLES[unit]
            button = QPushButton(text)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.setMinimumWidth(34)
            self.units.addButton(button, number)
            units.addWidget(button)
        self.units.button(0).setChecked(True)
        numbers = QGridLayout()
        numbers.setContentsMargins(0, 0, 0, 0)
        numbers.setHorizontalSpacing(6)
        for column, (text, field) in enumerate((("Centre", self.centre), ("Width", self.width_))):
            label = QLabel(text)
            label.setBuddy(field)
            numbers.addWidget(label, 0, 2 * column)
            numbers.addWidget(field, 0, 2 * column + 1)
            numbers.setColumnStretch(2 * column + 1, 1)
        numbers.addLayout(units, 0, 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(5)
        layout.addWidget(self.parts)
        layout.addWidget(self.histogram)
        layout.addWidget(self.slider)
        layout.addWidget(self.told)
        layout.addLayout(numbers)
        layout.addWidget(self.presets)
        layout.addWidget(self.drag)
