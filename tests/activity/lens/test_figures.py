"""The figures draw and know their numbers, for texts of any length, in both themes."""

import csv
import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_gpt2_tomo.activity.lens import (
    compare_next,
    compare_streams,
    continuation,
    logit_attribution,
    logit_lens,
    next_token,
    reading,
    sampling,
    titles,
)
from napari_gpt2_tomo.activity.lens.figures import (
    FIGURES,
    compare_lens_plot,
    compare_next_plot,
    compare_streams_plot,
    continuation_plot,
    lens_plot,
    next_plot,
    steps_plot,
    strongest_plot,
    text_plot,
    token_at,
)
from napari_gpt2_tomo.display.plots import DARK, LIGHT


def rows(plot):
    return list(csv.DictReader(io.StringIO(plot.table.csv())))


def resized(plot, width, height):
    return replace(plot, size=(width, height))


def words(figure):
    """Every text in a figure that can be seen."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_every_figure_of_a_story_is_drawn_light_and_dark(stories):
    plots = [figure(stories) for figure in FIGURES]
    assert len({plot.name for plot in plots}) == len(plots)
    for plot, theme in zip(plots, [LIGHT, DARK] * len(plots), strict=False):
        assert len(plot.figure(theme).axes) >= 1
        assert rows(plot)
        assert plot.caption


def test_a_single_token_has_the_figures_that_make_sense(stories):
    one = stories.model.run([1])
    names = [None if (plot := figure(one)) is None else plot.name for figure in FIGURES]
    assert names.count(None) == 1
    for figure in FIGURES:
        plot = figure(one)
        if plot is not None:
            plot.figure()


def test_encoders_and_stored_activities_have_fewer_figures(activity_of, stories):
    names = [plot.name for figure in FIGURES if (plot := figure(activity_of("bert"))) is not None]
    assert names == ["logit-lens", "logit-lens-certainty", "token-across-layers"]
    stored = type(stories)(stories.tokens, dict(stories.items()), stories.source)
    names = [plot.name for figure in FIGURES if (plot := figure(stored)) is not None]
    assert names == ["next-token", "surprisal-text", "surprisal"]


def test_cells_have_words_only_where_they_can_be_read(stories):
    lens = logit_lens(stories)
    assert words(lens_plot(lens).figure()).count("·Lily") == 2
    assert "·Lily" not in words(resized(lens_plot(lens), 3.0, 3.0).figure())


def test_the_table_of_the_lens_has_every_kept_token(stories):
    lens = logit_lens(stories, k=3)
    table = rows(lens_plot(lens, start=12, stop=14))
    assert len(table) == len(lens.names) * 2 * 3
    last = table[-3]
    assert (last["state"], last["token"], last["rank"]) == ("after final norm", "·Lily", "1")
    assert float(last["probability"]) == pytest.approx(float(lens.probability[-1, -1, 0]))


def test_bars_of_the_strongest_parts_sum_to_the_logit(stories):
    attribution = logit_attribution(stories, against="mean")
    figure = strongest_plot(attribution, 5).figure()
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    assert sum(bars) == pytest.approx(attribution.total)
    steps = rows(steps_plot(attribution))
    assert float(steps[-1]["up to here"]) == pytest.approx(attribution.total)


def test_sampling_shows_what_is_cut_off(stories):
    prediction = next_token(stories, k=6)
    drawn = sampling(prediction.chances.logits, 1.0, top_k=2)
    plot = next_plot(prediction, drawn)
    assert words(plot.figure()).count("cut off") == 4
    assert "top-k 2" in plot.title
    assert [float(row["probability when drawn"]) > 0 for row in rows(plot)] == [True] * 2 + [
        False
    ] * 4


def test_a_token_is_found_where_it_is_drawn(stories):
    read = reading(stories)
    figure = text_plot(read).figure()
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = axes.collections[0]
    for place in (0, 5, len(read.tokens) - 1):
        corners = boxes.get_transform().transform(boxes.get_paths()[place].vertices[:4])
        x, y = corners.mean(axis=0)
        event = SimpleNamespace(x=x, y=y, inaxes=axes, canvas=figure.canvas, name="")
        assert token_at(read, event) == place
    assert token_at(read, SimpleNamespace(x=1, y=1, inaxes=axes, canvas=figure.canvas)) is None


def test_long_texts_wrap_and_are_thinned(stories):
    long = stories.model.run("Once upon a time there was a dog. " * 8)
    read = reading(long)
    assert len(read.tokens) > 60
    figure = text_plot(read).figure()
    tops = {path.vertices[0, 1] for path in figure.axes[0].collections[0].get_paths()}
    assert len(tops) > 2
    labels = [text.get_text() for text in lens_plot(logit_lens(long)).figure().axes[0].texts]
    assert len(labels) <= 2000
    ticks = resized(lens_plot(logit_lens(long)), 4.2, 4.0).figure().axes[0].get_xticks()
    assert 10 < len(ticks) < 30


def test_a_continuation_frames_what_was_taken(stories):
    steps = list(continuation(stories.model, stories.text, 5, temperature=1.5, seed=2))
    plot = continuation_plot(steps)
    figure = plot.figure()
    framed = sum(step.rank <= 5 for step in steps)
    assert len(figure.axes[0].patches) == framed
    assert len(rows(plot)) == 5 * 5


def test_two_prompts_stand_side_by_side(stories):
    other = stories.model.run("Once upon a time, there was a big dog named")
    compared = compare_next(stories, other)
    plot = compare_next_plot(compared)
    assert "KL(left‖right)" in plot.caption
    assert len(rows(plot)) == len(compared.labels)
    text = " ".join(words(plot.figure()))
    assert "little girl named" in text
    assert "big dog named" in text
    pair = logit_lens(stories, halves=False), logit_lens(other, halves=False)
    assert len(compare_lens_plot(*pair, titles(stories, other)).figure().axes) == 4
    streams = compare_streams(stories, other)
    assert np.isclose(float(rows(compare_streams_plot(streams))[0]["value"]), streams.cosine[0, 0])
    compare_streams_plot(streams).figure()
