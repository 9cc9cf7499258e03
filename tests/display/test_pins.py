"""Pinned probes as rows and as text."""

import csv
import io

import pytest

from napari_gpt2_tomo.display.history import History
from napari_gpt2_tomo.display.pins import COLUMNS, Pin, Pins
from napari_gpt2_tomo.facade import Scan


@pytest.fixture(scope="module")
def volume(tiny_phantom):
    with Scan(tiny_phantom) as opened:
        yield opened.volume("body", exact=False)


def pin_at(volume, tensor, index, note=""):
    voxel = volume.voxel(tensor, index)
    return Pin.of(volume.address(voxel), voxel, note)


@pytest.fixture
def pins(volume):
    held = Pins()
    held.add(pin_at(volume, "h.3.attn.c_attn.weight", (5, 70), "loud, see there"))
    held.add(pin_at(volume, "h.2.mlp.c_fc.weight", (1, 9)))
    held.add(pin_at(volume, "wte.weight", (11, 4)))
    return held


def test_a_row_says_what_a_parameter_is(pins, volume):
    row = dict(zip(COLUMNS, pins[0].cells(), strict=True))
    assert row["tensor"] == "h.3.attn.c_attn.weight"
    assert (row["index"], row["role"], row["layer"], row["head"]) == ("5, 70", "k", "3", "0")
    assert row["voxel"] == ", ".join(map(str, volume.voxel("h.3.attn.c_attn.weight", (5, 70))))
    assert float(row["value"]) == pins[0].value
    assert dict(zip(COLUMNS, pins[1].cells(), strict=True))["neuron"] == "9"
    assert dict(zip(COLUMNS, pins[2].cells(), strict=True))["token"] == "11"


def test_a_parameter_is_pinned_once(pins, volume):
    assert pins.add(pin_at(volume, "h.2.mlp.c_fc.weight", (1, 9), "again")) == 1
    assert len(pins) == 3


def test_changes_are_told(pins):
    heard = []
    pins.changed.connect(lambda: heard.append(len(pins)))
    pins.note(1, "  a note ")
    assert pins[1].note == "a note"
    pins.remove([0, 2])
    assert heard == [3, 1]


@pytest.mark.parametrize(("text", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_tables_read_back(pins, text, delimiter):
    rows = list(csv.DictReader(io.StringIO(getattr(pins, text)()), delimiter=delimiter))
    assert [row["tensor"] for row in rows] == [pin.tensor for pin in pins]
    assert rows[0]["note"] == "loud, see there"
    assert [float(row["value"]) for row in rows] == [pin.value for pin in pins]
    assert len(list(csv.reader(io.StringIO(getattr(pins, text)([1])), delimiter=delimiter))) == 2


def test_no_cell_is_a_formula(pins, volume):
    pins.note(0, "=cmd()")
    rows = list(csv.DictReader(io.StringIO(pins.csv())))
    assert rows[0]["note"] == "'=cmd()"
    # A negative number is one.
    assert all(float(row["value"]) == pin.value for row, pin in zip(rows, pins, strict=True))


def test_pins_move_with_the_layout(pins, tiny_phantom):
    with Scan(tiny_phantom) as scan:
        cube = scan.volume("cube", exact=False)
        pins.relocate(cube)
        for pin in pins:
            assert cube.address(pin.voxel).tensor == pin.tensor
        pins.relocate(scan.volume("tensor", tensor="wte.weight", exact=False))
        assert [pin.voxel for pin in pins] == [None, None, (11, 4)]


def test_restoring_leaves_out_what_is_gone_and_says_so(pins, volume):
    entries = [(pin.tensor, pin.index, pin.note) for pin in pins]
    again = Pins()
    lost = again.restore(
        [*entries, ("gone.weight", (1,), ""), ("wte.weight", (9**9, 0), "")], volume
    )
    assert list(again) == list(pins)
    assert len(lost) == 2
    assert "gone.weight[1]" in lost[0]


def test_history_goes_back_and_forward_like_a_browser():
    history = History[str]()
    heard = []
    history.changed.connect(lambda: heard.append((history.can_back, history.can_forward)))
    assert history.back() is None
    for place in "abc":
        history.visit(place)
    history.visit("c")
    assert [history.back(), history.back(), history.back()] == ["b", "a", None]
    assert (history.can_back, history.can_forward) == (False, True)
    assert history.forward() == "b"
    history.leave("B")
    history.visit("d")
    assert history.forward() is None
    assert [history.back(), history.back()] == ["B", "a"]
    assert heard[0] == (False, False)
    assert heard[-1] == (False, True)


def test_history_is_bounded():
    history = History[int](most=3)
    for place in range(9):
        history.visit(place)
    assert [history.back(), history.back(), history.back()] == [7, 6, None]
