"""Selections from napari: what is offered, what the dialog says, and what is written."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QDialog, QFileDialog

from napari_gpt2_tomo.export.selection import size_of
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer import save_selection as module
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.save_selection import SelectionDialog, save_selection_as
from napari_gpt2_tomo.viewer.selections import offers


@pytest.fixture
def shown(model, settle, qapp):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    with Scan(model) as scan:
        layers = add_scan(viewer, scan)
        settle()
        viewer.canvas.size = (600, 800)
        viewer.reset_view()
        yield SimpleNamespace(
            viewer=viewer, scan=scan, image=layers.image, link=link_of(layers.image)
        )
        viewer.layers.clear()
        settle()


def go(shown, section: int) -> None:
    shown.viewer.dims.set_point(0, shown.image.data_to_world((section, 0, 0))[0])


def titles(shown) -> list[str]:
    return [offer.title for offer in offers(shown.viewer, shown.link)]


def test_the_part_the_section_and_what_is_in_view_are_offered(shown):
    section = shown.link.volume.region("L1.q")
    voxel = shown.link.volume.voxel(section.tensor, (0, 0))
    go(shown, voxel[0])
    found = titles(shown)
    assert found[0] == "Part: L1.q"
    assert found[1].startswith(f"Section: body · section {voxel[0]} · L1 Q")
    assert found[2].startswith("In view: body · section")
    assert offers(shown.viewer, shown.link)[0].selection.shape == (64, 64)


def test_a_drawn_region_and_a_rectangle_come_first(shown):
    shown.link.console.region = ((3, 5), (10, 20), (0, 8))
    assert offers(shown.viewer, shown.link)[0].selection.box == ((3, 5), (10, 20), (0, 8))
    shown.link.console.region = None
    at = round(shown.viewer.dims.point[0] / shown.image.scale[0])
    corners = np.array([[at, 4, 6], [at, 4, 12], [at, 9, 12], [at, 9, 6]], float)
    shapes = shown.viewer.add_shapes([corners * shown.image.scale], shape_type="rectangle", ndim=3)
    shown.viewer.layers.selection.active = shapes
    found = offers(shown.viewer, shown.link)[0]
    assert found.title.startswith("Rectangle")
    assert found.selection.box == ((at, at + 1), (4, 10), (6, 13))


def test_a_coronal_slice_is_offered_as_it_is_cut(shown):
    shown.viewer.dims.order = (1, 0, 2)
    shown.viewer.dims.set_point(1, 30)
    found = next(o for o in offers(shown.viewer, shown.link) if o.title.startswith("Slice"))
    assert found.selection.box[1] == (30, 31)
    assert found.selection.box[0] == (0, shown.link.volume.shape[0])


def test_the_dialog_tells_size_and_type_of_what_it_would_write(shown, qtbot):
    go(shown, shown.link.volume.voxel("h.1.attn.c_attn.weight", (0, 0))[0])
    dialog = SelectionDialog(shown.link, offers(shown.viewer, shown.link))
    qtbot.addWidget(dialog)
    assert "64 × 64 = 4,096 values" in dialog.about.text()
    # Weights of 4 bytes, and 12 for the address of each.
    assert size_of(dialog.selection, ".safetensors") == 64 * 64 * 16
    assert size_of(dialog.selection, ".npy") == size_of(dialog.selection, ".tif") == 64 * 64 * 4
    assert "0.1 MB on disk" in dialog.about.text()
    assert dialog.selection.signal is None
    dialog.values.setCurrentIndex(1)
    assert dialog.selection.signal == shown.link.volume.signal == "magnitude"
    dialog.air.setChecked(True)
    assert np.isnan(dialog.fill)


def test_saving_asks_where_and_writes_in_the_background(shown, tmp_path, monkeypatch, settle):
    go(shown, shown.link.volume.voxel("h.1.attn.c_attn.weight", (0, 0))[0])
    monkeypatch.setattr(SelectionDialog, "exec", lambda self: QDialog.DialogCode.Accepted)
    asked = []

    def ask(parent, title, name, kinds):
        asked.append(name)
        return str(tmp_path / "q"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_info", said.append)
    save_selection_as(shown.viewer)
    settle()
    assert asked == ["small L1.q.safetensors"]
    from safetensors.numpy import load_file

    found = load_file(tmp_path / "q.safetensors")["values"]
    np.testing.assert_array_equal(found, shown.scan.part("q", 1))
    assert said == [f"Saved L1.q to {tmp_path / 'q.safetensors'}."]


def test_without_a_scan_nothing_is_asked(monkeypatch, qapp):
    from napari.components import ViewerModel

    said = []
    monkeypatch.setattr("napari.utils.notifications.show_info", said.append)
    save_selection_as(ViewerModel())
    assert said == [module.NO_SCAN]
