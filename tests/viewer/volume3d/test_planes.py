"""The slices at the cursor in the 3-D view."""

import numpy as np

from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.viewer.reading import read_3d
from napari_gpt2_tomo.viewer.switch import switch


def sheets(found, settle):
    settle()
    found.scene.planes.flush()
    return {layer.name.rpartition(" · ")[2]: layer for layer in found.scene.planes.layers}


def test_three_sheets_show_the_planes_through_the_cursor(shown, settle):
    volume = shown.link.volume
    core = [c.stop or n for c, n in zip(volume.core, volume.shape, strict=True)]
    shown.console.planes = True
    assert not sheets(shown, settle)
    shown.viewer.dims.ndisplay = 3
    for at in [(3, 10, 20), (11, 40, 5)]:
        shown.link.cursor.move(at)
        found = sheets(shown, settle)
        assert set(found) == {"axial", "coronal", "sagittal"}
        for axis, name in enumerate(("axial", "coronal", "sagittal")):
            index = [slice(0, n) for n in core]
            index[axis] = slice(at[axis], at[axis] + 1)
            assert np.array_equal(found[name].data, volume[tuple(index)])
            origin = [at[i] if i == axis else 0 for i in range(3)]
            assert np.allclose(
                found[name].data_to_world((0, 0, 0)), shown.image.data_to_world(origin)
            )
            assert found[name].plane.normal[axis] == 1
    shown.viewer.dims.ndisplay = 2
    assert not sheets(shown, settle)


def test_sheets_look_like_slices(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.planes = True
    found = sheets(shown, settle)
    shown.console.window = Window.of_limits(0.02, 0.3)
    shown.console.transfer, shown.console.gamma = "viridis", 0.6
    for layer in found.values():
        assert np.allclose(layer.contrast_limits, (0.02, 0.3))
        assert layer.gamma == 0.6
        assert "viridis" in layer.colormap.name
        assert (layer.colormap.map(np.array([0.1, 0.9]))[:, 3] == 1).all()


def test_planes_neither_move_the_sliders_nor_read_the_volume_again(shown, settle):
    shown.viewer.dims.ndisplay = 3
    settle()
    before, drawn = shown.viewer.dims.range, []
    shown.image.events.set_data.connect(lambda event: drawn.append(event))
    shown.console.planes = True
    sheets(shown, settle)
    shown.console.points = 50
    settle()
    shown.link.cursor.move((3, 10, 20))
    sheets(shown, settle)
    assert shown.viewer.dims.range == before
    assert not drawn
    assert shown.viewer.layers.selection.active is not None
    assert shown.viewer.layers.selection.active not in shown.scene.planes.layers


def test_planes_are_cut_to_the_region(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.link.cursor.move((6, 20, 60))
    shown.console.planes, shown.console.region = True, ((4, 12), (10, 40), (20, 52))
    found = sheets(shown, settle)
    assert set(found) == {"axial", "coronal"}
    assert np.array_equal(found["axial"].data, shown.link.volume[6:7, 10:40, 20:52])
    shown.link.cursor.move((6, 20, 30))
    shown.scene.planes.update()
    assert set(sheets(shown, settle)) == {"axial", "coronal", "sagittal"}


def test_planes_follow_a_switch(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.planes = True
    sheets(shown, settle)
    for wanted in ({"signal": "signed"}, {"layout": "cube"}, {"layout": "heads"}):
        switch(shown.viewer, shown.link, **wanted)
        found = sheets(shown, settle)
        assert len(found) == 3
        volume, at = shown.link.volume, shown.link.cursor.position
        layer = shown.scene.planes.layers[0]
        assert layer.ndim == volume.ndim
        axis = int(np.flatnonzero(np.array(layer.data.shape[-3:]) == 1)[0]) + volume.ndim - 3
        index = [slice(v, v + 1) for v in at]
        for i in range(volume.ndim - 3, volume.ndim):
            stop = volume.shape[i] if volume.core is None else volume.core[i].stop
            index[i] = slice(0, stop) if i != axis else index[i]
        assert np.array_equal(layer.data, volume[tuple(index)])


def test_who_removes_the_sheets_wants_none(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.planes = True
    for layer in sheets(shown, settle).values():
        shown.viewer.layers.remove(layer)
    settle()
    assert not shown.console.planes


def test_the_probe_reads_the_nearest_sheet(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.planes, shown.console.solid = True, False
    shown.link.cursor.move((6, 20, 30))
    settle()
    start = shown.image.data_to_world((-5, 12, 40))
    along = shown.image.data_to_world((1, 0, 0)) - np.asarray(shown.image.data_to_world((0, 0, 0)))
    reading = read_3d(shown.image, shown.link, start, along, (0, 1, 2))
    assert reading.voxel == (6, 12, 40)
    assert reading.level == 0
    shown.console.planes = False
    assert read_3d(shown.image, shown.link, start, along, (0, 1, 2)) is None


def test_slices_alone_are_seen_and_move(on_screen, settle):
    viewer, console = on_screen.viewer, on_screen.console

    def picture():
        settle()
        on_screen.scene.planes.flush()
        shot = viewer.screenshot(size=(400, 400), canvas_only=True, flash=False)
        return shot[..., :3].astype(int)

    viewer.dims.ndisplay = 3
    console.set_limits(0, 0.2)
    whole = picture()
    console.solid = False
    assert picture().max() < 10
    console.planes = True
    sliced = picture()
    lit = (sliced.max(axis=2) > 40).sum()
    assert 0.2 * (whole.max(axis=2) > 40).sum() < lit
    on_screen.link.cursor.move((2, 5, 60))
    assert np.abs(picture() - sliced).mean() > 3
    console.bounding_box = True
    assert on_screen.scene.edges.visible
    console.solid = True
    assert np.abs(picture() - whole).mean() > 0.5
