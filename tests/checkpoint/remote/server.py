"""A local server that behaves as servers do, and badly on request; it counts what it sends."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import unquote, urlsplit

PIECE = 1 << 16
"""Bytes that are written to a connection at once."""


@dataclass
class Served:
    """A file of the server.

    Attributes
    ----------
    size, read
        Its bytes: `read` gives those of a range. They need not exist anywhere.
    etag, modified
        What tells its versions apart; either may be None.
    """

    size: int
    read: Callable[[int, int], bytes]
    etag: str | None = '"first"'
    modified: str | None = None

    @classmethod
    def of(cls, data: bytes, **options: Any) -> "Served":
        return cls(len(data), lambda start, stop: data[start:stop], **options)

    @classmethod
    def file(cls, path: Path, **options: Any) -> "Served":
        def read(start: int, stop: int) -> bytes:
            with open(path, "rb") as opened:
                opened.seek(start)
                return opened.read(stop - start)

        return cls(path.stat().st_size, read, **options)


@dataclass(frozen=True)
class Asked:
    """A request as it was answered."""

    method: str
    path: str
    bounds: tuple[int, int] | None
    status: int
    sent: int
    headers: Mapping[str, str]


@dataclass
class Fault:
    """What goes wrong with the next `times` requests for paths that contain `path`."""

    path: str
    times: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    whole: bool = False
    shifted: int = 0
    cut: int = 0
    stall: float = 0.0


class RangeServer:
    """Serves `files` by path until the context ends.

    Attributes
    ----------
    asked
        Every request so far.
    delay
        Seconds before each answer.
    rate
        Bytes per second and connection, None for no limit.
    routes
        Answers of other kinds by path: gives status, headers and body.
    token
        Bearer token that is demanded, if any.
    """

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.routes: dict[str, Callable[[Any], tuple[int, Mapping[str, str], bytes]]] = {}
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.delay = 0.0
        self.rate: float | None = None
        self.token: str | None = None
        self.most_at_once = 0
        self.connections = 0
        self.open_sockets: set[Any] = set()
        self._at_once = 0
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            remote = server

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, address: Any) -> None:
                """A client that went away is no error of a test."""

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def sent(self) -> int:
        """Bytes of all bodies."""
        return sum(asked.sent for asked in self.asked)

    def add(self, path: str, data: bytes | Path, **options: Any) -> str:
        """Serve a file; returns its URL."""
        made = (
            Served.file(data, **options) if isinstance(data, Path) else Served.of(data, **options)
        )
        self.files[path] = made
        return self.url + path

    def add_folder(self, path: str, folder: Path) -> str:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                self.add(f"{path}/{file.name}", file, etag=f'"{file.stat().st_mtime_ns:x}"')
        return self.url + path

    def fail(self, path: str = "", times: int = 1, **how: Any) -> None:
        self.faults.append(Fault(path, times, **how))

    def forget(self) -> None:
        """Count from here on."""
        self.asked.clear()

    def close(self) -> None:
        self._http.shutdown()
        # Clients keep connections open, and their threads would go on answering.
        for open_socket in list(self.open_sockets):
            with suppress(OSError):
                open_socket.shutdown(SHUT_RDWR)
        self._http.server_close()
        self._thread.join()

    def fault_of(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.path in path and fault.times:
                    fault.times -= 1
                    return fault
        return None

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    remote: RangeServer
    protocol_version = "HTTP/1.1"
    # Small headers and bodies leave in one packet; no waiting for acknowledgements.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def setup(self) -> None:
        super().setup()
        self.remote.connections += 1
        self.remote.open_sockets.add(self.connection)

    def finish(self) -> None:
        self.remote.open_sockets.discard(self.connection)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        with self.remote.busy():
            self._answer(True)

    def do_HEAD(self) -> None:
        with self.remote.busy():
            self._answer(False)

    def _answer(self, body: bool) -> None:
        remote, split = self.remote, urlsplit(self.path)
        path = unquote(split.path)
        if remote.delay:
            time.sleep(remote.delay)
        fault = remote.fault_of(path)
        if fault is not None and fault.stall:
            time.sleep(fault.stall)
        if fault is not None and fault.status is not None:
            self._plain(fault.status, fault.headers, b"something is wrong", body)
            return
        route = remote.routes.get(path) or remote.routes.get(path + "?" + split.query)
        if route is not None:
            self._plain(*route(self), body)
            return
        # What a hub redirects to is permitted by its address.
        private = remote.token and not path.startswith("/cdn/")
        if private and self.headers.get("Authorization") != f"Bearer {remote.token}":
            self._plain(401, {}, b"who are you?", body)
            return
        served = remote.files.get(path)
        if served is None:
            self._plain(404, {}, b"no such file", body)
            return
        self._file(path, served, fault or Fault("", 0), body)

    def _file(self, path: str, served: Served, fault: Fault, body: bool) -> None:
        bounds = _bounds(self.headers.get("Range"), served.size)
        condition = self.headers.get("If-Range")
        if condition is not None and condition not in (served.etag, served.modified):
            bounds = None
        if fault.whole:
            bounds = None
        if bounds == "unsatisfiable":
            self._plain(416, {"Content-Range": f"bytes */{served.size}"}, b"", body)
            return
        start, stop = bounds or (0, served.size)
        self.send_response(206 if bounds else 200)
        if bounds:
            said = start + fault.shifted
            self.send_header(
                "Content-Range", f"bytes {said}-{stop - 1 + fault.shifted}/{served.size}"
            )
        stop -= fault.cut
        self.send_header("Content-Length", str(stop - start))
        if served.etag:
            self.send_header("ETag", served.etag)
        if served.modified:
            self.send_header("Last-Modified", served.modified)
        self.end_headers()
        sent = 0
        try:
            if body:
                sent = self._send(served, start, stop, fault.drop_after)
        finally:
            self._note(path, bounds or None, 206 if bounds else 200, sent)

    def _send(self, served: Served, start: int, stop: int, drop_after: int | None) -> int:
        sent, began = 0, time.monotonic()
        for first in range(start, stop, PIECE):
            piece = served.read(first, min(first + PIECE, stop))
            if drop_after is not None and sent + len(piece) > drop_after:
                self.wfile.write(piece[: drop_after - sent])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)
                return drop_after
            self.wfile.write(piece)
            sent += len(piece)
            if self.remote.rate:
                self.wfile.flush()
                time.sleep(max(0.0, sent / self.remote.rate - (time.monotonic() - began)))
        return sent

    def _plain(self, status: int, headers: Mapping[str, str], text: bytes, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if body:
            self.wfile.write(text)
        self._note(unquote(urlsplit(self.path).path), None, status, len(text) if body else 0)

    def _note(self, path: str, bounds: Any, status: int, sent: int) -> None:
        asked = Asked(self.command, path, bounds, status, sent, dict(self.headers))
        self.remote.asked.append(asked)


def _bounds(text: str | None, size: int) -> Any:
    """The half-open range of a Range header; None without one, "unsatisfiable" beyond the end."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", text or "")
    if match is None:
        return None
    start = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    return (start, stop) if start < min(stop, size) else "unsatisfiable"


def serve_json(tree: Any, **headers: str) -> Callable[[Any], tuple[int, Mapping[str, str], bytes]]:
    """A route that answers with JSON."""
    text = json.dumps(tree).encode()
    return lambda request: (200, {"Content-Type": "application/json", **headers}, text)
