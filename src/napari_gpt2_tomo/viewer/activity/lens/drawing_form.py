"""How the next token is chosen."""

from psygnal import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSpinBox, QWidget

from ....activity.lens import Drawing

__all__ = ["DrawingForm"]

HOTTEST = 5.0
"""Temperature at which any model draws nearly at random."""

MOST_SEEDS = 2**31 - 1
"""The largest number that the spin box holds."""


class DrawingForm(QWidget):  # type: ignore[misc]
    """Temperature, top-k, top-p and seed.

    Attributes
    ----------
    changed
        Emitted without arguments when one of them is another.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.temperature, self.top_p = QDoubleSpinBox(), QDoubleSpinBox()
        self.top_k, self.seed = QSpinBox(), QSpinBox()
        self.temperature.setRange(0.0, HOTTEST)
        self.temperature.setSingleStep(0.1)
        self.temperature.setSpecialValueText("0")
        self.temperature.setToolTip(
            "Divides the logits before a token is drawn; 0 takes the likeliest"
        )
        self.top_k.setRange(0, 10_000)
        self.top_k.setSpecialValueText("all")
        self.top_k.setToolTip("Draw from so many of the likeliest tokens")
        self.top_p.setRange(0.01, 1.0)
        self.top_p.setSingleStep(0.05)
        self.top_p.setValue(1.0)
        self.top_p.setToolTip("Draw from the fewest tokens whose probabilities reach this")
        self.seed.setRange(0, MOST_SEEDS)
        self.seed.setToolTip("The same seed draws the same tokens")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        boxes = {
            "Temperature": self.temperature,
            "Top-k": self.top_k,
            "Top-p": self.top_p,
            "Seed": self.seed,
        }
        for column, (name, box) in enumerate(boxes.items()):
            grid.addWidget(QLabel(name), 0, column)
            grid.addWidget(box, 1, column)
            box.setMinimumWidth(60)
            box.valueChanged.connect(self._tell)
        self._enable()

    @property
    def value(self) -> Drawing:
        """What is set."""
        top_p = self.top_p.value()
        return Drawing(
            round(self.temperature.value(), 2),
            self.top_k.value() or None,
            None if top_p >= 1 else round(top_p, 2),
            self.seed.value(),
        )

    def _tell(self, value: float) -> None:
        self._enable()
        self.changed.emit()

    def _enable(self) -> None:
        """Nothing is drawn where the likeliest is taken."""
        for box in (self.top_k, self.top_p, self.seed):
            box.setEnabled(self.temperature.value() > 0)
