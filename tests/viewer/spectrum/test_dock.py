"""The dock of the spectrum: what it computes, the layers that it adds, and that it lets go."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from napari_gpt2_tomo.display.section import part_plane, power_spectrum, section_plane, smooth
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.commands import NO_SCAN
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.spectrum.dock import SpectrumDock


@pytest.fixture
def shown(model, settle, qtbot):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    with Scan(model) as scan:
        layers = add_scan(viewer, scan)
        settle()
        viewer.canvas.size = (600, 800)
        viewer.reset_view()
        dock = SpectrumDock(viewer)
        qtbot.addWidget(dock)
        section = scan.volume("body").voxel("h.1.attn.c_attn.weight", (0, 0))[0]
        viewer.dims.set_point(0, layers.image.data_to_world((section, 0, 0))[0])
        yield SimpleNamespace(
            viewer=viewer, scan=scan, image=layers.image, link=link_of(layers.image), dock=dock,
            section=section,
        )  # fmt: skip
        dock._let_go()
        viewer.layers.clear()
        settle()


def truth(shown):
    return section_plane(shown.link.volume, (shown.section, 0, 0))


def test_the_spectrum_is_that_of_the_section_that_is_seen(shown, settle):
    shown.dock.compute.click()
    settle()
    expected = power_spectrum(truth(shown))
    np.testing.assert_array_equal(shown.dock.spectrum.power, expected.power)
    assert shown.dock.lines.plot.title == "Spectrum of L1 Q"
    assert shown.dock.map.plot.name == "spectrum-2d"
    assert "L1 Q" in shown.dock.about.text()
    shown.dock.fade.click()
    settle()
    expected = power_spectrum(truth(shown), "none")
    np.testing.assert_array_equal(shown.dock.spectrum.power, expected.power)


def test_a_smoothed_layer_lies_on_the_section_it_was_made_of(shown, settle):
    shown.dock.sigma.setValue(2.0)
    shown.dock.smooth.click()
    settle()
    layer = shown.viewer.layers[-1]
    assert layer.name == "L1 Q · smoothed σ 2"
    plane = truth(shown)
    np.testing.assert_array_equal(layer.data[0], smooth(plane, 2.0))
    corner = layer.data_to_world((0, 0, 0))
    assert shown.image.world_to_data(corner) == pytest.approx((shown.section, 0, 0))
    assert tuple(layer.scale) == tuple(shown.image.scale)
    # In the next section it is not seen.
    assert layer.data.shape[0] == 1


def test_a_spectrum_layer_lies_beside_the_section(shown, settle):
    shown.dock.values.setCurrentIndex(1)
    shown.dock.add.click()
    settle()
    layer = shown.viewer.layers[-1]
    assert layer.name == "|L1 Q| · spectrum (dB)"
    expected = power_spectrum(truth(shown).magnitudes()).decibels()
    np.testing.assert_array_equal(layer.data[0], expected)
    at = shown.image.world_to_data(layer.data_to_world((0, 0, 0)))
    assert at[0] == pytest.approx(shown.section)
    assert at[2] > 64
    rows = layer.metadata["rows"]
    assert rows[len(rows) // 2] == 0
    assert rows[0] == -0.5


def test_a_coronal_slice_is_transformed_as_it_is_cut(shown, settle):
    shown.viewer.dims.order = (1, 0, 2)
    shown.viewer.dims.set_point(1, shown.image.data_to_world((0, 30, 0))[1])
    shown.dock.smooth.click()
    settle()
    layer = shown.viewer.layers[-1]
    plane = section_plane(shown.link.volume, (0, 30, 0), (0, 2))
    assert layer.data.shape == tuple(b - a for a, b in plane.box)
    assert layer.data.shape[1] == 1
    assert shown.image.world_to_data(layer.data_to_world((0, 0, 0)))[1] == pytest.approx(30)


def test_singular_values_are_those_of_the_part_at_the_cursor(shown, settle):
    shown.dock.singular.click()
    settle()
    values = np.linalg.svd(
        part_plane(shown.scan.checkpoint, shown.scan.anatomy.by_name["L1.q"]).values.astype(float),
        compute_uv=False,
    )
    found = shown.dock.law.plot.table.columns["value"]
    np.testing.assert_allclose(found, values, rtol=1e-6)
    assert shown.dock.tabs.currentWidget() is shown.dock.law


def test_it_follows_the_slider_when_asked_to(shown, settle, qtbot):
    shown.dock.show()
    shown.dock.follow.click()
    settle()
    at = shown.image.data_to_world((shown.section + 1, 0, 0))[0]
    shown.viewer.dims.set_point(0, at)
    qtbot.waitUntil(lambda: (settle() or shown.dock.spectrum.plane.title) == "L1 K", timeout=5000)


def test_air_and_no_scan_are_said(shown, settle, qtbot):
    shown.viewer.dims.set_point(
        0, shown.image.data_to_world((shown.link.volume.shape[0] - 1, 0, 0))[0]
    )
    shown.link.console.region = None
    shown.viewer.layers.clear()
    settle()
    shown.dock._catch_up()
    assert shown.dock.about.text() == NO_SCAN
    assert not shown.dock.compute.isEnabled()


def test_a_dock_that_goes_lets_go_of_the_viewer(shown, qtbot):
    dock = SpectrumDock(shown.viewer)
    weak = weakref.ref(dock)
    dock._let_go()
    dock.deleteLater()
    del dock
    qtbot.wait(10)
    gc.collect()
    assert weak() is None


def test_from_the_menu_of_a_window_it_computes_and_adds(make_napari_viewer_proxy, model, settle):
    from napari_gpt2_tomo.viewer.spectrum.dock import open_spectrum
    from napari_gpt2_tomo.viewer.view import view

    viewer = make_napari_viewer_proxy()
    view(model, viewer)
    settle()
    dock = open_spectrum(viewer)
    widget = dock.widget()
    widget = widget if isinstance(widget, SpectrumDock) else widget.findChild(SpectrumDock)
    widget.add.click()
    settle()
    assert viewer.layers[-1].name.endswith("· spectrum (dB)")
    widget._let_go()
