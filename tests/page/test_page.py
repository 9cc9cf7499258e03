"""Pages: text of others stays text, the policy knows every script, files are whole."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.page import (
    Page,
    content_policy,
    digest,
    in_attribute,
    in_script,
    in_text,
    pack,
    packed_size,
    unpack,
    write_page,
)

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&<!--\u2028\x00"


class Elements(HTMLParser):
    """Every element with its attributes, and the text in it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            tag, attributes = self.tags[-1]
            self.texts[attributes.get("id") or tag] = data


@given(st.text())
def test_text_between_tags_is_read_back_without_elements(text):
    found = Elements(f"<p>{in_text(text)}</p>")
    assert [tag for tag, _ in found.tags] == ["p"]


@given(st.text())
def test_an_attribute_holds_its_text_and_nothing_else(text):
    (element,) = Elements(f'<p title="{in_attribute(text)}">').tags
    assert set(element[1]) == {"title"}


@given(st.recursive(st.text() | st.integers() | st.booleans() | st.none(), st.lists))
def test_json_in_a_script_comes_back_and_ends_no_element(data):
    text = in_script(data)
    assert json.loads(text) == data
    assert not re.search("[<>&\u2028\u2029]", text)
    text.encode("ascii")


def test_json_refuses_numbers_that_it_cannot_hold():
    with pytest.raises(ValueError):
        in_script(float("nan"))


@given(st.binary(max_size=300))
def test_packed_bytes_come_back(data):
    text = pack(data)
    assert unpack(text) == data
    assert text == pack(data)
    assert re.fullmatch(r"[A-Za-z0-9+/=]*", text)


def test_the_size_of_packed_data_is_known_beforehand():
    assert packed_size(4) == len("AAAAAA==")


def page(**changes) -> Page:
    return Page(
        **{
            "title": HOSTILE,
            "body": "<main>ours</main>",
            "styles": ["p{color:red}"],
            "scripts": ["console.log(1)"],
            "packed": {"voxels": pack(b"123")},
            "data": {"names": [HOSTILE]},
            "about": f"made by {HOSTILE} -->",
            **changes,
        }
    )


def test_hostile_text_makes_no_element():
    found = Elements(page().render())
    assert "img" not in [tag for tag, _ in found.tags]
    assert json.loads(found.texts["names"]) == [HOSTILE]
    assert unpack(found.texts["voxels"]) == b"123"
    assert found.texts["title"] == HOSTILE.replace("\x00", "\ufffd")


def test_the_policy_closes_the_network_and_names_every_script_and_style():
    found = Elements(page().render())
    (policy,) = (
        a["content"] for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == digest("console.log(1)")
    assert rules["style-src"] == digest("p{color:red}")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_only_pages_that_unpack_modules_may_run_blobs():
    assert "blob:" in content_policy(["x"], [], unpacks_modules=True).split("; ")[1]
    assert "blob:" not in content_policy(["x"], []).split("; ")[1]


def test_a_script_that_ends_its_own_element_is_refused():
    with pytest.raises(ValueError):
        page(scripts=["'</script>'"]).render()


def test_a_file_is_written_whole(tmp_path):
    target = tmp_path / "new folder" / "page.html"
    size = write_page(page(), target)
    assert target.stat().st_size == size
    assert target.read_text(encoding="utf-8") == page().render()
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(TomoError, match=r"page\.html cannot be written: No space left"):
        write_page(page(), target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
