"""Damaged quantised tensors: missing with a reason, refused when read, or read; never a crash."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from checkpoint.quantised import packers
from checkpoint.quantised.packers import Packed
from checkpoint.writer import Sample, write_safetensors
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint

KINDS = ("I32", "U8", "F16", "F32", "I8", "I64", "F8_E4M3", "BF16", "BOOL", "C64", "F64", "I16")
ROUNDS = 60
"""Damaged files of each scheme."""


def weight(*shape: int) -> Any:
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


MAKERS: dict[str, Callable[[], Packed]] = {
    "gptq": lambda: packers.gptq(weight(16, 64), order=list(range(63, -1, -1))),
    "gptq 3": lambda: packers.gptq(weight(32, 64), 3),
    "awq": lambda: packers.awq(weight(16, 64)),
    "int4": lambda: packers.packed_int(weight(16, 64), symmetric=False),
    "fp8": lambda: packers.elementwise(weight(20, 48), ml_dtypes.float8_e4m3fn, (8, 16)),
    "mxfp4": lambda: packers.mxfp4(weight(2, 32, 8)),
    "nvfp4": lambda: packers.nvfp4(weight(8, 32)),
    "nf4": lambda: packers.bnb4(weight(8, 64), nested=True),
    "nf4 over rows": lambda: packers.bnb4(weight(7, 33), nested=True),
    "int8": lambda: packers.bnb8(weight(8, 12)),
}


def damaged(samples: dict[str, Sample], chance: random.Random) -> dict[str, Sample]:
    """Some tensors of other types or shapes, with other bytes, or left out."""
    found = dict(samples)
    seed = chance.randrange(2**31)
    for name, old in samples.items():
        shape = list(old.bits.shape)
        fate = chance.random()
        if fate < 0.15:
            found[name] = Sample.random(chance.choice(KINDS), tuple(shape), seed)
        elif fate < 0.3 and shape:
            axis = chance.randrange(len(shape))
            n = shape[axis]
            shape[axis] = chance.choice([0, 1, 2, 3, n + 1, max(0, n - 1), 2 * n])
            found[name] = Sample.random(old.stored, tuple(shape), seed)
        elif fate < 0.35:
            found[name] = Sample.random(old.stored, (*shape, 1), seed)
        elif fate < 0.4:
            del found[name]
        elif fate < 0.45:
            found[name] = Sample.random(old.stored, tuple(shape), seed)
    return found


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
@pytest.mark.parametrize("name", MAKERS)
def test_damage_is_named_or_harmless(tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    whole = MAKERS[name]().samples("m")
    path = tmp_path / "model.safetensors"
    told = 0
    for _ in range(ROUNDS):
        write_safetensors(path, damaged(whole, chance))
        with open_checkpoint(path) as checkpoint:
            told += len(checkpoint.missing)
            assert all(why.startswith("quantised with ") for why in checkpoint.missing.values())
            for tensor in checkpoint.values():
                try:
                    assert tensor[...].shape == tensor.shape
                    for part in (tensor.codes, tensor.scales, tensor.zeros):
                        assert part is None or part[...].shape == part.shape
                except CheckpointError:
                    told += 1  # groups that do not exist
    assert told > ROUNDS // 10
