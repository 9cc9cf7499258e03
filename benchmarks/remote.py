"""Reading a model from a server: a whole file by ranges, one section, opening.

    python benchmarks/remote.py [--json FILE]

The limit is what the same library, requests, takes for one plain download of the file over one
connection, from the same server on this machine, which runs in a process of its own. Once the
server answers at once, and once as one far away does: 40 ms before each answer, 20 MB/s over each
connection, so that several connections at once pay.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import data
import numpy as np
import requests
from measure import MEGABYTE, Case, Report, arguments, interleaved, median, ratio

from napari_gpt2_tomo.base.cache import CACHE_VARIABLE
from napari_gpt2_tomo.checkpoint.address import Address
from napari_gpt2_tomo.checkpoint.remote.blocks import clear_blocks
from napari_gpt2_tomo.checkpoint.remote.http import HttpSource, probe
from napari_gpt2_tomo.checkpoint.remote.link import WebLink
from napari_gpt2_tomo.checkpoint.remote.settings import GIGABYTES_VARIABLE
from napari_gpt2_tomo.checkpoint.remote.traffic import Traffic
from napari_gpt2_tomo.facade import Scan

BYTES = 256 << 20
"""Of the streamed file."""

LAYERS = 8
"""Of the llama that is browsed: matrices of the full size, 33.6 MB a section."""

BAND = 1 << 24
"""Bytes that are read at once, as the pass over a checkpoint does."""

FAR = ("0.04", "20e6")
"""Seconds before an answer, and bytes per second and connection, of a server far away."""

PIECE = 1 << 18
"""Bytes that the server sends at once."""


class Handler(BaseHTTPRequestHandler):
    """Sends ranges of the files of a folder."""

    protocol_version = "HTTP/1.1"
    # Else a short body waits until the headers before it were acknowledged, 40 ms.
    disable_nagle_algorithm = True
    folder: Path
    delay: float
    rate: float

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        time.sleep(self.delay)
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = path.stat().st_size
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = (int(found[1]), min(int(found[2]) + 1, size)) if found else (0, size)
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        self.end_headers()
        self.wfile.flush()
        began = time.monotonic()
        with open(path, "rb") as file:
            for at in range(start, stop, PIECE):
                self.connection.sendfile(file, at, min(PIECE, stop - at))
                if self.rate:
                    due = (at + PIECE - start) / self.rate
                    time.sleep(max(0.0, due - (time.monotonic() - began)))


def serve(folder: str, delay: str, rate: str) -> None:
    """Serve a folder until the process is ended; prints the port."""
    Handler.folder, Handler.delay, Handler.rate = Path(folder), float(delay), float(rate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


class Served:
    """A server in a process of its own."""

    def __init__(self, folder: Path, delay: str = "0", rate: str = "0") -> None:
        words = [sys.executable, __file__, "--serve", str(folder), delay, rate]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def plain(url: str, target: Path | str) -> int:
    """Download with one request into a file."""
    total = 0
    with requests.get(url, stream=True, timeout=30) as response, open(target, "wb") as file:
        for chunk in response.iter_content(PIECE):
            total += file.write(chunk)
    return total


def stream(url: str, keep: str) -> int:
    """Read a whole file by ranges, in bands."""
    os.environ[GIGABYTES_VARIABLE] = keep
    traffic, link = Traffic(), WebLink(url)
    version, head = probe(link, traffic)
    source = HttpSource(Address(url), link, version, traffic, head)
    return sum(
        source.read(start, min(start + BAND, source.size)).size
        for start in range(0, source.size, BAND)
    )


def streaming(report: Report, url: str, scratch: Path, repeats: int, what: str) -> None:
    cases: dict[str, Case] = {
        "requests, one download, thrown away": lambda: plain(url, os.devnull),
        "requests, one download, to a file": lambda: plain(url, scratch / "copy"),
        "by ranges, nothing kept": lambda: (clear_blocks(), stream(url, "0")),
        "by ranges, blocks kept": lambda: (clear_blocks(), stream(url, "4")),
    }
    times = interleaved(cases, repeats)
    stream(url, "4")
    times["again, from the blocks"] = interleaved({"again": lambda: stream(url, "4")}, repeats)[
        "again"
    ]
    base = "requests, one download, to a file"
    report.table(
        f"Streaming {BYTES >> 20} MiB, {what}",
        [
            {
                "what": name,
                "MB/s": BYTES / MEGABYTE / median(found),
                "× download": ratio(times, name, base) if len(found) == repeats else None,
            }
            for name, found in times.items()
        ],
    )


def _mark(traffic: Traffic) -> tuple[float, int, int]:
    return time.perf_counter(), traffic.received, traffic.requests


def browsing(report: Report, url: str, nbytes: int, what: str, repeats: int) -> None:
    """Opening a model, its first section, and a quick look."""
    rows = []
    for _ in range(repeats):
        clear_blocks()
        traffic = Traffic.of(url)
        marks = [_mark(traffic)]
        with Scan(url) as scan:
            marks.append(_mark(traffic))
            volume = scan.volume()
            marks.append(_mark(traffic))
            volume[len(volume.layout.sections) // 2]
            marks.append(_mark(traffic))
            volume.overview.quick_look()
            marks.append(_mark(traffic))
        rows.append(np.diff(np.array(marks), axis=0).T)
    seconds = np.median([row[0] for row in rows], axis=0)
    names = ("open", "volume", "first section", "quick look")
    report.table(
        f"Browsing {nbytes / MEGABYTE:.0f} MB, {what}",
        [
            {"what": name, "ms": 1e3 * s, "MB": b / MEGABYTE, "requests": int(n)}
            for name, s, b, n in zip(names, seconds, rows[-1][1], rows[-1][2], strict=True)
        ],
    )


def main() -> None:
    options = arguments(__doc__).parse_args()
    repeats = options.repeats or 5
    report = Report(__file__, options.json)
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as made:
        os.environ[CACHE_VARIABLE] = cache
        folder = Path(made)
        rng = np.random.default_rng(0)
        (folder / "noise.bin").write_bytes(rng.bytes(BYTES))
        shapes = data.llama_shapes(LAYERS)
        size = data.write_sparse(folder / "model.safetensors", shapes, "BF16")
        for what, how in (("a server on this machine", ()), ("a server far away", FAR)):
            with Served(folder, *how) as served:
                streaming(report, f"{served.url}/noise.bin", folder, repeats, what)
                browsing(report, f"{served.url}/model.safetensors", size, what, repeats)
    report.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
