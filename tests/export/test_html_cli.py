"""The command ``html``."""

import pytest
from typer.testing import CliRunner

from export.pages import ReadPage
from napari_gpt2_tomo.cli import app


@pytest.fixture
def run():
    runner = CliRunner()

    def call(*arguments, status=0):
        result = runner.invoke(app, ["html", *map(str, arguments)])
        assert result.exit_code == status, result.output
        return result

    return call


def test_a_page_is_written_and_its_size_said_before_and_after(run, tiny_phantom, tmp_path):
    said = run(tiny_phantom, tmp_path / "a.html")
    assert "154 × 64 × 64 voxels, about" in said.stderr
    size = (tmp_path / "a.html").stat().st_size
    assert said.stdout.strip().endswith(f"a.html: {size / 1e6:.1f} MB")


def test_options_reach_the_page(run, tiny_phantom, tmp_path):
    options = "--layout cube --signal signed --max-voxels 200000 --window -1,1 --transfer vik"
    run(tiny_phantom, tmp_path / "a.html", *options.split())
    header = ReadPage(tmp_path / "a.html").header
    assert header["layout"] == "cube"
    assert header["shape"] == [32, 64, 64]
    assert header["window"] == [-1, 1]
    assert header["transfer"] == "vik"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--window", "no-such"], "no preset"),
        (["--transfer", "no-such"], "no transfer function"),
        (["--max-voxels", "10"], "coarsest level"),
    ],
)
def test_what_cannot_be_is_one_line(run, tiny_phantom, tmp_path, options, words):
    said = run(tiny_phantom, tmp_path / "a.html", *options, status=1)
    assert words in said.stderr
    assert "Traceback" not in said.stderr
    assert not list(tmp_path.iterdir())
