"""Two prompts or two models side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ....activity.lens import compare_next, compare_streams, logit_lens, titles
from ....activity.lens.figures import compare_lens_plot, compare_next_plot, compare_streams_plot
from ....activity.record import Activity
from ....base import Progress
from ....display.plots import Plot
from ..desk import desk_of
from ..later import Later
from ..plot_view import PlotView
from ..run.model_picker import ModelPicker

if TYPE_CHECKING:
    from ....activity.running.model import LanguageModel

__all__ = ["CompareTab"]

NEXT, LENS, STREAM = "Next token", "Logit lens", "Residual stream"

NOTHING = "Another text, another model, or both: read it, and the two stand side by side."


class CompareTab(QWidget):  # type: ignore[misc]
    """Runs another text or model, and shows its predictions beside those of the desk's.

    Parameters
    ----------
    viewer
        Whose desk it is about.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.desk = desk_of(viewer)
        self._first: Activity | None = None
        self._second: Activity | None = None
        self.line = QLineEdit()
        self.line.setPlaceholderText("the same text")
        self.line.setToolTip("The other text")
        self.which = QComboBox()
        self.which.addItems(["the same model", "another model"])
        self.picker = ModelPicker(viewer)
        self.picker.setVisible(False)
        self.run_button = QPushButton("Compare")
        self.choice = QComboBox()
        self.choice.addItems([NEXT, LENS, STREAM])
        for box in (self.which, self.choice):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.said = QLabel(NOTHING)
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.view = PlotView()
        form = QFormLayout()
        form.addRow("With", self.line)
        form.addRow("in", self.which)
        form.addRow(self.picker)
        last = QHBoxLayout()
        last.addWidget(self.choice, stretch=1)
        last.addWidget(self.run_button)
        form.addRow("Show", last)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.said)
        layout.addWidget(self.view, stretch=1)
        self.later = Later(self._say)
        self.which.currentIndexChanged.connect(lambda index: self.picker.setVisible(index == 1))
        self.run_button.clicked.connect(lambda: self.compare())
        self.line.returnPressed.connect(self.compare)
        self.choice.currentIndexChanged.connect(self._draw)

    def show_pair(self, first: Activity, second: Activity | None) -> None:
        """Show two activities side by side; nothing changes if they are shown."""
        if first is self._first and second is self._second:
            return
        self._first, self._second = first, second
        self._draw()

    def compare(self) -> None:
        """Read the other text in the other model, and put it on the desk beside the first."""
        first = self._first
        if first is None:
            return
        place = self.picker.place if self.which.currentIndex() == 1 else None
        if self.which.currentIndex() == 1 and place is None:
            self._say("Choose the other model first.")
            return
        text = self.line.text()

        def work(report: Progress) -> Activity:
            model = _model(first, place, report)
            return model.run(text or _as_read(first, model), progress=report)

        self.later.start(work, lambda second: self.desk.show(first, second), "Reading …")

    def _draw(self, index: int = 0) -> None:
        first, second = self._first, self._second
        if first is None or second is None:
            self.view.show_plot(None)
            self._say(NOTHING)
            return
        what = self.choice.currentText()

        def work(report: Progress) -> tuple[Plot, str]:
            if what == NEXT:
                plot = compare_next_plot(compare_next(first, second))
                return plot, plot.caption
            if what == LENS:
                one = logit_lens(first, halves=False, progress=report)
                other = logit_lens(second, halves=False, progress=report)
                return compare_lens_plot(one, other, titles(first, second)), ""
            found = compare_streams(first, second)
            return compare_streams_plot(found), " ".join(found.notes)

        self.later.start(work, self._show, "Comparing …")

    def _show(self, found: tuple[Plot, str]) -> None:
        plot, note = found
        self.view.show_plot(plot)
        self._say(note)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))


def _model(first: Activity, place: Path | None, report: Progress) -> "LanguageModel":
    """The other model; reads torch, so it is called beside the window."""
    from ....activity.running.run import language_model

    if place is None:
        return first.model or language_model(first.source.path or "", progress=report)
    return language_model(place, progress=report)


def _as_read(first: Activity, model: "LanguageModel") -> Any:
    """The first text: its tokens where the model is the same, else its words."""
    if first.model is model:
        return first.tokens
    own = [string for place, string in enumerate(first.tokens) if place not in first.tokens.special]
    return first.tokens.text if first.tokens.text is not None else "".join(own)
