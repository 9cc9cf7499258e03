"""What the pictures are of: a model, and a text that it reads."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.activity.examples import PROMPTS
from napari_gpt2_tomo.activity.record import Activity

__all__ = ["REPEATING", "Subject"]

REPEATING = next(one.text for one in PROMPTS if "repeats" in one.title)
"""A text that induction continues."""


class Subject:
    """A model that is opened, and run, when a picture needs it. Closed at the end of ``with``.

    Parameters
    ----------
    model
        A checkpoint, or the name of a phantom.
    prompt
        What the model reads.
    other
        A text with as many tokens, to patch from; None if there is none.
    words
        Two tokens, of which the prompt makes the first and `other` the second more likely.
    against
        A checkpoint to compare the model with.
    """

    def __init__(
        self,
        model: str,
        prompt: str,
        other: str | None = None,
        words: Sequence[str] | None = None,
        against: str | None = None,
    ) -> None:
        self.model, self.prompt, self.other, self.words = model, prompt, other, words
        self.against = against

    @cached_property
    def scan(self) -> tomo.Scan:
        """Its weights."""
        return tomo.scan(self.model)

    @cached_property
    def activity(self) -> Activity:
        """What the prompt does in it."""
        found = tomo.run(self.model, self.prompt)
        assert isinstance(found, Activity)
        return found

    def __enter__(self) -> "Subject":
        return self

    def __exit__(self, *error: Any) -> None:
        if "scan" in self.__dict__:
            self.scan.close()
