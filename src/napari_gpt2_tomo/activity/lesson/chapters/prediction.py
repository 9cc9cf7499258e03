"""Chapter: from the stream to probabilities."""

import numpy as np

from ...record.tokens import visible
from ..drawing import bars
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
from ..mathml import formula
from ..snippets import prediction_snippet
from ..story import Prediction, Story
from .chapter import Chapter, focus_token, norm_at_work, norm_name

__all__ = ["norm_chapter", "prediction_chapter"]

LOGIT = formula(r"\ell_w")
POWER = formula(r"e^{\ell_w - m}")

TERMS = 5
"""Products of a logit that are written out."""


def norm_chapter(story: Story) -> Chapter | None:
    """The norm after the last block."""
    norm = story.final_norm
    if norm is None:
        return None
    name = norm_name(norm.kind)
    body = (
        paragraphs(
            "After the last block the stream is brought to a common size once more, by "
            f"{norm_name(norm.kind, article=True)} with gains of its own. Some channels have grown "
            "much larger than others on the way; the gains decide how much each counts for what "
            "comes next."
        )
        + norm_at_work(norm, focus_token(story))
        + paragraphs(
            f"Its length goes from {significant(float(np.linalg.norm(norm.before)))} to "
            f"{significant(float(np.linalg.norm(norm.after)))}."
        )
        + note(
            "The “last hidden state” that libraries hand out is usually this one, after the norm: "
            "it does not lie in the same space as the stream after the other layers."
        )
    )
    root = float(np.sqrt(norm.variance + (norm.epsilon or 0.0)))
    brief = f"The final {name} divides the vector of {focus_token(story)} by {significant(root)}."
    return Chapter("norm", f"The final {name}", body, brief)


def prediction_chapter(story: Story) -> Chapter | None:
    """Logits and their softmax."""
    prediction = story.prediction
    if prediction is None:
        return None
    best = prediction.top[0]
    answer = story.loss.target[0] if story.loss is not None else None
    marked = next((i for i, row in enumerate(prediction.top) if row[0] == answer), None)
    rows: list[list[Cell | str]] = [
        [
            Cell(token(visible(string))),
            str(number),
            fixed(logit),
            significant(float(np.exp(logit - prediction.largest)), 3),
            percent(share),
        ]
        for number, string, logit, share in prediction.top
    ]
    covered = sum(row[3] for row in prediction.top)
    rest = prediction.total - sum(np.exp(row[2] - prediction.largest) for row in prediction.top)
    others = max(0, prediction.vocabulary - len(prediction.top))
    foot: list[list[Cell | str]] = []
    if others:
        foot.append(
            [
                Cell(f"the other {others:,}", head=True),
                "",
                "",
                significant(float(max(rest, 0.0)), 3),
                percent(max(0.0, 1 - covered)),
            ]
        )
    foot.append([Cell("sum", head=True), "", "", significant(prediction.total, 5), "100 %"])
    after = ""
    if story.choice.answer:
        after = paragraphs(
            "And after the whole text, where nobody knows the answer, the model expects "
            + ", ".join(f"{token(visible(s))} ({percent(p)})" for s, p in prediction.after)
            + "."
        )
    body = (
        paragraphs(
            "The final vector is compared with one vector for each token of the vocabulary by dot "
            f"products. The {prediction.vocabulary:,} results are called <em>logits</em>: the "
            "better a token fits, the larger."
        )
        + equation(
            r"\ell_w = u_w \cdot y + b_w" if prediction.bias else r"\ell_w = u_w \cdot y",
            f"{formula('y')} is the vector after the final norm, {formula('u_w')} the output "
            f"vector of token {formula('w')}"
            + (
                ", which in this model is its embedding: the two tables are one (<em>tied</em>)."
                if story.tied
                else "."
            ),
        )
        + _logit(story, prediction)
        + paragraphs(
            "A softmax over the whole vocabulary, as in attention, makes probabilities of them. "
            "Only differences between logits count; the largest is taken off first."
        )
        + equation(
            r"p_w = \frac{e^{\ell_w - m}}{\sum_{w'} e^{\ell_{w'} - m}}",
            f"{formula('m')} = {fixed(prediction.largest)} is the largest logit, the sum below "
            f"runs over all {prediction.vocabulary:,} tokens and is "
            f"{significant(prediction.total, 5)}.",
        )
        + table(
            f"What the model expects after {focus_token(story)}",
            ["token", ">number", f">logit {LOGIT}", f">power {POWER}", ">probability"],
            rows,
            foot,
            marked=marked,
        )
        + figure(
            bars(
                [visible(row[1]) for row in prediction.top],
                [row[3] for row in prediction.top],
                [percent(row[3]) for row in prediction.top],
                "Probabilities of the ten likeliest next tokens",
                marked=[] if marked is None else [marked],
            ),
            f"The likeliest tokens after {focus_token(story)}"
            + (
                ". The marked one is what the text really goes on with."
                if marked is not None
                else "."
            ),
        )
        + paragraphs(
            f"How open is this? The entropy of all probabilities is {fixed(prediction.entropy)} "
            "nats: as much uncertainty as among "
            f"{significant(float(np.exp(prediction.entropy)), 3)} equally likely tokens, of "
            f"{prediction.vocabulary:,}."
        )
        + after
        + code(*prediction_snippet(story))
    )
    brief = (
        f"After {focus_token(story)} the model expects {token(visible(best[1]))} first, with "
        f"{percent(best[3])}."
    )
    return Chapter("prediction", "Softmax: what comes next", body, brief)


def _logit(story: Story, prediction: Prediction) -> str:
    state, column = prediction.state, prediction.column
    if state is None or column is None:
        return note("The vocabulary of this model is too large to work a logit here.")
    number, string, logit, _ = prediction.top[0]
    products = state * column
    order = np.argsort(-np.abs(products), kind="stable")
    rows: list[list[Cell | str]] = [
        [str(c), fixed(state[c]), fixed(column[c]), fixed(products[c])]
        for c in order[:TERMS].tolist()
    ]
    foot: list[list[Cell | str]] = [
        [
            Cell(f"the other {len(order) - TERMS:,}", head=True),
            "",
            "",
            fixed(float(products[order[TERMS:]].sum())),
        ]
    ]
    if prediction.bias:
        foot.append([Cell("bias", head=True), "", "", fixed(prediction.bias)])
    foot.append(
        [
            Cell("logit" if not prediction.cap else "sum", head=True),
            "",
            "",
            fixed(float(products.sum()) + prediction.bias),
        ]
    )
    cap = (
        f"This family bends or scales the sums afterwards: the logit is {fixed(logit)}."
        if prediction.cap
        else ""
    )
    return table(
        f"The logit of {token(visible(string))} (number {number}), its largest products by channel",
        [">channel", f">state {formula('y')}", f">output vector {formula('u_w')}", ">product"],
        rows,
        foot,
    ) + note(cap)
