"""Pages as a browser shows them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["page_of"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""Chromium's switches for WebGL on machines without a graphics card."""

PATIENCE = 120_000
"""Milliseconds that a page gets to be ready."""


@contextmanager
def page_of(path: Path, size: tuple[int, int], ready: str) -> Iterator["Page"]:
    """An HTML file in Chromium, in a window of `size` pixels, once it matches `ready`."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise SystemExit("No Chromium here: install it, or name the scenes to make.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SOFTWARE)
        try:
            page = browser.new_page(
                viewport={"width": size[0], "height": size[1]}, color_scheme="dark"
            )
            page.goto(path.as_uri())
            page.wait_for_selector(ready, state="attached", timeout=PATIENCE)
            yield page
        finally:
            browser.close()
