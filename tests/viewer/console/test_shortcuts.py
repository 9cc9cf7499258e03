"""Keys for presets and sections."""

from napari_gpt2_tomo.display.presets import PRESETS
from napari_gpt2_tomo.viewer.shortcuts import SHORTCUTS, install, key_of


def _press(viewer, key):
    from napari.utils.key_bindings import coerce_keybinding

    viewer.keymap[coerce_keybinding(key)](viewer)


def test_every_preset_key_sets_its_window(shown):
    shown.viewer.dims.set_current_step(0, 19)
    for one in SHORTCUTS:
        if one.preset:
            _press(shown.viewer, one.key)
            assert shown.console.preset.key == one.preset


def test_keys_are_unique_and_presets_exist():
    keys = [one.key for one in SHORTCUTS]
    assert len(set(keys)) == len(keys)
    assert {one.preset for one in SHORTCUTS if one.preset} <= {row.key for row in PRESETS}
    assert key_of("full") == "F5"
    assert key_of("hu-full") == ""


OTHERS = {"Shift+P"}
"""Keys of layers that are no scan's; they come first while such a layer is active."""


def test_none_of_the_keys_is_taken_by_napari(shown):
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    theirs |= {str(key) for key in type(shown.viewer).class_keymap}
    assert not (theirs - OTHERS) & {str(coerce_keybinding(one.key)) for one in SHORTCUTS}


def test_sections_are_stepped_through_and_the_ends_hold(shown):
    dims = shown.viewer.dims
    dims.set_current_step(0, 5)
    _press(shown.viewer, "PageDown")
    assert dims.current_step[0] == 6
    assert shown.link.cursor.position[0] == 6
    _press(shown.viewer, "Shift-PageUp")
    assert dims.current_step[0] == 0
    for _ in range(20):
        _press(shown.viewer, "Shift-PageDown")
    assert dims.current_step[0] == shown.link.volume.shape[0] - 1


def test_inverting_and_resetting(shown):
    _press(shown.viewer, "Shift-I")
    assert shown.console.invert
    shown.console.transfer = "Heat"
    _press(shown.viewer, "Shift-W")
    assert (shown.console.transfer, shown.console.invert) == ("inferno", False)


def test_a_preset_per_part_in_the_air_says_so(shown, said):
    from napari_gpt2_tomo.viewer.link import link_of

    shape = link_of(shown.image).volume.shape
    shown.link.cursor.move([n - 1 for n in shape])
    shown.viewer.dims.set_point([0, 1, 2], shown.image.data_to_world([n - 1 for n in shape]))
    shown.viewer.cursor.position = tuple(shown.image.data_to_world([n - 1 for n in shape]))
    window = shown.console.window
    _press(shown.viewer, "F4")
    assert any("air" in text for text in said)
    assert shown.console.window == window


def test_somebody_elses_key_is_left_to_them(shown):
    from napari.components import ViewerModel

    other = ViewerModel()
    pressed = []
    other.bind_key("F5", lambda viewer: pressed.append(True))
    end = install(other)
    _press(other, "F5")
    assert pressed
    end()
    assert [str(key) for key in other.keymap] == ["F5"]
