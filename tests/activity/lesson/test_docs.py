"""The page about the lesson: its code runs."""

import re
from pathlib import Path

from real_data import real_data

PAGE = Path(__file__).parents[3] / "docs" / "lesson.md"


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stories260K").symlink_to(real_data("stories260K"))
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    exec(compile(code[1], "docs/lesson.md", "exec"), {})
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["lesson.html", "short.html"]
    assert (tmp_path / "lesson.html").stat().st_size < 400_000
