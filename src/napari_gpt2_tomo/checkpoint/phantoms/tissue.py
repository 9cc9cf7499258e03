"""What the weights of the phantom look like: small formulas over GPT-2 small's statistics.

Values come out bit for bit equal wherever numpy runs: the randomness is PCG64's raw
stream (NEP 19 keeps it stable, which it does not promise for distributions), normal
numbers are looked up in a table, results of libm are rounded to `DIGITS` decimals
before they are used, and full-size arrays see elementwise IEEE operations only.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from . import statistics as gpt2

__all__ = ["Dimensions", "tissue"]

Floats = NDArray[np.float32]

SEED = 117
"""Any number would do; changing it changes every value of the phantom."""

DIGITS = 6
"""Decimals kept of scales and angles: coarser than any libm's error, finer than a look."""

BLOCK_ROWS = 4096
"""Rows of the token embedding made at a time: 12 MB at GPT-2's width."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of a phantom, by GPT-2's names in this project's words."""

    d_model: int
    n_layers: int
    n_heads: int
    d_mlp: int
    vocab: int
    context: int

    @property
    def d_head(self) -> int:
        """Width of a head."""
        return self.d_model // self.n_heads

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Stored tensors in forward order, under GPT-2's names in the hub's file."""
        d, m = self.d_model, self.d_mlp
        found: dict[str, tuple[int, ...]] = {
            "wte.weight": (self.vocab, d),
            "wpe.weight": (self.context, d),
        }
        for layer in range(self.n_layers):
            for name, shape in (
                ("ln_1.weight", (d,)),
                ("ln_1.bias", (d,)),
                ("attn.c_attn.weight", (d, 3 * d)),
                ("attn.c_attn.bias", (3 * d,)),
                ("attn.c_proj.weight", (d, d)),
                ("attn.c_proj.bias", (d,)),
                ("ln_2.weight", (d,)),
                ("ln_2.bias", (d,)),
                ("mlp.c_fc.weight", (d, m)),
                ("mlp.c_fc.bias", (m,)),
                ("mlp.c_proj.weight", (m, d)),
                ("mlp.c_proj.bias", (d,)),
            ):
                found[f"h.{layer}.{name}"] = shape
        return found | {"ln_f.weight": (d,), "ln_f.bias": (d,)}

    def channel(self, of_gpt2: int) -> int:
        """The channel at the relative height of channel `of_gpt2` of GPT-2 small."""
        return of_gpt2 * self.d_model // gpt2.WIDTH


def tissue(name: str, dims: Dimensions) -> Iterator[Floats]:
    """Values of tensor `name` in blocks of whole rows, float32."""
    noise = Noise(name)
    if name == "wte.weight":
        yield from _tokens(noise, dims)
    elif name == "wpe.weight":
        yield _positions(noise, dims)
    elif name.startswith("ln_f."):
        yield _final_norm(noise, dims, name.endswith("weight"))
    else:
        _, layer, rest = name.split(".", 2)
        yield _in_layer(noise, dims, int(layer), rest)


class Noise:
    """Normal numbers from a seed and a name."""

    def __init__(self, name: str) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([SEED, zlib.crc32(name.encode())]))

    def normal(self, *shape: int) -> Floats:
        """Standard normal numbers on a grid of 65,536 quantiles (|z| ≤ 4.3)."""
        n = math.prod(shape)
        words = np.asarray(self._bits.random_raw(-(-n // 4))).astype("<u8", copy=False)
        values: Floats = _quantiles()[words.view("<u2")[:n]]
        return values.reshape(shape)

    def factors(self, n: int, sigma: float) -> Floats:
        """Log-normal factors with a median of 1."""
        return _even(np.exp(sigma * self.normal(n).astype(np.float64)))


@cache
def _quantiles() -> Floats:
    normal = NormalDist()
    upper = _even([normal.inv_cdf((i + 0.5) / 65536) for i in range(32768, 65536)])
    return np.concatenate([-upper[::-1], upper])


def _even(values: Sequence[float] | NDArray[np.float64]) -> Floats:
    """Results of libm as float32 that every machine agrees on."""
    return np.round(np.asarray(values, np.float64), DIGITS).astype(np.float32)


def _at(table: Sequence[float], dims: Dimensions, layer: int) -> float:
    depth = layer * 11 / max(dims.n_layers - 1, 1)
    return round(float(np.interp(depth, gpt2.KNOTS, table)), DIGITS)


def _tokens(noise: Noise, dims: Dimensions) -> Iterator[Floats]:
    centre = np.float32(gpt2.TOKEN_CENTRE) * noise.normal(dims.d_model)
    centre[[dims.channel(c) for c in gpt2.TOKEN_LOUD]] *= np.float32(gpt2.TOKEN_LOUDNESS)
    low, more = gpt2.TOKEN_SIGMA
    rank = np.log1p(np.arange(dims.vocab, dtype=np.float64)) / math.log1p(dims.vocab)
    sigma = _even(low + more * rank) * noise.factors(dims.vocab, gpt2.TOKEN_SPREAD)
    sigma[slice(*gpt2.UNSEEN_TOKENS)] = np.float32(gpt2.UNSEEN_SIGMA)
    for start in range(0, dims.vocab, BLOCK_ROWS):
        rows = sigma[start : start + BLOCK_ROWS, None]
        block = noise.normal(len(rows), dims.d_model)
        block *= rows
        block += centre
        yield block


def _positions(noise: Noise, dims: Dimensions) -> Floats:
    out = np.float32(gpt2.POSITION_NOISE) * noise.normal(dims.context, dims.d_model)
    turn = 2 * math.pi * np.arange(dims.context, dtype=np.float64) / dims.context
    used = max(4, round(gpt2.HELIX_CHANNELS * dims.d_model))
    order = np.argsort(noise.normal(dims.d_model), kind="stable")
    for place, (turns, amplitude, phase) in enumerate(gpt2.HELIX):
        curve = _even(amplitude * np.sin(turns * turn + 2 * math.pi * phase))
        if place >= len(gpt2.HELIX) - 2:
            curve[0] += np.float32(gpt2.FIRST_POSITION / math.sqrt(2) * (-1) ** place)
        # The two rows of a pair share their channels, so that each has a phase of its own.
        first = place // 2 * used
        channels = order[first : first + used]
        weights = _even(noise.normal(used).astype(np.float64) / math.sqrt(used))
        out[:, channels] += curve[:, None] * weights
    out[-1] = np.float32(gpt2.LAST_POSITION) * noise.normal(dims.d_model)
    return out


def _final_norm(noise: Noise, dims: Dimensions, weight: bool) -> Floats:
    if not weight:
        return np.float32(gpt2.FINAL_BIAS) * noise.normal(dims.d_model)
    values = np.float32(gpt2.FINAL_GAIN) * noise.factors(dims.d_model, gpt2.FINAL_SPREAD)
    for channel, gain in (gpt2.FINAL_LOUD | gpt2.FINAL_QUIET).items():
        values[dims.channel(channel)] = np.float32(gain)
    return values


def _in_layer(noise: Noise, dims: Dimensions, layer: int, name: str) -> Floats:
    match name:
        case "attn.c_attn.weight":
            return np.concatenate(
                [_matrix(noise, dims, layer, role) for role in ("q", "k", "v")], axis=1
            )
        case "attn.c_proj.weight":
            return np.ascontiguousarray(_matrix(noise, dims, layer, "o").T)
        case "mlp.c_fc.weight":
            return _matrix(noise, dims, layer, "up")
        case "mlp.c_proj.weight":
            return np.ascontiguousarray(_matrix(noise, dims, layer, "down").T)
        case "attn.c_attn.bias":
            return np.concatenate([_bias(noise, dims, layer, role) for role in ("q", "k", "v")])
        case "attn.c_proj.bias":
            return _bias(noise, dims, layer, "o")
        case "mlp.c_fc.bias":
            return _bias(noise, dims, layer, "up")
        case "mlp.c_proj.bias":
            return _bias(noise, dims, layer, "down")
        case "ln_1.weight" | "ln_2.weight":
            return _gain(noise, dims, layer, name[:4])
        case "ln_1.bias" | "ln_2.bias":
            return _bias(noise, dims, layer, name[:4])
    raise ValueError(f"the phantom has no tensor {name!r}")


def _matrix(noise: Noise, dims: Dimensions, layer: int, role: str) -> Floats:
    """One part, ``(channel, unit)``: σ · channel · unit · normal."""
    units = dims.d_mlp if role in ("up", "down") else dims.d_model
    if role in ("up", "down"):
        # A neuron's two sides are drawn from the same name, so they share their strength.
        unit = Noise(f"neurons {layer}").factors(units, gpt2.NEURON_SPREAD)
    else:
        pair = "qk" if role in ("q", "k") else "vo"
        heads = Noise(f"heads {layer} {pair}").factors(
            dims.n_heads, _at(gpt2.HEAD_SPREAD[pair], dims, layer)
        )
        dim = Noise(f"dims {layer} {pair}").factors(units, _at(gpt2.DIM_SPREAD[pair], dims, layer))
        unit = np.repeat(heads, dims.d_head) * dim
    channel = noise.factors(dims.d_model, gpt2.CHANNEL_SPREAD[role])
    for outlier in gpt2.OUTLIERS:
        # What reads after the second norm and what writes to the stream behave like
        # their neighbours in the attention (a choice, for the MLP was not measured).
        table = {"up": outlier.k, "down": outlier.o}.get(role) or getattr(outlier, role)
        channel[dims.channel(outlier.channel)] *= np.float32(_at(table, dims, layer))
    values = noise.normal(dims.d_model, units)
    values *= (np.float32(_at(gpt2.SIGMA[role], dims, layer)) * channel)[:, None]
    values *= unit
    return values


def _bias(noise: Noise, dims: Dimensions, layer: int, role: str) -> Floats:
    units = dims.d_mlp if role == "up" else dims.d_model
    values = np.float32(_at(gpt2.BIAS[role], dims, layer)) * noise.normal(units)
    if role == "up":
        values += np.float32(gpt2.UP_BIAS_MEAN)
    if role in ("o", "down"):
        for outlier in gpt2.OUTLIERS:
            table = outlier.o_bias if role == "o" else outlier.down_bias
            values[dims.channel(outlier.channel)] = np.float32(_at(table, dims, layer))
    return values


def _gain(noise: Noise, dims: Dimensions, layer: int, norm: str) -> Floats:
    spread = noise.factors(dims.d_model, _at(gpt2.GAIN_SPREAD[norm], dims, layer))
    values = np.float32(_at(gpt2.GAIN[norm], dims, layer)) * spread
    for outlier in gpt2.OUTLIERS:
        table = outlier.ln_1 if norm == "ln_1" else outlier.ln_2
        values[dims.channel(outlier.channel)] *= np.float32(_at(table, dims, layer))
    return values
