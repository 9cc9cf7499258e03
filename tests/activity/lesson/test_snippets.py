"""The code of a lesson runs as it stands and prints what the page says."""

import html
import io
import re
from contextlib import redirect_stdout

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.cli import app
from real_data import real_data

SNIPPET = re.compile(
    r'<code class="language-(python|sh)">(.*?)</code>.*?</button>(?:<p class="prints-name">.*?'
    r"<samp>(.*?)</samp>)?",
    re.DOTALL,
)

MODELS = {
    "stories260K": "Once upon a time, there was a little girl",
    "char-gpt2-series/step06000": 'ROMEO: "What\'s" </b>\nsay you',
    "minilm-fp16": "The cat sat on the mat",
}


@pytest.mark.parametrize("model", MODELS)
def test_code_prints_what_the_page_says(model, tmp_path):
    given = real_data(model)
    page = tomo.lesson(given, MODELS[model], tmp_path / "lesson.html")
    found = [
        (language, html.unescape(code), html.unescape(prints))
        for language, code, prints in SNIPPET.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(found) >= 9
    ran = 0
    for language, code, prints in found:
        if language == "sh" or "tomo.view(" in code:
            # A model that another test has loaded may have come by another path.
            assert any(str(path) in code for path in (given, given.resolve()))
            continue
        said = io.StringIO()
        with np.printoptions(), redirect_stdout(said):
            exec(compile(code, "snippet", "exec"), {})
        if prints:
            assert_like(said.getvalue(), prints)
            ran += 1
    assert ran >= 6


NUMBER = re.compile(r"-?\d+\.\d*")


def assert_like(said, prints):
    """The same words, and numbers that differ in their last digit at most."""
    assert NUMBER.sub("#", said).split() == NUMBER.sub("#", prints).split()
    ours, theirs = (np.array(NUMBER.findall(one), float) for one in (said, prints))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_the_command_writes_the_page(tmp_path, monkeypatch):
    model = real_data("stories260K")
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    done = run(app, ["lesson", str(model), "-p", "Once upon a", "--layer", "1", "--no-gradient"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("lesson-stories260K.html: 0.")
    text = (tmp_path / "lesson-stories260K.html").read_text(encoding="utf-8")
    assert "The page was written without it" in text
    assert '<option value="1" selected>layer 1' in text
    wrong = run(app, ["lesson", str(model), "out.html", "--layer", "9"])
    assert wrong.exit_code == 1
    assert "layers 0 to 4" in wrong.stderr
    assert not (tmp_path / "out.html").exists()
