"""Four-bit floats (E2M1) in blocks with a scale each: MXFP4 and NVFP4.

GPT-OSS
    ``experts.gate_up_proj_blocks`` ``(expert, out, in / 32, 16)`` bytes of two codes each, the
    lower nibble first, and ``experts.gate_up_proj_scales`` ``(expert, out, in / 32)`` powers
    of two (E8M0). The unquantised model has ``(expert, in, out)``. In OpenAI's own files they
    are called ``mlp1_weight.blocks`` and ``mlp1_weight.scales``, of ``(expert, out, in)``.
compressed-tensors
    ``weight_packed`` ``(out, in / 2)`` bytes, and ``weight_scale``: E8M0 for each 32 inputs
    ("mxfp4-pack-quantized"), or E4M3 for each 16, divided by ``weight_global_scale``
    ("nvfp4-pack-quantized").
ModelOpt
    ``weight`` ``(out, in / 2)`` bytes, ``weight_scale`` E4M3 for each 16 inputs, times
    ``weight_scale_2``.

References
----------
OCP Microscaling Formats (MX) specification 1.0; ``convert_moe_packed_tensors`` in
``transformers/integrations/mxfp4.py``; ``gpt_oss/torch/weights.py``; compressed-tensors
``compressors/nvfp4``.
"""

from collections.abc import Iterable
from functools import partial

from ..stored import StoredTensor
from ..tensor import Checkpoint, LazyTensor
from .elementwise import ACTIVATIONS
from .found import Found
from .modules import Misfit, collect, endings, fitted, in_words, require
from .packing import Packing
from .plates import Multiplied, Oriented, PackedCodes, Plate
from .scaled import ScaledTensor

__all__ = ["find_mxfp4", "find_nvfp4"]

NIBBLES = Packing(4)
BLOCK = 32
"""Values that share a scale in MXFP4."""


def find_mxfp4(checkpoint: Checkpoint) -> Found:
    """Tensors in blocks of 32 four-bit floats."""
    found = Found("MXFP4")
    for ends, turned in ((("_blocks", "_scales"), True), ((".blocks", ".scales"), False)):
        build = partial(_blocked, checkpoint, ends=ends, turned=turned)
        collect(checkpoint, found, ends[0], build, endings(*ends), name="")
    collect(
        checkpoint,
        found,
        ".weight_packed",
        lambda module: _rows(checkpoint, module, f"{module}.weight_packed", "MXFP4"),
        lambda module: _parts(module, "weight_packed"),
    )
    return found


def find_nvfp4(checkpoint: Checkpoint) -> Found:
    """Tensors in groups of 16 four-bit floats whose scales have a scale themselves."""
    found = Found("NVFP4")
    for mark, raw in (("weight_packed", "weight_packed"), ("weight_scale_2", "weight")):

        def build(module: str, raw: str = raw) -> LazyTensor | None:
            return _rows(checkpoint, module, f"{module}.{raw}", "NVFP4")

        def parts(module: str, raw: str = raw) -> Iterable[str]:
            return _parts(module, raw) if raw != "weight" else _parts(module, "weight_scale")

        collect(checkpoint, found, f".{mark}", build, parts)
    return found


def _parts(module: str, raw: str) -> Iterable[str]:
    own = (raw, "weight_scale", "weight_scale_2", "weight_global_scale", "weight_shape")
    return (f"{module}.{name}" for name in (*own, *ACTIVATIONS))


def _blocked(
    checkpoint: Checkpoint, base: str, *, ends: tuple[str, str], turned: bool
) -> LazyTensor | None:
    """A stack of matrices in blocks of 16 bytes."""
    packed = checkpoint[base + ends[0]]
    if packed.stored != "U8":
        return None
    powers = require(checkpoint, base + ends[1])
    if packed.ndim < 3 or packed.shape[-1] * 2 != BLOCK or powers.shape != packed.shape[:-1]:
        raise Misfit(f"its blocks {packed.shape} and scales {powers.shape} do not fit")
    *lead, outputs, groups, _ = packed.shape
    inputs = groups * BLOCK
    rows, columns = (inputs, outputs) if turned else (outputs, inputs)
    shape = (*lead, rows, columns)
    half = (inputs // 2, outputs) if turned else (outputs, inputs // 2)
    codes = PackedCodes(f"{base}.codes", shape, Plate(packed, *half, turned), NIBBLES, down=turned)
    grid = (groups, outputs) if turned else (outputs, groups)
    return ScaledTensor(
        base,
        shape,
        f"MXFP4, blocks of {BLOCK}",
        codes,
        Oriented(f"{base}.scales", (*lead, *grid), Plate(_powers(powers), *grid, turned)),
        (BLOCK, 1) if turned else (1, BLOCK),
        table="F4",
        nbytes=packed.nbytes + powers.nbytes,
    )


def _rows(checkpoint: Checkpoint, module: str, raw: str, scheme: str) -> LazyTensor | None:
    """A matrix of two codes a byte along the inputs; None if it is of another scheme."""
    packed = checkpoint.get(raw)
    scales = checkpoint.get(f"{module}.weight_scale")
    if packed is None or scales is None or packed.stored != "U8" or packed.ndim < 2:
        return None
    name = f"{module}.weight"
    if scheme == "MXFP4":
        if scales.stored not in ("U8", "F8_E8M0"):
            return None
        scales, stored = _powers(scales), scales.nbytes
    else:
        over = checkpoint.get(f"{module}.weight_global_scale")
        times = checkpoint.get(f"{module}.weight_scale_2")
        factor = over if over is not None else times
        if scales.stored != "F8_E4M3" or factor is None:
            return None
        if factor.size != 1 or factor.dtype.kind != "f":
            raise Misfit(f"its scale of scales is {factor.stored} {factor.shape}")
        scales = Multiplied(f"{name}.scales", scales, factor, divides=over is not None)
        stored = scales.nbytes
    shape = (*packed.shape[:-1], packed.shape[-1] * 2)
    plate = Plate(packed, packed.shape[-2], packed.shape[-1])
    scales, block = fitted(f"{name}.scales", scales, shape)
    return ScaledTensor(
        name,
        shape,
        f"{scheme}, {in_words(block, shape)}",
        PackedCodes(f"{name}.codes", shape, plate, NIBBLES, down=False),
        scales,
        block,
        table="F4",
        nbytes=packed.nbytes + stored,
    )


def _powers(scales: LazyTensor) -> LazyTensor:
    """Bytes as powers of two."""
    if not isinstance(scales, StoredTensor) or scales.stored not in ("U8", "F8_E8M0"):
        raise Misfit(f"its scales are {scales.stored}")
    return scales.retyped("F8_E8M0")
