"""The panel of the transfer function."""

import numpy as np
import pytest

from napari_gpt2_tomo.display.transfer import TRANSFERS, transfer
from napari_gpt2_tomo.viewer.console.strip import BAND
from napari_gpt2_tomo.viewer.console.transfer_panel import NAME, TransferPanel

from .pixels import grab


@pytest.fixture
def panel(shown, qtbot):
    made = TransferPanel(shown.viewer)
    qtbot.addWidget(made)
    made.resize(340, 260)
    made.set_link(shown.link)
    made.show()
    yield made
    made.set_link(None)


def _choose(panel, name):
    panel.list.activated.emit(panel.list.findData(name, NAME))


def test_every_function_can_be_chosen(panel, shown):
    for name in TRANSFERS:
        _choose(panel, name)
        assert shown.console.transfer == name
        assert name in shown.image.colormap.name


def test_the_list_shows_what_napari_s_own_control_chose(panel, shown):
    shown.image.colormap = "viridis"
    assert panel.list.currentText() == "viridis"
    shown.image.colormap = "twilight"
    assert panel.list.currentText() == "twilight"


def test_the_strip_shows_colours_and_opacity(panel, shown):
    _choose(panel, "CT bone")
    shown.console.gamma = 1
    picture = grab(panel.strip)
    plain = picture[-BAND // 2]
    wanted = transfer("CT bone").lut(picture.shape[1])[:, :3] * 255
    assert np.abs(plain[5:-5].astype(float) - wanted[5:-5]).max() < 12
    # Where it is clear the chequered ground is seen.
    clear = picture[5:30, 10 : picture.shape[1] // 3]
    assert len(np.unique(clear.reshape(-1, 3), axis=0)) >= 2
    shown.console.invert = True
    assert (grab(panel.strip) != picture).mean() > 0.1


def test_gamma_opacity_and_inversion_are_in_step_both_ways(panel, shown):
    panel.gamma.setValue(0.5)
    panel.opacity.setValue(0.25)
    panel.invert.setChecked(True)
    assert (shown.image.gamma, shown.image.opacity) == (0.5, 0.25)
    assert "inverted" in shown.image.colormap.name
    shown.image.gamma, shown.image.opacity = 1.5, 0.75
    assert (panel.gamma.value(), panel.opacity.value()) == (1.5, 0.75)


def test_reset_brings_back_how_it_was_at_first(panel, shown):
    before = shown.console.state()
    _choose(panel, "Heat")
    panel.gamma.setValue(2)
    panel.invert.setChecked(True)
    panel.reset.click()
    assert shown.console.state() == before


def test_it_says_where_opacity_does_not_act_and_offers_a_rendering(panel, shown):
    assert panel.note.isVisibleTo(panel)
    assert "opacity" in panel.note.text()
    panel.translucent.click()
    assert shown.console.rendering == "translucent"
    assert not panel.note.isVisibleTo(panel)
