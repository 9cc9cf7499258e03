"""Bytes of remote files by HTTP: ranges, retries, and the certainty that they belong together."""

import os
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from .link import Link, Version
from .settings import (
    CONNECTIONS,
    FIRST_TRIES,
    OFFLINE_VARIABLE,
    TIMEOUTS,
    TRIES,
    is_offline,
)
from .traffic import Traffic
from .waiting import backoff, retry_after, sleep

if TYPE_CHECKING:
    import requests

__all__ = ["Answer", "Missing", "Offline", "fetch", "small"]

CHUNK = 1 << 18
"""Bytes taken from a connection at once, at most (256 KB)."""

WHOLE = 1 << 22
"""Bytes (4 MB): so large a file is taken whole from a server that knows no ranges."""

TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses that may be different a moment later."""

Stopped = Callable[[], bool]
"""Whether nobody wants the bytes any more."""


class Missing(CheckpointError):
    """The server has no such file."""


class Offline(CheckpointError):
    """Bytes that are not in the cache, while no connection may be made."""


class Answer(NamedTuple):
    """Bytes from the asked place on, and the version of the file that they belong to."""

    data: NDArray[np.uint8]
    version: Version


class _Again(Exception):
    """A failure that may be gone at the next attempt, and the seconds to wait at least."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def fetch(
    link: Link,
    start: int,
    stop: int,
    *,
    version: Version | None = None,
    traffic: Traffic,
    stopped: Stopped = lambda: False,
) -> Answer:
    """Bytes ``start ≤ i < stop`` of a file, fewer where it ends earlier and `version` is None.

    A connection that breaks is continued where it broke, with waits in between.

    Parameters
    ----------
    version
        What the file was when it was opened; None if that is what is to be found out.

    Raises
    ------
    Missing, Offline
        There is no such file; no connection may be made.
    CheckpointError
        The server refuses, fails again and again, knows no ranges, answers what was not asked,
        or the file is another by now.
    """
    if is_offline(hub=link.is_hub):
        raise Offline(
            f"{link.name} is not in the cache from byte {start} to {stop}, and no connection may "
            f"be made. Unset {OFFLINE_VARIABLE}{' and HF_HUB_OFFLINE' * link.is_hub} to read it."
        )
    found, filled, failures = _Found(start, stop, version), 0, 0
    while not found.complete:
        if stopped():
            raise CheckpointError(f"{link.name} was closed while it was being read.")
        try:
            _ask(link, found, traffic, stopped)
        except _Again as again:
            failures = failures + 1 if found.filled == filled else 1
            filled = found.filled
            if failures >= (TRIES if found.version else FIRST_TRIES):
                raise CheckpointError(
                    f"{link.name} cannot be read: {again}, {failures} times in a row. "
                    "Check the connection, or try again later; what was read is kept."
                ) from again.__cause__
            sleep(again.wait or backoff(failures), stopped)
    assert found.version is not None
    return Answer(found.data[: found.filled], found.version)


def small(link: Link, limit: int, traffic: Traffic) -> bytes | None:
    """The first `limit` bytes of a file, None if there is no such file."""
    try:
        return fetch(link, 0, limit, traffic=traffic).data.tobytes()
    except Missing:
        return None


class _Found:
    """What has arrived of a range."""

    def __init__(self, start: int, stop: int, version: Version | None) -> None:
        self.start, self.stop = start, stop
        self.version = version
        self.filled = 0
        self.data = np.empty(stop - start if version else 0, np.uint8)
        self.complete = start == stop

    @property
    def at(self) -> int:
        """The byte that is wanted next."""
        return self.start + self.filled

    def expect(self, size: int) -> None:
        """Make room, now that the size of the file is known."""
        self.stop = min(self.stop, size)
        if self.data.size != self.stop - self.start:
            self.data = np.empty(max(0, self.stop - self.start), np.uint8)
        self.complete = self.at >= self.stop

    def add(self, chunk: bytes) -> None:
        """Keep what came; more than was asked is left out."""
        taken = min(len(chunk), self.stop - self.at)
        self.data[self.filled : self.filled + taken] = np.frombuffer(chunk, np.uint8, taken)
        self.filled += taken
        self.complete = self.at >= self.stop


def _ask(link: Link, found: _Found, traffic: Traffic, stopped: Stopped) -> None:
    """Make one request for what is still wanted, and keep what it brings."""
    headers = {"Range": f"bytes={found.at}-{found.stop - 1}"}
    if found.version is not None and not link.is_fixed and found.version.condition:
        headers["If-Range"] = found.version.condition
    response = _send(link, headers, traffic)
    try:
        begins = _accept(link, found, response, "If-Range" in headers)
        if begins is not None:
            _take(link, found, response, begins, traffic, stopped)
    finally:
        response.close()


def _send(link: Link, headers: dict[str, str], traffic: Traffic) -> "requests.Response":
    import requests

    known = _connections()
    # Compressed bytes have other places than those that are asked for.
    headers = {"Accept-Encoding": "identity", "User-Agent": "napari-gpt2-tomo", **headers}
    direct = known.redirects.get(link.name)
    url, headers = (direct, headers) if direct else link.target("GET", headers)
    try:
        traffic.add(requests=1)
        response = known.session.get(url, headers=headers, stream=True, timeout=TIMEOUTS)
    except requests.exceptions.SSLError as error:
        raise CheckpointError(
            f"The certificate of {link.name} is not trusted ({_reason(error)}). If it is your own, "
            "give its authority as REQUESTS_CA_BUNDLE."
        ) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        known.redirects.pop(link.name, None)
        raise _Again(_reason(error)) from error
    except (requests.RequestException, ValueError) as error:
        raise CheckpointError(f"{link.name} cannot be asked for: {_reason(error)}.") from error
    if direct and response.status_code not in {200, 206, 416, *TRANSIENT}:
        # The permission of a redirection ends after a while; the address itself gives another.
        known.redirects.pop(link.name, None)
        response.close()
        return _send(link, {k: headers[k] for k in ("Range", "If-Range") if k in headers}, traffic)
    if response.history and response.status_code in (200, 206):
        known.redirects[link.name] = str(response.url)
    return response


def _accept(link: Link, found: _Found, response: "requests.Response", asked: bool) -> int | None:
    """The byte at which a body begins, if it is what was asked for; None if there is none."""
    status = response.status_code
    if status in TRANSIENT:
        raise _Again(f"the server answers {status} {response.reason}", retry_after(link, response))
    if status == 416:
        _beyond(link, found, response)
        return None
    if status not in (200, 206):
        _refused(link, status, response.reason)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise CheckpointError(
            f"The server of {link.name} compresses what it sends, so parts cannot be asked for. "
            "Download the file."
        )
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    if status == 200:
        return _whole(link, found, response, etag, modified)
    begins, size = _content_range(link, found, response)
    _compare(link, found, Version(size, etag, modified), asked)
    return begins


def _content_range(link: Link, found: _Found, response: "requests.Response") -> tuple[int, int]:
    """First byte of a part and size of the file, as an answer says them."""
    text = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", text.strip())
    if match is None:
        raise CheckpointError(
            f"{link.name} cannot be read by parts: the server sends a part and says of it "
            f"{text!r}. Download the file."
        )
    begins, last, size = (int(number) for number in match.groups())
    if begins != found.at or not begins <= last < min(found.stop, size):
        raise _Again(f"the server answers with {text!r} instead of bytes {found.at}-{found.stop}")
    if response.headers.get("Content-Length", str(last + 1 - begins)) != str(last + 1 - begins):
        raise _Again(f"the server says two lengths of one part ({text!r})")
    return begins, size


def _whole(
    link: Link, found: _Found, response: "requests.Response", etag: str | None, modified: str | None
) -> int:
    """Take a whole file from a server that was asked for a part, if it is a small one."""
    try:
        size = int(response.headers["Content-Length"])
    except (KeyError, ValueError):
        size = WHOLE + 1
    if found.version is not None:
        now = Version(size, etag, modified)
        if not link.is_fixed and now.is_certain and now != found.version:
            _changed(link)
    if size > WHOLE:
        raise CheckpointError(
            f"The server of {link.name} sends whole files only, no byte ranges, so it cannot be "
            "browsed. Download the file and open it from disk."
        )
    _compare(link, found, Version(size, etag, modified), asked=False)
    return 0


def _beyond(link: Link, found: _Found, response: "requests.Response") -> None:
    match = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", "").strip())
    size = int(match[1]) if match else None
    if found.version is not None or size is None or size > found.at:
        if found.version is not None:
            _changed(link)
        raise CheckpointError(
            f"The server of {link.name} cannot send the range of bytes that it was asked for "
            "(416). Download the file and open it from disk."
        )
    found.version = Version(
        size, response.headers.get("ETag"), response.headers.get("Last-Modified")
    )
    found.expect(size)


def _compare(link: Link, found: _Found, now: Version, asked: bool) -> None:
    """Refuse bytes of another version than those before; `asked` with ``If-Range``."""
    known = found.version
    if known is None:
        found.version = now
        found.expect(now.size)
        return
    same = now.size == known.size
    if not link.is_fixed:
        # What was asked with If-Range comes in parts only if it is the same.
        for new, old in ((now.etag, known.etag), (now.modified, known.modified)):
            same &= new == old or (new is None and asked)
    if not same:
        _changed(link)


def _changed(link: Link) -> NoReturn:
    raise CheckpointError(
        f"{link.name} was changed on the server after it had been opened; open it again."
    )


def _refused(link: Link, status: int, reason: str) -> NoReturn:
    if status in (404, 410):
        raise Missing(f"{link.name} is not there (the server answers {status}). {link.advice(404)}")
    if status in (401, 403):
        raise CheckpointError(
            f"{link.name} may not be read (the server answers {status}). {link.advice(status)}"
        )
    raise CheckpointError(
        f"{link.name} cannot be read: the server answers {status} {reason}. {link.advice(status)}"
    )


def _take(
    link: Link,
    found: _Found,
    response: "requests.Response",
    begins: int,
    traffic: Traffic,
    stopped: Stopped,
) -> None:
    """Keep the body of an answer that begins at byte `begins`."""
    import urllib3

    try:
        while not found.complete:
            if stopped():
                raise CheckpointError(f"{link.name} was closed while it was being read.")
            # What has arrived by now: a slow server must not keep anybody from closing.
            chunk: bytes = response.raw.read1(CHUNK, decode_content=False)
            if not chunk:
                raise _Again("the server sent less than it had announced")
            traffic.add(received=len(chunk))
            skipped = min(len(chunk), max(0, found.at - begins))
            begins += len(chunk)
            if len(chunk) > skipped:
                found.add(chunk[skipped:])
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Again(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """What went wrong, in a few words, without the nesting of the libraries."""
    cause: Any = error
    for _ in range(6):
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    text = str(cause).partition(": ")[2] or str(cause) or type(cause).__name__
    if "timed out" in text.lower():
        return "the server does not answer"
    return text.strip(" .()'\"") or type(cause).__name__


class _Connections:
    """What one process keeps open."""

    def __init__(self) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self.session = requests.Session()
        # One more than fetch at once: opening another file need not wait for them.
        adapter = HTTPAdapter(pool_connections=16, pool_maxsize=CONNECTIONS + 1, max_retries=0)
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, adapter)
        self.redirects: dict[str, str] = {}


_held: tuple[int, _Connections] | None = None
_making = threading.Lock()


def _connections() -> _Connections:
    """The connections of this process: a fork must not write into those of its parent."""
    global _held
    with _making:
        if _held is None or _held[0] != os.getpid():
            _held = os.getpid(), _Connections()
        return _held[1]
