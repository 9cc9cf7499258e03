"""Letters that can be drawn: what no font of this machine has is shown by its number."""

import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FONTS", "families", "legible", "readable", "readable_labels"]

FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "IPAGothic",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Emoji",
    "Segoe UI Symbol",
    "Arial Unicode MS",
)
"""Families in the order in which a character is looked for; matplotlib brings the first."""

PICTURES = 0x2400
"""First of the pictures of control characters (␀ …), in the order of those."""


@cache
def families() -> tuple[str, ...]:
    """Those of `FONTS` that this machine has; matplotlib complains about the others each time."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FONTS if name in there)


@cache
def _known() -> frozenset[int]:
    """Code points that one of the families has."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    found: set[int] = set()
    for name in families():
        found.update(get_font(findfont(FontProperties(family=name))).get_charmap())
    return frozenset(found)


def readable(text: str) -> str:
    """A text of which every character can be drawn.

    A character that no font has becomes its number, ``U+732B``, the picture of a control
    character its escape, ``\\x07``; marks that only join others (zero-width joiner, choice of a
    picture) are left out.
    """
    if text.isascii():
        return text
    known = _known()
    out: list[str] = []
    for character in text:
        if ord(character) in known or character.isspace():
            out.append(character)
        elif PICTURES <= ord(character) < PICTURES + 0x20:
            out.append(f"\\x{ord(character) - PICTURES:02x}")
        elif unicodedata.category(character) not in ("Cf", "Mn"):
            out.append(f"U+{ord(character):04X}")
    return "".join(out) or "∅"


def readable_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """`readable` of each."""
    return tuple(readable(label) for label in labels)


def _readably(label: Callable[..., str]) -> Callable[..., str]:
    return lambda *place: readable(label(*place))


def legible(figure: "Figure") -> None:
    """Make every text of a drawn figure readable, the labels of its axes too."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter: Any = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter):
                formatter.seq = readable_labels(formatter.seq)
            elif isinstance(formatter, FuncFormatter):
                # What matplotlib makes of ticks that are given with their labels.
                formatter.func = _readably(formatter.func)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        words = text.get_text()
        shown = words if words.isascii() else readable(words)
        if shown != words:
            text.set_text(shown)
