"""Figures of attention: drawn, with every number that they show."""

import csv
import io

import numpy as np
import pytest

from napari_gpt2_tomo.activity.attention.circuit_figures import (
    circuit_plot,
    score_plot,
    written_plot,
)
from napari_gpt2_tomo.activity.attention.circuits import Circuits
from napari_gpt2_tomo.activity.attention.figures import (
    FIGURES,
    SERIES,
    first_last_plot,
    layer_plot,
    measured,
    overview_plot,
    pattern_plot,
)
from napari_gpt2_tomo.activity.attention.looks import Look
from napari_gpt2_tomo.activity.attention.scatter import scatter_plot
from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.display.plots import DARK, LIGHT


def small(n: int = 7, layers: int = 2, heads: int = 3) -> Activity:
    """An activity of random patterns without a model."""
    rng = np.random.default_rng(0)
    pattern = rng.random((layers, heads, n, n)) * np.tri(n)
    pattern /= pattern.sum(axis=-1, keepdims=True)
    strings = tuple(f" ${i}" if i % 2 else "a very long token" for i in range(n))
    return Activity(
        Tokens.of_ids(list(range(n)), strings),
        {"pattern": pattern.astype(np.float32)},
        Source("random"),
    )


def rows(plot) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(plot.table.csv())))


def test_a_pattern_has_a_row_for_each_pair_that_is_seen():
    activity = small()
    plot = pattern_plot(activity, 1, 2)
    found = rows(plot)
    assert len(found) == 7 * 8 / 2
    last = found[-1]
    assert (last["head"], last["query"], last["key"]) == ("L1H2", "6", "6")
    assert float(last["value"]) == pytest.approx(activity["pattern"][1, 2, 6, 6])
    assert plot.name == "attention-l1h2"
    assert pattern_plot(activity, 1, 2, Look(first=False)).name == "attention-l1h2-rest"


@pytest.mark.parametrize("n", [1, 7, 90])
def test_every_figure_is_drawn_for_any_length(n):
    activity = small(n)
    plots = [
        pattern_plot(activity, 0, 0, query=0),
        layer_plot(activity, 1),
        overview_plot(activity),
        first_last_plot(activity),
        scatter_plot(measured(activity), "first", "previous", (0, 1)),
    ]
    for plot in plots:
        assert plot.picture("png", DARK if n == 7 else LIGHT).startswith(b"\x89PNG")
        assert plot.caption


def test_the_report_gets_what_applies():
    stored = [plot.name for make in FIGURES if (plot := make(small()))]
    assert stored == ["attention-overview", "attention-first-last", "heads-first-previous"]
    # One token: nothing to compare heads by.
    assert sum(make(small(1)) is not None for make in FIGURES) == 1
    assert [plot.name for make in SERIES for plot in make(small())] == [
        "attention-layer-0",
        "attention-layer-1",
    ]
    empty = Activity(Tokens.of_ids([1]), {}, Source("empty"))
    assert [make(empty) for make in FIGURES] == [None] * len(FIGURES)
    assert [plot for make in SERIES for plot in make(empty)] == []


def test_a_loaded_model_is_probed_for_the_report(activity):
    names = [plot.name for make in FIGURES if (plot := make(activity))]
    assert names[-1] == "heads-random-previous-induction"


def test_the_scatter_says_what_is_undefined():
    plot = scatter_plot(measured(small()), "first", "duplicate")
    figure = plot.figure()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any("Undefined for this text: duplicate token" in text for text in texts)


def test_circuits_are_drawn_with_the_values_of_the_text(activity):
    circuits = Circuits(activity.model)
    score = score_plot(activity, 1, 0, 5)
    assert [row["key"] for row in rows(score)] == [str(i) for i in range(6)]
    written = rows(written_plot(activity, circuits, 1, 0, 5, 2, n=4))
    logits = [float(row["logit"]) for row in written]
    assert len(written) == 8
    assert logits == sorted(logits, reverse=True)
    ov = rows(circuit_plot(activity, circuits, 0, 1, "ov"))
    # One of the seven tokens stands there twice.
    assert len(ov) == 36
    for plot in (score, circuit_plot(activity, circuits, 0, 1, "qk")):
        assert plot.picture("png").startswith(b"\x89PNG")
