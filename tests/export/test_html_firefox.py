"""A page in Firefox: from a file, without a network, all four views painted and windowed."""

import pytest

from export.browsers import FIREFOX, Firefox, changed, is_painted, program

VIEWS = [f"#pane-{i} .stage" for i in range(4)]


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    browser = Firefox(program(FIREFOX), tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def test_all_four_views_are_painted_and_follow_the_window(firefox, make_page):
    firefox.open(make_page(), (1280, 860))
    before = [firefox.view(view) for view in VIEWS]
    assert [is_painted(view) for view in before] == [True] * 4

    place = firefox.run(
        "const b = document.querySelector('#pane-0 .stage').getBoundingClientRect();"
        "return [Math.round(b.x + b.width / 2), Math.round(b.y + b.height / 2)]"
    )
    window = "return [window.wrappedJSObject.scanner.store.state.low, " + (
        "window.wrappedJSObject.scanner.store.state.high]"
    )
    low, high = firefox.run(window)
    firefox.drag(tuple(place), (-90, -60), button=2)
    firefox.run("return new Promise(done => setTimeout(done, 600))")
    narrow_low, narrow_high = firefox.run(window)
    assert narrow_high - narrow_low < high - low
    assert narrow_low + narrow_high > low + high
    after = [firefox.view(view) for view in VIEWS]
    assert all(changed(a, b) > 0.03 for a, b in zip(before, after, strict=True))

    asked = firefox.run(
        "return performance.getEntriesByType('resource').map(e => e.name)"
        ".filter(n => !n.startsWith('blob:') && !n.startsWith('data:'))"
    )
    assert asked == []
