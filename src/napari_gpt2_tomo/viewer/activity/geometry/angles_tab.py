"""The tab about superposition: angles between real feature directions."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....activity.geometry.angle_figures import angles_plot
from ....activity.geometry.superposition import FEATURES, Angles, angles
from ....activity.record import Activity
from ..desk import Place
from ..later import Later
from ..plot_view import PlotView
from .choices import choices, fill, said

__all__ = ["AnglesTab"]

HEADINGS = ("Direction", "Direction", "cos")


class AnglesTab(QWidget):  # type: ignore[misc]
    """The distribution of the angles against that of random directions, and the closest pairs."""

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self._later = Later(self._say, self._fail)
        self.features = choices(FEATURES)
        self.layers = choices()
        self.centred = QCheckBox("Subtract the mean direction")
        self.centred.setToolTip(
            "Embeddings share one large component, which makes all of them look alike"
        )
        for box in (self.features, self.layers):
            box.currentIndexChanged.connect(lambda: self._compute())
        self.centred.toggled.connect(lambda: self._compute())
        self.status: QLabel = said()
        self.view = PlotView()
        self.table = QTableWidget(0, len(HEADINGS))
        self.table.setHorizontalHeaderLabels(HEADINGS)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setAccessibleName("Most aligned pairs")
        top = QHBoxLayout()
        top.addWidget(self.features, stretch=3)
        top.addWidget(self.layers, stretch=2)
        below = QWidget()
        rows = QVBoxLayout(below)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(QLabel("Most aligned pairs"))
        rows.addWidget(self.table)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(self.view)
        splitter.addWidget(below)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.centred)
        layout.addWidget(self.status)
        layout.addWidget(splitter, stretch=1)

    def show_activity(self, activity: Activity) -> None:
        """Show another activity."""
        self._activity = activity
        gated = "mlp_linear" in activity
        fill(self.features, {k: v for k, v in FEATURES.items() if gated or k != "gate"})
        fill(
            self.layers,
            {-1: "all layers", **{layer: f"L{layer}" for layer in range(activity.n_layers)}},
        )
        self._compute()

    def show_place(self, place: Place) -> None:
        """Weights do not depend on the place; the layer is chosen in the tab."""

    def let_go(self) -> None:
        """End what is under way."""
        self._later.cancel()

    def _compute(self) -> None:
        activity, feature = self._activity, self.features.currentData()
        self.layers.setEnabled(feature in ("in", "gate", "out"))
        if activity is None:
            return
        layer = self.layers.currentData()
        chosen = None if layer in (None, -1) or not self.layers.isEnabled() else int(layer)
        centred = self.centred.isChecked()
        self._later.start(
            lambda progress: angles(activity, feature, chosen, centred=centred, progress=progress),
            self._deliver,
        )

    def _deliver(self, found: Angles) -> None:
        self._say(found.stated)
        self.view.show_plot(angles_plot(found))
        self.table.setRowCount(len(found.pairs))
        for at, pair in enumerate(found.pairs):
            texts = (pair.first, pair.second, f"{pair.cosine:+.3f}")
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if column == 2:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(at, column, item)

    def _fail(self, text: str) -> None:
        """Say why there is nothing to see."""
        self.table.setRowCount(0)
        self.view.show_plot(None)
        self._say(text)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))
