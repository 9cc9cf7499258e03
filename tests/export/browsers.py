"""Real browsers without a window: Chromium through playwright, Firefox through Marionette."""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FIREFOX = ("firefox-esr", "firefox")

SOFTWARE = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
"""Chromium's switches for WebGL on machines without a graphics card."""

READY_MS = 60_000
"""A machine that others use too takes its time."""

VOLUME = "html[data-ready~=volume]"
NAMES = "html[data-ready~=names]"


def program(names: tuple[str, ...]) -> str:
    """Path of the first of these programs that is installed, or skip."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of playwright's."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = program(CHROMIUM)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SOFTWARE)
        try:
            yield browser
        finally:
            browser.close()


def pixels(png: bytes) -> np.ndarray:
    """A picture as integers, shape (rows, columns, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def is_painted(picture: np.ndarray) -> bool:
    """Whether a view shows data, not one colour or a few lines."""
    bright = picture.max(axis=2) > 24
    colours = {tuple(colour) for colour in (picture[bright] // 16).tolist()}
    return bool(bright.mean() > 0.05 and len(colours) > 8)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the pixels that differ visibly."""
    return float((np.abs(before - after).max(axis=2) > 12).mean())


PREFERENCES = {
    # Nothing answers there: whatever the page asks the network for would fail.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "",
    "webgl.force-enabled": True,
    "webgl.disable-fail-if-major-performance-caveat": True,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
"""Of the profile that the tests use."""


class Firefox:
    """A client of Marionette, Firefox' own remote protocol: JSON over a local socket.

    https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
    """

    def __init__(self, path: str, profile: Path) -> None:
        port = _free_port()
        values = PREFERENCES | {"marionette.port": port}
        lines = (f'user_pref("{name}", {json.dumps(value)});' for name, value in values.items())
        (profile / "user.js").write_text("\n".join(lines))
        environment = os.environ | {"MOZ_HEADLESS": "1", "LIBGL_ALWAYS_SOFTWARE": "1"}
        command = [path, "--marionette", "--headless", "--no-remote", "--profile", str(profile)]
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._socket = self._connect(port)
            self._number = 0
            self._receive()
            self.call("WebDriver:NewSession", {"capabilities": {}})
        except BaseException:
            self._process.kill()
            raise

    def _connect(self, port: int) -> socket.socket:
        end = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=90)
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.2)

    def _receive(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._socket.recv(1) or _closed()
        wanted, text = int(length[:-1]), b""
        while len(text) < wanted:
            text += self._socket.recv(wanted - len(text)) or _closed()
        return json.loads(text)

    def call(self, name: str, parameters: dict[str, Any]) -> Any:
        """Send a command and return its value."""
        self._number += 1
        message = json.dumps([0, self._number, name, parameters])
        self._socket.sendall(f"{len(message.encode())}:{message}".encode())
        _, _, error, result = self._receive()
        assert error is None, error
        return result.get("value") if isinstance(result, dict) else result

    def run(self, script: str) -> Any:
        """The value of a function body in the page."""
        return self.call(
            "WebDriver:ExecuteScript", {"script": script, "args": [], "sandbox": "default"}
        )

    def open(self, path: Path, size: tuple[int, int]) -> None:
        """Load a file and wait until the page says that it is complete."""
        self.call("WebDriver:SetWindowRect", {"width": size[0], "height": size[1]})
        self.call("WebDriver:Navigate", {"url": path.as_uri()})
        end = time.monotonic() + READY_MS / 1000
        words: list[str] = []
        while "volume" not in words:
            if "no-volume" in words:
                pytest.skip("Firefox has no WebGL2 here: it needs a display, which may be virtual")
            assert time.monotonic() < end, "the page did not become ready"
            time.sleep(0.2)
            words = (self.run("return document.documentElement.dataset.ready") or "").split()

    def view(self, selector: str) -> np.ndarray:
        """Pixels of an element of the page."""
        found = self.call("WebDriver:FindElement", {"using": "css selector", "value": selector})
        (element,) = found.values()
        shot = self.call("WebDriver:TakeScreenshot", {"id": element, "full": False, "hash": False})
        return pixels(base64.b64decode(shot))

    def drag(self, start: tuple[int, int], by: tuple[int, int], button: int) -> None:
        """Press, move and release a button of the mouse."""
        x, y = start
        steps: list[dict[str, Any]] = [{"type": "pointerMove", "duration": 0, "x": x, "y": y}]
        steps.append({"type": "pointerDown", "button": button})
        for i in range(1, 5):
            place = {"x": x + by[0] * i // 4, "y": y + by[1] * i // 4}
            steps.append({"type": "pointerMove", "duration": 30, **place})
        steps.append({"type": "pointerUp", "button": button})
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self.call("WebDriver:PerformActions", {"actions": [{**mouse, "actions": steps}]})

    def close(self) -> None:
        """End the browser."""
        try:
            self.call("Marionette:Quit", {"flags": ["eForceQuit"]})
        except (OSError, AssertionError, ValueError):
            pass
        finally:
            self._socket.close()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()


def _closed() -> bytes:
    raise OSError("Firefox closed the connection")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
