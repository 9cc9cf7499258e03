"""What an address says of a quantised weight."""

from pathlib import Path

import numpy as np
import pytest

from checkpoint.quantised import packers
from checkpoint.quantised.suite import save
from napari_gpt2_tomo import scan


def weight(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def test_tells_code_zero_scale_and_scheme(tmp_path: Path) -> None:
    order = np.random.default_rng(7).permutation(64).tolist()
    packed = packers.gptq(weight(24, 64), order=order)
    save(tmp_path, {"m": packed}, {"quantization_config": packed.config})
    assert packed.zeros is not None
    with scan(tmp_path) as opened:
        volume = opened.volume("cube")
        for at in ((0, 0), (5, 33), (23, 63)):
            address = volume.address(volume.voxel("m.weight", at))
            assert address is not None
            assert address.scheme == "GPTQ 4-bit, groups of 32, act-order"
            assert address.code == packed.codes[at]
            assert address.zero == packed.zeros[at]
            assert address.scale == packed.scales[at]
            assert address.value == packed.values[at]
            code, zero, scale = packed.codes[at], packed.zeros[at], packed.scales[at]
            assert address.quantum == f"code {code}, zero {zero} · scale {scale:.4g} · GPTQ 4-bit"
            assert address.lines[-1] == address.quantum
            assert "code" not in str(address)


@pytest.mark.parametrize("nested", [False, True])
def test_codes_that_have_no_zero_point(tmp_path: Path, nested: bool) -> None:
    packed = packers.bnb4(weight(20, 48), nested=nested)
    save(tmp_path, {"m": packed})
    with scan(tmp_path) as opened:
        volume = opened.volume("cube")
        address = volume.address(volume.voxel("m.weight", (19, 47)))
        assert address is not None
        assert address.zero is None
        assert address.quantum.startswith(f"code {packed.codes[19, 47]} · scale ")


def test_plain_weights_have_no_such_line(tmp_path: Path) -> None:
    save(tmp_path, {})
    with scan(tmp_path) as opened:
        volume = opened.volume("cube")
        address = volume.address(volume.voxel("first", (3,)))
        assert address is not None
        assert address.quantum == ""
        assert len(address.lines) == 2
