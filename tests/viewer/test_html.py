"""The HTML scanner from napari: File ▸ Save, and the plugin's menu."""

import pytest
from npe2 import PluginManifest

import napari_gpt2_tomo as tomo
from export.pages import ReadPage
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer import html
from napari_gpt2_tomo.viewer.commands import current_link
from napari_gpt2_tomo.viewer.layers import add_scan


@pytest.fixture
def plugin(npe2pm):
    npe2pm.register(PluginManifest.from_distribution("napari-gpt2-tomo"))
    return npe2pm


@pytest.fixture
def scanned(viewer, model, settle):
    """A viewer that shows a scan."""
    with tomo.scan(model) as scan:
        add_scan(viewer, scan)
        settle()
        yield viewer
        viewer.layers.clear()
        settle()


@pytest.mark.usefixtures("plugin")
def test_saving_all_layers_writes_a_page_with_the_consoles_view(scanned, tmp_path, settle):
    link = current_link(scanned)
    link.console.set_limits(0.05, 0.25)
    link.console.transfer = "CT bone"
    link.console.invert = True
    link.cursor.move((5, 6, 7))
    scanned.layers.save(str(tmp_path / "page.html"))
    settle()
    header = ReadPage(tmp_path / "page.html").header
    assert header["window"] == pytest.approx([0.05, 0.25])
    assert header["transfer"] == "CT bone"
    assert header["invert"] is True
    assert header["start"] == [5, 6, 7]


@pytest.mark.usefixtures("plugin")
def test_saving_the_selected_layer_writes_a_page_too(scanned, tmp_path, settle):
    assert scanned.layers[0].save(str(tmp_path / "page.html"))
    settle()
    header = ReadPage(tmp_path / "page.html").header
    # Nobody touched the console: the page chooses for what it shows.
    full = next(row for row in header["presets"] if row["key"] == "p0.1-99.9")
    assert header["window"] == pytest.approx([full["low"], full["high"]])


def test_layers_without_a_scan_are_refused_with_a_reason(viewer, tmp_path, monkeypatch):
    layer = viewer.add_points([[1, 2]])
    said = []
    monkeypatch.setattr(html, "show", said.append)
    assert html.write_html(str(tmp_path / "page.html"), [layer.as_layer_data_tuple()]) == []
    assert "none of these layers" in str(said[0])
    assert not list(tmp_path.iterdir())


def test_without_a_window_the_reason_is_an_error(tmp_path):
    with pytest.raises(TomoError, match="none of these layers"):
        html.write_html(str(tmp_path / "page.html"), [])


def test_the_menu_asks_how_fine_and_where_and_writes_in_the_background(
    scanned, tmp_path, settle, monkeypatch
):
    from qtpy.QtWidgets import QFileDialog, QInputDialog

    offered = []

    def choose(parent, title, label, words, current, editable):
        offered.extend(words)
        return words[-1], True

    monkeypatch.setattr(QInputDialog, "getItem", choose)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *arguments: (str(tmp_path / "page"), "")
    )
    html.export_html_as(scanned)
    settle()
    volume = current_link(scanned).volume
    assert len(offered) == len(volume.factors)
    assert all("MB" in words for words in offered)
    header = ReadPage(tmp_path / "page.html").header
    assert header["shape"] == list(html.resolutions(volume)[-1].shape)


def test_the_menu_says_what_to_do_without_a_scan(viewer, monkeypatch):
    from napari.utils import notifications

    said = []
    monkeypatch.setattr(notifications, "show_info", said.append)
    html.export_html_as(viewer)
    assert "Open a checkpoint first" in said[0]
