"""Addresses of models on servers: what their text means."""

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NoReturn
from urllib.parse import quote, unquote, urlsplit

from ...base import CheckpointError
from ..address import KNOWN

__all__ = ["EXAMPLES", "HubName", "S3Name", "WebName", "hub_text", "is_model", "parse"]

EXAMPLES = (
    "hf://openai-community/gpt2",
    "hf://EleutherAI/pythia-70m@step1000",
    "https://example.org/models/model.safetensors",
    "s3://bucket/models/model.safetensors",
)
"""What addresses look like."""

HUB_HOSTS = ("huggingface.co", "hf.co")
"""Hosts of the hub: links copied from their pages are addresses of the hub."""

_REPOSITORY = r"[A-Za-z0-9][\w.-]*"
_REFERENCE = r"@(?P<revision>refs/(?:pr|convert)/[^/]+|[^/@]+)"
_HUB = re.compile(
    rf"(?P<repository>{_REPOSITORY}(?:/{_REPOSITORY})?)(?:{_REFERENCE})?(?:/(?P<path>.*))?"
)
_PAGE = re.compile(
    r"/(?P<repository>[^/]+/[^/]+)(?:/(?:resolve|blob|tree)/(?P<revision>[^/]+)(?:/(?P<path>.*))?)?"
)


@dataclass(frozen=True, slots=True)
class HubName:
    """A place of the Hugging Face hub.

    Attributes
    ----------
    repository
        ``"org/name"``, or the bare name of an old model.
    revision
        A branch, tag, pull request (``refs/pr/1``) or commit.
    path
        A file or folder in it, empty for all of it.
    """

    repository: str
    revision: str = "main"
    path: str = ""


@dataclass(frozen=True, slots=True)
class WebName:
    """A URL, of a file or of a folder."""

    url: str

    @property
    def path(self) -> str:
        """Its path, unquoted."""
        return unquote(urlsplit(self.url).path)


@dataclass(frozen=True, slots=True)
class S3Name:
    """An object of a bucket, or a folder of some."""

    bucket: str
    path: str


def parse(address: str) -> HubName | WebName | S3Name:
    """What an address names.

    Raises
    ------
    CheckpointError
        It is no address of a kind that can be read.
    """
    scheme, slashes, rest = address.strip().partition("://")
    scheme = scheme.lower()
    if not slashes or scheme not in KNOWN or not rest.strip("/"):
        _unknown(address)
    if not rest.isprintable():
        raise CheckpointError(f"{address!r} holds characters that no address has.")
    if scheme == "hf":
        return _hub(address, rest)
    if scheme == "s3":
        bucket, _, key = rest.partition("/")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]+", bucket):
            raise CheckpointError(f"{address} names no bucket; write s3://bucket/folder/file.")
        return S3Name(bucket, key)
    try:
        split = urlsplit(address.strip())
        host, _ = split.hostname, split.port
    except ValueError as error:
        raise CheckpointError(f"{address} is no URL: {error}.") from None
    if not host:
        _unknown(address)
    if host.lower() in _hub_hosts():
        page = _PAGE.fullmatch(unquote(split.path).rstrip("/"))
        if page is not None and page["repository"].split("/")[0] not in ("api", "datasets"):
            return HubName(page["repository"], page["revision"] or "main", page["path"] or "")
    return WebName(address.strip())


def is_model(address: str) -> bool:
    """Whether an address may be that of a checkpoint; looks at its text only, never raises."""
    try:
        name = parse(address)
    except CheckpointError:
        return False
    return isinstance(name, HubName) or _is_file(name.path.rpartition("/")[2])


def _hub_hosts() -> set[str]:
    own = urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname
    return {*HUB_HOSTS, *([own] if own and "." in own and not own[0].isdigit() else [])}


def _hub(address: str, rest: str) -> HubName:
    rest = rest.strip("/").removeprefix("models/")
    first, _, file = rest.partition("/")
    if file and "@" not in first and "/" not in file and _is_file(file):
        # An old model without an organisation, and a file in it: gpt2/model.safetensors.
        return HubName(first, path=file)
    match = _HUB.fullmatch(rest)
    bare = match is not None and "/" not in match["repository"] and "@" not in first
    if match is None or (bare and file):
        raise CheckpointError(
            f"{address} names no model of the hub; write hf://organisation/name, with "
            "@revision after the name for another than the main one."
        )
    return HubName(
        match["repository"], unquote(match["revision"] or "main"), (match["path"] or "").strip("/")
    )


def _is_file(name: str) -> bool:
    from ..registry import format_named

    return format_named(PurePosixPath(name).name) is not None


def _unknown(address: str) -> NoReturn:
    raise CheckpointError(
        f"{address!r} is no address that can be opened; they look like {', '.join(EXAMPLES)}."
    )


def hub_text(name: HubName) -> str:
    """The address of a place of the hub."""
    revision = "" if name.revision == "main" else f"@{quote(name.revision, safe='/')}"
    path = f"/{name.path}" if name.path else ""
    return f"hf://{name.repository}{revision}{path}"
