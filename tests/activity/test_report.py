"""Reports: everything that is drawn is in the folder, and the folder is whole or not there."""

import json
import re
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.activity.record.finite import not_finite
from napari_gpt2_tomo.activity.report import ROOMS, Drawn, Left, collect, write_report
from napari_gpt2_tomo.activity.report.folder import whole_folder
from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from napari_gpt2_tomo.display.plots import DARK, Plot, Table


def plot(name, title="A title", width=4.0):
    def draw(figure, theme):
        figure.subplots().plot([1, 2, 3])

    return Plot(name, title, draw, Table({"x": [1, 2, 3]}), "A caption.", (width, 2.0))


def fails(activity):
    raise TomoError("The neurons were not recorded.")


def breaks(activity):
    raise ZeroDivisionError("by zero")


@pytest.fixture
def activity():
    strings = ("<b>", " cat", "\n")
    tokens = Tokens(np.array([3, 1, 2]), strings, "<b> cat\n")
    logits = np.zeros((3, 5), np.float32)
    logits[-1, 4] = 3
    source = Source("tiny & small", None, "gpt2", changes=("head 3 of layer 1 is silent",))
    return Activity(tokens, {"logits": logits}, source, notes=("Two tokens were cut off.",))


@pytest.fixture
def rooms(monkeypatch):
    """Two rooms of few figures in the place of all."""
    figures = {
        "lens": (lambda activity: plot("lens-one"), fails, fails, lambda activity: None),
        "attention": (lambda activity: plot("two", "<i>Two</i>", 12.0), breaks),
    }
    series = {"attention": (lambda activity: [plot("two"), plot("three")],)}
    module = import_module("napari_gpt2_tomo.activity.report.collect")
    kept = tuple(room for room in module.ROOMS if room.name in figures)
    for name in ("collect", "page", "markdown"):
        home = import_module(f"napari_gpt2_tomo.activity.report.{name}")
        monkeypatch.setattr(home, "ROOMS", kept)
    found = {
        f"..{name}.figures": SimpleNamespace(FIGURES=figures[name], SERIES=series.get(name, ()))
        for name in figures
    }
    monkeypatch.setattr(module, "import_module", lambda name, package: found[name])
    return kept


def test_figures_come_in_order_and_reasons_once(activity, rooms):
    found = list(collect(activity))
    shown = [one.plot.name if isinstance(one, Drawn) else one.reason for one in found]
    assert shown == [
        "lens-one",
        "The neurons were not recorded.",
        "two",
        "ZeroDivisionError: by zero",
        "two",
        "three",
    ]


def test_a_report_holds_every_figure_its_numbers_and_a_page(activity, rooms, tmp_path):
    report = write_report(activity, tmp_path / "out", theme=DARK)
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    stems = ("lens-one", "attention-two", "attention-two-2", "attention-three")
    files = {f"figures/{stem}.{kind}" for stem in stems for kind in ("png", "svg", "csv")}
    assert names == files | {"index.html", "report.md", "report.json"}
    assert len(report.figures) == 4
    assert [one.reason for one in report.left] == [
        "The neurons were not recorded.",
        "ZeroDivisionError: by zero",
    ]
    assert (tmp_path / "out/figures/lens-one.csv").read_text() == "x\n1\n2\n3\n"
    told = json.loads((tmp_path / "out/report.json").read_text())
    assert told["tokens"]["strings"] == ["<b>", " cat", "\n"]
    assert [one["files"]["png"] for one in told["figures"]] == [
        f"figures/{stem}.png" for stem in stems
    ]
    text = (tmp_path / "out/report.md").read_text()
    assert text.startswith("# tiny & small reads 3 tokens")
    assert text.count("![") == 4


def test_the_page_carries_its_pictures_and_trusts_no_text(activity, rooms, tmp_path):
    write_report(activity, tmp_path / "out", svg=False)
    page = (tmp_path / "out/index.html").read_text()
    assert page.count('src="data:image/png;base64,') == 4
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "&lt;i&gt;Two&lt;/i&gt;" in page
    assert "<i>" not in page
    assert "tiny &amp; small" in page
    assert "head 3 of layer 1 is silent" in page
    assert "Two tokens were cut off." in page
    assert '<figure class="wide">' in page
    assert "Not drawn: The neurons were not recorded." in page
    assert page.count(">SVG<") == 0
    assert not list((tmp_path / "out").rglob("*.svg"))
    # e³ / (e³ + 4) of the likeliest token.
    assert "83.4%" in page


def test_a_report_replaces_a_report_and_nothing_else(activity, rooms, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write_report(activity, out)
    (out / "old.txt").write_text("of the former report")
    write_report(activity, out)
    assert not (out / "old.txt").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("two years")
    with pytest.raises(TomoError, match="not empty"):
        write_report(activity, other)
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(TomoError, match="is a file"):
        write_report(activity, file)


class Stops(SilentProgress):
    """Asks to stop at the third figure."""

    steps = 0

    def advance(self, amount):
        self.steps += 1
        if self.steps == 3:
            raise Cancelled("Enough.")


def test_what_was_cancelled_leaves_nothing_behind(activity, rooms, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        write_report(activity, out, progress=Stops())
    assert list(tmp_path.iterdir()) == []
    write_report(activity, out)
    before = (out / "report.json").read_bytes()
    with pytest.raises(Cancelled):
        write_report(activity, out, progress=Stops())
    assert (out / "report.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TomoError, match="cannot be written"), whole_folder(tmp_path / "file" / "x"):
        pass


def test_an_encoder_has_no_next_token(activity, rooms, tmp_path):
    silent = Activity(activity.tokens, {}, replace(activity.source, changes=()))
    write_report(silent, tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text()
    assert "Next token" not in page


def test_every_room_has_figures():
    for room in ROOMS:
        module = import_module(f"napari_gpt2_tomo.activity.{room.name}.figures")
        assert all(callable(figure) for figure in module.FIGURES)
        assert len(module.FIGURES) >= 3


def test_without_a_checkpoint_its_figures_are_left_out(activity, monkeypatch):
    module = import_module("napari_gpt2_tomo.activity.report.collect")
    kept = tuple(room for room in module.ROOMS if room.of_scan)
    monkeypatch.setattr(module, "ROOMS", kept)
    assert all(isinstance(one, Left) for one in collect(activity))


def test_a_model_that_gives_nan_has_a_report_that_says_where_they_begin(activity, rooms, tmp_path):
    stream = np.ones((3, 3, 4), np.float32)
    stream[1, 2, 0] = np.nan
    arrays = {"resid_post": stream, "logits": np.full((3, 5), np.nan, np.float32)}
    broken = Activity(activity.tokens, arrays, activity.source)
    report = write_report(broken, tmp_path / "out")
    for name in ("index.html", "report.md", "report.json"):
        text = (report.folder / name).read_text().replace("\\", "")
        assert "From resid_post of layer 1 on there are values that are NaN or infinite" in text
    assert "No next token: The model gives no finite logits" in report.page.read_text()


def test_an_impossible_token_is_no_wrong_number(activity):
    logits = activity.read("logits").copy()
    logits[:, 0] = -np.inf
    assert not_finite(Activity(activity.tokens, {"logits": logits}, activity.source)) is None


def test_ids_without_strings_are_told_apart_in_the_text():
    tokens = Tokens.of_ids([5, 17, 3])
    assert Activity(tokens, {}, Source("x", None, "gpt2")).text == "5 17 3"
