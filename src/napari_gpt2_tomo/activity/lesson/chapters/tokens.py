"""Chapter: from text to numbers."""

from ....page import in_text
from ..markup import code, note, paragraphs, token
from ..snippets import tokens_snippet
from ..story import Story
from .chapter import Chapter, focus_token

__all__ = ["tokens_chapter"]

MOST = 120
"""Tokens that are shown one by one."""


def tokens_chapter(story: Story) -> Chapter:
    """How the text becomes tokens."""
    tokens, focus = story.tokens, story.choice.focus
    n = len(tokens)
    vocabulary = story.sizes.vocab
    size = f" of {vocabulary:,}" if vocabulary else ""
    items = []
    for i, (label, number) in enumerate(zip(tokens.labels, tokens.ids.tolist(), strict=True)):
        if i >= MOST:
            items.append(f'<li class="more">and {n - MOST:,} more</li>')
            break
        kind = (
            "followed" if i == focus else "answer" if story.choice.answer and i == focus + 1 else ""
        )
        kind += " special" if i in tokens.special else ""
        mark = f' class="{kind.strip()}"' if kind.strip() else ""
        items.append(
            f'<li{mark}><span class="place">{i}</span>{token(label)}'
            f'<span class="id">{number}</span></li>'
        )
    followed = (
        f"This page follows one token from here to the end: {focus_token(story)} at position "
        f"{focus}."
    )
    if story.choice.answer:
        answer = token(tokens.labels[focus + 1])
        followed += (
            " What the model makes of it is its guess at the next token. We know what comes next, "
            f"{answer}; the model at position {focus} does not see it. The chapter on the loss "
            "compares the two."
        )
    remarks = [
        "A space inside a token is written ·, a line feed ⏎."
        if any(mark in label for label in tokens.labels for mark in "·⏎⇥")
        else "",
        "Letters that are cut across tokens are shown as their bytes, like ⟨F0 9F⟩."
        if any("⟨" in label for label in tokens.labels)
        else "",
        "Tokens with a dashed frame are not in the text: the tokenizer adds them as marks."
        if tokens.special
        else "",
        f"{len(tokens.unknown)} of them stand for something that the vocabulary does not have; "
        "what it was is lost to the model."
        if tokens.unknown
        else "",
        *map(in_text, story.notes),
    ]
    count = "one token" if n == 1 else f"{n:,} tokens"
    letters = all(len(one) == 1 for i, one in enumerate(tokens.strings) if i not in tokens.special)
    cut = (
        "Here each piece is a single character."
        if letters and story.has_tokenizer
        else "Frequent words are one piece, rare ones are cut into several."
        if story.has_tokenizer
        else "This model came without its tokenizer: the pieces are known by their numbers alone."
    )
    body = (
        paragraphs(
            "A language model computes with numbers. Before it, a <em>tokenizer</em> cuts the "
            f"text into pieces from a fixed list{size}, the <em>vocabulary</em>, and hands on the "
            f"number of each piece in that list. {cut} The text of this page becomes {count}:"
        )
        + '<ol class="tokens" aria-label="Tokens: position, text, number in the vocabulary" '
        f'start="0">{"".join(items)}</ol>'
        + note(" ".join(one for one in remarks if one))
        + paragraphs(followed)
        + code(*tokens_snippet(story))
    )
    brief = (
        f"The text becomes {count}. The lesson follows {focus_token(story)} at position {focus}."
    )
    return Chapter("tokens", "From text to numbers", body, brief)
