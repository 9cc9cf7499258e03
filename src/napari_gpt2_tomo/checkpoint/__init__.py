"""Bytes to named, lazily read tensors. Knows files; knows no transformer."""

from .open import can_open, candidates, open_checkpoint
from .region import Region
from .tensor import Checkpoint, LazyTensor

__all__ = ["Checkpoint", "LazyTensor", "Region", "can_open", "candidates", "open_checkpoint"]
