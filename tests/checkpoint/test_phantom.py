"""The phantom: its file, its likeness to GPT-2, its planted lesions."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from napari_gpt2_tomo.base import Cancelled, CheckpointError, SilentProgress
from napari_gpt2_tomo.checkpoint.phantoms.anatomical import (
    LESIONS,
    PHANTOMS,
    lesions,
    phantom_checkpoint,
)
from napari_gpt2_tomo.checkpoint.phantoms.tissue import tissue

DIGEST_OF_TINY = "b7dc6b53049a02b3b541e23deddf5eb0571239cdf0f5248edd078ac717182d8b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("phantoms")


@pytest.fixture(scope="module")
def tiny(folder):
    return phantom_checkpoint("tiny", folder)


@pytest.fixture(scope="module")
def default(folder):
    return load_file(phantom_checkpoint("default", folder))


def test_it_is_the_same_bit_for_bit_everywhere(tiny):
    digest = hashlib.sha256()
    for values in load_file(tiny).values():
        digest.update(values.astype("<f4").tobytes())
    assert digest.hexdigest() == DIGEST_OF_TINY


def test_it_is_written_once(tiny, folder):
    before = tiny.stat()
    again = phantom_checkpoint("tiny", folder)
    assert again == tiny
    assert (again.stat().st_ino, again.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_cache_is_where_it_lies_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    path = phantom_checkpoint("tiny")
    assert path.is_relative_to(tmp_path)
    assert (path.parent.name, path.name) == ("phantom-gpt2-tiny", "model.safetensors")


@pytest.mark.parametrize("damage", ["short", "older edition"])
def test_a_file_that_is_not_this_phantom_is_written_again(tmp_path, damage):
    path = phantom_checkpoint("tiny", tmp_path)
    good = path.read_bytes()
    older = good.replace(b'"edition":"1"', b'"edition":"0"')
    path.write_bytes(good[:-4] if damage == "short" else older)
    assert phantom_checkpoint("tiny", tmp_path).read_bytes() == good


def test_cancelling_leaves_no_part_of_it(tmp_path):
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        phantom_checkpoint("tiny", tmp_path, progress)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["config.json"]


def test_progress_ends_at_the_total(tmp_path):
    progress = SilentProgress()
    path = phantom_checkpoint("tiny", tmp_path, progress)
    assert progress.done == progress.total == path.stat().st_size


def test_a_folder_that_cannot_be_made_is_our_error(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CheckpointError, match="NAPARI_GPT2_TOMO_CACHE"):
        phantom_checkpoint("tiny", tmp_path / "taken")


def test_an_unknown_size_is_our_error(tmp_path):
    with pytest.raises(CheckpointError, match="default, gpt2, tiny"):
        phantom_checkpoint("huge", tmp_path)  # type: ignore[arg-type]


def test_it_has_the_names_and_shapes_of_the_hub_file(tiny):
    with safe_open(tiny, "np") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert shapes == PHANTOMS["tiny"].shapes()
    assert len(PHANTOMS["gpt2"].shapes()) == 2 + 12 * 12 + 2
    assert PHANTOMS["gpt2"].shapes()["h.11.mlp.c_fc.weight"] == (768, 3072)
    assert sum(int(np.prod(s)) for s in PHANTOMS["gpt2"].shapes().values()) == 124_439_808
    assert sum(int(np.prod(s)) for s in PHANTOMS["default"].shapes().values()) == 29_466_240


def test_the_config_beside_it_tells_its_sizes(tiny):
    config = json.loads(Path(tiny.parent, "config.json").read_text())
    dims = PHANTOMS["tiny"]
    assert config["model_type"] == "gpt2"
    assert (config["n_embd"], config["n_head"], config["vocab_size"]) == (
        dims.d_model,
        dims.n_heads,
        dims.vocab,
    )


def test_the_file_tells_its_lesions(tiny):
    with safe_open(tiny, "np") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    for lesion in lesions("tiny"):
        assert f"{lesion.name}: {lesion.description}" in metadata["lesions"]


@pytest.mark.parametrize("size", ["tiny", "default"])
def test_every_lesion_is_where_the_table_says(size, folder):
    tensors = load_file(phantom_checkpoint(size, folder))
    for lesion in lesions(size):
        box = tensors[lesion.tensor][lesion.index]
        assert box.size > 0
        if lesion.source is None:
            np.testing.assert_array_equal(box, np.full_like(box, lesion.value))
        else:
            source = tuple(slice(*interval) for interval in lesion.source)
            np.testing.assert_array_equal(box, tensors[lesion.tensor][source])


def test_nothing_outside_the_table_is_a_lesion(default):
    seen = {name: np.zeros(values.shape, bool) for name, values in default.items()}
    for lesion in LESIONS:
        seen[lesion.tensor][lesion.index] = True
    for name, values in default.items():
        healthy = values[~seen[name]]
        assert np.isfinite(healthy).all(), name
        assert np.abs(healthy).max() < 18, name
        assert (healthy == 0).mean() < 1e-5, name


def test_dead_neurons_are_dead_on_both_sides(default):
    first, last = 8, 16
    assert not default["h.4.mlp.c_fc.weight"][:, first:last].any()
    assert not default["h.4.mlp.c_proj.weight"][first:last].any()
    assert default["h.4.mlp.c_fc.weight"][:, last].any()


def test_writers_of_the_stream_grow_with_depth(default):
    for name in ("attn.c_proj.weight", "mlp.c_proj.weight"):
        sigma = [np.median(default[f"h.{layer}.{name}"].std(0)) for layer in range(12)]
        assert sigma[11] > 1.5 * sigma[2] > sigma[0]


def test_heads_are_bands(default):
    query = default["h.1.attn.c_attn.weight"][:, :384].reshape(384, 12, 32)
    heads = query.std(axis=(0, 2))
    assert heads.max() / heads.min() > 2
    halves = query[:192].std(axis=(0, 2)), query[192:].std(axis=(0, 2))
    assert np.corrcoef(*halves)[0, 1] > 0.95


def test_an_outlier_channel_shines_through_all_layers(default):
    loud = 447 * 384 // 768
    for layer in range(12):
        channels = default[f"h.{layer}.attn.c_proj.weight"].std(axis=0)
        assert channels[loud] > 2.5 * np.median(channels)


def test_positions_are_a_helix_with_an_odd_first_row(default):
    positions = default["wpe.weight"]
    left, singular, _ = np.linalg.svd(positions - positions.mean(0), full_matrices=False)
    energy = singular**2 / (singular**2).sum()
    assert energy[:6].sum() > 0.9
    turns = np.abs(np.fft.rfft(left[1:-1, 0]))
    assert turns.argmax() in (1, 2)
    norms = np.linalg.norm(positions, axis=1)
    assert norms[0] > 1.8 * np.median(norms)
    assert norms[-1] < 0.1 * np.median(norms)


def test_rare_tokens_are_longer_than_frequent_ones(default):
    tokens = default["wte.weight"]
    spread = (tokens - np.median(tokens, axis=0)).std(axis=1)
    assert spread[-1000:].mean() > 1.2 * spread[:100].mean()


def test_a_large_tensor_is_made_in_blocks():
    dims = PHANTOMS["gpt2"]
    first = next(tissue("wte.weight", dims))
    assert first.nbytes < 16 << 20
    assert first.shape[1] == dims.d_model
