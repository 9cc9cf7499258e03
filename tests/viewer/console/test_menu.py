"""Recent scans, files of presets, and the offer after a drop."""

import json

import pytest

from napari_gpt2_tomo.viewer import remembered
from napari_gpt2_tomo.viewer.console import notice
from napari_gpt2_tomo.viewer.console.menu import (
    ConsoleMenu,
    export_presets,
    import_presets,
    open_scan,
)
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.preferences import PLUGIN


@pytest.fixture
def menu(shown, qtbot):
    made = ConsoleMenu(shown.viewer, lambda: None)
    qtbot.addWidget(made)
    return made


def test_recent_scans_are_listed_and_missing_ones_explained(menu, model, tmp_path):
    menu.fill()
    assert not menu.recent.actions()[0].isEnabled()
    remembered.remember_scan(tmp_path / "gone")
    remembered.remember_scan(model)
    menu.fill()
    there, gone = menu.recent.actions()
    assert there.isEnabled()
    assert "small" in there.text()
    assert not gone.isEnabled()
    assert "no longer there" in gone.text()
    assert str(tmp_path / "gone") in gone.toolTip()


def test_opening_a_scan_that_vanished_says_so(shown, said, tmp_path):
    open_scan(shown.viewer, tmp_path / "gone")
    assert any("moved or deleted" in text for text in said)


def test_presets_go_to_a_file_and_come_back(shown, said, tmp_path):
    made = remembered.add_preset("Mine", "hu", (40.0, 400.0))
    export_presets(str(tmp_path / "mine.json"))
    remembered.delete_preset(made.key)
    import_presets(str(tmp_path / "mine.json"))
    assert remembered.own_presets() == (made,)
    import_presets(str(tmp_path / "mine.json"))
    assert "Added Mine." in said
    assert any("already" in text for text in said)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", "not text"),
        (b"{}", "no list"),
        (b'{"presets": [{"title": "a", "kind": "hu", "centre": 0, "width": 0}]}', "above 0"),
        (b" " * (2**20 + 1), "too large"),
        (None, "cannot be read"),
    ],
)
def test_an_invalid_file_of_presets_is_said_and_changes_nothing(
    shown, said, tmp_path, content, words
):
    made = remembered.add_preset("Mine", "hu", (40.0, 400.0))
    path = tmp_path / "presets.json"
    if content is not None:
        path.write_bytes(content)
    import_presets(str(path))
    assert any(words in text for text in said)
    assert remembered.own_presets() == (made,)


def test_a_file_that_cannot_be_written_is_said(shown, said, tmp_path):
    export_presets(str(tmp_path / "nowhere" / "mine.json"))
    assert any("cannot be written" in text for text in said)


def test_the_file_is_json_with_titles(tmp_path):
    remembered.add_preset("Mine", "hu", (40.0, 400.0))
    export_presets(str(tmp_path / "mine.json"))
    assert json.loads((tmp_path / "mine.json").read_text())["presets"][0]["title"] == "Mine"


def test_the_first_drop_offers_the_console_and_is_remembered(viewer, model, settle, said, qtbot):
    image, _ = viewer.open(str(model), plugin=PLUGIN)
    settle()
    qtbot.wait(10)
    offers = [text for text in said if "console" in text]
    assert len(offers) == 1
    assert remembered.recent_scans() == [link_of(image).scan.checkpoint.path]
    viewer.open(str(model), plugin=PLUGIN)
    settle()
    qtbot.wait(10)
    assert len([text for text in said if "console" in text]) == 1
    viewer.layers.clear()
    settle()


def test_a_script_or_a_no_gets_no_offer(shown, said, settle, qtbot, viewer):
    notice.offer(viewer)
    qtbot.wait(10)
    remembered.stop_offering()
    notice.expect()
    notice.offer(viewer)
    qtbot.wait(10)
    assert not said
