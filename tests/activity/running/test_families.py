"""The numbers of every family, beside those of transformers and beside each other."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from activity.running.families import CAUSAL, CONFIGS, ENCODERS, MIXTURES, network
from napari_gpt2_tomo.activity.running.model import LanguageModel

IDS = [3, 1, 4, 1, 5, 9, 2, 6]
CLOSE = {"rtol": 1e-4, "atol": 3e-5}

FAMILIES = pytest.mark.parametrize("family", CONFIGS)


class Case:
    """One family's model, what was recorded on a text, and what transformers says of it."""

    def __init__(self, family, folder):

        self.family = family
        self.network = network(family)
        self.model = LanguageModel(self.network, folder / family, causal=family in CAUSAL)
        self.activity = self.model.run(IDS, self.model.circuit.sites)
        with torch.no_grad():
            self.truth = self.network(
                torch.tensor([IDS]), output_hidden_states=True, output_attentions=True
            )

    def __getitem__(self, name):
        return self.activity[name]

    def layers(self):
        return range(self.activity.n_layers)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    made = {}
    folder = tmp_path_factory.mktemp("families")

    def case(family):
        if family not in made:
            made[family] = Case(family, folder)
        return made[family]

    return case


@FAMILIES
def test_hidden_states_attentions_and_logits_are_those_of_transformers(family, cases):
    case = cases(family)
    hidden = [state[0].numpy() for state in case.truth.hidden_states]
    for layer in case.layers():
        np.testing.assert_allclose(case["resid_pre"][layer], hidden[layer], **CLOSE)
        truth = case.truth.attentions[layer][0].numpy()
        np.testing.assert_allclose(case["pattern"][layer], truth, **CLOSE)
    last = case["final"] if "final" in case.activity else case["resid_post"][-1]
    if family != "opt":  # Its last hidden state has gone through project_out.
        np.testing.assert_allclose(last, hidden[-1], **CLOSE)
    np.testing.assert_allclose(case["logits"], case.truth.logits[0].numpy(), **CLOSE)


@FAMILIES
def test_what_is_added_to_the_stream_makes_the_next_state(family, cases):
    case = cases(family)
    before, attention, mlp = case["resid_pre"], case["attn_out"], case["mlp_out"]
    for layer in case.layers():
        if case.model.scheme == "parallel":
            assert "resid_mid" not in case.activity
            after = before[layer] + attention[layer] + mlp[layer]
        else:
            middle, norm = before[layer] + attention[layer], case.model.norm
            if case.model.scheme == "post-norm":
                middle = norm("attn_post_norm", middle, layer)
            np.testing.assert_allclose(case["resid_mid"][layer], middle, **CLOSE)
            after = case["resid_mid"][layer] + mlp[layer]
            if case.model.scheme == "post-norm":
                after = norm("mlp_post_norm", after, layer)
        np.testing.assert_allclose(case["resid_post"][layer], after, **CLOSE)


@FAMILIES
def test_embeddings_make_the_first_state(family, cases):
    case = cases(family)
    state = case["embed"] + (case["pos_embed"] if "pos_embed" in case.activity else 0)
    if family in ("bert", "roberta"):
        state = state + case.model.weight("type_embedding").T[0]
    if case.model.circuit.wiring.embedding_norm:
        state = case.model.norm("embedding_norm", state)
    np.testing.assert_allclose(case["resid_pre"][0], state, **CLOSE)
    ids = case.model.weight("token_embedding").T[IDS]
    np.testing.assert_allclose(case["embed"], ids, **CLOSE)


@FAMILIES
def test_heads_and_the_bias_make_what_attention_adds(family, cases):
    case = cases(family)
    assert case["head_out"].shape == (case.activity.n_layers, 4, len(IDS), 16)
    for layer in case.layers():
        whole = case["head_out"][layer].sum(0)
        if bias_of(case, "o", layer) is not None:
            whole = whole + bias_of(case, "o", layer)
        np.testing.assert_allclose(whole, case["attn_out"][layer], **CLOSE)


@FAMILIES
def test_scores_give_the_pattern(family, cases):
    case = cases(family)
    scores = case["scores"].astype(np.float64)
    if family == "gpt_oss":
        sinks = np.stack([case.model.weight("sinks", layer) for layer in case.layers()])
        column = np.broadcast_to(sinks[:, :, None, None], (*scores.shape[:3], 1))
        scores = np.concatenate([scores, column], axis=-1)
        assert any("sink" in note for note in case.activity.notes)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = (weights / weights.sum(-1, keepdims=True))[..., : len(IDS)]
    np.testing.assert_allclose(weights, case["pattern"], **CLOSE)


@FAMILIES
def test_patterns_gather_the_values(family, cases):
    case = cases(family)
    shared = case["q"].shape[1] // case["v"].shape[1]
    values = case["v"][:, np.arange(case["q"].shape[1]) // shared]
    np.testing.assert_allclose(case["pattern"] @ values, case["z"], **CLOSE)


@FAMILIES
def test_weights_by_hand_give_queries_keys_and_values(family, cases):
    case, wiring = cases(family), cases(family).model.circuit.wiring
    for layer in case.layers():
        given = case["resid_pre"][layer]
        if wiring.attn_norm:
            given = case.model.norm("attn_norm", given, layer)
        for role in ("q", "k", "v"):
            for head in range(case[role].shape[1]):
                by_hand = given @ case.model.weight(role, layer, head)
                bias = bias_of(case, role, layer, head)
                by_hand = by_hand if bias is None else by_hand + bias
                if family == "olmo":
                    by_hand = by_hand.clip(-0.05, 0.05)
                if wiring.head_norm and role != "v":
                    assert case.model.weight(f"{role}_norm", layer).ndim == 1
                else:
                    np.testing.assert_allclose(case[role][layer, head], by_hand, **CLOSE)


@FAMILIES
def test_products_of_rotated_queries_and_keys_are_the_scores(family, cases):
    case = cases(family)
    names = ("rot_q", "rot_k") if "rot_q" in case.activity else ("q", "k")
    assert ("rot_q" in case.activity) == (case.model.positions == "rotary")
    if family in ("bloom", "gemma2", "gpt2 upcast"):
        return  # ALiBi's slopes, the soft cap, a scale for each layer come between.
    q, k = case[names[0]], case[names[1]]
    k = k[:, np.arange(q.shape[1]) // (q.shape[1] // k.shape[1])]
    products = q @ k.swapaxes(-1, -2)
    seen = np.isfinite(case["scores"])
    ratios = (case["scores"][seen] / products[seen])[np.abs(products[seen]) > 0.1]
    expected = {"gpt_neo": 1.0, "gemma3_text": 5**-0.5}.get(family, q.shape[-1] ** -0.5)
    np.testing.assert_allclose(ratios, expected, rtol=2e-3)


@FAMILIES
def test_weights_by_hand_give_neurons_and_what_the_mlp_adds(family, cases):
    case, wiring = cases(family), cases(family).model.circuit.wiring
    if family in MIXTURES:
        pytest.skip("mixtures have a test of their own")
    for layer in case.layers():
        down = case.model.weight("down", layer)
        added = case["mlp_post"][layer] @ down.T
        bias = bias_of(case, "down", layer)
        added = added if bias is None else added + bias
        if case.model.scheme == "sandwich":
            added = case.model.norm("mlp_post_norm", added, layer)
        np.testing.assert_allclose(added, case["mlp_out"][layer], **CLOSE)
        given = mlp_input(case, layer)
        gated = "mlp_linear" in case.activity
        by_hand = given @ case.model.weight("gate" if gated else "up", layer)
        bias = bias_of(case, "gate" if gated else "up", layer)
        by_hand = by_hand if bias is None else by_hand + bias
        np.testing.assert_allclose(by_hand, case["mlp_pre"][layer], **CLOSE)
        if gated:
            linear = given @ case.model.weight("up", layer)
            np.testing.assert_allclose(linear, case["mlp_linear"][layer], **CLOSE)
    assert wiring.down


@pytest.mark.parametrize("family", MIXTURES)
def test_neurons_of_the_chosen_experts_make_what_the_mixture_adds(family, cases):
    case = cases(family)
    probabilities, chosen = case["router"], case["experts"]
    assert chosen.dtype == np.int64
    assert case["mlp_post"].shape[:3] == (*probabilities.shape[:2], 2)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    if family == "qwen2_moe":
        return  # A shared expert is added to those that are chosen.
    for layer in case.layers():
        given = mlp_input(case, layer)
        whole = np.zeros_like(given)
        for token, slots in enumerate(chosen[layer]):
            weights = probabilities[layer, token, slots]
            if case.network.config.to_dict().get("norm_topk_prob", family == "mixtral"):
                weights = weights / weights.sum()
            for slot, expert in enumerate(slots):
                gate = case.model.weight("gate", layer, expert=int(expert))
                bias = bias_of(case, "gate", layer, expert=int(expert))
                pre = given[token] @ gate + (0 if bias is None else bias)
                np.testing.assert_allclose(pre, case["mlp_pre"][layer, token, slot], **CLOSE)
                down = case.model.weight("down", layer, expert=int(expert))
                bias = bias_of(case, "down", layer, expert=int(expert))
                out = case["mlp_post"][layer, token, slot] @ down.T
                whole[token] += weights[slot] * (out + (0 if bias is None else bias))
        np.testing.assert_allclose(whole, case["mlp_out"][layer], **CLOSE)


@FAMILIES
def test_unembedding_the_last_state_gives_the_logits(family, cases):
    case = cases(family)
    logits = case.model.unembed(case["resid_post"][-1])
    np.testing.assert_allclose(logits, case["logits"], rtol=1e-4, atol=1e-4)


@FAMILIES
def test_unembedding_keeps_the_axes_of_the_states(family, cases):
    case = cases(family)
    states = case["resid_post"]
    logits = case.model.unembed(states)
    assert logits.shape == (*states.shape[:-1], case["logits"].shape[-1])
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits[0], case.model.unembed(states[0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "opt", "gemma2"])
def test_16_bit_weights_unembed_in_blocks_as_at_once(family, cases, monkeypatch, tmp_path):
    model = LanguageModel(deepcopy(network(family)).to(torch.bfloat16), tmp_path)
    states = cases(family)["resid_post"][-1]
    whole = model.unembed(states)
    monkeypatch.setattr("napari_gpt2_tomo.activity.running.unembedding.BLOCK", 3 * 16)
    np.testing.assert_allclose(model.unembed(states), whole, rtol=1e-6, atol=1e-6)
    normed = model.norm("final_norm", states)
    plain = normed @ model.weight("unembedding")
    cap = model.softcap
    if cap is not None:
        plain = cap * np.tanh(plain / cap)
    np.testing.assert_allclose(whole, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", CAUSAL)
def test_a_batch_gives_what_single_runs_give(family, cases):
    model = cases(family).model
    texts = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3], [5]]
    for text, activity in zip(texts, model.run_batch(texts, batch_size=2), strict=True):
        alone = model.run(text)
        assert set(alone) == set(activity)
        for name in alone:
            np.testing.assert_allclose(activity[name], alone[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", ENCODERS)
def test_encoders_in_a_batch_give_what_single_runs_give(family, cases):
    model = cases(family).model
    texts = [[3, 4], [5, 9, 2, 6, 5]]
    for text, activity in zip(texts, model.run_batch(texts), strict=True):
        alone = model.run(text)
        for name in alone:
            np.testing.assert_allclose(activity[name], alone[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", CAUSAL)
def test_a_continuation_takes_the_most_probable_token_each_time(family, cases):
    model = cases(family).model
    ids = [3, 1, 4]
    for step in model.generate(ids, 4):
        logits = model.next_logits(ids)[-1]
        np.testing.assert_allclose(step.logits, logits, rtol=1e-3, atol=1e-3)
        assert step.id == logits.argmax()
        ids.append(step.id)
    assert len(ids) > 3


def bias_of(case, role, layer, head=None, expert=None):
    """A bias, None where the model has none."""
    from napari_gpt2_tomo.base import TomoError

    try:
        return case.model.weight(f"{role}_bias", layer, head, expert)
    except TomoError:
        return None


def mlp_input(case, layer):
    """What the MLP takes."""
    wiring = case.model.circuit.wiring
    if case.model.scheme == "parallel":
        norm = "mlp_norm" if wiring.mlp_norm else "attn_norm"
        return case.model.norm(norm, case["resid_pre"][layer], layer)
    state = case["resid_mid"][layer]
    return case.model.norm("mlp_norm", state, layer) if wiring.mlp_norm else state
