"""A scan session as text: written, read, and refused where it is wrong."""

import ast
import json

import pytest

from napari_gpt2_tomo.base import DisplayError, TomoError
from napari_gpt2_tomo.display.console import Console
from napari_gpt2_tomo.display.presets import preset
from napari_gpt2_tomo.display.script import session_script
from napari_gpt2_tomo.display.state import (
    PinEntry,
    ScanState,
    SessionState,
    Source,
    ViewState,
    read_state,
    write_state,
)
from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.volume.choice import Choice


def session(**console) -> SessionState:
    held = Console()
    held.update(console)
    scan = ScanState(
        Source("/models/gpt2", "ab" * 32, "../gpt2", "gpt2", {"n_heads": 4}),
        'a "name"\nof two lines',
        Choice("heads", "signed", "extreme", None, "k"),
        held.state(),
        (1, 2, 3, 4),
        True,
        True,
        True,
        (PinEntry("wte.weight", (3, 4), "note, with\nlines"), PinEntry("scale", ())),
    )
    view = ViewState(
        ndisplay=3,
        order=(0, 2, 1, 3),
        point=(1.0, 2.5, 3.0, 4.0),
        center=(1.0, 2.0, 3.0),
        zoom=1.5,
        angles=(0.0, 20.0, -40.0),
        perspective=10.0,
        canvas=(800.0, 1000.0),
        four_views=True,
    )
    return SessionState((scan,), view)


SHOWN = {
    "window": Window(0.1, 0.30000000000000004),
    "transfer": "magma",
    "rendering": "mip",
    "region": ((0, 5), (1, 9), (0, 3), (2, 4)),
    "shown": {"L3.q", "L1.k"},
    "hidden": {"L2.v"},
    "tints": {"L3.q": (1.0, 0.5, 0.0)},
    "slab": 3,
}


def test_what_is_written_reads_back_the_same():
    before = session(**SHOWN)
    after = SessionState.of_json(before.to_json())
    assert after == before


def test_a_preset_is_kept_by_its_key():
    before = session(window=Window(0.5, 1.0), preset=preset("p1-99"))
    assert '"preset": "p1-99"' in before.to_json()
    assert SessionState.of_json(before.to_json()).scans[0].console["preset"] == preset("p1-99")


def test_the_text_is_for_people():
    text = session(**SHOWN).to_json()
    assert '"index": [3, 4]' in text
    assert '"shown": ["L1.k", "L3.q"]' in text
    assert max(map(len, text.splitlines())) < 120
    assert text == session(**SHOWN).to_json()


def test_a_file_is_whole_and_has_the_ending(tmp_path):
    path = write_state(session(), tmp_path / "mine")
    assert path.name == "mine.tomo.json"
    assert write_state(session(), tmp_path / "other.tomo.json").name == "other.tomo.json"
    assert read_state(path) == session()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.tomo.json", "other.tomo.json"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(TomoError, match="cannot be written"):
        write_state(session(), tmp_path / "absent" / "mine")


def changed(path, value):
    data = json.loads(session(**SHOWN).to_json())
    at = data
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), "something", "no scan session"),
        (("version",), 2, "has version 2.*Update"),
        (("scans",), 5, "'scans': must be a list"),
        (("scans", 0, "name"), 5, "Scan 1, 'name': must be a text"),
        (("scans", 0, "source", "path"), ..., "Scan 1, source lacks the entry 'path'"),
        (("scans", 0, "source", "sizes"), {"n_heads": "x"}, "Scan 1, source, 'sizes'"),
        (("scans", 0, "volume", "signal"), "loud", "must be one of .*'magnitude'"),
        (("scans", 0, "colour"), "red", "entries that are not known: 'colour'"),
        (("scans", 0, "console", "window"), {"centre": 0, "width": 0}, "console, 'window'.*width"),
        (("scans", 0, "console", "window"), {"centre": 0}, "lacks the entry 'width'"),
        (("scans", 0, "console", "gamma"), 99, "'gamma': gamma must be a number from"),
        (("scans", 0, "console", "gamma"), "x", "'gamma'"),
        (("scans", 0, "console", "slab"), 1.5, "'slab'"),
        (("scans", 0, "console", "transfer"), "nothing", "'transfer'"),
        (("scans", 0, "console", "region"), [[3, 1]], "'region'"),
        (("scans", 0, "console", "hidden"), "L3.q", "'hidden': must be a list"),
        (("scans", 0, "console", "tints"), {"L3.q": [1, 2]}, "'tints': must have 3 numbers"),
        (("scans", 0, "console", "preset"), "nothing", "There is no preset"),
        (("scans", 0, "console", "sharp"), 1, "not known: 'sharp'"),
        (("scans", 0, "cursor"), [1, 2.5], "'cursor': must be a whole number"),
        (("scans", 0, "margins"), 1, "must be true or false"),
        (("scans", 0, "pins", 1, "index"), "x", "Scan 1, pin 2, 'index'"),
        (("view", "ndisplay"), 4, "The view, 'ndisplay': must be one of 2, 3"),
        (("view", "order"), [0, 0, 1, 2], "must hold each of the 4 axes"),
        (("view", "zoom"), 0, "'zoom': must be above 0"),
        pytest.param(("view", "zoom"), 10**400, "'zoom': must be a finite number", id="huge zoom"),
        pytest.param(("scans", 0, "console", "gamma"), 10**400, "'gamma'", id="huge gamma"),
        (("scans", 0, "console", "window"), {"centre": 10**400, "width": 1}, "'window'"),
        (("view", "center"), [1, 2], "must have 3 numbers, not 2"),
        (("view",), ..., "lacks the entry 'view'"),
    ],
)
def test_whatever_is_wrong_is_said_with_its_place(path, value, words):
    with pytest.raises(DisplayError, match=words):
        SessionState.of_json(changed(path, value))


@pytest.mark.parametrize("text", ["", "[]", "3", '{"format": 1}', "[" * 100_000])
def test_another_file_is_no_session(tmp_path, text):
    path = tmp_path / "x.tomo.json"
    path.write_text(text)
    with pytest.raises(DisplayError, match=r"x\.tomo\.json: This is no scan session"):
        read_state(path)


def test_not_a_number_is_refused():
    text = session().to_json().replace('"zoom": 1.5', '"zoom": NaN')
    with pytest.raises(DisplayError, match="NaN"):
        SessionState.of_json(text)


def test_the_script_is_python_and_says_what_differs():
    script = session_script(session(**SHOWN))
    ast.parse(script)
    assert "tomo.scan('/models/gpt2', n_heads=4, family='gpt2')" in script
    assert "link.console.set_limits(-0.05, 0.25)" in script
    assert "link.console.tints = {'L3.q': (1.0, 0.5, 0.0)}" in script
    assert "link.console.hidden = {'L2.v'}" in script
    assert "bounding_box" not in script
    assert "tomo.pin(viewer, 'wte.weight[3, 4]', note='note, with\\nlines')" in script
    assert script == session_script(session(**SHOWN))


def test_names_in_a_script_are_no_code():
    hostile = "x'\"\n__import__('os').system('true')\\"
    state = session()
    scan = state.scans[0]
    source = Source(hostile, "", None, hostile)
    pins = (PinEntry(hostile, (1,), hostile),)
    bad = ScanState(source, hostile, scan.volume, scan.console, (), pins=pins)
    tree = ast.parse(session_script(SessionState((bad,), state.view)))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "__import__" not in names
