"""Codes and scales of GGUF blocks, apart from each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["CODES", "Code"]


@dataclass(frozen=True)
class Code:
    dtype: Any
    has_minima: bool = False


CODES: Mapping[str, Code] = MappingProxyType({})
