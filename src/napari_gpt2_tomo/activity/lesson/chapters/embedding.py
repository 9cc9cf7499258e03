"""Chapter: a vector for each token."""

from ...record.tokens import visible
from ..drawing import heat
from ..markup import Cell, code, equation, figure, fixed, paragraphs, significant, table, token
from ..mathml import formula
from ..snippets import embedding_snippet
from ..story import Story
from .chapter import SHOWN, Chapter, channels, focus_token

__all__ = ["DRAWN_CHANNELS", "embedding_chapter"]

DRAWN_CHANNELS = 96
"""Channels of a vector that are drawn: as many as a page is wide."""


def embedding_chapter(story: Story) -> Chapter:
    """How a token becomes a vector."""
    embedding, choice = story.embedding, story.choice
    d = story.channels
    width = embedding.vectors.shape[1]
    vector = embedding.vectors[choice.focus]
    number = int(story.tokens.ids[choice.focus])
    norm = float(embedding.norms[choice.focus])
    scaled = abs(embedding.factor - 1) > 1e-3
    drawn = min(width, DRAWN_CHANNELS)
    factor = ""
    if scaled:
        factor = (
            f"This family multiplies every embedding with {significant(embedding.factor, 5)}"
            + (f", the root of {d:,}, " if abs(embedding.factor**2 - d) < 0.01 * d else " ")
            + "before it goes on; the numbers here are those after that."
        )
    narrow = (
        f"The embeddings have {width:,} channels; a further matrix makes {d:,} of them."
        if width != d
        else ""
    )
    near = ""
    if embedding.neighbours:
        near = paragraphs(
            "Training puts tokens that are used alike close together. These point most nearly the "
            f"way that {focus_token(story)} points (cosine 1 is the same direction, 0 a right "
            "angle):"
        ) + table(
            f"Nearest embeddings to {focus_token(story)} in the whole vocabulary",
            ["token", ">number", ">cosine"],
            [
                [Cell(token(visible(string))), str(one), fixed(cosine)]
                for one, string, cosine in embedding.neighbours
            ],
        )
    body = (
        paragraphs(
            f"Token number {number} means nothing by itself. The model keeps a table with one "
            f"vector of {width:,} numbers for each token of its vocabulary, learned in training, "
            "and looks the token's vector up. The numbers are called <em>channels</em> here; the "
            "same channels run through the whole model."
        )
        + equation(
            r"e_t = W_E[:, \text{id}_t]" if not scaled else r"e_t = s \, W_E[:, \text{id}_t]",
            f"{formula('W_E')} is the table with a column for each token"
            + (f", {formula('s')} is {significant(embedding.factor, 5)}" if scaled else "")
            + f". For {focus_token(story)}: column {number}.",
        )
        + table(
            f"Embedding of {focus_token(story)}, {channels(width)}",
            ["", *(f">channel {c}" for c in range(min(SHOWN, width)))],
            [
                [
                    Cell(f"embedding {formula('e_t')}", head=True),
                    *(fixed(x, 4) for x in vector[:SHOWN]),
                ]
            ],
        )
        + paragraphs(f"As an arrow it is {significant(norm)} long.", factor, narrow)
        + figure(
            heat(
                embedding.vectors[choice.drawn, :drawn],
                story.labels,
                f"Embeddings of {len(story.labels)} tokens, a row each, channels 0 to {drawn - 1}",
                columns="channel",
                cell=(7, 18),
                marked=choice.focus - choice.first,
            ),
            f"The embeddings of the text, channels 0–{drawn - 1} of {width:,}. Blue is above "
            "zero, orange below, stronger is further away from it. Wherever the same token "
            "stands, its row is the same: position and neighbours play no part yet.",
        )
        + near
        + code(*embedding_snippet(story))
    )
    brief = (
        f"{focus_token(story)} (number {number}) becomes a vector of {width:,} channels, "
        f"{significant(norm)} long."
    )
    return Chapter("embedding", "A vector for each token", body, brief)
