"""Plots: the same picture and the same numbers every time, in letters that can be drawn."""

import csv
import io
import warnings

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.plots import DARK, LIGHT, THEMES, Plot, Table, log_scale, readable
from napari_gpt2_tomo.display.plots.letters import families, readable_labels

UNKNOWN = "\U00012000"
"""A cuneiform sign, which no font has that a plot looks in."""


def draw(figure, theme):
    axes = figure.subplots()
    axes.imshow(np.arange(6).reshape(2, 3), cmap=theme.sequential)
    axes.set_xticks([0, 1, 2], ["a", "$b$", UNKNOWN])
    axes.set_yticks([0, 1])
    axes.set_yticklabels([f"{UNKNOWN}!", "d"])
    axes.set_xlabel("שלום")


TABLE = Table.of_grid(np.arange(6.0).reshape(2, 3), row=("p", "q"), column=("a", "=b", "c"))
PLOT = Plot("a-plot", f"A plot of {UNKNOWN}", draw, TABLE, "Six numbers.", (3.0, 2.0))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_is_the_same_every_time(kind):
    first = PLOT.picture(kind)
    assert first == PLOT.picture(kind)
    assert first != PLOT.picture(kind, DARK)


def test_no_letter_is_missing_and_nobody_is_warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = PLOT.picture("svg").decode()
    assert "U+12000!" in text
    assert "A plot of U+12000" in text
    assert "$b$" in text, "a token is no formula"


def test_letters_become_numbers_only_where_no_font_has_them():
    assert readable("plain ·é") == "plain ·é"
    assert readable(f"x{UNKNOWN}y") == "xU+12000y"
    assert readable_labels(["a", UNKNOWN]) == ("a", "U+12000")
    assert "DejaVu Sans" in families()


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_letters_stand_out_from_their_ground(theme):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot((0.2126, 0.7152, 0.0722), linear))

    for colour in (theme.text, theme.accent, *theme.cycle):
        low, high = sorted((light(colour), light(theme.panel)))
        # Contrast as WCAG 2 defines it; 4.5 for text, 3 for lines.
        assert (high + 0.05) / (low + 0.05) >= (4.5 if colour == theme.text else 3), colour


def test_numbers_go_to_a_spreadsheet_as_they_are():
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows[0] == ["row", "column", "value"]
    assert rows[1:4] == [["p", "a", "0"], ["p", "'=b", "1"], ["p", "c", "2"]]
    assert len(rows) == len(TABLE) + 1 == 7


def test_columns_must_be_of_one_length():
    with pytest.raises(ValueError, match="different lengths"):
        Table({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="do not fit"):
        Table.of_grid(np.zeros((2, 2)), row=("a",), column=("b", "c"))


def test_the_ending_says_what_is_written(tmp_path):
    for name, begins in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.csv", b"row,")):
        PLOT.save(tmp_path / name, LIGHT)
        assert (tmp_path / name).read_bytes().startswith(begins)
    with pytest.raises(DisplayError, match=r"\.png, \.svg or \.csv"):
        PLOT.save(tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


def ticks(low, high, which="y", minor=False):
    """What is written along a logarithmic axis."""

    def draw(figure, theme):
        axes = figure.subplots()
        log_scale(axes, which)
        axes.set(**{f"{which}lim": (low, high)})

    figure = Plot("log", "Logarithmic", draw, TABLE).figure(DARK)
    figure.draw_without_rendering()
    axis = getattr(figure.axes[0], f"{which}axis")
    found = [*axis.get_major_ticks(), *(axis.get_minor_ticks() if minor else ())]
    low, high = sorted((low, high))
    return [t.label1.get_text() for t in found if low <= t.get_loc() <= high]


@pytest.mark.parametrize("which", ["x", "y"])
def test_powers_of_ten_are_numbers_and_no_formulas(which):
    assert ticks(0.01, 1_000, which) == ["0.01", "0.1", "1", "10", "100", "1,000"]
    assert ticks(100_000, 1, which)[-1] == "100,000"
    assert ticks(1e-6, 1e-5, which) == ["1e-06", "1e-05"]


def test_a_short_logarithmic_axis_has_numbers_too():
    assert "5" in ticks(3, 20, minor=True)
    assert "20" in ticks(3, 20, minor=True)
    assert "3" not in ticks(3, 20, minor=True)
    assert {"3", "4"} <= set(ticks(2.8, 4.4, minor=True))
    assert set(ticks(1, 10_000, minor=True)) == {"1", "10", "100", "1,000", "10,000", ""}
