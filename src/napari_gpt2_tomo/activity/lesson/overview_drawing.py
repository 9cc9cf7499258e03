"""The order of the computation, as boxes along the stream."""

from ...page import in_text
from .story import Story

__all__ = ["overview"]

Box = tuple[str, str, str]
"""Chapter, what it is, its size."""


def overview(story: Story) -> str:
    """The way through the model as a list of links, each a box; arrows are the style's."""
    d, n = f"{story.channels:,}", len(story.tokens)
    norm = "RMSNorm" if story.norm_kind == "rms" else "LayerNorm"
    tokens = "1 token" if n == 1 else f"{n} tokens"
    how = {
        "learned": "+ position vector",
        "sinusoidal": "+ sines",
        "rotary": "by turning",
        "alibi": "by distance",
    }
    boxes: list[Box] = [
        ("tokens", "Tokens", tokens),
        ("embedding", "Embedding", f"{d} channels each"),
        ("position", "Position", how.get(story.positions.kind, "not told")),
    ]
    neurons = story.sizes.d_mlp
    attention = ("attention", "Attention", f"{story.n_heads} heads")
    mlp = (
        "mlp" if story.neuron is not None else "stream",
        "MLP",
        f"{neurons:,} neurons" if neurons else "neurons",
    )
    stream = ("stream", "+ stream", "")
    inner: dict[str, list[Box]] = {
        "post-norm": [
            attention,
            ("stream", f"add, {norm}", ""),
            mlp,
            ("stream", f"add, {norm}", ""),
        ],
        "parallel": [
            ("attention", norm, ""),
            ("attention", "Attention beside MLP", f"{story.n_heads} heads"),
            stream,
        ],
    }
    block = inner.get(
        story.scheme,
        [
            ("attention", norm, ""),
            attention,
            stream,
            ("mlp" if story.neuron is not None else "stream", norm, ""),
            mlp,
            stream,
        ],
    )
    after: list[Box] = []
    if story.final_norm is not None:
        after.append(("norm", norm, "at the end"))
    if story.prediction is not None:
        after.append(("prediction", "Softmax", f"{story.prediction.vocabulary:,} probabilities"))
    if story.loss is not None:
        after.append(("loss", "Loss", "of the true next token"))
    if story.gradient is not None:
        after.append(("gradient", "Gradient", "and one step"))

    def items(found: list[Box]) -> str:
        return "".join(
            f'<li><a href="#{key}"><span>{in_text(name)}</span>'
            + (f"<small>{in_text(size)}</small>" if size else "")
            + "</a></li>"
            for key, name, size in found
        )

    times = "once" if story.n_layers == 1 else f"{story.n_layers} times"
    rows = [
        f"<li><ol>{items(boxes)}</ol></li>",
        f'<li class="block"><p>block, {times}</p><ol>{items(block)}</ol></li>',
        f"<li><ol>{items(after)}</ol></li>" if after else "",
    ]
    return f'<ol class="way">{"".join(rows)}</ol>'
