import numpy as np
import pytest
import torch

from activity.intervention.tiny import build
from napari_gpt2_tomo.activity.intervention.change import Component, Mean, Patch, Zero
from napari_gpt2_tomo.activity.intervention.effect import Metric
from napari_gpt2_tomo.activity.running.changes import effect, run_changed
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.activity.running.sweeps import sweep
from napari_gpt2_tomo.base import Cancelled, TomoError

A, B = (3, 14, 15, 9, 2, 6), (3, 8, 15, 1, 2, 7)
HEADS = [(layer, head) for layer in range(3) for head in range(4)]


def loaded(family, folder, **changes):
    build(family, folder, **changes)
    return LanguageModel.load(folder, device="cpu")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return loaded("gpt2", tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return loaded("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture(params=["gpt2", "llama"])
def model(request):
    return request.getfixturevalue(request.param)


def logits(model, changes=()):
    return run_changed(model, A, changes, what=["logits"])["logits"]


def edited(model, edit):
    """Logits of a copy of the model whose weights were edited."""
    from copy import deepcopy

    network = deepcopy(model.circuit.network)
    with torch.no_grad():
        edit(network)
        return network(torch.tensor([A])).logits[0].numpy()


# -- exactness ---------------------------------------------------------------------------------


def test_all_heads_at_zero_is_attention_that_adds_its_bias_alone(gpt2):
    changed = logits(gpt2, [Zero(Component.head(*place)) for place in HEADS])

    def without(network):
        for block in network.transformer.h:
            block.attn.c_proj.weight.zero_()

    assert np.allclose(changed, edited(gpt2, without), atol=1e-5)


def test_attention_at_zero_is_a_model_without_attention(model):
    changed = logits(model, [Zero(Component.attention(layer)) for layer in range(3)])

    def without(network):
        for name, parameter in network.named_parameters():
            if "attn.c_proj" in name or "o_proj" in name:
                parameter.zero_()

    assert np.allclose(changed, edited(model, without), atol=1e-5)


def test_a_head_at_zero_is_a_model_whose_rows_of_the_output_matrix_are_zero(model):
    changed = logits(model, [Zero(Component.head(1, 2))])

    def without(network):
        if model.family == "gpt2":
            network.transformer.h[1].attn.c_proj.weight[8:12] = 0
        else:
            network.model.layers[1].self_attn.o_proj.weight[:, 8:12] = 0

    assert np.allclose(changed, edited(model, without), atol=1e-5)


def test_a_neuron_at_zero_is_a_model_whose_row_of_the_mlp_output_is_zero(model):
    changed = logits(model, [Zero(Component.neuron(2, 5))])

    def without(network):
        if model.family == "gpt2":
            network.transformer.h[2].mlp.c_proj.weight[5] = 0
        else:
            network.model.layers[2].mlp.down_proj.weight[:, 5] = 0

    assert np.allclose(changed, edited(model, without), atol=1e-5)


@pytest.mark.parametrize(
    "component",
    [
        Component.head(1, 0),
        Component.neuron(0, 7),
        Component.channel(2, 3, "resid_mid"),
        Component.attention(2),
        Component.mlp(0),
        Component.stream(1),
    ],
    ids=str,
)
def test_patching_from_the_prompt_itself_changes_nothing(model, component):
    assert np.array_equal(logits(model, [Patch(component, A)]), logits(model))


@pytest.mark.parametrize("layer", [0, 2])
def test_patching_the_whole_stream_gives_the_other_prompts_logits(model, layer):
    other = model.run(B, what=["logits"])["logits"]
    for site in ("resid_pre", "resid_mid", "resid_post"):
        # What attention reads at the layer's own positions is patched too before it.
        if site == "resid_pre" or layer == 2:
            changed = logits(model, [Patch(Component.stream(layer, site), B)])
            assert np.allclose(changed, other, atol=1e-5)


def test_one_patched_position_leaves_those_before_it_alone(model):
    changed = logits(model, [Patch(Component.stream(0), B, tokens=(3,))])
    unchanged = logits(model)
    assert np.allclose(changed[:3], unchanged[:3], atol=1e-6)
    assert np.abs(changed[3:] - unchanged[3:]).max(-1).min() > 1e-3


def test_positions_of_prompts_of_different_length_can_be_aligned(model):
    longer = (5, *B)
    change = Patch(Component.stream(0), longer, tokens=(1, 3), source_tokens=(2, 4))
    before = run_changed(model, A, [change], what=["resid_pre"])["resid_pre"][0]
    there = model.run(longer, what=["resid_pre"])["resid_pre"][0]
    assert np.array_equal(before[[1, 3]], there[[2, 4]])
    assert np.array_equal(before[[0, 2]], model.run(A)["resid_pre"][0][[0, 2]])


def test_the_mean_is_that_of_the_unchanged_run(model):
    changes = [Zero(Component.attention(0)), Mean(Component.neuron(1, 4), tokens=(2,))]
    changed = run_changed(model, A, changes, what=["mlp_post"])["mlp_post"][1]
    expected = model.run(A, what=["mlp_post"])["mlp_post"][1, :, 4].mean()
    assert changed[2, 4] == pytest.approx(expected, abs=1e-6)


def test_the_mean_over_texts_is_over_all_their_positions(model):
    changed = run_changed(model, A, [Mean(Component.head(1, 1), over=("1 2 3", "7"))], what=["z"])
    gathered = [model.run(ids, what=["z"])["z"][1, 1] for ids in ((1, 2, 3), (7,))]
    expected = np.concatenate(gathered).mean(0)
    assert np.allclose(changed["z"][1, 1], expected, atol=1e-6)


def test_changes_are_told_with_the_activity(gpt2):
    activity = run_changed(gpt2, A, [Zero(Component.head(0, 1), tokens=(2,))])
    assert activity.source.changes == ("Zero ablation of L0 head 1 at position 2 (15)",)
    assert np.all(activity["z"][0, 1, 2] == 0)
    assert gpt2.run(A).source.changes == ()


@pytest.mark.parametrize("family", ["gpt_neox", "phi", "gemma2", "olmo"])
def test_other_families_can_be_changed_too(tmp_path, family):
    model = loaded(family, tmp_path)
    unchanged = logits(model)
    for component in (Component.head(1, 3), Component.neuron(0, 2), Component.mlp(1)):
        changed = logits(model, [Zero(component)])
        assert np.abs(changed - unchanged).max() > 1e-4
    other = model.run(B, what=["logits"])["logits"]
    assert np.allclose(logits(model, [Patch(Component.stream(0), B)]), other, atol=1e-5)


# -- effects -----------------------------------------------------------------------------------


def test_an_effect_is_the_difference_of_two_runs(model):
    change = [Zero(Component.mlp(1))]
    found = effect(model, A, change, position=3)
    assert np.allclose(found.before, logits(model)[3], atol=1e-6)
    assert np.allclose(found.after, logits(model, change)[3], atol=1e-6)
    assert np.array_equal(found.logit_change([4, 7]), (found.after - found.before)[[4, 7]])
    p, q = (np.exp(x) / np.exp(x).sum() for x in (found.before, found.after))
    assert found.kl == pytest.approx(float((p * np.log(p / q)).sum()), rel=1e-4)
    before, after = found.difference(4, 7)
    assert after - before == pytest.approx(
        float(np.subtract(*found.logit_change([4, 7]))), abs=1e-5
    )


def test_candidates_are_the_best_before_and_after_and_those_asked_for(model):
    found = effect(model, A, [Zero(Component.mlp(2))])
    listed = found.candidates(3, also=[11])
    assert [one.rank_before for one in listed[:3]] == [0, 1, 2]
    assert {one.rank_after for one in listed} >= {0, 1, 2}
    assert 11 in [one.id for one in listed]
    assert len({one.id for one in listed}) == len(listed)


def test_nothing_changed_has_no_effect(model):
    found = effect(model, A, [])
    assert found.kl == 0
    assert not found.logit_change([1, 2]).any()


# -- sweeps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["zero", "mean", "patch"])
def test_a_sweep_over_heads_is_every_head_alone(model, how):
    metric = Metric("difference", token=4, other=9)
    source = B if how == "patch" else None
    found = sweep(model, A, "heads", how, metric, source=source)
    assert found.values.shape == (3, 4)
    make = {"zero": Zero, "mean": Mean, "patch": lambda component: Patch(component, B)}[how]
    for layer, head in [(0, 0), (1, 3), (2, 2)]:
        before, after = effect(model, A, [make(Component.head(layer, head))]).difference(4, 9)
        assert found.values[layer, head] == pytest.approx(after, abs=1e-4)
        assert found.unchanged == pytest.approx(before, abs=1e-5)


def test_a_sweep_over_positions_is_every_position_alone(model):
    found = sweep(model, A, "resid_pre", "patch", Metric("logit", token=4), source=B)
    assert found.values.shape == (3, 6)
    one = effect(model, A, [Patch(Component.stream(1), B, tokens=(3,))])
    assert found.effects[1, 3] == pytest.approx(one.logit_change([4])[0], abs=1e-4)
    # Position 0 and 2 hold the same token in both prompts, and so does all that came before.
    assert found.effects[0, 0] == pytest.approx(0, abs=1e-5)


def test_restored_is_one_where_the_last_position_is_the_other_prompt(model):
    found = sweep(model, A, "resid_post", "patch", Metric("logit", token=4), source=B)
    assert found.restored[-1, -1] == pytest.approx(1, abs=1e-4)
    assert np.allclose(found.restored[-1, :-1], 0, atol=1e-4)


def test_many_variants_run_in_several_batches(model, monkeypatch):
    whole = sweep(model, A, "mlp", "zero").values
    monkeypatch.setattr("napari_gpt2_tomo.activity.running.sweeps.ROWS", 4)
    assert np.allclose(sweep(model, A, "mlp", "zero").values, whole, atol=1e-6)


def test_a_sweep_tells_its_progress_and_can_be_stopped(gpt2):
    class Listener:
        done = total = 0

        def start(self, total, description):
            self.total, self.done = total, 0

        def advance(self, amount):
            self.done += amount
            if self.done == self.stop_at:
                raise Cancelled("stop")

    listener = Listener()
    listener.stop_at = -1
    sweep(gpt2, A, "heads", "mean", progress=listener)
    assert listener.done == listener.total > 0
    listener.stop_at = 5
    with pytest.raises(Cancelled):
        sweep(gpt2, A, "heads", "zero", progress=listener)
    assert np.array_equal(logits(gpt2), logits(gpt2, []))


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Zero(Component.head(0, 4)), "heads 0 to 3, there is no 4"),
        (Zero(Component.head(3, 0)), "layers 0 to 2, there is no 3"),
        (Zero(Component.neuron(0, 999)), "there is no 999"),
        (Zero(Component.channel(0, 16)), "channels 0 to 15"),
        (Zero(Component.mlp(0), tokens=(6,)), "positions 0 to 5, there is no 6"),
        (Patch(Component.mlp(0), (1, 2)), "6 tokens, the one to patch from 2"),
        (Patch(Component.mlp(0), B, (1, 2), (1,)), "2 positions of the prompt and 1"),
        (Patch(Component.mlp(0), (1, 2), (1,), (5,)), "positions 0 to 1, there is no 5"),
    ],
)
def test_what_does_not_exist_or_fit_is_said(gpt2, change, message):
    with pytest.raises(TomoError, match=message):
        run_changed(gpt2, A, [change])


def test_sweeps_say_what_they_need(gpt2):
    with pytest.raises(TomoError, match="needs another prompt"):
        sweep(gpt2, A, "heads", "patch")
    with pytest.raises(TomoError, match="sweep over 'tails'"):
        sweep(gpt2, A, "tails")
    with pytest.raises(TomoError, match="needs a token"):
        Metric("logit")
    with pytest.raises(TomoError, match="place of the residual stream"):
        Component.channel(0, 0, "pattern")


def test_a_place_that_the_model_lacks_is_named(tmp_path):
    model = loaded("gpt_neox", tmp_path)
    with pytest.raises(TomoError, match="resid_mid"):
        run_changed(model, A, [Zero(Component.channel(0, 1, "resid_mid"))])


def test_neurons_of_experts_are_computed_and_cannot_be_changed(tmp_path):
    model = loaded("mixtral", tmp_path)
    with pytest.raises(TomoError, match="mlp_post"):
        run_changed(model, A, [Zero(Component.neuron(0, 1))])
