"""Chapter: the residual stream."""

import numpy as np
from numpy.typing import NDArray

from ...record.tokens import visible
from ..drawing import lines
from ..markup import (
    Cell,
    aside,
    code,
    equation,
    figure,
    fixed,
    note,
    paragraphs,
    percent,
    significant,
    table,
    token,
)
from ..snippets import stream_snippet
from ..story import Story
from .chapter import SHOWN, Chapter, channels, focus_token, norm_at_work, norm_name

__all__ = ["stream_chapter"]

F64 = NDArray[np.float64]

_SCHEMES = {
    "pre-norm": (
        r"x' = x + \text{Attention}(\text{Norm}(x)) \qquad "
        r"x'' = x' + \text{MLP}(\text{Norm}(x'))",
        "Nothing is ever replaced: each half of a block reads the stream and adds to it.",
    ),
    "parallel": (
        r"x'' = x + \text{Attention}(\text{Norm}(x)) + "
        r"\text{MLP}(\text{Norm}(x))",
        "In this family attention and MLP read the same stream side by side, and both add to it.",
    ),
    "post-norm": (
        r"x' = \text{Norm}(x + \text{Attention}(x)) \qquad "
        r"x'' = \text{Norm}(x' + \text{MLP}(x'))",
        "In this family the sum itself is normalised after each half of a block, so that the "
        "stream keeps its length.",
    ),
    "norm-out": (
        r"x' = x + \text{Norm}(\text{Attention}(x)) \qquad x'' = x' + \text{Norm}(\text{MLP}(x'))",
        "In this family what each half of a block adds is normalised, and not what it reads.",
    ),
    "sandwich": (
        r"x' = x + \text{Norm}(\text{Attention}(\text{Norm}(x))) \qquad "
        r"x'' = x' + \text{Norm}(\text{MLP}(\text{Norm}(x')))",
        "In this family what each half of a block adds is normalised as well, before and after.",
    ),
}


def stream_chapter(story: Story) -> Chapter:
    """How all blocks write to one stream."""
    block = story.block
    scheme = story.scheme
    if scheme == "sandwich" and story.attention_norm is None:
        scheme = "norm-out"
    latex, words = _SCHEMES.get(scheme, _SCHEMES["pre-norm"])
    d = story.channels
    shown = range(min(SHOWN, d))
    post = story.scheme == "post-norm"
    name = norm_name(story.norm_kind)
    lines_of: list[tuple[str, F64 | None]] = [
        (f"stream before block {block.layer}", block.before),
        ("+ attention, all heads", block.attention),
        (f"{name} of the sum" if post else "stream in between", block.between),
        ("+ MLP, all neurons", block.mlp),
        (
            f"{name} of the sum: after block {block.layer}"
            if post
            else f"stream after block {block.layer}",
            block.after,
        ),
    ]
    rows: list[list[Cell | str]] = [
        [Cell(words, head=True), *(fixed(vector[c], 4) for c in shown)]
        for words, vector in lines_of
        if vector is not None
    ]
    off = (
        ""
        if block.adds or post
        else "This family does something more to the stream here: the last row is not simply the "
        "sum "
        "of the others."
    )
    worked = (
        aside(
            f"The first {name} of block {block.layer}, worked for {focus_token(story)}",
            norm_at_work(block.norm, focus_token(story)),
        )
        if block.norm is not None
        else ""
    )
    layers = list(range(story.n_layers))
    names = ("stream before", "attention adds", "MLP adds", "stream after")
    plot = figure(
        lines(
            layers,
            [(names[i], block.sizes[:, i].tolist()) for i in (3, 1, 2)],
            "Length of the stream after each block and of what attention and MLP add, layer by "
            "layer",
            across="layer",
            up="length",
            ticks=[(one, str(one)) for one in layers[:: max(1, len(layers) // 12)]],
            zero=True,
        ),
        f"Lengths at {focus_token(story)}, layer by layer: of the stream, and of what is added to "
        "it.",
    )
    guesses = ""
    if block.guesses:
        known = story.tokens.labels[story.choice.focus + 1] if story.choice.answer else None
        guesses = (
            "<h3>What the stream would say already</h3>"
            + paragraphs(
                "The output reads the stream only after the last block. But since every block "
                "adds to one and the same stream, the output may be asked earlier: what would it "
                "say if the model ended after this layer? (This is called the <em>logit "
                "lens</em>. Early layers are not made for it, so that their answers are often "
                "odd.)"
            )
            + table(
                f"The likeliest next token after {focus_token(story)}, asked after each layer"
                + (f"; the true one is {token(known)}" if known is not None else ""),
                [">after layer", "likeliest token", ">probability"],
                [
                    [str(layer), Cell(token(visible(string))), percent(share)]
                    for layer, (string, share) in enumerate(block.guesses)
                ],
            )
        )
    body = (
        paragraphs(
            f"The vector that runs through the model, {d:,} channels for each token, is called the "
            f"<em>residual stream</em>. It began as the embedding. The model is {story.n_layers} "
            "blocks of attention and MLP, one after another, that all read from it and write to "
            "it."
        )
        + equation(latex, words)
        + table(
            f"Block {block.layer} at {focus_token(story)}, {channels(d)}",
            ["", *(f">channel {c}" for c in shown)],
            rows,
            marked=len(rows) - 1,
        )
        + note(off)
        + worked
        + plot
        + guesses
        + code(*stream_snippet(story))
    )
    start, end = block.sizes[0, 0], block.sizes[-1, 3]
    brief = (
        f"Over {story.n_layers} blocks the vector of {focus_token(story)} goes from a length of "
        f"{significant(float(start))} to {significant(float(end))}; attention and MLP add to it."
    )
    return Chapter("stream", "The residual stream: adding up", body, brief)
