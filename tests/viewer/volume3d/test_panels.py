"""The panels of the console for source, volume and region."""

import pytest

from napari_gpt2_tomo.viewer import volume3d
from napari_gpt2_tomo.viewer.console.region_panel import RegionPanel
from napari_gpt2_tomo.viewer.console.source_panel import SourcePanel
from napari_gpt2_tomo.viewer.console.volume_panel import VolumePanel, memory
from napari_gpt2_tomo.viewer.volume3d.region import drawing_of
from napari_gpt2_tomo.volume.strongest import COUNT

from ..small_model import PLANTED


@pytest.fixture
def panel(shown, qtbot):
    """Makes a panel of a kind that shows the scan."""
    made = []

    def make(kind):
        one = kind(shown.viewer)
        qtbot.addWidget(one)
        one.set_link(shown.link)
        made.append(one)
        return one

    yield make
    for one in made:
        one.set_link(None)


def pick(box, word):
    box.choose(word)
    box.activated.emit(box.currentIndex())


def words(box, enabled=True):
    return {
        box.itemData(i, 0x0100)
        for i in range(box.count())
        if box.model().item(i).isEnabled() == enabled
    }


def test_the_source_panel_shows_and_switches_what_is_shown(shown, panel, settle):
    source = panel(SourcePanel)
    assert (source.layout_.word, source.signal.word, source.reduction.word) == (
        "body",
        "magnitude",
        "rms",
    )
    assert source.role.isHidden()
    assert source.tensor.isHidden()
    pick(source.signal, "signed")
    settle()
    assert shown.link.volume.signal == "signed"
    assert source.reduction.word == "extreme"
    assert "rms" in words(source.reduction, enabled=False)
    pick(source.reduction, "mean")
    settle()
    assert shown.link.volume.reduction == "mean"
    pick(source.layout_, "heads")
    settle()
    assert not source.role.isHidden()
    assert words(source.role) == {"q", "k", "v", "o"}
    pick(source.role, "k")
    settle()
    assert shown.link.volume.address((1, 1, 5, 37)).value == 3.0
    pick(source.layout_, "tensor")
    settle()
    assert not source.tensor.isHidden()
    source.tensor.setCurrentText(PLANTED[0])
    source.tensor.activated.emit(source.tensor.currentIndex())
    settle()
    assert shown.link.volume.layout.tensor == PLANTED[0]
    assert source.tensor.currentText() == PLANTED[0]


def test_circuits_take_the_signals_that_they_have(shown, panel, settle):
    source = panel(SourcePanel)
    pick(source.signal, "sigma")
    settle()
    pick(source.layout_, "circuits")
    settle()
    assert shown.link.volume.layout.name == "circuits"
    assert words(source.signal) == {"magnitude", "signed"}
    assert words(source.role) == {"qk", "ov"}


def test_what_cannot_be_switched_to_is_said_and_the_panel_shows_what_is(
    shown, panel, settle, said, monkeypatch
):
    from napari_gpt2_tomo.base import LayoutError

    source = panel(SourcePanel)

    def fail(*args, **options):
        raise LayoutError("There is no such thing.")

    monkeypatch.setattr(type(shown.scan), "volume", fail)
    pick(source.layout_, "cube")
    settle()
    assert "There is no such thing." in said
    assert source.layout_.word == "body"


def test_a_checkpoint_without_heads_offers_what_it_has(qapp, tmp_path, settle, qtbot):
    import numpy as np
    from napari.components import ViewerModel
    from safetensors.numpy import save_file

    from napari_gpt2_tomo.viewer.link import link_of
    from napari_gpt2_tomo.viewer.view import view

    save_file({"a": np.ones((9, 7), np.float32)}, tmp_path / "plain.safetensors")
    viewer = view(tmp_path / "plain.safetensors", ViewerModel())
    settle()
    source = SourcePanel(viewer)
    qtbot.addWidget(source)
    source.set_link(link_of(viewer.layers[0]))
    assert words(source.layout_) == {"cube", "tensor"}
    source.set_link(None)
    viewer.layers.clear()
    settle()


def test_the_volume_panel_and_the_console_are_in_step(shown, panel):
    volume, console = panel(VolumePanel), shown.console
    pick(volume.rendering, "iso")
    assert console.rendering == "iso"
    assert not volume.threshold.isHidden()
    assert volume.attenuation.isHidden()
    volume.threshold.setValue(0.7)
    assert console.iso_threshold == pytest.approx(0.7)
    console.rendering = "attenuated_mip"
    assert volume.rendering.word == "attenuated_mip"
    volume.attenuation.setValue(0.1)
    assert console.attenuation == pytest.approx(0.1)
    volume.slab.setValue(6)
    pick(volume.projection, "max")
    assert (console.slab, console.slab_projection) == (6, "max")
    console.slab = 1
    assert volume.slab.value() == 1
    assert not volume.projection.isEnabled()
    volume.box.setChecked(True)
    assert console.bounding_box
    volume.axes.setChecked(True)
    assert volume3d.shows_axes(shown.viewer)
    volume3d.show_axes(shown.viewer, False)
    assert not volume.axes.isChecked()


def test_slices_and_points_take_the_place_of_the_volume_at_first(shown, panel, settle):
    volume, console = panel(VolumePanel), shown.console
    shown.viewer.dims.ndisplay = 3
    volume.planes.click()
    assert (console.planes, console.solid) == (True, False)
    assert not volume.places[0].isHidden()
    volume.places[2].setValue(11)
    assert shown.link.cursor.position[2] == 11
    shown.link.cursor.move((3, 4, 5))
    assert [slider.value() for slider in volume.places] == [3, 4, 5]
    volume.solid.click()
    assert (console.planes, console.solid) == (True, True)
    volume.points.click()
    assert (console.points, console.solid) == (COUNT, False)
    volume.count.setValue(250)
    assert console.points == 250
    volume.points.click()
    assert (console.points, console.solid) == (0, False)
    volume.planes.click()
    assert (console.planes, console.solid) == (False, True)
    settle()


def test_the_detail_is_chosen_with_its_memory(shown, panel, settle, budget):
    volume = panel(VolumePanel)
    shape = shown.link.volume.shape
    assert volume.detail.word is None
    assert volume.detail.currentText() == f"Automatic: level 0, {memory(4 * 39 * 68 * 72)}"
    assert volume.detail.count() == len(shown.link.levels) + 1
    assert " × ".join(map(str, shape)) in volume.detail.itemText(1)
    shown.viewer.dims.ndisplay = 3
    pick(volume.detail, 1)
    settle()
    assert shown.console.detail == 1
    assert shown.image.locked_data_level == 1
    shown.console.region = ((0, 4), (0, 8), (0, 8))
    settle()
    assert "4 × 8 × 8" in volume.detail.itemText(1)
    shown.console.detail = None
    assert volume.detail.word is None


def test_a_level_that_no_gpu_takes_cannot_be_chosen(shown, panel, monkeypatch):
    from napari_gpt2_tomo.viewer import compat

    monkeypatch.setattr(compat, "max_texture_3d", lambda: 40)
    volume = panel(VolumePanel)
    assert 0 in words(volume.detail, enabled=False)
    assert 1 in words(volume.detail)


def test_the_region_panel_sets_shows_and_clears_the_region(shown, panel, settle):
    region, console = panel(RegionPanel), shown.console
    assert "whole volume" in region.about.text()
    assert not region.clear.isEnabled()
    region.ranges[1].setValue((10, 39))
    region.ranges[1].sliderReleased.emit()
    assert console.region == ((0, 39), (10, 40), (0, 64))
    assert "39 × 30 × 64 voxels" in region.about.text()
    assert memory(4 * 39 * 30 * 64) in region.about.text()
    console.region = ((4, 12), (10, 40), (20, 52))
    assert region.ranges[0].value() == (4, 11)
    region.clear.click()
    assert console.region is None
    assert region.ranges[0].value() == (0, 38)
    region.view.click()
    assert console.region is not None
    settle()


def test_a_region_beyond_the_budget_tells_what_it_would_take(shown, panel, budget):
    region = panel(RegionPanel)
    budget[0] = 4 * 39 * 32 * 32
    shown.console.region = ((0, 39), (0, 64), (0, 64))
    assert "level 1" in region.about.text()
    assert f"Level 0 would take {memory(4 * 39 * 64 * 64)}" in region.about.text()


def test_drawing_is_called_off_by_a_second_click(shown, panel):
    region = panel(RegionPanel)
    region.draw.click()
    assert drawing_of(shown.viewer) is not None
    assert "rectangle" in region.about.text()
    region.draw.click()
    assert drawing_of(shown.viewer) is None
    assert not region.draw.isChecked()


def test_panels_let_go_of_a_scan(shown, qtbot):
    def heard():
        events = shown.console.events
        signals = [events.region, events.detail, events.planes, shown.link.switched]
        return [len(signal) for signal in (*signals, shown.link.cursor.moved)]

    before = heard()
    for kind in (SourcePanel, VolumePanel, RegionPanel):
        one = kind(shown.viewer)
        qtbot.addWidget(one)
        one.set_link(shown.link)
        assert heard() != before
        one.set_link(None)
        assert heard() == before


def test_the_volume_turns_at_a_click(on_screen, qtbot):
    volume = VolumePanel(on_screen.viewer)
    qtbot.addWidget(volume)
    volume.set_link(on_screen.link)
    volume.turn.click()
    assert volume3d.spin_of(on_screen.viewer).running
    on_screen.viewer.scene.camera.angles = (1, 2, 3)
    assert not volume.turn.isChecked()
    volume.rate.click()
    assert volume3d.shows_frame_rate(on_screen.viewer)
    volume.rate.click()
    assert not volume3d.shows_frame_rate(on_screen.viewer)
    volume.reset.click()
    volume.set_link(None)
