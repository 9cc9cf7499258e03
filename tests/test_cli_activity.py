"""The command ``activity``: what it writes, and what it says when it cannot."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from tests.real_data import real_data
from typer.testing import CliRunner

from napari_gpt2_tomo.cli import app
from viewer.small_model import write_model


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def call() -> Callable:
    def run(*arguments: object):
        return CliRunner().invoke(app, ["activity", *map(str, arguments)])

    return run


@pytest.fixture
def few(monkeypatch):
    """Only the figures of one room: the others have tests of their own."""
    for name in ("collect", "markdown", "page"):
        home = import_module(f"napari_gpt2_tomo.activity.report.{name}")
        kept = tuple(room for room in home.ROOMS if room.name == "journey")
        monkeypatch.setattr(home, "ROOMS", kept)


def test_prompts_are_listed_without_a_model(call):
    result = call("--list-prompts")
    assert result.exit_code == 0
    assert "When Mary and John went to the store" in result.output


def test_a_prompt_becomes_a_folder(call, few, small, tmp_path):
    out = tmp_path / "out"
    options = ("--prompt", "12 7 9 12", "--out", out, "--continue", 3, "--temperature", 0.9)
    result = call(small, *options, "--seed", 4, "--no-svg", "--theme", "dark")
    assert result.exit_code == 0, result.output
    told = json.loads((out / "report.json").read_text())
    assert told["tokens"]["ids"][:4] == [12, 7, 9, 12]
    assert len(told["tokens"]["ids"]) == 7
    assert f"{len(told['figures'])} figures" in result.output
    assert len(told["figures"]) >= 3
    assert (out / "index.html").is_file()
    first = told["tokens"]["ids"]
    call(small, *options, "--seed", 4, "--no-svg")
    assert json.loads((out / "report.json").read_text())["tokens"]["ids"] == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prompt", "1 2"), "give a MODEL"),
        (("no/such/model", "--prompt", "1 2", "--out", "x"), "no/such/model"),
        (("{small}", "--prompt", "", "--out", "x"), "no tokens"),
        (("{small}", "--prompt", "1 2 3 " * 40, "--out", "x"), "48"),
        (("{small}", "--prompt", "1 2", "--out", "x", "--theme", "blue"), "light or dark"),
        (("{small}", "--prompt", "1 2", "--out", "x", "--device", "tpu"), "tpu"),
        (("{small}", "--prompt", "1 2", "--out", "{small}"), "not empty"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    call, small, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    result = call(*(str(one).replace("{small}", str(small)) for one in arguments))
    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_partial_model_says_which_tensors_are_missing(call, tmp_path):
    folder = real_data("gpt2-attention-fp16")
    result = call(folder, "--prompt", "The cat", "--out", tmp_path / "out")
    assert result.exit_code == 1
    for name in ("wte.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"):
        assert name in result.output
