"""A section as a signal: its spectrum, a smoothed version, and the singular values of a part."""

from .plane import MOST, Plane, part_plane, section_plane
from .plots import singular_plot, spectrum_map, spectrum_plot
from .singular import SingularValues, marchenko_pastur, singular_values
from .smoothing import smooth
from .spectrum import Spectrum, power_spectrum

__all__ = [
    "MOST",
    "Plane",
    "SingularValues",
    "Spectrum",
    "marchenko_pastur",
    "part_plane",
    "power_spectrum",
    "section_plane",
    "singular_plot",
    "singular_values",
    "smooth",
    "spectrum_map",
    "spectrum_plot",
]
