"""The facade: parts and heads whatever the file's orientation and fusion, names, errors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.base import Cancelled, CheckpointError, LayoutError, SilentProgress, TomoError
from napari_gpt2_tomo.facade import Scan
from volume.architectures import (
    Architecture,
    Sizes,
    falcon,
    gpt2,
    gpt_oss,
    llama,
    mixtral,
    neox,
    phi3,
)

SIZES = Sizes(12, 2, 4, 2, 3, 20, 30, 6, 3, 5, True)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def opened(tmp_path):
    scans = []

    def open_scan(found: Architecture, dtype: str = "f4", **options: object):
        folder = tmp_path / f"model{len(scans) or ''}"
        folder.mkdir()
        rng = np.random.default_rng(0)
        tensors = {
            name: rng.standard_normal(shape).astype(dtype) for name, shape in found.shapes.items()
        }
        save_file(tensors, folder / "model.safetensors")
        if found.config:
            (folder / "config.json").write_text(json.dumps(found.config))
        scans.append(Scan(folder, **options))
        return scans[-1], tensors

    yield open_scan
    for scan in scans:
        scan.close()


class TestPart:
    def test_a_matrix_stored_in_by_out_is_split_in_thirds(self, opened):
        scan, t = opened(gpt2(SIZES), "f2")
        fused = t["h.1.attn.c_attn.weight"]
        for i, role in enumerate("qkv"):
            found = scan.part(role, layer=1)
            assert found.dtype == np.float16
            assert np.array_equal(found, fused[:, 12 * i : 12 * i + 12])
            bias = t["h.1.attn.c_attn.bias"]
            assert np.array_equal(scan.part(f"{role}_bias", 1), bias[12 * i : 12 * i + 12])
        assert np.array_equal(scan.part("o", 0), t["h.0.attn.c_proj.weight"].T)
        assert np.array_equal(scan.part("up", 0), t["h.0.mlp.c_fc.weight"])
        assert np.array_equal(scan.part("down", 0), t["h.0.mlp.c_proj.weight"].T)
        assert np.array_equal(scan.part("token_embedding"), t["wte.weight"].T)
        assert np.array_equal(scan.part("final_norm"), t["ln_f.weight"])

    def test_a_matrix_stored_out_by_in_is_turned(self, opened):
        scan, t = opened(llama(SIZES))
        at = "model.layers.1"
        assert np.array_equal(scan.part("k", 1), t[f"{at}.self_attn.k_proj.weight"].T)
        assert np.array_equal(scan.part("o", 1), t[f"{at}.self_attn.o_proj.weight"])
        assert np.array_equal(scan.part("gate", 1), t[f"{at}.mlp.gate_proj.weight"].T)
        assert np.array_equal(scan.part("down", 1), t[f"{at}.mlp.down_proj.weight"])
        assert np.array_equal(scan.part("unembedding"), t["lm_head.weight"].T)

    def test_fused_projections_come_apart(self, opened):
        scan, t = opened(phi3(SIZES))
        fused = t["model.layers.0.self_attn.qkv_proj.weight"]
        assert np.array_equal(scan.part("q", 0), fused[:12].T)
        assert np.array_equal(scan.part("k", 0), fused[12:18].T)
        assert np.array_equal(scan.part("v", 0), fused[18:].T)
        both = t["model.layers.0.mlp.gate_up_proj.weight"]
        assert np.array_equal(scan.part("gate", 0), both[:20].T)
        assert np.array_equal(scan.part("up", 0), both[20:].T)

    def test_projections_woven_by_head_come_apart(self, opened):
        scan, t = opened(neox(SIZES))
        fused = t["gpt_neox.layers.1.attention.query_key_value.weight"].reshape(4, 3, 3, 12)
        for i, role in enumerate("qkv"):
            assert np.array_equal(scan.part(role, 1), fused[:, i].reshape(12, 12).T)

    def test_experts_come_one_by_one(self, opened):
        scan, t = opened(gpt_oss(SIZES))
        stacked = t["model.layers.0.mlp.experts.gate_up_proj"]
        for e in range(3):
            assert np.array_equal(scan.part("gate", 0, expert=e), stacked[e, :, ::2])
            assert np.array_equal(scan.part("up", 0, expert=e), stacked[e, :, 1::2])
            down = t["model.layers.0.mlp.experts.down_proj"][e]
            assert np.array_equal(scan.part("down", 0, expert=e), down.T)

    def test_what_there_is_not_is_answered_with_what_there_is(self, opened):
        scan, _ = opened(mixtral(SIZES))
        with pytest.raises(TomoError, match=r"has no part of the role 'soul'.*token_embedding"):
            scan.part("soul")
        with pytest.raises(TomoError, match=r"layers 0.*1.*say which"):
            scan.part("q")
        with pytest.raises(TomoError, match="not in 7"):
            scan.part("q", 7)
        with pytest.raises(TomoError, match=r"experts 0.*2.*not 3"):
            scan.part("gate", 0, expert=3)
        with pytest.raises(TomoError, match="leave the expert out"):
            scan.part("q", 0, expert=0)
        with pytest.raises(TomoError, match="leave the layer out"):
            scan.part("final_norm", 0)

    def test_values_of_any_part_are_its_elements(self, opened):
        found = gpt2(SIZES)
        found.shapes |= {"scale": (), "empty": (0, 3), "conv": (2, 3, 4, 5)}
        scan, t = opened(found)
        for name in ("scale", "empty", "conv"):
            values = scan.values(scan.anatomy.by_name[name])
            assert values.shape == found.shapes[name]
            assert np.array_equal(values, t[name])
        norm = replace(scan.anatomy.part("mlp_norm", 1), shift=1.0)
        assert np.array_equal(scan.values(norm), t["h.1.ln_2.weight"] + np.float32(1))

    def test_it_is_a_copy(self, opened):
        scan, t = opened(gpt2(SIZES))
        found = scan.part("up", 0)
        found[:] = 0
        assert np.array_equal(scan.part("up", 0), t["h.0.mlp.c_fc.weight"])


class TestHead:
    def test_heads_of_a_fused_matrix(self, opened):
        scan, t = opened(gpt2(SIZES))
        fused = t["h.1.attn.c_attn.weight"]
        for head in range(4):
            for i, role in enumerate("qkv"):
                first = 12 * i + 3 * head
                assert np.array_equal(scan.head(1, head, role), fused[:, first : first + 3])
            o = t["h.1.attn.c_proj.weight"][3 * head : 3 * head + 3]
            assert np.array_equal(scan.head(1, head, "o"), o.T)
        bias = t["h.1.attn.c_attn.bias"]
        assert np.array_equal(scan.head(1, 2, "k_bias"), bias[12 + 6 : 12 + 9])
        assert scan.head(1, 0).shape == (12, 3)

    def test_heads_of_a_transposed_matrix_with_shared_keys(self, opened):
        scan, t = opened(llama(SIZES))
        at = "model.layers.0.self_attn"
        assert np.array_equal(scan.head(0, 3), t[f"{at}.q_proj.weight"][9:12].T)
        assert np.array_equal(scan.head(0, 1, "k"), t[f"{at}.k_proj.weight"][3:6].T)
        assert np.array_equal(scan.head(0, 1, "v"), t[f"{at}.v_proj.weight"][3:6].T)
        assert np.array_equal(scan.head(0, 3, "o"), t[f"{at}.o_proj.weight"][:, 9:12])
        with pytest.raises(LayoutError, match="heads 0 to 1, there is no 2"):
            scan.head(0, 2, "k")

    def test_heads_of_grouped_projections(self, opened):
        scan, t = opened(falcon(SIZES))
        grouped = t["transformer.h.1.self_attention.query_key_value.weight"].reshape(2, 4, 3, 12)
        for head in range(4):
            assert np.array_equal(scan.head(1, head), grouped[head // 2, head % 2].T)
        for head in range(2):
            assert np.array_equal(scan.head(1, head, "k"), grouped[head, 2].T)
            assert np.array_equal(scan.head(1, head, "v"), grouped[head, 3].T)

    def test_heads_make_up_their_part(self, opened):
        for family in (gpt2, llama, phi3, neox, falcon):
            scan, _ = opened(family(SIZES))
            for role in "qkvo":
                heads = scan.anatomy.part(role, 1).n_heads
                joined = np.concatenate([scan.head(1, h, role) for h in range(heads)], axis=1)
                assert np.array_equal(joined, scan.part(role, 1))

    def test_an_unknown_number_of_heads_can_be_given(self, opened):
        blind = Architecture(gpt2(SIZES).shapes)
        scan, t = opened(blind)
        with pytest.raises(LayoutError, match=r"L1\.q is not known.*n_heads="):
            scan.head(1, 0)
        scan, _ = opened(blind, n_heads=2)
        assert np.array_equal(scan.head(1, 1), t["h.1.attn.c_attn.weight"][:, 6:12])
        with pytest.raises(TomoError, match="n_heads=5 does not fit"):
            opened(blind, n_heads=5)

    def test_what_has_no_heads_is_said(self, opened):
        scan, _ = opened(gpt2(SIZES))
        with pytest.raises(LayoutError, match=r"heads of L0\.up"):
            scan.head(0, 0, "up")
        with pytest.raises(LayoutError, match="heads 0 to 3, there is no -1"):
            scan.head(0, -1)


class TestName:
    @pytest.mark.parametrize(
        ("file", "name"),
        [
            ("model.safetensors", "folder"),
            ("model.fp16.safetensors", "folder"),
            ("diffusion_pytorch_model.safetensors", "folder"),
            ("my-llama.safetensors", "my-llama"),
        ],
    )
    def test_usual_file_names_tell_less_than_their_folder(self, tmp_path, file, name):
        path = tmp_path / "folder" / file
        path.parent.mkdir()
        save_file({"a": np.ones(3, np.float32)}, path)
        with Scan(path) as scan:
            assert scan.name == name
            assert repr(scan) == f"<Scan {name}: unknown family, 3 parameters>"
        with Scan(str(path.parent)) as scan:
            assert scan.name == "folder"

    def test_a_relative_path_has_a_name(self, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        save_file({"a": np.ones(3, np.float32)}, tmp_path / "here" / "model.safetensors")
        monkeypatch.chdir(tmp_path / "here")
        for path in (".", "model.safetensors"):
            with Scan(path) as scan:
                assert scan.name == "here"


class TestStatistics:
    def test_exact_ones_are_read_once_and_then_found(self, opened, monkeypatch):
        scan, t = opened(gpt2(Sizes(64, 1, 4, 4, 16, 200, 300, 6, 1, 1, True)))
        assert scan.statistics(exact=False).estimate
        progress = SilentProgress()
        found = scan.statistics(progress=progress)
        assert not found.estimate
        assert progress.done == scan.anatomy.n_parameters
        position = [p.name for p in scan.anatomy.parts].index("token_embedding")
        values = t["wte.weight"].astype(np.float64)
        assert found.mean[position] == pytest.approx(values.mean())
        assert found.sigma[position] == pytest.approx(values.std())
        again = SilentProgress()
        assert not scan.statistics(exact=False, progress=again).estimate
        assert not scan.statistics(progress=again).estimate
        assert again.total == 0

    def test_they_can_be_cancelled(self, opened):
        scan, _ = opened(gpt2(SIZES))
        progress = SilentProgress()
        progress.cancel()
        with pytest.raises(Cancelled):
            scan.volume("body", "rank", progress=progress)

    def test_a_refused_volume_reads_nothing(self, opened):
        scan, _ = opened(gpt2(SIZES))
        progress = SilentProgress()
        with pytest.raises(LayoutError, match="loses"):
            scan.volume("body", "sigma", "rms", progress=progress)
        assert progress.total == 0


def test_circuits_are_volumes_of_their_own(opened):
    scan, _ = opened(llama(SIZES))
    volume = scan.volume("circuits", "signed", role="ov")
    v, o = scan.head(1, 1, "v"), scan.head(1, 3, "o")
    np.testing.assert_allclose(volume[1, 3], v @ o.T, rtol=1e-5, atol=1e-6)


def test_a_family_can_be_said(opened):
    shapes = llama(SIZES).shapes
    scan, _ = opened(Architecture(shapes), family="mistral")
    assert scan.anatomy.family == "mistral"
    with pytest.raises(TomoError, match="family 'camel' is not known"):
        opened(Architecture(shapes), family="camel")


def test_what_is_no_checkpoint_is_said(tmp_path: Path):
    with pytest.raises(CheckpointError):
        Scan(tmp_path / "nowhere")
    (tmp_path / "broken.safetensors").write_bytes(b"no header")
    with pytest.raises(CheckpointError):
        Scan(tmp_path / "broken.safetensors")


def test_a_closed_scan_reads_no_more(opened):
    scan, _ = opened(gpt2(SIZES))
    volume = scan.volume("body")
    scan.close()
    with pytest.raises(CheckpointError, match="closed"):
        scan.part("up", 0)
    with pytest.raises(CheckpointError, match="closed"):
        volume[0]


def test_the_public_name_opens_a_scan(opened, tmp_path):
    opened(gpt2(SIZES))
    with tomo.scan(tmp_path / "model", n_heads=4) as scan:
        assert isinstance(scan, Scan)
        assert scan.shapes["wte.weight"] == (30, 12)
