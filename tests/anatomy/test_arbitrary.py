"""Whatever the names and shapes are, recognition neither fails nor loses a parameter."""

import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anatomy.models import SPECS, assert_partition
from napari_gpt2_tomo.anatomy import FAMILIES, recognise
from napari_gpt2_tomo.base import TomoError

KEYS = sorted({key for family in FAMILIES for key in family.slots()})
TOKENS = st.sampled_from(
    ["model", "layers", "h", "0", "1", "11", "²", "007", "attn", "bias", "weight", "inv_freq", ""]
)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 6, 12, 24]), max_size=4).map(tuple)


@st.composite
def names(draw):
    if draw(st.booleans()):
        return ".".join(draw(st.lists(TOKENS, min_size=1, max_size=5)))
    key = draw(st.sampled_from(KEYS))
    while "#" in key:
        key = key.replace("#", str(draw(st.integers(0, 3))), 1)
    return draw(st.sampled_from(["", "model.", "transformer.", "module.bert."])) + key


CONFIGS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "model_type": st.sampled_from([spec.model_type for spec in SPECS.values()]),
        "hidden_size": st.sampled_from([6, 12, 24, "12", -1, None, 2.5]),
        "num_attention_heads": st.sampled_from([1, 2, 3, 5, True]),
        "head_dim": st.sampled_from([1, 2, 3]),
        "num_key_value_heads": st.sampled_from([1, 2, 3]),
        "num_hidden_layers": st.sampled_from([1, 4, 10**9]),
        "multi_query": st.booleans(),
        "text_config": st.sampled_from([None, {}, 3, {"hidden_size": 6}]),
    },
)


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names(), SHAPES, max_size=14), CONFIGS)
def test_any_names_and_shapes_give_a_partition(shapes, config):
    anatomy = recognise(shapes, config)
    assert_partition(anatomy, shapes)
    assert repr(anatomy)
    for part in anatomy.parts:
        assert len(part.axes) == len(part.shape)
        if part.beside is not None:
            assert len(anatomy.by_name[part.beside].axes) == 2


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(names(), SHAPES, max_size=8),
    st.sampled_from([family.name for family in FAMILIES]),
    st.dictionaries(st.sampled_from(["n_heads", "d_head", "d_model"]), st.integers(-1, 9)),
)
def test_a_wrong_request_is_our_error_or_a_partition(shapes, family, sizes):
    with contextlib.suppress(TomoError):
        assert_partition(recognise(shapes, family=family, given=sizes), shapes)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(sorted(SPECS)), st.data())
def test_any_part_of_a_real_file_gives_a_partition(made, name, data):
    shapes = {key: values.shape for key, values in made(name).saved.items()}
    kept = data.draw(st.sets(st.sampled_from(sorted(shapes)), min_size=1))
    some = {key: shape for key, shape in shapes.items() if key in kept}
    assert_partition(recognise(some), some)
