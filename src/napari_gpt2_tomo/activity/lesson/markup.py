"""Pieces of the lesson's markup: numbers as they are written, tables, tokens, code."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...page import in_attribute, in_text
from .mathml import formula

__all__ = [
    "Cell",
    "aside",
    "code",
    "equation",
    "figure",
    "fixed",
    "note",
    "paragraphs",
    "percent",
    "significant",
    "slot",
    "table",
    "token",
]

MINUS = "\N{MINUS SIGN}"

SMALLEST_PERCENT = 0.0001
"""Percent below which a share is told as "less than" this."""


def fixed(value: float, decimals: int = 3) -> str:
    """A number with so many decimals; ``lesson.js`` writes the same letters (`fixed` there)."""
    if not math.isfinite(value):
        return f"{MINUS}∞" if value < 0 else "∞" if value > 0 else "not a number"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def significant(value: float, digits: int = 4) -> str:
    """A number with so many significant digits; powers of ten where it is very small or large."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else fixed(value)
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 6:
        return f"{value:,.{max(0, digits - 1 - size)}f}".replace("-", MINUS)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{power}".replace("-", MINUS)


def percent(share: float) -> str:
    """A share of one as percent, with the digits that its size deserves, as the script does."""
    value = 100 * share
    if not math.isfinite(value):
        return "not a number"
    if value <= 0:
        return "0 %"
    if value < SMALLEST_PERCENT:
        return f"< {SMALLEST_PERCENT} %"
    decimals = 1 if value >= 10 else 2 if value >= 1 else 3 if value >= 0.01 else 4
    return f"{value:.{decimals}f} %"


def slot(name: str, text: str, kind: str = "span") -> str:
    """Text that the page's script replaces when another head or token is chosen."""
    return f'<{kind} data-slot="{in_attribute(name)}">{in_text(text)}</{kind}>'


def token(label: str, extra: str = "") -> str:
    """A token as it is named in running text, isolated from the direction of the text around."""
    more = f" {extra}" if extra else ""
    return f'<bdi class="token{more}">{in_text(label)}</bdi>'


def paragraphs(*texts: str) -> str:
    """Paragraphs of markup; empty ones are left out."""
    return "".join(f"<p>{text}</p>" for text in texts if text)


def note(text: str) -> str:
    """A remark that stands back."""
    return f'<p class="note">{text}</p>' if text else ""


def aside(title: str, body: str) -> str:
    """What a reader may open who wants to know more."""
    return f"<details><summary>{title}</summary><div>{body}</div></details>"


def equation(latex: str, words: str) -> str:
    """A formula on its own line, with a sentence that names its letters."""
    # Several side by side stand below one another where there is no room.
    parts = "".join(formula(part.strip(), block=True) for part in latex.split(r"\qquad"))
    spoken = f'<p class="where">{words}</p>' if words else ""
    return (
        '<div class="equation"><div class="scroll" tabindex="0" role="group" aria-label="Formula">'
        f"{parts}</div>{spoken}</div>"
    )


def figure(drawing: str, caption: str, kind: str = "") -> str:
    """A drawing with its caption; `caption` is markup."""
    more = f" {kind}" if kind else ""
    return (
        f'<figure class="drawing{more}"><div class="scroll" tabindex="0" role="group" '
        f'aria-label="Drawing, may scroll sideways">{drawing}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    markup
        What stands in it.
    number
        Whether it is set flush right, in figures of one width.
    head
        Whether it names its row.
    slot
        Name by which the page's script finds it.
    kind
        Further classes.
    """

    markup: str
    number: bool = False
    head: bool = False
    slot: str = ""
    kind: str = ""

    def render(self) -> str:
        """The element."""
        tag = "th" if self.head else "td"
        classes = " ".join(part for part in ("n" if self.number else "", self.kind) if part)
        attributes = ' scope="row"' if self.head else ""
        attributes += f' class="{in_attribute(classes)}"' if classes else ""
        attributes += f' data-slot="{in_attribute(self.slot)}"' if self.slot else ""
        return f"<{tag}{attributes}>{self.markup}</{tag}>"


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell | str]],
    foot: Sequence[Sequence[Cell | str]] = (),
    marked: int | None = None,
) -> str:
    """A table that may scroll sideways.

    Parameters
    ----------
    caption
        Markup of what it shows.
    columns
        Markup of the heads; one that begins with ``>`` belongs to a column of numbers.
    rows, foot
        Cells; a bare string is the markup of a number.
    marked
        Row that is what the text is about.
    """
    heads = "".join(_column(one) for one in columns)

    def line(cells: Sequence[Cell | str], number: int = -1) -> str:
        made = (one if isinstance(one, Cell) else Cell(one, number=True) for one in cells)
        kind = ' class="marked"' if number == marked else ""
        return f"<tr{kind}>{''.join(one.render() for one in made)}</tr>"

    body = "".join(line(cells, number) for number, cells in enumerate(rows))
    end = f"<tfoot>{''.join(map(line, foot))}</tfoot>" if foot else ""
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table, may scroll sideways">'
        f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}</tbody>{end}</table></div>"
    )


def _column(head: str) -> str:
    if not head:
        return "<td></td>"
    if head.startswith(">"):
        return f'<th scope="col" class="n">{head[1:]}</th>'
    return f'<th scope="col">{head}</th>'


def code(source: str, language: str, label: str, prints: str = "") -> str:
    """Code to copy, and what it prints."""

    def box(text: str, name: str, kind: str) -> str:
        return (
            f'<pre class="{kind}" tabindex="0" role="group" aria-label="{in_attribute(name)}">'
            f"{text}</pre>"
        )

    made = box(f'<code class="{in_attribute(language)}">{in_text(source)}</code>', label, "scroll")
    button = '<button type="button" class="copy" hidden>Copy</button>'
    result = ""
    if prints:
        told = box(f"<samp>{in_text(prints)}</samp>", f"Printed: {label}", "scroll prints")
        result = f'<p class="prints-name">It prints</p>{told}'
    return f'<div class="snippet">{made}{button}{result}</div>'
