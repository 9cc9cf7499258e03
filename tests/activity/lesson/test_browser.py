"""A lesson in Chromium: accessible, offline, and following what a reader chooses."""

import re
from importlib import resources

import pytest

from activity.lesson.conftest import HOSTILE
from export.browsers import READY_MS, chromium
from napari_gpt2_tomo.activity.lesson import lesson
from napari_gpt2_tomo.activity.lesson.gradient_drawing import STRONGEST
from napari_gpt2_tomo.activity.lesson.look import make_page
from napari_gpt2_tomo.page import write_page
from real_data import real_data

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def axe():
    """The accessibility checker's source."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="axe-playwright-python is not installed"
    )
    return resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(told, hostile, tmp_path_factory):
    """Files of lessons, by name."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}

    def page(name):
        if name not in made:
            made[name] = folder / f"{name.replace(' ', '-')}.html"
            if name == "stories":
                lesson(real_data("stories260K"), "Once upon a time, there was", made[name])
            else:
                story = hostile if name == "hostile" else told(name).story
                write_page(make_page(story), made[name])
        return made[name]

    return page


def open_page(browser, path, size=DESKTOP, scheme="light", **options):
    context = browser.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce", **options
    )
    tab = context.new_page()
    tab.said, tab.asked = [], []
    tab.on("console", lambda message: tab.said.append(message.text))
    tab.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.route(re.compile("^(?!file:|data:)"), lambda route: route.abort())
    tab.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        tab.wait_for_selector("html[data-ready]", state="attached", timeout=READY_MS)
    return tab


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("llama", DESKTOP, "light"),
        ("llama", PHONE, "dark"),
        ("bert", PHONE, "light"),
        ("hostile", DESKTOP, "dark"),
        ("stories", PHONE, "light"),
    ],
)
def test_a_page_is_accessible_and_asks_no_network(name, size, scheme, browser, axe, pages):
    tab = open_page(browser, pages(name), size, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    tab.evaluate(axe)
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert tab.said == []
    assert [url for url in tab.asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in tab.asked if url.startswith("file:")]) == 1
    # Nothing makes the page itself wider than the window.
    assert tab.evaluate("document.documentElement.scrollWidth") <= size["width"]
    tab.context.close()


@pytest.fixture(scope="module")
def tab(browser, pages):
    """A page that tests share."""
    return open_page(browser, pages("qwen2"))


def texts(tab):
    return tab.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-slot]')]"
        ".map((one) => [one.dataset.slot, one.textContent]))"
    )


def test_the_script_writes_what_the_page_was_written_with(tab):
    written = texts(tab)
    tab.select_option("#at", "0")
    tab.select_option("#head", "1")
    tab.select_option("#query", "3")
    changed = texts(tab)
    assert changed != written
    assert changed["query-at"] == "3"
    tab.click("#back")
    assert texts(tab) == written


@pytest.mark.parametrize(("at", "head", "query", "key"), [(0, 1, 3, 2), (1, 3, 7, 0), (0, 0, 0, 0)])
def test_another_choice_is_told_in_the_models_numbers(at, head, query, key, tab, told):
    from napari_gpt2_tomo.activity.lesson.heads import read_slots

    for name, value in (("at", at), ("head", head), ("query", query), ("key", key)):
        tab.select_option(f"#{name}", str(value))
    story = told("qwen2").story
    expected = read_slots(story.heads, story.labels, at, head, query, key)
    shown = texts(tab)
    assert {name: expected[name] for name in shown} == shown
    share = float(story.heads.pattern[at, head, query, key])
    opacity = tab.get_attribute(f'[data-cell="{query},{key}"]', "fill-opacity")
    assert float(opacity) == pytest.approx(share, abs=1e-6)
    assert expected["share"] in tab.inner_text("#chosen")


def test_pointing_at_a_row_reads_it_and_leaving_goes_back(tab):
    tab.click("#back")
    before = texts(tab)
    tab.hover('[data-cell="4,1"]')
    assert texts(tab)["query-at"] == "4"
    tab.hover("h1")
    assert texts(tab) == before
    tab.click('[data-cell="5,2"]')
    tab.hover("h1")
    assert (texts(tab)["query-at"], texts(tab)["key-at"]) == ("5", "2")
    tab.click("#back")


def test_a_small_picture_chooses_its_head(tab):
    tab.click("#back")
    tab.click('[data-mini="1,2"]')
    assert (texts(tab)["layer"], texts(tab)["head"]) == ("1", "2")
    frame, mini = (tab.locator(one).bounding_box() for one in
                   ('[data-frame="mini"]', '[data-mini="1,2"]'))  # fmt: skip
    assert abs(frame["x"] - mini["x"]) < 4
    assert abs(frame["y"] - mini["y"]) < 4
    tab.click("#back")


def test_the_future_cannot_be_chosen(tab):
    tab.select_option("#query", "2")
    tab.select_option("#key", "6")
    assert texts(tab)["key-at"] == "2"
    tab.click("#back")


def test_contents_tell_what_is_read(tab):
    tab.evaluate("document.getElementById('mlp').scrollIntoView()")
    tab.wait_for_selector('.contents a[href="#mlp"][aria-current]')
    assert tab.locator(".contents a.read").count() == 4


def test_hostile_texts_stay_texts(browser, pages):
    tab = open_page(browser, pages("hostile"))
    assert tab.locator("b, i").count() == 0
    labels = tab.locator(".tokens .token").all_inner_texts()
    assert labels == list(HOSTILE)
    tab.select_option("#query", "5")
    assert texts(tab)["query"] == HOSTILE[5]
    assert tab.said == []
    tab.context.close()


def test_without_scripts_everything_can_be_read(browser, pages):
    tab = open_page(browser, pages("qwen2"), java_script_enabled=False)
    assert tab.locator("section.chapter").count() == 11
    assert tab.locator(".chooser").is_hidden()
    assert tab.get_by_text("Without scripts this page shows one head").is_visible()
    assert tab.locator("#attention svg#matrix").is_visible()
    tab.context.close()


def test_letters_in_drawings_can_be_read_in_both_themes(browser, pages):
    """Contrasts that the checker cannot see, of text in SVG (WCAG 2.1, 1.4.3)."""
    for scheme in ("light", "dark"):
        tab = open_page(browser, pages("qwen2"), scheme=scheme)
        colours = tab.evaluate(
            "Object.fromEntries(['ground','panel','text','soft','up','accent','mark','c0','c1','c2','c3']"
            ".map((name) => [name, getComputedStyle(document.documentElement)"
            ".getPropertyValue('--' + name).trim()]))"
        )
        # The strongest cell behind a number of the gradient.
        colours["cell"] = mixed(colours["up"], colours["ground"], STRONGEST)
        assert contrast(colours["text"], colours["cell"]) >= 4.5
        for ground in ("ground", "panel"):
            for name in ("text", "soft", "accent", "mark", "c0", "c1", "c2", "c3"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (scheme, name, ground)
        tab.context.close()


def mixed(one, other, share):
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def test_a_dark_page_is_printed_on_white(browser, pages):
    tab = open_page(browser, pages("qwen2"), scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    text, ground = tab.evaluate(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])"
    )
    assert ground == "rgb(255, 255, 255)"
    assert max(map(int, re.findall(r"\d+", text))) < 80
    assert tab.locator(".chooser").is_hidden()
    assert tab.locator(".contents").is_hidden()
    tab.context.close()


def contrast(one, other):
    def light(colour):
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)
