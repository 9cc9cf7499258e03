"""How a prompt is run: what is recorded, where it computes, how the text goes on."""

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QMenu,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ....activity.record import SITES
from ...console.fields import WordList

__all__ = ["Continuation", "ContinueForm", "Means", "MeansForm", "SiteMenu"]

LARGE = ("scores", "head_out")
"""Sites that are recorded on request only: attention scores again, and as many residual streams
as there are heads."""

MOST_TOKENS, MOST_K, SEEDS = 2000, 100_000, 2**31 - 1


@dataclass(frozen=True, slots=True)
class Means:
    """Where and how a model computes, as `language_model` takes it."""

    device: str = "auto"
    dtype: str = "auto"
    streaming: str = "auto"


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a text goes on; `n` = 0 is not at all."""

    n: int = 0
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0


class ContinueForm(QWidget):  # type: ignore[misc]
    """How many tokens the model goes on for, and how each is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.n = _whole(0, MOST_TOKENS, 0, "Tokens that the model writes itself")
        self.n.setSpecialValueText("none")
        self.temperature = QDoubleSpinBox()
        self.temperature.setRange(0.0, 5.0)
        self.temperature.setSingleStep(0.1)
        self.temperature.setSpecialValueText("0: the likeliest")
        self.temperature.setToolTip("0 takes the likeliest token; 1 draws as the model says")
        self.top_k = _whole(0, MOST_K, 0, "Draw among so many of the likeliest tokens")
        self.top_k.setSpecialValueText("all")
        self.top_p = QDoubleSpinBox()
        self.top_p.setRange(0.01, 1.0)
        self.top_p.setSingleStep(0.05)
        self.top_p.setValue(1.0)
        self.top_p.setToolTip(
            "Draw among the likeliest tokens that together have this probability; 1 is all"
        )
        self.seed = _whole(0, SEEDS, 0, "The same seed draws the same tokens")
        form = _form(self)
        form.addRow("Tokens", self.n)
        form.addRow("Temperature", self.temperature)
        form.addRow("Top k", self.top_k)
        form.addRow("Top p", self.top_p)
        form.addRow("Seed", self.seed)
        self.temperature.valueChanged.connect(self._enable)
        self._enable()

    @property
    def value(self) -> Continuation:
        """What is set."""
        k, p = self.top_k.value(), self.top_p.value()
        return Continuation(
            self.n.value(),
            self.temperature.value(),
            k or None,
            p if p < 1 else None,
            self.seed.value(),
        )

    def _enable(self, *_: Any) -> None:
        """At temperature 0 nothing is drawn."""
        for widget in (self.top_k, self.top_p, self.seed):
            widget.setEnabled(self.temperature.value() > 0)


class MeansForm(QWidget):  # type: ignore[misc]
    """Where the model computes and in which numbers, and what is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.device = _words("Device", ("auto", "cpu", "cuda", "mps"))
        self.device.setToolTip("Where the model computes; auto takes a GPU if there is one")
        self.dtype = _words("Numbers", ("auto", "float32", "bfloat16", "float16"))
        self.dtype.setToolTip("Numbers that it computes in; auto suits the device")
        self.streaming = _words("Streaming", ("auto", "on", "off"))
        self.streaming.setToolTip(
            "Read one layer at a time from the disk: slow, but a model of any size runs. "
            "Auto does so only for a model that does not fit into memory."
        )
        self.sites = SiteMenu()
        form = _form(self)
        form.addRow("Record", self.sites)
        form.addRow("Device", self.device)
        form.addRow("Numbers", self.dtype)
        form.addRow("Layer by layer", self.streaming)

    @property
    def value(self) -> Means:
        """What is set."""
        return Means(self.device.word, self.dtype.word, self.streaming.word)


class SiteMenu(QPushButton):  # type: ignore[misc]
    """What is recorded: a list to tick."""

    def __init__(self) -> None:
        super().__init__()
        menu = _Kept(self)
        self._actions = {}
        for site in SITES.values():
            action = menu.addAction(f"{site.title[0].upper()}{site.title[1:]}")
            action.setCheckable(True)
            action.setChecked(site.name not in LARGE)
            action.toggled.connect(self._tell)
            self._actions[site.name] = action
        self.setMenu(menu)
        self._tell()

    @property
    def value(self) -> tuple[str, ...] | None:
        """Names of what is recorded; None for all but the largest."""
        chosen = tuple(name for name, action in self._actions.items() if action.isChecked())
        return None if set(chosen) == set(SITES) - set(LARGE) else chosen

    def choose(self, names: Any) -> None:
        """Tick these and no others."""
        for name, action in self._actions.items():
            action.setChecked(name in names)

    def _tell(self, *_: Any) -> None:
        value = self.value
        missing = [name for name in SITES if value is not None and name not in value]
        if value is None:
            text = "the usual"
        elif not missing:
            text = "everything"
        else:
            text = f"{len(value)} of {len(SITES)} kinds of activity"
        self.setText(text)
        self.setToolTip(
            "What is recorded of every layer while the model reads. The usual is everything but "
            "the scores and outputs of heads, which are large and follow from the rest."
        )


class _Kept(QMenu):  # type: ignore[misc]
    """A menu that stays open while entries are ticked."""

    def mouseReleaseEvent(self, event: Any) -> None:
        """See Qt."""
        action = self.actionAt(event.position().toPoint())
        if action is not None and action.isCheckable():
            action.toggle()
        else:
            super().mouseReleaseEvent(event)


def _form(widget: QWidget) -> QFormLayout:
    form = QFormLayout(widget)
    form.setContentsMargins(4, 0, 4, 4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return form


def _whole(low: int, high: int, value: int, about: str) -> Any:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setToolTip(about)
    return box


def _words(name: str, words: tuple[str, ...]) -> Any:
    box = WordList(name)
    box.fill((word, word, "") for word in words)
    return box
