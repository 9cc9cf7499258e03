"""Four views on a small model. Windows are shared by the tests of a module: making one takes
longer than most tests.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from napari_gpt2_tomo.viewer.panes import FourViews, close_views, open_views
from napari_gpt2_tomo.viewer.view import view

WIDTH, HEIGHT = 900, 640
"""Pixels of a window that has room for four canvases."""


@contextmanager
def own_application() -> Iterator[None]:
    """napari's registry of commands, made anew: `make_napari_viewer` does so for every test."""
    from app_model import Application
    from napari._app_model._app import NapariApplication, _napari_names
    from napari._qt._qapp_model.qactions import init_qactions
    from napari._qt.threads.status_checker import StatusChecker
    from napari.plugins import _initialize_plugins

    def forget() -> None:
        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()

    name = "four views"
    app = NapariApplication(name)
    app.injection_store.namespace = _napari_names
    forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NapariApplication, "get_app_model", lambda: app)
        patch.setattr(StatusChecker, "start", lambda self: None)
        # A third of a second for every layer that is removed.
        patch.setattr("napari._vispy.canvas.gc", SimpleNamespace(collect=lambda: None))
        yield
    Application.destroy(name)
    forget()


def window_of_a_module(show: bool) -> Iterator[Any]:
    import napari

    from napari_gpt2_tomo.viewer.work import finish_all

    with own_application():
        viewer = napari.Viewer(show=show)
        viewer.window.resize(WIDTH, HEIGHT)
        yield viewer
        viewer.layers.clear()
        finish_all()
        viewer.close()
        finish_all()
        gc.collect()


@pytest.fixture(scope="module")
def hidden_window() -> Iterator[Any]:
    """A hidden viewer."""
    yield from window_of_a_module(show=False)


@pytest.fixture(scope="module")
def visible_window() -> Iterator[Any]:
    """A viewer on the screen."""
    yield from window_of_a_module(show=True)


@pytest.fixture
def bare(hidden_window: Any, settle: Callable[[], None]) -> Any:
    """A hidden viewer without layers and views."""
    close_views(hidden_window)
    hidden_window.layers.clear()
    hidden_window.dims.ndisplay = 2
    settle()
    return hidden_window


@pytest.fixture
def shown(hidden_window: Any, model: Any, settle: Callable[[], None]) -> tuple[Any, FourViews]:
    """A hidden viewer with the small model, and its views, as if they had just been opened."""
    return hidden_window, as_opened(hidden_window, model, settle)


@pytest.fixture
def seen(visible_window: Any, model: Any, settle: Callable[[], None]) -> tuple[Any, FourViews]:
    """A visible viewer with the small model, and its views, as if they had just been opened."""
    viewer = visible_window
    viewer.window.resize(WIDTH, HEIGHT)
    views = as_opened(viewer, model, settle)
    views.enlarge(None)
    settle()
    for pane in views.panes:
        pane.viewer.canvas.overlays.text.visible = True
        pane.viewer.mouse_over_canvas = False
        pane.fit()
    viewer.fit_to_view()
    settle()
    return viewer, views


def as_opened(viewer: Any, model: Any, settle: Callable[[], None]) -> FourViews:
    """Show the small model alone; what the last test left is used where it is the same."""
    names = [layer.name for layer in viewer.layers]
    if names != ["small", "small · atlas"] or viewer.layers[0].ndim != 3:
        viewer.layers.clear()
        settle()
        view(model, viewer)
    image, atlas = viewer.layers
    image.visible, atlas.visible = True, False
    viewer.layers.selection.active = image
    viewer.dims.ndisplay = 3
    settle()
    views = open_views(viewer)
    settle()
    assert views.link is not None
    views.link.console.reset()
    views.link.cursor.move([n // 2 for n in views.link.volume.shape])
    settle()
    return views
