"""Parts of a model are the same in a GGUF file as in the one that it was made from."""

import numpy as np
import pytest

from anatomy.gguf_models import ARCHITECTURES, converted
from anatomy.models import assert_partition, value
from napari_gpt2_tomo.anatomy import recognise

# The converter leaves these out, or stores what a model has twice.
ABSENT = {"pooler", "head_transform", "head_norm", "unembedding", "classifier"}


def _without_bias(role):
    return role.removesuffix("_bias")


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_parts_equal_those_of_the_original(made, name):
    model = made(name)
    tensors, metadata = converted(model)
    shapes = {key: values.shape for key, values in tensors.items()}
    text = {key: str(entry) for key, entry in metadata.items()}
    anatomy = recognise(shapes, metadata=text)
    assert_partition(anatomy, shapes)
    original = model.anatomy()
    expected = {part.name: part for part in original.parts if part.role != "other"}
    found = {part.name: part for part in anatomy.parts if part.role != "other"}
    lacking = {p for p in expected if p not in found}
    assert {_without_bias(expected[part].role) for part in lacking} <= ABSENT
    assert set(found) <= set(expected)
    assert {part.role for part in anatomy.parts if part.role == "other"} == set()
    for part_name, part in found.items():
        theirs = expected[part_name]
        values = value(part, tensors) + np.float32(part.shift)
        reference = value(theirs, model.saved)
        assert values.shape == reference.shape, part_name
        assert np.allclose(values, reference, rtol=0, atol=2e-7), part_name
        for field in ("role", "axes", "layer", "expert", "n_heads", "d_head", "unit", "beside"):
            assert getattr(part, field) == getattr(theirs, field), (part_name, field)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_sizes_come_from_the_metadata(made, name):
    model = made(name)
    tensors, metadata = converted(model)
    shapes = {key: values.shape for key, values in tensors.items()}
    text = {key: str(entry) for key, entry in metadata.items()}
    anatomy = recognise(shapes, metadata=text)
    known = anatomy.hyper.known()
    for size, expected in model.spec.sizes.items():
        if not (model.spec.latent and size == "n_kv_heads"):
            assert known.get(size) == expected, size
    assert anatomy.provenance["n_heads"] == "metadata"
    assert not [note for note in anatomy.notes if "says" in note or "Ignored" in note]


LLAMA = {
    "token_embd.weight": (50, 16),
    "rope_freqs.weight": (2,),
    "blk.0.attn_norm.weight": (16,),
    "blk.0.attn_q.weight": (16, 16),
    "blk.0.attn_k.weight": (8, 16),
    "blk.0.attn_v.weight": (8, 16),
    "blk.0.attn_output.weight": (16, 16),
    "blk.0.ffn_gate.weight": (24, 16),
    "blk.0.ffn_up.weight": (24, 16),
    "blk.0.ffn_down.weight": (16, 24),
    "output_norm.weight": (16,),
}


def test_rows_stay_in_the_order_of_the_file_while_the_heads_are_unknown():
    metadata = {"general.architecture": "llama"}
    anatomy = recognise(LLAMA, metadata=metadata)
    assert anatomy.part("q", 0).view.axes[1] == ((16, 16),)
    assert any("order of the file" in note for note in anatomy.notes)
    anatomy = recognise(LLAMA, metadata=metadata, given={"n_heads": 4})
    assert anatomy.part("q", 0).view.axes[1] == ((4, 64), (2, 16), (2, 32))
    assert anatomy.part("k", 0).view.axes[1] == ((2, 64), (2, 16), (2, 32))
    assert anatomy.part("v", 0).view.axes[1] == ((8, 16),)
    assert not any("order of the file" in note for note in anatomy.notes)


def test_a_number_of_heads_for_each_layer_is_no_size():
    metadata = {"general.architecture": "llama", "llama.attention.head_count": "[4, 2]"}
    assert recognise(LLAMA, metadata=metadata).hyper.n_heads is None


def test_rotary_frequencies_are_no_parameters():
    assert recognise(LLAMA).buffers == ("rope_freqs.weight",)


@pytest.mark.parametrize("architecture", [None, "of tomorrow"])
def test_models_of_unknown_architectures_have_their_parts_as_stored(architecture):
    metadata = {"general.architecture": architecture} if architecture else {}
    anatomy = recognise(LLAMA, metadata=metadata, given={"n_heads": 4})
    assert anatomy.family == "gguf"
    assert anatomy.part("q", 0).view.axes[1] == ((16, 16),)
    assert all(part.role != "other" for part in anatomy.parts)


def test_experts_may_have_a_tensor_each():
    shapes = {key: shape for key, shape in LLAMA.items() if "ffn" not in key}
    shapes["blk.0.ffn_gate_inp.weight"] = (3, 16)
    for expert in range(3):
        shapes[f"blk.0.ffn_gate.{expert}.weight"] = (24, 16)
        shapes[f"blk.0.ffn_up.{expert}.weight"] = (24, 16)
        shapes[f"blk.0.ffn_down.{expert}.weight"] = (16, 24)
    anatomy = recognise(shapes, metadata={"general.architecture": "llama"})
    assert anatomy.family == "mixtral"
    assert anatomy.hyper.n_experts == 3
    assert anatomy.part("down", 0, 2).shape == (16, 24)


def test_a_matrix_of_one_row_may_be_stored_as_a_vector():
    shapes = LLAMA | {"blk.0.ffn_gate_inp_shexp.weight": (16,)}
    part = recognise(shapes, metadata={"general.architecture": "qwen2moe"}).part("shared_router", 0)
    assert part.shape == (16, 1)
    assert part.axes == ("channel", "unit")
