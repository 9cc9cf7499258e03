"""Schemes of quantisation that are known by name but not read."""

from ..tensor import Checkpoint
from .configuration import announced
from .found import Found

__all__ = ["find_foreign"]

FOREIGN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("AQLM", ".codebooks", (".codes", ".scales")),
    ("BitNet", ".weight_scale", (".weight",)),
    ("compressed-tensors sparse bitmasks", ".weight.bitmask",
     (".weight.compressed", ".weight.shape", ".weight.row_offsets")),
    ("EETQ", ".weight_scales", (".weight",)),
    ("FP-Quant", ".forward_hadamard_matrix",
     (".backward_hadamard_matrix", ".qweight", ".scales", ".dqweight", ".weight_global_scale",
      ".act_global_scale")),
    ("HIGGS", ".tables2", (".weight", ".scales", ".tables")),
    ("HQQ", ".W_q",
     (".scale", ".zero", ".meta", ".nbits", ".group_size", ".axis", ".shape", ".packing",
      ".view_as_float", ".unpack_view_dtype", ".compute_dtype", ".quant_scale", ".quant_zero",
      ".channel_wise", ".optimize", ".round_zero", ".encoded_state_dict", ".offload_meta",
      ".stores_quant_config")),
    ("Marlin", ".B", (".s", ".workspace")),
    ("Marlin 2:4", ".B_24", (".B_meta", ".s", ".workspace")),
    ("Marlin 2:4", ".scale_packed", (".weight_packed", ".meta", ".weight_shape")),
    ("Quanto", ".weight._data", (".weight._scale", ".weight._shift", ".input_scale",
     ".output_scale")),
    ("QuIP#", ".Qidxs", (".SU", ".SV", ".Wscale", ".codebook_id", ".A", ".B", ".fuse_scales")),
    ("QuIP#", ".Qidxs_0", (".SU", ".SV", ".Wscale", ".codebook_id", ".fuse_scales")),
    ("SpQR", ".dense_weights", (".row_offsets", ".col_vals", ".in_perm")),
    ("torchao", "._weight_qdata", ("._weight_scale", "._weight_zero_point")),
    ("torchao", ".weight:qdata", (".weight:scale", ".weight:zero_point")),
    ("VPTQ", ".centroids.weight",
     (".indices", ".perm", ".weight_scale", ".weight_bias", ".res_centroids.weight",
      ".outlier_centroids.weight", ".outlier_indices", ".res_indices")),
)  # fmt: skip
"""Scheme; what the name of one tensor of a module ends in; what those of its others do."""

READ = frozenset(
    {
        "", "gptq", "awq", "fp8", "fbgemm_fp8", "mxfp4", "compressed-tensors", "bitsandbytes",
        "bitsandbytes_4bit", "bitsandbytes_8bit", "auto-round", "intel/auto-round", "modelopt",
        "gguf",
    }
)  # fmt: skip
"""Values of ``quant_method`` whose tensors other readers look for."""

_LAST = frozenset(mark.rpartition(".")[2] for _, mark, _ in FOREIGN)


def find_foreign(checkpoint: Checkpoint) -> Found:
    """Modules quantised in a way that is not read, named after it."""
    found = Found("")
    method = announced(checkpoint).method
    names = [name for name in checkpoint if name.rpartition(".")[2] in _LAST]
    schemes: dict[str, None] = {}
    for scheme, mark, others in FOREIGN:
        if scheme == "BitNet" and method != "bitnet":
            continue  # Others have scales of this name, too.
        for name in names:
            if not name.endswith(mark):
                continue
            module = name.removesuffix(mark)
            parts = [part for other in others if (part := module + other) in checkpoint]
            if not parts:
                continue
            schemes[scheme] = None
            found.unreadable[f"{module}.weight"] = (
                f"quantised with {scheme}, which this version does not read"
            )
            found.side_data.update((name, *parts))
    found.scheme = " ".join(schemes)
    if method not in READ and not schemes and _has_integers(checkpoint):
        found.notes.append(
            f"The configuration announces tensors quantised with {method}, which this version "
            f"does not know; integers are shown as they are stored."
        )
        found.scheme = method
    return found


def _has_integers(checkpoint: Checkpoint) -> bool:
    return any(one.ndim > 1 and one.dtype.kind in "iu" for one in checkpoint.values())
