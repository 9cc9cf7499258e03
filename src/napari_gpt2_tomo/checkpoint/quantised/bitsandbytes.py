"""bitsandbytes: NF4 and FP4 in flat blocks, and int8 with a scale for each output.

Four bits
    ``weight`` bytes of two codes each, the upper nibble first, of the flattened tensor;
    ``weight.quant_map`` what the 16 codes stand for; ``weight.absmax`` the scale of each
    block of 64 (or so) values; ``weight.quant_state.bitsandbytes__nf4`` JSON with the shape
    and the size of blocks. With double quantisation ``absmax`` is a byte that stands for
    ``nested_quant_map[byte] · nested_absmax[byte number // 256] + nested_offset``.
Eight bits
    ``weight`` I8 ``(out, in)`` and ``SCB`` ``(out,)``: the value is ``code · SCB / 127``.

Source: ``bitsandbytes/functional.py`` (``QuantState.as_dict``, ``dequantize_4bit``,
``int8_vectorwise_dequant``).
"""

import json
import math
from typing import Any

from ..tensor import Checkpoint, LazyTensor
from .configuration import is_conv1d, number
from .found import Found
from .modules import Misfit, collect, contents, endings, require
from .packing import Packing
from .plates import Multiplied, Oriented, PackedCodes, Plate
from .scaled import FlatTensor, ScaledTensor

__all__ = ["find_bitsandbytes"]

KINDS = {"nf4": "NF4", "fp4": "FP4"}
STATE = ".quant_state.bitsandbytes__"
PARTS = (".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map")
NIBBLES = Packing(4, (1, 0))
INT8_RANGE = 127.0


def find_bitsandbytes(checkpoint: Checkpoint) -> Found:
    """Tensors with a quantisation state of bitsandbytes, and modules with ``SCB``."""
    found = Found("bitsandbytes")
    states = contents(checkpoint, (name for name in checkpoint if STATE in name))
    for kind in KINDS:
        mark = STATE + kind

        def build(base: str, kind: str = kind, mark: str = mark) -> LazyTensor:
            return _four_bits(checkpoint, base, kind, states.get(base + mark))

        collect(checkpoint, found, mark, build, endings(mark, *PARTS), name="")
    collect(
        checkpoint,
        found,
        ".SCB",
        lambda module: _eight_bits(checkpoint, module),
        endings(".SCB", ".weight_format"),
    )
    return found


def _four_bits(checkpoint: Checkpoint, base: str, kind: str, state: bytes | None) -> LazyTensor:
    told = _parsed(state)
    shape, blocksize = _sizes(told)
    size = math.prod(shape)
    packed = require(checkpoint, base)
    if packed.size != -(-size // 2) or packed.dtype.itemsize != 1:
        raise Misfit(f"its {packed.nbytes} bytes do not hold {size} codes")
    table = require(checkpoint, f"{base}.quant_map")
    if table.size != 16 or table.dtype.kind != "f":
        raise Misfit(f"its quant_map is {table.stored} {table.shape}")
    blocks = -(-size // blocksize)
    absmax = require(checkpoint, f"{base}.absmax")
    if absmax.size != blocks:
        raise Misfit(f"it has {absmax.size} scales for {blocks} blocks")
    parts = [packed, table, absmax]
    nested = f"{base}.nested_absmax" in checkpoint
    if nested:
        inner = _nested(checkpoint, base, absmax, told)
        parts += [inner.scales, require(checkpoint, f"{base}.nested_quant_map")]
        absmax = inner
    elif absmax.dtype.kind != "f":
        raise Misfit(f"its scales are {absmax.stored}")
    turned = len(shape) == 2 and is_conv1d(checkpoint, base.removesuffix(".weight"))
    words = f"bitsandbytes {KINDS[kind]}, blocks of {blocksize}"
    return _blocks(
        base,
        shape,
        words + (", scales quantised too" if nested else ""),
        packed,
        absmax,
        blocksize,
        table,
        turned,
        sum(one.nbytes for one in parts),
    )


def _blocks(
    base: str,
    shape: tuple[int, ...],
    words: str,
    packed: LazyTensor,
    scales: LazyTensor,
    blocksize: int,
    table: LazyTensor,
    turned: bool,
    nbytes: int,
) -> LazyTensor:
    """A tensor in flat blocks: by rows where they are whole blocks, which reads less."""
    width = shape[-1]
    if len(shape) < 2 or width % blocksize:
        size = math.prod(shape)
        codes = PackedCodes(
            f"{base}.codes", (size,), Plate(packed, 1, packed.size), NIBBLES, down=False
        )
        flat = ScaledTensor(
            base, (size,), words, codes, scales, (1, blocksize), table=table, nbytes=nbytes
        )
        return FlatTensor(base, shape[::-1] if turned else shape, flat, turned=turned)
    height = shape[-2]
    half, grid = (height, width // 2), (height, width // blocksize)
    block = (1, blocksize)
    if turned:
        shape, half, grid, block = shape[::-1], half[::-1], grid[::-1], block[::-1]
    lead = shape[:-2]
    return ScaledTensor(
        base,
        shape,
        words,
        PackedCodes(f"{base}.codes", shape, Plate(packed, *half, turned), NIBBLES, down=turned),
        Oriented(f"{base}.scales", (*lead, *grid), Plate(scales, *grid, turned)),
        block,
        table=table,
        nbytes=nbytes,
    )


def _nested(
    checkpoint: Checkpoint, base: str, codes: LazyTensor, told: dict[str, Any]
) -> ScaledTensor:
    """Scales that are quantised themselves."""
    scales = require(checkpoint, f"{base}.nested_absmax")
    table = require(checkpoint, f"{base}.nested_quant_map")
    blocksize, offset = number(told.get("nested_blocksize")), told.get("nested_offset")
    if blocksize < 1 or not isinstance(offset, int | float):
        raise Misfit("its quantisation state does not say how its scales are quantised")
    if scales.dtype.kind != "f" or table.dtype.kind != "f":
        raise Misfit(f"its scales of scales are {scales.stored}, their table {table.stored}")
    if codes.stored != "U8" or table.size != 256 or scales.size != -(-codes.size // blocksize):
        raise Misfit(
            f"its {codes.size} {codes.stored} scales, {scales.size} scales of scales and "
            f"{table.size} entries of a table do not fit"
        )
    return ScaledTensor(
        f"{base}.scales",
        (codes.size,),
        f"8-bit, blocks of {blocksize}",
        codes,
        scales,
        (1, blocksize),
        table=table,
        offset=float(offset),
        nbytes=codes.nbytes + scales.nbytes + table.nbytes,
    )


def _parsed(state: bytes | None) -> dict[str, Any]:
    try:
        told = json.loads((state or b"").decode())
    except (ValueError, RecursionError) as error:
        raise Misfit(f"its quantisation state is not readable ({error})") from error
    if not isinstance(told, dict):
        raise Misfit("its quantisation state is no JSON object")
    return told


def _sizes(told: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """The tensor's shape and the size of its blocks."""
    shape, blocksize = told.get("shape"), number(told.get("blocksize"))
    if (
        not isinstance(shape, list)
        or not 0 < len(shape) <= 4
        or not all(0 < number(n) < 2**40 for n in shape)
        or blocksize < 2
        or blocksize % 2
    ):
        raise Misfit(f"its quantisation state gives shape {shape} and blocks of {blocksize}")
    return tuple(shape), blocksize


def _eight_bits(checkpoint: Checkpoint, module: str) -> LazyTensor | None:
    name = f"{module}.weight"
    raw = require(checkpoint, name)
    if raw.stored != "I8":
        return None
    layout = contents(checkpoint, [f"{module}.weight_format"]).get(f"{module}.weight_format")
    if layout is not None and any(layout):
        raise Misfit(f"its weight lies in tiles (format {layout[0]}), which is not read")
    scb = checkpoint[f"{module}.SCB"]
    if raw.ndim != 2 or not raw.size or scb.size != raw.shape[0] or scb.dtype.kind != "f":
        raise Misfit(f"its weight {raw.shape} and SCB {scb.stored} {scb.shape} do not fit")
    outputs, inputs = raw.shape
    if is_conv1d(checkpoint, module):
        shape, grid, block = (inputs, outputs), (1, outputs), (inputs, 1)
        codes: LazyTensor = Oriented(f"{name}.codes", shape, Plate.of(raw, True))
    else:
        shape, grid, block, codes = (outputs, inputs), (outputs, 1), (1, inputs), raw
    scales = Oriented(f"{name}.scales", grid, Plate(scb, *grid))
    return ScaledTensor(
        name,
        shape,
        "bitsandbytes int8, one scale per output",
        codes,
        Multiplied(f"{name}.scales", scales, 1 / INT8_RANGE),
        block,
        nbytes=raw.nbytes + scb.nbytes,
    )
