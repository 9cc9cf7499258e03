"""A page in Chromium: what a person sees and does."""

import base64
import itertools
import re

import numpy as np
import pytest

from export.browsers import NAMES, READY_MS, VOLUME, changed, chromium, is_painted, pixels
from export.pages import ReadPage

VIEWS = [f"#pane-{i} .stage" for i in range(4)]
SLICES = VIEWS[:3]


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


class Told:
    """What a tab said and asked for."""

    def __init__(self, tab) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.messages.append(message.text))
        tab.on("pageerror", lambda error: self.messages.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))


def open_tab(browser, path, link="", until=VOLUME, **options):
    context = browser.new_context(**({"viewport": {"width": 1190, "height": 640}} | options))
    context.set_offline(True)
    tab = context.new_page()
    tab.told = Told(tab)
    tab.goto(path.as_uri() + link)
    tab.wait_for_selector(until, state="attached", timeout=READY_MS)
    return tab


@pytest.fixture(scope="module")
def loaded(browser, make_page):
    """The page of the small model; tests share it."""
    return open_tab(browser, make_page(), accept_downloads=True)


@pytest.fixture
def tab(loaded):
    """The page as it was when it was loaded."""
    loaded.keyboard.press("Escape")
    loaded.evaluate("document.activeElement.blur()")
    change(loaded, "{...scanner.store.first}")
    loaded.evaluate("scanner.panes.forEach((pane) => pane.fit())")
    yield loaded
    assert loaded.told.messages == []


def change(tab, changes: str) -> None:
    tab.evaluate(f"scanner.store.set({changes})")
    next_frame(tab)


def next_frame(tab) -> None:
    """Let the page hear of what was done."""
    tab.evaluate("new Promise((done) => requestAnimationFrame(done))")


def frames(tab) -> None:
    """Let everything be drawn, the volume in full."""
    tab.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {"
        " scanner.volume.draw(1); done(); })))"
    )


def go_to(tab, part: str) -> None:
    change(tab, f"{{cursor: scanner.addresses.parts.at[{number(tab, part)}]}}")


def number(tab, part: str) -> int:
    return tab.evaluate(f"scanner.addresses.parts.names.indexOf('{part}')")


def state(tab, key: str):
    return tab.evaluate(f"scanner.store.state.{key}")


def photograph(tab) -> list[np.ndarray]:
    """All four views as the browser puts them on the screen."""
    frames(tab)
    return [pixels(tab.locator(view).screenshot()) for view in VIEWS]


def see(tab, *views: int) -> list[np.ndarray]:
    """The canvases of some views, read back in the page: quicker than a photograph."""
    next_frame(tab)
    found = tab.evaluate(
        """(views) => {
            scanner.volume.draw(1);
            return views.map((view) => {
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [240, 160];
                const context = canvas.getContext("2d", { alpha: false });
                for (const layer of document.querySelectorAll(`#pane-${view} canvas`)) {
                    context.drawImage(layer, 0, 0, 240, 160);
                }
                return canvas.toDataURL("image/png").split(",")[1];
            });
        }""",
        list(views or range(4)),
    )
    return [pixels(base64.b64decode(text)) for text in found]


def middle(tab, view) -> tuple[float, float]:
    box = tab.locator(view).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(tab, start, by, button="left", steps=4) -> None:
    tab.mouse.move(*start)
    tab.mouse.down(button=button)
    tab.mouse.move(start[0] + by[0], start[1] + by[1], steps=steps)
    tab.mouse.up(button=button)
    next_frame(tab)


def test_all_four_views_are_painted(tab):
    assert [is_painted(view) for view in photograph(tab)] == [True] * 4


def test_a_page_asks_for_nothing_but_itself(tab):
    others = [
        url for url in tab.told.requests if not re.match("blob:|data:", url) and url != tab.url
    ]
    assert [url for url in others if not url.startswith("file:")] == []
    assert len({url.split("#")[0] for url in others}) <= 1


@pytest.mark.parametrize("view", [VIEWS[0], VIEWS[3]])
def test_right_drag_changes_the_window_in_slices_and_volume(tab, view):
    before = photograph(tab)
    low, high = state(tab, "low"), state(tab, "high")
    drag(tab, middle(tab, view), (-60, -50), button="right")
    assert state(tab, "high") - state(tab, "low") < high - low
    assert state(tab, "high") + state(tab, "low") > high + low
    assert all(changed(a, b) > 0.03 for a, b in zip(before, photograph(tab), strict=True))


def test_the_window_is_written_on_the_view_while_it_is_dragged(tab):
    x, y = middle(tab, VIEWS[1])
    tab.mouse.move(x, y)
    tab.mouse.down(button="right")
    tab.mouse.move(x + 30, y)
    text = tab.locator(f"{VIEWS[1]} .reading").text_content()
    tab.mouse.up(button="right")
    assert re.fullmatch(r"C [\d.]+  W [\d.]+", text)
    assert tab.locator(".reading").count() == 0


def test_after_the_switch_the_left_button_windows(tab):
    tab.locator("#drag-window").click()
    cursor, low = state(tab, "cursor"), state(tab, "low")
    drag(tab, middle(tab, VIEWS[0]), (40, 30))
    assert state(tab, "low") != low
    assert state(tab, "cursor") == cursor


def test_a_click_moves_the_crosshair_in_all_views(tab):
    box = tab.locator(VIEWS[0]).bounding_box()
    before = see(tab, 0, 1, 2)
    tab.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.3)
    section, row, column = state(tab, "cursor")
    assert section == tab.evaluate("scanner.scan.start[0]")
    assert (row, column) != tuple(tab.evaluate("scanner.scan.start.slice(1)"))
    assert all(changed(a, b) > 0.001 for a, b in zip(before, see(tab, 0, 1, 2), strict=True))


@pytest.mark.parametrize("axis", range(3))
def test_wheel_slider_number_and_keys_move_along_an_axis(tab, axis):
    start = state(tab, f"cursor[{axis}]")
    tab.mouse.move(*middle(tab, VIEWS[axis]))
    tab.mouse.wheel(0, 100)
    tab.mouse.wheel(0, 100)
    assert state(tab, f"cursor[{axis}]") == start + 2
    tab.locator(f"#slider-{axis}").fill("3")
    assert state(tab, f"cursor[{axis}]") == 3
    next_frame(tab)
    tab.locator(f"#number-{axis}").fill("5")
    tab.locator(f"#number-{axis}").press("Enter")
    assert state(tab, f"cursor[{axis}]") == 5
    tab.locator(f"{VIEWS[axis]} canvas").focus()
    tab.keyboard.press("PageUp")
    assert state(tab, f"cursor[{axis}]") == 4
    tab.keyboard.press("End")
    assert state(tab, f"cursor[{axis}]") == tab.evaluate(f"scanner.scan.shape[{axis}] - 1")
    frames(tab)
    assert tab.locator(f"#number-{axis}").input_value() == str(state(tab, f"cursor[{axis}]"))


def test_a_number_beyond_the_end_becomes_the_end(tab):
    tab.locator("#number-0").fill("99999")
    tab.locator("#number-0").press("Enter")
    last = tab.evaluate("scanner.scan.shape[0] - 1")
    assert state(tab, "cursor[0]") == last
    assert tab.locator("#number-0").input_value() == str(last)


def test_arrow_keys_move_within_a_slice(tab):
    before = state(tab, "cursor")
    tab.locator(f"{VIEWS[0]} canvas").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):
        tab.keyboard.press(key)
    assert state(tab, "cursor") == [before[0], before[1] + 2, before[2] - 1]


def test_slices_zoom_and_fit(tab):
    x, y = middle(tab, VIEWS[0])
    (before,) = see(tab, 0)
    tab.mouse.move(x, y)
    tab.keyboard.down("Control")
    tab.mouse.wheel(0, -300)
    tab.keyboard.up("Control")
    assert tab.evaluate("scanner.panes[0].zoom") > 1
    drag(tab, (x, y), (20, 10), button="middle")
    (zoomed,) = see(tab, 0)
    assert changed(before, zoomed) > 0.1
    tab.mouse.dblclick(x, y)
    assert tab.evaluate("scanner.panes[0].zoom") == 1


def test_every_preset_sets_its_window_and_keys_choose_the_first_nine(tab):
    presets = tab.evaluate("scanner.scan.presets")
    buttons = tab.locator("#presets button")
    assert buttons.count() == len(presets)
    for number, preset in enumerate(presets):
        buttons.nth(number).evaluate("(button) => button.click()")
        found = state(tab, "low"), state(tab, "high")
        if not preset["part"]:
            assert found == pytest.approx((preset["low"], preset["high"]))
        assert found[0] < found[1]
    tab.keyboard.press("1")
    assert state(tab, "high") == pytest.approx(presets[0]["high"])


def test_the_window_of_a_part_comes_from_its_voxels(tab):
    change(
        tab, "{cursor: scanner.addresses.parts.at[scanner.addresses.parts.names.indexOf('L1.k')]}"
    )
    tab.locator("#window-part").click()
    voxels = tab.evaluate(
        "(n) => { const p = scanner.picture;"
        "return [...p.codes].filter((c, i) => p.labels[i] === n + 1).map((c) => p.values[c]); }",
        number(tab, "L1.k"),
    )
    expected = np.quantile(voxels, 0.999, method="inverted_cdf")
    assert state(tab, "high") == pytest.approx(expected)
    assert state(tab, "low") == 0


def test_centre_and_width_are_numbers_in_three_units(tab):
    mean, sigma = tab.evaluate("[scanner.scan.scale.mean, scanner.scan.scale.sigma]")
    tab.locator("#centre").fill("0.2")
    tab.locator("#centre").press("Enter")
    tab.locator("#width").fill("0.1")
    tab.locator("#width").press("Enter")
    assert (state(tab, "low"), state(tab, "high")) == pytest.approx((0.15, 0.25))
    tab.locator("#unit").select_option("HU")
    assert float(tab.locator("#width").input_value()) == pytest.approx(50 / sigma, rel=1e-4)
    tab.locator("#unit").select_option("σ")
    assert float(tab.locator("#centre").input_value()) == pytest.approx(
        (0.2 - mean) / sigma, rel=1e-4, abs=1e-4
    )
    tab.locator("#width").fill("-1")
    tab.locator("#width").press("Enter")
    assert (state(tab, "low"), state(tab, "high")) == pytest.approx((0.15, 0.25))
    tab.locator("#unit").select_option(index=0)


def test_the_window_is_dragged_on_the_histogram(tab):
    box = tab.locator("#histogram").bounding_box()
    low, high = state(tab, "low"), state(tab, "high")
    x = box["x"] + tab.evaluate(
        f"(() => {{ const h = scanner.histogram; return h.x({high}) / h.ratio; }})()"
    )
    drag(tab, (x, box["y"] + 30), (-50, 0))
    assert state(tab, "low") == low
    assert state(tab, "high") < high


def test_every_transfer_function_recolours_slices_and_volume(tab):
    names = tab.evaluate("scanner.scan.transfers.map((row) => row.name)")
    seen = []
    for name in names:
        tab.locator(f"#transfers input[value='{name}']").evaluate("(input) => input.click()")
        assert state(tab, "transfer") == name
        seen.append(see(tab, 0, 3))
    for before, after in itertools.pairwise(seen):
        assert changed(before[0], after[0]) > 0.02
        assert changed(before[1], after[1]) > 0.02


def test_opacity_and_inversion_act(tab):
    (before,) = see(tab, 3)
    tab.locator("#opacity").fill("0.2")
    (thin,) = see(tab, 3)
    assert thin.sum() < 0.8 * before.sum()
    (dark,) = see(tab, 0)
    tab.locator("#invert").check()
    (light,) = see(tab, 0)
    assert light.mean() > 1.5 * dark.mean()


def test_each_way_to_show_the_volume_looks_different(tab):
    seen = []
    for mode in tab.locator("#mode option").evaluate_all("all => all.map(o => o.value)"):
        tab.locator("#mode").select_option(mode)
        (view,) = see(tab, 3)
        assert is_painted(view)
        seen.append(view)
    assert len(seen) == 4
    assert all(changed(a, b) > 0.02 for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("axis", range(3))
def test_a_cut_takes_away_what_lies_before_the_slice(tab, axis):
    change(tab, "{mode: 'projection', cursor: [20, 32, 32], opacity: 1}")
    (before,) = see(tab, 3)
    tab.locator("#cut").select_option(str(axis))
    (after,) = see(tab, 3)
    assert changed(before, after) > 0.05
    assert (after.max(axis=2) > 24).sum() < (before.max(axis=2) > 24).sum()


def test_the_volume_turns_zooms_and_moves(tab):
    x, y = middle(tab, VIEWS[3])
    (before,) = see(tab, 3)
    drag(tab, (x, y), (50, 20))
    assert state(tab, "azimuth") != tab.evaluate("scanner.store.first.azimuth")
    (turned,) = see(tab, 3)
    tab.mouse.wheel(0, -200)
    assert state(tab, "zoom") > 1
    (near,) = see(tab, 3)
    drag(tab, (x, y), (60, 0), button="middle")
    (moved,) = see(tab, 3)
    for a, b in itertools.pairwise((before, turned, near, moved)):
        assert changed(a, b) > 0.02
    weight = np.arange(near.shape[1]) @ near.sum(axis=(0, 2)) / near.sum()
    assert np.arange(moved.shape[1]) @ moved.sum(axis=(0, 2)) / moved.sum() > weight + 20


def test_a_click_in_the_volume_finds_the_voxel_that_is_seen(tab):
    change(tab, "{mode: 'projection', low: 1, high: 3}")
    peak = tab.evaluate(
        "(() => { const p = scanner.picture; let best = 0; p.codes.forEach((c, i) => {"
        " if (c !== 255 && p.values[c] > p.values[p.codes[best]]) best = i; });"
        " const [, r, c] = p.shape;"
        " return [Math.floor(best / (r * c)), Math.floor(best / c) % r, best % c]; })()"
    )
    place = tab.evaluate(
        f"scanner.volume.project(scanner.volume.fraction({peak}))"
        ".slice(0, 2).map((v) => v / scanner.volume.ratio)"
    )
    box = tab.locator("#gl-over").bounding_box()
    tab.mouse.click(box["x"] + place[0], box["y"] + place[1])
    assert np.abs(np.subtract(state(tab, "cursor"), peak)).max() <= 1


def test_the_volume_turns_by_itself_until_it_is_stopped(tab):
    tab.locator("#rotate").click()
    before = state(tab, "azimuth")
    tab.wait_for_timeout(300)
    assert state(tab, "azimuth") != before
    tab.locator("#rotate").click()
    frames(tab)
    before = state(tab, "azimuth")
    tab.wait_for_timeout(150)
    assert state(tab, "azimuth") == before


def test_one_view_can_be_large(tab):
    small = tab.locator(VIEWS[1]).bounding_box()
    tab.locator("[data-large='1']").click()
    frames(tab)
    large = tab.locator(VIEWS[1]).bounding_box()
    assert large["width"] > 1.8 * small["width"]
    assert not tab.locator(VIEWS[3]).is_visible()
    tab.keyboard.press("Escape")
    frames(tab)
    assert tab.locator(VIEWS[3]).is_visible()


def test_the_list_of_parts_is_searched_and_leads_to_them(tab):
    tab.keyboard.press("/")
    tab.keyboard.type("l2 c_fc")
    names = tab.locator("#part-list button").evaluate_all("all => all.map(b => b.title)")
    assert names == ["L2.up", "L2.up_bias"]
    assert tab.locator("#part-list button").nth(1).is_disabled()
    tab.keyboard.press("Enter")
    frames(tab)
    assert tab.locator("#probe-tensor").text_content().startswith("h.2.mlp.c_fc.weight[")
    assert tab.locator("#part-list [aria-current]").get_attribute("title") == "L2.up"
    tab.locator("#search").fill("")


def test_only_one_part_is_shown_when_asked_for(tab):
    change(
        tab, "{cursor: scanner.addresses.parts.at[scanner.addresses.parts.names.indexOf('L1.k')]}"
    )
    change(tab, "{mode: 'projection', opacity: 1}")
    before = see(tab, 1, 3)
    tab.locator("#only-part").click()
    after = see(tab, 1, 3)
    for a, b in zip(before, after, strict=True):
        assert b.sum() < 0.6 * a.sum()
    tab.locator("#only-part").click()
    again = see(tab, 1, 3)
    assert all(changed(a, b) < 0.01 for a, b in zip(before, again, strict=True))


def test_the_reset_button_restores_the_first_view(tab):
    before = see(tab)
    change(tab, "{cursor: [1, 2, 3], low: 1, high: 2, transfer: 'Heat', zoom: 3, mode: 'planes'}")
    tab.locator("#reset").click()
    assert all(changed(a, b) < 0.01 for a, b in zip(before, see(tab), strict=True))


def test_the_theme_can_be_light(tab):
    dark = pixels(tab.locator("header.bar").screenshot()).mean()
    tab.locator("#toggle-theme").click()
    frames(tab)
    assert dark < 60
    assert pixels(tab.locator("header.bar").screenshot()).mean() > 200


def test_card_and_help_open_and_close(tab):
    for button, dialog, words in (
        ("#open-card", "#card", "Fingerprint"),
        ("#open-help", "#help", "Right-drag"),
    ):
        tab.locator(button).click()
        assert words in tab.locator(dialog).text_content()
        assert tab.locator(dialog).is_visible()
        tab.keyboard.press("Escape")
        assert not tab.locator(dialog).is_visible()


def test_the_card_is_the_one_of_the_file(tab, make_page):
    rows = tab.locator("#card-rows dd").all_text_contents()
    assert rows == [value for _, value in ReadPage(make_page()).header["card"]]


def test_a_picture_is_saved(tab, tmp_path):
    with tab.expect_download() as waiting:
        tab.locator("#take-picture").click()
    waiting.value.save_as(tmp_path / "picture.png")
    picture = pixels((tmp_path / "picture.png").read_bytes())
    assert waiting.value.suggested_filename == "small.png"
    half = picture.shape[0] // 2, picture.shape[1] // 2
    for rows, columns in itertools.product((slice(0, half[0]), slice(half[0], None)), repeat=2):
        assert is_painted(picture[rows, columns])


def test_the_address_holds_the_view(tab, browser, make_page):
    change(
        tab,
        "{cursor: [7, 20, 33], low: 0.05, high: 0.3, transfer: 'CT bone', mode: 'planes',"
        " cut: 1, opacity: 0.8, azimuth: 40, elevation: 5, zoom: 1.5, only: 12, theme: 'light'}",
    )
    tab.wait_for_timeout(400)
    link = tab.evaluate("location.hash")
    assert "at=7,20,33" in link
    other = open_tab(browser, make_page(), link)
    keys = [
        "cursor",
        "low",
        "high",
        "transfer",
        "mode",
        "cut",
        "opacity",
        "azimuth",
        "elevation",
        "zoom",
        "only",
        "theme",
    ]
    for key in keys:
        assert state(other, key) == state(tab, key), key
    assert all(changed(a, b) < 0.01 for a, b in zip(see(tab), see(other), strict=True))
    other.evaluate("location.hash = '#at=1,2,3&zoom=2'")
    other.wait_for_timeout(100)
    assert state(other, "cursor") == [1, 2, 3]
    assert state(other, "zoom") == 2
    assert other.told.messages == []
    other.context.close()


@pytest.mark.parametrize(
    "link", ["#at=9999,0,0", "#at=x", "#low=5&high=1", "#low=1", "#only=nothing", "#%%%&=&zoom=NaN"]
)
def test_a_link_that_cannot_be_read_changes_nothing(tab, link):
    tab.evaluate(f"location.hash = {link!r}")
    tab.wait_for_timeout(60)
    assert tab.evaluate(
        "JSON.stringify(scanner.store.state) === JSON.stringify(scanner.store.first)"
    )


def test_the_link_button_says_where_the_link_is(tab):
    tab.locator("#copy-link").click()
    tab.wait_for_selector("#toast.shown")
    assert "link" in tab.locator("#toast").text_content()


def test_keys_do_what_the_help_says(tab):
    def press(key: str) -> None:
        tab.keyboard.press(key)

    section, width = state(tab, "cursor[0]"), state(tab, "high") - state(tab, "low")
    press("]")
    assert state(tab, "cursor[0]") == section + 1
    press(".")
    assert state(tab, "high") - state(tab, "low") > width
    centre = state(tab, "high") + state(tab, "low")
    press(">")
    assert state(tab, "high") + state(tab, "low") > centre
    for key, name in {
        "t": "transfer",
        "m": "mode",
        "w": "dragging",
        "o": "only",
        "f": "large",
    }.items():
        before = state(tab, name)
        press(key)
        assert state(tab, name) != before, key
    press("?")
    assert tab.locator("#help").is_visible()
    press("Escape")
    press("0")
    assert state(tab, "cursor[0]") == section


def test_every_control_is_reached_by_tab_and_shows_its_focus(tab):
    tab.locator("#open-card").focus()
    reached = set()
    for _ in range(140):
        focus = tab.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;"
            " const name = e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim()"
            "   || e.textContent.trim() || e.title;"
            " const data = e.dataset, id = e.id || data.key || data.large || e.value || e.tagName;"
            " return [id, ring, name, e.type === 'radio']; })()"
        )
        tab.keyboard.press("Tab")
        if focus[0] == "BODY":
            continue
        reached.add(focus[0])
        assert focus[1] or focus[3], f"no visible focus on {focus[0]}"
        assert focus[2], f"{focus[0]} has no name"
    wanted = {"copy-link", "take-picture", "mode", "cut", "rotate", "reset", "centre", "width"}
    wanted |= {
        "slider-0",
        "number-2",
        "opacity",
        "invert",
        "search",
        "only-part",
        "gl-over",
        "unit",
    }
    assert wanted <= reached


def test_voxels_are_named_as_the_scan_names_them(tab, small_scan):
    compare(tab, small_scan.volume("body"), level=0)


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "body", "max_voxels": 50_000},
        {"layout": "cube"},
        {"layout": "cube", "max_voxels": 40_000},
        {"layout": "heads", "role": "k"},
        {"layout": "tensor", "tensor": "h.0.attn.c_attn.weight", "max_voxels": 5_000},
        {"layout": "circuits", "role": "qk", "signal": "signed"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_other_layouts_and_levels_name_their_voxels_too(browser, make_page, small_scan, options):
    tab = open_tab(browser, make_page(**options), until=NAMES)
    wanted = {key: value for key, value in options.items() if key != "max_voxels"}
    compare(tab, small_scan.volume(**wanted), None)
    assert tab.told.messages == []
    tab.context.close()


def compare(tab, volume, level) -> None:
    """Compare what the page says of random voxels with the addresses of their parameters."""
    shape = tab.evaluate("scanner.scan.shape")
    merged = tab.evaluate("scanner.scan.merged")
    factors = [axis["factor"] for axis in merged]
    factors += [axis["factor"] for axis in tab.evaluate("scanner.scan.axes.slice(1)")]
    rng = np.random.default_rng(0)
    places = [[int(rng.integers(n)) for n in shape] for _ in range(150)]
    found = tab.evaluate("(places) => places.map((at) => scanner.describe(at))", places)
    named = 0
    for at, said in zip(places, found, strict=True):
        leading = np.unravel_index(at[0], [axis["count"] for axis in merged])
        corner = [int(v) * f for v, f in zip((*leading, *at[1:]), factors, strict=True)]
        parameters = []
        for step in itertools.product(*(range(f) for f in factors)):
            address = volume.address([c + s for c, s in zip(corner, step, strict=True)])
            if address is not None:
                parameters.append(address)
        if said["found"] is None:
            assert not parameters
            continue
        named += 1
        check(said, parameters, volume)
    assert named > 60


def check(said, parameters, volume) -> None:
    if volume.layout.name == "circuits":
        (parameter,) = parameters
        assert said["found"]["tensor"] == f"L{parameter.layer}.{parameter.circuit}"
        (i, j) = (channel for _, channel in parameter.rows)
        assert said["found"]["range"].endswith(f"[{parameter.head}, {i}, {j}]")
        assert abs(said["value"] - parameter.value) <= said["error"] * 1.000001
        return
    own = [p for p in parameters if p.tensor == said["found"]["tensor"]]
    assert own
    assert said["found"]["count"] == len(own) or volume.layout.name == "body"
    index = np.array([p.index for p in own])
    text = said["found"]["range"]
    if len(own) == 1:
        assert text == f"{own[0].tensor}[{', '.join(map(str, own[0].index))}]"
        assert said["found"]["words"] == str(own[0].where).partition(" · ")[2]
        if said["finite"]:
            shown = abs(own[0].value) if volume.signal == "magnitude" else own[0].value
            assert abs(said["value"] - shown) <= said["error"] * 1.000001
        return
    numbers = [int(n) for n in re.findall(r"\d+", text.removeprefix(own[0].tensor))]
    if " … " in text:
        half = len(numbers) // 2
        ends = sorted(map(tuple, index.tolist()))
        assert tuple(numbers[:half]) == ends[0]
        assert tuple(numbers[half:]) == ends[-1]
        return
    bounds = re.findall(r"(\d+)(?::(\d+))?", text.removeprefix(own[0].tensor))
    for axis, (start, stop) in enumerate(bounds):
        assert int(start) == index[:, axis].min()
        assert int(stop or int(start) + 1) == index[:, axis].max() + 1


def test_without_webgl2_the_slices_work_and_the_reason_is_said(browser, make_page):
    context = browser.new_context(viewport={"width": 1240, "height": 820})
    context.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind === 'webgl2' ? null : get.call(this, kind, ...rest); };"
    )
    tab = context.new_page()
    tab.told = Told(tab)
    tab.goto(make_page().as_uri())
    tab.wait_for_selector("html[data-ready~=no-volume]", state="attached", timeout=READY_MS)
    assert "WebGL2" in tab.locator("#gl-notice").text_content()
    assert tab.locator("#mode").is_disabled()
    before = [pixels(tab.locator(view).screenshot()) for view in SLICES]
    assert [is_painted(view) for view in before] == [True] * 3
    tab.evaluate("scanner.store.set({low: 0.2, high: 0.3, cursor: [3, 4, 5]})")
    tab.wait_for_timeout(100)
    after = [pixels(tab.locator(view).screenshot()) for view in SLICES]
    assert all(changed(a, b) > 0.03 for a, b in zip(before, after, strict=True))
    assert tab.told.messages == []
    context.close()


def test_names_of_a_checkpoint_are_shown_as_text(browser, tmp_path):
    from safetensors.numpy import save_file

    import napari_gpt2_tomo as tomo
    from export.test_html_data import HOSTILE

    rng = np.random.default_rng(0)
    tensors = {f"{HOSTILE}{i}": rng.normal(size=(40, 40)).astype(np.float32) for i in range(3)}
    (tmp_path / HOSTILE.replace("/", "")).mkdir()
    model = tmp_path / HOSTILE.replace("/", "") / "model.safetensors"
    save_file(tensors, model)
    with tomo.scan(model) as scan:
        page = tomo.export_html(scan, tmp_path / "page.html")
    tab = open_tab(browser, page, until=NAMES)
    tab.locator("#part-list button").first.click()
    tab.locator("#open-card").click()
    tab.wait_for_timeout(100)
    assert HOSTILE in tab.locator("#probe-tensor").text_content()
    assert tab.evaluate("document.querySelectorAll('img').length") == 0
    assert tab.evaluate("typeof pwned") == "undefined"
    assert tab.told.messages == []
    tab.context.close()


def test_the_policy_stops_scripts_and_requests_that_got_in(browser, make_page):
    tab = open_tab(browser, make_page(), until=NAMES)
    tab.context.set_offline(False)
    tab.told.requests.clear()
    tab.evaluate(
        "document.body.insertAdjacentHTML('beforeend',"
        ' \'<img src="data:," onerror="window.pwned = 1"><img src="http://127.0.0.1:9/x.png">\')'
    )
    answer = tab.evaluate("fetch('http://127.0.0.1:9/').then(() => 'open', () => 'closed')")
    tab.wait_for_timeout(200)
    assert answer == "closed"
    assert tab.evaluate("window.pwned") is None
    assert any("Content Security Policy" in text for text in tab.told.messages)
    tab.context.close()


@pytest.fixture(scope="module")
def phone(browser, make_page):
    tab = open_tab(
        browser,
        make_page(),
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    yield tab
    tab.context.close()


def test_a_phone_shows_all_views_without_scrolling_sideways(phone):
    assert [is_painted(view) for view in photograph(phone)] == [True] * 4
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    for view in VIEWS:
        box = phone.locator(view).bounding_box()
        assert box["width"] > 150
        assert box["y"] + box["height"] < 844


def touch(tab, *paths) -> None:
    """Fingers that move along paths of places, all at once."""
    session = tab.context.new_cdp_session(tab)
    for i, step in enumerate(zip(*paths, strict=True)):
        next_frame(tab)
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(step)]
        kind = "touchMove" if i else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()
    frames(tab)


def line(start, end, steps=6):
    return [tuple(point) for point in np.linspace(start, end, steps)]


def test_fingers_move_the_crosshair_window_and_zoom(phone):
    x, y = middle(phone, VIEWS[0])
    touch(phone, line((x - 30, y - 30), (x + 20, y + 10)))
    moved = state(phone, "cursor")
    assert moved != phone.evaluate("scanner.scan.start")

    low, high = state(phone, "low"), state(phone, "high")
    touch(
        phone,
        line((x - 20, y), (x - 50, y + 20)),
        line((x + 20, y), (x - 10, y + 20)),
    )
    assert (state(phone, "low"), state(phone, "high")) != (low, high)
    assert state(phone, "cursor") == moved

    touch(phone, line((x - 15, y), (x - 45, y)), line((x + 15, y), (x + 45, y)))
    assert phone.evaluate("scanner.panes[0].zoom") > 1.5

    x, y = middle(phone, VIEWS[3])
    touch(phone, line((x - 15, y), (x - 40, y)), line((x + 15, y), (x + 40, y)))
    assert state(phone, "zoom") > 1.3
    azimuth = state(phone, "azimuth")
    touch(phone, line((x, y), (x + 40, y)))
    assert state(phone, "azimuth") != azimuth


def test_a_volume_that_is_too_long_for_the_card_is_drawn_from_blocks(browser, make_page):
    context = browser.new_context(viewport={"width": 1190, "height": 640})
    context.add_init_script(
        "const get = WebGL2RenderingContext.prototype.getParameter;"
        "WebGL2RenderingContext.prototype.getParameter = function (name) {"
        "  return name === this.MAX_3D_TEXTURE_SIZE ? 32 : get.call(this, name); };"
    )
    tab = context.new_page()
    tab.told = Told(tab)
    tab.goto(make_page().as_uri())
    tab.wait_for_selector(VOLUME, state="attached", timeout=READY_MS)
    assert is_painted(see(tab, 3)[0])
    assert "strongest of 2 × 2 × 2 voxels" in tab.locator("#caption-3").text_content()
    assert tab.evaluate("scanner.volume.texture.shape") == [20, 32, 32]
    place = tab.evaluate("scanner.volume.voxel(scanner.volume.fraction([7, 20, 33]))")
    assert place == [7, 20, 33]
    assert tab.told.messages == []
    context.close()
