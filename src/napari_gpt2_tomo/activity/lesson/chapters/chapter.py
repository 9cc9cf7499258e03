"""A chapter of the lesson, and what several chapters say."""

from dataclasses import dataclass

import numpy as np

from ..markup import Cell, equation, fixed, note, paragraphs, significant, table, token
from ..mathml import formula
from ..story import Norm, Story

__all__ = ["Chapter", "channels", "focus_token", "norm_at_work", "norm_name"]

EPSILON = formula(r"\varepsilon")
MU = formula(r"\mu")
SIGMA = formula(r"\sigma^2")

SHOWN = 4
"""Channels of a vector that are written out."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of the lesson.

    Attributes
    ----------
    key
        Of links to it.
    title
        Plain text.
    body
        Markup.
    brief
        What it finds, in one or two sentences with its main numbers; markup.
    """

    key: str
    title: str
    body: str
    brief: str


def focus_token(story: Story) -> str:
    """The followed token, as it is named in running text."""
    return token(story.tokens.labels[story.choice.focus])


def norm_name(kind: str, article: bool = False) -> str:
    """What a norm is called."""
    name = "RMSNorm" if kind == "rms" else "LayerNorm"
    return f"{'an' if kind == 'rms' else 'a'} {name}" if article else name


def channels(count: int) -> str:
    """Heads of the columns that show the first channels of a vector."""
    return f"first {min(SHOWN, count)} of {count:,} channels"


def norm_at_work(norm: Norm, name: str) -> str:
    """A norm worked in numbers on the followed token; `name` says which vector, as markup."""
    d = len(norm.before)
    layered = norm.kind == "layer"
    latex = (
        r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}"
        if layered
        else r"y = \frac{x}{\sqrt{\frac{1}{d}\sum_{c} x_c^2 + \varepsilon}}"
    )
    said = [
        f"{MU} and {SIGMA} are mean and variance of the vector's own {d:,} channels"
        if layered
        else f"The vector is divided by the root of the mean square of its own {d:,} channels; no "
        "mean is taken off",
        f"{EPSILON} = {significant(norm.epsilon, 3).replace('.00 ', ' ')}"
        if norm.epsilon is not None
        else f"a small {EPSILON} keeps the root away from zero",
    ]
    if norm.gain is not None:
        latex += r" \odot g"
        said.append(f"the gain {formula('g')}, learned, multiplies channel by channel")
    if norm.bias is not None:
        latex += " + b"
        said.append(f"the bias {formula('b')} is added")
    root = float(np.sqrt(norm.variance + (norm.epsilon or 0.0)))
    if layered:
        numbers = (
            f"For {name} the mean is {significant(norm.mean)}, the variance "
            f"{significant(norm.variance)}, and so the divisor {significant(root, 5)}."
        )
    else:
        numbers = (
            f"For {name} the mean square is {significant(norm.variance)}, and so the divisor "
            f"{significant(root, 5)}."
        )
    shown = range(min(SHOWN, d))
    rows: list[list[Cell | str]] = [
        [Cell("before", head=True), *(fixed(norm.before[c], 4) for c in shown)]
    ]
    if layered:
        rows.append(
            [
                Cell("less the mean", head=True),
                *(fixed(norm.before[c] - norm.mean, 4) for c in shown),
            ]
        )
    rows.append(
        [
            Cell("divided", head=True),
            *(fixed((norm.before[c] - norm.mean) / root, 4) for c in shown),
        ]
    )
    if norm.gain is not None:
        gain = norm.gain
        rows.append([Cell("gain", head=True), *(fixed(gain[c], 4) for c in shown)])
    if norm.bias is not None:
        bias = norm.bias
        rows.append([Cell("bias", head=True), *(fixed(bias[c], 4) for c in shown)])
    rows.append([Cell("after", head=True), *(fixed(norm.after[c], 4) for c in shown)])
    missed = ""
    if not norm.exact:
        missed = (
            "This family does something more here than the formula says, so that the last row is "
            "what the model computed, not what the rows above make."
        )
    return (
        equation(latex, "; ".join(said) + ".")
        + paragraphs(numbers)
        + table(
            f"{norm_name(norm.kind)} of {name}, {channels(d)}",
            ["", *(f">channel {c}" for c in shown)],
            rows,
            marked=len(rows) - 1,
        )
        + note(missed)
    )
