"""Chapters: the loss, its gradient, and one step of learning."""

import numpy as np

from ....page import in_text
from ...record.tokens import visible
from ..drawing import bars, lines
from ..gradient_drawing import grid
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
from ..snippets import gradient_snippet, loss_snippet
from ..story import Gradient, Story
from .chapter import Chapter, focus_token

__all__ = ["gradient_chapter", "loss_chapter"]

ETA = formula(r"\eta")


def loss_chapter(story: Story) -> Chapter | None:
    """How wrong the model was."""
    loss, choice = story.loss, story.choice
    if loss is None:
        return None
    focus = choice.focus
    share, surprise = float(loss.shares[focus]), float(loss.losses[focus])
    answer = token(visible(loss.target[1]))
    vocabulary = story.sizes.vocab or 0
    uniform = float(np.log(vocabulary)) if vocabulary else 0.0
    labels = story.tokens.labels
    first = choice.first
    count = len(loss.losses)
    last = min(choice.stop, count)
    pairs = [f"{labels[i]} → {labels[i + 1]}" for i in range(first, last)]
    rank = int(loss.ranks[focus])
    place = "its first choice" if rank == 0 else f"number {rank + 1} of its list"
    guess = (
        f"A model that knew nothing would give each of the {vocabulary:,} tokens the same "
        f"probability and lose ln {vocabulary:,} = {fixed(uniform)} everywhere."
        if vocabulary
        else ""
    )
    rows: list[list[Cell | str]] = [
        [
            str(i),
            Cell(token(labels[i])),
            Cell(token(labels[i + 1])),
            percent(float(loss.shares[i])),
            fixed(float(loss.losses[i])),
            str(int(loss.ranks[i]) + 1),
        ]
        for i in range(first, last)
    ]
    mean = Cell("mean", head=True)
    body = (
        paragraphs(
            f"The text goes on with {answer}. The model gave that {percent(share)}; it was "
            f"{place}. How bad is that? In training it is measured by the <em>cross-entropy</em>: "
            "the negative logarithm of the probability that the truth was given. A sure and right "
            "guess loses 0, and the smaller the probability of what came, the more is lost."
        )
        + equation(
            r"L_t = -\ln p_{\text{true}} = \ln \sum_w e^{\ell_w} - \ell_{\text{true}}",
            f"At {focus_token(story)}: −ln {significant(share)} = {fixed(surprise, 4)}.",
        )
        + paragraphs(
            "One reading of the text asks this question at every position at once, for no token "
            f"sees those after it: {count} question{'s' if count > 1 else ''}, and what the model "
            "is trained on is their mean."
        )
        + figure(
            bars(
                pairs,
                [float(x) for x in loss.losses[first:last]],
                [
                    f"{fixed(float(x))}  ({percent(float(p))})"
                    for x, p in zip(loss.losses[first:last], loss.shares[first:last], strict=True)
                ],
                "Loss at each position of the text",
                marked=[focus - first],
                letters=26,
            ),
            "Loss at each position, from a token to the next, and the probability that the next "
            "one was given.",
        )
        + table(
            f"True next tokens, and what they were worth to the model{_last(first, last, count)}",
            [">position", "token", "true next", ">probability", ">loss", ">rank"],
            rows,
            [[mean, "", "", "", fixed(loss.mean, 4), ""]],
            marked=focus - first,
        )
        + equation(
            r"L = \frac{1}{T - 1} \sum_{t=0}^{T-2} L_t \qquad \text{perplexity} = e^{L}",
            f"{formula('T')} = {len(story.tokens)} tokens, {formula('L')} = "
            f"{fixed(loss.mean, 4)}, perplexity {significant(float(np.exp(loss.mean)))}: on "
            f"average the model was as unsure as among so many equally likely tokens. {guess}",
        )
        + code(*loss_snippet(story))
    )
    brief = (
        f"The true next token {answer} had {percent(share)}: a loss of {fixed(surprise, 4)}. The "
        f"mean over the text is {fixed(loss.mean, 4)}."
    )
    return Chapter("loss", "The loss: what really came", body, brief)


def _last(first: int, last: int, count: int) -> str:
    return "" if last - first == count else f", positions {first} to {last - 1} of {count}"


def gradient_chapter(story: Story) -> Chapter | None:
    """Which way to change the weights, and what one step does."""
    gradient, loss = story.gradient, story.loss
    if gradient is None or loss is None:
        return None
    change = gradient.after - gradient.before
    foretold = -gradient.rate * gradient.norm**2
    name, index, value, slope = gradient.weight
    place = ", ".join(map(str, index))
    moved = value - gradient.rate * slope
    rows: list[list[Cell | str]] = [
        [
            Cell(token(visible(string))),
            percent(share),
            "1" if number == loss.target[0] else "0",
            fixed(error, 4),
        ]
        for number, string, share, error in gradient.error
    ]
    target = next((i for i, row in enumerate(gradient.error) if row[0] == loss.target[0]), None)
    fell = "falls" if change < 0 else "rises"
    verdict = (
        f"The loss {fell} from {fixed(gradient.before, 5)} to {fixed(gradient.after, 5)}, by "
        f"{fixed(abs(change), 5)}. The gradient alone foretold {fixed(abs(foretold), 5)}: the "
        "difference is the curvature of the loss, which a straight line does not know."
    )
    body = (
        paragraphs(
            "How would each weight have to change for the loss to be smaller? The "
            "<em>gradient</em> answers this for all weights at once: it is the slope of the loss "
            "along each of them. It begins at the output, where it has a simple form: the "
            "probabilities less the truth."
        )
        + equation(
            r"\frac{\partial L_t}{\partial \ell_w} = p_w - y_w",
            f"{formula('y_w')} is 1 for the true token and 0 for all others: the truth's logit is "
            "pulled up, each other is pushed down by its probability.",
        )
        + table(
            f"Slope of the loss at {focus_token(story)} along each logit (the mean over the text "
            f"has it divided by {len(loss.losses)})",
            [
                "token",
                f">given {formula('p_w')}",
                f">truth {formula('y_w')}",
                f">slope {formula('p_w - y_w')}",
            ],
            rows,
            marked=target,
        )
        + paragraphs(
            "From there the chain rule carries it back through the unembedding, the norms, every "
            f"MLP and every head to each of the {gradient.n_parameters:,} weights: this is "
            "<em>backpropagation</em>. As one long arrow the gradient of the mean loss is "
            f"{significant(gradient.norm, 5)} long; its parts show where this text would change "
            "the model most."
        )
        + figure(
            grid(gradient.norms),
            "Length of the gradient in each part of the model, for this text: stronger is longer.",
            "wide",
        )
        + "<h3>One step of gradient descent</h3>"
        + equation(
            r"w' = w - \eta\, \frac{\partial L}{\partial w}",
            f"Every weight takes a small step against its slope; {ETA} = {gradient.rate:g} here "
            "(the learning rate).",
        )
        + paragraphs(
            f"The weight with the steepest slope is <code>{in_text(name)}[{place}]</code>: it is "
            f"{significant(value)}, its slope {significant(slope)}, and so it becomes "
            f"{significant(value)} − {gradient.rate:g} × ({significant(slope)}) = "
            f"{significant(moved, 5)}."
        )
        + equation(
            r"L(w') \approx L(w) - \eta \left\| \frac{\partial L}{\partial w} \right\|^2",
            f"For a small step the loss should fall by {gradient.rate:g} × "
            f"{significant(gradient.norm, 5)}² = {fixed(abs(foretold), 5)}.",
        )
        + paragraphs(verdict)
        + _rates(gradient)
        + note(
            "This is the plainest optimiser (SGD) on one text. Training averages over many texts "
            "at each step, usually with an optimiser that scales each weight's step by its past "
            "slopes (Adam), and takes many thousands of steps. The model that you ran is not "
            "changed."
        )
        + code(*gradient_snippet(story, gradient))
    )
    brief = (
        f"The gradient of the mean loss is {significant(gradient.norm)} long. One step of rate "
        f"{gradient.rate:g} changes the loss from {fixed(gradient.before, 4)} to "
        f"{fixed(gradient.after, 4)}."
    )
    return Chapter("gradient", "The gradient: how to learn from it", body, brief)


def _rates(gradient: Gradient) -> str:
    tried = sorted([*gradient.tried, (0.0, gradient.before), (gradient.rate, gradient.after)])
    if len(tried) < 3:
        return ""
    rates = [one[0] for one in tried]
    straight = [gradient.before - rate * gradient.norm**2 for rate in rates]
    real = [one[1] for one in tried]
    low = min(min(real), gradient.before) - 0.15 * (max(real) - min(real))
    shown = [max(one, low) for one in straight]
    ticks = [
        (rate, significant(rate, 2) if rate else "0")
        for rate in (rates[0], gradient.rate, rates[-1])
    ]
    return figure(
        lines(
            rates,
            [("real", real), ("line", shown)],
            "Loss after one step, by learning rate: the real one, and the straight line of the "
            "gradient",
            across="learning rate η",
            up="mean loss after the step",
            ticks=ticks,
        ),
        "The same step with other rates: the model's real loss, and what the gradient's straight "
        "line foretells (cut off at the bottom). Small steps follow the line; large ones "
        "overshoot.",
    )
