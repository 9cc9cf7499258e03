"""Files of web servers and buckets: what lies beside one is found by asking for it."""

from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit, urlunsplit

from ...base import CheckpointError
from ..address import Address
from ..companions import CONFIG_NAME, QUANTISATION_NAMES
from ..registry import STANDARD_NAMES
from ..shards import INDEX_SUFFIX, shard_stem
from .link import Link, Version, WebLink
from .place import RemotePlace

__all__ = ["WebLinks", "WebPlace"]


def _beside(url: str, name: str) -> str:
    """The URL of a file in the folder of a URL, with the same query."""
    split = urlsplit(url)
    folder = split.path.rpartition("/")[0]
    return urlunsplit(split._replace(path=f"{folder}/{quote(name)}"))


class WebPlace(RemotePlace):
    """A folder of a server that does not list its files.

    Its files are the one that it was opened by, those that its name lets expect (other
    shards, their index), or the standard names of checkpoints.

    Parameters
    ----------
    path
        The folder's address, without secrets.
    links
        How to ask for a file of this name; picklable.
    opened
        The file that the user named, None for the folder.
    """

    def __init__(
        self, path: Address, links: Callable[[str], Link], opened: str | None = None
    ) -> None:
        super().__init__(path)
        self._links = links
        self._opened = opened
        self._absent: set[str] = set()

    def link(self, name: str) -> Link:
        """How to ask for a file."""
        return self._links(name)

    def version(self, name: str) -> Version | None:
        """Nothing is known of a file before it is asked for."""
        return None

    def names(self) -> tuple[str, ...]:
        """Names of those files that can be expected and are there, sorted."""
        expected = self._expected()
        self.expect((*expected, CONFIG_NAME, *QUANTISATION_NAMES))
        found = tuple(sorted(name for name in expected if self.has(name)))
        if not found:
            # Why the likeliest is not there: perhaps it may not be read, or there is no server.
            self.source(expected[0])
        return found

    def has(self, name: str) -> bool:
        """Whether there is such a file; one beside the opened one that may not be read is none."""
        if name in self._absent:
            return False
        try:
            found = super().has(name)
        except CheckpointError as error:
            # Buckets whose files may not be listed refuse what is not there.
            if name == self._opened or " may not be read " not in str(error):
                raise
            found = False
        if not found:
            self._absent.add(name)
        return found

    def _expected(self) -> tuple[str, ...]:
        name = self._opened
        if name is None:
            return STANDARD_NAMES
        shards = shard_stem(name)
        if shards is None:
            return (name,)
        stem, total = shards
        suffix = PurePosixPath(name).suffix
        start, _, end = name.rpartition("-of-")
        width = len(start.rpartition("-")[2])
        others = (f"{stem}-{i:0{width}}-of-{end}" for i in range(1, total + 1))
        return (f"{stem}{suffix}{INDEX_SUFFIX}", *others)


class WebLinks:
    """Links to the files of the folder of a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, name: str) -> Link:
        """How to ask for a file."""
        return WebLink(_beside(self._url, name))
