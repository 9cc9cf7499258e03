"""The chapters, in the order of the computation."""

from collections.abc import Callable, Mapping

from ..story import Story
from .attention import attention_chapter
from .chapter import Chapter
from .embedding import embedding_chapter
from .loss import gradient_chapter, loss_chapter
from .mlp import mlp_chapter
from .onward import onward_chapter
from .position import position_chapter
from .prediction import norm_chapter, prediction_chapter
from .stream import stream_chapter
from .tokens import tokens_chapter

__all__ = ["CHAPTERS", "Chapter", "write_chapters"]

CHAPTERS: Mapping[str, Callable[[Story], Chapter | None]] = {
    "tokens": tokens_chapter,
    "embedding": embedding_chapter,
    "position": position_chapter,
    "attention": attention_chapter,
    "mlp": mlp_chapter,
    "stream": stream_chapter,
    "norm": norm_chapter,
    "prediction": prediction_chapter,
    "loss": loss_chapter,
    "gradient": gradient_chapter,
    "onward": onward_chapter,
}
"""Each chapter by its key; None where it does not apply."""


def write_chapters(story: Story) -> list[Chapter]:
    """The chapters that apply to a story."""
    written = (write(story) for write in CHAPTERS.values())
    return [chapter for chapter in written if chapter is not None]
