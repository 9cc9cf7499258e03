"""The object that holds how a volume is shown."""

import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.console import Console
from napari_gpt2_tomo.display.presets import PRESETS, Preset
from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.facade import Scan


@pytest.fixture(scope="module")
def scan(tiny_phantom):
    with Scan(tiny_phantom) as opened:
        opened.statistics()
        yield opened


@pytest.fixture
def console(scan):
    return Console.of(scan.volume())


def _heard(console, name):
    heard = []
    getattr(console.events, name).connect(lambda new: heard.append(new))
    return heard


@pytest.mark.parametrize("signal", ["magnitude", "signed", "sigma", "sigma_global", "rank"])
def test_it_opens_with_the_volumes_window_and_its_signals_look(scan, signal):
    volume = scan.volume(signal=signal)
    console = Console.of(volume)
    assert console.window.limits == pytest.approx(volume.window())
    assert console.transfer == {"magnitude": "inferno", "rank": "magma"}.get(signal, "blue-orange")


def test_a_change_is_told_once_and_no_change_not_at_all(console):
    heard = _heard(console, "gamma")
    console.gamma = 0.5
    console.gamma = 0.5
    assert heard == [0.5]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda row: row.key)
def test_every_preset_can_be_applied_by_its_name(console, preset):
    console.apply_preset(preset.key, part="L1.q")
    assert console.preset is preset


def test_a_preset_per_part_needs_a_part_that_exists(console):
    before = console.window
    with pytest.raises(DisplayError, match="say which"):
        console.apply_preset("part")
    with pytest.raises(DisplayError, match=r"L99\.q"):
        console.apply_preset("part", part="L99.q")
    assert console.window == before


def test_the_window_can_be_set_in_every_unit(console):
    scale = console.scale()
    console.set("hu", centre=40, width=400)
    assert scale.to(console.window.centre, "hu") == pytest.approx(40)
    assert scale.length_to(console.window.width, "sigma") == pytest.approx(0.8)
    console.set(width=0.5)
    assert console.window.width == 0.5
    assert scale.to(console.window.centre, "hu") == pytest.approx(40)


def test_a_window_of_width_zero_is_refused_and_nothing_changes(console):
    before = console.state()
    with pytest.raises(DisplayError, match="width"):
        console.set(width=0)
    with pytest.raises(DisplayError, match="below"):
        console.set_limits(1, 1)
    assert console.state() == before


def test_a_moved_window_is_no_presets_any_more(console):
    assert console.preset is not None
    console.window = console.window.moved(0.01)
    assert console.preset is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", (0, 1)),
        ("transfer", "mud"),
        ("gamma", 0),
        ("gamma", "much"),
        ("opacity", 1.5),
        ("opacity", float("nan")),
        ("rendering", "cinematic"),
        ("attenuation", -1),
        ("iso_threshold", 2),
        ("slab", 0),
        ("slab", 1.5),
        ("slab", "thick"),
        ("slab", float("inf")),
        ("detail", -1),
        ("points", 10**9),
        ("hidden", 3),
        ("shown", [1, 2]),
        ("tints", "red"),
        ("slab_projection", "sum"),
        ("region", ((3, 3),)),
        ("region", ((3,),)),
        ("region", ()),
        ("tints", {"L0.q": (1, 2, 3)}),
    ],
)
def test_what_cannot_be_shown_is_refused_and_the_old_value_stays(console, name, value):
    before = getattr(console, name)
    with pytest.raises(DisplayError):
        setattr(console, name, value)
    assert getattr(console, name) == before


def test_names_become_sets_and_boxes_tuples(console):
    console.hidden = ["L0.q", "L0.q"]
    console.shown = "L1.k"
    console.region = [[0, 4], [1, 9], [2, 3]]
    assert console.hidden == {"L0.q"}
    assert console.shown == {"L1.k"}
    assert console.region == ((0, 4), (1, 9), (2, 3))


def test_a_state_makes_another_console_the_same(console, scan):
    console.apply_preset("hu-soft-tissue")
    console.transfer, console.invert, console.slab = "mri t2", True, 4
    other = Console.of(scan.volume())
    other.update(console.state())
    assert other.state() == console.state()


def test_better_statistics_move_a_window_of_a_preset_but_none_of_the_user(console):
    refreshed = []
    console.refreshed.connect(lambda: refreshed.append(True))
    console.apply_preset("p1-99")
    wanted = console.window
    object.__setattr__(console, "_distributions", console.distributions)
    console.refresh()
    assert console.window == wanted
    console.window = Window(7, 1)
    console.refresh()
    assert console.window == Window(7, 1)
    assert len(refreshed) == 2


def test_a_window_that_nobody_chose_follows_statistics_and_signal(scan):
    console = Console.of(scan.volume())
    opening, usual = console.preset.key, console.window
    other = {"p1-99": "p0.1-99.9", "p0.1-99.9": "p1-99"}[opening]
    console.apply_preset(other)
    console.refresh()
    assert console.preset.key == other, "what somebody chose stays"
    console.reset()
    console.refresh()
    assert (console.preset.key, console.window) == (opening, usual)
    console.follow(scan.volume(signal="rank"))
    assert console.preset.key == "full"


def test_with_another_layout_the_window_stays(console, scan):
    console.window = Window(0.1, 0.05)
    console.follow(scan.volume("cube"))
    assert console.window == Window(0.1, 0.05)


def test_with_another_signal_the_look_changes_unless_it_was_chosen(scan):
    console = Console.of(scan.volume())
    console.apply_preset("soft-tissue")
    console.follow(scan.volume(signal="signed"))
    assert console.transfer == "blue-orange"
    assert console.rendering == "translucent"
    assert console.window.centre == 0
    chosen = Console.of(scan.volume())
    chosen.transfer, chosen.rendering = "MRI T1", "mip"
    chosen.follow(scan.volume(signal="signed"))
    assert (chosen.transfer, chosen.rendering) == ("MRI T1", "mip")


def test_own_presets_are_applied_by_their_key(console):
    own = Preset("my-view", "My view", "weight", (0.2, 0.1))
    console.apply_preset("my-view", own=[own])
    assert console.window == Window(0.2, 0.1)


def test_a_console_without_a_volume_says_so():
    with pytest.raises(DisplayError, match="no volume"):
        Console().apply_preset("full")
