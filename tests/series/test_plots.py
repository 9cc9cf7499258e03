"""Growth drawn and saved, losses read."""

import csv
import json

import numpy as np
import pytest

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.display.plots import DARK, LIGHT
from napari_gpt2_tomo.series import table
from napari_gpt2_tomo.series.find import step_of
from napari_gpt2_tomo.series.growth import METRICS
from napari_gpt2_tomo.series.lines import KINDS, lines_of, subject_of
from napari_gpt2_tomo.series.losses import read_losses
from napari_gpt2_tomo.series.plots import growth_plot, places_of, wants_log, wants_log_y
from napari_gpt2_tomo.series.table import growth_table, save_growth

from .runs import STEPS


@pytest.mark.parametrize("kind", KINDS)
def test_lines_cover_the_parts_that_they_are_of(series, kind):
    lines = lines_of(series.anatomy, kind, "L1.k")
    covered = [i for line in lines for i in line.parts]
    assert len(covered) == len(set(covered))
    names = {series.anatomy.parts[i].name for i in covered}
    if kind in ("roles", "layers", "all"):
        assert len(covered) == len(series.anatomy.parts)
    elif kind == "role":
        assert names == {"L0.k", "L1.k"}
        assert subject_of(series.anatomy, kind, "L1.k") == "K of every layer"
    elif kind == "layer":
        assert names == {f"L1.{role}" for role in ("q", "k", "v", "o", "up", "down")}
    else:
        assert names == {"L1.k"}


def test_the_curves_of_a_plot_are_its_table(series):
    growth, lines = series.growth(), lines_of(series.anatomy, "roles")
    plot = growth_plot(growth, series.steps, lines, "norm")
    figure = plot.figure(LIGHT)
    drawn = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    values = dict.fromkeys(drawn, ())
    for label, value in zip(plot.table.columns["line"], plot.table.columns["norm"], strict=True):
        values[label] = (*values[label], value)
    assert drawn.keys() == {line.label for line in lines}
    for label, curve in drawn.items():
        np.testing.assert_array_equal(curve, values[label])


@pytest.mark.parametrize("metric", [metric.name for metric in METRICS])
def test_every_metric_is_drawn_with_logarithmic_axes_and_without(series, metric):
    growth, lines = series.growth(), lines_of(series.anatomy, "layers")
    for log in (False, True):
        plot = growth_plot(growth, series.steps, lines, metric, log_x=log, log_y=log)
        assert len(plot.figure(DARK).axes[0].get_lines()) == len(lines)


def test_steps_lie_where_their_numbers_are_if_those_are_known():
    named = [step_of(name) for name in ("step-0", "step-10", "step-500")]
    assert places_of(named).tolist() == [0, 10, 500]
    assert wants_log(np.array([0, 10, 100, 500]))
    assert not wants_log(np.array([100, 200, 300, 400]))
    assert not wants_log(np.arange(64) * 100)
    unknown = [step_of(name) for name in ("cold", "warm", "step-500")]
    assert places_of(unknown).tolist() == [0, 1, 2]


def test_only_positive_metrics_of_many_sizes_ask_for_a_logarithmic_axis(series):
    growth, lines = series.growth(), lines_of(series.anatomy, "roles")
    assert wants_log_y(growth, lines, "norm")
    assert not wants_log_y(growth, lines, "cosine_to_last")


def test_the_table_has_every_part_at_every_step(series, tmp_path):
    growth = series.growth()
    path = save_growth(series, growth, tmp_path / "growth.csv")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(series.anatomy.parts) * len(STEPS)
    norms = growth.each("norm")
    names = [part.name for part in series.anatomy.parts]
    for row in rows[:: len(STEPS) + 1]:
        at = STEPS.index(int(row["step"]))
        assert float(row["norm"]) == pytest.approx(norms[names.index(row["part"]), at], rel=1e-8)


def test_parquet_holds_the_same_table(series, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    growth = series.growth()
    path = save_growth(series, growth, tmp_path / "growth.parquet")
    found = parquet.read_table(path).to_pydict()
    columns = growth_table(series, growth).columns
    assert found.keys() == columns.keys()
    for name in ("part", "layer", "checkpoint"):
        assert found[name] == list(columns[name])
    np.testing.assert_array_equal(found["norm"], growth.each("norm").ravel())


def test_parquet_without_pyarrow_says_what_to_install(series, tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def absent(name, *args, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(TomoError, match=r"napari-gpt2-tomo\[parquet\]"):
        save_growth(series, series.growth(), tmp_path / "growth.parquet")
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused(series, tmp_path):
    with pytest.raises(TomoError, match="csv"):
        save_growth(series, series.growth(), tmp_path / "growth.xlsx")
    assert table.PARQUET[0] == ".parquet"


def test_losses_come_from_a_log_beside_the_checkpoints(tmp_path):
    log = [{"step": 5, "train": 2.0, "val": 3.0}, {"step": 0, "train": 4.0, "val": None}]
    (tmp_path / "log.json").write_text(json.dumps(log))
    losses = read_losses([str(tmp_path / "step-0"), str(tmp_path / "step-5")])
    at, values = losses.curves["training loss"]
    assert (at.tolist(), values.tolist()) == ([0, 5], [4.0, 2.0])
    assert losses.curves["validation loss"][1].tolist() == [3.0]
    assert losses.source.endswith("log.json")


def test_numbers_of_a_log_beyond_every_float_are_left_out(tmp_path):
    log = [{"step": 10**400, "loss": 1.0}, {"step": 3, "loss": 10**400}, {"step": 4, "loss": 2.0}]
    (tmp_path / "log.json").write_text(json.dumps(log))
    at, values = read_losses([str(tmp_path / "step-0")]).curves["training loss"]
    assert (at.tolist(), values.tolist()) == ([4], [2.0])


def test_losses_come_from_the_latest_trainers_state(tmp_path):
    for number, loss in ((1, 3.0), (2, 2.5)):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        history = {"log_history": [{"step": number, "loss": loss}, {"step": number, "lr": 0.1}]}
        (folder / "trainer_state.json").write_text(json.dumps(history))
    losses = read_losses([str(tmp_path / f"checkpoint-{n}") for n in (1, 2)])
    assert losses.curves["training loss"][1].tolist() == [2.5]


@pytest.mark.parametrize("text", ["", "{", "[[1], 2]", '[{"step": "a", "loss": 1}]', '{"a": 1}'])
def test_a_log_that_says_nothing_gives_no_losses(tmp_path, text):
    (tmp_path / "log.json").write_text(text)
    assert not read_losses([str(tmp_path / "step-0")])


def test_losses_have_an_axis_of_their_own(series, tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 0, "loss": 4}\n{"step": 200, "loss": 2}\n')
    losses = read_losses([str(tmp_path / "step-0")])
    lines = lines_of(series.anatomy, "all")
    plot = growth_plot(series.growth(), series.steps, lines, "norm", losses=losses)
    assert [axes.get_ylabel() for axes in plot.figure().axes] == ["‖w‖", "loss"]
