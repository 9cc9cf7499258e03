"""A chapter as the little HTML that Qt shows: its text and tables, formulas in plain letters."""

import re
from collections.abc import Callable, Mapping
from html import escape
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

__all__ = ["plain_chapter", "plain_formula"]

_KEPT = {"p", "h3", "table", "tr", "th", "td", "caption", "em", "small"}
"""Elements whose text is kept, as Qt knows them."""

_LEFT_OUT = {"figure", "svg", "ol", "select", "button", "pre", "details"}
"""Elements that are nothing without a browser, or too long for a dock."""

_EMPTY = re.compile(r"<h3>[^<]*</h3>(?=<h3>|$)")

_VOID = {"br", "img", "input"}

_CLASSES = {"prints-name", "only-script", "without-script", "hidden", "chooser"}
"""Classes of what belongs to the page and not to its text."""


def plain_chapter(body: str) -> str:
    """The markup of a chapter's body in the elements that Qt's rich text knows."""
    reader = _Reader()
    reader.feed(body)
    reader.close()
    # A heading whose drawing is left out has nothing to say here.
    return _EMPTY.sub("", "".join(reader.parts))


def plain_formula(mathml: str) -> str:
    """A formula as one line of markup: fractions with strokes, indices raised and lowered."""
    return _written(ElementTree.fromstring(mathml)).strip()


class _Reader(HTMLParser):
    """Keeps what Qt can show, and turns formulas to text."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipped: list[str] = []
        self._math: list[str] | None = None
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._math is not None:
            self._math.append(self.get_starttag_text() or "")
            return
        classes = set((dict(attrs).get("class") or "").split())
        if self._skipped or tag in _LEFT_OUT or classes & _CLASSES:
            if tag not in _VOID:
                self._skipped.append(tag)
            return
        if tag == "math":
            self._math = [self.get_starttag_text() or ""]
            return
        shown = _shown(tag, classes)
        if shown:
            self.parts.append(f"<{shown}>")
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._math is not None:
            self._math.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if self._math is not None:
            self._math.append(f"</{tag}>")
            if tag == "math":
                formula, self._math = "".join(self._math), None
                room = "&nbsp; &nbsp;" if 'display="block"' in formula else ""
                self.parts.append(f"<i>{plain_formula(formula)}</i>{room}")
            return
        if self._skipped:
            if self._skipped[-1] == tag:
                self._skipped.pop()
            return
        if self._open and self._open[-1] == tag:
            self._open.pop()
            self.parts.append(f"</{_shown(tag, set()).split()[0]}>")

    def handle_data(self, data: str) -> None:
        if self._math is not None:
            self._math.append(escape(data, quote=False))
        elif not self._skipped:
            self.parts.append(escape(data, quote=False))


def _shown(tag: str, classes: set[str]) -> str:
    """The start of an element as Qt is to have it; empty where its text alone is kept."""
    if tag == "bdi":
        return "code"
    if tag == "div" and "equation" in classes:
        return 'div align="center"'
    if tag == "div":
        return "div"
    if tag == "figcaption":
        return "p"
    if tag == "table":
        return 'table cellpadding="3" cellspacing="0"'
    if tag in ("td", "th"):
        return f'{tag} align="{"right" if "n" in classes else "left"}"'
    if tag == "p" and "where" in classes:
        return 'p align="left"'
    return {"em": "b", "caption": "caption"}.get(tag, tag) if tag in _KEPT else ""


def _written(element: Any) -> str:
    name = element.tag.rpartition("}")[2]
    parts = [_written(child) for child in element]
    rule = _RULES.get(name)
    if rule is not None:
        return rule(parts)
    if parts:
        return "".join(parts)
    text = escape((element.text or "").strip(), quote=False)
    return f" {text} " if text in _SPACED else text


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def _fraction(parts: list[str]) -> str:
    return f"{_grouped(parts[0])}/{_grouped(parts[1])}"


def _under(parts: list[str]) -> str:
    return f"{parts[0]}<sub>{parts[1]}</sub>"


def _over(parts: list[str]) -> str:
    return f"{parts[0]}<sup>{parts[1]}</sup>"


def _both(parts: list[str]) -> str:
    return f"{parts[0]}<sub>{parts[1]}</sub><sup>{parts[2]}</sup>"


_SPACED = {"=", "+", "≈", "⊙", "≤", "−", "⋅", "·", "&lt;"}

_RULES: Mapping[str, Callable[[list[str]], str]] = {
    "annotation": lambda parts: "",
    "mfrac": _fraction,
    "msqrt": lambda parts: f"√({''.join(parts)})",
    "msub": _under,
    "munder": _under,
    "msup": _over,
    "mover": _over,
    "msubsup": _both,
    "munderover": _both,
    "mtr": lambda parts: " ".join(parts),
    "mtable": lambda parts: "; ".join(parts),
}
"""How each element of MathML is written; the others are written one after another."""
