"""compressed-tensors "pack-quantized": integers of 1 to 8 bits in words of 32.

A module stores ``weight_packed`` ``(out, in · bits / 32)``, the lowest bits first,
``weight_scale`` ``(out, groups)``, ``weight_shape`` (two numbers: the packed width may be
padded), where it is not symmetric ``weight_zero_point`` ``(out · bits / 32, groups)`` packed
along the outputs, and with sorted activations ``weight_g_idx`` ``(in,)``. Codes and zero
points are stored with half the number of codes added, so that they are not negative.

Source: ``compressed_tensors/compressors/quantized_compressors/pack_quantized.py``.
"""

import numpy as np

from ..tensor import Checkpoint, LazyTensor
from .configuration import announced
from .found import Found
from .modules import Misfit, collect, contents, fitted, in_words, packed_words, require
from .packing import Packing
from .plates import Constant, PackedCodes, Plate
from .scaled import ScaledTensor

__all__ = ["find_packed"]

BITS = (4, 8, 2, 1)
"""Sizes of codes that fill words; the likeliest first."""

PARTS = ("packed", "scale", "zero_point", "shape", "g_idx", "global_scale")


def find_packed(checkpoint: Checkpoint) -> Found:
    """Modules with ``weight_packed`` in words of 32 bits."""
    mark = ".weight_packed"
    modules = [name.removesuffix(mark) for name in checkpoint if name.endswith(mark)]
    shapes = contents(checkpoint, (f"{module}.weight_shape" for module in modules))

    def build(module: str) -> LazyTensor | None:
        if checkpoint[module + mark].stored not in ("I32", "U32"):
            return None
        return _tensor(checkpoint, module, shapes.get(f"{module}.weight_shape"))

    found = Found("compressed-tensors")
    collect(
        checkpoint,
        found,
        mark,
        build,
        lambda module: (
            *(f"{module}.weight_{part}" for part in PARTS),
            f"{module}.input_scale",
            f"{module}.input_zero_point",
        ),
    )
    return found


def _tensor(checkpoint: Checkpoint, module: str, told: bytes | None) -> LazyTensor:
    said = announced(checkpoint)
    words = packed_words(checkpoint, f"{module}.weight_packed")
    stored_scales = require(checkpoint, f"{module}.weight_scale")
    order = checkpoint.get(f"{module}.weight_g_idx")
    zeros = checkpoint.get(f"{module}.weight_zero_point")
    if stored_scales.dtype.kind != "f":
        raise Misfit(f"its scales are {stored_scales.stored}")
    outputs, width = words.shape
    inputs = _told_inputs(checkpoint, module, told, outputs)
    bits = next((b for b in (*said.bits, *BITS) if b in BITS and -(-inputs * b // 32) == width), 0)
    if not bits:
        raise Misfit(f"{inputs} inputs of {said.bits or 'any'} bits do not fill {width} words")
    name, shape = f"{module}.weight", (outputs, inputs)
    packing = Packing(bits)
    codes = PackedCodes(f"{name}.codes", shape, Plate.of(words, False), packing, down=False)
    scales, block = fitted(f"{name}.scales", stored_scales, shape, columns=said.groups)
    if order is not None and (order.shape != (inputs,) or order.dtype.kind not in "iu"):
        raise Misfit(f"its weight_g_idx is {order.stored} {order.shape}")
    grid = (scales.shape[-2], scales.shape[-1])
    zero: LazyTensor = Constant(f"{name}.zeros", grid, 1 << (bits - 1))
    if zeros is not None:
        zeros = packed_words(checkpoint, f"{module}.weight_zero_point")
        if zeros.shape != (-(-grid[0] * bits // 32), grid[1]):
            raise Misfit(f"its zero points {zeros.shape} do not fit scales {grid}")
        zero = PackedCodes(f"{name}.zeros", grid, Plate.of(zeros, False), packing, down=True)
    parts = [words, stored_scales, *(one for one in (zeros, order) if one is not None)]
    return ScaledTensor(
        name,
        shape,
        f"compressed-tensors int{bits}, {in_words(block, shape)}"
        + (", act-order" if order is not None else ""),
        codes,
        scales,
        block,
        zeros=zero,
        listed=None if order is None else (1, order),
        nbytes=sum(one.nbytes for one in parts),
    )


def _told_inputs(checkpoint: Checkpoint, module: str, told: bytes | None, outputs: int) -> int:
    """The number of inputs that ``weight_shape`` gives."""
    tensor = require(checkpoint, f"{module}.weight_shape")
    if told is None or tensor.size != 2 or tensor.dtype.kind not in "iu":
        raise Misfit(f"its weight_shape is {tensor.stored} {tensor.shape}")
    rows, columns = np.frombuffer(told, tensor.dtype).tolist()
    if rows != outputs or columns < 1:
        raise Misfit(f"its weight_shape is {rows} × {columns}, but it has {outputs} outputs")
    return int(columns)
