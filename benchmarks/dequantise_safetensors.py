"""Matrices of quantised safetensors files, and what plain PyTorch makes of their bytes.

The peers are written as the tools' own fallbacks for processors are: shift, mask, subtract,
scale, each over the whole tensor, in float32.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

N = 4096
"""Rows and columns: a matrix of attention of a model of 7 billion parameters."""

GROUP = 128
BLOCK = 64
NIBBLES = (0, 4, 1, 5, 2, 6, 3, 7)
E2M1 = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)


@dataclass
class Case:
    """A quantised tensor: its name in the file that is opened, and what PyTorch makes of it."""

    name: str
    theirs: Callable[[], torch.Tensor]


def write(path: Path) -> list[Case]:
    """A file with a tensor of every scheme."""
    rng = np.random.default_rng(1)
    stored: dict[str, NDArray[np.generic]] = {}
    cases: list[Case] = []

    def words(rows: int, columns: int) -> NDArray[np.int32]:
        return rng.integers(0, 2**32, (rows, columns), np.uint32).view(np.int32)

    def keep(module: str, name: str, array: NDArray[np.generic]) -> torch.Tensor:
        stored[f"{module}{name}"] = array
        return torch.from_numpy(np.ascontiguousarray(array))

    scales = rng.uniform(0.001, 0.02, (N // GROUP, N)).astype(np.float16)
    for module, bits, order in (
        ("gptq 4", 4, np.arange(N) // GROUP),
        ("gptq 4 act-order", 4, rng.permutation(N) // GROUP),
        ("gptq 8", 8, np.arange(N) // GROUP),
        ("gptq 2", 2, np.arange(N) // GROUP),
    ):
        parts = (
            keep(module, ".qweight", words(N * bits // 32, N)),
            keep(module, ".qzeros", words(N // GROUP, N * bits // 32)),
            keep(module, ".scales", scales),
            keep(module, ".g_idx", order.astype(np.int32)),
        )
        cases.append(Case(f"{module}.weight", lambda p=parts, b=bits: gptq(*p, b)))
    # Three bits have no peer: codes straddle words, which has no plain expression.
    awq_parts = (
        keep("awq", ".qweight", words(N, N // 8)),
        keep("awq", ".qzeros", words(N // GROUP, N // 8)),
        keep("awq", ".scales", scales),
    )
    cases.append(Case("awq.weight", lambda: awq(*awq_parts)))
    fp8_codes = rng.integers(0, 127, (N, N), np.uint8)
    stored["fp8.weight"] = fp8_codes.view(ml_dtypes.float8_e4m3fn)
    fp8_weight = torch.from_numpy(fp8_codes).view(torch.float8_e4m3fn)
    fp8_scales = keep("fp8", ".weight_scale_inv", np.full((N // 128, N // 128), 0.1, np.float32))
    cases.append(Case("fp8.weight", lambda: fp8(fp8_weight, fp8_scales)))
    blocks = keep("mxfp4", "_blocks", rng.integers(0, 256, (1, N, N // 32, 16), np.uint8))
    powers = keep("mxfp4", "_scales", rng.integers(110, 125, (1, N, N // 32), np.uint8))
    cases.append(Case("mxfp4", lambda: mxfp4(blocks, powers)))
    packed = keep("nf4", ".weight", rng.integers(0, 256, (N * N // 2, 1), np.uint8))
    table = keep("nf4", ".weight.quant_map", np.linspace(-1, 1, 16).astype(np.float32))
    absmax = keep("nf4", ".weight.absmax", rng.uniform(0.1, 1, N * N // BLOCK).astype(np.float32))
    state = {"quant_type": "nf4", "blocksize": BLOCK, "dtype": "float16", "shape": [N, N]}
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    stored["nf4.weight.quant_state.bitsandbytes__nf4"] = text
    cases.append(Case("nf4.weight", lambda: nf4(packed, table, absmax)))
    save_file(stored, path)
    return cases


def _unpacked(packed: torch.Tensor, shifts: torch.Tensor, bits: int, axis: int) -> torch.Tensor:
    codes = torch.bitwise_right_shift(packed.unsqueeze(axis), shifts) & ((1 << bits) - 1)
    return codes.flatten(axis - 1, axis)


def gptq(
    qweight: torch.Tensor, qzeros: torch.Tensor, scales: torch.Tensor, order: torch.Tensor,
    bits: int,
) -> torch.Tensor:  # fmt: skip
    """``(out, in)`` of a GPTQ module."""
    shifts = torch.arange(0, 32, bits, dtype=torch.int32)
    codes = _unpacked(qweight, shifts[None, :, None], bits, 1)
    zeros = (_unpacked(qzeros, shifts[None, None], bits, 2) + 1) & ((1 << bits) - 1)
    index = order.long()
    return ((codes - zeros[index]).float() * scales.float()[index]).T.contiguous()


def awq(qweight: torch.Tensor, qzeros: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """``(out, in)`` of an AWQ module."""
    shifts = 4 * torch.tensor(NIBBLES, dtype=torch.int32)[None, None]
    codes = _unpacked(qweight, shifts, 4, 2)
    zeros = _unpacked(qzeros, shifts, 4, 2).repeat_interleave(GROUP, 0)
    return ((codes - zeros).float() * scales.float().repeat_interleave(GROUP, 0)).T.contiguous()


def fp8(weight: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """A matrix of one-byte floats with a scale a block."""
    return weight.float() * scales.repeat_interleave(128, 0).repeat_interleave(128, 1)


def mxfp4(blocks: torch.Tensor, powers: torch.Tensor) -> torch.Tensor:
    """``(expert, in, out)`` of the experts of GPT-OSS."""
    table = torch.from_numpy(E2M1)
    pairs = torch.stack((table[(blocks & 15).long()], table[(blocks >> 4).long()]), -1)
    values = torch.ldexp(pairs.flatten(-2), powers.int().unsqueeze(-1) - 127)
    return values.flatten(-2).transpose(1, 2).contiguous()


def nf4(packed: torch.Tensor, table: torch.Tensor, absmax: torch.Tensor) -> torch.Tensor:
    """A matrix of bitsandbytes."""
    flat = packed.reshape(-1)
    values = torch.stack((table[(flat >> 4).long()], table[(flat & 15).long()]), -1)
    return (values.reshape(-1, BLOCK) * absmax[:, None]).reshape(N, N)
