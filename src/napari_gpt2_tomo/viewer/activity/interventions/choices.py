"""What the tabs share: what can be changed and how, and the line with the other prompt."""

from typing import Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from ....activity.intervention.change import Change, Component, Mean, Patch, Zero
from ....activity.record import Activity
from ....base import TomoError
from ..desk import Place

__all__ = [
    "HOW",
    "HOW_TIP",
    "NO_MODEL",
    "WHAT",
    "OtherPrompt",
    "change_of",
    "combo",
    "component_at",
]

NO_MODEL = "This activity was stored without its model: run the prompt again to change something."

WHAT = {
    "Head": "head",
    "Neuron": "neuron",
    "Channel": "channel",
    "Attention": "attention",
    "MLP": "mlp",
    "Residual stream": "stream",
}
"""What can be changed, and its kind."""

HOW = {"Zero": "zero", "Mean": "mean", "Patch": "patch"}
"""What can be done to it."""

HOW_TIP = (
    "Zero: it gives 0. Mean: it gives its mean over this prompt or other texts. Patch: it gives "
    "what it gives for another prompt."
)

PLACEHOLDERS = {
    "patch": "Prompt to patch from, with as many tokens",
    "mean": "Mean over these texts, with | between; else this one",
}
"""What is to be typed for a kind of change."""


def combo(choices: dict[str, Any], tip: str) -> QComboBox:
    """A box to choose from, with the values as its data."""
    box = QComboBox()
    for title, value in choices.items():
        box.addItem(title, value)
    box.setToolTip(tip)
    return box


def component_at(kind: str, place: Place) -> Component:
    """The component of a kind that the desk looks at."""
    made = {
        "head": lambda: Component.head(place.layer, place.head),
        "neuron": lambda: Component.neuron(place.layer, place.neuron),
        "channel": lambda: Component.channel(place.layer, place.channel),
        "attention": lambda: Component.attention(place.layer),
        "mlp": lambda: Component.mlp(place.layer),
        "stream": lambda: Component.stream(place.layer),
    }
    return made[kind]()


def change_of(
    how: str, component: Component, tokens: tuple[int, ...] | None, other: "OtherPrompt"
) -> Change:
    """A change of a component.

    Raises
    ------
    TomoError
        It is to be patched from a prompt, and there is none.
    """
    if how == "patch":
        return Patch(component, other.source, tokens)
    return Zero(component, tokens) if how == "zero" else Mean(component, tokens, other.texts)


class OtherPrompt(QWidget):  # type: ignore[misc]
    """A line for the prompt to patch from, or for the texts to take a mean over.

    It says whether the prompt to patch from is as long as the one on the desk.
    """

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self._how = "zero"
        self._typed = dict.fromkeys(PLACEHOLDERS, "")
        self.line = QLineEdit()
        self.line.setClearButtonEnabled(True)
        self.count = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line, stretch=1)
        layout.addWidget(self.count)
        self.line.textChanged.connect(self._edited)

    @property
    def source(self) -> str:
        """The prompt to patch from.

        Raises
        ------
        TomoError
            Nothing was typed.
        """
        if not self._typed["patch"].strip():
            raise TomoError("Type the prompt to patch from.")
        return self._typed["patch"]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to take a mean over; none is this prompt."""
        return tuple(one.strip() for one in self._typed["mean"].split("|") if one.strip())

    def ask_for(self, how: str) -> None:
        """Ask for what a change of this kind needs; each kind keeps what was typed for it."""
        self._how = how
        self.setVisible(how in PLACEHOLDERS)
        if how in PLACEHOLDERS:
            self.line.setPlaceholderText(PLACEHOLDERS[how])
            self.line.setText(self._typed[how])
            self._count()

    def show_activity(self, activity: Activity) -> None:
        """Compare with another activity's text."""
        self._activity = activity
        self._count()

    def _edited(self, text: str) -> None:
        if self._how in self._typed:
            self._typed[self._how] = text
        self._count()

    def _count(self) -> None:
        activity = self._activity
        text = self._typed["patch"]
        self.count.setText("")
        if activity is None or activity.model is None or self._how != "patch" or not text.strip():
            return
        wanted = len(activity.tokens)
        try:
            found = len(activity.model.tokens(text))
        except TomoError as error:
            self.count.setText("⚠")
            self.count.setToolTip(str(error))
            return
        fits = found == wanted
        self.count.setText(f"{found} tokens ✓" if fits else f"{found} tokens, not {wanted}")
        self.count.setToolTip("" if fits else "Both prompts must have as many tokens.")
