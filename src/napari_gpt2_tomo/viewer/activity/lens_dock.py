"""The logit lens: what each state of the residual stream would predict, and who wrote it."""

import napari
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QSizePolicy, QTabWidget

from ...activity.lens import Lens, logit_lens
from ...activity.lens.figures import Colour
from ...activity.record import Activity
from ...base import TomoError
from .desk import Place
from .follow import Following
from .later import Later
from .lens.attribution_tab import AttributionTab
from .lens.heat_tab import HeatTab, state_of
from .lens.trace_tab import TraceTab

__all__ = ["LensDock"]

SIZE = (420, 640)
"""Pixels of width and height that the dock asks for."""

STATES, TOKENS, PARTS = range(3)
"""Places of the tabs."""

COLOURS: dict[str, Colour] = {
    "Probability": "probability",
    "Entropy": "entropy",
    "Distance to the end": "to_final",
}
"""What colours can say, by name."""

CHOICE = 115
"""Pixels in which a choice can be told from another."""

FEW = 14
"""Blocks up to which the states between attention and MLP are shown at first."""


class LensDock(Following):
    """Layers × positions with their words, chosen tokens across layers, and attribution."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._lens: Lens | None = None
        self._state = self._layer = 0
        self._seen: Activity | None = None
        self.colour = QComboBox()
        for title, value in COLOURS.items():
            self.colour.addItem(title, value)
        self.colour.setToolTip("What the colours say")
        self.colour.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.colour.setMinimumWidth(CHOICE)
        self.halves = QCheckBox("Half blocks")
        self.halves.setToolTip("Also the states between the attention and the MLP of a block")
        top = QHBoxLayout()
        top.addWidget(QLabel("Colour"))
        top.addWidget(self.colour, stretch=1)
        top.addWidget(self.halves)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.heat, self.trace, self.parts = HeatTab(), TraceTab(), AttributionTab()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.heat, "States")
        self.tabs.addTab(self.trace, "Tokens")
        self.tabs.addTab(self.parts, "Attribution")
        self.content.addLayout(top)
        self.content.addWidget(self.said)
        self.content.addWidget(self.tabs, stretch=1)
        self.later = Later(self._note)
        self._note("")
        self.colour.currentIndexChanged.connect(self._draw)
        self.halves.toggled.connect(self._halved)
        self.tabs.currentChanged.connect(self._turned)
        self.heat.chosen.connect(self._choose_cell)
        self.trace.layer_chosen.connect(self._choose_layer)
        self.parts.chosen.connect(self._choose_part)

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(*SIZE)

    @property
    def lens(self) -> Lens | None:
        """The lens that is shown; None until it is computed."""
        return self._lens

    def show_activity(self, activity: Activity) -> None:
        """See `Following`."""
        if activity.model is None:
            raise TomoError(f"The logit lens needs the model {activity.source.name}: run it again.")
        if not activity.model.causal:
            raise TomoError(
                f"{activity.source.name} is an encoder: it reads a text as a whole and does not "
                "predict next tokens."
            )
        if activity is not self._seen:
            few = activity.n_layers <= FEW and "resid_mid" in activity
            self.halves.blockSignals(True)
            self.halves.setEnabled("resid_mid" in activity)
            self.halves.setChecked(few)
            self.halves.blockSignals(False)
            self._seen = activity
            self._compute(activity)
        self.show_place(self.desk.place)

    def show_place(self, place: Place) -> None:
        """See `Following`."""
        lens, activity = self._lens, self.activity
        if lens is not None and activity is lens.activity:
            last = activity.n_layers - 1
            own = max(0, min(last, int(lens.layers[self._state])))
            # Only another layer moves to another state: the last one is looked at first.
            if place.layer not in (self._layer, own):
                self._state = state_of(lens, place.layer)
        self._layer = place.layer
        self._turned()

    def let_go(self) -> None:
        """See `Following`."""
        for later in (self.later, self.trace.later, self.parts.later):
            later.cancel()

    def _compute(self, activity: Activity) -> None:
        halves = self.halves.isChecked()
        self._lens = None
        self.heat.show_lens(None, "probability", (0, 0))
        self.later.start(
            lambda report: logit_lens(activity, halves=halves, progress=report),
            self._computed,
            "Reading the states …",
        )

    def _computed(self, lens: Lens) -> None:
        self._lens = lens
        # One looks at the model's own prediction first.
        self._state = len(lens.names) - 1
        self._note(" ".join(lens.notes))
        self._draw()

    def _draw(self, index: int = 0) -> None:
        if self._lens is not None:
            mark = (self._state, self.desk.place.token)
            self.heat.show_lens(self._lens, self.colour.currentData(), mark)

    def _halved(self, checked: bool) -> None:
        if self.activity is not None:
            self._compute(self.activity)
            self._turned()

    def _turned(self, index: int = 0) -> None:
        """Show what the tab that is seen is about."""
        activity, place = self.activity, self.desk.place
        if activity is None:
            return
        if self.tabs.currentIndex() == TOKENS:
            self.trace.show_activity(activity, place, self.halves.isChecked())
        elif self.tabs.currentIndex() == PARTS:
            self.parts.show_activity(activity, place)
        elif self._lens is not None:
            self._draw()

    def _choose_cell(self, state: int, position: int) -> None:
        if self._lens is None:
            return
        self._state = state
        layer = max(0, int(self._lens.layers[state]))
        before = self.desk.place
        self.desk.move(layer=layer, token=position)
        if self.desk.place == before:
            self._draw()

    def _choose_layer(self, layer: int) -> None:
        self.desk.move(layer=max(0, layer))

    def _choose_part(self, layer: int, head: int) -> None:
        where = {"layer": layer} if head < 0 else {"layer": layer, "head": head}
        self.desk.move(**where)

    def _note(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
