"""Interventions as descriptions, what they do, and what weights say about each other.

`running.changes` and `running.sweeps` carry the interventions out.
"""

from .change import STREAM_SITES, Change, Component, Mean, Patch, Zero
from .composition import Composition, composition, random_scores
from .effect import Candidate, Effect, Metric, Sweep
from .folding import Folded, weights_of
from .weights import ScanWeights, Weights

__all__ = [
    "STREAM_SITES",
    "Candidate",
    "Change",
    "Component",
    "Composition",
    "Effect",
    "Folded",
    "Mean",
    "Metric",
    "Patch",
    "ScanWeights",
    "Sweep",
    "Weights",
    "Zero",
    "composition",
    "random_scores",
    "weights_of",
]
