"""The region: slices and volume are cut to it, the volume as finely as the budget allows."""

import gc

import numpy as np
import pytest

from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.viewer.commands import current_link
from napari_gpt2_tomo.viewer.link import link_of, owner_of
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.viewer.volume3d import reset_view
from napari_gpt2_tomo.viewer.volume3d.focus import affordable, drawn_block, level_costs

REGION = ((4, 12), (10, 40), (20, 52))


def test_slices_show_the_region_alone(shown, settle):
    volume = shown.link.volume
    shown.console.region = REGION
    settle()
    for level, factors in enumerate(volume.factors):
        values = np.asarray(shown.link.levels[level][...])
        inside = np.zeros(values.shape, bool)
        inside[
            tuple(slice(a // f, -(-b // f)) for (a, b), f in zip(REGION, factors, strict=True))
        ] = 1
        assert not values[~inside].any()
        assert np.array_equal(values[inside], volume.overview.level(level)[...][inside])
        labels = np.asarray(shown.link.atlas[level][...])
        assert not labels[~inside].any()
    shown.console.region = None
    assert np.array_equal(np.asarray(shown.link.levels[0][...]), volume[...])


def test_in_3d_a_block_stands_for_the_volume(shown, settle):
    shown.console.region = REGION
    assert shown.scene.focus.layer is None
    shown.viewer.dims.ndisplay = 3
    settle()
    block = shown.scene.focus.layer
    assert np.array_equal(block.data, shown.link.volume[4:12, 10:40, 20:52])
    assert np.allclose(block.data_to_world((0, 0, 0)), shown.image.data_to_world((4, 10, 20)))
    drawn = drawn_block(shown.image)
    assert (drawn.level, drawn.box) == (0, REGION)
    assert link_of(block) is None
    assert owner_of(block) is shown.link
    shown.viewer.layers.selection.active = block
    assert current_link(shown.viewer) is shown.link
    shown.viewer.dims.ndisplay = 2
    settle()
    assert shown.scene.focus.layer is None
    assert block not in shown.viewer.layers
    assert drawn_block(shown.image) is None


def test_the_block_is_finer_than_the_whole_volume_could_be(shown, settle, budget):
    budget[0] = 4 * int(np.prod([b - a for a, b in REGION]))
    shown.viewer.dims.ndisplay = 3
    settle()
    assert shown.image.locked_data_level > 0
    shown.console.region = REGION
    settle()
    assert drawn_block(shown.image).level == 0


def test_a_region_beyond_the_budget_is_coarser_and_says_so(shown, settle, budget, said):
    budget[0] = 4 * int(np.prod([b - a for a, b in REGION])) - 1
    shown.viewer.dims.ndisplay = 3
    shown.console.region = REGION
    settle()
    block = drawn_block(shown.image)
    assert block.level == 1
    assert any("level 1" in text and "smaller" in text for text in said)
    factors = shown.link.volume.factors[1]
    layer = shown.scene.focus.layer
    assert layer.data.nbytes <= budget[0]
    assert np.allclose(layer.scale, np.multiply(shown.image.scale, factors))
    # Its first voxel sums up channels 10 and 11.
    assert layer.data_to_world((0, 0, 0))[1] == pytest.approx(10.5 * shown.image.scale[1])


def test_a_level_that_was_chosen_goes_before_the_budget(shown, settle, budget):
    budget[0] = 1
    shown.viewer.dims.ndisplay = 3
    shown.console.region = REGION
    settle()
    assert drawn_block(shown.image).level == len(shown.link.levels) - 1
    shown.console.detail = 0
    settle()
    assert drawn_block(shown.image).level == 0
    shown.console.detail = 1
    settle()
    assert drawn_block(shown.image).level == 1
    shown.console.region = None
    settle()
    assert shown.image.locked_data_level == 1
    shown.console.detail = None
    settle()
    assert shown.image.locked_data_level == len(shown.link.levels) - 1


def test_what_a_level_takes_is_known_before_it_is_drawn(shown):
    volume = shown.link.volume
    costs = level_costs(volume, REGION, (0, 1, 2), 4 * 8 * 15 * 16, 2048)
    assert [cost.shape for cost in costs[:2]] == [(8, 30, 32), (8, 15, 16)]
    assert [cost.nbytes for cost in costs[:2]] == [4 * 8 * 30 * 32, 4 * 8 * 15 * 16]
    assert [cost.fits for cost in costs[:2]] == [False, True]
    assert affordable(costs, None).level == 1
    assert affordable(costs, 0).level == 0
    assert not level_costs(volume, REGION, (0, 1, 2), 2**30, 31)[0].fits


def test_the_block_looks_like_the_volume(shown, settle, qtbot):
    shown.viewer.dims.ndisplay = 3
    shown.console.region = REGION
    settle()
    block = shown.scene.focus.layer
    shown.console.window = Window.of_limits(0.02, 0.3)
    shown.console.rendering, shown.console.opacity = "mip", 0.5
    qtbot.waitUntil(lambda: np.allclose(block.contrast_limits, (0.02, 0.3)))
    assert (str(block.rendering), block.opacity) == ("mip", 0.5)
    block.contrast_limits = (0.03, 0.4)
    qtbot.waitUntil(lambda: np.allclose(shown.image.contrast_limits, (0.03, 0.4)))


def test_who_removes_the_block_wants_the_whole_volume(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.region = REGION
    settle()
    shown.viewer.layers.remove(shown.scene.focus.layer)
    settle()
    assert shown.console.region is None
    assert len(shown.viewer.layers) == 2


def test_another_layout_has_no_region_another_signal_has(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.region = REGION
    settle()
    switch(shown.viewer, shown.link, signal="signed")
    settle()
    assert shown.console.region == REGION
    assert np.array_equal(shown.scene.focus.layer.data, shown.link.volume[4:12, 10:40, 20:52])
    assert "signed" in shown.scene.focus.layer.name
    switch(shown.viewer, shown.link, layout="cube")
    settle()
    assert shown.console.region is None
    assert shown.scene.focus.layer is None
    assert shown.image.locked_data_level == 0
    assert np.array_equal(shown.link.levels[0].held, shown.link.volume[...])


def test_a_region_beyond_the_volume_ends_with_it(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.region = ((30, 9999), (10, 40), (20, 9999))
    settle()
    assert shown.link.region == ((30, 39), (10, 40), (20, 72))
    assert np.array_equal(shown.scene.focus.layer.data, shown.link.volume[30:, 10:40, 20:])
    for outside in [((90, 99), (10, 40), (20, 52)), ((0, 4), (1, 2))]:
        shown.console.region = outside
        settle()
        assert shown.link.region is None
        assert shown.scene.focus.layer is None
        assert np.array_equal(np.asarray(shown.link.levels[0][...]), shown.link.volume[...])


def test_a_region_goes_with_its_scan(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.link.cursor.move((6, 20, 30))
    shown.console.region, shown.console.planes, shown.console.points = REGION, True, 100
    settle()
    assert len(shown.viewer.layers) == 7
    shown.viewer.layers.remove(shown.image)
    settle()
    assert [layer.name for layer in shown.viewer.layers] == ["small · atlas"]
    assert drawn_block(shown.image) is None


def test_the_region_fills_the_view_after_a_reset(on_screen, settle):
    viewer = on_screen.viewer
    viewer.dims.ndisplay = 3
    settle()
    reset_view(viewer, on_screen.link)
    whole = viewer.scene.camera.zoom
    on_screen.console.region = REGION
    settle()
    viewer.scene.camera.angles = (0, 0, 0)
    reset_view(viewer, on_screen.link)
    assert viewer.scene.camera.zoom > 1.5 * whole
    world = on_screen.image.data_to_world([(a + b - 1) / 2 for a, b in REGION])
    assert np.allclose(viewer.scene.camera.center, world, atol=1)


def test_window_region_and_looks_act_on_slices_and_volume_alike(on_screen, settle, qtbot):
    viewer, console = on_screen.viewer, on_screen.console
    viewer.window.resize(320, 320)

    def picture():
        settle()
        drawn = [x for x in (on_screen.image, on_screen.scene.focus.layer) if x is not None]
        # In 3-D a window is drawn when the machine has time for it.
        qtbot.waitUntil(
            lambda: all(np.allclose(x.contrast_limits, console.window.limits) for x in drawn)
        )
        shot = viewer.screenshot(canvas_only=True, flash=False)
        return shot[..., :3].astype(int)

    def lit(threshold=60):
        return int((picture().max(axis=2) > threshold).sum())

    viewer.dims.set_point(0, 8 * on_screen.image.scale[0])
    console.set_limits(0, 0.2)
    for displayed in (2, 3):
        viewer.dims.ndisplay = displayed
        whole = lit()
        console.region = REGION
        part = lit()
        assert 0 < part < 0.5 * whole
        before = console.window
        console.set_limits(0.6, 0.9)
        assert lit() < 0.2 * part
        console.window = before
        assert lit() == pytest.approx(part, rel=0.01)
        console.region = None
        assert lit() == pytest.approx(whole, rel=0.01)
    console.rendering = "translucent"
    console.transfer = "inferno"
    clear = picture()
    console.transfer = "Rainbow"  # Opaque where the other is clear.
    opaque = picture()
    assert np.abs(opaque - clear).mean() > 5
    console.opacity = 0.2
    assert picture().mean() < 0.5 * opaque.mean()
    console.opacity = 1.0
    console.transfer, console.rendering = "inferno", "iso"
    counts = []
    for threshold in (0.2, 0.6, 0.95):
        console.iso_threshold = threshold
        counts.append(lit(25))
    assert counts[0] > counts[1] > counts[2] > 0


def test_nothing_stays_connected_when_a_scan_is_removed(qapp, model, settle):
    from napari.components import ViewerModel

    from napari_gpt2_tomo.viewer.view import view

    viewer = ViewerModel()

    def heard():
        dims = viewer.dims.events
        emitters = (dims.point, dims.ndisplay, dims.order, dims.ndim, viewer.layers.events.removed)
        return [sum(owner() is not None for owner, _ in one.callbacks) for one in emitters]

    view(model, viewer)
    settle()
    viewer.layers.clear()
    settle()
    before = heard()
    for _ in range(2):
        view(model, viewer)
        settle()
        viewer.dims.ndisplay = 3
        console = link_of(viewer.layers[0]).console
        console.region, console.planes, console.points = REGION, True, 50
        settle()
        viewer.layers.clear()
        settle()
        viewer.dims.ndisplay = 2
        del console
        gc.collect()
        assert heard() == before
