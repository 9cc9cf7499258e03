"""Drawings of attention: one pattern to point at, and all of them at a glance."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .drawing import LETTER, rectangle, short, svg, text

__all__ = ["gallery", "matrix"]

F32 = NDArray[np.float32]

INK = (47, 128, 237)
"""Colour of a share of 100 % in small pictures: seen on white and on black."""

CELL = (14.0, 30.0)
"""Pixels of the smallest and the largest cell."""

LINE = 22.0
"""Pixels of a cell below which labels of columns stand upright: slanted they would overlap."""

ROOM = 460.0
"""Pixels that all cells of a row have together, if they may be so small."""

MINIATURE = 60
"""Pixels of the side of one pattern among all, at most, unless a token has less than one."""

GAP = 4
"""Pixels between two of them."""


def matrix(pattern: F32, labels: list[str], query: int, key: int, causal: bool) -> str:
    """One head's pattern; each cell can be pointed at.

    Parameters
    ----------
    pattern
        ``(query, key)`` in 0…1.
    labels
        Of the tokens.
    query, key
        The chosen pair.
    causal
        Whether what lies above the diagonal does not exist.
    """
    n = len(labels)
    cell = float(np.clip(ROOM / n, *CELL))
    left = max(70.0, 14 + LETTER * max(len(short(one)) for one in labels))
    upright = cell < LINE
    longest = max(len(short(one, 10)) for one in labels)
    top = 24 + LETTER * (1.0 if upright else 0.8) * longest
    parts = [text(0, 11, "from ↓ to →", "tick")]
    for i, label in enumerate(labels):
        middle = (i + 0.5) * cell
        kind = "label chosen" if i == query else "label"
        parts.append(
            text(left - 7, top + middle + 4, short(label), kind, "end", f'data-from="{i}"')
        )
        place = left + middle
        kind = "label chosen" if i == key else "label"
        words = text(0, 0, short(label, 10), kind, data=f'data-to="{i}"')
        angle = -90 if upright else -50
        turned = f"translate({place + 3:.1f} {top - 7:.1f}) rotate({angle})"
        parts.append(f'<g transform="{turned}">{words}</g>')
    for i in range(n):
        for j in range(i + 1 if causal else n):
            share = float(np.clip(pattern[i, j], 0, 1))
            parts.append(
                rectangle(
                    left + j * cell,
                    top + i * cell,
                    cell - 1,
                    cell - 1,
                    "cell",
                    share,
                    f'data-cell="{i},{j}"',
                )
            )
    parts.append(
        rectangle(
            left - 1,
            top + query * cell - 1,
            (query + 1 if causal else n) * cell + 1,
            cell + 1,
            "frame row",
            data='data-frame="row"',
        )
    )
    parts.append(
        rectangle(
            left + key * cell - 1,
            top + query * cell - 1,
            cell + 1,
            cell + 1,
            "frame",
            data='data-frame="cell"',
        )
    )
    size = f'data-left="{left:.1f}" data-top="{top:.1f}" data-size="{cell:.3f}"'
    label = (
        f"Attention pattern, {n} tokens that look by {n} that are looked at; its numbers are in "
        "the tables"
    )
    width = left + n * cell + LETTER * 4
    drawn = svg(width, top + n * cell + 4, label, "".join(parts), "matrix")
    return drawn.replace("<svg ", f'<svg id="matrix" {size} ', 1)


def gallery(every: F32, layer: int, head: int) -> str:
    """All patterns, small: one picture, with the number of each row and column beside it.

    Parameters
    ----------
    every
        ``(layer, head, query, key)``.
    layer, head
        The framed one.
    """
    n_layers, n_heads, n, _ = every.shape
    # A share is a square of whole pixels: nothing is blurred, nothing runs into its neighbour.
    zoom = max(1, min(MINIATURE, 720 // n_heads) // n) if n > 1 else MINIATURE // 2
    side = n * zoom
    step = side + GAP
    shade = np.zeros((n_layers * step, n_heads * step), np.uint8)
    # Opacity is the share, so that the picture is right on any ground; a root, since most shares
    # are small.
    tiles = np.sqrt(np.clip(np.nan_to_num(every), 0, 1)) * 255
    for i in range(n_layers):
        for h in range(n_heads):
            tile = tiles[i, h].astype(np.uint8).repeat(zoom, 0).repeat(zoom, 1)
            shade[i * step : i * step + side, h * step : h * step + side] = tile
    picture = Image.frombytes("P", shade.shape[::-1], shade.tobytes())
    picture.putpalette(INK * 256)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, transparency=bytes(range(256)))
    data = base64.b64encode(file.getvalue()).decode("ascii")
    left, top = 34.0, 18.0
    named = max(1, -(-24 // step))
    parts = [
        text(left - 6, top + i * step + side / 2 + 4, f"L{i}", "tick", "end")
        for i in range(0, n_layers, max(1, -(-14 // step)))
    ]
    parts += [
        text(left + h * step + side / 2, 12, f"H{h}", "tick", "middle")
        for h in range(0, n_heads, named)
    ]
    parts += [
        rectangle(
            left + h * step, top + i * step, side, side, "ground", data=f'data-mini="{i},{h}"'
        )
        for i in range(n_layers)
        for h in range(n_heads)
    ]
    parts.append(
        f'<image href="data:image/png;base64,{data}" x="{left:g}" y="{top:g}" '
        f'width="{n_heads * step}" height="{n_layers * step}" class="pixels"/>'
    )
    parts.append(
        rectangle(
            left + head * step - 2,
            top + layer * step - 2,
            side + 4,
            side + 4,
            "frame",
            data='data-frame="mini"',
        )
    )
    label = f"Patterns of all {n_heads} heads of {n_layers} layers"
    width, height = left + n_heads * step + 4, top + n_layers * step + 4
    drawn = svg(width, height, label, "".join(parts), "gallery")
    size = f'data-left="{left:g}" data-top="{top:g}" data-step="{step}"'
    return drawn.replace("<svg ", f'<svg id="gallery" {size} ', 1)
