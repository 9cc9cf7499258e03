"""How layers of scans look."""

import numpy as np
import pytest

from napari_gpt2_tomo.display.looks import LOOKS
from napari_gpt2_tomo.display.proportions import proportions, simple
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.layers import layer_data, title
from napari_gpt2_tomo.viewer.link import ScanLink
from napari_gpt2_tomo.volume.reading.signal import DEFAULT_REDUCTION


@pytest.fixture
def scan(model):
    with Scan(model) as opened:
        yield opened


def test_every_signal_has_a_look():
    assert set(LOOKS) > set(DEFAULT_REDUCTION)


@pytest.mark.parametrize("ratio", [0.03, 0.4, 1.0, 1.4, 3.7, 11.0, 96.0, 333.0])
def test_a_simple_number_is_close_and_whole_or_one_over_a_whole(ratio):
    found = simple(ratio)
    assert max(found, 1 / found) == pytest.approx(round(max(found, 1 / found)))
    assert 0.7 < found / ratio < 1.45


@pytest.mark.parametrize("shape", [(212, 768, 768), (62, 768, 768), (900, 64, 64), (3, 4096, 4096)])
def test_a_body_is_about_as_deep_as_it_is_wide(shape):
    thickness, *plane = proportions("body", shape)
    assert plane == [1, 1]
    assert 0.6 < shape[0] * thickness / shape[1] < 1.6


def test_heads_are_no_slab_and_other_layouts_are_drawn_as_they_are():
    layer, head, dim, channel = proportions("heads", (12, 12, 64, 768))
    assert (layer, channel) == (1, 1)
    assert 0.6 < 12 * head / 768 < 1.6
    assert 0.3 < 64 * dim / 768 < 0.8
    assert proportions("cube", (256, 256, 512)) == (1, 1, 1)
    assert proportions("tensor", (30720, 384)) == (1, 1)


@pytest.mark.parametrize("signal", list(DEFAULT_REDUCTION))
def test_layers_of_every_signal_can_be_made(scan, signal):
    from napari.layers import Layer

    volume = scan.volume(signal=signal)
    link = ScanLink(scan, volume, owned=False)
    image, atlas = (Layer.create(*data) for data in layer_data(link))
    assert image.name == title(link)
    assert image.multiscale
    assert tuple(image.contrast_limits) == pytest.approx(link.console.window.limits)
    assert atlas.colormap.map(0)[3] == 0


def test_the_atlas_names_regions_and_colours_them_by_role(scan):
    from napari.layers import Layer

    volume = scan.volume()
    _, atlas = (Layer.create(*d) for d in layer_data(ScanLink(scan, volume, owned=False)))
    region = volume.region("L1.k")
    row = atlas.features.loc[region.label]
    assert (row["index"], row["region"]) == (region.label, "L1 K")
    colours = {
        name: tuple(np.round(atlas.get_color(volume.region(name).label), 3))
        for name in ("L0.q", "L0.k", "L1.k", "L2.k")
    }
    assert colours["L0.k"] == colours["L2.k"]
    assert len(set(colours.values())) == 3
    assert atlas.data[0].dtype == np.uint8


def test_hovering_over_the_atlas_tells_the_region(viewer, scan, settle):
    from napari_gpt2_tomo.viewer.layers import add_scan

    layers = add_scan(viewer, scan)
    layers.atlas.visible = True
    settle()
    voxel = layers.image.metadata["napari-gpt2-tomo"].volume.voxel(
        "h.1.attn.c_attn.weight", (5, 70)
    )
    viewer.dims.set_current_step(0, voxel[0])
    settle()
    world = layers.atlas.data_to_world(voxel)
    status = layers.atlas.get_status(world)
    assert "L1 K" in str(status)
    viewer.layers.clear()
    settle()
