"""Circuits of heads against numpy."""

import numpy as np
import pytest

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.volume.circuits import CircuitVolume, circuit_volume
from volume.architectures import Architecture, Sizes, falcon, gpt2, llama, neox
from volume.fakes import MemoryCheckpoint, checkpoint_of
from volume.truth import limits, reduced

GPT2 = gpt2(Sizes(12, 3, 1, 1, 1, 6, 6, 4, 1, 1, True))
GROUPED = llama(Sizes(10, 2, 6, 2, 4, 6, 6, 4, 1, 1, False))


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))


def circuits(
    found: Architecture, kind: str, signal: str = "signed", **options: object
) -> tuple[MemoryCheckpoint, CircuitVolume]:
    checkpoint = checkpoint_of(found.shapes, found.config, **options)
    anatomy = recognise(found.shapes, found.config)
    return checkpoint, circuit_volume(checkpoint, anatomy, kind, signal, None)


def gpt2_heads(checkpoint: MemoryCheckpoint, layer: int) -> tuple[np.ndarray, ...]:
    """q, k, v and o of all heads as (head, channel, d_head)."""
    fused = checkpoint.truth[f"h.{layer}.attn.c_attn.weight"].astype(np.float64)
    q, k, v = fused.reshape(12, 3, 4, 3).transpose(1, 2, 0, 3)
    o = checkpoint.truth[f"h.{layer}.attn.c_proj.weight"].astype(np.float64)
    return q, k, v, o.reshape(4, 3, 12).transpose(0, 2, 1)


@pytest.mark.parametrize("mapped", [False, True])
def test_qk_and_ov_of_gpt2_are_the_products_of_its_heads(mapped):
    checkpoint, qk = circuits(GPT2, "qk", mapped=mapped)
    _, ov = circuits(GPT2, "ov", mapped=mapped)
    assert qk.axes == ("layer", "head", "query channel", "key channel")
    assert ov.axes == ("layer", "head", "channel in", "channel out")
    assert qk.shape == ov.shape == (3, 4, 12, 12)
    for layer in range(3):
        q, k, v, o = gpt2_heads(checkpoint, layer)
        np.testing.assert_allclose(qk[layer], q @ k.transpose(0, 2, 1), atol=1e-6)
        np.testing.assert_allclose(ov[layer], v @ o.transpose(0, 2, 1), atol=1e-6)


def test_query_heads_share_keys_and_values():
    checkpoint, qk = circuits(GROUPED, "qk", kinds="BF16")
    _, ov = circuits(GROUPED, "ov", kinds="BF16")
    at = "model.layers.1.self_attn"
    t = {name: values.astype(np.float64) for name, values in checkpoint.truth.items()}
    for head in range(6):
        shared = head // 3
        q = t[f"{at}.q_proj.weight"][4 * head : 4 * head + 4]
        k = t[f"{at}.k_proj.weight"][4 * shared : 4 * shared + 4]
        v = t[f"{at}.v_proj.weight"][4 * shared : 4 * shared + 4]
        o = t[f"{at}.o_proj.weight"][:, 4 * head : 4 * head + 4]
        np.testing.assert_allclose(qk[1, head], q.T @ k, atol=1e-6)
        np.testing.assert_allclose(ov[1, head], v.T @ o.T, atol=1e-6)
    address = qk.address((1, 5, 2, 7))
    assert (address.layer, address.head, address.kv_head) == (1, 5, 1)
    assert "reads K/V head 1" in str(address)


@pytest.mark.parametrize("family", [neox, falcon])
def test_fused_heads_are_untangled(family):
    found = family(Sizes(1, 1, 4, 2, 3, 5, 7, 4, 1, 1, False))
    checkpoint, qk = circuits(found, "qk")
    name = next(n for n in found.shapes if "query_key_value.weight" in n)
    fused = checkpoint.truth[name].astype(np.float64)
    for head in range(4):
        if family is neox:
            q, k, _ = fused.reshape(4, 3, 3, 12)[head]
        else:
            group = fused.reshape(2, 4, 3, 12)[head // 2]
            q, k = group[head % 2], group[2]
        np.testing.assert_allclose(qk[0, head], q.T @ k, atol=1e-6)


def test_any_slice_is_that_part_of_the_product():
    _, volume = circuits(GPT2, "ov")
    whole = np.asarray(volume.level(0))
    rng = np.random.default_rng(0)
    for _ in range(40):
        at = tuple(
            int(rng.integers(n))
            if rng.random() < 0.3
            else slice(*sorted(rng.integers(0, n + 1, 2)))
            for n in whole.shape
        )
        np.testing.assert_allclose(volume[at], whole[at], atol=1e-7)
    np.testing.assert_allclose(volume[::2, ::-1, 3::4, ::5], whole[::2, ::-1, 3::4, ::5], atol=1e-7)


def test_an_address_names_the_two_rows_whose_product_it_is():
    checkpoint, volume = circuits(GPT2, "qk")
    voxel = (2, 3, 5, 11)
    address = volume.address(voxel)
    q, k, _, _ = gpt2_heads(checkpoint, 2)
    assert address.rows == (("L2.q", 5), ("L2.k", 11))
    assert address.value == pytest.approx(q[3, 5] @ k[3, 11], abs=1e-6)
    assert address.value == pytest.approx(float(volume[voxel]), abs=1e-6)
    assert (address.circuit, address.layer, address.head, address.kv_head) == ("qk", 2, 3, 3)
    assert str(address).startswith("L2 QK head 3 = ")
    with pytest.raises(IndexError):
        volume.address((3, 0, 0, 0))


def test_layers_without_attention_are_air():
    found = Architecture(dict(GROUPED.shapes), GROUPED.config)
    del found.shapes["model.layers.0.self_attn.k_proj.weight"]
    _, volume = circuits(found, "qk")
    assert volume.shape[0] == 2
    assert not volume[0].any()
    assert volume[1].any()
    assert volume.address((0, 0, 0, 0)) is None
    assert volume.caption(1) == "L1 circuits"
    assert volume.caption(2) == ""


def test_coarse_levels_reduce_the_circuits():
    for signal, reduction in (("magnitude", "rms"), ("signed", "extreme")):
        with limits(plane=4, voxels=100):
            _, volume = circuits(GPT2, "ov", signal)
        assert len(volume.factors) > 3
        fine = np.asarray(volume.level(0))
        held = np.asarray(volume.atlas.level(0)) != 0
        volume.refine()
        for level, factors in enumerate(volume.factors):
            wanted, _ = reduced(fine, held, factors, reduction)
            shown = np.asarray(volume.level(level))
            np.testing.assert_allclose(shown, wanted, rtol=1e-5, atol=1e-7)


def test_values_that_are_not_finite_are_no_trouble():
    _, volume = circuits(GPT2, "qk", odd=True)
    with limits(plane=4):
        volume.refine()
    assert not np.isfinite(volume[0]).all()
    low, high = volume.window()
    assert np.isfinite([low, high]).all()


def test_the_quick_look_resembles_the_circuits():
    with limits(plane=4):
        _, volume = circuits(GPT2, "ov", "magnitude")
    volume.overview.quick_look()
    level = volume.overview.coarse
    shown = np.asarray(volume.overview.displayed(level))
    np.testing.assert_allclose(shown, volume.reader.read(tuple((0, n) for n in shown.shape), level))


def test_circuits_of_other_heads_have_an_overview_of_their_own():
    checkpoint = checkpoint_of(GPT2.shapes)
    keys = set()
    for heads in (2, 3, 4, 6):
        anatomy = recognise(GPT2.shapes, given={"n_heads": heads})
        for kind in ("qk", "ov"):
            keys.add(circuit_volume(checkpoint, anatomy, kind, "signed", None).overview.key)
    assert len(keys) == 8


def test_a_config_that_boasts_of_layers_costs_no_time():
    config = {**(GROUPED.config or {}), "num_hidden_layers": 10**9}
    anatomy = recognise(GROUPED.shapes, config)
    checkpoint = checkpoint_of(GROUPED.shapes, config)
    assert circuit_volume(checkpoint, anatomy, "qk", "signed", None).shape[0] == 2


def test_what_cannot_be_computed_is_said():
    with pytest.raises(LayoutError, match="'qk' or role='ov'"):
        circuits(GPT2, "qv")
    with pytest.raises(LayoutError, match="signals 'signed' and 'magnitude'"):
        circuits(GPT2, "qk", "sigma")
    with pytest.raises(LayoutError, match="n_heads="):
        circuits(Architecture(GPT2.shapes, None), "qk")
    with pytest.raises(LayoutError, match="no layer with both"):
        circuits(Architecture({"wte.weight": (5, 6), "wpe.weight": (3, 6)}), "qk")
