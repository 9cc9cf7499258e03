"""Where requests for a file go, and what allows them."""

from abc import ABC, abstractmethod
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

__all__ = ["Link", "Version", "WebLink", "public"]


class Version(NamedTuple):
    """What tells one version of a remote file from another.

    Attributes
    ----------
    size
        Bytes of the file.
    etag, modified
        As the server says them, None where it does not.
    """

    size: int
    etag: str | None = None
    modified: str | None = None

    @property
    def stamp(self) -> str:
        """All of it as text."""
        return f"{self.size}:{self.etag or self.modified or ''}"

    @property
    def is_certain(self) -> bool:
        """Whether a changed file of the same size would be noticed."""
        return bool(self.etag or self.modified)

    @property
    def condition(self) -> str | None:
        """What ``If-Range`` may be told; weak tags promise no equal bytes (RFC 9110, 13.1.5)."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified if not self.etag else None


class Link(ABC):
    """How to ask for one file. Picklable; holds no token, which each process finds itself.

    Attributes
    ----------
    name
        The file's address for messages and for the cache, without secrets.
    is_hub
        Whether the hub's variables for work without a connection hold.
    is_fixed
        Whether the bytes at this address never change.
    """

    name: str
    is_hub = False
    is_fixed = False

    @abstractmethod
    def target(self, method: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """URL and headers of a request, from the headers that it has anyway."""

    def advice(self, status: int) -> str:
        """What to do about a refusal with this HTTP status."""
        if status in (401, 403):
            return (
                "Open it with an address that carries its permission (a signed URL), or put name "
                "and password of the server into ~/.netrc."
            )
        return "Check the address."


_SECRET = ("x-amz-", "x-goog-", "x-ms-")
_SECRETS = {
    "access_token", "apikey", "api_key", "awsaccesskeyid", "expires", "googleaccessid",
    "hdnts", "key", "key-pair-id", "policy", "se", "sig", "signature", "sp", "spr", "sr", "st",
    "sv", "token",
}  # fmt: skip
"""Parameters of signed URLs of Amazon, Google, Azure, CloudFront, and usual names of tokens."""


def _is_secret(name: str) -> bool:
    return name.lower() in _SECRETS or name.lower().startswith(_SECRET)


def public(url: str) -> str:
    """A URL without name, password, signature and token: what may be shown and stored."""
    if not url.lower().startswith(("http://", "https://")):
        return url
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    kept = [(k, v) for k, v in parse_qsl(split.query, keep_blank_values=True) if not _is_secret(k)]
    return urlunsplit(SplitResult(split.scheme, host, split.path, urlencode(kept), ""))


class WebLink(Link):
    """A URL as it is.

    Parameters
    ----------
    url
        ``http://`` or ``https://``, with its signature, name and password if it has them.
    """

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        # A blank or an umlaut that somebody typed; what is quoted already stays.
        self.url = urlunsplit(
            split._replace(path=quote(split.path, safe="/%:@!$&'()*+,;=~"), fragment="")
        )
        self.name = public(url)

    def target(self, method: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The URL, and nothing added."""
        return self.url, headers
