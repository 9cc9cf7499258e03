"""Chapter: the residual stream."""

from ...record.tokens import visible
from ..drawing import lines
from ..markup import (
    Cell,
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
from .chapter import SHOWN, Chapter, channels, focus_token, norm_name

__all__ = ["stream_chapter"]

_SCHEMES = {
    "pre-norm": (
        r"x' = x + \operatorname{Attention}(\operatorname{Norm}(x)) \qquad "
        r"x'' = x' + \operatorname{MLP}(\operatorname{Norm}(x'))",
        "Nothing is ever replaced: each half of a block reads the stream and adds to it.",
    ),
    "parallel": (
        r"x'' = x + \operatorname{Attention}(\operatorname{Norm}(x)) + "
        r"\operatorname{MLP}(\operatorname{Norm}(x))",
        "In this family attention and MLP read the same stream side by side, and both add to it.",
    ),
    "post-norm": (
        r"x' = \operatorname{Norm}(x + \operatorname{Attention}(x)) \qquad "
        r"x'' = \operatorname{Norm}(x' + \operatorname{MLP}(x'))",
        "In this family the sum itself is normalised after each half of a block, so that the "
        "stream keeps its length.",
    ),
    "sandwich": (
        r"x' = x + \operatorname{Norm}(\operatorname{Attention}(\operatorname{Norm}(x))) \qquad "
        r"x'' = x' + \operatorname{Norm}(\operatorname{MLP}(\operatorname{Norm}(x')))",
        "In this family what each half of a block adds is normalised as well, before and after.",
    ),
}


def stream_chapter(story: Story) -> Chapter:
    """How all blocks write to one stream."""
    block = story.block
    latex, words = _SCHEMES.get(story.scheme, _SCHEMES["pre-norm"])
    d = story.channels
    shown = range(min(SHOWN, d))
    rows: list[list[Cell | str]] = [
        [
            Cell(f"stream before block {block.layer}", head=True),
            *(fixed(block.before[c], 4) for c in shown),
        ],
        [Cell("+ attention, all heads", head=True), *(fixed(block.attention[c], 4) for c in shown)],
        [Cell("+ MLP, all neurons", head=True), *(fixed(block.mlp[c], 4) for c in shown)],
        [
            Cell(f"stream after block {block.layer}", head=True),
            *(fixed(block.after[c], 4) for c in shown),
        ],
    ]
    off = (
        ""
        if block.adds
        else f"Between the sums stands a {norm_name(story.norm_kind)} here, so that the last row "
        "is not simply "
        "the sum of the others."
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
            marked=3,
        )
        + note(off)
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
