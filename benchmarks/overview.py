"""The overview of a whole checkpoint, against reading it, and against other ways to a pyramid.

    python benchmarks/overview.py [--noise GB] [--peers] [--ome-zarr PYTHON] [--json FILE]

The limit of a warm file is `np.sum` over the mapped file as float32, with one thread and with
two; of a cold one a plain read in blocks of 8 MB. A pass reads every parameter once and gives
all coarse levels and the statistics; `refine` also keeps them in the cache, on disk.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import data
import numpy as np
from measure import (
    MEGABYTE,
    Case,
    Peak,
    Report,
    arguments,
    best_ratio,
    evict,
    fresh,
    interleaved,
    median,
    plain_read,
    ratio,
    resident,
)
from numpy.typing import NDArray

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.volume.kernels.compiled import prepare
from napari_gpt2_tomo.volume.overview.run import run_all
from napari_gpt2_tomo.volume.overview.stream import Tile, make_pass

SHARE = 0.5
"""Of the speed of a plain sum that a pass should reach."""

DISK_SHARE = 0.9
"""Of the speed of a plain read that a cold pass should reach."""

PEAK = 500 * MEGABYTE
"""Bytes of anonymous memory that an overview may take."""

SUM_PIECE = 2**22
"""Elements that a thread sums at once."""

LAYOUTS = ("body", "cube")


@contextmanager
def empty_cache(beside: Path) -> Iterator[Path]:
    """An empty cache on the disk of the checkpoints, for one measurement."""
    before = os.environ.get("NAPARI_GPT2_TOMO_CACHE")
    with tempfile.TemporaryDirectory(dir=beside) as folder:
        os.environ["NAPARI_GPT2_TOMO_CACHE"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["NAPARI_GPT2_TOMO_CACHE"]
            else:
                os.environ["NAPARI_GPT2_TOMO_CACHE"] = before


def mapped(path: Path) -> list[NDArray[np.float32]]:
    """The data of all files as float32, whatever they are: what a sum reads."""
    arrays = []
    for file in data.files(path):
        _, start = data.header(file)
        count = (file.stat().st_size - start) // 4
        arrays.append(np.asarray(np.memmap(file, "<f4", "r", start, (count,))))
    return arrays


def sum_all(arrays: Sequence[NDArray[np.float32]], threads: int) -> None:
    """Sum the arrays in pieces that the threads share."""
    pieces = [a[i : i + SUM_PIECE] for a in arrays for i in range(0, a.size, SUM_PIECE)]
    if threads == 1:
        for piece in pieces:
            np.sum(piece)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(np.sum, pieces))


def one_pass(volume: tomo.Volume) -> None:
    """What `refine` computes, into arrays that are used again instead of the cache."""
    layout = volume.layout
    signal: Any = volume.reader.signal  # type: ignore[attr-defined]
    work = make_pass(volume.reader, signal.is_weight)
    chunks = [
        tuple(max(1, n // f) for n, f in zip(work.tile_shape, factors, strict=True))
        for factors in layout.factors[work.first :]
    ]
    local = threading.local()

    def run(tile: Tile, step: Callable[[int], None]) -> None:
        out = getattr(local, "out", None)
        if out is None:
            out = local.out = [np.empty(chunk, np.float32) for chunk in chunks]
        work.run(tile, out, step)

    run_all(run, work.tiles, None)


def unmap(scan: tomo.Scan) -> None:
    """Give up the maps of a scan that stays open: mapped pages cannot be evicted.

    Estimating the statistics, when a volume is made, has mapped and read some of the file.
    """
    checkpoint: Any = scan.checkpoint
    for source in checkpoint._sources:
        source._map = None
    gc.collect()


def parameters(path: Path) -> float:
    """Bytes of the files' data."""
    return float(sum(file.stat().st_size - data.header(file)[1] for file in data.files(path)))


def warm(path: Path, repeats: int) -> list[dict[str, Any]]:
    """Passes over files that are in memory, against sums over them."""
    size = parameters(path)
    arrays = mapped(path)
    with empty_cache(path if path.is_dir() else path.parent) as cache, tomo.scan(path) as scan:
        volumes = {name: scan.volume(name) for name in LAYOUTS}

        def refined(name: str) -> None:
            # Nothing of it is in the cache: every round has a folder of its own.
            volumes[f"new {name}"].refine()

        def renew() -> None:
            os.environ["NAPARI_GPT2_TOMO_CACHE"] = tempfile.mkdtemp(dir=cache)
            volumes.update({f"new {name}": scan.volume(name) for name in LAYOUTS})

        prepare()
        cases: dict[str, Case] = {
            "sum, 1 thread": lambda: sum_all(arrays, 1),
            "sum, 2 threads": lambda: sum_all(arrays, 2),
        }
        for name in LAYOUTS:
            cases[f"{name}: pass"] = lambda name=name: one_pass(volumes[name])
            cases[f"{name}: refine"] = lambda name=name: refined(name)
        times = interleaved(cases, repeats, before=renew)
    rows = []
    for case, found in times.items():
        row: dict[str, Any] = {
            "what": case,
            "s": median(found),
            "GB/s": size / 1e9 / median(found),
            "× speed of sum": 1 / ratio(times, case, "sum, 1 thread"),
            "of 2 threads": 1 / ratio(times, case, "sum, 2 threads"),
            "best GB/s": size / 1e9 / min(found),
            "best × sum": 1 / best_ratio(times, case, "sum, 1 thread"),
        }
        if case.endswith("pass"):
            row |= {"target": SHARE, "met": row["× speed of sum"] >= SHARE}
        rows.append(row)
    return rows


def cold(path: Path, repeats: int) -> list[dict[str, Any]]:
    """Passes over files that are not in memory, against reading them."""
    size = parameters(path)
    files = data.files(path)
    home = path if path.is_dir() else path.parent
    prepare()
    times: dict[str, list[float]] = {}

    def measure(case: str, work: Callable[[], object]) -> None:
        gc.collect()
        evict(files)
        start = time.perf_counter()
        work()
        times.setdefault(case, []).append(time.perf_counter() - start)

    for turn in range(repeats):
        order = [*LAYOUTS] if turn % 2 else [*reversed(LAYOUTS)]
        measure("plain read", lambda: plain_read(files))
        for name in order:
            with empty_cache(home):
                for case in ("pass", "refine"):
                    with tomo.scan(path) as scan:
                        volume = scan.volume(name)
                        unmap(scan)
                        work = volume.refine if case == "refine" else partial(one_pass, volume)
                        measure(f"{name}: {case}", work)
    rows = []
    for case in ("plain read", *(f"{n}: {w}" for n in LAYOUTS for w in ("pass", "refine"))):
        row: dict[str, Any] = {
            "what": case,
            "s": median(times[case]),
            "GB/s": size / 1e9 / median(times[case]),
            "× speed of read": 1 / ratio(times, case, "plain read"),
        }
        if case.endswith("pass"):
            row |= {"target": DISK_SHARE, "met": row["× speed of read"] >= DISK_SHARE}
        rows.append(row)
    return rows


def memory_of(path: Path, layout: str) -> dict[str, float]:
    """Peak of anonymous memory of an overview; for a new interpreter."""
    from napari_gpt2_tomo.facade import Scan

    home = path if path.is_dir() else path.parent
    with empty_cache(home), Peak() as peak, Scan(path) as scan:
        volume = scan.volume(layout)
        volume.overview.quick_look()
        volume.refine()
    with empty_cache(home), Scan(path) as scan, Peak() as again:
        scan.volume(layout).refine()
    return {"peak": peak.above, "again": again.above}


def memory(path: Path) -> list[dict[str, Any]]:
    """Peak of anonymous memory above the start, each in a new interpreter."""
    rows = []
    for layout in LAYOUTS:
        found = fresh(memory_of, path, layout)
        rows.append(
            {
                "what": layout,
                "from path to overview, MB": found["peak"] / MEGABYTE,
                "with the kernels loaded, MB": found["again"] / MEGABYTE,
                "target MB": PEAK / MEGABYTE,
                "met": found["peak"] < PEAK,
            }
        )
    return rows


@contextmanager
def counted() -> Iterator[list[int]]:
    """Bytes that are asked of mapped files meanwhile, as a list of one number."""
    from napari_gpt2_tomo.checkpoint.source import MappedFile

    asked = [0]
    original = MappedFile.gather

    def gather(self: Any, offset: int, region: Any, dtype: Any) -> Any:
        asked[0] += region.size * dtype.itemsize
        return original(self, offset, region, dtype)

    MappedFile.gather = gather  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        MappedFile.gather = original  # type: ignore[method-assign]


def quick(path: Path, repeats: int, *, from_disk: bool) -> list[dict[str, Any]]:
    """The quick look: time and bytes, warm and cold."""
    rows = []
    files = data.files(path)
    for layout in LAYOUTS:
        row: dict[str, Any] = {"what": layout}
        with empty_cache(path if path.is_dir() else path.parent):
            seconds = []
            for _ in range(repeats + 1):
                with tomo.scan(path) as scan, counted() as asked:
                    volume = scan.volume(layout)
                    asked[0] = 0
                    start = time.perf_counter()
                    volume.overview.quick_look()
                    seconds.append(time.perf_counter() - start)
            row |= {"ms": 1e3 * median(seconds[1:]), "MB asked for": asked[0] / MEGABYTE}
            if from_disk:
                with tomo.scan(path) as scan:
                    volume = scan.volume(layout)
                    unmap(scan)
                    evict(files)
                    start = time.perf_counter()
                    volume.overview.quick_look()
                    row["cold ms"] = 1e3 * (time.perf_counter() - start)
                    row["cold MB read"] = resident(files) / MEGABYTE
        rows.append(row)
    return rows


def ours(path: Path) -> dict[str, Any]:
    """From a path to the overview on disk; for a new interpreter."""
    from napari_gpt2_tomo.facade import Scan

    prepare()
    with empty_cache(path.parent):
        # The store's own imports, as the peers have theirs.
        import zarr  # noqa: F401

        with Peak() as peak:
            start = time.perf_counter()
            with Scan(path) as scan:
                opened = time.perf_counter()
                scan.volume("body").refine()
            end = time.perf_counter()
    return {"seconds": {"open": opened - start, "refine": end - opened}, "peak": peak.above}


def peers(path: Path, python: str | None, repeats: int) -> list[dict[str, Any]]:
    """Ours and the peers, interleaved, each in a new interpreter."""
    size = parameters(path)
    with tomo.scan(path) as scan:
        body = path.parent / "body.npy"
        np.save(body, scan.volume("body")[...])
    script = str(Path(__file__).with_name("peers.py"))

    def call(*command: str) -> dict[str, Any]:
        done = subprocess.run([*command], capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    cases: dict[str, Callable[[], dict[str, Any]]] = {
        "ours, from path to overview on disk": lambda: fresh(ours, path),
        "transformers, np.stack, ndimage.zoom": lambda: call(
            sys.executable, script, "naive", str(path.parent)
        ),
    }
    if python is not None:
        for method in ("resize", "local_mean"):
            cases[f"ome-zarr-py ({method}) of the body array"] = lambda m=method: call(
                python, script, "ome-zarr", str(body), m
            )
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            found[name].append(case())
    body.unlink()
    totals = {name: [sum(r["seconds"].values()) for r in runs] for name, runs in found.items()}
    first = next(iter(cases))
    rows = []
    for name, runs in found.items():
        steps = runs[0]["seconds"]
        rows.append(
            {
                "what": name,
                "s": median(totals[name]),
                "× ours": ratio(totals, name, first),
                "MB/s of the checkpoint": size / MEGABYTE / median(totals[name]),
                "peak MB": median([r["peak"] for r in runs]) / MEGABYTE,
                "steps, s": ", ".join(
                    f"{step} {median([r['seconds'][step] for r in runs]):.2f}" for step in steps
                ),
            }
        )
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--noise", type=float, default=4, help="GB of noise for the cold llama")
    parser.add_argument("--layers", type=int, default=32, help="layers of the llamas")
    parser.add_argument("--short", action="store_true", help="only the first table")
    parser.add_argument("--peers", action="store_true", help="also run the naive way")
    parser.add_argument(
        "--ome-zarr", metavar="PYTHON", help="an interpreter that has ome-zarr; implies --peers"
    )
    options = parser.parse_args()
    repeats = options.repeats or 9
    few = max(1, repeats // 3)
    home = data.folder(options.data)
    report = Report("overview.py", options.json)

    small = data.gpt2(home)
    report.table("GPT-2, 0.5 GB, warm", warm(small, repeats))
    if not options.short:
        zeros = data.llama(home, options.layers)
        report.table("Llama 2 7B, zeros, warm", warm(zeros, few))
        report.table("GPT-2: memory above the start", memory(small))
        report.table("Llama 2 7B: memory above the start", memory(zeros))
        report.table("GPT-2: quick look", quick(small, few, from_disk=True))
        report.table("Llama 2 7B, zeros: quick look", quick(zeros, few, from_disk=False))
        report.table("GPT-2, cold", cold(small, few))
        # All of a smaller model is noise: holes of a sparse file would cost no reading.
        layers = max(1, round((options.noise * 1e9 - 0.52e9) / 0.405e9))
        noisy = data.llama(home, layers, 10**12)
        report.table(f"Llama, {layers} layers of noise, cold", cold(noisy, few))
    if options.peers or options.ome_zarr:
        report.table("From a checkpoint to a pyramid", peers(small, options.ome_zarr, few))
    report.finish()


if __name__ == "__main__":
    main()
