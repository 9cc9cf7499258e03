"""Console and layer in step, and what moving the window costs."""

import numpy as np
import pytest

from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.session import session_of

LINKED = ("window", "transfer", "invert", "gamma", "opacity", "rendering", "attenuation")


def test_a_change_of_the_console_is_one_of_the_layer(shown):
    image, console = shown.image, shown.console
    console.window = Window(0.2, 0.1)
    console.transfer, console.invert = "MRI T1", True
    console.gamma, console.opacity = 0.5, 0.7
    console.rendering, console.attenuation = "iso", 0.3
    console.iso_threshold = 0.25
    assert image.contrast_limits == pytest.approx([0.15, 0.25])
    assert (image.gamma, image.opacity, str(image.rendering)) == (0.5, 0.7, "iso")
    assert image.attenuation == 0.3
    assert image.iso_threshold == pytest.approx(0.15 + 0.25 * 0.1)
    assert "MRI T1" in image.colormap.name
    np.testing.assert_allclose(image.colormap.map(np.array([0.0]))[0, :3], [1, 1, 240 / 255])


def test_a_change_of_the_layer_is_one_of_the_console(shown):
    image, console = shown.image, shown.console
    image.contrast_limits = (0.05, 0.4)
    image.gamma, image.opacity, image.rendering = 1.5, 0.4, "mip"
    image.attenuation = 0.2
    image.colormap = "viridis"
    assert console.window.limits == pytest.approx((0.05, 0.4))
    assert (console.gamma, console.opacity, console.rendering) == (1.5, 0.4, "mip")
    assert (console.attenuation, console.transfer) == (0.2, "viridis")
    image.rendering = "iso"
    image.iso_threshold = 0.05 + 0.75 * 0.35
    assert console.iso_threshold == pytest.approx(0.75)


def test_a_change_goes_no_further_than_once_each_way(shown):
    image, console = shown.image, shown.console
    heard = []
    for name in ("contrast_limits", "gamma", "opacity", "colormap"):
        getattr(image.events, name).connect(lambda e, name=name: heard.append(name))
    for name in LINKED:
        getattr(console.events, name).connect(lambda *_, name=name: heard.append(name))
    console.window = Window(0.1, 0.1)
    assert heard.count("window") == 1
    assert heard.count("contrast_limits") == 1
    heard.clear()
    image.gamma = 0.6
    image.contrast_limits = (0.06, 0.14)
    assert heard == ["gamma", "gamma", "contrast_limits", "window"] or sorted(heard) == [
        "contrast_limits",
        "gamma",
        "gamma",
        "window",
    ]


def test_a_colormap_of_ones_own_becomes_a_transfer_function(shown):
    from napari.utils import Colormap

    own = Colormap([[0, 0, 0, 0], [0, 1, 0, 0.5], [1, 1, 1, 1]], name="my greens")
    shown.image.colormap = own
    assert shown.console.transfer == "my greens"
    np.testing.assert_allclose(
        shown.image.colormap.map(np.array([0.5]))[0], [0, 1, 0, 1], atol=1e-6
    )
    steps = Colormap([[0, 0, 0, 1], [1, 1, 1, 1]], name="steps", interpolation="zero")
    shown.image.colormap = steps
    np.testing.assert_allclose(
        shown.image.colormap.map(np.array([0.2, 0.8]))[:, 0], [0, 1], atol=1e-6
    )


def test_every_layer_of_a_scan_shows_the_same(shown, settle):
    from napari.layers import Layer

    data, state, kind = shown.image.as_layer_data_tuple()
    copy = shown.viewer.add_layer(Layer.create(data, {**state, "name": "copy"}, kind))
    assert link_of(copy) is shown.link
    copy.contrast_limits = (0.01, 0.02)
    assert shown.image.contrast_limits == pytest.approx([0.01, 0.02])
    shown.console.transfer = "Heat"
    assert copy.colormap.name == shown.image.colormap.name


def test_the_slider_of_napari_reaches_some_widths_beyond_the_window(shown):
    low, high = shown.image.contrast_limits_range
    assert low <= shown.image.contrast_limits[0] < shown.image.contrast_limits[1] < high
    assert high <= min(shown.link.volume.range[1], 3 * shown.image.contrast_limits[1])


def test_a_preset_brings_the_slider_back_from_a_window_far_out(shown):
    usual = shown.image.contrast_limits_range
    shown.console.set_limits(0, 3000)
    assert shown.image.contrast_limits_range[1] == 3000
    shown.console.apply_preset("p0.1-99.9")
    assert shown.image.contrast_limits_range == pytest.approx(usual)


def test_a_removed_layer_is_let_go(shown, settle):
    events = shown.console.events
    before = {name: len(getattr(events, name)) for name in LINKED}
    image = shown.viewer.layers[0]
    assert all(before.values())
    shown.viewer.layers.remove(image)
    settle()
    assert not any(len(getattr(events, name)) for name in LINKED)
    image.gamma = 0.3
    assert shown.console.gamma != 0.3


class _Recorder:
    """Stands between a layer's level and its voxels, and counts the reads."""

    def __init__(self, level):
        self.reads = 0
        self._source, level._present = level._present, self

    def __call__(self):
        self.reads += 1
        return self._source()


def _colours(viewer):
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def test_moving_the_window_changes_pixels_and_reads_no_weights(on_screen, settle):
    viewer, console = on_screen.viewer, on_screen.console
    recorders = [_Recorder(level) for level in on_screen.link.levels]
    for ndisplay in (2, 3):
        viewer.dims.ndisplay = ndisplay
        settle()
        before = _colours(viewer)
        reads = [one.reads for one in recorders]
        for top in (0.4, 0.3, 0.2):
            console.set_limits(0, top)
        session_of(viewer).bindings[on_screen.image].flush()
        settle()
        after = _colours(viewer)
        assert [one.reads for one in recorders] == reads
        assert (np.abs(after - before).max(axis=2) > 8).mean() > 0.02
        assert after.mean() > before.mean()
        console.reset()
        session_of(viewer).bindings[on_screen.image].flush()


def test_opacity_acts_in_the_volume_and_not_on_slices(signed_on_screen, settle):
    viewer, console = signed_on_screen.viewer, signed_on_screen.console
    console.set_limits(-0.3, 0.3)
    console.transfer = "vik"
    settle()
    # The middle of this function is nearly white: on a slice it is seen.
    assert (_colours(viewer).min(axis=2) > 200).mean() > 0.1
    viewer.dims.ndisplay = 3
    settle()
    clear = _colours(viewer)
    # In the volume what is near 0 is clear.
    assert (clear.min(axis=2) > 200).mean() < 0.05
    assert (clear.max(axis=2) > 60).mean() > 0.01
    console.rendering = "mip"
    settle()
    solid = _colours(viewer)
    assert (solid.max(axis=2) > 60).mean() > 1.2 * (clear.max(axis=2) > 60).mean()
