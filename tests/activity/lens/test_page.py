"""The page about the lens: its code runs."""

import re
from pathlib import Path

from real_data import real_data

PAGE = Path(__file__).parents[3] / "docs" / "lens.md"


def test_the_code_on_the_page_runs_as_it_stands(monkeypatch):
    monkeypatch.chdir(real_data("stories260K").parent)
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec("\n".join(code), names)
    assert names["lens"].strings()[-1, -1] == "·Lily"
    assert names["found"].total > 0
    assert names["after"].labels[0] == "·Lily"
