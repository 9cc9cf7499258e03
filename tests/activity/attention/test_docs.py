"""The page about attention tells what is there, and its code runs."""

import re
from pathlib import Path

from napari_gpt2_tomo.activity.attention.catalogue import METRICS
from napari_gpt2_tomo.activity.attention.probe import LENGTH, SEQUENCES

PAGE = (Path(__file__).parents[3] / "docs" / "attention.md").read_text(encoding="utf-8")


def test_every_metric_is_told():
    rows = {line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("|")}
    assert [one.title for one in METRICS.values() if one.title not in rows] == []
    assert f"s has {LENGTH} tokens" in PAGE
    assert SEQUENCES == 4
    assert "four\nsequences" in PAGE


def test_the_code_runs_and_says_the_truth(cache):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    told = {}
    exec(code[1], told)
    assert told["metrics"].best("previous") == (0, 1)
    assert told["probe"].best("induction") == (1, 2)
