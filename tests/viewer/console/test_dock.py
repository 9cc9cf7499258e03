"""The dock: it follows the active scan, and lets go of it."""

import gc
import weakref

import pytest

from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.console.commands import open_console, part_at
from napari_gpt2_tomo.viewer.console.dock import ScannerConsole
from napari_gpt2_tomo.viewer.console.panels import PANELS
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of


@pytest.fixture
def dock(shown, qtbot):
    made = ScannerConsole(shown.viewer)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.hide()


def test_it_shows_the_active_scan_and_says_which(dock, shown, settle, qtbot):
    assert dock.link is shown.link
    assert dock.title.text() == "small"
    assert "body" in dock.about.text()
    other = add_scan(shown.viewer, shown.scan, signal="signed", name="other").image
    shown.viewer.layers.selection.active = other
    qtbot.waitUntil(lambda: dock.link is link_of(other))
    assert dock.title.text() == "other"
    shown.viewer.layers.selection.active = shown.image
    qtbot.waitUntil(lambda: dock.link is shown.link)


def test_without_a_scan_it_says_what_to_do(dock, shown, settle, qtbot):
    shown.viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.link is None)
    assert dock.empty.isVisibleTo(dock)
    assert "drop" in dock.empty.text()
    assert not any(panel.isVisibleTo(dock) for panel in dock.panels)


def test_a_layer_that_is_no_scan_leaves_it_at_the_scan_below(dock, shown, qtbot):
    import numpy as np

    other = shown.viewer.add_image(np.zeros((4, 4)))
    shown.viewer.layers.selection.active = other
    qtbot.wait(20)
    assert dock.link is shown.link


def test_hidden_it_lets_go_and_shown_it_follows_again(dock, shown):
    listeners = len(shown.console.events.window)
    dock.hide()
    assert dock.link is None
    assert len(shown.console.events.window) < listeners
    dock.show()
    assert dock.link is shown.link
    assert len(shown.console.events.window) == listeners


def test_opening_and_closing_leaves_nothing(shown, qapp):
    def counts():
        return [
            len(emitter.callbacks)
            for emitter in (
                shown.viewer.layers.events.inserted,
                shown.viewer.layers.selection.events.active,
                shown.viewer.dims.events.point,
            )
        ] + [len(shown.console.events.window), len(shown.link.cursor.moved)]

    before = counts()
    for _ in range(2):
        made = ScannerConsole(shown.viewer)
        made.show()
        gone = weakref.ref(made)
        made.hide()
        made.deleteLater()
        qapp.sendPostedEvents()
        qapp.processEvents()
        del made
        gc.collect()
        assert gone() is None
    assert counts() == before


def test_panels_fold(dock):
    section = dock.section("Keys and mouse")
    assert section.folded
    section.heading.click()
    assert not section.folded
    assert section.content.isVisibleTo(dock)
    assert [type(panel) for panel in dock.panels] == list(PANELS)


def test_a_file_that_changed_or_vanished_is_said_and_nothing_is_lost(
    viewer, new_model, settle, qtbot
):
    with Scan(new_model) as scan:
        link = link_of(add_scan(viewer, scan).image)
        settle()
        made = ScannerConsole(viewer)
        qtbot.addWidget(made)
        made.show()
        assert not made.warning.isVisibleTo(made)
        link.console.set_limits(0.1, 0.2)
        path = scan.checkpoint.files[0]
        moved = path.with_name("elsewhere")
        path.rename(moved)
        made.follow()
        assert "moved or deleted" in made.warning.text()
        assert made.warning.isVisibleTo(made)
        link.console.apply_preset("soft-tissue")
        assert link.console.preset.key == "soft-tissue"
        moved.rename(path)
        made.follow()
        assert not made.warning.isVisibleTo(made)
        made.hide()
        viewer.layers.clear()
        settle()


def test_the_command_opens_it_once(viewer, model, settle, npe2pm):
    from npe2 import PluginManifest

    from ..test_manifest import FILE

    npe2pm.register(PluginManifest.from_file(FILE))
    first = open_console(viewer)
    assert isinstance(first.widget(), ScannerConsole) or first.findChild(ScannerConsole)
    first.hide()
    second = open_console(viewer)
    assert second is first
    assert second.isVisible() or not viewer.window._qt_window.isVisible()


def test_the_part_at_the_cursor(shown):
    volume, viewer = shown.link.volume, shown.viewer
    voxel = volume.voxel("h.2.mlp.c_proj.weight", (5, 6))
    world = shown.image.data_to_world(voxel)
    viewer.dims.set_point([0, 1, 2], world)
    viewer.cursor.position = tuple(world)
    assert part_at(viewer, shown.link) == "L2.down"
    viewer.dims.ndisplay = 3
    shown.link.cursor.move(volume.voxel("wte.weight", (1, 1)))
    assert part_at(viewer, shown.link) == "token_embedding"
    viewer.dims.ndisplay = 2


def test_scrolling_past_a_field_does_not_change_it(dock, shown, qtbot):
    from .mouse import wheel

    panel = dock.panels[0]
    window = shown.console.window
    for field in (panel.width_, panel.slider, panel.presets.list):
        field.clearFocus()
        wheel(field, 120)
    assert shown.console.window == window
