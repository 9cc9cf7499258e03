"""Circuits of heads: the small forms equal the large ones, and what they say is true."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.attention.circuits import Circuits
from napari_gpt2_tomo.activity.attention.contributions import score_terms, written_logits
from napari_gpt2_tomo.base import TomoError
from real_data import real_data


@pytest.fixture(scope="module")
def circuits(activity):
    return Circuits(activity.model)


def head_weights(circuits, layer, head):
    shared = circuits.weights.sizes.n_kv_heads
    own = head * shared // circuits.weights.sizes.n_heads
    weight = circuits.weights.weight
    return {
        "q": weight("q", layer, head),
        "k": weight("k", layer, own),
        "v": weight("v", layer, own),
        "o": weight("o", layer, head),
    }


def test_the_eigenvalues_are_those_of_the_vocabulary_by_vocabulary_matrix(circuits):
    weights = head_weights(circuits, 1, 1)
    whole = circuits.embedding.T @ weights["v"] @ weights["o"].T @ circuits.unembedding
    found = circuits.eigenvalues(1, 1)
    expected = np.linalg.eigvals(whole.astype(np.float64))
    expected = expected[np.argsort(-np.abs(expected))][: len(found)]
    np.testing.assert_allclose(
        np.sort(np.abs(found)), np.sort(np.abs(expected)), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(found.sum(), whole.trace(), rtol=1e-3, atol=1e-4)
    copying = circuits.copying()
    assert copying["copying"][1, 1] == pytest.approx(
        expected.sum().real / np.abs(expected).sum(), abs=1e-3
    )
    assert copying["positive"][1, 1] == np.mean(found.real > 0)


def test_circuits_between_tokens_are_products_of_the_weights(circuits):
    weights = head_weights(circuits, 0, 1)
    sources, targets = [3, 7, 7], [1, 2]
    e, u = circuits.embedding, circuits.unembedding
    np.testing.assert_allclose(
        circuits.ov(0, 1, sources, targets),
        e[:, sources].T @ weights["v"] @ weights["o"].T @ u[:, targets],
        rtol=1e-3,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        circuits.qk(0, 1, sources, targets),
        e[:, sources].T @ weights["q"] @ weights["k"].T @ e[:, targets],
        rtol=1e-3,
        atol=1e-5,
    )
    row = circuits.ov(0, 1, [5], range(30))[0]
    promoted = circuits.promotes(0, 1, 5, n=3)
    assert [id for id, _ in promoted] == np.argsort(-row)[:3].tolist()
    assert promoted[0][1] == pytest.approx(row.max())


def test_what_sources_add_to_the_logits_is_the_direct_effect_of_the_head(activity, circuits):
    query, layer, head = 5, 1, 1
    parts = [
        written_logits(activity, circuits, layer, head, source, query)
        for source in range(len(activity.tokens))
    ]
    # Taking the head's output away from the last state, with the norm's scale held.
    model = activity.model
    state = activity.read("resid_post", -1, query)
    out = activity.read("head_out", layer, head, query)
    centred = out - out.mean() if model.norm_kind == "layer" else out
    gain = model.weight("final_norm")
    effect = centred * gain / model.norm_scale("final_norm", state)[..., 0]
    effect = effect @ model.weight("unembedding")
    np.testing.assert_allclose(sum(parts), effect - effect.mean(), atol=1e-3)
    assert not parts[6].any()


def test_terms_of_a_score_add_up_to_it(activity):
    for layer, head in ((0, 0), (1, 1)):
        terms = score_terms(activity, layer, head, 5)
        d_head = terms.shape[1]
        np.testing.assert_allclose(
            terms.sum(axis=1)[:6] / np.sqrt(d_head),
            activity.read("scores", layer, head, 5)[:6],
            atol=1e-4,
        )


def test_heads_that_write_nothing_have_no_copying_score(phantom):
    found = Circuits(phantom).copying()
    for layer, head in ((0, 2), (0, 3), (1, 0)):
        assert np.isnan(found["copying"][layer, head])
    # Token and logit bands: these heads take the present token, or the begin, away.
    assert found["copying"][2, 1] < -0.9


def test_an_encoder_without_a_head_says_that_it_has_no_unembedding():
    from napari_gpt2_tomo.activity.running.model import LanguageModel

    model = LanguageModel.load(real_data("minilm-fp16"), device="cpu")
    with pytest.raises(TomoError, match="no unembedding"):
        Circuits(model).copying()
