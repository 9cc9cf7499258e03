"""Activities and interventions equal what TransformerLens measures with code of its own.

The reference is written by ``scripts/reference_activations.py``.
"""

from pathlib import Path

import numpy as np
import pytest

from activity.reference_models import CONFIGS, IDS, OTHER_IDS, make
from napari_gpt2_tomo.activity.intervention.change import Component, Mean, Patch, Zero
from napari_gpt2_tomo.activity.running.changes import run_changed
from napari_gpt2_tomo.activity.running.model import LanguageModel

REFERENCE = Path(__file__).parents[1] / "data" / "transformer_lens.npz"

TOLERANCE = 2e-5
"""Of values of about 10, in float32: TransformerLens multiplies in another order."""

CHANGES = {
    "zero head 1.1": Zero(Component.head(1, 1)),
    "mean neuron 0.3": Mean(Component.neuron(0, 3)),
    "zero channel 5 before 1 at 2, 3": Zero(Component.channel(1, 5), tokens=(2, 3)),
    "zero attention 0": Zero(Component.attention(0)),
    "zero mlp 1": Zero(Component.mlp(1)),
    "patch head 0.0": Patch(Component.head(0, 0), OTHER_IDS),
    "patch stream before 1 at 2": Patch(Component.stream(1), OTHER_IDS, tokens=(2,)),
}


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as arrays:
        yield dict(arrays)


@pytest.fixture(scope="module", params=list(CONFIGS))
def pair(request, reference, tmp_path_factory):
    """A model, and the reference's arrays of its family."""
    folder = tmp_path_factory.mktemp(request.param)
    make(request.param).save_pretrained(folder)
    start = f"{request.param}/"
    arrays = {
        name.removeprefix(start): a for name, a in reference.items() if name.startswith(start)
    }
    return LanguageModel.load(folder, device="cpu"), arrays


def test_every_site_that_both_know(pair):
    model, reference = pair
    activity = model.run(IDS)
    both = [name for name in activity if name in reference]
    needed = {"resid_pre", "attn_out", "mlp_out", "resid_post", "final", "q", "k", "v", "pattern"}
    assert needed | {"z", "mlp_pre", "mlp_post", "logits", "embed"} <= set(both)
    assert ("resid_mid" in both) == (model.scheme != "parallel")
    assert ("mlp_linear" in both) == ("rot_q" in both and model.family == "llama")
    for name in both:
        assert activity[name].shape == reference[name].shape, name
        assert np.abs(activity[name] - reference[name]).max() < TOLERANCE, name


def test_rotary_models_turn_queries_and_keys_as_the_reference_does(pair):
    model, reference = pair
    if model.positions != "rotary":
        assert "rot_q" not in reference
        return
    activity = model.run(IDS, what=["rot_q", "rot_k"])
    for name in ("rot_q", "rot_k"):
        assert np.abs(activity[name] - reference[name]).max() < TOLERANCE


@pytest.mark.parametrize("name", list(CHANGES))
def test_logits_under_interventions(pair, name):
    model, reference = pair
    changed = run_changed(model, IDS, [CHANGES[name]], what=["logits"])
    expected = reference[f"changed/{name}"]
    assert np.abs(changed["logits"] - expected).max() < TOLERANCE
    # The intervention is not without effect.
    assert np.abs(expected - reference["logits"]).max() > 1e-2


def test_folding_changes_logits_by_a_constant_for_each_position(pair):
    _, reference = pair
    shift = reference["logits"] - reference["folded/logits"]
    assert np.ptp(shift, axis=-1).max() < TOLERANCE * 10
