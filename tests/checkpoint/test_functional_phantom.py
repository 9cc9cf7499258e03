"""The functional phantom: its file, its codewords, and its circuits in a model that runs."""

import hashlib

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint.built_in import built_in
from napari_gpt2_tomo.checkpoint.phantoms.circuits import BANDS, END, KINDS, codewords
from napari_gpt2_tomo.checkpoint.phantoms.functional import CIRCUITS, functional_phantom
from napari_gpt2_tomo.facade import Scan

DIGEST = "11ffd255d109ab17187972e6ac8d884dbece212af6f5d2f9223ee8ffe69109de"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return functional_phantom(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="module")
def run(path):
    """Runs a text: token ids, logits ``(token, vocab)``, attention by layer, neurons by layer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, attn_implementation="eager"
    ).eval()

    def run(text):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        neurons = []
        hooks = [
            block.mlp.act.register_forward_hook(lambda *said: neurons.append(said[2][0].numpy()))
            for block in model.transformer.h
        ]
        with torch.no_grad():
            out = model(ids, output_attentions=True)
        for hook in hooks:
            hook.remove()
        patterns = [one[0].numpy() for one in out.attentions]
        return ids[0].tolist(), out.logits[0].numpy(), patterns, neurons

    return run


def circuit(name):
    return next(one for one in CIRCUITS if one.name == name)


def test_it_is_the_same_bit_for_bit_everywhere(path):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST


def test_it_is_written_once(path):
    before = path.stat().st_mtime_ns
    assert functional_phantom(path.parent.parent) == path
    assert path.stat().st_mtime_ns == before


def test_its_name_stands_for_its_path(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path))
    assert built_in("functional-phantom").is_file()
    assert built_in("another") is None


def test_a_file_of_the_users_has_its_name_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functional-phantom").mkdir()
    assert built_in("functional-phantom") is None


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be written"):
        functional_phantom(tmp_path / "file")


def test_every_parameter_is_recognised(path):
    with Scan(path) as scan:
        assert scan.anatomy.family == "gpt2"
        assert scan.anatomy.n_recognised == scan.anatomy.n_parameters
        assert scan.anatomy.hyper.n_heads == 4


def test_codewords_are_orthogonal_or_opposite():
    words = codewords()
    products = words @ words.T / 128
    assert set(np.unique(products)) == {-1.0, 0.0, 1.0}
    assert (products[:128, :128] == np.eye(128)).all()


def test_heads_and_neurons_that_are_no_circuit_are_zero(path):
    tensors = load_file(path)
    for layer in range(3):
        heads = {one.head for one in CIRCUITS if one.layer == layer and one.name != "silent"}
        qkv = tensors[f"h.{layer}.attn.c_attn.weight"].reshape(512, 3, 4, 128)
        used = {head for head in range(4) if qkv[:, :, head].any()}
        assert used == heads - {None}
        neurons = sum(
            one.neurons[1] - one.neurons[0]
            for one in CIRCUITS
            if one.layer == layer and one.neurons
        )
        assert tensors[f"h.{layer}.mlp.c_proj.weight"].any(axis=1).sum() == neurons


def test_the_previous_token_head_looks_back_by_one(run):
    _, _, patterns, _ = run("The cat sat on the mat, and 42 dogs looked at it.")
    head = circuit("previous-token")
    assert patterns[head.layer][head.head].diagonal(-1).min() > 0.99


def test_the_duplicate_token_head_shares_itself_among_equal_tokens(run):
    ids, _, patterns, _ = run("abcabcabc")
    pattern = patterns[0][circuit("duplicate-token").head]
    assert pattern[9, [3, 6, 9]] == pytest.approx([1 / 3] * 3, abs=0.01)
    assert ids[0] == END


def test_the_induction_head_finds_what_followed_and_expects_it(run):
    ids, logits, patterns, _ = run("xyzzy 42 foo, xyzzy 42 f")
    head = circuit("induction")
    pattern = patterns[head.layer][head.head]
    assert pattern[-1, 11] > 0.9  # The first "o" of "foo".
    assert chr(logits[-1].argmax()) == "o"
    assert pattern[2, 0] > 0.9  # Nothing to find: it rests on the begin of the text.
    assert ids[11] == ord("o")
    _, logits, _, _ = run("Room 42, room 4")
    assert chr(logits[-1].argmax()) == "2"  # In the phantom's own text a space follows.


def test_the_letter_pairs_are_those_of_its_text(run):
    _, logits, _, _ = run("Q")
    assert chr(logits[0].argmax()) in "TW"
    _, logits, _, _ = run("q")
    assert chr(logits[-1].argmax()) == "u"
    _, logits, _, _ = run("§")
    assert chr(logits[-1].argmax()) == " "


def test_neurons_fire_for_their_kinds_of_letters(run):
    text = "aB7 z"
    _, _, _, neurons = run(text)
    for neuron, members in enumerate(KINDS.values()):
        fires = neurons[0][1:, neuron] > 2
        assert fires.tolist() == [letter in members for letter in text]


def test_an_emoji_is_four_tokens(run):
    ids, logits, _, _ = run("🦜")
    assert ids == [END, *"🦜".encode()]
    assert np.isfinite(logits).all()


def test_bands_cover_the_channels_once():
    covered = np.zeros(512, int)
    for band in BANDS.values():
        covered[band] += 1
    assert (covered == 1).all()
