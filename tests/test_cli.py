"""The command line, by what a person or a script sees of it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from napari_gpt2_tomo.base import Cancelled
from napari_gpt2_tomo.cli import app, terminal_progress

TENSOR = "h.3.mlp.c_fc.weight"


@pytest.fixture
def run():
    runner = CliRunner()

    def call(*arguments, status=0):
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == status, result.output
        return result

    return call


def test_version_is_the_installed_one(run):
    from importlib.metadata import version

    assert run("--version").stdout == f"napari-gpt2-tomo {version('napari-gpt2-tomo')}\n"


def test_help_names_every_command(run):
    text = run("--help").stdout
    known = ("view", "info", "probe", "slice", "picture", "movie", "cache")
    assert all(command in text for command in known)


def test_info_prints_sizes(run, tiny_phantom):
    text = run("info", tiny_phantom).stdout
    assert "gpt2" in text
    assert "64" in text


def test_info_as_json_is_json(run, tiny_phantom):
    data = json.loads(run("info", tiny_phantom, "--json").stdout)
    assert data["family"] == "gpt2"
    assert data["hyper"]["d_model"] == 64
    assert len(data["parts"]) > 12 * 12


def test_probe_tells_value_and_place_of_a_parameter(run, tiny_phantom):
    data = json.loads(run("probe", tiny_phantom, TENSOR, 5, 17, "--json").stdout)
    address = data["address"]
    assert address["value"] == load_file(tiny_phantom)[TENSOR][5, 17]
    assert (address["role"], address["layer"], address["channel"], address["neuron"]) == (
        "up",
        3,
        5,
        17,
    )


def test_probe_of_a_voxel_finds_the_same_parameter_again(run, tiny_phantom):
    there = json.loads(run("probe", tiny_phantom, TENSOR, 5, 17, "--json").stdout)
    voxel = ",".join(map(str, there["voxel"]))
    assert json.loads(run("probe", tiny_phantom, "--voxel", voxel, "--json").stdout) == there
    text = run("probe", tiny_phantom, "--voxel", voxel).stdout
    assert f"{TENSOR}[5, 17]" in text


def test_probe_of_air_says_so(run, tiny_phantom):
    data = json.loads(run("probe", tiny_phantom, TENSOR, 0, 0, "--json").stdout)
    section = data["voxel"][0]
    # The corner where the right and the lower margin meet holds no vector.
    assert "air" in run("probe", tiny_phantom, "--voxel", f"{section},65,65").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["info", "nowhere"], 1, "nowhere"),
        (["probe", "PHANTOM", "no.such.tensor", "0"], 1, "no.such.tensor"),
        (["probe", "PHANTOM", TENSOR, "5", "9999"], 2, "9999"),
        (["probe", "PHANTOM", TENSOR, "5"], 2, "(64, 256)"),
        (["probe", "PHANTOM"], 2, "--voxel"),
        (["probe", "PHANTOM", "--voxel", "1,2"], 2, "3 whole numbers"),
        (["probe", "PHANTOM", "--voxel", "100000,0,0"], 2, "outside"),
        (["slice", "PHANTOM", "-o", "OUT", "--layout", "torso"], 1, "torso"),
        (["slice", "PHANTOM", "-o", "OUT", "--axis", "depth"], 2, "section, channel, unit"),
        (["slice", "PHANTOM", "-o", "OUT", "--at", "100000"], 2, "section goes from 0 to"),
        (["slice", "PHANTOM", "-o", "OUT", "--window", "2,1"], 2, "rising"),
        (["slice", "PHANTOM", "-o", "OUT", "--colormap", "mud"], 1, "mud"),
        (["slice", "PHANTOM", "-o", "OUT", "--window", "1,x"], 2, "or a preset"),
        (["slice", "PHANTOM", "-o", "OUT", "--window", "soft"], 1, "soft-tissue"),
        (["picture", "PHANTOM", "PICTURE.jpg"], 1, "use .png"),
        (["picture", "PHANTOM", "OUT", "--size", "big"], 2, "2 whole numbers"),
        (["picture", "PHANTOM", "OUT", "--view", "oblique"], 2, "sagittal"),
        (["movie", "PHANTOM", "MOVIE.avi"], 1, "use .mp4, .gif"),
        (["movie", "PHANTOM", "MOVIE.gif", "--fps", "60"], 1, "at most 50"),
        (["slice", "PHANTOM", "-o", "OUT", "--layout", "heads", "--axis", "head"], 2, "2 of them"),
    ],
)
def test_a_mistake_is_one_clear_message(run, tiny_phantom, tmp_path, arguments, status, message):
    places = {"PHANTOM": str(tiny_phantom), "OUT": str(tmp_path / "out.png")}
    places |= {name: str(tmp_path / name) for name in arguments if "." in name[-5:]}
    result = run(*(places.get(item, item) for item in arguments), status=status)
    flat = " ".join(result.stderr.replace("│", " ").split())
    assert message in flat
    assert "Traceback" not in result.output
    if status == 1:
        assert result.stderr.startswith("napari-gpt2-tomo: ")
    assert not list(tmp_path.iterdir())


def test_slice_writes_a_pixel_per_parameter(run, tiny_phantom, tmp_path):
    place = json.loads(run("probe", tiny_phantom, TENSOR, 5, 17, "--json").stdout)["voxel"]
    out = tmp_path / "new" / "section.png"
    text = run(
        "slice", tiny_phantom, "--axis", "section", "--at", place[0], "--colormap", "gray",
        "--window", "0,1", "-o", out,
    ).stdout  # fmt: skip
    assert "section" in text
    with Image.open(out) as image:
        pixels = np.asarray(image)
        assert f"section {place[0]}" in image.text["Title"]
    weights = load_file(tiny_phantom)[TENSOR]
    shown = pixels[place[1] - 5 : place[1] - 5 + 64, place[2] - 17 : place[2] - 17 + 64, 0] / 255
    np.testing.assert_allclose(shown, np.abs(weights[:, :64]).clip(0, 1), atol=0.01)


def test_slice_paints_what_is_not_finite_in_cyan(run, tmp_path):
    path = tmp_path / "damaged.safetensors"
    weights = np.ones((4, 4), np.float32)
    weights[1, 2] = np.nan
    weights[3, 0] = -np.inf
    save_file({"a": weights}, path)
    out = tmp_path / "damaged.png"
    run("slice", path, "--layout", "tensor", "--tensor", "a", "-o", out)
    with Image.open(out) as image:
        cyan = np.asarray(image) == (0, 255, 255)
    assert np.argwhere(cyan.all(axis=2)).tolist() == [[1, 2], [3, 0]]


def test_slice_cuts_a_layout_of_four_axes_twice(run, tiny_phantom, tmp_path):
    out = tmp_path / "head.png"
    run(
        "slice", tiny_phantom, "--layout", "heads", "--role", "k",
        "--axis", "layer", "--at", "3", "--axis", "head", "--at", "2", "-o", out,
    )  # fmt: skip
    with Image.open(out) as image:
        assert image.size == (64, 16)


def test_slice_takes_transfer_functions_and_windows_of_the_console(run, tiny_phantom, tmp_path):
    out = tmp_path / "section.png"
    text = run(
        "slice", tiny_phantom, "--transfer", "CT bone", "--window", "fine-structure", "-o", out
    ).stdout
    low, high = (float(limit) for limit in text.split(" from ")[1].split(" to "))
    assert low < high
    with Image.open(out) as image:
        first = np.asarray(image)
    run("slice", tiny_phantom, "--transfer", "Heat", "--window", "fine-structure", "-o", out)
    with Image.open(out) as image:
        assert (np.asarray(image) != first).any()


def test_picture_writes_four_views_or_one(run, make_napari_viewer, tiny_phantom, tmp_path):
    # The fixture is not called, but napari's application is replaced and cleaned up.
    four, one = tmp_path / "new" / "four.png", tmp_path / "one.png"
    run("picture", tiny_phantom, four, "--size", "600x500", "--transfer", "Heat")
    run(
        "picture", tiny_phantom, one, "--view", "axial", "--at", 7, "--size", "300x200",
        "--window", "0,0.3", "--no-legend",
    )  # fmt: skip
    with Image.open(four) as image:
        assert image.size == (600, 500)
        assert "magnitude |w|" in image.text["Title"]
        pixels = np.asarray(image)
    assert (pixels[:450].max(axis=2) > 40).mean() > 0.1
    with Image.open(one) as image:
        assert image.size == (300, 200)
        assert "axial · section 7 of" in image.text["Title"]
        assert "from 0 to 0.3" in image.text["Title"]


def test_movie_writes_a_turntable_or_a_flight(run, make_napari_viewer, tiny_phantom, tmp_path):
    turn, flight = tmp_path / "turn.gif", tmp_path / "flight"
    small = ("--size", "160x120", "--fps", 8)
    run("movie", tiny_phantom, turn, "--turntable", "--seconds", 0.5, *small)
    run("movie", tiny_phantom, flight, "--flight", "--seconds", 0.5, "--axis", "channel", *small)
    with Image.open(turn) as image:
        assert (image.n_frames, image.size) == (4, (160, 120))
    assert len(list(flight.glob("*.png"))) == 4
    with Image.open(flight / "00001.png") as image:
        assert image.text["Title"].startswith("phantom-gpt2-tiny")


def test_phantom_is_the_name_of_the_built_in_checkpoint(run, tiny_phantom, monkeypatch):
    from napari_gpt2_tomo.checkpoint.phantoms import anatomical as phantom

    monkeypatch.setattr(phantom, "phantom_checkpoint", lambda progress=None: tiny_phantom)
    assert "gpt2" in run("info", "phantom").stdout


def test_cache_lists_what_it_holds_and_clears_it(run, tmp_path, monkeypatch):
    from napari_gpt2_tomo.checkpoint.phantoms.anatomical import phantom_checkpoint

    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    size = sum(file.stat().st_size for file in phantom_checkpoint("tiny").parent.iterdir())
    (tmp_path / "something of the user").write_text("kept")
    data = json.loads(run("cache", "--json").stdout)
    assert data["path"] == str(tmp_path)
    assert data["entries"] == [{"name": "phantoms/phantom-gpt2-tiny", "bytes": size}]
    assert "phantom-gpt2-tiny" in run("cache").stdout
    run("cache", "--clear")
    assert json.loads(run("cache", "--json").stdout)["entries"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["something of the user"]


def test_an_empty_cache_is_no_error(run, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "none"))
    assert "0 entries" in run("cache", "--clear").stdout


def test_ctrl_c_cancels_between_two_steps_of_long_work():
    before = signal.getsignal(signal.SIGINT)
    with terminal_progress() as progress:
        progress.start(10, "Working")
        progress.advance(1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        with pytest.raises(Cancelled):
            progress.advance(1)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere there is always a screen.")
@pytest.mark.parametrize("command", [["view"], ["picture", "a.png"], ["movie", "a.mp4"]])
def test_without_a_screen_a_sentence_says_what_to_do(run, tiny_phantom, monkeypatch, command):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    name, *output = command
    result = run(name, tiny_phantom, *output, status=1)
    assert "no screen" in result.stderr
    assert "xvfb-run" in result.stderr


def test_view_opens_a_window_with_what_was_asked_for(run, tiny_phantom, monkeypatch):
    import napari_gpt2_tomo.viewer.view as viewer

    seen = {}
    monkeypatch.setattr(
        viewer, "view_until_closed", lambda scan, **options: seen.update(options, name=scan.name)
    )
    run("view", tiny_phantom, "--layout", "circuits", "--signal", "signed", "--role", "qk")
    assert (seen["name"], seen["layout"]) == ("phantom-gpt2-tiny", "circuits")
    assert (seen["signal"], seen["role"]) == ("signed", "qk")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_the_command_without_a_traceback(tmp_path):
    code = (
        "import os, signal\n"
        "from napari_gpt2_tomo import cli\n"
        "from napari_gpt2_tomo.checkpoint.phantoms import anatomical as phantom\n"
        "made = phantom.tissue\n"
        "def tissue(*args):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    yield from made(*args)\n"
        "phantom.tissue = tissue\n"
        "cli.app(['view'], prog_name='napari-gpt2-tomo')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NAPARI_GPT2_TOMO_CACHE": str(tmp_path)},
    )
    assert done.returncode == 130, done.stderr
    assert "Cancelled" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.safetensors*"))
