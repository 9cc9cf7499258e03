"""Where the real checkpoints lie that some tests try; those tests skip without them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "shared" / "data"


def real_data(name: str) -> Path:
    """Folder or file `name` of the real data, or skip the test with the reason."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"the real data {name!r} are not beside this checkout")
    return path
