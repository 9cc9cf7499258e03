"""The command ``compare``."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from comparison.adapters import pair, write_adapter
from comparison.models import gpt2, neox, parts
from napari_gpt2_tomo.cli import app
from napari_gpt2_tomo.comparison import compare


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli")
    changed = parts(1)
    changed["L0.up"] = changed["L0.up"] + np.float32(0.01)
    changed["L1.q"] = changed["L1.q"] * np.float32(2)
    return gpt2(root / "before", parts(1)), neox(root / "after", changed), root


def called(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_what_changed_most_comes_first(folders):
    before, after, _ = folders
    result = called(before, after)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "before → after"
    first = next(i for i, line in enumerate(lines) if line.startswith("part "))
    assert [line.split()[0] for line in lines[first + 1 : first + 3]] == ["L1.q", "L0.up"]
    assert lines[-1] == "24 parts are equal, value for value."


def test_ranks_and_csv(folders, tmp_path):
    before, after, _ = folders
    result = called(before, after, "--ranks", "--csv", tmp_path / "changes.csv")
    assert result.exit_code == 0
    text = (tmp_path / "changes.csv").read_text("utf-8")
    rows = {row["part"]: row for row in csv.DictReader(text.splitlines())}
    assert (rows["L0.up"]["rank"], rows["L1.q"]["rank"]) == ("1", "12")
    with compare(before, after) as comparison:
        table = comparison.table()
        assert float(rows["L1.q"]["snr"]) == next(r.snr for r in table if r.part == "L1.q")


def test_json_is_for_programs(folders):
    before, after, _ = folders
    found = json.loads(called(before, after, "--json", "--top", "1").output)
    assert [row["part"] for row in found["parts"]] == ["L1.q"]
    assert found["parts"][0]["relative"] == pytest.approx(1)


def test_an_adapter_is_compared_with_its_base(folders):
    before, _, root = folders
    adapter = write_adapter(root / "adapter", pair("h.0.attn.c_attn", 36, 12), fan_in_fan_out=True)
    result = called(before, adapter, "--ranks")
    assert "LoRA of 1 matrices · rank 3 · scale 4" in result.output
    assert "L0.q" in result.output


def test_a_page_is_written(folders, tmp_path):
    pytest.importorskip("ipyniivue")
    before, after, _ = folders
    result = called(before, after, "--html", tmp_path / "difference.html", "--kind", "relative")
    assert result.exit_code == 0
    assert "before → after (in σ)" in (tmp_path / "difference.html").read_text()


@pytest.mark.parametrize("options", [["--by", "size"], ["--kind", "squared"]])
def test_what_does_not_exist_is_said(folders, options):
    before, after, _ = folders
    result = called(before, after, *options)
    assert result.exit_code != 0
    assert "relative" in result.output


def test_values_that_are_nan_are_told_and_no_number_is_made_of_them(folders, tmp_path):
    before, _, _ = folders
    broken = parts(1)
    broken["L0.up"] = broken["L0.up"] * np.float32(np.nan)
    broken["L1.q"] = broken["L1.q"].copy()
    broken["L1.q"][0, 0] = np.inf
    after = gpt2(tmp_path / "broken", broken)
    count = broken["L0.up"].size + 1
    result = called(before, after)
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == (
        f"{count:,} values are NaN or infinite; they are left out."
    )
    assert "nan%" not in result.output
    text = called(before, after, "--json").output
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["nonfinite"] == count
    assert {row["part"]: row["cosine"] for row in found["parts"]}["L0.up"] is None


def test_an_adapter_cannot_be_the_first(folders):
    before, _, root = folders
    adapter = write_adapter(root / "first", pair("h.0.attn.c_attn", 36, 12), fan_in_fan_out=True)
    result = called(adapter, before)
    assert result.exit_code == 1
    assert "give its base model first" in " ".join(result.output.split())
