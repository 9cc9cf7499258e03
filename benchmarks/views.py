"""Four linked views: a step of the cursor, a move of the window, opening and closing.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/views.py [--json FILE]

Of GPT-2's size, in a window of 1600 × 1000. What counts is the processor time of the main
thread: until it is over nobody else gets a turn; the drawing comes after it and is the GPU's. The
limit is reading the planes that a step needs, at the levels that are drawn, and doing nothing
with them.
"""

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import data
import numpy as np
from measure import Report, arguments

SIZE = (1600, 1000)
"""Pixels of the window."""

STEP_MS = 25
"""Milliseconds that a step of all three planes may take."""

OPEN_MS = 1000
"""Milliseconds that opening may take."""

CENTRE = (100, 300, 300)
"""Where the steps begin: attention in the middle of the network."""

PAUSE = 0.02
"""Seconds in which a window draws and its throttled parts catch up."""

ROUNDS = 40


def seconds(action: Callable[[], object]) -> float:
    """Processor time of this thread."""
    start = time.thread_time()
    action()
    return time.thread_time() - start


def settle() -> None:
    """Let the window draw."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + PAUSE
    while time.perf_counter() < end:
        QApplication.processEvents()


def row(what: str, times: list[float], target: float | None = None) -> dict[str, Any]:
    """A row of a table, in milliseconds."""
    middle = 1e3 * statistics.median(times)
    found: dict[str, Any] = {"what": what, "ms": middle, "slowest tenth": 1e3 * tenth(times)}
    return found if target is None else found | {"target ms": target, "met": middle < target}


def tenth(times: list[float]) -> float:
    """The time that nine of ten stay below."""
    return float(np.quantile(times, 0.9))


def steps(viewer: Any, views: Any, rounds: int) -> tuple[list[dict[str, Any]], int]:
    """Steps along each axis and all, reading alone, and how often the volume was drawn anew."""
    cursor, link = views.cursor, views.link
    uploads = 0

    def uploaded(event: Any) -> None:
        nonlocal uploads
        uploads += 1

    moves: Mapping[str, tuple[int, ...]] = {
        "a section on: one plane": (0,),
        "a channel on: one plane": (1,),
        "a unit on: one plane": (2,),
        "a click: two planes": (1, 2),
        "a jump: three planes": (0, 1, 2),
    }
    times: dict[str, list[float]] = {name: [] for name in moves}
    reading: list[float] = []
    levels = [pane.layers[0].data_level for pane in views.panes]

    def read() -> None:
        for axis, level in enumerate(levels):
            factors = link.volume.factors[level]
            index: list[Any] = [slice(None)] * 3
            index[axis] = cursor.position[axis] // factors[axis]
            np.asarray(link.levels[level][tuple(index)])

    cursor.move(CENTRE)
    settle()
    viewer.layers[0].events.set_data.connect(uploaded)
    for _ in range(rounds):
        for name, axes in moves.items():
            goal = {axis: cursor.position[axis] + 1 for axis in axes}
            times[name].append(seconds(lambda goal=goal: cursor.place(goal)))
            settle()
        reading.append(seconds(read))
    viewer.layers[0].events.set_data.disconnect(uploaded)
    rows = [row("reading three planes and nothing else", reading)]
    for name, found in times.items():
        rows.append(row(name, found, STEP_MS))
    return rows, uploads


def windows(views: Any, rounds: int) -> list[float]:
    """Moves of the window."""
    console, found = views.link.console, []
    low, high = console.window.limits
    for i in range(rounds):
        found.append(seconds(lambda i=i: console.set_limits(low, high * (1 + 0.01 * i))))
        settle()
    return found


def main() -> None:
    options = arguments(__doc__).parse_args()
    rounds = options.repeats or ROUNDS
    report = Report("views.py", options.json)
    path = data.gpt2(data.folder(options.data))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NAPARI_GPT2_TOMO_CACHE"] = cache
        import napari

        from napari_gpt2_tomo.facade import Scan
        from napari_gpt2_tomo.viewer.panes import open_views
        from napari_gpt2_tomo.viewer.view import view
        from napari_gpt2_tomo.viewer.work import finish_all

        with Scan(path) as scan:
            scan.volume().refine()
            viewer = napari.Viewer()
            viewer.window.resize(*SIZE)
            view(scan, viewer)
            finish_all()
            opening, closing = [], []
            for _ in range(5):
                gc.collect()
                opening.append(seconds(lambda: open_views(viewer)))
                finish_all()
                settle()
                closing.append(seconds(lambda: open_views(viewer).close()))
                finish_all()
                settle()
            # The first time imports and compiles.
            first = {"what": "the first time", "ms": 1e3 * opening.pop(0)}
            rows = [first, row("opening", opening, OPEN_MS), row("closing", closing)]
            report.table("Opening and closing", rows)
            views = open_views(viewer)
            finish_all()
            settle()
            moved, uploads = steps(viewer, views, rounds)
            report.table("A step of the cursor", moved)
            print(f"  volumes uploaded meanwhile: {uploads}")
            assert not uploads, "a step of the cursor must not read the volume"
            report.table("Window", [row("a move, in all views", windows(views, rounds))])
            viewer.close()
    report.finish()


if __name__ == "__main__":
    main()
