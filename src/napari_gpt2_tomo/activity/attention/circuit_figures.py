"""Pictures of a head's circuits with the values of one text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme
from ...display.plots.cells import cut
from ..record import Activity, Tokens
from .circuits import Circuits
from .contributions import score_terms, written_logits
from .drawing import token_axes
from .metrics import head_name
from .values import model_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["circuit_plot", "score_plot", "written_plot"]

F32 = NDArray[np.float32]

MOST_KEYS = 32
"""Keys of a query that are shown, the ones that it looks at most."""

MOST_TOKENS = 48
"""Different tokens of a text between which circuits are shown."""


def score_plot(activity: Activity, layer: int, head: int, query: int) -> Plot:
    """Why a query looks where it does: its score with each key, by dimension of the head.

    Raises
    ------
    TomoError
        See `score_terms`.
    """
    weights = activity.read("pattern", layer, head, query)
    seen = np.flatnonzero(weights > 0) if query < len(weights) - 1 else np.arange(len(weights))
    kept = np.sort(seen[np.argsort(-weights[seen], kind="stable")[:MOST_KEYS]])
    terms = score_terms(activity, layer, head, query)
    # What is the same for all keys is nothing to the softmax, and would hide the rest.
    terms = (terms - terms[seen].mean(axis=0))[kept]
    labels = [activity.tokens.labels[i] for i in kept.tolist()]
    name, asked = head_name(layer, head), activity.tokens.labels[query]

    def draw(figure: "Figure", theme: Theme) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
        picture = _signed(left, terms, theme, aspect="auto")
        left.set(xlabel="dimension of the head", yticks=range(len(labels)))
        left.set_yticklabels([cut(label) for label in labels])
        left.tick_params(length=0)
        right.barh(range(len(labels)), weights[kept], color=theme.accent)
        right.set(xlabel="attention", xlim=(0, 1))
        right.tick_params(left=False, labelleft=False)
        figure.colorbar(picture, ax=left, location="top", shrink=0.6, label="q · k").outline.set(
            visible=False
        )

    return Plot(
        f"attention-score-{name.lower()}-{query}",
        f"{name}: why {asked} looks where it does",
        draw,
        Table(
            {
                "key": kept,
                "token": labels,
                "attention": weights[kept],
                "q·k, centred": terms.sum(axis=1),
                **{f"dimension {d}": column for d, column in enumerate(terms.T)},
            }
        ),
        f"Query {asked} at position {query}: q × k of each dimension of {name} of "
        f"{activity.source.name} before scaling, relative to the mean over the keys that it sees, "
        "which the softmax ignores; a row's sum is the score from which its attention follows.",
        size=(7.0, 1.6 + 0.2 * len(labels)),
    )


def written_plot(
    activity: Activity,
    circuits: Circuits,
    layer: int,
    head: int,
    query: int,
    source: int,
    n: int = 8,
) -> Plot:
    """What a head adds to the logits at a query by what it takes from one token.

    Raises
    ------
    TomoError
        See `written_logits`.
    """
    logits = written_logits(activity, circuits, layer, head, source, query)
    order = np.argsort(-logits, kind="stable")
    ids = np.concatenate([order[:n], order[len(order) - min(n, max(0, len(order) - n)) :]])
    model = model_of(activity, "A token's name")
    names = _names(model.tokenizer, ids.tolist())
    share = float(activity.read("pattern", layer, head, query, source))
    name = head_name(layer, head)
    asked, taken = activity.tokens.labels[query], activity.tokens.labels[source]
    values = logits[ids]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        places = np.arange(len(ids)) + (np.arange(len(ids)) >= n) * 0.6
        # As in the maps of circuits: warm raises, cold lowers.
        inks = [theme.cycle[1] if value >= 0 else theme.cycle[0] for value in values]
        axes.barh(places, values, color=inks, height=0.75)
        axes.set_yticks(places, [cut(one) for one in names])
        axes.tick_params(axis="y", length=0)
        axes.axvline(0, color=theme.faint, linewidth=0.8)
        axes.invert_yaxis()
        axes.set_xlabel("logit")

    return Plot(
        f"attention-writes-{name.lower()}-{query}-{source}",
        f"{name}: what {asked} gets from {taken} (attention {share:.2f})",
        draw,
        Table({"id": ids, "token": names, "logit": values}),
        f"Logits that {name} of {activity.source.name} adds at {asked} (position {query}) by what "
        f"it takes from {taken} (position {source}), through the final norm and the unembedding: "
        f"the {n} largest and the {n} smallest, relative to the mean over the vocabulary.",
        size=(5.0, 4.2),
    )


def circuit_plot(
    activity: Activity, circuits: Circuits, layer: int, head: int, kind: Literal["ov", "qk"]
) -> Plot:
    """The full OV or QK circuit of a head between the tokens of a text, from its weights alone.

    Raises
    ------
    TomoError
        The model has no unembedding.
    """
    ids, first = np.unique(activity.tokens.ids, return_index=True)
    order = np.argsort(first)[:MOST_TOKENS]
    chosen = ids[order].tolist()
    labels = [activity.tokens.labels[i] for i in first[order].tolist()]
    compute = circuits.ov if kind == "ov" else circuits.qk
    values = compute(layer, head, chosen, chosen)
    name = head_name(layer, head)
    rows, columns, title, said = {
        "ov": (
            "token looked at",
            "token whose logit changes",
            f"{name}: what looking at a token does to the tokens",
            "how much looking at the row's token raises the logit of the column's",
        ),
        "qk": (
            "query",
            "key",
            f"{name}: which token looks for which",
            "how well the column's token fits what the row's token looks for, positions apart",
        ),
    }[kind]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        picture = _signed(axes, values, theme)
        token_axes(axes, labels, theme)
        axes.set(xlabel=columns, ylabel=rows)
        bar = figure.colorbar(picture, ax=axes, location="top", shrink=0.6)
        bar.outline.set_visible(False)

    return Plot(
        f"attention-{kind}-{name.lower()}",
        title,
        draw,
        Table.of_grid(values, row=labels, column=labels),
        f"Full {kind.upper()} circuit of {name} of {activity.source.name} between the tokens of "
        f"this text: {said}. From the weights alone, with the gains of the norms, without their "
        "scales: no logits, but comparable within the picture.",
        size=(6.0, 5.2),
    )


def _signed(
    axes: "Axes", values: F32, theme: Theme, aspect: Literal["equal", "auto"] = "equal"
) -> Any:
    most = float(np.abs(values).max(initial=0)) or 1.0
    return axes.imshow(
        values,
        cmap=theme.diverging,
        vmin=-most,
        vmax=most,
        aspect=aspect,
        interpolation="nearest",
    )


def _names(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Names of ids; the numbers themselves without a tokenizer."""
    strings = [str(id) if tokenizer is None else tokenizer.string(id) for id in ids]
    return list(Tokens.of_ids(ids, strings).labels)
