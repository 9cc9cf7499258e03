"""AWQ: 4 bits, groups along the inputs, words of codes along the outputs in a shuffled order.

A module stores ``qweight`` ``(in, out / 8)``, ``qzeros`` ``(groups, out / 8)`` and ``scales``
``(groups, out)``. Eight outputs that follow each other are the nibbles 0, 4, 1, 5, 2, 6, 3, 7
of a word, the lowest first. The value is ``(code - zero) · scale``.

Source: the "gemm" layout of ``AutoAWQ/awq/modules/linear/gemm.py`` and
``awq/utils/packing_utils.py``.
"""

from ..tensor import Checkpoint, LazyTensor
from .configuration import announced, is_conv1d
from .found import Found
from .modules import Misfit, collect, endings, grouping, matrix, oriented, packed_words
from .packing import Packing
from .plates import Constant, PackedCodes, Plate
from .scaled import ScaledTensor

__all__ = ["find_awq"]

PARTS = endings(".qweight", ".qzeros", ".scales")
PER_WORD = 8
"""Codes of a word."""
NIBBLES = Packing(4, (0, 4, 1, 5, 2, 6, 3, 7))
READABLE = frozenset({"", "gemm", "exllama", "awq"})
"""Values of ``version`` or of AutoRound's layout whose tensors lie as described above."""


def find_awq(checkpoint: Checkpoint) -> Found:
    """Modules with ``qweight`` whose codes of a word belong to eight outputs."""

    def build(module: str) -> LazyTensor | None:
        words = checkpoint[f"{module}.qweight"]
        scales = checkpoint.get(f"{module}.scales")
        if scales is None or scales.ndim != 2 or words.ndim != 2:
            return None
        if words.shape[1] * PER_WORD != scales.shape[1]:
            return None
        return _tensor(checkpoint, module)

    found = Found("AWQ")
    collect(checkpoint, found, ".qweight", build, PARTS)
    return found


def _tensor(checkpoint: Checkpoint, module: str) -> LazyTensor:
    layout = str(checkpoint.quantisation.get("version") or "").lower()
    if layout not in READABLE:
        raise Misfit(f"its tensors lie as {layout} kernels want them, which is not read")
    words = packed_words(checkpoint, f"{module}.qweight")
    scales = matrix(checkpoint, f"{module}.scales", "f")
    inputs, outputs = words.shape[0], scales.shape[1]
    groups = scales.shape[0]
    width = grouping(inputs, groups, announced(checkpoint).groups)
    conv = is_conv1d(checkpoint, module)
    turned = not conv
    name = f"{module}.weight"
    shape = (inputs, outputs) if conv else (outputs, inputs)
    grid = (groups, outputs) if conv else (outputs, groups)
    codes = PackedCodes(f"{name}.codes", shape, Plate.of(words, turned), NIBBLES, down=turned)
    stored = [words, scales]
    zeros: LazyTensor
    if f"{module}.qzeros" in checkpoint:
        packed = packed_words(checkpoint, f"{module}.qzeros")
        if packed.shape != (groups, words.shape[1]):
            raise Misfit(f"its qzeros {packed.shape} do not fit {groups} groups")
        stored.append(packed)
        zeros = PackedCodes(f"{name}.zeros", grid, Plate.of(packed, turned), NIBBLES, down=turned)
    else:
        zeros = Constant(f"{name}.zeros", grid, PER_WORD)
    return ScaledTensor(
        name,
        shape,
        "AWQ 4-bit, " + ("one scale per output" if groups == 1 else f"groups of {width}"),
        codes,
        oriented(f"{name}.scales", scales, *grid, turned),
        (width, 1) if conv else (1, width),
        zeros=zeros,
        nbytes=sum(one.nbytes for one in stored),
    )
