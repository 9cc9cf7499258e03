"""The table, the JSON and the look-ups of an anatomy."""

import json

import pytest

from anatomy.test_shapes_only import gpt_block, llama_shapes, mixture
from napari_gpt2_tomo.anatomy import Anatomy, Heads, recognise
from napari_gpt2_tomo.base import TomoError


def test_a_part_is_found_by_role_layer_and_expert():
    anatomy = recognise(mixture(2, 3))
    assert anatomy.part("q", 1).name == "L1.q"
    assert anatomy.part("down", layer=0, expert=2).name == "L0.E2.down"
    assert anatomy.part("token_embedding").layer is None


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("quark",), "has no part of the role 'quark'; it has: token_embedding"),
        (("q",), "layers 0–1; say which"),
        (("q", 7), "not in 7"),
        (("q", 0, 1), "has no experts"),
        (("up", 0), "experts 0–2; say which"),
        (("up", 0, 9), "not 9"),
        (("token_embedding", 0), "belongs to no layer"),
    ],
)
def test_a_part_that_is_not_there_is_an_error_that_helps(place, said):
    with pytest.raises(TomoError, match=said):
        recognise(mixture(2, 3)).part(*place)


def test_heads_are_known_or_none():
    assert recognise(llama_shapes()).heads is None
    heads = recognise(llama_shapes(), given={"n_heads": 4}).heads
    assert heads == Heads(4, 2, 3)
    assert [heads.key_value_head(h) for h in range(4)] == [0, 0, 1, 1]
    with pytest.raises(IndexError):
        heads.key_value_head(4)


def test_the_table_groups_layers_and_counts_parameters():
    shapes = gpt_block(0, "in_out") | gpt_block(1, "in_out") | {"h.1.attn.masked_bias": ()}
    text = repr(recognise(shapes, {"n_head": 3, "n_embd": 12}))
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("gpt2 · ")
    assert ["0–1", "up", "12", "×", "48", "2", "1,152"] in lines
    assert ["n_heads", "3", "(config)"] in lines
    assert ["buffers:", "1"] in lines
    assert "Absent from this file: token_embedding." in text


def test_the_table_of_many_unknown_tensors_stays_short():
    text = repr(recognise({f"w{i}": (i,) for i in range(500)}))
    assert len(text.splitlines()) < 25
    assert "… 488 more" in text


def test_json_holds_everything():
    anatomy = recognise(llama_shapes(), given={"n_heads": 4})
    data = json.loads(json.dumps(anatomy.to_json()))
    assert data["family"] == "llama"
    assert data["hyper"]["d_head"] == 3
    assert data["provenance"]["n_heads"] == "given"
    assert len(data["parts"]) == len(anatomy.parts)
    q = next(part for part in data["parts"] if part["name"] == "L1.q")
    assert q["shape"] == [12, 12]
    assert q["view"] == {"offset": 0, "axes": [[[12, 1]], [[12, 12]]]}
    assert (q["role"], q["layer"], q["n_heads"]) == ("q", 1, 4)
    assert sum(1 for part in data["parts"] if part["beside"]) == 5


def test_an_anatomy_of_an_open_checkpoint_uses_its_config(made, tmp_path):
    from napari_gpt2_tomo.checkpoint import open_checkpoint

    model = made("qwen2")
    model.model.save_pretrained(tmp_path)
    with open_checkpoint(tmp_path) as checkpoint:
        anatomy = Anatomy.of(checkpoint)
        assert anatomy.hyper.known() == model.spec.sizes
        assert Anatomy.of(checkpoint, n_heads=2, d_head=None).heads.size == 12
        assert Anatomy.of(checkpoint, family="llama").family == "llama"
