"""Pages for the tests: written from small models, and read back without a browser."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from napari_gpt2_tomo.page import unpack


class ReadPage(HTMLParser):
    """The elements of a page, and what its data elements hold."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text: dict[str, str] = {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            tag, attributes = self.tags[-1]
            self._text.setdefault(attributes.get("id") or tag, data)

    @property
    def header(self) -> dict[str, Any]:
        return json.loads(self._text["scan"])

    @property
    def title(self) -> str:
        return self._text["title"]

    @property
    def tables(self) -> dict[str, Any]:
        return json.loads(unpack(self._text["tables"]))

    @property
    def codes(self) -> np.ndarray:
        return np.frombuffer(unpack(self._text["codes"]), np.uint8).reshape(self.header["shape"])

    @property
    def labels(self) -> np.ndarray:
        kind = {2: "<u2", 4: "<u4"}[self.header["labelBytes"]]
        return np.frombuffer(unpack(self._text["labels"]), kind).reshape(self.header["shape"])

    @property
    def values(self) -> np.ndarray:
        """The value of every voxel; NaN for air and for what is not finite."""
        return self._column("values")[self.codes]

    @property
    def errors(self) -> np.ndarray:
        return self._column("errors")[self.codes]

    def _column(self, name: str) -> np.ndarray:
        column = self.header["codes"][name]
        return np.array([np.nan if value is None else value for value in column])


def policy(page: ReadPage) -> dict[str, str]:
    """The rules of a page's Content Security Policy."""
    (content,) = (a["content"] for _, a in page.tags if "http-equiv" in a)
    return dict(re.split(" ", rule, maxsplit=1) for rule in (content or "").split("; "))
