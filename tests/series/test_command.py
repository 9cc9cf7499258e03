"""The command line of series."""

import pytest
from typer.testing import CliRunner

from .runs import STEPS, write_run, write_step


@pytest.fixture
def run():
    from napari_gpt2_tomo.cli import app

    def invoke(*words, status=0):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == status, (done.output, done.exception)
        return done

    return invoke


def test_a_series_is_printed(run, run_folder):
    shown = run("series", run_folder, "--metric", "relative_change").stdout.splitlines()
    assert "relative change since the last checkpoint" in shown[0]
    heads = [line.split("  ")[0] for line in shown[2:]]
    assert heads == [f"step {number}" for number in STEPS]
    assert "–" in shown[2]


def test_numbers_and_pictures_are_written(run, run_folder, tmp_path):
    out = tmp_path / "out"
    done = run("series", run_folder, "--csv", out / "g.csv", "--picture", out / "pictures")
    assert (out / "g.csv").read_text().startswith("step,checkpoint,part")
    pictures = sorted(path.name for path in (out / "pictures").iterdir())
    assert "growth-norm.png" in pictures
    assert sum(name.startswith("section-") for name in pictures) == len(STEPS)
    assert str(out / "pictures" / pictures[0]) in done.stdout


def test_parts_can_be_chosen(run, run_folder):
    shown = run("series", run_folder, "--lines", "role", "--part", "L1.k").stdout
    assert "layer 0" in shown
    assert "layer 1" in shown
    wrong = run("series", run_folder, "--part", "L9.k", status=2)
    assert "L9.k" in wrong.stderr


def test_checkpoints_of_two_models_are_refused_in_a_line(run, tmp_path):
    folder = write_run(tmp_path)
    write_step(folder / "step-300", 300, width=32)
    done = run("series", folder, status=1)
    assert "d_model 32 against 48" in done.stderr
    assert "Traceback" not in done.stderr


def test_view_shows_several_paths_as_a_series(run, run_folder, monkeypatch):
    import napari_gpt2_tomo.viewer.view as viewer
    from napari_gpt2_tomo.cli import show
    from napari_gpt2_tomo.series.series import Series

    monkeypatch.setattr(show, "need_screen", lambda: None)
    seen = []
    monkeypatch.setattr(
        viewer, "view_until_closed", lambda *scans, **options: seen.extend(map(type, scans))
    )
    paths = [run_folder / "step-0", run_folder / "step-10"]
    run("view", *paths, "--series")
    run("view", run_folder)
    assert seen == [Series, Series]
    seen.clear()
    run("view", *paths)
    assert len(seen) == 2
    assert Series not in seen
