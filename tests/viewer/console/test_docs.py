"""The page of the console tells what is there."""

import json
import re
from pathlib import Path

import pytest

from napari_gpt2_tomo.display.presets import NUMBERS, PRESETS, from_json
from napari_gpt2_tomo.display.transfer import TRANSFERS
from napari_gpt2_tomo.viewer.shortcuts import SHORTCUTS, key_of

PAGE = (Path(__file__).parents[3] / "docs" / "console.md").read_text(encoding="utf-8")
ROWS = [re.split(r"\s*\|\s*", line.strip("| ")) for line in PAGE.splitlines() if "|" in line]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda row: row.key)
def test_every_preset_is_in_the_table_with_its_key(preset):
    found = [row for row in ROWS if row[0] == preset.title]
    if preset.kind == "hu":
        wanted = "{:g} / {:g}".format(*preset.numbers).replace("-", "−")
        assert any(wanted in row for row in found)
    else:
        assert any(key_of(preset.key) in row[1] for row in found)


def test_every_kind_of_preset_and_its_numbers_are_told():
    for kind, names in NUMBERS.items():
        assert any(f"`{kind}`" in row[0] for row in ROWS)
        assert all(f"`{name}`" in PAGE for name in names)


def test_the_example_of_a_file_is_one():
    example = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert example
    assert len(from_json(example[1])) == len(json.loads(example[1])["presets"])


def test_every_transfer_function_and_other_key_is_told():
    assert all(name in PAGE for name in TRANSFERS)
    for one in SHORTCUTS:
        if not one.preset and not one.key.endswith(("PageUp", "PageDown")):
            words = one.key.replace("Control", "Ctrl").replace("-", " + ")
            assert words in PAGE
