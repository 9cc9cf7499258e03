"""Chapter: where a token stands."""

import numpy as np

from ..drawing import heat, lines, svg
from ..drawing import text as written
from ..markup import (
    Cell,
    aside,
    code,
    equation,
    figure,
    fixed,
    note,
    paragraphs,
    significant,
    table,
)
from ..mathml import formula
from ..rotary import Rotary
from ..snippets import position_snippet
from ..story import Story
from .chapter import SHOWN, Chapter, channels, focus_token
from .embedding import DRAWN_CHANNELS

__all__ = ["position_chapter"]

THETA_I = formula(r"\theta_i")
TURN = formula(r"R_{\alpha}")
ALPHA = formula(r"\alpha")

CURVES = 3
"""Channels of a table of positions that are drawn as curves: those that vary most."""


def position_chapter(story: Story) -> Chapter:
    """How the model knows the order of its tokens."""
    kind = story.positions.kind
    made = {
        "learned": _learned,
        "sinusoidal": _learned,
        "rotary": _rotary,
        "alibi": _alibi,
    }.get(kind, _none)
    body, brief = made(story)
    others = "the tokens before it" if story.causal else "the other tokens"
    opening = paragraphs(
        f"In what follows a token looks at {others} as at a heap, not as at a row: shuffled, they "
        "would give it the same. So the model has to be told where each one stands."
    )
    return Chapter("position", "Where a token stands", opening + body, brief)


def _learned(story: Story) -> tuple[str, str]:
    positions, focus = story.positions, story.choice.focus
    stream = positions.stream[focus]
    embedding = story.embedding.vectors[focus]
    name = (
        "a table of learned vectors"
        if positions.kind == "learned"
        else "vectors of sines and cosines"
    )
    if positions.vectors is None or positions.vectors.shape[-1] != len(embedding):
        return paragraphs(
            f"This family adds {name}, one for each position, to the embeddings; they were not "
            "recorded apart."
        ), f"The model adds {name}."
    vectors = positions.vectors
    d = vectors.shape[1]
    shown = range(min(SHOWN, d))
    rest = stream - embedding - vectors[focus] if len(stream) == d else np.zeros(d)
    plain = bool(np.abs(rest).max() < 1e-3 * np.abs(stream).max())
    rows: list[list[Cell | str]] = [
        [Cell(f"embedding {formula('e_t')}", head=True), *(fixed(embedding[c], 4) for c in shown)],
        [
            Cell(f"position {formula('p_t')}", head=True),
            *(fixed(vectors[focus, c], 4) for c in shown),
        ],
        [
            Cell(f"sum {formula('x_t')}" if plain else "sum", head=True),
            *(fixed(embedding[c] + vectors[focus, c], 4) for c in shown),
        ],
    ]
    more = ""
    if not plain:
        rows.append([Cell("entering block 0", head=True), *(fixed(stream[c], 4) for c in shown)])
        more = (
            "More happens here before the first block: this family also adds a vector for the "
            "kind of text and applies a LayerNorm to the sum. The last row is what comes out."
            if story.family in ("bert", "roberta", "distilbert", "electra")
            else "The last row is what enters the first block: this family does something more to "
            "the "
            "sum."
        )
    source = (
        "in training, like those of the tokens: position 0 has a vector, position 1 another"
        if positions.kind == "learned"
        else "by a fixed rule: each channel is a sine or a cosine of the position"
    )
    drawn = min(d, DRAWN_CHANNELS)
    first = story.choice.first
    curves = ""
    if len(vectors) > 2:
        spread = np.argsort(-vectors.std(0), kind="stable")[:CURVES].tolist()
        curves = figure(
            lines(
                list(range(len(vectors))),
                [(f"ch. {c}", vectors[:, c].tolist()) for c in spread],
                f"Position vectors of channels {', '.join(map(str, spread))} over positions 0 to "
                f"{len(vectors) - 1}",
                across="position",
                up="value",
                dots=len(vectors) < 40,
            ),
            f"The channels that vary most over the {len(vectors)} positions of this text, "
            "position by position.",
        )
    body = (
        paragraphs(
            f"This model has {name}, one for each position, made {source}. It is added to the "
            "token's embedding, channel by channel."
        )
        + equation(
            r"x_t = e_t + p_t",
            f"{formula('p_t')} is the vector of position {formula('t')}. For "
            f"{focus_token(story)}, {formula('t')} = {focus}.",
        )
        + table(
            f"{focus_token(story)} at position {focus}, {channels(d)}",
            ["", *(f">channel {c}" for c in shown)],
            rows,
            marked=len(rows) - 1,
        )
        + note(more)
        + figure(
            heat(
                vectors[story.choice.drawn, :drawn],
                [str(i) for i in range(first, story.choice.stop)],
                f"Position vectors, a row for each position, channels 0 to {drawn - 1}",
                columns="channel",
                cell=(7, 18),
                marked=focus - first,
            ),
            f"The vectors of the positions, channels 0–{drawn - 1} of {d:,}. They don't depend on "
            "the tokens: another text would get the same.",
        )
        + curves
        + code(*position_snippet(story))
    )
    length = float(np.linalg.norm(vectors[focus]))
    brief = f"Position {focus} has a vector of its own, {significant(length)} long, which is added."
    return body, brief


def _rotary(story: Story) -> tuple[str, str]:
    positions, choice = story.positions, story.choice
    focus = choice.focus
    told = (
        "This model adds nothing to the embeddings. It turns queries and keys instead (the next "
        "chapter says what those are): their dimensions are taken in pairs, each pair is seen as "
        "an arrow in a plane, and the arrow is turned by an angle that grows with the position. "
        "This is called <em>rotary position embedding</em>."
    )
    turn = equation(
        r"\begin{pmatrix} a' \\ b' \end{pmatrix} = "
        r"\begin{pmatrix} \cos(t\theta_i) & -\sin(t\theta_i) \\ \sin(t\theta_i) & \cos(t\theta_i) "
        r"\end{pmatrix}"
        r"\begin{pmatrix} a \\ b \end{pmatrix}",
        f"{formula('a, b')} are the two numbers of pair {formula('i')}, {formula('t')} is the "
        f"position and {THETA_I} the pair's own angle.",
    )
    why = paragraphs(
        "A query at position i and a key at position j are then turned by angles whose difference "
        "is all that their dot product feels: it depends on how far apart they are, not on where."
    ) + equation(
        r"(R_{i\theta}\, q) \cdot (R_{j\theta}\, k) = q \cdot (R_{(j-i)\theta}\, k)",
        f"{TURN} turns by the angle {ALPHA}.",
    )
    if positions.rotary is None or positions.q is None or positions.turned is None:
        reason = (
            "Position 0 is turned by no angle, and this text has no other: its numbers stay as "
            "they are."
            if len(story.tokens) < 2
            else "How exactly this family turns them is more than this page has a formula for."
        )
        return paragraphs(told) + turn + why + note(
            reason
        ), "Queries and keys are turned by their positions."
    rotary = positions.rotary
    worked = _worked(story, rotary, positions.q[focus], positions.turned[focus])
    degrees = np.degrees(rotary.angles)
    base = (
        equation(
            r"\theta_i = b^{-2i/r}",
            f"{formula('b')} = {rotary.base:,.0f} and {formula('r')} = {rotary.dims} in this "
            f"model, so that pair 0 turns by {significant(float(rotary.angles[0]))} radians "
            f"({significant(float(degrees[0]), 3)}°) a position and pair {len(rotary.angles) - 1} "
            f"by {significant(float(rotary.angles[-1]), 3)} "
            f"({significant(float(degrees[-1]), 3)}°).",
        )
        if rotary.base is not None
        else paragraphs(
            "The angles of this model are scaled for long texts; those here were read off its "
            f"vectors: pair 0 turns by {significant(float(rotary.angles[0]), 3)} radians a "
            f"position, pair {len(rotary.angles) - 1} by "
            f"{significant(float(rotary.angles[-1]), 3)}."
        )
    )
    part = (
        f"Only the first {rotary.dims} of a head's {story.d_head} dimensions are turned; the "
        "others know no position."
        if rotary.dims < story.d_head
        else ""
    )
    pairing = (
        "Neighbouring dimensions form a pair: 0 and 1, 2 and 3, and so on."
        if rotary.interleaved
        else f"Dimension i forms a pair with dimension i + {rotary.dims // 2}."
    )
    body = (
        paragraphs(told)
        + turn
        + base
        + paragraphs(pairing, part)
        + worked
        + figure(
            _dials(rotary, focus),
            f"How far the first pairs of dimensions have turned at position 0, 1, 2 … {focus}. "
            "Fast pairs tell neighbours apart, slow ones tell far from near.",
        )
        + aside("Why turning tells distances", why)
        + code(*position_snippet(story))
    )
    angle = float(rotary.angles[0]) * focus
    brief = (
        f"Queries and keys are turned; at position {focus} pair 0 by {significant(angle)} radians."
    )
    return body, brief


def _worked(story: Story, rotary: Rotary, before: np.ndarray, after: np.ndarray) -> str:
    choice = story.choice
    rows: list[list[Cell | str]] = []
    for i in range(min(SHOWN, len(rotary.pairs))):
        a, b = rotary.pairs[i].tolist()
        rows.append(
            [
                Cell(f"pair {i}: dimensions {a}, {b}", head=True),
                f"{fixed(before[a])}, {fixed(before[b])}",
                significant(float(rotary.angles[i]) * choice.focus, 4),
                f"{fixed(after[a])}, {fixed(after[b])}",
            ]
        )
    a, b = rotary.pairs[0].tolist()
    angle = float(rotary.angles[0]) * choice.focus
    return table(
        f"Query of {focus_token(story)} in layer {choice.layer}, head {choice.head}, turned for "
        f"position {choice.focus}",
        ["", ">before", ">angle (radians)", ">after"],
        rows,
    ) + paragraphs(
        f"Pair 0 by hand: {fixed(before[a])} · cos {significant(angle)} − ({fixed(before[b])}) · "
        f"sin {significant(angle)} = {fixed(before[a] * np.cos(angle))} − "
        f"({fixed(before[b] * np.sin(angle))}) = {fixed(after[a])}."
    )


def _dials(rotary: Rotary, focus: int) -> str:
    shown = min(6, len(rotary.angles))
    size, parts = 96, []
    last = max(focus, 1)
    for i in range(shown):
        cx, cy, r = size * i + size / 2, 44.0, 34.0
        parts.append(f'<circle class="dial" cx="{cx}" cy="{cy}" r="{r}"/>')
        for t in range(min(last, 40) + 1):
            angle = float(rotary.angles[i]) * t
            kind = "hand now" if t == min(last, 40) else "hand"
            parts.append(
                f'<path class="{kind}" d="M{cx} {cy}L{cx + r * np.cos(angle):.1f} '
                f'{cy - r * np.sin(angle):.1f}"/>'
            )
        parts.append(written(cx, 94, f"pair {i}", "tick", "middle"))
    label = f"Directions of pairs 0 to {shown - 1} at positions 0 to {min(last, 40)}"
    return svg(size * shown, 100, label, "".join(parts), "dials")


def _alibi(story: Story) -> tuple[str, str]:
    slopes = next((rule.slopes for rule in story.heads.rules if rule.slopes is not None), None)
    body = paragraphs(
        "This model adds nothing to its embeddings. Each head takes a fixed penalty off its "
        "scores instead for each step that the looked-at token lies back (ALiBi): some heads see "
        "far, others hardly beyond their neighbours."
    ) + equation(
        r"s_{ij} = \frac{q_i \cdot k_j}{\sqrt{d_\text{head}}} + m_h\,(j - i)",
        f"{formula('m_h')} is the slope of head {formula('h')}, the same in all layers.",
    )
    if slopes is not None:
        body += table(
            "Slopes of the heads",
            ["head", ">slope"],
            [[Cell(str(h)), significant(float(m))] for h, m in enumerate(slopes)],
        )
    return body + code(
        *position_snippet(story)
    ), "Each head takes a penalty off its scores for each step back."


def _none(story: Story) -> tuple[str, str]:
    return paragraphs(
        "This model adds nothing: it has no position embedding at all. A token knows its place "
        "only by what it may see: the first sees itself alone, each later one a token more."
        if story.causal
        else "This model adds nothing that was recorded."
    ), "The model has no position embedding."
