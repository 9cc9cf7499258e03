"""Attention: what a pattern is like, head by head, what it carries, and why."""

from .catalogue import METRICS, Metric
from .circuits import Circuits
from .contributions import score_terms, written_logits
from .figures import measured
from .looks import Look, shown
from .metrics import HeadMetrics, head_metrics, head_name
from .patterns import from_last, to_first, without_first
from .probe import repeated_metrics
from .values import output_norms, value_norms, weighted_pattern

__all__ = [
    "METRICS",
    "Circuits",
    "HeadMetrics",
    "Look",
    "Metric",
    "from_last",
    "head_metrics",
    "head_name",
    "measured",
    "output_norms",
    "repeated_metrics",
    "score_terms",
    "shown",
    "to_first",
    "value_norms",
    "weighted_pattern",
    "without_first",
    "written_logits",
]
