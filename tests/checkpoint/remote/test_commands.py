"""The command line on addresses."""

import json
import re

import pytest
from typer.testing import CliRunner

from napari_gpt2_tomo.cli import app

from .hub import FakeHub
from .models import gpt2, serve
from .server import RangeServer


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words, **options: runner.invoke(app, [str(word) for word in words], **options)


def test_info_tells_what_was_read(run, server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(768, 12))
    done = run("info", url)
    assert done.exit_code == 0
    assert "gpt2" in done.stdout
    assert re.search(r"of 249 MB read, in \d requests", done.stderr)
    assert server.sent < 50_000


def test_info_as_json_is_json(run, server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(64, 2, 100))
    assert json.loads(run("info", url, "--json").stdout)["family"] == "gpt2"


def test_probe_reads_a_page(run, server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(768, 12))
    done = run("probe", url, "h.3.mlp.c_fc.weight", "138", "2")
    assert "h.3.mlp.c_fc.weight[138, 2]" in done.stdout
    assert server.sent < 60_000


def test_an_address_that_cannot_be_read_is_one_line(run, server: RangeServer) -> None:
    done = run("info", f"{server.url}/none.safetensors")
    assert done.exit_code == 1
    assert "is not there" in done.stderr
    assert "Traceback" not in done.output


def test_the_cache_lists_and_clears_remote_blocks(run, server: RangeServer) -> None:
    url, _ = serve(server, "/model.safetensors", gpt2(64, 2, 100))
    run("info", url)
    listed = run("cache").stdout
    assert "remote/" in listed
    assert url in listed
    (entry,) = [e for e in json.loads(run("cache", "--json").stdout)["entries"] if "of" in e]
    assert entry["of"] == url
    assert entry["bytes"] > 0
    run("cache", "--clear")
    assert url not in run("cache").stdout


def test_download_asks_and_tells_where_it_is(run, hub: FakeHub, folder, tmp_path) -> None:
    hub.add_folder("org/small", folder)
    refused = run("download", "hf://org/small", tmp_path / "x", input="n\n")
    assert refused.exit_code == 130
    assert "5 files" in refused.stderr
    assert not (tmp_path / "x").exists()
    done = run("download", "hf://org/small", tmp_path / "x", "--yes")
    assert done.exit_code == 0
    assert done.stdout.strip() == str(tmp_path / "x")
    assert (tmp_path / "x" / "config.json").is_file()
