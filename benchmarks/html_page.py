"""The HTML scanner: size of a page, and how soon a browser shows it.

    python benchmarks/html_page.py [--json FILE] [--repeats N]

Pages of GPT-2's shapes are written and opened from their file in a headless Chromium that draws
WebGL on the processor (SwiftShader): slower than any machine with a graphics card. Times are
the page's own, from the start of loading; the browser runs already. A step of the window is a
new table of colours, a new texture of the volume, and all four views drawn.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import data
from measure import Report, arguments

import napari_gpt2_tomo as tomo

LIMIT_MB = 3.5
"""Megabytes that the default page of GPT-2 may have."""

LIMIT_S = 2.0
"""Seconds until all four views of it are painted."""

SWITCHES = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]

CASES: Mapping[str, Mapping[str, Any]] = {
    "body, magnitude": {},
    "body, signed": {"signal": "signed"},
    "cube, magnitude": {"layout": "cube"},
    "body of 212 × 192 × 192": {"max_voxels": 8_000_000},
}

LIMITED = ("body, magnitude", "body, signed")
"""Cases that the limits are about."""

STEP = """
async () => {
  const times = [];
  const { low, high } = scanner.store.state;
  for (let i = 1; i <= 12; i++) {
    const began = performance.now();
    scanner.store.set({ high: high * (1 - 0.02 * i) });
    scanner.store.flush();
    const slices = performance.now();
    scanner.volume.draw(1);
    times.push([slices - began, performance.now() - slices]);
  }
  scanner.store.set({ low, high });
  return times;
}
"""


def opened(browser: Any, path: Path) -> dict[str, float]:
    """Milliseconds until slices, names and volume are there, and of a step of the window."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready~=volume]", state="attached", timeout=120_000)
    marks = tab.evaluate(
        "performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime])"
    )
    steps = tab.evaluate(STEP)
    tab.close()
    return dict(marks) | {
        "step": median(a for a, _ in steps),
        "drawing": median(b for _, b in steps),
    }


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = arguments(__doc__)
    options = parser.parse_args()
    repeats = options.repeats or 5
    report = Report("html_page.py", options.json)
    path = data.gpt2(data.folder(options.data))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        os.environ["NAPARI_GPT2_TOMO_CACHE"] = home
        rows = []
        for name, given in CASES.items():
            page = Path(home) / "page.html"
            with tomo.scan(path) as scan:
                tomo.export_html(scan, page, **given)  # The pass over the weights, once.
                began = time.perf_counter()
                tomo.export_html(scan, page, **given)
                seconds = time.perf_counter() - began
            browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
            opened(browser, page)
            times = [opened(browser, page) for _ in range(repeats)]
            browser.close()
            best = {key: min(one[key] for one in times) for key in times[0]}
            middle = {key: median(one[key] for one in times) for key in times[0]}
            megabytes = page.stat().st_size / 1e6
            rows.append(
                {
                    "page": name,
                    "MB": megabytes,
                    "export s": seconds,
                    "slices ms": middle["slices"],
                    "volume ms": middle["volume"],
                    "best ms": best["volume"],
                    "window ms": middle["step"],
                    "drawing ms": middle["drawing"],
                    "within": (
                        megabytes <= LIMIT_MB and best["volume"] <= 1000 * LIMIT_S
                        if name in LIMITED
                        else None
                    ),
                }
            )
        report.table("Pages of GPT-2 in headless Chromium, WebGL on the processor", rows)
    report.finish()


if __name__ == "__main__":
    main()
