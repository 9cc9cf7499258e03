"""Paths as napari layers: lines as Tracks, tokens and their former steps as Points."""

from typing import Any

import numpy as np

from .picture import Picture

__all__ = ["add_layers", "inks", "redraw_chosen"]

TOKEN, BEAD = 2.2, 1.2
"""Diameter in world units of a token's point, and of the steps behind it."""

ABOVE = 1.5
"""Diameters of a token's point between its middle and that of its label."""

MOST_BEADS = 20_000
"""Steps behind the tokens that are drawn as points of their own; more would slow the slider."""

WIDTH, STRONG = 2.5, 7.0
"""Pixels of width of a path, and of the one that is looked at."""

CROWD, FAINTEST = 30, 0.3
"""Paths from which on they become more transparent, and the least opacity that they get to."""

TAIL = 6
"""Times the number of steps: a tail fades with time, and the first step is still to be seen."""

FRAME, WIRE, UNSEEN = "#8a93a3", "#8a93a366", "#00000000"
"""Colours of axes and wires, which stand back on a dark and a light canvas; and of what only
carries a text."""


def add_layers(viewer: Any, picture: Picture, token: int) -> dict[str, Any]:
    """Draw paths in a viewer; the layers by what they are: frame, paths, chosen, beads, tokens."""
    from napari.utils import Colormap

    count = len(picture.names)
    # Layers of different units cannot be drawn in theirs, of which napari warns.
    unit = str(viewer.layers[0].units[-1]) if len(viewer.layers) else "dimensionless"
    scale = (1.0, *(picture.scale,) * 3)
    labels = ("step", *picture.axes[::-1])
    shown = picture.colours if picture.by_token is None else picture.by_token
    # Vertices lie on the stops, so that each has the very colour of its step or token.
    shades = Colormap(shown, name="paths")
    lines = {
        "tail_length": TAIL * count,
        "blending": "translucent",
        "colormaps_dict": {"shade": shades},
        "color_by": "shade",
        "scale": scale,
        "axis_labels": labels,
        "units": (unit,) * 4,
    }
    found: dict[str, Any] = {}
    corner = picture.corner()[:, ::-1]
    axes = [corner[[0, end]] for end in (1, 2, 3)]
    # A title stands in the middle of its shape: a dash beyond the end of the axis.
    titles = [one[0] + np.outer([1.06, 1.07], one[1] - one[0]) for one in axes]
    found["frame"] = viewer.add_shapes(
        [*axes, *titles, *(wire[:, ::-1] for wire in picture.wires)],
        shape_type="path",
        edge_color=[
            *(FRAME for _ in axes),
            *(UNSEEN for _ in axes),
            *(WIRE for _ in picture.wires),
        ],
        edge_width=0.3 / scale[1],
        opacity=1.0,
        scale=scale[1:],
        units=(unit,) * 3,
        text={
            "string": [*("" for _ in axes), *picture.axes, *("" for _ in picture.wires)],
            "size": 9,
            "color": FRAME,
        },
        name=f"{picture.name}: axes",
    )
    everyone = range(len(picture.labels))
    paths = len(picture.near)
    for key, name, tokens, width in (
        ("paths", "paths", everyone, WIDTH),
        ("chosen", "this token", [token], STRONG),
    ):
        data = picture.tracks(tokens)
        found[key] = viewer.add_tracks(
            data,
            properties={"shade": picture.shades(data)},
            tail_width=width,
            opacity=1.0 if key == "chosen" else max(min(1.0, CROWD / paths), FAINTEST),
            name=f"{picture.name}: {name}",
            **lines,
        )
    points = picture.points[..., ::-1].reshape(-1, 3)
    steps, owners = np.indices(picture.points.shape[:2]).reshape(2, -1)
    features = {
        "token": [picture.labels[owner] for owner in owners],
        "step": [picture.names[step] for step in steps],
    }
    placed = np.column_stack([steps, points])
    up = np.array([0, ABOVE * TOKEN, 0, 0]) / scale[1]
    for key, name, size, slices, extra in (
        ("beads", "steps", BEAD, "all", {"opacity": 0.8}),
        (
            "tokens",
            "tokens",
            TOKEN,
            "none",
            {
                "text": {
                    "string": picture.words(owners),
                    "size": 10,
                    "color": inks(viewer, picture, token),
                    "translation": up,
                }
            },
        ),
    ):
        if key == "beads" and len(points) > MOST_BEADS:
            continue
        found[key] = viewer.add_points(
            placed,
            size=size / scale[1],
            scale=scale,
            axis_labels=labels,
            units=(unit,) * 4,
            border_width=0,
            face_color=picture.faces(steps, owners),
            features=features,
            shading="spherical",
            projection_mode=slices,
            name=f"{picture.name}: {name}",
            **extra,
        )
    return found


def redraw_chosen(layer: Any, picture: Picture, token: int) -> None:
    """Let the thick path be that of another token."""
    data = picture.tracks([token])
    # New data have no properties at first, and napari warns if a colour needs one.
    layer.color_by = "track_id"
    layer.data = data
    layer.properties = {"shade": picture.shades(data)}
    layer.color_by = "shade"


def inks(viewer: Any, picture: Picture, token: int) -> list[str]:
    """Colours of the labels, on the canvas as it is."""
    from napari.utils.theme import get_theme

    dark = get_theme(viewer.theme).canvas.as_hsl_tuple()[2] < 0.5
    plain, strong = ("#e8eaf0", "#ffb74d") if dark else ("#20242a", "#b25400")
    owners = np.indices(picture.points.shape[:2]).reshape(2, -1)[1]
    return [strong if owner == token else plain for owner in owners]
