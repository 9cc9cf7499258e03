"""Geometry: norms step by step, how neurons fire, and how feature directions lie."""

from .alignment import Alignment, alignment
from .firing import Firing, Histograms, Sparsity, histograms, hoyer, sparsity, strongest_neurons
from .gains import Gains, norm_gains
from .norm import NORMS, NormSteps, norm_places, norm_steps, take_apart
from .superposition import (
    FEATURES,
    Angles,
    angles,
    angles_between,
    participation_ratio,
    random_density,
    random_magnitude,
)

__all__ = [
    "FEATURES",
    "NORMS",
    "Alignment",
    "Angles",
    "Firing",
    "Gains",
    "Histograms",
    "NormSteps",
    "Sparsity",
    "alignment",
    "angles",
    "angles_between",
    "histograms",
    "hoyer",
    "norm_gains",
    "norm_places",
    "norm_steps",
    "participation_ratio",
    "random_density",
    "random_magnitude",
    "sparsity",
    "strongest_neurons",
    "take_apart",
]
