"""GPTQ: 2, 3, 4 or 8 bits, groups along the inputs, zero points, inputs in any order.

A module stores, all of them transposed against the weight of a linear module:

``qweight``
    ``(in · bits / 32, out)`` words of codes that follow each other along the inputs.
``qzeros``
    ``(groups, out · bits / 32)`` words of zero points along the outputs; in version 1 of the
    format each is one less, modulo the number of codes.
``scales``
    ``(groups, out)``.
``g_idx``
    ``(in,)``: the group of each input, in any order where activations were sorted
    ("act-order").

The value is ``(code - zero) · scale``. Source: ``AutoGPTQ/auto_gptq/nn_modules/qlinear``
(``pack`` and ``forward`` of the CUDA module) and the "gptq_v2" format of GPTQModel.
"""

from collections.abc import Mapping
from typing import Any

from ..tensor import Checkpoint, LazyTensor
from .configuration import announced, is_conv1d
from .found import Found
from .modules import Misfit, collect, endings, grouping, matrix, oriented, packed_words
from .packing import Packing
from .plates import Constant, PackedCodes, Plate
from .scaled import ScaledTensor

__all__ = ["find_gptq"]

BITS = (2, 3, 4, 8)
PARTS = endings(".qweight", ".qzeros", ".scales", ".g_idx")

READABLE = frozenset({"", "gptq", "gptq_v2"})
"""Values of ``checkpoint_format`` whose tensors lie as described above."""


def find_gptq(checkpoint: Checkpoint) -> Found:
    """Modules with ``qweight`` whose codes follow each other along the inputs."""

    def build(module: str) -> LazyTensor | None:
        return _tensor(checkpoint, module) if _looks_so(checkpoint, module) else None

    found = Found("GPTQ")
    collect(checkpoint, found, ".qweight", build, PARTS)
    return found


def _looks_so(checkpoint: Checkpoint, module: str) -> bool:
    """Whether a word of codes belongs to one output: AWQ's hold several."""
    scales = checkpoint.get(f"{module}.scales")
    words = checkpoint[f"{module}.qweight"]
    if words.dtype.itemsize != 4 and announced(checkpoint).method not in ("", "gptq"):
        return False
    if scales is None or scales.ndim != 2 or words.ndim != 2:
        return True
    return words.shape[1] * 8 != scales.shape[1]


def _tensor(checkpoint: Checkpoint, module: str) -> LazyTensor:
    config = checkpoint.quantisation
    said = announced(checkpoint)
    layout = str(config.get("checkpoint_format") or _packing_format(config)).lower()
    if config.get("is_marlin_format"):
        layout = "marlin"
    if layout not in READABLE:
        raise Misfit(f"its tensors lie as {layout} kernels want them, which is not read")
    words = packed_words(checkpoint, f"{module}.qweight")
    scales = matrix(checkpoint, f"{module}.scales", "f")
    groups, outputs = scales.shape
    if words.shape[1] != outputs:
        raise Misfit(f"its qweight {words.shape} and scales {scales.shape} do not fit")
    has_zeros = f"{module}.qzeros" in checkpoint
    zeros = packed_words(checkpoint, f"{module}.qzeros") if has_zeros else None
    order = checkpoint.get(f"{module}.g_idx")
    bits, inputs = _sizes(words, zeros, order, outputs, said.bits)
    if zeros is not None and zeros.shape != (groups, -(-outputs * bits // 32)):
        raise Misfit(f"its qzeros {zeros.shape} do not fit {groups} groups of {outputs} outputs")
    width = grouping(inputs, groups, said.groups)

    conv = is_conv1d(checkpoint, module)
    turned = not conv
    name = f"{module}.weight"
    shape = (inputs, outputs) if conv else (outputs, inputs)
    packing = Packing(bits)
    codes = PackedCodes(f"{name}.codes", shape, Plate.of(words, turned), packing, down=conv)
    grid = (groups, outputs) if conv else (outputs, groups)
    zero: LazyTensor
    if zeros is None:
        zero = Constant(f"{name}.zeros", grid, 1 << (bits - 1))
    else:
        zero = PackedCodes(
            f"{name}.zeros",
            grid,
            Plate.of(zeros, turned),
            packing,
            down=turned,
            plus=layout != "gptq_v2",
        )
    words_ = f"GPTQ {bits}-bit, " + (
        "one scale per output" if groups == 1 else f"groups of {width}"
    )
    if order is not None and config.get("desc_act"):
        words_ += ", act-order"
    stored = [words, scales, *(one for one in (zeros, order) if one is not None)]
    return ScaledTensor(
        name,
        shape,
        words_,
        codes,
        oriented(f"{name}.scales", scales, *grid, turned),
        (width, 1) if conv else (1, width),
        zeros=zero,
        listed=None if order is None else (0 if conv else 1, order),
        nbytes=sum(one.nbytes for one in stored),
    )


def _sizes(
    words: LazyTensor,
    zeros: LazyTensor | None,
    order: LazyTensor | None,
    outputs: int,
    said: tuple[int, ...],
) -> tuple[int, int]:
    """Bits of a code and number of inputs, from shapes wherever they tell."""
    if order is not None:
        if order.ndim != 1 or order.dtype.kind not in "iu" or not order.size:
            raise Misfit(f"its g_idx is {order.stored} {order.shape}")
        inputs = order.shape[0]
        fitting = [b for b in BITS if -(-inputs * b // 32) == words.shape[0]]
    elif zeros is not None:
        fitting = [b for b in BITS if -(-outputs * b // 32) == zeros.shape[1]]
    else:
        fitting = list(BITS)
    agreed = [b for b in fitting if b in said]
    if not agreed and len(fitting) == 1:
        agreed = fitting
    if not agreed:
        raise Misfit(f"its bits cannot be told from qweight {words.shape} and the configuration")
    bits = agreed[0]
    if order is None:
        inputs = words.shape[0] * 32 // bits
    return bits, inputs


def _packing_format(config: Mapping[str, Any]) -> str:
    """AutoRound names the layout that it packed for, e.g. ``"auto_round:auto_gptq"``."""
    said = str(config.get("packing_format") or "")
    return said.removeprefix("auto_round:").removeprefix("auto_")
