"""The tab that takes a norm apart, step by step."""

from typing import Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ....activity.geometry.gains import Gains, norm_gains
from ....activity.geometry.norm import NORMS, NormSteps, norm_places, norm_steps
from ....activity.geometry.norm_figures import STEP_TITLES, gains_plot, norm_plot, wire_sphere
from ....activity.journey.path_figures import state_colours
from ....activity.record import Activity
from ..desk import Desk, Place
from ..journey.scene import PathScene, Picture
from ..later import Later
from ..plot_view import PlotView
from .choices import choices, fill, said

__all__ = ["NormTab"]

SHORT = {"raw": "raw", "centred": "centred", "sphere": "sphere", "gain": "gain", "bias": "bias"}
"""Steps under the strip."""

PLOTS = {"steps": "Step by step", "gains": "Gains against σ"}


class NormTab(QWidget):  # type: ignore[misc]
    """One norm of the model: its steps in three dimensions, and the gains of its kind.

    Parameters
    ----------
    viewer, desk
        Where the steps are shown in three dimensions, and whose places are followed.
    """

    def __init__(self, viewer: Any, desk: Desk) -> None:
        super().__init__()
        self._viewer, self._desk = viewer, desk
        self._activity: Activity | None = None
        self._steps: NormSteps | None = None
        self._scene: PathScene | None = None
        self._wants_scene = False
        self._later = Later(self._say, self._fail)
        self._gains = Later(self._say, self._fail)
        self.norms = choices()
        self.norms.currentIndexChanged.connect(lambda: self._chosen())
        self.plots: QComboBox = choices(PLOTS)
        self.plots.currentIndexChanged.connect(lambda: self._compute())
        self.show_button = QPushButton("Show in 3-D")
        self.show_button.setToolTip("The tokens at each step of the norm; a slider goes through")
        self.show_button.clicked.connect(lambda: self.toggle_scene())
        self.status: QLabel = said()
        self.view = PlotView()
        top = QHBoxLayout()
        top.addWidget(self.norms, stretch=1)
        top.addWidget(self.show_button)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.plots)
        layout.addWidget(self.status)
        layout.addWidget(self.view, stretch=1)

    @property
    def scene(self) -> PathScene | None:
        """The steps in the viewer; None while they are not shown."""
        return self._scene if self._scene is not None and self._scene.open else None

    def show_activity(self, activity: Activity) -> None:
        """Show another activity."""
        if activity is not self._activity:
            self.close_scene()
        self._activity, self._steps = activity, None
        titles = {
            place: NORMS[place[0]] if place[1] is None else f"L{place[1]} {NORMS[place[0]]}"
            for place in norm_places(activity)
        }
        fill(self.norms, titles)
        self._choose_layer(self._desk.place.layer)
        self._compute()

    def show_place(self, place: Place) -> None:
        """Look at another layer or token."""
        if self.scene is not None:
            self.scene.set_token(place.token)
        if not self._choose_layer(place.layer) and self._steps is not None:
            self._draw(self._steps)

    def toggle_scene(self) -> None:
        """Show the steps in three dimensions, or take them away."""
        if self.scene is not None:
            self.close_scene()
        elif self._steps is not None:
            self._open_scene()
        else:
            # As soon as they are computed.
            self._wants_scene = True

    def close_scene(self) -> None:
        """Take the steps out of the viewer."""
        if self._scene is not None:
            self._scene.close()

    def let_go(self) -> None:
        """End what is under way."""
        self._later.cancel()
        self._gains.cancel()
        self.close_scene()

    def _choose_layer(self, layer: int) -> bool:
        """Choose the norm of the same kind in another layer; whether that is another norm."""
        place = self.norms.currentData()
        if place is None or place[1] is None or place[1] == layer:
            return False
        index = self.norms.findText(f"L{layer} {NORMS[place[0]]}")
        if index < 0:
            return False
        self.norms.setCurrentIndex(index)
        return True

    def _chosen(self) -> None:
        place = self.norms.currentData()
        if place is not None and place[1] is not None:
            self._desk.move(layer=place[1])
        self._compute()

    def _compute(self) -> None:
        activity, place = self._activity, self.norms.currentData()
        if activity is None or place is None:
            self._steps = None
            self.view.show_plot(None)
            self._say("No input of a norm was recorded." if activity is not None else "")
            return
        where, layer = place
        # The steps are wanted for the viewer whatever the plot is.
        self._later.start(lambda progress: norm_steps(activity, where, layer), self._deliver)
        if self.plots.currentData() == "gains":
            self._gains.start(lambda progress: norm_gains(activity, where), self._deliver_gains)

    def _deliver(self, found: NormSteps) -> None:
        self._steps = found
        if self.plots.currentData() == "steps":
            self._say(found.stated)
            self._draw(found)
        if self._wants_scene or self.scene is not None:
            self._open_scene()

    def _deliver_gains(self, found: Gains) -> None:
        self._say("")
        self.view.show_plot(gains_plot(found))

    def _draw(self, found: NormSteps) -> None:
        if self._activity is not None and self.plots.currentData() == "steps":
            token = self._desk.place.token
            self.view.show_plot(norm_plot(found, self._activity.tokens.labels, token))

    def _open_scene(self) -> None:
        found, activity = self._steps, self._activity
        if found is None or activity is None:
            return
        self._wants_scene = False
        before = self.scene
        step = before.step if before is not None else None
        self.close_scene()
        tokens = tuple(range(len(activity.tokens)))
        picture = Picture(
            points=found.points,
            title=found.title,
            name="Norm",
            names=tuple(STEP_TITLES[name] for name in found.names),
            ticks=tuple(SHORT[name] for name in found.names),
            labels=activity.tokens.labels,
            axes=found.axes,
            colours=state_colours(len(found.names)),
            near=tokens,
            wires=wire_sphere(found.radius),
        )
        self._scene = PathScene(
            self._viewer,
            picture,
            self._desk.place.token,
            on_pick=lambda step, token: self._desk.move(token=token),
            on_close=self._closed,
            step=step,
        )
        self.show_button.setText("Close 3-D")

    def _closed(self) -> None:
        self._scene = None
        self.show_button.setText("Show in 3-D")

    def _fail(self, text: str) -> None:
        """Say why there is nothing to see."""
        self.view.show_plot(None)
        self._say(text)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))
