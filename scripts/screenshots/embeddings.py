"""Pictures that need weights alone: of embeddings, and of heads that read each other."""

from typing import Any

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.activity.intervention.composition_figures import overview_plot
from napari_gpt2_tomo.viewer.preferences import PLUGIN

from .picture import Pixels, decoded, only_canvas, settle, window
from .subject import Subject

__all__ = ["composition", "positions", "tokens"]

WINDOW = (1400, 860)
"""Width and height of a window in pixels."""


def composition(subject: Subject) -> Pixels:
    """K-composition between all heads."""
    return decoded(overview_plot(tomo.composition(subject.scan, "k")).picture())


def tokens(subject: Subject) -> Pixels:
    """The explorer, at the last word of the prompt and its neighbours."""
    viewer, dock = _open(subject)
    search = dock.explorer_tab.search
    words = subject.prompt.split() or [" "]
    # A vocabulary of letters has no words.
    for text in (words[-1], words[-1][-1]):
        search.line.setText(text)
        search.go()
        settle()
        if dock.explorer_tab.explorer.selected is not None:
            break
    pixels = window(viewer)
    viewer.close()
    return pixels


def positions(subject: Subject) -> Pixels:
    """The positions as a path, in the viewer and as a figure."""
    viewer, dock = _open(subject)
    explorer = dock.explorer_tab.explorer
    explorer.axes = "positions"
    explorer.positions = True
    dock.tabs.setCurrentWidget(dock.positions)
    dock.positions.choose("Path in 3-D")
    settle()
    explorer.home()
    pixels = window(viewer)
    viewer.close()
    return pixels


def _open(subject: Subject) -> tuple[Any, Any]:
    """A window with the explorer of the embeddings, and their dock."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    only_canvas(viewer)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Embeddings")
    dock.open(subject.model)
    settle()
    dock.explorer_tab.toggle.click()
    settle()
    return viewer, dock
