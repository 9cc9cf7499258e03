"""Tables of a checkpoint as rows, their components, and what stands out in them."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_gpt2_tomo.activity.embedding.clusters import k_means
from napari_gpt2_tomo.activity.embedding.positions import cosine_matrix, rotary_wavelengths
from napari_gpt2_tomo.activity.embedding.space import EmbeddingSpace, embedding_space
from napari_gpt2_tomo.activity.embedding.statistics import (
    active_dimensions,
    extreme_rows,
    moments,
    offset_dimensions,
)
from napari_gpt2_tomo.activity.embedding.subspace import position_subspace, shares
from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from napari_gpt2_tomo.facade import Scan
from real_data import real_data

D = 48


def random_rows(n: int, d: int = D, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def helix(n: int = 200, d: int = D, turns: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Positions on a helix in a random 3-D subspace, and the helix itself."""
    t = np.linspace(0, 1, n)
    inner = np.stack(
        [3 * np.cos(2 * np.pi * turns * t), 3 * np.sin(2 * np.pi * turns * t), 4 * t], axis=1
    )
    basis, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((d, 3)))
    noise = 0.01 * np.random.default_rng(6).standard_normal((n, d))
    return (inner @ basis.T + noise).astype(np.float32), inner


def write(folder: Path, tensors: dict[str, np.ndarray], config: dict[str, object]) -> Scan:
    from safetensors.numpy import save_file

    folder.mkdir()
    save_file(tensors, str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps(config))
    return Scan(folder)


def test_the_tables_are_those_of_the_file(tiny_phantom: Path) -> None:
    scan = Scan(tiny_phantom)
    space = EmbeddingSpace.of(scan)
    np.testing.assert_array_equal(space.rows("tokens"), scan.checkpoint["wte.weight"][...])
    np.testing.assert_array_equal(space.rows("positions"), scan.checkpoint["wpe.weight"][...])
    assert not space.has("unembedding")
    with pytest.raises(TomoError, match="is the token embedding itself"):
        space.rows("unembedding")


def test_a_scan_is_read_once(tiny_phantom: Path) -> None:
    scan = Scan(tiny_phantom)
    assert embedding_space(scan) is embedding_space(scan)


def test_reading_stops_on_request(tiny_phantom: Path) -> None:
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        EmbeddingSpace.of(Scan(tiny_phantom), progress=progress)


def test_fitting_components_tells_its_progress_and_stops_on_request() -> None:
    space = EmbeddingSpace("m", {"tokens": random_rows(300)})
    told = SilentProgress()
    space.pca("tokens", told)
    assert told.done == told.total == 2 * 300 * D
    stopped = SilentProgress()
    stopped.cancel()
    with pytest.raises(Cancelled):
        EmbeddingSpace("m", {"tokens": random_rows(300)}).pca("tokens", stopped)


def test_untied_and_tied_unembeddings_are_told_apart(tmp_path: Path) -> None:
    wte, head = random_rows(40, 16), random_rows(40, 16, 1)
    block = {"transformer.h.0.ln_1.weight": np.ones(16, np.float32)}
    config: dict[str, object] = {"model_type": "gpt2", "n_embd": 16, "vocab_size": 40}
    common = {"transformer.wte.weight": wte, **block}
    untied = write(tmp_path / "untied", {**common, "lm_head.weight": head}, config)
    tied = write(tmp_path / "tied", {**common, "lm_head.weight": wte.copy()}, config)
    np.testing.assert_array_equal(EmbeddingSpace.of(untied).rows("unembedding"), head)
    assert not EmbeddingSpace.of(tied).has("unembedding")


def test_what_lies_between_a_table_and_the_stream_is_applied(tmp_path: Path) -> None:
    wte, project = random_rows(40, 8), random_rows(16, 8, 1)
    wpe = random_rows(26, 16, 2)
    tensors = {
        "model.decoder.embed_tokens.weight": wte,
        "model.decoder.embed_positions.weight": wpe,
        "model.decoder.project_in.weight": project,
        "model.decoder.layers.0.self_attn.q_proj.weight": random_rows(16, 16, 3),
    }
    config: dict[str, object] = {"model_type": "opt", "hidden_size": 16, "vocab_size": 40}
    space = EmbeddingSpace.of(write(tmp_path / "opt", tensors, config))
    np.testing.assert_allclose(space.rows("tokens"), wte @ project.T, rtol=1e-4, atol=1e-5)
    # The first two rows of OPT's table belong to no position.
    np.testing.assert_array_equal(space.rows("positions"), wpe[2:])
    assert "project_in" in space.notes[0]
    assert "first 2 rows" in space.notes[1]


def test_a_partial_model_has_positions_and_says_that_tokens_are_absent() -> None:
    space = EmbeddingSpace.of(Scan(real_data("gpt2-attention-fp16")))
    assert space.rows("positions").shape == (1024, 768)
    assert not space.has("tokens")
    assert "no token embeddings" in " ".join(space.notes)
    # The positions of GPT-2 small lie almost in three dimensions.
    assert space.pca("positions").explained[:3].sum() > 0.9


def test_a_rotary_model_says_why_positions_are_absent() -> None:
    space = EmbeddingSpace.of(Scan(real_data("stories260K")))
    assert (space.scheme.kind, space.scheme.theta, space.scheme.turned) == ("rotary", 10000.0, 8)
    with pytest.raises(TomoError, match="rotary positions"):
        space.rows("positions")


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "bloom"}, "alibi"),
        ({"model_type": "falcon", "alibi": True}, "alibi"),
        ({"model_type": "mpt", "attn_config": {"alibi": True}}, "alibi"),
        ({"model_type": "ctrl"}, "sinusoidal"),
        ({"model_type": "gpt_neox", "rotary_emb_base": 10000, "rotary_pct": 0.25}, "rotary"),
        ({"model_type": "gptj", "rotary_dim": 4}, "rotary"),
        ({"model_type": "gptj", "rotary_dim": 4, "rope_theta": 10**400}, "rotary"),
        ({"model_type": "somewhat"}, "unknown"),
    ],
)
def test_the_scheme_is_read_from_the_config(
    tmp_path: Path, config: dict[str, object], kind: str
) -> None:
    tensors = {"model.embed_tokens.weight": random_rows(20, 16)}
    space = EmbeddingSpace.of(write(tmp_path / "m", tensors, config))
    assert space.scheme.kind == kind
    assert space.scheme.words in space.notes


def test_rotary_wavelengths_follow_the_paper() -> None:
    waves = rotary_wavelengths(10000.0, 64)
    assert waves.shape == (32,)
    assert waves[0] == pytest.approx(2 * np.pi)
    assert waves[-1] == pytest.approx(2 * np.pi * 10000 ** (62 / 64))


def test_words_of_a_vocabulary_label_the_rows() -> None:
    space = EmbeddingSpace.of(Scan(real_data("minilm-fp16")))
    assert space.texts is not None
    assert len(space.texts) == 30522
    assert space.label(space.texts.index("paris")) == "paris"
    assert space.label(99999) == "⟨99999⟩"


def test_a_planted_helix_is_recovered() -> None:
    rows, inner = helix()
    pca = EmbeddingSpace("m", {"positions": rows}).pca("positions")
    found = (rows - pca.mean) @ pca.axes[:3].T
    assert pca.explained[:3].sum() > 0.99
    distances = np.linalg.norm(found[:, None] - found[None], axis=-1)
    planted = np.linalg.norm(inner[:, None] - inner[None], axis=-1)
    np.testing.assert_allclose(distances, planted, atol=0.2)


def test_joint_components_weigh_tokens_and_positions_alike() -> None:
    rows, _ = helix()
    space = EmbeddingSpace("m", {"tokens": random_rows(5000), "positions": rows})
    joint = space.pca("joint")
    assert "all 200 positions and 200 tokens" in joint.stated
    inside = shares(rows, joint.axes[:3], rows.mean(axis=0))
    assert np.median(inside) > 0.95


def test_tables_of_different_widths_share_no_space() -> None:
    space = EmbeddingSpace("m", {"tokens": random_rows(30, 8), "positions": random_rows(30, 16)})
    assert not space.can_join
    with pytest.raises(TomoError, match="share no space"):
        space.pca("joint")


def test_planted_offsets_are_found() -> None:
    rows = random_rows(3000)
    rows[:, 7] += 2.0
    rows[:, 31] -= 1.0
    rows[:, 12] += 0.3
    found = offset_dimensions(rows)
    assert found.chosen.tolist() == [7, 31]
    assert "0.5 × the median σ" in found.rule


def test_planted_active_dimensions_are_found() -> None:
    rows = 0.01 * random_rows(300)
    rows[:, [3, 40]] *= [[100.0, 30.0]]
    assert active_dimensions(rows).chosen.tolist() == [3, 40]
    assert active_dimensions(random_rows(300)).chosen.tolist() == []


def test_moments_equal_numpys() -> None:
    rows = random_rows(9000, 5) * 3 + 100
    mean, sigma = moments(rows)
    np.testing.assert_allclose(mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(sigma, rows.std(axis=0, dtype=np.float64), rtol=1e-5)


def test_extremes_come_most_extreme_first() -> None:
    low, high = extreme_rows(np.array([3.0, 1.0, 2.0, 9.0]), 2)
    assert low.tolist() == [1, 2]
    assert high.tolist() == [3, 0]


def test_random_vectors_have_their_share_in_a_subspace() -> None:
    rows, _ = helix()
    space = EmbeddingSpace("m", {"tokens": random_rows(4000), "positions": rows})
    subspace = position_subspace(space)
    assert len(subspace.basis) == 3
    assert subspace.expected == 3 / D
    found = shares(space.rows("tokens"), subspace.basis)
    assert found.mean() == pytest.approx(3 / D, rel=0.05)
    np.testing.assert_allclose(shares(rows, subspace.basis, rows.mean(axis=0)), 1, atol=0.01)
    assert shares(np.zeros((2, D), np.float32), subspace.basis).tolist() == [0, 0]


def test_cosines_of_positions() -> None:
    rows = random_rows(10)
    rows[3] = 0
    found = cosine_matrix(rows)
    np.testing.assert_allclose(np.delete(np.diag(found), 3), 1, atol=1e-6)
    assert np.all(found[3] == 0)
    expected = rows[1] @ rows[2] / np.linalg.norm(rows[1]) / np.linalg.norm(rows[2])
    assert found[1, 2] == pytest.approx(expected, abs=1e-6)


def test_clusters_are_the_planted_ones_largest_first() -> None:
    sizes, centres = (50, 200, 100), np.eye(3, 6) * 20
    truth = np.repeat([2, 0, 1], sizes)
    points = np.repeat(centres, sizes, axis=0) + random_rows(350, 6)
    assert k_means(points.astype(np.float32), 3).tolist() == truth.tolist()
