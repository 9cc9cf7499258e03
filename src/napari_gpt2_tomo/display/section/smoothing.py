"""A smoothed version of a plane of weights."""

import numpy as np
from numpy.typing import NDArray

from ...base import DisplayError
from .plane import Plane

__all__ = ["smooth"]

REACH = 4.0
"""Standard deviations after which the Gaussian is cut: 6·10⁻⁵ of it lie beyond."""


def smooth(plane: Plane, sigma: float) -> NDArray[np.float32]:
    """A plane smoothed with a Gaussian, in which air has no part.

    Normalised convolution (Knutsson and Westin, "Normalized and differential convolution",
    CVPR 1993): the smoothed values over the smoothed mask of what is held, so that a constant
    stays what it is up to every border.

    Parameters
    ----------
    plane
        What is smoothed.
    sigma
        Standard deviation of the Gaussian in parameters.

    Returns
    -------
    smoothed
        float32, of the plane's shape; 0 in air.

    Raises
    ------
    DisplayError
        `sigma` is not above 0.
    """
    from scipy.ndimage import gaussian_filter

    if not sigma > 0:
        raise DisplayError(f"The width of the Gaussian must be above 0 parameters, not {sigma:g}.")
    total = gaussian_filter(plane.values, sigma, mode="constant", truncate=REACH)
    share = gaussian_filter(plane.held.astype(np.float32), sigma, mode="constant", truncate=REACH)
    out = np.zeros(plane.shape, np.float32)
    np.divide(total, share, out=out, where=plane.held & (share > 0))
    return out
