"""The code on the page about running, run."""

import re
import shutil
from pathlib import Path

import napari_gpt2_tomo as tomo
from real_data import real_data

PAGE = Path(__file__).parents[3] / "docs" / "activity.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    shutil.copytree(real_data("stories260K"), tmp_path / "stories260K")
    monkeypatch.chdir(tmp_path)
    # Nobody would close the window.
    seen: list[object] = []
    monkeypatch.setattr(tomo, "view_activity", seen.append)
    section = PAGE.read_text("utf-8").split("\n## Running\n")[1].split("\n## ")[0]
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(block, names)
    assert names["activity"].tokens.strings == ("<s>", "Once", " upon", " a", " time")
    assert names["activity"]["pattern"].shape == (5, 8, 5, 5)
    assert seen == [names["opened"]]
    assert names["after"] < names["before"]
    assert "," in capsys.readouterr().out
