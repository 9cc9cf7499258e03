"""Importing the package, and what a dropped file costs until napari has its layers.

    python benchmarks/opening.py [--noise GB] [--json FILE]

The limit is reading the headers: bytes and bare `json.loads`, without any check. The files are
warm and everything is imported, as in a napari that has opened one checkpoint before; nothing is
in the cache of overviews.
"""

import gc
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data
from measure import Case, Report, arguments, evict, fresh, interleaved, median, ratio

OPEN_MS = 100
"""Milliseconds that opening may take."""

IMPORT_MS = 50
"""Milliseconds that `import napari_gpt2_tomo` may take."""

FORBIDDEN = ("torch", "transformers")
NOT_FOR_SCRIPTS = (*FORBIDDEN, "napari", "dask.array", "numba", "zarr")

_IMPORT = """
import sys, time
start = time.perf_counter()
import napari_gpt2_tomo
print(time.perf_counter() - start)
print(*[name for name in {names!r} if name in sys.modules])
"""


def interpreter(code: str) -> str:
    """Run code in a new interpreter; what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def importing(report: Report, repeats: int) -> None:
    """Importing the package in new interpreters."""
    inside: list[float] = []

    def run() -> None:
        seconds, names = interpreter(_IMPORT.format(names=NOT_FOR_SCRIPTS)).split("\n")[:2]
        assert not names, f"import napari_gpt2_tomo brought {names}"
        inside.append(float(seconds))

    cases: dict[str, Case] = {
        "python -c pass": lambda: interpreter("pass"),
        "python -c 'import numpy'": lambda: interpreter("import numpy"),
        "python -c 'import napari_gpt2_tomo'": run,
    }
    times = interleaved(cases, repeats)
    rows: list[dict[str, Any]] = [
        {"what": name, "ms": 1e3 * median(found)} for name, found in times.items()
    ]
    seconds = median(inside)
    rows.append(
        {
            "what": "the import itself",
            "ms": 1e3 * seconds,
            "target ms": IMPORT_MS,
            "met": 1e3 * seconds < IMPORT_MS,
        }
    )
    report.table("A new interpreter", rows)


def bare_headers(path: Path) -> list[Any]:
    """Read and parse the JSON of all headers and of the index, unchecked."""
    found = []
    for file in data.files(path):
        with open(file, "rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            found.append(json.loads(opened.read(length)))
    index = path / "model.safetensors.index.json"
    if index.exists():
        found.append(json.loads(index.read_bytes()))
    return found


def opening(path: Path, warm_up: Path, repeats: int) -> dict[str, list[float]]:
    """Seconds of every step of opening a checkpoint; for a new interpreter."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NAPARI_GPT2_TOMO_CACHE"] = cache
        import napari.layers  # noqa: F401

        from napari_gpt2_tomo.checkpoint import open_checkpoint
        from napari_gpt2_tomo.facade import Scan
        from napari_gpt2_tomo.viewer import reader

        def forget() -> None:
            # Files that are dropped together within two seconds count as one checkpoint.
            reader._last = ((), "", 0.0)

        def read(path: Path) -> None:
            found = reader.get_reader(str(path))
            assert found is not None
            assert [kind for *_, kind in found(str(path))] == ["image", "labels"]

        read(warm_up)
        cases: dict[str, Case] = {
            "bare headers": lambda: bare_headers(path),
            "reader to layer data": lambda: read(path),
            "· open_checkpoint": lambda: open_checkpoint(path),
            "· and anatomy (Scan)": lambda: Scan(path),
            "· and volume": lambda: Scan(path).volume(exact=False),
        }
        times = interleaved(cases, repeats, before=forget)
        times["cold"] = []
        for _ in range(min(repeats, 5)):
            forget()
            gc.collect()
            evict(data.files(path))
            start = time.perf_counter()
            read(path)
            times["cold"].append(time.perf_counter() - start)
        brought = [name for name in FORBIDDEN if name in sys.modules]
        assert not brought, f"opening a checkpoint imported {brought}"
        return times


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--noise", type=float, default=0, help="GB of noise in the llama")
    options = parser.parse_args()
    repeats = options.repeats or 15
    home = data.folder(options.data)
    report = Report("opening.py", options.json)
    importing(report, repeats)

    makers: dict[str, Callable[[], Path]] = {
        "GPT-2, 0.5 GB": lambda: data.gpt2(home),
        "Llama 2 7B, 13.5 GB in shards": lambda: data.llama(home, noise=int(1e9 * options.noise)),
        "Qwen3 30B-A3B, 61 GB, 18,867 tensors": lambda: data.mixture(home),
    }
    warm_up = data.gpt2(home)
    for title, make in makers.items():
        path = make()
        times = fresh(opening, path, warm_up, repeats)
        target = OPEN_MS if "shards" in title or "GPT-2" in title else None
        rows = []
        for name, found in times.items():
            row: dict[str, Any] = {"what": name, "ms": 1e3 * median(found)}
            if name != "cold":
                row["× headers"] = ratio(times, name, "bare headers")
            if target is not None and name == "reader to layer data":
                row |= {"target ms": target, "met": row["ms"] < target}
            rows.append(row)
        report.table(title, rows)
    report.finish()


if __name__ == "__main__":
    main()
