"""Pictures of the canvas and of four views, by their pixels."""

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.panes.views import close_views, open_views
from napari_gpt2_tomo.viewer.pictures import screenshot
from napari_gpt2_tomo.viewer.pictures.legend import strip_height
from napari_gpt2_tomo.viewer.view import view

from ..small_model import PLANTED, WIDTH


@pytest.fixture
def shown(viewer, model, settle):
    view(model, viewer)
    settle()
    return viewer


def state(viewer):
    camera, dims = viewer.scene.camera, viewer.dims
    place = (dims.order, dims.ndisplay, dims.point)
    looks = (camera.center, camera.zoom, camera.angles, camera.perspective)
    return (*place, *looks, viewer.canvas.overlays.text.visible)


def lit(pixels, threshold=60):
    return (pixels.max(axis=2) > threshold).mean()


def test_a_picture_of_the_canvas_shows_what_the_canvas_shows(window, model, settle, tmp_path):
    shown = window
    view(model, shown)
    settle()
    link = link_of(shown.layers[0])
    voxel = link.volume.voxel(*PLANTED)
    shown.dims.set_point(0, voxel[0] * shown.layers[0].scale[0])
    before = state(shown)
    plain = shown.screenshot(canvas_only=True, flash=False)[..., :3]
    pixels = screenshot(shown, tmp_path / "canvas.png")
    assert state(shown) == before
    rows = plain.shape[0]
    assert pixels.shape == (rows + strip_height(plain.shape[1]), plain.shape[1], 3)
    # The text of the probe is not in the picture; the body below it is the same.
    np.testing.assert_array_equal(pixels[rows // 2 : rows], plain[rows // 2 :])
    with Image.open(tmp_path / "canvas.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        title = image.text["Title"]
    assert title.startswith("small · body ")
    assert f"axial · section {voxel[0]} of " in title
    assert "L1 K" in title
    assert link.scan.checkpoint.fingerprint[:12] in title


def test_another_size_shows_the_same_larger(shown):
    small = screenshot(shown, size=(320, 240), legend=False)
    large = screenshot(shown, size=(960, 720), legend=False)
    assert small.shape == (240, 320, 3)
    assert large.shape == (720, 960, 3)
    assert lit(large) == pytest.approx(lit(small), abs=0.02)


def test_the_legend_has_the_colours_and_values_of_the_window(shown):
    console = link_of(shown.layers[0]).console
    pixels = screenshot(shown, size=(1280, 720))
    strip = pixels[-strip_height(1280) :].astype(int)
    bar = strip[:, -318:-18]
    row = bar[30]
    lut = np.asarray(shown.layers[0].colormap.map(np.linspace(0, 1, 5) ** console.gamma))
    ground = np.array([14, 16, 20])
    for share, colour in zip(np.linspace(0, 1, 5), lut, strict=True):
        seen = colour[:3] * 255 * colour[3] + ground * (1 - colour[3])
        at = round(2 + share * 295)
        assert np.abs(row[at] - seen).max() < 12
    console.set_limits(0, 2.5)
    other = screenshot(shown, size=(1280, 720))[-strip_height(1280) :]
    changed = np.abs(other.astype(int) - strip).max(axis=2) > 40
    # The numbers under the bar change, nothing else does.
    rows, columns = np.nonzero(changed)
    assert rows.min() > 36
    assert columns.min() >= 1280 - 318


def test_four_views_cross_at_the_cursor(shown, tmp_path):
    link = link_of(shown.layers[0])
    voxel = link.volume.voxel(*PLANTED)
    shown.dims.ndisplay = 3
    link.cursor.move(voxel)
    before = state(shown)
    pixels = screenshot(shown, tmp_path / "four.png", views="four", size=(802, 802), legend=False)
    assert state(shown) == before
    views = [pixels[r : r + 400, c : c + 400] for r in (0, 402) for c in (0, 402)]
    assert all(0.02 < lit(seen) < 0.95 for seen in views)
    assert len({int(seen.sum(dtype=np.int64)) for seen in views}) == 4
    axial = views[0].astype(int)
    # The planted weight is the brightest of its plane; both lines go through it.
    bright = np.argwhere(axial[40:].sum(axis=2) > 500).mean(axis=0) + np.array([40, 0])
    row = (axial[:, :8, 1] - axial[:, :8, 0]).mean(axis=1).argmax()
    column = (axial[-8:, :, 0] - axial[-8:, :, 1]).mean(axis=0).argmax()
    np.testing.assert_allclose(bright, (row, column), atol=4)
    # One scale: channels are the rows of both upper views, units the columns of both left ones.
    across = np.nonzero(views[0][40:, 30:370].max(axis=2).mean(axis=1) > 20)[0]
    beside = np.nonzero(views[1][40:, 30:370].max(axis=2).mean(axis=1) > 20)[0]
    np.testing.assert_allclose(across[[0, -1]], beside[[0, -1]], atol=4)
    with Image.open(tmp_path / "four.png") as image:
        assert f"crossing at section {voxel[0]}, channel 37, unit 21" in image.text["Title"]


def test_open_panes_are_taken_as_they_are(window, model, settle):
    view(model, window)
    settle()
    views = open_views(window)
    settle()
    before = [state(pane.viewer) for pane in (*views.panes, views.volume)]
    first = screenshot(window, views="four", size=(402, 402), legend=False)
    views.panes[0].viewer.scene.camera.zoom *= 3
    second = screenshot(window, views="four", size=(402, 402), legend=False)
    views.panes[0].viewer.scene.camera.zoom /= 3
    after = [state(pane.viewer) for pane in (*views.panes, views.volume)]
    assert [a[:2] for a in after] == [b[:2] for b in before]
    for one, other in zip(after, before, strict=True):
        np.testing.assert_allclose(one[4], other[4])
    changed = [
        np.abs(
            first[r : r + 200, c : c + 200].astype(int) - second[r : r + 200, c : c + 200]
        ).mean()
        for r in (0, 202)
        for c in (0, 202)
    ]
    assert changed[0] > 3
    assert max(changed[1:3]) < 1
    close_views(window)
    settle()


def test_layouts_of_four_axes_and_of_two_have_their_picture(viewer, model, tmp_path, settle):
    with Scan(model) as scan:
        image = add_scan(viewer, scan, "heads", role="k").image
        settle()
        pixels = screenshot(viewer, views="four", size=(600, 600))
        assert lit(pixels[:540]) > 0.005
        viewer.layers.clear()
        assert image not in viewer.layers
        save_file({"a": np.eye(8, dtype=np.float32)}, tmp_path / "eye.safetensors")
        with Scan(tmp_path / "eye.safetensors") as other:
            add_scan(viewer, other, "tensor", tensor="a")
            settle()
            pixels = screenshot(viewer, views="four", size=(400, 400), legend=False)
            assert pixels.shape == (400, 400, 3)
            bright = pixels.max(axis=2) > 200
            assert 0.05 < bright.mean() < 0.2
            viewer.layers.clear()
            settle()


def test_other_layers_have_no_legend_but_a_picture(viewer, tmp_path):
    viewer.add_image(np.random.default_rng(0).random((WIDTH, WIDTH)))
    pixels = screenshot(viewer, tmp_path / "noise.png", size=(200, 100))
    assert pixels.shape == (100, 200, 3)
    assert lit(pixels) > 0.2
    with pytest.raises(TomoError, match="Open a checkpoint first"):
        screenshot(viewer, views="four")


def test_what_cannot_be_is_told(shown, tmp_path):
    from napari.components import ViewerModel

    for options, message in (
        ({"views": "five"}, "canvas or four, not 'five'"),
        ({"size": (10, 700)}, "each from 64 to 16,384, not 10 × 700"),
        ({"size": (700,)}, "width × height"),
        ({"path": tmp_path / "a.jpg"}, r"a\.jpg is no picture by its ending: use \.png"),
        ({"path": tmp_path / "no" / "a.png"}, "no folder .*no: make it"),
    ):
        with pytest.raises(TomoError, match=message):
            screenshot(shown, **options)
    with pytest.raises(TomoError, match="this viewer has none"):
        screenshot(ViewerModel())
    assert not list(tmp_path.iterdir())
