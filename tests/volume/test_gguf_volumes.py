"""A model shows the same volumes from a GGUF file as from the one that it was made from."""

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from anatomy.gguf_models import converted
from anatomy.models import maker
from checkpoint.gguf_writer import Raw, write
from real_data import real_data

FAMILIES = ("llama", "mixtral", "gemma3", "gpt2", "phi3", "falcon-40b")
# What is left of adding 1 to a norm and taking it off again.
ROUNDING = 3e-7


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    made = maker(folder)

    def pair(name):
        model = made(name)
        tensors, metadata = converted(model)
        raw = {key: Raw.of(values) for key, values in tensors.items()}
        file = write(folder / f"{name}.gguf", raw, metadata=metadata)
        return tomo.scan(folder / name), tomo.scan(file)

    return pair


def volumes(scans, *args, **options):
    return [scan.volume(*args, **options) for scan in scans]


@pytest.mark.parametrize("name", FAMILIES)
def test_all_levels_of_the_body_are_the_same(pairs, name):
    scans = pairs(name)
    for signal in ("signed", "magnitude", "sigma"):
        theirs, ours = volumes(scans, "body", signal)
        assert ours.shape == theirs.shape
        assert len(ours.levels) == len(theirs.levels)
        for mine, other in zip(ours.levels, theirs.levels, strict=True):
            assert np.allclose(mine, other, rtol=1e-5, atol=ROUNDING)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_the_pass_over_the_weights_finds_the_same(pairs, name):
    theirs, ours = volumes(pairs(name), "body", "magnitude")
    for volume in (theirs, ours):
        volume.overview.quick_look()
    for mine, other in zip(ours.displayed(), theirs.displayed(), strict=True):
        assert np.count_nonzero(mine) == np.count_nonzero(other)
    for volume in (theirs, ours):
        volume.refine()
    for mine, other in zip(ours.displayed(), theirs.displayed(), strict=True):
        assert np.allclose(mine, other, rtol=1e-6)
    found, expected = ours.statistics.to_arrays(), theirs.statistics.to_arrays()
    assert found.keys() == expected.keys()
    assert not ours.statistics.estimate
    for key in ("mean", "sigma", "low", "high"):
        assert np.allclose(found[key], expected[key], rtol=1e-5, atol=ROUNDING), key


def test_voxels_name_the_stored_element(pairs):
    theirs, ours = volumes(pairs("llama"), "body", "signed")
    half = 4
    for channel, head, dim in ((0, 0, 0), (3, 2, 1), (7, 1, 6), (23, 3, 7)):
        original = ("model.layers.1.self_attn.q_proj.weight", (head * 8 + dim, channel))
        at = theirs.voxel(*original)
        address = ours.address(at)
        pair, side = dim % half, dim // half
        assert (address.tensor, address.index) == (
            "blk.1.attn_q.weight",
            (head * 8 + 2 * pair + side, channel),
        )
        assert ours.voxel(address.tensor, address.index) == at
        assert address.value == theirs.address(at).value
        assert address.stored == ours.checkpoint[address.tensor][address.index]
        assert (address.role, address.layer, address.head) == ("q", 1, head)
    norm = ours.address(ours.voxel("blk.0.attn_norm.weight", (5,)))
    assert norm.role == "attn_norm"


def test_shifted_norms_show_the_models_value_and_the_files(pairs):
    theirs, ours = volumes(pairs("gemma3"), "body", "signed")
    at = ours.voxel("blk.0.ffn_norm.weight", (5,))
    address, other = ours.address(at), theirs.address(at)
    assert address.stored == ours.checkpoint["blk.0.ffn_norm.weight"][5]
    assert np.isclose(address.value, address.stored - 1, atol=ROUNDING)
    assert np.isclose(address.value, other.value, atol=ROUNDING)
    assert other.tensor == "model.layers.0.pre_feedforward_layernorm.weight"


@pytest.mark.parametrize(("layout", "role"), [("heads", "q"), ("heads", "k"), ("circuits", "qk")])
def test_heads_and_circuits_are_the_same(pairs, layout, role):
    theirs, ours = volumes(pairs("llama"), layout, "signed", role=role)
    assert ours.shape == theirs.shape
    assert np.allclose(ours.levels[0], theirs.levels[0], rtol=1e-5, atol=1e-6)


def test_heads_of_a_quantised_model_are_near_those_of_the_original():
    file = real_data("gguf/stories260K-q4_0.gguf")
    with tomo.scan(file) as ours, tomo.scan(real_data("stories260K")) as theirs:
        for role in ("q", "k", "v", "o"):
            a, b = (scan.head(layer=2, head=3, role=role) for scan in (ours, theirs))
            assert np.linalg.norm(a - b) < 0.12 * np.linalg.norm(b)
