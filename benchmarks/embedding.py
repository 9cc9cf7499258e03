"""The embedding space of GPT-2's size: reading, components, neighbours, and a cloud that turns.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/embedding.py [--json FILE]

50,257 tokens of 768 channels. Components are compared with numpy's and scikit-learn's (where it
is installed), neighbours with plain numpy. Pictures are drawn in a window of 1600 × 1000; without
a graphics card they are drawn by the processor, which the number of its cores decides.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data
import numpy as np
from measure import Report, arguments, interleaved, median, ratio

SIZE = (1600, 1000)
"""Pixels of the window."""

POINTS = (None, 20000, 5000)
"""Tokens that are drawn; None is all."""

FRAMES = 12
"""Pictures of a turn."""

K = 15

REPEATS = 7

NEIGHBOURS_MS = 100
"""Milliseconds that a search for neighbours may take."""


def fits(rows: np.ndarray[Any, Any], repeats: int) -> list[dict[str, Any]]:
    """Principal components, ours and others'."""
    from napari_gpt2_tomo.activity.projection import fit_pca

    cases: dict[str, Callable[[], object]] = {
        "fit_pca, all 768 axes": lambda: fit_pca(rows, rows.shape[1]),
        "numpy, eigh of cov": lambda: np.linalg.eigh(np.cov(rows, rowvar=False)),
    }
    if importlib.util.find_spec("sklearn"):
        from sklearn.decomposition import PCA

        cases["scikit-learn, full"] = lambda: PCA(svd_solver="covariance_eigh").fit(rows)
    times = interleaved(cases, repeats)
    first = next(iter(cases))
    return [
        {"what": name, "ms": 1e3 * median(found), "times ours": ratio(times, name, first)}
        for name, found in times.items()
    ]


def searches(rows: np.ndarray[Any, Any], repeats: int) -> list[dict[str, Any]]:
    """The nearest tokens of a token, ours and plain numpy's."""
    from napari_gpt2_tomo.activity.embedding.neighbours import MEASURES, nearest

    norms = np.linalg.norm(rows, axis=1)
    query = rows[4242]
    cases: dict[str, Callable[[], object]] = {
        f"nearest, {measure}": lambda measure=measure: nearest(  # type: ignore[misc]
            rows, query, K, measure, [4242], norms
        )
        for measure in MEASURES
    }
    cases["numpy, cosine: one product and argsort"] = lambda: np.argsort(
        -(rows @ query) / norms / norms[4242]
    )[1 : K + 1]
    times = interleaved(cases, repeats * 3)
    return [
        {
            "what": name,
            "ms": 1e3 * median(found),
            "times numpy": ratio(times, name, next(reversed(cases))),
            "target": NEIGHBOURS_MS,
        }
        for name, found in times.items()
    ]


def timed(action: Callable[[], object]) -> float:
    """Milliseconds until an action and the drawing after it are over."""
    from qtpy.QtWidgets import QApplication

    start = time.perf_counter()
    action()
    QApplication.processEvents()
    QApplication.processEvents()
    return 1e3 * (time.perf_counter() - start)


def cloud(space: Any, repeats: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the explorer costs: opening, colours, a search, pictures of a turn."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_gpt2_tomo.viewer.activity.embedding.explorer import explore
    from napari_gpt2_tomo.viewer.activity.embedding.placing import nearest_to_ray, place_rows

    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    QApplication.processEvents()
    place_rows(space, "tokens", "tokens")
    explore(viewer, space).close()
    opening = []
    for _ in range(repeats):
        opening.append(timed(lambda: explore(viewer, space)))
        explore(viewer, space).close()
    explorer = explore(viewer, space)
    points = place_rows(space, "tokens", "tokens")
    colour = ["norm", "id"]
    acts: dict[str, Callable[[int], object]] = {
        "another colour": lambda turn: setattr(explorer, "colour", colour[turn % 2]),
        "a token selected, its neighbours marked": lambda turn: explorer.select(1000 + turn),
        "the point under the cursor": lambda turn: nearest_to_ray(
            points, (0, 10.0 * turn, 0), (0.6, 0.0, 0.8), 5.0
        ),
    }
    rows = [{"what": "opening, once the axes are fitted", "ms": statistics.median(opening)}]
    for name, act in acts.items():
        found = [timed(lambda turn=turn, act=act: act(turn)) for turn in range(repeats)]
        rows.append({"what": name, "ms": statistics.median(found)})
    explorer.select(None)
    frames = []
    for most in POINTS:
        explorer.most = most
        times = []
        for turn in range(FRAMES):

            def draw(turn: int = turn) -> None:
                viewer.scene.camera.angles = (0, 3.0 * turn, 40)
                # What is drawn is read back, so that nothing is left to do.
                viewer.window._qt_viewer.canvas.native.repaint()

            times.append(timed(draw))
        frames.append({"points": len(explorer.drawn), "ms a picture": statistics.median(times)})
    explorer.close()
    viewer.close()
    return rows, frames


def main() -> None:
    options = arguments(__doc__).parse_args()
    repeats = options.repeats or REPEATS
    report = Report("embedding.py", options.json)
    path: Path = data.gpt2(data.folder(options.data))
    from napari_gpt2_tomo.activity.embedding.space import EmbeddingSpace
    from napari_gpt2_tomo.facade import Scan

    with Scan(path) as scan:
        times = interleaved({"reading both tables": lambda: EmbeddingSpace.of(scan)}, repeats)
        space = EmbeddingSpace.of(scan)
    report.table(
        "Reading", [{"what": name, "ms": 1e3 * median(found)} for name, found in times.items()]
    )
    report.table("Principal components", fits(space.rows("tokens"), repeats))
    report.table("Neighbours", searches(space.rows("tokens"), repeats))
    rows, frames = cloud(space, repeats)
    report.table("The explorer", rows)
    report.table("Turning the cloud", frames)
    report.finish()


if __name__ == "__main__":
    main()
