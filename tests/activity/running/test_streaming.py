"""A model whose weights stay on disk computes the same, with a block in memory at most."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from activity.running.families import CONFIGS, network
from napari_gpt2_tomo.activity.intervention.change import Component, Zero
from napari_gpt2_tomo.activity.running import streaming
from napari_gpt2_tomo.activity.running.changes import run_changed
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import Cancelled, TomoError

IDS = (3, 14, 15, 9, 2)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "cache"))


def loaded(name, folder, **options):
    network(name).save_pretrained(folder)
    return LanguageModel.load(folder, device="cpu", **options)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_every_number_is_the_same(tmp_path, name):
    usual = loaded(name, tmp_path, streaming=False)
    streamed = LanguageModel.load(tmp_path, device="cpu", streaming=True)
    assert streaming.is_streamed(streamed.circuit.network)
    assert not streaming.is_streamed(usual.circuit.network)
    what = sorted(usual.circuit.sites)
    expected, found = usual.run(IDS, what), streamed.run(IDS, what)
    assert list(found) == list(expected)
    for site in expected:
        assert np.array_equal(found[site], expected[site], equal_nan=True), site


def in_memory(model: nn.Module) -> int:
    """Bytes of parameters that have memory now."""
    return sum(p.nbytes for p in {id(p): p for p in model.parameters()}.values() if not p.is_meta)


class Watch:
    """Notes how many bytes of weights are in memory whenever a module computes."""

    def __init__(self, model: LanguageModel) -> None:
        self.most = 0
        self.network = model.circuit.network
        self.idle = in_memory(self.network)
        self.count = 0
        for module in self.network.modules():
            if next(module.parameters(recurse=False), None) is not None:
                inner = module._hf_hook
                self._follow(inner)

    def _follow(self, hook) -> None:
        load = hook.pre_forward

        def noted(module, *args, **kwargs):
            result = load(module, *args, **kwargs)
            self.most = max(self.most, in_memory(self.network))
            self.count += 1
            return result

        hook.pre_forward = noted


@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral"])
def test_no_more_than_one_block_is_in_memory(tmp_path, name):
    model = loaded(name, tmp_path, streaming=True)
    blocks = [sum(p.numel() * 4 for p in block.parameters()) for block in model.circuit.blocks]
    watch = Watch(model)
    model.run(IDS)
    assert watch.count > len(blocks)
    assert watch.idle < watch.most <= watch.idle + max(blocks)
    gc.collect()
    assert in_memory(model.circuit.network) == watch.idle
    # What stays are the parameters outside of the blocks.
    total = sum(p.numel() * 4 for p in model.circuit.network.parameters())
    assert watch.idle == total - sum(blocks)


def test_weights_are_read_where_they_lie(tmp_path):
    usual = loaded("llama", tmp_path, streaming=False)
    streamed = LanguageModel.load(tmp_path, device="cpu", streaming=True)
    for role in ("q", "o", "gate", "down", "attn_norm"):
        assert np.array_equal(streamed.weight(role, 1), usual.weight(role, 1))
    assert np.array_equal(streamed.weight("v", 1, head=1), usual.weight("v", 1, head=1))
    assert np.array_equal(streamed.weight("unembedding"), usual.weight("unembedding"))
    state = np.ones((2, 16), np.float32)
    assert np.array_equal(streamed.norm("mlp_norm", state, 1), usual.norm("mlp_norm", state, 1))
    assert streaming.is_streamed(streamed.circuit.network)


def test_weights_of_experts_are_read_where_they_lie(tmp_path):
    usual = loaded("mixtral", tmp_path, streaming=False)
    streamed = LanguageModel.load(tmp_path, device="cpu", streaming=True)
    for role in ("gate", "up", "down"):
        expected = usual.weight(role, 1, expert=2)
        assert np.array_equal(streamed.weight(role, 1, expert=2), expected)


def test_interventions_and_continuations_work(tmp_path):
    usual = loaded("gpt2", tmp_path, streaming=False)
    streamed = LanguageModel.load(tmp_path, device="cpu", streaming=True)
    change = [Zero(Component.head(1, 2))]
    assert np.array_equal(
        run_changed(streamed, IDS, change)["logits"], run_changed(usual, IDS, change)["logits"]
    )
    assert list(streamed.continued(IDS, 4).ids) == list(usual.continued(IDS, 4).ids)


def test_a_stored_half_precision_file_is_computed_in_the_wanted_dtype(tmp_path):
    from copy import deepcopy

    deepcopy(network("llama")).half().save_pretrained(tmp_path)
    usual = LanguageModel.load(tmp_path, device="cpu", dtype="float32", streaming=False)
    streamed = LanguageModel.load(tmp_path, device="cpu", dtype="float32", streaming=True)
    assert streamed.dtype == "float32"
    expected = usual.next_logits(IDS)
    assert np.array_equal(streamed.next_logits(IDS), expected)


def test_progress_is_told_for_each_block_and_it_can_be_stopped(tmp_path):
    model = loaded("llama", tmp_path, streaming=True)
    heard = []
    listener = SimpleNamespace(
        start=lambda total, description: heard.append(total), advance=heard.append
    )
    model.run(IDS, progress=listener)
    assert heard == [2, 1, 1]
    idle = in_memory(model.circuit.network)

    def stop(amount):
        raise Cancelled("stop")

    listener.advance = stop
    with pytest.raises(Cancelled):
        model.run(IDS, progress=listener)
    assert in_memory(model.circuit.network) == idle
    assert np.isfinite(model.next_logits(IDS)).all()


def test_only_tensors_that_are_stored_otherwise_are_written(tmp_path):
    loaded("llama", tmp_path / "llama", streaming=True)
    cache = tmp_path / "cache" / "streaming"
    assert not [*cache.rglob("*.safetensors")]
    model = loaded("mixtral", tmp_path / "mixtral", streaming=True)
    written = [*cache.rglob("*.safetensors"), *cache.rglob("*.dat")]
    assert written
    assert all("experts" in file.name for file in written)
    del model
    gc.collect()
    assert not [*cache.rglob("*.*")]


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    left = tmp_path / "cache" / "streaming" / "4194305-abc"  # Beyond the largest process id.
    left.mkdir(parents=True)
    (left / "experts.safetensors").write_bytes(b"x")
    mine = streaming.scratch_folder()
    assert not left.exists()
    assert streaming.scratch_folder() != mine
    assert mine.exists()


@pytest.mark.parametrize("form", ["shards", "bin"])
def test_other_files_than_one_of_safetensors_are_streamed_too(tmp_path, form):
    if form == "shards":
        network("llama").save_pretrained(tmp_path, max_shard_size="10KB")
        assert len([*tmp_path.glob("*.safetensors")]) > 2
    else:
        network("llama").config.save_pretrained(tmp_path)
        torch.save(network("llama").state_dict(), tmp_path / "pytorch_model.bin")
    model = LanguageModel.load(tmp_path, device="cpu", streaming=True)
    assert streaming.is_streamed(model.circuit.network)
    expected = network("llama")(torch.tensor([IDS])).logits[0].numpy()
    assert np.allclose(model.next_logits(IDS), expected, atol=1e-6)


def test_automatic_streaming_is_a_matter_of_memory(tmp_path, monkeypatch):
    network("llama").save_pretrained(tmp_path)
    size = streaming.weight_bytes(network("llama"), torch.float32)
    for free, expected in ((10 * size, False), (size, True)):
        monkeypatch.setattr(streaming, "free_bytes", lambda device, free=free: free)
        model = LanguageModel.load(tmp_path, device="cpu")
        assert streaming.is_streamed(model.circuit.network) == expected


def test_bytes_of_weights_count_each_tied_tensor_once():
    model = nn.ModuleDict({"a": nn.Linear(3, 5, bias=False), "b": nn.Linear(3, 5, bias=False)})
    model["b"].weight = model["a"].weight
    assert streaming.weight_bytes(model, torch.float16) == 2 * 15


def test_free_memory_of_a_container_is_what_it_may_still_use(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "CGROUP", tmp_path)
    cpu = torch.device("cpu")
    assert streaming.free_bytes(cpu) > 10**6
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 50\nactive_file 50\n")
    assert streaming.free_bytes(cpu) == 650
    (tmp_path / "memory.max").write_text("max\n")
    assert streaming.free_bytes(cpu) > 10**6


def test_missing_tensors_are_named_here_too(tmp_path):
    from safetensors.torch import load_file, save_file

    network("llama").save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(TomoError, match=r"layers.1.mlp.up_proj|layers.\{1\}.mlp.up_proj"):
        LanguageModel.load(tmp_path, device="cpu", streaming=True)


def test_gradients_need_all_weights_and_say_so(tmp_path):
    model = loaded("llama", tmp_path, streaming=True)
    with pytest.raises(TomoError, match="larger than the memory"):
        model.gradient(IDS, [])
