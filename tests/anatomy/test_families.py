"""Real tensor names of tiny models of every family."""

import pytest

from anatomy.models import HEADS, SPECS, assert_partition
from napari_gpt2_tomo.anatomy import FAMILIES, ROLES, recognise

NAMES = sorted(SPECS)


@pytest.mark.parametrize("source", ["saved", "memory"])
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_lies_in_exactly_one_part(made, name, source):
    model = made(name)
    shapes = {key: values.shape for key, values in model.tensors(source).items()}
    for anatomy in (model.anatomy(source), model.anatomy(source, config=False)):
        assert_partition(anatomy, shapes)


@pytest.mark.parametrize("source", ["saved", "memory"])
@pytest.mark.parametrize("name", NAMES)
def test_no_tensor_of_a_known_family_is_left_unrecognised(made, name, source):
    anatomy = made(name).anatomy(source)
    # In memory BERT's vocabulary bias has two names; the first one is the part.
    twice = {"cls.predictions.decoder.bias", "lm_head.decoder.bias"}
    assert {part.tensor for part in anatomy.parts if part.role == "other"} <= twice


@pytest.mark.parametrize("name", NAMES)
def test_the_config_names_the_family(made, name):
    model = made(name)
    by_type = [f.name for f in FAMILIES if model.spec.model_type in f.model_types]
    assert model.anatomy().family == by_type[0]


@pytest.mark.parametrize("name", NAMES)
def test_names_alone_lead_to_a_family_with_the_same_parts(made, name):
    model = made(name)
    with_config, without = model.anatomy(), model.anatomy(config=False)
    assert without.family in model.spec.known_as
    same = [p.view for p in without.parts] == [p.view for p in with_config.parts]
    if name != "gpt_bigcode-mha":
        assert same == model.spec.names_suffice


@pytest.mark.parametrize("name", NAMES)
def test_sizes_equal_the_config(made, name):
    model = made(name)
    anatomy = model.anatomy()
    assert anatomy.hyper.known() == model.spec.sizes
    assert set(anatomy.provenance) == set(model.spec.sizes)
    assert anatomy.provenance["n_heads"] == "config"


@pytest.mark.parametrize("name", NAMES)
def test_sizes_without_a_config_are_right_or_unknown(made, name):
    model = made(name)
    anatomy = model.anatomy(config=False)
    expected = {k: n for k, n in model.spec.sizes.items() if k not in model.spec.blind}
    assert anatomy.hyper.known() == expected
    assert set(anatomy.provenance.values()) == {"inferred"}
    told = any("say n_heads=" in note for note in anatomy.notes)
    assert told == ("n_heads" in model.spec.blind)


# More than the number of heads is unknown of these: latent widths, where the norms are.
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if set(HEADS) <= set(SPECS[name].blind) and name not in ("deepseek", "opt-350m")
    ],
)
def test_the_user_can_say_what_names_cannot(made, name):
    model = made(name)
    family = "gpt_bigcode" if name.startswith("gpt_bigcode") else None
    anatomy = model.anatomy(config=False, given={"n_heads": 4}, family=family)
    for size in HEADS:
        assert getattr(anatomy.hyper, size) == model.spec.sizes[size]
    assert anatomy.provenance["n_heads"] == "given"
    assert [p.view for p in anatomy.parts] == [p.view for p in model.anatomy().parts]


@pytest.mark.parametrize("name", NAMES)
def test_parts_stand_in_forward_order(made, name):
    stages = {"embedding": 0, "layer": 1, "head": 2}
    parts = [
        p for p in made(name).anatomy().parts if not (p.view.shape[1:] == () and p.beside is None)
    ]
    keys = [
        (stages[ROLES[p.role].stage], p.layer or 0, ROLES[p.role].rank, p.expert or 0)
        for p in parts
    ]
    assert keys == sorted(keys)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_lie_beside_a_matrix_they_fit(made, name):
    anatomy = made(name).anatomy()
    for part in anatomy.parts:
        if len(part.axes) == 2:
            assert part.beside is None
        elif part.beside is not None:
            matrix = anatomy.by_name[part.beside]
            if part.axes == ("channel",):
                assert part.size == anatomy.hyper.d_model
            else:
                assert part.axes == ("unit",)
                assert part.size <= matrix.shape[1]
    lonely = [p.role for p in anatomy.parts if len(p.axes) == 1 and p.beside is None]
    # OPT's small embedding has no unit axis of its own, BERT's unembedding has tokens below it.
    assert lonely == []


@pytest.mark.parametrize("name", NAMES)
def test_matrices_on_the_stream_are_channel_by_unit(made, name):
    anatomy = made(name).anatomy()
    inner = {p.role for p in anatomy.parts if p.axes == ("row", "column")}
    expected = {"opt": {"token_embedding"}, "deepseek": {"q_b", "kv_b"}}
    assert inner == expected.get(name, set())
    for part in anatomy.parts:
        if part.axes == ("channel", "unit"):
            assert part.shape[0] == 24
            assert part.writes == (ROLES[part.role].kind == "writes")
        if part.n_heads is not None and len(part.axes) == 2:
            assert part.n_heads * part.d_head == part.shape[1]


def test_an_expert_stack_and_its_split_files_have_the_same_parts(made):
    model = made("qwen3_moe")
    split = {p.name: p.shape for p in model.anatomy("saved").parts}
    stack = {p.name: p.shape for p in model.anatomy("memory").parts}
    assert split == stack


def test_prefixes_of_wrappers_do_not_matter(made):
    shapes = {name: values.shape for name, values in made("llama").saved.items()}
    plain = recognise(shapes)
    for prefix in ("module.", "_orig_mod.", "model.language_", "base_model.model."):
        renamed = {
            prefix + name: shape for name, shape in shapes.items() if name != "lm_head.weight"
        }
        other = recognise(renamed)
        assert [p.name for p in other.parts] == [
            p.name for p in plain.parts if p.role != "unembedding"
        ]
    bare = recognise({name.removeprefix("model."): shape for name, shape in shapes.items()})
    assert [p.name for p in bare.parts] == [p.name for p in plain.parts]
