"""Weights stored as 8-bit floats or integers, one an element, with scales beside them.

* ``weight`` F8 with ``weight_scale_inv``: a scale for each block of 128 × 128, which values
  are multiplied by in spite of its name (DeepSeek-V3, ``inference/kernel.py``, and
  "finegrained_fp8" of transformers).
* ``weight`` F8 or I8 with ``weight_scale``: one for the tensor, for each output, for groups
  of inputs or for blocks (compressed-tensors "float-quantized", "int-quantized" and
  "naive-quantized", fbgemm, ModelOpt). ``weight_zero_point`` is the code of 0.
* Tensors of several matrices have scales of as many axes: ``gate_up_proj_scale``.

``input_scale`` and the like are about activations.
"""

from collections.abc import Iterable, Sequence

from ..dtypes import LUT
from ..stored import StoredTensor
from ..tensor import Checkpoint, LazyTensor
from .configuration import announced
from .found import Found
from .modules import Misfit, collect, fitted, in_words
from .plates import Oriented, Plate
from .scaled import ScaledTensor

__all__ = ["find_elementwise"]

KINDS = {
    "I8": "int8",
    "F8_E4M3": "FP8 E4M3",
    "F8_E5M2": "FP8 E5M2",
    "F8_E4M3FNUZ": "FP8 E4M3FNUZ",
    "F8_E5M2FNUZ": "FP8 E5M2FNUZ",
}
ACTIVATIONS = (
    "input_scale",
    "input_zero_point",
    "input_scale_ub",
    "input_global_scale",
    "output_scale",
    "output_zero_point",
    "activation_scale",
)
"""Tensors of a module that say how its activations are quantised."""

CACHES = ("k_scale", "v_scale", "k_zero_point", "v_zero_point", "q_scale", "prob_scale")
"""Tensors of an attention that say how its keys and values are quantised when they are kept."""

USUAL_BLOCK = 128
"""Rows and columns of a block, where the configuration does not say."""


def find_elementwise(checkpoint: Checkpoint) -> Found:
    """Matrices of 8-bit elements that have scales of their own."""
    said = announced(checkpoint)
    found = Found("8-bit")
    for suffix, usual in (("_scale_inv", (USUAL_BLOCK, USUAL_BLOCK)), ("_scale", None)):
        blocks = [*said.blocks, *([usual] if usual else [])]

        def build(
            base: str, suffix: str = suffix, blocks: list[tuple[int, int]] = blocks
        ) -> LazyTensor | None:
            return _tensor(checkpoint, base, suffix, blocks, said.groups)

        def parts(base: str, suffix: str = suffix) -> Iterable[str]:
            module = base.rpartition(".")[0]
            yield from (base + suffix, f"{base}_zero_point")
            yield from (f"{module}.{name}" for name in ACTIVATIONS)

        collect(checkpoint, found, suffix, build, parts, name="")
    if found.tensors:
        kinds = {str(tensor.scheme).split()[0] for _, tensor in found.tensors.values()}
        found.scheme = " ".join(sorted(kinds)).replace(",", "")
        ours = {name for name in checkpoint if name.rpartition(".")[2] in CACHES}
        found.side_data.update(name for name in ours if checkpoint[name].size == 1)
    return found


def _tensor(
    checkpoint: Checkpoint,
    base: str,
    suffix: str,
    blocks: Sequence[tuple[int, int]],
    groups: Sequence[int],
) -> LazyTensor | None:
    raw = checkpoint.get(base)
    if not isinstance(raw, StoredTensor) or raw.stored not in KINDS:
        return None
    scales = checkpoint[base + suffix]
    if raw.ndim < 2 or not raw.size:
        raise Misfit(f"it is {raw.stored} {raw.shape}")
    if scales.dtype.kind != "f":
        raise Misfit(f"its scales are {scales.stored}")
    scales, block = fitted(
        f"{base}.scales",
        scales,
        raw.shape,
        rows=[rows for rows, _ in blocks],
        columns=[*(columns for _, columns in blocks), *groups],
    )
    zeros = checkpoint.get(f"{base}_zero_point")
    if zeros is not None:
        if zeros.size != scales.size or zeros.dtype.kind not in "iu":
            raise Misfit(f"its zero points are {zeros.stored} {zeros.shape}")
        if zeros.shape != scales.shape:
            *_, rows, columns = scales.shape
            zeros = Oriented(f"{base}.zeros", scales.shape, Plate(zeros, rows, columns))
    is_float = raw.stored in LUT
    return ScaledTensor(
        base,
        raw.shape,
        f"{KINDS[raw.stored]}, {in_words(block, raw.shape)}",
        raw.retyped("U8") if is_float else raw,
        scales,
        block,
        zeros=zeros,
        table=raw.stored if is_float else None,
        nbytes=raw.nbytes + scales.nbytes + (0 if zeros is None else zeros.nbytes),
    )
