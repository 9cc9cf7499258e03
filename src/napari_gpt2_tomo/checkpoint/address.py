"""Where a checkpoint lies that is not on this machine's disk."""

import os
import re

__all__ = ["KNOWN", "Address", "address_of"]

KNOWN = ("hf", "https", "http", "s3")
"""Schemes of addresses that can be opened."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)")
"""How an address begins, more than a drive's letter. What went through `pathlib`, as all that
napari opens, has lost one of the two slashes."""


class Address(str):
    """The address of a file or folder on a server, e.g. ``hf://org/name@main/model.safetensors``.

    Text, with the few things of a path that messages and titles need.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """What stands after the last slash."""
        return self.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> "Address":
        """What stands before the last slash."""
        return Address(self.rstrip("/").rpartition("/")[0])

    def __truediv__(self, name: str) -> "Address":
        return Address(f"{self.rstrip('/')}/{name}")


def address_of(path: str | os.PathLike[str]) -> Address | None:
    """The address that a path stands for; None if it is a path of this machine."""
    text = str(os.fspath(path))
    if isinstance(path, os.PathLike):
        text = text.replace("\\", "/")
    match = _SCHEME.match(text)
    if match is None:
        return None
    scheme, slashes = match[1].lower(), match[2]
    if len(slashes) == 1 and scheme not in KNOWN:
        return None
    return Address(f"{scheme}://{text[match.end() :]}")
