"""A self-contained page: one HTML file with its styles, scripts and data."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base import TomoError, save_text
from .escape import in_attribute, in_script, in_text
from .policy import content_policy

__all__ = ["Page", "write_page"]

END = "</script"
"""What ends a script element, wherever it stands."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is made of.

    Attributes
    ----------
    title
        Text of the browser's tab; untrusted.
    body
        Markup of the page, ours: no text of others belongs in it.
    styles, scripts
        Sources of the styles and of the scripts (modules, in one order), ours.
    packed
        Results of `pack` by the id of the element that holds them.
    data
        Anything that JSON holds, by the id of the element; untrusted.
    about
        Text of a comment at the top: licences, who made the page; untrusted.
    unpacks_modules
        See `content_policy`.
    """

    title: str
    body: str
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    packed: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    unpacks_modules: bool = False

    def render(self) -> str:
        """The file's text.

        Raises
        ------
        ValueError
            A style or script cannot stand in a page: it holds the end of its own element.
        """
        for source in (*self.scripts, *self.styles):
            if END in source.lower() or "</style" in source.lower():
                raise ValueError("a script or style holds the end of its own element")
        policy = content_policy(self.scripts, self.styles, unpacks_modules=self.unpacks_modules)
        # Two hyphens would end the comment.
        about = in_text(self.about).replace("--", "- -")
        parts = [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{in_attribute(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            # An address without data: the browser need not ask for /favicon.ico.
            '<link rel="icon" href="data:,">',
            f"<title>{in_text(self.title)}</title>",
            f"<!--\n{about}\n-->" if about else "",
            *(f"<style>{source}</style>" for source in self.styles),
            "</head>",
            "<body>",
            self.body,
            *(
                _held("application/json", name, in_script(value))
                for name, value in self.data.items()
            ),
            *(_held("text/plain", name, text) for name, text in self.packed.items()),
            *(f'<script type="module">{source}</script>' for source in self.scripts),
            "</body>",
            "</html>",
            "",
        ]
        return "\n".join(part for part in parts if part)


def _held(kind: str, name: str, text: str) -> str:
    """An element that holds data and runs nothing."""
    return f'<script type="{kind}" id="{in_attribute(name)}">{text}</script>'


def write_page(page: Page, path: str | os.PathLike[str]) -> int:
    """Write a page so that the file is either whole or as it was before.

    Returns
    -------
    size
        Bytes of the file.

    Raises
    ------
    TomoError
        The file cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TomoError(f"{target} cannot be written: {error.strerror or error}.") from error
    return save_text(target, page.render()).stat().st_size
