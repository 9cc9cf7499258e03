"""The manifest: what napari is told about the plugin."""

from pathlib import Path
from typing import get_args

import pytest
from npe2 import PluginManifest

import napari_gpt2_tomo
from napari_gpt2_tomo.viewer.preferences import PLUGIN, SECTION, Preferences, preferences
from napari_gpt2_tomo.volume.reading.signal import SignalName
from napari_gpt2_tomo.volume.volume import LAYOUTS

FILE = Path(napari_gpt2_tomo.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(FILE)


def test_every_command_exists(manifest):
    manifest.validate_imports()


def test_the_installed_plugin_is_this_one(manifest):
    assert PluginManifest.from_distribution(PLUGIN).contributions == manifest.contributions


def test_the_root_links_to_it():
    root = Path(__file__).parents[2]
    assert (root / "napari.yaml").resolve() == (root / "src/napari_gpt2_tomo/napari.yaml").resolve()


def test_every_menu_item_is_a_command(manifest):
    commands = {command.id for command in manifest.contributions.commands}
    used = {
        item.command
        for items in manifest.contributions.menus.values()
        for item in items
        if hasattr(item, "command")
    }
    assert used <= commands


def test_the_preferences_default_to_what_the_code_says(manifest):
    properties = manifest.contributions.configurations[SECTION].properties
    default = Preferences()
    assert {name: entry.default for name, entry in properties.items()} == {
        name: getattr(default, name) for name in Preferences.__dataclass_fields__
    }
    assert set(properties["signal"].enum) == set(get_args(SignalName))
    assert set(properties["layout"].enum) <= {"auto", *LAYOUTS}


def test_preferences_follow_the_page(plugin_settings, npe2pm):
    from napari.settings import get_plugin_settings

    from napari_gpt2_tomo.viewer.preferences import on_change

    npe2pm.register(PluginManifest.from_file(FILE))
    assert preferences() == Preferences()
    changes = []
    end = on_change(lambda: changes.append(preferences().detail_megabytes))
    getattr(get_plugin_settings(PLUGIN), SECTION).detail_megabytes = 64
    assert changes == [64]
    end()
    getattr(get_plugin_settings(PLUGIN), SECTION).detail_megabytes = 65
    assert changes == [64]


def test_without_the_plugin_in_napari_the_defaults_hold(plugin_settings, npe2pm):
    assert preferences() == Preferences()
