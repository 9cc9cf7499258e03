"""The report as one self-contained page."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...base import TomoError
from ...display.plots import Theme
from ...display.plots.cells import percent
from ...page import Page, in_attribute, in_text
from ..lens.chances import Chances
from ..lens.words import labels_of
from ..record import Activity
from .collect import ROOMS, Left, heading

if TYPE_CHECKING:
    from .write import Figure

__all__ = ["report_page"]

TOP = 10
"""Next tokens that are listed."""

STYLE = """
:root { color-scheme: %(scheme)s; }
* { box-sizing: border-box; }
body { margin: 0; background: %(ground)s; color: %(text)s; font: 15px/1.5 system-ui, sans-serif; }
main, header { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 1rem; padding-top: .75rem;
  border-top: 1px solid %(faint)s; }
/* The picture holds its title; the heading is for those who hear the page. */
h3 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%%);
  margin: 0; white-space: nowrap; }
a { color: %(accent)s; }
.about, figcaption p, .left { color: %(quiet)s; }
.about { margin: 0 0 1.25rem; }
.prompt { line-height: 2.1; margin: 0 0 1rem; overflow-wrap: anywhere; }
.prompt span { padding: .15rem .1rem; border-radius: 3px; white-space: pre-wrap; }
.prompt .a { background: %(one)s; }
.prompt .b { background: %(two)s; }
nav ul { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; list-style: none; padding: 0; }
table { border-collapse: collapse; margin: 0 0 1rem; }
td, th { padding: .12rem .9rem .12rem 0; text-align: left; font-variant-numeric: tabular-nums; }
th { font-weight: 600; border-bottom: 1px solid %(faint)s; }
td.n, th.n { text-align: right; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(33rem, 100%%), 1fr));
  gap: 2rem; align-items: start; }
figure { margin: 0; position: relative; }
.wide { grid-column: 1 / -1; }
figure img { display: block; width: 100%%; height: auto; margin: 0 0 .5rem; }
figcaption p { margin: 0 0 .25rem; font-size: .9rem; }
.files { font-size: .85rem; }
.files a { margin-right: .75rem; }
footer { max-width: 76rem; margin: 3rem auto 0; padding: 1rem 1.5rem 2rem; color: %(quiet)s; }
@media print { figure { break-inside: avoid; } }
"""


def report_page(
    activity: Activity, figures: "Sequence[Figure]", left: Sequence[Left], theme: Theme
) -> Page:
    """The page: what was read, what may follow, every figure with its files."""
    dark = _dark(theme)
    style = STYLE % {
        "scheme": "dark" if dark else "light",
        "ground": theme.ground,
        "text": theme.text,
        "faint": theme.faint,
        "accent": theme.accent,
        "quiet": "#a9b0ba" if dark else "#545c68",
        "one": "#34415a" if dark else "#dbe6fb",
        "two": "#27483f" if dark else "#d9f1e6",
    }
    source = activity.source
    told = {one.room.name for one in figures} | {one.room.name for one in left}
    rooms = [room for room in ROOMS if room.name in told]
    body = [
        "<header>",
        f"<h1>{in_text(heading(activity))}</h1>",
        f'<p class="about">{_about(activity)}</p>',
        f'<p class="prompt" dir="auto" aria-label="The tokens">{_tokens(activity)}</p>',
        *(f"<p>Changed: {in_text(change)}</p>" for change in source.changes),
        *(f"<p>{in_text(note)}</p>" for note in activity.notes),
        _next(activity),
        '<nav aria-label="Subjects"><ul>',
        *(f'<li><a href="#{room.name}">{in_text(room.title)}</a></li>' for room in rooms),
        "</ul></nav>",
        "</header>",
        "<main>",
    ]
    for room in rooms:
        body.append(f'<h2 id="{room.name}">{in_text(room.title)}</h2>')
        body.append('<div class="figures">')
        body += [_figure(figure) for figure in figures if figure.room == room]
        body.append("</div>")
        reasons = [one.reason for one in left if one.room == room]
        body += [f'<p class="left">Not drawn: {in_text(reason)}</p>' for reason in reasons]
    body += [
        "</main>",
        "<footer>Figures and their numbers lie beside this page in "
        '<a href="figures/">figures/</a>; the same as text is '
        '<a href="report.md">report.md</a>.</footer>',
    ]
    return Page(
        title=f"{source.name} · {' '.join(activity.text.split())[:60]}",
        body="\n".join(part for part in body if part),
        styles=(style,),
        about="Written by napari-gpt2-tomo.",
    )


def _about(activity: Activity) -> str:
    source = activity.source
    sizes = " · ".join(f"{name} {value:,}" for name, value in source.sizes.known().items())
    return in_text(f"{source.family or 'family not known'} · {sizes}")


def _tokens(activity: Activity) -> str:
    """Tokens side by side, in turns on two grounds; hovering tells the number."""
    found = []
    for number, (label, one) in enumerate(
        zip(activity.tokens.labels, activity.tokens.ids.tolist(), strict=True)
    ):
        kind = "ab"[number % 2]
        found.append(
            f'<span class="{kind}" title="token {number}, id {one}">{in_text(label)}</span>'
        )
    return "<wbr>".join(found)


def _next(activity: Activity) -> str:
    """The likeliest next tokens as a table; nothing for an encoder."""
    if "logits" not in activity or (activity.model is not None and not activity.model.causal):
        return ""
    try:
        chances = Chances.of_logits(activity.read("logits", -1))
    except TomoError as error:
        return f'<p class="left">No next token: {in_text(str(error))}</p>'
    ids = chances.top(TOP)
    shares = np.exp(chances.log_probability[ids]).tolist()
    rows = "".join(
        f'<tr><td>{in_text(label)}</td><td class="n">{percent(share)}</td></tr>'
        for label, share in zip(labels_of(activity, ids), shares, strict=True)
    )
    head = '<tr><th scope="col">Next token</th><th scope="col" class="n">Probability</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _figure(figure: "Figure") -> str:
    image = base64.b64encode(figure.picture).decode("ascii")
    title = in_text(figure.title)
    alt = in_attribute(f"{figure.title}. {figure.caption}".strip())
    of = in_attribute(figure.title)
    files = "".join(
        f'<a href="{in_attribute(path)}" aria-label="{kind.upper()} of {of}">{kind.upper()}</a>'
        for kind, path in figure.files.items()
    )
    wide = ' class="wide"' if figure.wide else ""
    caption = f"<p>{in_text(figure.caption)}</p>" if figure.caption else ""
    return (
        f'<figure{wide}><img loading="lazy" src="data:image/png;base64,{image}" alt="{alt}">'
        f'<figcaption><h3>{title}</h3>{caption}<p class="files">{files}</p></figcaption></figure>'
    )


def _dark(theme: Theme) -> bool:
    red, green, blue = (int(theme.ground[i : i + 2], 16) for i in (1, 3, 5))
    return (red + green + blue) / 3 < 128
