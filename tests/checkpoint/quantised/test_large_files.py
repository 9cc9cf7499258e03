"""Files larger than memory: sparse ones, of which only the header is on disk."""

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint.suite import Recording
from napari_gpt2_tomo.checkpoint import Region, open_checkpoint

LAYERS, D, MLP, GROUP = 33, 8192, 28672, 128
MODULES = {
    "self_attn.q_proj": (D, D),
    "self_attn.o_proj": (D, D),
    "mlp.gate_proj": (MLP, D),
    "mlp.up_proj": (MLP, D),
    "mlp.down_proj": (D, MLP),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 billion weights of GPTQ at 4 bits: 14 GB, nearly all of it holes."""
    entries: dict[str, Any] = {}
    end = 0
    for layer in range(LAYERS):
        for module, (outputs, inputs) in MODULES.items():
            for part, kind, shape in (
                ("qweight", "I32", (inputs // 8, outputs)),
                ("qzeros", "I32", (inputs // GROUP, outputs // 8)),
                ("scales", "F16", (inputs // GROUP, outputs)),
                ("g_idx", "I32", (inputs,)),
            ):
                size = math.prod(shape) * (2 if kind == "F16" else 4)
                entries[f"model.layers.{layer}.{module}.{part}"] = {
                    "dtype": kind,
                    "shape": list(shape),
                    "data_offsets": [end, end + size],
                }
                end += size
    header = json.dumps(entries).encode()
    file = tmp_path_factory.mktemp("large") / "model.safetensors"
    with open(file, "wb") as opened:
        opened.write(len(header).to_bytes(8, "little") + header)
        opened.truncate(8 + len(header) + end)
    return file


def test_memory_does_not_grow_with_the_tensor(path: Path) -> None:
    assert path.stat().st_size > 14e9
    with open_checkpoint(path) as checkpoint:
        tensor = checkpoint["model.layers.31.mlp.down_proj.weight"]
        assert tensor.shape == (D, MLP)
        out = np.empty((D, 2048), np.float32)
        region = Region(0, out.shape, (MLP, 1))
        tracemalloc.start()
        tensor.read_into(region, out)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 24e6, "a band of a million values, its codes and its scales"
        assert not out.any()


def test_a_slice_reads_its_own_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_checkpoint(path) as checkpoint:
        tensor = checkpoint["model.layers.7.self_attn.q_proj.weight"]
        recording = Recording(monkeypatch)
        tensor[:, 100]
        # A row of words, the scales and zero points of one group, and the list of groups.
        assert recording.nbytes == D * 4 + D * 2 + D // 2 + D * 4
        recording.ranges.clear()
        tensor[100]
        # A column of words, its scales, and its zero points in their words.
        assert recording.nbytes == D // 2 + D // GROUP * 2 + D // GROUP * 4
