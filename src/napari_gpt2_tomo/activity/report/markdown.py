"""The report as Markdown, for a repository or a notebook."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..record import Activity
from .collect import ROOMS, Left, heading

if TYPE_CHECKING:
    from .write import Figure

__all__ = ["markdown"]

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|!])")


def markdown(activity: Activity, figures: "Sequence[Figure]", left: Sequence[Left]) -> str:
    """The report's text, with links to the files beside it."""
    source, tokens = activity.source, activity.tokens
    sizes = ", ".join(f"{name} {value:,}" for name, value in source.sizes.known().items())
    lines = [
        f"# {_plain(heading(activity))}",
        "",
        f"Model: {_plain(source.name)} ({_plain(source.family or 'family not known')}; {sizes})",
        "",
        *(f"> {_plain(line)}" for line in activity.text.splitlines() or [""]),
        "",
        "Tokens: " + " ".join(f"`{_code(label)}`" for label in tokens.labels),
        "",
        *(f"- Changed: {_plain(change)}" for change in source.changes),
        *(f"- {_plain(note)}" for note in activity.notes),
    ]
    for room in ROOMS:
        own = [figure for figure in figures if figure.room == room]
        reasons = [one.reason for one in left if one.room == room]
        if not own and not reasons:
            continue
        lines += ["", f"## {room.title}", ""]
        for figure in own:
            files = " · ".join(f"[{kind.upper()}]({path})" for kind, path in figure.files.items())
            lines += [
                f"### {_plain(figure.title)}",
                "",
                f"![{_plain(figure.title)}]({figure.files['png']})",
                "",
                *([_plain(figure.caption), ""] if figure.caption else []),
                files,
                "",
            ]
        lines += [f"*Not drawn: {_plain(reason)}*" for reason in reasons]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return text.replace("`", "'")
