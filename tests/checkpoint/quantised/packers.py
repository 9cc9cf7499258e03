"""Quantises float matrices into the layouts that tools write, one code at a time.

Everything here is written from the descriptions of the layouts, in plain loops over codes and
words, so that it shares nothing with what reads them. Each function returns the tensors to
store and what dequantising them has to give, computed from the codes before they were packed.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from checkpoint.writer import Sample

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

STORED = {
    np.dtype(np.float32): "F32",
    np.dtype(np.float16): "F16",
    np.dtype(np.int32): "I32",
    np.dtype(np.int64): "I64",
    np.dtype(np.int8): "I8",
    np.dtype(np.uint8): "U8",
    np.dtype(ml_dtypes.bfloat16): "BF16",
    np.dtype(ml_dtypes.float8_e4m3fn): "F8_E4M3",
    np.dtype(ml_dtypes.float8_e5m2): "F8_E5M2",
}
E2M1 = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip
"""Quantiles of the normal distribution: Dettmers et al., "QLoRA", arXiv:2305.14314, appendix E."""


@dataclass
class Packed:
    """A quantised tensor: what is stored under which ending, and what it means.

    Attributes
    ----------
    stored
        Ending of the name → array.
    values
        In the shape of the unquantised weight.
    codes
        In the same shape.
    scales
        The scale of every element, in the same shape.
    zeros
        The zero point of every element; None if codes count from 0.
    """

    stored: dict[str, NDArray[Any]]
    values: Floats
    codes: Integers
    scales: Floats
    zeros: Integers | None = None
    config: dict[str, Any] = field(default_factory=dict)

    def samples(self, module: str) -> dict[str, Sample]:
        """What a file holds of it, under the name of a module."""
        return {module + end: sample(array) for end, array in self.stored.items()}


def sample(array: NDArray[Any]) -> Sample:
    """An array as the writer of files takes it."""
    bits = np.ascontiguousarray(array)
    return Sample(STORED[array.dtype], bits.view(f"u{array.dtype.itemsize}").reshape(array.shape))


def stream(codes: list[int], bits: int, word: int = 32) -> list[int]:
    """Words of a stream of codes, the lowest bits first; codes may straddle words."""
    total = 0
    for number, code in enumerate(codes):
        total |= int(code) << (number * bits)
    count = -(-len(codes) * bits // word)
    return [(total >> (i * word)) & ((1 << word) - 1) for i in range(count)]


def words(rows: list[list[int]], dtype: Any = np.int32) -> NDArray[Any]:
    """Words as a signed or unsigned array."""
    size = np.dtype(dtype).itemsize
    return np.array(rows, np.dtype(f"u{size}")).view(dtype)


def affine(
    weight: Floats, group: list[int], bits: int, symmetric: bool
) -> tuple[Integers, Floats, Integers]:
    """Codes ``(out, in)``, scales and zero points ``(out, groups)`` by rounding to nearest."""
    outputs, inputs = weight.shape
    groups = max(group) + 1
    most = (1 << bits) - 1
    codes = np.zeros((outputs, inputs), np.int64)
    scales, zeros = np.zeros((outputs, groups), np.float32), np.zeros((outputs, groups), np.int64)
    inside = [[i for i in range(inputs) if group[i] == g] for g in range(groups)]
    for o in range(outputs):
        for g, members in enumerate(inside):
            low = min(0.0, *(float(weight[o, i]) for i in members), 0.0)
            high = max(0.0, *(float(weight[o, i]) for i in members), 0.0)
            if symmetric:
                high = max(-low, high)
                low = -high
            scale = np.float32(np.float16((high - low) / most or 1.0))
            zero = (most + 1) // 2 if symmetric else min(most, round(-low / float(scale)))
            scales[o, g], zeros[o, g] = scale, zero
            for i in members:
                codes[o, i] = min(most, max(0, round(float(weight[o, i]) / float(scale)) + zero))
    return codes, scales, zeros


def gptq(
    weight: Floats,
    bits: int = 4,
    group_size: int = 32,
    *,
    symmetric: bool = False,
    order: list[int] | None = None,
    version: int = 1,
    with_order: bool = True,
    conv: bool = False,
) -> Packed:
    """GPTQ of a linear module's weight ``(out, in)``, or of a Conv1D's ``(in, out)``.

    `order` is the rank of each input by activation: groups are formed by it.
    """
    linear = weight.T if conv else weight
    outputs, inputs = linear.shape
    size = inputs if group_size < 0 else group_size
    group = [(order[i] if order else i) // size for i in range(inputs)]
    codes, scales, zeros = affine(linear, group, bits, symmetric)
    qweight = [stream([codes[o, i] for i in range(inputs)], bits) for o in range(outputs)]
    kept = (zeros - 1) % (1 << bits) if version == 1 else zeros
    qzeros = [stream([kept[o, g] for o in range(outputs)], bits) for g in range(scales.shape[1])]
    stored: dict[str, NDArray[Any]] = {
        ".qweight": words(qweight).T,
        ".qzeros": words(qzeros),
        ".scales": scales.T.astype(np.float16),
    }
    if with_order:
        stored[".g_idx"] = np.array(group, np.int32)
    config = {
        "quant_method": "gptq",
        "bits": bits,
        "group_size": group_size,
        "desc_act": order is not None,
        "sym": symmetric,
    }
    if version == 2:
        config["checkpoint_format"] = "gptq_v2"
    return _spread(stored, codes, scales[:, group], zeros[:, group], config, conv)


def awq(weight: Floats, group_size: int = 32, *, conv: bool = False) -> Packed:
    """AWQ: words of eight outputs."""
    linear = weight.T if conv else weight
    outputs, inputs = linear.shape
    group = [i // (inputs if group_size < 0 else group_size) for i in range(inputs)]
    codes, scales, zeros = affine(linear, group, 4, False)
    nibbles = (0, 2, 4, 6, 1, 3, 5, 7)  # which of eight outputs each nibble holds

    def shuffled(column: Any) -> list[int]:
        found = []
        for first in range(0, outputs, 8):
            word = 0
            for place, output in enumerate(nibbles):
                word |= int(column[first + output]) << (4 * place)
            found.append(word)
        return found

    stored: dict[str, NDArray[Any]] = {
        ".qweight": words([shuffled(codes[:, i]) for i in range(inputs)]),
        ".qzeros": words([shuffled(zeros[:, g]) for g in range(scales.shape[1])]),
        ".scales": scales.T.astype(np.float16),
    }
    config = {"quant_method": "awq", "bits": 4, "group_size": group_size, "version": "gemm"}
    return _spread(stored, codes, scales[:, group], zeros[:, group], config, conv)


def packed_int(
    weight: Floats,
    bits: int = 4,
    group_size: int = 32,
    *,
    symmetric: bool = True,
    order: list[int] | None = None,
) -> Packed:
    """compressed-tensors "pack-quantized"."""
    inputs = weight.shape[1]
    size = inputs if group_size < 0 else group_size
    group = [(order[i] if order else i) // size for i in range(inputs)]
    codes, scales, zeros = affine(weight, group, bits, symmetric)
    stored: dict[str, NDArray[Any]] = {
        ".weight_packed": words([stream(list(row), bits) for row in codes]),
        ".weight_scale": scales.astype(ml_dtypes.bfloat16),
        ".weight_shape": np.array(weight.shape, np.int64),
    }
    scales = stored[".weight_scale"].astype(np.float32)
    if not symmetric:
        columns = [stream(list(zeros[:, g]), bits) for g in range(scales.shape[1])]
        stored[".weight_zero_point"] = words(columns).T
    if order:
        stored[".weight_g_idx"] = np.array(group, np.int32)
    config = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": {"num_bits": bits, "group_size": size}}
        },
    }
    return _spread(stored, codes, scales[:, group], zeros[:, group], config, False)


def elementwise(
    weight: Floats,
    dtype: Any,
    block: tuple[int, int],
    ending: str = ".weight_scale",
    *,
    zero: bool = False,
    flat_scales: bool = False,
) -> Packed:
    """One 8-bit element a value and a scale for each block of rows and columns."""
    height, width = weight.shape[-2:]
    rows, columns = min(block[0], height), min(block[1], width)
    grid = (*weight.shape[:-2], -(-height // rows), -(-width // columns))
    scales = np.zeros(grid, np.float32)
    zeros = np.zeros(grid, np.int64)
    is_float = np.dtype(dtype) != np.int8
    most = float(ml_dtypes.finfo(dtype).max) if is_float else 127.0
    raw = np.zeros(weight.shape, dtype)
    values = np.zeros(weight.shape, np.float32)
    per_element = np.zeros(weight.shape, np.float32)
    zero_per_element = np.zeros(weight.shape, np.int64)
    for at in np.ndindex(grid):
        *lead, r, c = at
        box = (*lead, slice(r * rows, (r + 1) * rows), slice(c * columns, (c + 1) * columns))
        scales[at] = max(np.abs(weight[box]).max() / most, 1e-8)
        if zero:
            zeros[at] = (r + 2 * c) % 5 - 2
        scaled = weight[box] / scales[at] + zeros[at]
        raw[box] = scaled.astype(dtype) if is_float else np.clip(np.rint(scaled), -128, 127)
        values[box] = (raw[box].astype(np.float32) - np.float32(zeros[at])) * scales[at]
        per_element[box], zero_per_element[box] = scales[at], zeros[at]
    stored: dict[str, NDArray[Any]] = {".weight": raw, ending: scales}
    if flat_scales:
        stored[ending] = scales.reshape(-1) if scales.size > 1 else scales.reshape(())
    if zero:
        stored[".weight_zero_point"] = zeros.astype(np.int8)
    codes = raw.view(np.uint8).astype(np.int64) if is_float else raw.astype(np.int64)
    return Packed(stored, values, codes, per_element, zero_per_element if zero else None)


def nearest(value: float, table: Any) -> int:
    """Number of the entry of a table that is nearest."""
    return min(range(len(table)), key=lambda code: abs(float(table[code]) - value))


def mxfp4(weight: Floats) -> Packed:
    """GPT-OSS: blocks of 32 inputs of experts ``(expert, in, out)``, stored by outputs."""
    experts, inputs, outputs = weight.shape
    blocks = np.zeros((experts, outputs, inputs // 32, 16), np.uint8)
    powers = np.zeros((experts, outputs, inputs // 32), np.uint8)
    codes = np.zeros(weight.shape, np.int64)
    scales = np.zeros(weight.shape, np.float32)
    for e, o, g in np.ndindex(powers.shape):
        members = weight[e, g * 32 : g * 32 + 32, o]
        power = int(np.ceil(np.log2(float(np.abs(members).max()) / 6)))
        powers[e, o, g] = power + 127
        for i, value in enumerate(members):
            code = nearest(float(value) / 2.0**power, E2M1)
            codes[e, g * 32 + i, o], scales[e, g * 32 + i, o] = code, 2.0**power
            blocks[e, o, g, i // 2] |= code << (4 * (i % 2))
    stored: dict[str, NDArray[Any]] = {"_blocks": blocks, "_scales": powers}
    return Packed(stored, E2M1[codes] * scales, codes, scales)


def nvfp4(weight: Floats, *, divides: bool = True) -> Packed:
    """Groups of 16 with E4M3 scales and one scale of them all."""
    outputs, inputs = weight.shape
    overall = np.float32(float(np.abs(weight).max()) / (6 * 448))
    over = np.float32(1 / overall)
    scales = np.zeros((outputs, inputs // 16), ml_dtypes.float8_e4m3fn)
    raw = np.zeros((outputs, inputs // 2), np.uint8)
    codes = np.zeros(weight.shape, np.int64)
    spread = np.zeros(weight.shape, np.float32)
    for o, g in np.ndindex(scales.shape):
        members = weight[o, g * 16 : g * 16 + 16]
        scales[o, g] = float(np.abs(members).max()) / 6 / overall
        one = np.float32(scales[o, g])
        whole = one / over if divides else one * overall
        for i, value in enumerate(members, g * 16):
            codes[o, i] = nearest(float(value) / float(whole), E2M1)
            spread[o, i] = whole
            raw[o, i // 2] |= int(codes[o, i]) << (4 * (i % 2))
    if divides:
        stored = {".weight_packed": raw, ".weight_scale": scales,
                  ".weight_global_scale": np.array([over], np.float32)}  # fmt: skip
    else:
        stored = {".weight": raw, ".weight_scale": scales,
                  ".weight_scale_2": np.array(overall, np.float32),
                  ".input_scale": np.array(1.0, np.float32)}  # fmt: skip
    return Packed(stored, E2M1[codes] * spread, codes, spread)


def bnb4(
    weight: Floats, blocksize: int = 64, *, nested: bool = False, conv: bool = False,
    kind: str = "nf4",
) -> Packed:  # fmt: skip
    """bitsandbytes NF4 or FP4: flat blocks, the first code of a byte in its upper half."""
    linear = np.ascontiguousarray(weight.T if conv else weight)
    table = np.array(NF4 if kind == "nf4" else E2M1 / 6, np.float32)
    flat = linear.reshape(-1)
    blocks = -(-flat.size // blocksize)
    absmax = np.array(
        [np.abs(flat[b * blocksize : (b + 1) * blocksize]).max() for b in range(blocks)], np.float32
    )
    state: dict[str, Any] = {
        "quant_type": kind,
        "blocksize": blocksize,
        "dtype": "float16",
        "shape": list(linear.shape),
    }
    stored: dict[str, NDArray[Any]] = {}
    if nested:
        offset = float(absmax.mean())
        map_ = np.linspace(-1, 1, 256).astype(np.float32)
        inner = [
            max(float(np.abs(absmax[i : i + 256] - offset).max()), 1e-6)
            for i in range(0, blocks, 256)
        ]
        bytes_ = [
            nearest((float(absmax[b]) - offset) / inner[b // 256], map_) for b in range(blocks)
        ]
        stored[".weight.nested_absmax"] = np.array(inner, np.float32)
        stored[".weight.nested_quant_map"] = map_
        stored[".weight.absmax"] = np.array(bytes_, np.uint8)
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset}
        absmax = np.array(
            [
                map_[code] * np.float32(inner[b // 256]) + np.float32(offset)
                for b, code in enumerate(bytes_)
            ],
            np.float32,
        )
    else:
        stored[".weight.absmax"] = absmax
    codes = [nearest(float(x) / float(absmax[i // blocksize]), table) for i, x in enumerate(flat)]
    packed = []
    for first in range(0, len(codes), 2):
        second = codes[first + 1] if first + 1 < len(codes) else 0
        packed.append(codes[first] << 4 | second)
    text = json.dumps(state).encode()
    stored |= {
        ".weight": np.array(packed, np.uint8)[:, None],
        ".weight.quant_map": table,
        f".weight.quant_state.bitsandbytes__{kind}": np.frombuffer(text, np.uint8),
    }
    spread = np.repeat(absmax, blocksize)[: flat.size]
    found = Packed(
        stored,
        (table[codes] * spread).reshape(linear.shape),
        np.array(codes, np.int64).reshape(linear.shape),
        spread.reshape(linear.shape),
        config={"quant_method": "bitsandbytes", "load_in_4bit": True},
    )
    return _turned(found) if conv else found


def bnb8(weight: Floats, *, conv: bool = False) -> Packed:
    """bitsandbytes int8: the largest magnitude of each output stands for 127."""
    linear = weight.T if conv else weight
    most = np.abs(linear).max(axis=1).astype(np.float32)
    codes = np.rint(linear / most[:, None] * 127).astype(np.int8)
    scales = np.repeat(most[:, None] * np.float32(1 / 127), linear.shape[1], axis=1)
    stored = {".weight": codes, ".SCB": most, ".weight_format": np.array(0, np.uint8)}
    found = Packed(stored, codes.astype(np.float32) * scales, codes.astype(np.int64), scales)
    found.config = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    return _turned(found) if conv else found


def _turned(packed: Packed) -> Packed:
    packed.values, packed.codes, packed.scales = (
        packed.values.T, packed.codes.T, packed.scales.T,
    )  # fmt: skip
    return packed


def _spread(
    stored: dict[str, NDArray[Any]],
    codes: Integers,
    scales: Floats,
    zeros: Integers,
    config: dict[str, Any],
    conv: bool,
) -> Packed:
    values = (codes - zeros).astype(np.float32) * scales
    arrays = [values, codes, scales, zeros]
    if conv:
        arrays = [array.T for array in arrays]
    return Packed(stored, *arrays, config)  # type: ignore[arg-type]
