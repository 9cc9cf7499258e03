"""Two checkpoints against each other: what changed, by how much, and where."""

from .compare import Comparison, compare
from .matching import Matching
from .table import ChangeTable

__all__ = ["ChangeTable", "Comparison", "Matching", "compare"]
