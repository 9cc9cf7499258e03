"""GPT-2 small in numbers: the tables that the phantom's weights are drawn from.

Measured on the released file (attention, norms, biases and positions; medians over
channels, so that outliers don't count twice), except where a comment says that a
number is a choice. A tuple over the depth has one value per knot.
"""

from dataclasses import dataclass

__all__ = [
    "BIAS",
    "CHANNEL_SPREAD",
    "DIM_SPREAD",
    "FINAL_BIAS",
    "FINAL_GAIN",
    "FINAL_LOUD",
    "FINAL_QUIET",
    "FINAL_SPREAD",
    "FIRST_POSITION",
    "GAIN",
    "GAIN_SPREAD",
    "HEAD_SPREAD",
    "HELIX",
    "HELIX_CHANNELS",
    "KNOTS",
    "LAST_POSITION",
    "NEURON_SPREAD",
    "OUTLIERS",
    "POSITION_NOISE",
    "SIGMA",
    "TOKEN_CENTRE",
    "TOKEN_LOUD",
    "TOKEN_LOUDNESS",
    "TOKEN_SIGMA",
    "TOKEN_SPREAD",
    "UNSEEN_SIGMA",
    "UNSEEN_TOKENS",
    "UP_BIAS_MEAN",
    "WIDTH",
    "Outlier",
]

KNOTS = (0, 1, 2, 5, 8, 10, 11)
"""Layers of twelve at which the tables below were read off."""

SIGMA = {
    "q": (0.241, 0.151, 0.191, 0.142, 0.130, 0.119, 0.109),
    "k": (0.231, 0.158, 0.146, 0.136, 0.124, 0.113, 0.103),
    "v": (0.059, 0.107, 0.107, 0.105, 0.128, 0.145, 0.163),
    "o": (0.030, 0.084, 0.076, 0.092, 0.120, 0.142, 0.148),
    # The released file's MLP was not measured: a choice that follows v and o.
    "up": (0.128, 0.118, 0.120, 0.126, 0.131, 0.136, 0.142),
    "down": (0.075, 0.080, 0.076, 0.085, 0.098, 0.118, 0.135),
}
"""Standard deviation of a weight."""

HEAD_SPREAD = {
    "qk": (0.302, 0.475, 0.361, 0.139, 0.096, 0.05, 0.04),
    "vo": (0.138, 0.154, 0.143, 0.13, 0.104, 0.117, 0.119),
}
"""Standard deviation over heads of log σ; a head's q and k share it (correlation 0.97 in
the middle layers), and so do its v and o (0.94)."""

DIM_SPREAD = {
    "qk": (0.087, 0.161, 0.149, 0.075, 0.057, 0.032, 0.034),
    "vo": (0.11, 0.107, 0.065, 0.055, 0.052, 0.061, 0.086),
}
"""Standard deviation over the dimensions inside a head of log σ, shared likewise."""

CHANNEL_SPREAD = {"q": 0.041, "k": 0.044, "v": 0.05, "o": 0.072, "up": 0.044, "down": 0.072}
"""Standard deviation over ordinary channels of log σ (`up` and `down`: a choice)."""

NEURON_SPREAD = 0.18
"""Standard deviation over MLP neurons of log σ (a choice)."""

GAIN = {
    "ln_1": (0.190, 0.218, 0.234, 0.376, 0.334, 0.370, 0.469),
    "ln_2": (1.160, 0.242, 0.296, 0.282, 0.257, 0.284, 0.495),
}
"""Median gain of a norm."""

GAIN_SPREAD = {
    "ln_1": (0.09, 0.13, 0.12, 0.07, 0.04, 0.08, 0.09),
    # GPT-2's first is 0.65: two camps, one near zero. One camp here, a choice.
    "ln_2": (0.15, 0.11, 0.09, 0.05, 0.05, 0.06, 0.07),
}
"""Relative standard deviation of a norm's gain."""

BIAS = {
    "q": (0.343, 0.348, 0.259, 0.125, 0.202, 0.226, 0.183),
    "k": (0.183, 0.083, 0.101, 0.107, 0.098, 0.098, 0.086),
    "v": (0.048, 0.074, 0.065, 0.048, 0.037, 0.048, 0.054),
    "o": (0.083, 0.083, 0.135, 0.101, 0.134, 0.139, 0.17),
    "up": (0.127, 0.104, 0.11, 0.093, 0.087, 0.077, 0.077),
    "down": (0.064, 0.077, 0.097, 0.088, 0.109, 0.182, 0.109),
    "ln_1": (0.01, 0.007, 0.007, 0.01, 0.012, 0.018, 0.022),
    "ln_2": (0.021, 0.017, 0.024, 0.023, 0.028, 0.019, 0.022),
}
"""Standard deviation of a bias."""

UP_BIAS_MEAN = -0.085
"""GPT-2's neurons are biased to be off (−0.093 to −0.064 by layer)."""

WIDTH = 768
"""Channels of GPT-2 small; the channels below are moved to the same relative height."""


@dataclass(frozen=True)
class Outlier:
    """A residual channel that stands out: factor on σ (or on a gain), or a bias, per knot."""

    channel: int
    q: tuple[float, ...]
    k: tuple[float, ...]
    v: tuple[float, ...]
    o: tuple[float, ...]
    ln_1: tuple[float, ...]
    ln_2: tuple[float, ...]
    o_bias: tuple[float, ...]
    down_bias: tuple[float, ...]


OUTLIERS = (
    # Hardly written or read as a value between the ends, but a key everywhere.
    Outlier(
        64,
        q=(0.53, 1.31, 0.62, 0.83, 0.96, 1.05, 1.3),
        k=(0.52, 1.27, 1.16, 1.35, 1.64, 1.96, 2.28),
        v=(0.88, 0.35, 0.22, 0.16, 0.09, 0.11, 0.2),
        o=(21.19, 5.42, 0.88, 0.11, 0.13, 0.28, 6.53),
        ln_1=(0.69, 0.55, 1.87, 1.91, 2.75, 2.49, 2.04),
        ln_2=(0.06, 0.6, 0.51, 0.54, 0.66, 0.66, 0.08),
        o_bias=(-1.83, -0.11, 0.22, -0.02, -0.15, -0.32, -5.37),
        down_bias=(-1.03, -0.35, -0.2, -0.27, -0.2, -0.76, -0.03),
    ),
    # Written at the ends only; loud for the MLP in between.
    Outlier(
        138,
        q=(0.54, 1.16, 0.96, 0.79, 1.09, 1.28, 2.5),
        k=(0.77, 1.53, 1.88, 0.73, 1.32, 1.72, 1.36),
        v=(0.96, 0.54, 0.57, 0.41, 0.26, 0.22, 2.15),
        o=(0.67, 3.47, 0.47, 0.22, 0.24, 0.22, 4.05),
        ln_1=(0.71, 0.46, 0.41, 0.33, 0.7, 0.74, 1.56),
        ln_2=(1.18, 1.22, 2.47, 5.03, 4.18, 3.85, 0.43),
        o_bias=(-0.02, 0.07, -0.22, 0.01, -0.05, -0.34, -0.47),
        down_bias=(-0.01, 0.18, 0.14, -0.16, -0.29, -0.25, 0.13),
    ),
    Outlier(
        326,
        q=(0.79, 1.11, 0.71, 0.71, 0.96, 0.94, 1.0),
        k=(0.98, 0.85, 1.0, 0.76, 1.11, 1.23, 1.43),
        v=(1.28, 0.53, 0.48, 0.38, 0.46, 0.69, 0.71),
        o=(13.01, 2.13, 1.27, 0.5, 0.69, 0.77, 0.93),
        ln_1=(0.44, 0.54, 0.75, 0.89, 1.04, 1.21, 1.15),
        ln_2=(0.09, 1.03, 0.83, 1.07, 1.53, 1.95, 1.98),
        o_bias=(1.99, 0.14, -0.09, -0.1, -0.1, -0.2, 0.14),
        down_bias=(0.25, 0.14, 0.03, 0.09, 0.13, 0.46, 0.07),
    ),
    Outlier(
        373,
        q=(0.47, 1.07, 0.68, 0.53, 0.77, 0.95, 1.1),
        k=(0.53, 1.14, 1.13, 0.7, 1.24, 1.39, 1.44),
        v=(0.79, 0.61, 0.51, 0.3, 0.42, 0.34, 0.26),
        o=(18.13, 8.39, 2.56, 1.96, 3.26, 5.2, 4.4),
        ln_1=(0.79, 0.34, 0.2, 0.54, 0.27, 0.2, 0.25),
        ln_2=(0.04, 0.23, 0.38, 0.58, 0.23, 0.18, 0.14),
        o_bias=(-1.8, -0.53, 0.32, 0.59, -0.2, -2.99, -3.67),
        down_bias=(-0.78, -0.7, -0.45, -0.71, -0.83, -1.08, -0.14),
    ),
    Outlier(
        378,
        q=(0.97, 0.91, 1.14, 0.9, 0.99, 1.15, 1.29),
        k=(0.92, 1.24, 1.45, 0.81, 1.15, 1.33, 1.39),
        v=(0.95, 0.94, 0.75, 0.61, 0.53, 0.57, 0.76),
        o=(0.82, 2.21, 1.07, 0.98, 1.09, 1.35, 1.54),
        ln_1=(1.04, 0.53, 0.38, 0.74, 0.85, 0.72, 0.59),
        ln_2=(1.22, 1.11, 1.56, 1.13, 0.94, 0.83, 0.7),
        o_bias=(0.02, 0.03, 0.21, -0.23, -0.16, 0.25, 0.16),
        down_bias=(-0.02, -0.15, -0.21, 0.27, 0.35, 0.25, -0.08),
    ),
    # The bright line of every picture of GPT-2: written by all layers.
    Outlier(
        447,
        q=(0.51, 1.19, 0.75, 0.59, 0.82, 0.93, 0.99),
        k=(0.58, 1.26, 1.42, 0.8, 1.77, 1.8, 1.53),
        v=(0.68, 0.57, 0.53, 0.47, 0.26, 0.33, 0.45),
        o=(18.56, 10.8, 6.37, 4.55, 3.15, 4.5, 11.86),
        ln_1=(0.91, 0.33, 0.24, 0.23, 0.2, 0.21, 0.23),
        ln_2=(0.06, 0.24, 0.24, 0.33, 0.25, 0.21, 0.17),
        o_bias=(2.03, 1.25, -0.15, -0.7, 0.43, 1.61, 3.39),
        down_bias=(1.48, 1.59, 1.57, 1.25, 1.03, 1.34, 0.17),
    ),
    Outlier(
        481,
        q=(0.52, 1.12, 1.13, 0.75, 0.83, 0.87, 0.89),
        k=(0.54, 1.1, 0.97, 0.91, 1.08, 1.21, 1.3),
        v=(0.81, 0.88, 0.81, 0.68, 0.42, 0.31, 0.27),
        o=(5.68, 1.01, 1.57, 3.41, 4.76, 5.17, 4.3),
        ln_1=(0.81, 1.57, 1.07, 0.54, 0.22, 0.22, 0.26),
        ln_2=(0.24, 1.16, 0.69, 0.36, 0.2, 0.17, 0.18),
        o_bias=(0.21, 0.08, -0.09, -0.1, 1.16, 3.85, 3.64),
        down_bias=(-0.01, 0.06, 0.12, 0.41, 1.22, 1.11, 0.18),
    ),
)

HELIX = (
    # (turns over the context, amplitude, phase in turns) of the leading singular vectors.
    (1.75, 2.48, 0.18),
    (1.75, 2.48, 0.43),
    (0.88, 1.96, 0.13),
    (0.88, 0.71, 0.38),
    (1.25, 0.42, 0.00),
    (2.75, 0.22, 0.58),
    (5.25, 0.25, 0.96),
    (5.25, 0.25, 0.71),
)
HELIX_CHANNELS = 20 / WIDTH
"""Share of the channels that one row of `HELIX` uses (participation ratio 19 to 30)."""

POSITION_NOISE = 0.0086
LAST_POSITION = 0.0043
"""GPT-2's last position was never trained: its row is small noise."""

FIRST_POSITION = 8.4
"""Distance from position 0, where attention rests, to position 1."""

FINAL_GAIN, FINAL_SPREAD, FINAL_BIAS = 1.185, 0.126, 0.046
FINAL_LOUD = {496: 17.4, 430: 17.0, 314: 15.3, 36: 13.8, 374: 12.2}
FINAL_QUIET = {64: 0.008, 138: 0.086, 373: 0.035, 447: 0.035, 481: 0.043}
"""Gains of the final norm: most channels, and those that stand out."""

# The released file's token embedding was not measured: what follows are choices.

TOKEN_SIGMA = (0.100, 0.046)
"""σ of a token's row: of the first, most frequent token, and what the last has more; it
grows with the logarithm of the rank, for a vocabulary of merges is sorted by frequency."""

TOKEN_SPREAD = 0.06
"""Standard deviation over tokens of log σ."""

TOKEN_CENTRE, TOKEN_LOUD, TOKEN_LOUDNESS = 0.045, (138, 378, 447), 4.0
"""σ over channels of the mean that all tokens share; channels where it is larger, and how much."""

UNSEEN_TOKENS, UNSEEN_SIGMA = (188, 221), 0.004
"""Control bytes, which no text holds: their rows stay close to the mean of all."""
