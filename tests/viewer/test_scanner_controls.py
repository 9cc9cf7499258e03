"""The controls of the original HTML scanner that nothing else tries by its pixels in napari.

docs/scanner-controls.md lists all of them, each with its test.
"""

import itertools

import numpy as np
import pytest

from napari_gpt2_tomo.display.looks import RENDERINGS
from napari_gpt2_tomo.viewer import compat
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.pictures import screenshot
from napari_gpt2_tomo.viewer.view import view
from napari_gpt2_tomo.viewer.volume3d import reset_view

from .console.mouse import LEFT, SHIFT, drag, wheel

PRESETS = ("hu-full", "hu-soft-tissue", "hu-high-density", "hu-fine-structure", "hu-low")
FUNCTIONS = ("MRI T1", "MRI T2", "CT bone", "Rainbow", "Heat")
SIZE = (200, 160)


@pytest.fixture
def shown(viewer, model, settle):
    view(model, viewer, signal="signed")
    settle()
    return viewer


def pictures(viewer, settle, choose, names):
    """The slice and the volume by name of what was chosen."""
    found = {}
    for displayed in (2, 3):
        viewer.dims.ndisplay = displayed
        settle()
        for name in names:
            choose(name)
            found[displayed, name] = screenshot(viewer, size=SIZE, legend=False).astype(int)
    return found


def assert_all_differ(found, names):
    for displayed in (2, 3):
        for one, other in itertools.combinations(names, 2):
            change = np.abs(found[displayed, one] - found[displayed, other]).max(axis=2)
            assert (change > 12).mean() > 0.01, (displayed, one, other)


def test_the_five_windows_show_slices_and_volume_each_its_own_way(shown, settle):
    console = link_of(shown.layers[0]).console
    found = pictures(shown, settle, console.apply_preset, PRESETS)
    assert_all_differ(found, PRESETS)


def test_the_five_functions_colour_slices_and_volume_each_its_own_way(shown, settle):
    console = link_of(shown.layers[0]).console

    def choose(name):
        console.transfer = name

    found = pictures(shown, settle, choose, FUNCTIONS)
    assert_all_differ(found, FUNCTIONS)


def test_every_rendering_shows_the_volume_its_own_way(shown, settle):
    console = link_of(shown.layers[0]).console
    console.transfer = "Rainbow"
    shown.dims.ndisplay = 3
    settle()
    found = {}
    for rendering in RENDERINGS:
        console.rendering = rendering
        found[rendering] = screenshot(shown, size=SIZE, legend=False).astype(int)
    for one, other in itertools.combinations(RENDERINGS, 2):
        change = np.abs(found[one] - found[other]).max(axis=2)
        assert (change > 12).mean() > 0.01, (one, other)


def test_the_first_view_comes_back(window, model, settle):
    view(model, window, signal="signed")
    window.dims.ndisplay = 3
    settle()
    camera = window.scene.camera
    reset_view(window, link_of(window.layers[0]))
    settle()
    before = screenshot(window, size=SIZE, legend=False)
    camera.angles, camera.zoom, camera.center = (80, 10, 5), 2 * camera.zoom, (0, 0, 0)
    assert (screenshot(window, size=SIZE, legend=False) != before).any()
    reset_view(window, link_of(window.layers[0]))
    settle()
    after = screenshot(window, size=SIZE, legend=False)
    assert (np.abs(after.astype(int) - before).max(axis=2) > 30).mean() < 0.02


def test_the_volume_is_turned_zoomed_and_moved_with_the_mouse(window, model, settle):
    view(model, window)
    window.dims.ndisplay = 3
    settle()
    canvas = compat.qt_viewer_of(window).canvas.native
    camera = window.scene.camera
    middle = (canvas.width() / 2, canvas.height() / 2)
    between, beside = ((middle[0] + 3 * i, middle[1] + i) for i in (10, 20))

    def looks():
        return np.array(camera.angles), np.array(camera.center), camera.zoom

    angles, center, zoom = looks()
    drag(canvas, middle, [between, beside], LEFT)
    settle()
    turned = looks()
    assert np.abs(turned[0] - angles).max() > 5
    np.testing.assert_allclose(turned[1], center)
    wheel(canvas, 120)
    settle()
    assert camera.zoom != pytest.approx(zoom)
    drag(canvas, middle, [between, beside], LEFT, SHIFT)
    settle()
    moved = looks()
    assert np.abs(moved[1] - center).max() > 1
    np.testing.assert_allclose(moved[0], turned[0], atol=1e-6)
