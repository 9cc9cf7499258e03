"""Chapter: one neuron of the MLP, worked."""

import numpy as np

from ...record.tokens import visible
from ..drawing import bars, lines
from ..facts import Activation
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
from ..mathml import formula
from ..snippets import neuron_snippet
from ..story import Neuron, Story
from .chapter import SHOWN, Chapter, focus_token, norm_name

__all__ = ["mlp_chapter"]

TIMES = formula(r"\odot")
PHI = formula(r"\Phi")
SIGMA = formula(r"\sigma")
W_DOWN = formula(r"W_\text{down}")

TERMS = 6
"""Products that are written out."""

STRONGEST = 10
"""Neurons that are drawn as bars."""

DOTS = 400
"""Neurons that are drawn as dots on the activation function."""


def mlp_chapter(story: Story) -> Chapter | None:
    """What the MLP does with what attention gathered."""
    neuron = story.neuron
    if neuron is None:
        return None
    body = (
        paragraphs(_opening(story, neuron))
        + _shape(story, neuron)
        + _experts(story, neuron)
        + f"<h3>Neuron {neuron.number} of layer {neuron.layer} by hand</h3>"
        + _reading(story, neuron)
        + _activation(neuron)
        + "<h3>What the neuron writes</h3>"
        + _writing(story, neuron)
        + "<h3>The other neurons</h3>"
        + _others(story, neuron)
        + code(*neuron_snippet(story, neuron))
    )
    active = _active(neuron)
    brief = (
        f"In layer {neuron.layer}, neuron {neuron.number} is worth {fixed(neuron.after)} at "
        f"{focus_token(story)}, the one that adds most to the stream; {percent(active)} of the "
        "neurons are clearly on."
    )
    return Chapter("mlp", "The MLP: what to make of it", body, brief)


def _active(neuron: Neuron) -> float:
    largest = np.abs(neuron.all_after).max() or 1.0
    return float((np.abs(neuron.all_after) > 0.1 * largest).mean())


def _opening(story: Story, neuron: Neuron) -> str:
    count = len(neuron.all_after)
    return (
        "Attention carried information from token to token. The MLP (<em>multi-layer "
        f"perceptron</em>) now works on each token alone. Its {count:,} <em>neurons</em> each read "
        "the whole vector, look for one direction in it, and write another direction in the "
        "measure that they found it."
    )


def _shape(story: Story, neuron: Neuron) -> str:
    source = (
        "the stream as it is"
        if not neuron.normed
        else f"the stream after {norm_name(story.norm_kind, article=True)} of its own"
        if story.scheme != "parallel"
        else f"the stream after {norm_name(story.norm_kind, article=True)}, the same stream that "
        "attention "
        "reads"
    )
    if neuron.gated:
        return equation(
            r"h = f(W_\text{gate}^\top n) \odot (W_\text{up}^\top n) \qquad m = W_\text{down}\, h",
            f"{formula('n')} is {source}, {formula('f')} the activation function below, {TIMES} "
            "multiplies neuron by neuron: one side, the gate, decides how much of the other "
            f"passes. {formula('m')} is added to the stream. Biases are left out.",
        )
    return equation(
        r"h = f(W_\text{up}^\top n + b_\text{up}) \qquad m = W_\text{down}\, h + b_\text{down}",
        f"{formula('n')} is {source}, {formula('f')} the activation function below; "
        f"{formula('m')} is added to the stream.",
    )


def _experts(story: Story, neuron: Neuron) -> str:
    if not neuron.experts:
        return ""
    rows: list[list[Cell | str]] = [
        [Cell(f"expert {number}"), percent(share)] for number, share in neuron.experts
    ]
    return paragraphs(
        "This model is a mixture: each layer has many MLPs, the <em>experts</em>, and a router "
        "that sends each token to a few of them and adds up their results in the measure of its "
        f"probabilities. The neuron below belongs to expert {neuron.expert}."
    ) + table(
        f"Experts of {focus_token(story)} in layer {neuron.layer}", ["", ">probability"], rows
    )


def _reading(story: Story, neuron: Neuron) -> str:
    products = neuron.entry * neuron.weights
    order = np.argsort(-np.abs(products), kind="stable")
    rows: list[list[Cell | str]] = [
        [str(c), fixed(neuron.entry[c]), fixed(neuron.weights[c]), fixed(products[c])]
        for c in order[:TERMS].tolist()
    ]
    side = "gate" if neuron.gated else "neuron"
    foot: list[list[Cell | str]] = []
    if len(order) > TERMS:
        rest = float(products[order[TERMS:]].sum())
        foot.append([Cell(f"the other {len(order) - TERMS:,}", head=True), "", "", fixed(rest)])
    if neuron.bias:
        foot.append([Cell("bias", head=True), "", "", fixed(neuron.bias)])
    foot.append([Cell(f"sum {formula('a')}", head=True), "", "", fixed(neuron.before)])
    miss = (
        ""
        if neuron.exact
        else "What this family feeds its MLP is not quite what stands here; the sum is what the "
        "model had."
    )
    return (
        paragraphs(
            f"Of all neurons of this layer this one adds most at {focus_token(story)}. Its {side} "
            "multiplies each channel with a weight and adds up:"
        )
        + table(
            f"The {TERMS} largest products, by channel",
            [">channel", ">read", ">weight", ">product"],
            rows,
            foot,
        )
        + note(miss)
    )


def _activation(neuron: Neuron) -> str:
    one = neuron.activation
    result = f"The neuron's value is {fixed(neuron.after, 4)}."
    gate = ""
    if neuron.gated and neuron.linear is not None:
        opened = neuron.after / neuron.linear if neuron.linear else 0.0
        gate = (
            f"The other side of the neuron, computed likewise, is {fixed(neuron.linear, 4)}, and "
            f"their product {fixed(opened, 4)} × {fixed(neuron.linear, 4)} = "
            f"{fixed(neuron.after, 4)} is the neuron's value."
        )
        result = ""
    if one is None:
        return paragraphs(
            "Then comes an activation function that this page has no formula for.", gate, result
        )
    value = float(one.apply(np.array(neuron.before)))
    return (
        paragraphs(
            "A sum alone could only turn and stretch the space. The <em>activation function</em>, "
            f"here {one.title}, bends it: what is well below zero is cut off."
        )
        + equation(rf"f(a) = {one.latex}", _letters(one))
        + paragraphs(f"f({fixed(neuron.before, 4)}) = {fixed(value, 4)}.", gate, result)
        + figure(_curve(neuron, one), _curve_caption(neuron, one))
    )


def _letters(one: Activation) -> str:
    if one.name == "gelu":
        return f"{PHI} is the distribution function of the normal distribution."
    if one.name in ("silu", "quick_gelu"):
        return f"{SIGMA} is the logistic function."
    return ""


def _curve(neuron: Neuron, one: Activation) -> str:
    low = min(-4.0, float(neuron.all_before.min()))
    high = max(3.0, float(neuron.all_before.max()))
    x = np.linspace(low, high, 121)
    thin = neuron.all_before[:: max(1, len(neuron.all_before) // DOTS)]
    dots = [(float(a), float(y), "speck") for a, y in zip(thin, one.apply(thin), strict=True)]
    mine = (neuron.before, float(one.apply(np.array(neuron.before))), "mark")
    ticks = [(float(v), f"{v:g}".replace("-", "−")) for v in _round_ticks(low, high)]
    return lines(
        x.tolist(),
        [(one.title.split(",")[0], one.apply(x).tolist())],
        f"{one.title} from {low:.1f} to {high:.1f} with a dot for each neuron of layer "
        f"{neuron.layer}",
        across="a",
        up="f(a)",
        points=[*dots, mine],
        ticks=ticks,
        zero=True,
        dots=False,
    )


def _round_ticks(low: float, high: float) -> list[int]:
    step = max(1, round((high - low) / 8))
    return list(range(int(np.ceil(low)), int(np.floor(high)) + 1, step))


def _curve_caption(neuron: Neuron, one: Activation) -> str:
    below = float((neuron.all_before < 0).mean())
    side = "gates" if neuron.gated else "neurons"
    return (
        f"{one.title} with the {len(neuron.all_before):,} {side} of this layer at this token as "
        f"dots (the larger one is neuron {neuron.number}): {percent(below)} lie below zero."
    )


def _writing(story: Story, neuron: Neuron) -> str:
    d = len(neuron.output)
    shown = range(min(SHOWN, d))
    rows: list[list[Cell | str]] = [
        [Cell(f"column of {W_DOWN}", head=True), *(fixed(neuron.output[c], 4) for c in shown)],
        [
            Cell(f"× {fixed(neuron.after, 4)}", head=True),
            *(fixed(neuron.output[c] * neuron.after, 4) for c in shown),
        ],
    ]
    length = float(np.linalg.norm(neuron.output) * abs(neuron.after))
    words = ""
    if neuron.promotes:
        up = ", ".join(f"{token(visible(s))} (+{fixed(x, 2)})" for s, x in neuron.promotes if x > 0)
        down = ", ".join(f"{token(visible(s))} ({fixed(x, 2)})" for s, x in neuron.demotes if x < 0)
        words = (
            f"If that vector went to the output straight away, it would raise the logits of {up} "
            f"most and lower those of {down}. (The final norm, which comes before the output, "
            "scales all of this; later layers may use the vector for something else.)"
        )
    share = (
        note("The whole of it counts in the measure of the expert's share.")
        if neuron.experts
        else ""
    )
    return (
        share
        + table(
            f"What neuron {neuron.number} adds to the stream, first {len(shown)} of {d:,} channels",
            ["", *(f">channel {c}" for c in shown)],
            rows,
            marked=1,
        )
        + paragraphs(f"The vector that is added is {significant(length)} long.", words)
    )


def _others(story: Story, neuron: Neuron) -> str:
    order = np.argsort(-np.abs(neuron.all_after), kind="stable")[:STRONGEST]
    values = neuron.all_after[order]
    small = float((np.abs(neuron.all_after) < 0.01 * (np.abs(neuron.all_after).max() or 1)).mean())
    return figure(
        bars(
            [f"neuron {n}" for n in order],
            values.tolist(),
            [fixed(float(v)) for v in values],
            f"The {len(order)} neurons of layer {neuron.layer} with the largest values at the "
            "followed token",
            marked=np.flatnonzero(order == neuron.number).tolist(),
        ),
        f"The neurons of layer {neuron.layer} with the largest values at {focus_token(story)}. "
        f"{percent(small)} of all {len(neuron.all_after):,} are below a hundredth of the largest.",
    ) + aside(
        "The largest value is not always the largest addition",
        paragraphs(
            "What a neuron adds is its value times the vector that it writes, and those vectors "
            "differ in length. The neuron worked above is first by that product."
        ),
    )
