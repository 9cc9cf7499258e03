"""What the console remembers, in napari's own settings."""

import pytest
from npe2 import PluginManifest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.viewer import remembered

from ..test_manifest import FILE


@pytest.fixture(params=[False, True], ids=["script", "plugin"])
def memory(request, monkeypatch, plugin_settings, npe2pm):
    """Once without the plugin in napari, once with its settings."""
    from napari_gpt2_tomo.viewer.preferences import section

    if request.param:
        npe2pm.register(PluginManifest.from_file(FILE))
        monkeypatch.setattr(remembered, "section", section)
    return remembered


def test_own_presets_are_kept_replaced_and_deleted(memory):
    assert memory.own_presets() == ()
    memory.add_preset("Mine", "sigma", (0.0, 2.0))
    made = memory.add_preset(" Mine ", "weight", (0.1, 0.2))
    assert memory.own_presets() == (made,)
    assert (made.key, made.kind, made.numbers) == ("my-Mine", "weight", (0.1, 0.2))
    memory.delete_preset(made.key)
    memory.delete_preset("my-nothing")
    assert memory.own_presets() == ()


def test_a_preset_of_width_zero_or_without_a_title_is_refused(memory):
    with pytest.raises(DisplayError, match="above 0"):
        memory.add_preset("Mine", "sigma", (0.0, 0.0))
    with pytest.raises(DisplayError, match="title"):
        memory.add_preset("  ", "sigma", (0.0, 1.0))
    assert memory.own_presets() == ()


def test_presets_that_cannot_be_read_are_said_and_never_overwritten(memory):
    memory._set("presets", "{ my work of years")
    for use in (
        memory.own_presets,
        lambda: memory.add_preset("Mine", "sigma", (0.0, 1.0)),
        lambda: memory.delete_preset("my-Mine"),
    ):
        with pytest.raises(DisplayError, match="Preferences"):
            use()
    assert memory._get("presets") == "{ my work of years"


def test_a_file_of_presets_adds_what_is_new_and_loses_nothing(memory):
    from napari_gpt2_tomo.display.presets import Preset, to_json

    memory.add_preset("Mine", "sigma", (0.0, 2.0))
    same = Preset("x", "Mine", "sigma", (0.0, 2.0))
    other = Preset("x", "Mine", "sigma", (0.0, 3.0))
    new = Preset("x", "New", "hu", (40.0, 400.0))
    assert memory.merge_presets(to_json([same])) == ()
    added = memory.merge_presets(to_json([other]))
    assert [row.title for row in added] == ["Mine (2)"]
    memory.merge_presets(to_json([new]))
    assert [row.title for row in memory.own_presets()] == ["Mine", "Mine (2)", "New"]


def test_recent_scans_come_newest_first_and_once(memory, tmp_path):
    for name in ("a", "b", "a"):
        memory.remember_scan(tmp_path / name)
    assert memory.recent_scans() == [tmp_path / "a", tmp_path / "b"]
    for number in range(20):
        memory.remember_scan(tmp_path / f"{number}")
    assert len(memory.recent_scans()) == memory.LONGEST
    memory._set("recent_scans", "nonsense")
    assert memory.recent_scans() == []


def test_the_switches_are_kept(memory):
    memory.set_drags_window(False)
    memory.stop_offering()
    assert not memory.drags_window()
    assert not memory.offers_console()


def test_own_presets_survive_a_new_session(monkeypatch, plugin_settings, npe2pm):
    from napari.settings import get_plugin_settings

    from napari_gpt2_tomo.viewer.preferences import PLUGIN, section

    npe2pm.register(PluginManifest.from_file(FILE))
    monkeypatch.setattr(remembered, "section", section)
    made = remembered.add_preset("Mine", "sigma", (0.5, 2.0))
    kept = get_plugin_settings(PLUGIN)
    path = kept.config_path
    assert "Mine" in path.read_text()
    assert type(kept)(config_path=path).console.presets == kept.console.presets
    assert remembered.own_presets() == (made,)
