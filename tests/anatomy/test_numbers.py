"""The parts of a layer compute what transformers computes in that layer."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anatomy.models import SPECS, Made, value

LAYER = 1
TOKENS = 7
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


class Recording:
    """What went into and came out of modules and functions during one forward pass."""

    def __init__(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model = model
        self.monkeypatch = monkeypatch
        self.taken: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self.handles: list[Any] = []

    def module(self, path: str) -> None:
        def hook(_: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            # Falcon adds to the MLP's output in place afterwards.
            self.taken[path] = _copied((*inputs, *kwargs.values())), _copied(output)

        module = self.model.get_submodule(path)
        self.handles.append(module.register_forward_hook(hook, with_kwargs=True))

    def method(self, path: str, name: str) -> None:
        owner = self.model.get_submodule(path)
        original = getattr(owner, name)

        def recorded(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            self.taken[name] = (args, output)
            return output

        self.monkeypatch.setattr(owner, name, recorded)

    def interface(self, owner_path: str) -> None:
        """Record what the attention function gets, with rotary positions switched off."""
        owner = self.model.get_submodule(owner_path)
        code = sys.modules[type(owner).__module__]
        original = code.eager_attention_forward

        def recorded(module: Any, q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> Any:
            if module is owner:
                self.taken["interface"] = ((), (q, k, v))
            return original(module, q, k, v, *args, **kwargs)

        self.monkeypatch.setattr(code, "eager_attention_forward", recorded)
        if hasattr(code, "apply_rotary_pos_emb"):
            self.monkeypatch.setattr(code, "apply_rotary_pos_emb", lambda q, k, *_, **__: (q, k))

    def run(self) -> None:
        ids = torch.arange(3, 3 + TOKENS)[None]
        with torch.no_grad():
            self.model(input_ids=ids)
        for handle in self.handles:
            handle.remove()

    def input(self, path: str) -> np.ndarray:
        return _rows(self.taken[path][0][0])

    def output(self, path: str) -> np.ndarray:
        found = self.taken[path][1]
        return _rows(found[0] if isinstance(found, tuple) else found)


def _copied(found: Any) -> Any:
    if isinstance(found, tuple):
        return tuple(_copied(item) for item in found)
    return found.clone() if isinstance(found, torch.Tensor) else found


def _rows(tensor: Any) -> np.ndarray:
    array = tensor.detach().numpy()
    return array.reshape(-1, array.shape[-1])


class Weights:
    """Parts of one layer as arrays."""

    def __init__(self, model: Made, source: str) -> None:
        self.anatomy = model.anatomy(source)
        self.tensors = model.tensors(source)

    def get(self, role: str, expert: int | None = None) -> np.ndarray:
        return value(self.anatomy.part(role, LAYER, expert), self.tensors)

    def bias(self, role: str, expert: int | None = None) -> np.ndarray | float:
        roles = {(p.role, p.layer, p.expert) for p in self.anatomy.parts}
        if (f"{role}_bias", LAYER, expert) not in roles:
            return 0.0
        return self.get(f"{role}_bias", expert)

    def reads(self, x: np.ndarray, role: str, expert: int | None = None) -> np.ndarray:
        return x @ self.get(role, expert) + self.bias(role, expert)

    def writes(self, x: np.ndarray, role: str, expert: int | None = None) -> np.ndarray:
        return x @ self.get(role, expert).T + self.bias(role, expert)

    def mlp(
        self, x: np.ndarray, act: Callable[..., Any], expert: int | None = None, prefix: str = ""
    ) -> np.ndarray:
        up = self.reads(x, f"{prefix}up", expert)
        roles = {(p.role, p.layer, p.expert) for p in self.anatomy.parts}
        if (f"{prefix}gate", LAYER, expert) not in roles:
            hidden = act(up)
        elif self.anatomy.family == "gpt_oss":
            # GptOssExperts._apply_gate: clamp at 7, swish with alpha 1.702, up + 1.
            gate = np.minimum(self.reads(x, "gate", expert), 7.0)
            hidden = (np.clip(up, -7.0, 7.0) + 1) * gate / (1 + np.exp(-1.702 * gate))
        else:
            hidden = act(self.reads(x, f"{prefix}gate", expert)) * up
        return self.writes(hidden, f"{prefix}down", expert)


def _with_heads(tensor: Any, name: str, n: int, d: int) -> np.ndarray:
    """Any of the models' arrangements of heads as (token, head · d_head)."""
    array = tensor.detach().numpy()[0]
    if name == "_split_heads":
        return array.reshape(TOKENS, -1)
    if array.shape == (n, d, TOKENS):
        return array.transpose(2, 0, 1).reshape(TOKENS, n * d)
    assert array.shape == (n, TOKENS, d)
    return array.transpose(1, 0, 2).reshape(TOKENS, n * d)


@pytest.fixture
def recorded(made, monkeypatch):
    def record(name: str) -> tuple[Made, Recording, str]:
        model = made(name)
        spec = model.spec
        block = spec.layer.format(LAYER)
        recording = Recording(model.model, monkeypatch)
        for path in {spec.o, *spec.mlp, spec.router, spec.shared, spec.q, spec.k, spec.v} - {None}:
            if not (spec.fused or spec.latent) or path not in (spec.q, spec.k, spec.v):
                recording.module(f"{block}.{path}")
        if spec.fused:
            attention = f"{block}.{spec.o.rpartition('.')[0]}"
            if spec.fused == "interface":
                recording.interface(attention)
            else:
                recording.method(attention, spec.fused)
            fused = next(
                path
                for path, module in model.model.get_submodule(attention).named_modules()
                if path in ("c_attn", "query_key_value", "qkv_proj")
            )
            recording.module(f"{attention}.{fused}")
            recording.taken["fused"] = ((), f"{attention}.{fused}")
        if spec.latent:
            for path in ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"):
                recording.module(f"{block}.self_attn.{path}")
        recording.run()
        return model, recording, block

    return record


@pytest.mark.parametrize("source", ["saved", "memory"])
@pytest.mark.parametrize("name", sorted(SPECS))
def test_parts_reproduce_a_layer(recorded, name, source):
    model, recording, block = recorded(name)
    spec, weights = model.spec, Weights(model, source)
    _check_attention(model, recording, block, weights)
    np.testing.assert_allclose(
        weights.writes(recording.input(f"{block}.{spec.o}"), "o"),
        recording.output(f"{block}.{spec.o}"),
        **CLOSE,
    )

    def act(x: np.ndarray) -> np.ndarray:
        owner, _, leaf = f"{block}.{spec.act}".rpartition(".")
        function = getattr(model.model.get_submodule(owner), leaf)
        with torch.no_grad():
            return function(torch.from_numpy(np.ascontiguousarray(x))).numpy()

    entry, leave = (f"{block}.{path}" for path in spec.mlp)
    x, expected = recording.input(entry), recording.output(leave)
    if spec.router is None:
        np.testing.assert_allclose(weights.mlp(x, act), expected, **CLOSE)
        return
    logits, scores, chosen = recording.taken[f"{block}.{spec.router}"][1]
    np.testing.assert_allclose(weights.reads(x, "router"), _rows(logits), **CLOSE)
    found = np.zeros_like(expected)
    for token in range(TOKENS):
        for score, expert in zip(_rows(scores)[token], _rows(chosen)[token], strict=True):
            found[token] += score * weights.mlp(x[token : token + 1], act, int(expert))[0]
    if spec.shared is not None:
        extra = weights.mlp(x, act, prefix="shared_")
        if name == "qwen2_moe":
            extra = extra / (1 + np.exp(-weights.reads(x, "shared_router")))
        found += extra
    np.testing.assert_allclose(found, expected, **CLOSE)


def _check_attention(model: Made, recording: Recording, block: str, weights: Weights) -> None:
    spec = model.spec
    if spec.latent:
        for role, path in (("q_a", "q_a_proj"), ("kv_a", "kv_a_proj_with_mqa")):
            at = f"{block}.self_attn.{path}"
            np.testing.assert_allclose(
                weights.reads(recording.input(at), role), recording.output(at), **CLOSE
            )
        for role, path in (("q_b", "q_b_proj"), ("kv_b", "kv_b_proj")):
            at = f"{block}.self_attn.{path}"
            np.testing.assert_allclose(
                weights.writes(recording.input(at), role), recording.output(at), **CLOSE
            )
        return
    if spec.fused is None:
        for role in "qkv":
            at = f"{block}.{getattr(spec, role)}"
            np.testing.assert_allclose(
                weights.reads(recording.input(at), role), recording.output(at), **CLOSE
            )
        return
    heads = weights.anatomy.heads
    assert heads is not None
    x = recording.input(recording.taken["fused"][1])
    outputs = recording.taken[spec.fused][0 if spec.fused == "_attn" else 1]
    for role, tensor in zip("qkv", outputs, strict=False):
        n = heads.query if role == "q" else heads.key_value
        found = weights.reads(x, role)
        expected = _with_heads(tensor, spec.fused, n, heads.size)
        if expected.shape != found.shape:
            # Falcon repeats each key head for the queries that read it.
            spread = [heads.key_value_head(h) for h in range(heads.query)]
            found = found.reshape(TOKENS, n, heads.size)[:, spread].reshape(TOKENS, -1)
        np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt_oss", "phi3", "falcon-40b"])
def test_a_query_head_reads_the_key_head_that_transformers_gives_it(made, name):
    heads = made(name).anatomy().heads
    keys = torch.arange(heads.key_value)
    spread = torch.repeat_interleave(keys, heads.query // heads.key_value).tolist()
    assert [heads.key_value_head(h) for h in range(heads.query)] == spread


@pytest.mark.parametrize("name", sorted(SPECS))
def test_embeddings_hold_one_token_per_unit(made, name):
    model = made(name)
    anatomy = model.anatomy()
    part = anatomy.part("token_embedding")
    table = model.model.get_input_embeddings().weight.detach().numpy()
    found = value(part, model.saved)
    np.testing.assert_array_equal(found if part.axes == ("row", "column") else found.T, table)
