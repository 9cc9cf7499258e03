"""Where lines of a caption break."""

import pytest

from napari_gpt2_tomo.viewer.lettering import text_width, wrapped

LONG = "axial · section 105 of 212 · L3 K head 4"


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (60, [LONG]),
        (30, ["axial · section 105 of 212 ·", "   L3 K head 4"]),
        (24, ["axial ·", "   section 105 of 212 ·", "   L3 K head 4"]),
        (14, ["axial ·", "   section 105", "   of 212 ·", "   L3 K head 4"]),
    ],
)
def test_lines_break_at_dots_before_they_break_at_spaces(width, expected):
    assert wrapped([LONG], width, width, len) == expected


def test_the_first_line_may_be_shorter_and_a_value_stays_with_its_sign():
    lines = ["channel 447", "h.4.attn.c_attn.weight[447, 1064] = 0.0184"]
    assert wrapped(lines, 40, 8, len) == [
        "channel",
        "   447",
        "h.4.attn.c_attn.weight[447, 1064]",
        "   = 0.0184",
    ]


def test_a_word_that_is_too_long_stays_whole():
    assert wrapped(["h.4.attn.c_attn.weight"], 5, 5, len) == ["h.4.attn.c_attn.weight"]
    assert wrapped(["", "a"], 5, 5, len) == ["", "a"]


def test_lengths_are_those_of_a_canvas(qapp):
    assert text_width("iiii", 9.0) < text_width("WWWW", 9.0)
    assert text_width("axial", 18.0) == pytest.approx(2 * text_width("axial", 9.0), rel=0.1)
