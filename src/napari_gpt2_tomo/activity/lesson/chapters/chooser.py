"""What a reader may choose in the chapter on attention."""

from ....page import in_text
from ..story import Story

__all__ = ["chooser"]


def chooser(story: Story) -> str:
    """Layer, head and two tokens to choose; hidden until the page's script follows them."""
    heads, choice = story.heads, story.choice

    def options(values: list[tuple[int, str]], chosen: int) -> str:
        return "".join(
            "<option "
            f'value="{value}"{" selected" if value == chosen else ""}>{in_text(words)}</option>'
            for value, words in values
        )

    layers = options(
        [(i, f"layer {layer}") for i, layer in enumerate(heads.layers)],
        heads.layers.index(choice.layer),
    )
    some = options([(h, f"head {h}") for h in range(story.n_heads)], choice.head)
    tokens = [(i, f"{choice.first + i}: {label}") for i, label in enumerate(story.labels)]
    held = (
        ""
        if len(heads.layers) == story.n_layers
        else f" The page holds {len(heads.layers)} of {story.n_layers} layers; napari shows them "
        "all."
    )
    return (
        '<div class="chooser" role="group" aria-label="What is worked below" hidden>'
        f'<label>Layer <select id="at">{layers}</select></label>'
        f'<label>Head <select id="head">{some}</select></label>'
        "<label>From <select "
        f'id="query">{options(tokens, choice.focus - choice.first)}</select></label>'
        f'<label>To <select id="key">{options(tokens, choice.key - choice.first)}</select></label>'
        '<button type="button" id="back">As at first</button>'
        '<p id="chosen" class="hidden" role="status"></p></div>'
        '<p class="note without-script">Without scripts this page shows one head: layer '
        f"{choice.layer}, head "
        f"{choice.head}.</p>"
        + (
            '<p class="note only-script" hidden>Choose any head and any pair of tokens; all '
            "numbers of "
            f"this chapter follow.{held}</p>"
        )
    )
