"""The journey dock: the tokens' paths through the residual stream."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
)

from ...activity.journey.figures import (
    COSINES,
    cosine_map_plot,
    cosine_plot,
    size_plot,
    update_plot,
)
from ...activity.journey.numbers import Journey, Updates, journey, updates
from ...activity.journey.path_figures import path_plot, state_colours, state_ticks
from ...activity.journey.paths import FITS, LEAVE_OUT, SCALES, Paths, paths
from ...activity.projection import has_umap
from ...activity.record import Activity
from ...base import Progress
from ...display.plots import Plot
from .desk import Place
from .follow import Following
from .journey.scene import PathScene, Picture
from .later import Later
from .plot_view import PlotView

__all__ = ["JourneyDock"]

SIZE = (420, 640)
"""Pixels of width and height that the dock asks for."""

COLOURS = {"layer": "Layer", "token": "Token"}
"""What the paths' colours tell."""

METHODS = {"pca": "Principal components", "umap": "UMAP"}
"""How states become three numbers."""

NO_UMAP = "UMAP needs the package umap-learn: pip install umap-learn"


@dataclass(frozen=True, eq=False)
class _Found:
    """What is drawn of one activity."""

    paths: Paths
    numbers: Journey
    updates: Updates | None


class JourneyDock(Following):
    """The tokens' paths through the residual stream, in three dimensions and as numbers."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._found: _Found | None = None
        self._of: Activity | None = None
        self._scene: PathScene | None = None
        self._wants_scene = False
        self._layer = self.desk.place.layer
        self._later = Later(self._say_status, self._fail)
        self.show_button = QPushButton("Show in 3-D")
        self.show_button.setToolTip(
            "Each token's path as a line; the slider steps through the states, ▷ plays them"
        )
        self.show_button.clicked.connect(lambda: self.toggle_scene())
        self.look_button = QPushButton("Reset the camera")
        self.look_button.clicked.connect(lambda: self._look())
        self.fit = _choices(FITS)
        self.fit.setToolTip("The states that the three axes are fitted on")
        self.scale = _choices(SCALES)
        self.scale.setToolTip("Whether a state's length counts; it grows from layer to layer")
        self.leave_out = _choices(LEAVE_OUT)
        self.leave_out.setToolTip(
            "The first token of many models is a hundred times as long as the others: axes that "
            "were fitted on it would show nothing else"
        )
        self.method = _choices(METHODS)
        if not has_umap():
            self.method.model().item(1).setEnabled(False)
            self.method.setItemData(1, NO_UMAP, Qt.ItemDataRole.ToolTipRole)
        self.colour = _choices(COLOURS)
        self.halves = QCheckBox("Half blocks")
        self.halves.setToolTip("Also the states between the attention and the MLP of a block")
        self.halves.setChecked(True)
        self.stated = QLabel()
        self.stated.setWordWrap(True)
        self.stated.setTextFormat(Qt.TextFormat.PlainText)
        self.plots = QComboBox()
        self.plots.currentIndexChanged.connect(lambda: self._draw())
        self.view = PlotView()
        self.view.clicked.connect(self._clicked)
        for box in (self.fit, self.scale, self.leave_out, self.method):
            box.currentIndexChanged.connect(lambda: self._compute())
        self.colour.currentIndexChanged.connect(lambda: self._rebuild())
        self.halves.toggled.connect(lambda: self._compute())
        self._lay_out()
        # Paths in the viewer must not outlive their activity, even while the dock is hidden.
        self.desk.changed.connect(self._leave_old)

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    @property
    def scene(self) -> PathScene | None:
        """The paths in the viewer; None while they are not shown."""
        return self._scene if self._scene is not None and self._scene.open else None

    def toggle_scene(self) -> None:
        """Show the paths in three dimensions, or take them away."""
        if self.scene is not None:
            self._close_scene()
        else:
            self._wants_scene = True
            self._rebuild()

    def show_activity(self, activity: Activity) -> None:
        """See `Following`."""
        self._layer = self.desk.place.layer
        self._compute()

    def show_place(self, place: Place) -> None:
        """See `Following`."""
        scene = self.scene
        if scene is not None:
            scene.set_token(place.token)
            # The desk may look at another layer than the slider from the start.
            if place.layer not in (self._layer, self._layer_of(scene.step)):
                scene.go(self._last_step_of(place.layer))
        self._layer = place.layer
        self._draw()

    def let_go(self) -> None:
        """See `Following`."""
        self.desk.changed.disconnect(self._leave_old, missing_ok=True)
        self._later.cancel()
        self._close_scene()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.show_button, stretch=1)
        top.addWidget(self.look_button)
        form = QFormLayout()
        form.setSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, box in (
            ("Method", self.method),
            ("Fitted on", self.fit),
            ("Lengths", self.scale),
            ("Leaving out", self.leave_out),
            ("Colour", self.colour),
        ):
            form.addRow(name, box)
        form.addRow("", self.halves)
        self.content.addLayout(top)
        self.content.addLayout(form)
        self.content.addWidget(self.stated)
        self.content.addWidget(self.plots)
        self.content.addWidget(self.view, stretch=1)

    def _compute(self) -> None:
        """Project again, and measure again what belongs to the states."""
        activity = self.activity
        if activity is None:
            return
        fit, scale = self.fit.currentData(), self.scale.currentData()
        out, method = self.leave_out.currentData(), self.method.currentData()
        halves = self.halves.isChecked()

        def compute(progress: Progress) -> _Found:
            return _Found(
                paths(activity, fit, scale, out, method=method, halves=halves),
                journey(activity, halves),
                updates(activity),
            )

        self._of = activity
        self._later.start(compute, self._deliver, "…")

    def _deliver(self, found: _Found) -> None:
        self._found = found
        self._say_status(found.paths.stated)
        kept = self.plots.currentData()
        self.plots.blockSignals(True)
        self.plots.clear()
        for name, title in self._titles(found).items():
            self.plots.addItem(title, name)
        self.plots.setCurrentIndex(max(self.plots.findData(kept), 0))
        self.plots.blockSignals(False)
        self._rebuild()
        self._draw()

    def _titles(self, found: _Found) -> dict[str, str]:
        titles = {"cosines": "What the states resemble", "sizes": "Lengths and distances"}
        if found.updates is not None:
            titles["updates"] = "What attention and MLPs add"
        for name, said in COSINES.items():
            if getattr(found.numbers, name) is not None:
                titles[f"map {name}"] = f"Map: cosine to the {said}"
        titles["paths"] = "Paths, drawn"
        return titles

    def _draw(self) -> None:
        found, activity = self._found, self._of
        if found is None or activity is None or activity is not self.activity:
            return
        labels, token = activity.tokens.labels, self.desk.place.token
        name = self.plots.currentData()
        makers: Mapping[str, Callable[[], Plot]] = {
            "cosines": lambda: cosine_plot(found.numbers, labels, token),
            "sizes": lambda: size_plot(found.numbers, labels, token),
            "paths": lambda: path_plot(found.paths, labels, token),
        }
        if name in makers:
            self.view.show_plot(makers[name]())
        elif name == "updates" and found.updates is not None:
            self.view.show_plot(update_plot(found.updates, labels, token))
        elif name is not None and name.startswith("map "):
            self.view.show_plot(cosine_map_plot(found.numbers, labels, name.removeprefix("map ")))

    def _rebuild(self) -> None:
        """Draw the paths in the viewer again if they are to be there."""
        wanted = self._wants_scene or self.scene is not None
        if not wanted or self._found is None or self._of is None:
            return
        self._wants_scene = False
        activity, found = self._of, self._found.paths
        count = len(found.states)
        shown = self.scene
        kept = shown.step if shown is not None and len(shown.picture.names) == count else None
        self._close_scene()
        tokens = None
        if self.colour.currentData() == "token":
            tokens = _token_colours(len(activity.tokens))
        picture = Picture(
            points=found.points,
            title="Journey",
            name="Journey",
            names=found.states.names,
            ticks=state_ticks(found.states),
            labels=activity.tokens.labels,
            axes=found.axes,
            colours=state_colours(count),
            near=found.near,
            by_token=tokens,
        )
        self._scene = PathScene(
            self.viewer,
            picture,
            self.desk.place.token,
            on_step=self._stepped,
            on_pick=self._picked,
            on_close=self._closed,
            step=kept,
        )
        self.show_button.setText("Close 3-D")

    def _clicked(self, event: Any) -> None:
        """A click into a plot goes to the state under it, in a map to the token as well."""
        name, found = self.plots.currentData(), self._found
        if found is None or name is None or name == "paths":
            return
        across = round(event.xdata)
        if name == "updates":
            self.desk.move(layer=across)
            return
        maps = name.startswith("map ")
        if maps and event.inaxes is not self.view.figure.axes[0]:
            # Beside the map lies the bar of its colours.
            return
        step = int(np.clip(across, 0, len(found.paths.states) - 1))
        if self.scene is not None:
            self.scene.go(step)
        token = round(event.ydata) if maps else self.desk.place.token
        self.desk.move(token=token, layer=self._layer_of(step))

    def _stepped(self, step: int) -> None:
        self.desk.move(layer=self._layer_of(step))

    def _picked(self, step: int, token: int) -> None:
        self.desk.move(token=token, layer=self._layer_of(step))

    def _closed(self) -> None:
        self._scene = None
        self.show_button.setText("Show in 3-D")

    def _close_scene(self) -> None:
        if self._scene is not None:
            self._scene.close()

    def _leave_old(self) -> None:
        """Another activity is on the desk: the paths of the former one go."""
        if self.scene is not None and self.activity is not self._of:
            # They come back for the new activity when the dock is seen.
            self._wants_scene = self.activity is not None
            self._close_scene()

    def _look(self) -> None:
        if self.scene is not None:
            self.scene.look()

    def _layer_of(self, step: int) -> int:
        """The layer that the desk looks at while a state is shown."""
        if self._found is None or self._of is None:
            return 0
        layer = int(self._found.paths.states.layer[step])
        return int(np.clip(layer, 0, max(self._of.n_layers - 1, 0)))

    def _last_step_of(self, layer: int) -> int:
        """The state that a layer leaves behind."""
        if self._found is None:
            return 0
        return int(np.flatnonzero(np.asarray(self._found.paths.states.layer) == layer)[-1])

    def _fail(self, text: str) -> None:
        """Say why the paths cannot be shown as they were asked for."""
        self._close_scene()
        self._say_status(text)

    def _say_status(self, text: str) -> None:
        self.stated.setText(text)


def _choices(titles: Mapping[Any, str]) -> QComboBox:
    box = QComboBox()
    for value, title in titles.items():
        box.addItem(title[0].upper() + title[1:], value)
    # Long titles must not decide how wide a dock is.
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setMinimumContentsLength(8)
    return box


def _token_colours(count: int) -> Any:
    import matplotlib as mpl

    return np.asarray(mpl.colormaps["turbo"](np.linspace(0.06, 0.94, count)))
