"""The page itself: its head and its table of contents around the chapters, style and script."""

from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any

import numpy as np

from ....page import Page, in_text, pack
from ..chapters import Chapter, write_chapters
from ..heads import DIMS, KEYS, MASKED, TERMS, Heads
from ..overview_drawing import overview
from ..story import Story

__all__ = ["make_page"]

STYLE = "lesson.css"
SCRIPT = "lesson.js"

TITLES = {
    "prediction": "Softmax: what comes next",
    "loss": "The loss: what really came",
    "gradient": "The gradient: how to learn from it",
}
"""Chapters that may be missing with a reason."""

FIELDS = ("q", "k", "v", "z", "scores", "pattern", "adds")
"""Arrays of `Heads` in the order in which the page holds them."""


def make_page(story: Story) -> Page:
    """The page of a story."""
    chapters = write_chapters(story)
    contents = "".join(
        f'<li><a href="#{one.key}">{in_text(one.title)}</a></li>' for one in chapters
    )
    body = [
        '<a class="skip" href="#tokens">To the lesson</a>',
        _head(story),
        '<div class="desk">',
        '<nav class="contents" aria-label="Chapters"><p class="contents-title">Chapters</p>'
        f"<ol>{contents}</ol></nav>",
        '<main id="lesson">',
        _opening(story),
        *(_section(number, one) for number, one in enumerate(chapters, 1)),
        _missing(story),
        "</main>",
        "</div>",
        _foot(story),
    ]
    name = story.name
    return Page(
        title=f"{name}: a lesson · napari-gpt2-tomo",
        body="\n".join(part for part in body if part),
        styles=[_source(STYLE)],
        scripts=[_source(SCRIPT)],
        data={"lesson-data": _data(story)},
        packed={"lesson-heads": pack(_numbers(story.heads))},
        about=f"Made with napari-gpt2-tomo {version('napari-gpt2-tomo')} (MIT).",
    )


def _head(story: Story) -> str:
    sizes = story.sizes
    facts = [
        ("family", story.family),
        ("layers", f"{story.n_layers}"),
        (
            "heads",
            f"{story.n_heads}"
            if story.n_heads == story.n_kv_heads
            else f"{story.n_heads} ({story.n_kv_heads} for keys and values)",
        ),
        ("channels", f"{story.channels:,}"),
        ("neurons a layer", f"{sizes.d_mlp:,}" if sizes.d_mlp else "not known"),
        ("vocabulary", f"{sizes.vocab:,}" if sizes.vocab else "not known"),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{in_text(value)}</dd></div>" for name, value in facts)
    return (
        '<header class="head"><div class="inside">'
        f'<p class="kicker">A transformer, worked in its own numbers</p>'
        f"<h1>How <bdi>{in_text(story.name)}</bdi> reads a text</h1>"
        f'<blockquote dir="auto">{in_text(_shortened(story.text))}</blockquote>'
        f'<dl class="facts">{rows}</dl></div></header>'
    )


def _shortened(text: str) -> str:
    longest = 600
    return text if len(text) <= longest else f"{text[:longest]}…"


def _opening(story: Story) -> str:
    return (
        '<section class="opening" aria-labelledby="overview-title">'
        '<h2 id="overview-title">The way of one token</h2>'
        "<p>Every number on this page was computed by this model for the text above. Numbers are "
        "rounded "
        "where they are written and never before: a sum of rounded terms may differ from the "
        "rounded sum in "
        "its last digit. Minus signs are written −, counting begins with 0.</p>"
        f'<figure class="drawing">{overview(story)}'
        "<figcaption>The order of the computation in this family, and the chapters that work "
        "it.</figcaption>"
        "</figure></section>"
    )


def _section(number: int, chapter: Chapter) -> str:
    return (
        f'<section class="chapter" id="{chapter.key}" aria-labelledby="{chapter.key}-title">'
        f'<h2 id="{chapter.key}-title"><span class="number">{number}</span> '
        f"{in_text(chapter.title)}</h2>"
        f'<p class="brief">{chapter.brief}</p>{chapter.body}</section>'
    )


def _missing(story: Story) -> str:
    if not story.absent:
        return ""
    reasons: dict[str, list[str]] = {}
    for key, reason in story.absent.items():
        reasons.setdefault(reason, []).append(TITLES[key])
    items = "".join(
        f"<dt>{in_text('; '.join(titles))}</dt><dd>{in_text(reason)}</dd>"
        for reason, titles in reasons.items()
    )
    return (
        '<section class="chapter" id="absent" aria-labelledby="absent-title">'
        '<h2 id="absent-title">What this lesson leaves out</h2><dl '
        f'class="absent">{items}</dl></section>'
    )


def _foot(story: Story) -> str:
    return (
        '<footer class="foot"><p>Made with napari-gpt2-tomo '
        f"{in_text(version('napari-gpt2-tomo'))}. This page holds its text, its numbers and "
        "nothing from "
        "elsewhere; it asks no network for anything.</p></footer>"
    )


def _numbers(heads: Heads) -> bytes:
    """The arrays of the heads one after another, float32, little end first."""
    found = (getattr(heads, name) for name in FIELDS)
    return b"".join(np.ascontiguousarray(one, "<f4").tobytes() for one in found if one is not None)


def _data(story: Story) -> dict[str, Any]:
    heads, choice = story.heads, story.choice
    fields = [name for name in FIELDS if getattr(heads, name) is not None]
    return {
        "labels": story.labels,
        "first": choice.first,
        "layers": list(heads.layers),
        "causal": story.causal,
        "shapes": {name: list(getattr(heads, name).shape) for name in fields},
        "rules": [
            {
                "scale": rule.scale,
                "slopes": None if rule.slopes is None else rule.slopes.tolist(),
                "absolute": rule.absolute,
            }
            for rule in heads.rules
        ],
        "shared": heads.shared,
        "terms": TERMS,
        "keys": KEYS,
        "dims": DIMS,
        "masked": MASKED,
        "start": {
            "at": heads.layers.index(choice.layer),
            "head": choice.head,
            "query": choice.focus - choice.first,
            "key": choice.key - choice.first,
        },
    }


@cache
def _source(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
