"""Chapter: back to the model in napari."""

from ..markup import code, paragraphs
from ..snippets import session_snippet, shell_snippet, view_snippet
from ..story import Story
from .chapter import Chapter

__all__ = ["onward_chapter"]


def onward_chapter(story: Story) -> Chapter:
    """Where to go from here."""
    choice = story.choice
    body = (
        paragraphs("From a shell, this opens the scan in napari:")
        + code(*shell_snippet(story))
        + paragraphs(
            f"From Python, this goes to head {choice.head} of layer {choice.layer}, the one that "
            "this page began with:"
        )
        + code(*view_snippet(story))
        + paragraphs(
            "And this has the model read the text again, so that every number is yours to work "
            "with:"
        )
        + code(*session_snippet(story))
    )
    return Chapter(
        "onward",
        "Back to the model",
        body,
        "Every number of this page stands in a weight or follows from weights, and each weight is "
        "a voxel of the model's scan.",
    )
