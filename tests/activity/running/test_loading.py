"""Which models load, and what is said of those that do not."""

import json
import logging
import shutil
import threading

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from activity.running.families import network
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from real_data import real_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny llama in a folder of its own, without a tokenizer."""
    place = tmp_path_factory.mktemp("models") / "tiny-llama"
    network("llama").save_pretrained(place)
    return place


def test_a_folder_a_file_in_it_and_a_scan_are_the_same_model(folder):
    logits = LanguageModel.load(folder).next_logits([3, 1, 4])
    by_file = LanguageModel.load(folder / "model.safetensors").next_logits([3, 1, 4])
    with tomo.scan(folder) as scan:
        by_scan = LanguageModel.load(scan).next_logits([3, 1, 4])
    np.testing.assert_array_equal(logits, by_file)
    np.testing.assert_array_equal(logits, by_scan)


def test_weights_of_heads_are_those_of_the_scan(folder):
    model = LanguageModel.load(folder)
    with tomo.scan(folder) as scan:
        for role, head in (("q", 3), ("k", 1), ("v", 0), ("o", 2)):
            expected = scan.head(layer=1, head=head, role=role)
            np.testing.assert_array_equal(model.weight(role, 1, head), expected)
        for role in ("gate", "up", "down", "attn_norm", "mlp_norm"):
            np.testing.assert_array_equal(model.weight(role, 0), scan.part(role, layer=0))
        np.testing.assert_array_equal(model.weight("token_embedding"), scan.part("token_embedding"))


def test_weights_cannot_be_written(folder):
    weight = LanguageModel.load(folder).weight("q", 0)
    with pytest.raises(ValueError, match="read-only"):
        weight[0, 0] = 1


def test_nothing_is_printed_and_nothing_stays_silenced(folder, capfd):
    LanguageModel.load(folder)
    assert capfd.readouterr() == ("", "")
    from transformers.utils import logging as theirs

    assert theirs.is_progress_bar_enabled()
    assert theirs.get_verbosity() < logging.CRITICAL


@pytest.mark.parametrize("lacking", ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
def test_missing_tensors_are_named(folder, tmp_path, lacking):
    from safetensors.numpy import load_file, save_file

    shutil.copy(folder / "config.json", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors[lacking]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    shown = lacking.replace(".1.", ".{1}.")
    with pytest.raises(TomoError, match="1 of its tensors are missing") as caught:
        LanguageModel.load(tmp_path)
    assert shown in str(caught.value)


def test_the_partial_gpt2_says_what_it_lacks():
    with pytest.raises(TomoError, match="25 of its tensors are missing") as caught:
        LanguageModel.load(real_data("gpt2-attention-fp16"))
    assert "transformer.h.{0–11}.mlp.c_fc.weight" in str(caught.value)
    assert "transformer.wte.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nowhere/at/all", "does not exist"),
        ("  ", "No model is named"),
        ("nobody/nothing-at-all", "hf download nobody/nothing-at-all"),
    ],
)
def test_a_model_that_is_not_there(path, said):
    with pytest.raises(TomoError, match=said):
        LanguageModel.load(path)


def test_a_file_of_another_name_is_the_one_that_runs(folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    shutil.copy(folder / "config.json", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    for name, factor in (("early", 0.5), ("late", 1.0)):
        changed = {key: values * np.float32(factor) for key, values in tensors.items()}
        save_file(changed, tmp_path / f"{name}.safetensors", metadata={"format": "pt"})
    early, late = (tomo.language_model(tmp_path / f"{n}.safetensors") for n in ("early", "late"))
    assert (early.name, late.name) == ("early", "late")
    expected = LanguageModel.load(folder)
    np.testing.assert_array_equal(late.weight("q", 0), expected.weight("q", 0))
    np.testing.assert_array_equal(early.weight("q", 0), expected.weight("q", 0) / 2)
    np.testing.assert_array_equal(late.next_logits([3, 1]), expected.next_logits([3, 1]))


def test_gpt2_runs_without_a_config_once_its_heads_are_known(tmp_path):
    network("gpt2").save_pretrained(tmp_path)
    expected = LanguageModel.load(tmp_path).next_logits([3, 1, 4])
    (tmp_path / "config.json").unlink()
    with pytest.raises(TomoError, match=r"n_heads=…"):
        LanguageModel.load(tmp_path)
    with tomo.scan(tmp_path, n_heads=4) as scan:
        activity = LanguageModel.load(scan).run([3, 1, 4])
    np.testing.assert_array_equal(activity["logits"], expected)
    assert any("no config.json" in note for note in activity.notes)


def test_a_name_is_found_in_the_cache_of_the_hub(folder, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    revision = "0123456789abcdef0123456789abcdef01234567"
    home = tmp_path / "models--nobody--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    shutil.copytree(folder, home / "snapshots" / revision)
    model = LanguageModel.load("nobody/tiny")
    assert model.path == home / "snapshots" / revision
    assert model.name == "tiny"


def test_files_that_are_no_model_say_what_they_are():
    with pytest.raises(TomoError, match=r"stories260K\.gguf can be looked at, but not run"):
        LanguageModel.load(real_data("gguf/stories260K.gguf"))
    with pytest.raises(TomoError, match=r"quantised \(gptq\)"):
        LanguageModel.load(real_data("gptq/stories260K-gptq-4bit"))


def test_other_weights_than_those_that_were_named_are_not_run(folder, tmp_path):
    """Transformers would take the safetensors beside the file."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    np.savez(tmp_path / "weights.npz", a=np.zeros(3))
    with pytest.raises(TomoError, match=r"weights\.npz can be looked at, but not run"):
        LanguageModel.load(tmp_path / "weights.npz")
    assert LanguageModel.load(tmp_path).path == tmp_path
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(TomoError, match=r"weights\.npz can be looked at, but not run"):
        LanguageModel.load(tmp_path)


def test_a_folder_without_a_config(folder, tmp_path):
    shutil.copy(folder / "model.safetensors", tmp_path)
    with pytest.raises(TomoError, match=r"no config\.json"):
        LanguageModel.load(tmp_path)


def test_a_family_that_transformers_does_not_know(folder, tmp_path):
    shutil.copy(folder / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "frobnicate"}))
    with pytest.raises(TomoError, match="frobnicate"):
        LanguageModel.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"device": "mps"}, "has no mps"),
        ({"dtype": "int3"}, "no dtype 'int3'"),
    ],
)
def test_devices_and_dtypes_that_are_not_there(folder, options, said):
    with pytest.raises(TomoError, match=said):
        LanguageModel.load(folder, **options)


def test_half_precision_is_recorded_as_float32(folder):
    exact = LanguageModel.load(folder).run([3, 1, 4, 1, 5])
    rough = LanguageModel.load(folder, dtype="bfloat16").run([3, 1, 4, 1, 5])
    for name, values in rough.items():
        assert values.dtype == np.float32
        if name != "scores":
            scale = np.abs(exact[name]).max()
            assert np.abs(values - exact[name]).max() < 0.1 * scale, name


def test_the_same_model_is_loaded_once_and_two_are_kept(folder, tmp_path):
    first = tomo.language_model(folder)
    assert tomo.language_model(str(folder)) is first
    assert tomo.language_model(first) is first
    others = []
    for name in ("a", "b"):
        shutil.copytree(folder, tmp_path / name)
        others.append(tomo.language_model(tmp_path / name))
    assert tomo.language_model(tmp_path / "a") is others[0]
    assert tomo.language_model(folder) is not first


def test_a_closed_model_says_so_and_is_loaded_anew(folder):
    model = tomo.language_model(folder)
    activity = model.run([3, 1])
    model.close()
    assert model.closed
    with pytest.raises(TomoError, match="closed"):
        activity.model.weight("q", 0)
    assert tomo.language_model(folder) is not model


class StopsAt(SilentProgress):
    """Progress that is cancelled when so much is done."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def advance(self, amount):
        if self.done + amount >= self.at:
            self.cancel()
        super().advance(amount)


def test_a_run_can_be_cancelled_between_blocks_and_the_model_runs_on(folder):
    model = LanguageModel.load(folder)
    before = model.run([3, 1, 4])
    with pytest.raises(Cancelled):
        model.run([3, 1, 4], progress=StopsAt(2))
    hooks = [
        hook
        for module in model.circuit.network.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    assert not hooks
    assert model.circuit.network.config._attn_implementation == "eager"
    after = model.run([3, 1, 4])
    np.testing.assert_array_equal(before["logits"], after["logits"])


def test_progress_counts_blocks(folder):
    progress = SilentProgress()
    model = LanguageModel.load(folder)
    model.run([3, 1], progress=progress)
    assert progress.done == progress.total == 2
    model.run_batch([[3], [1, 4], [5]], batch_size=2, progress=progress)
    assert progress.done == progress.total == 4


def test_two_threads_may_run_one_model(folder):
    model = LanguageModel.load(folder)
    texts = [[3, 1, 4], [1, 5, 9, 2]]
    expected = [model.run(text)["resid_post"] for text in texts]
    found = [[], []]

    def work(which):
        for _ in range(5):
            found[which].append(model.run(texts[which])["resid_post"])

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for which in (0, 1):
        assert len(found[which]) == 5
        for states in found[which]:
            np.testing.assert_array_equal(states, expected[which])
