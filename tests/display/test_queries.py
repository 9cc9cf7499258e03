"""What a person types, and where it leads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.base import DisplayError, LayoutError
from napari_gpt2_tomo.display.queries import EXAMPLES, Finder
from napari_gpt2_tomo.display.vocabulary import Vocabulary
from napari_gpt2_tomo.facade import Scan

HEADS, D_HEAD, WIDTH, NEURONS = 4, 16, 64, 256

WORDS = Vocabulary({"Paris": 5, "ĠParis": 6, "Ġ": 7, "Rome": 8}, "tokenizer.json")


@pytest.fixture(scope="module")
def scan(tiny_phantom):
    with Scan(tiny_phantom) as opened:
        yield opened


@pytest.fixture(scope="module")
def volume(scan):
    return scan.volume("body", exact=False)


@pytest.fixture(scope="module")
def finder(scan, volume):
    return Finder(volume, scan.shapes, lambda: WORDS)


@given(data=st.data())
@settings(max_examples=60)
def test_every_parameter_is_found_by_tensor_and_index(scan, volume, finder, data):
    part = data.draw(st.sampled_from([p for p in volume.anatomy.parts if p.size]))
    shape = scan.shapes[part.tensor]
    index = tuple(data.draw(st.integers(-n, n - 1)) for n in shape)
    target = finder.find(f"{part.tensor}[{', '.join(map(str, index))}]")
    plain = tuple(i % n for i, n in zip(index, shape, strict=True))
    assert target.voxel == volume.voxel(part.tensor, plain)
    assert volume.address(target.voxel).index == plain
    assert finder.find(" ".join(map(str, target.voxel))).part == target.part


def test_a_parameter_of_a_part_is_asked_for_by_channel_and_unit(scan, finder):
    target = finder.find("L3.k[5, 6]")
    assert target.part == "L3.k"
    assert target.title == f"h.3.attn.c_attn.weight[5, {WIDTH + 6}]"


@pytest.mark.parametrize(
    "text", ["(50, 30, 40)", "50 30 40", "50, 30, 40", " [50,30,40] ", "voxel 50 30 40"]
)
def test_a_voxel_is_three_numbers_however_written(finder, text):
    target = finder.find(text)
    assert target.voxel == (50, 30, 40)
    assert target.box == ((50, 51), (30, 31), (40, 41))


def test_a_part_is_framed_as_a_whole(finder, volume):
    target = finder.find("L3.q")
    section = volume.voxel("h.3.attn.c_attn.weight", (0, 0))[0]
    assert target.box == ((section, section + 1), (0, WIDTH), (0, WIDTH))
    assert target.voxel == (section, WIDTH // 2, WIDTH // 2)
    assert finder.find("l3.Q") == target


def test_of_a_part_in_several_sections_the_first_is_framed(finder, volume):
    target = finder.find("L3.up")
    assert target.box == (*finder.find("L3.N0").box[:1], (0, WIDTH), (0, WIDTH))


@pytest.mark.parametrize(("query", "role"), [("L5.H1", "q"), ("L5.H1.k", "k"), ("l5.h1.V", "v")])
def test_a_head_is_its_band_of_units(finder, query, role):
    target = finder.find(query)
    assert target.part == f"L5.{role}"
    assert target.box[1:] == ((0, WIDTH), (D_HEAD, 2 * D_HEAD))


def test_a_neuron_is_one_unit_in_what_it_reads_or_writes(finder, volume):
    for query, role, index in (
        ("L3.N70", "up", (0, 70)),
        ("L3.N70.down", "down", (70, 0)),
    ):
        target = finder.find(query)
        name = volume.anatomy.by_name[f"L3.{role}"].tensor
        section, _, unit = volume.voxel(name, index)
        assert target.box == ((section, section + 1), (0, WIDTH), (unit, unit + 1))
    assert "L3.N70.down" in finder.find("L3.N70").note


def test_a_layer_leads_to_its_first_matrix(finder):
    assert finder.find("L7").part == "L7.q"


def test_a_fused_tensor_says_what_it_holds(finder):
    target = finder.find("h.3.attn.c_attn.weight")
    assert target.part == "L3.q"
    assert "L3.q, L3.k, L3.v" in target.note


def test_a_token_is_found_by_its_text_and_says_which_was_taken(finder):
    assert finder.find('"Paris"').voxel[2] == 5
    assert '" Paris" is token 6' in finder.find('"Paris"').note
    assert finder.find('" Paris"').voxel[2] == 6
    assert (
        finder.find("' Rome'").note
        == 'token 8 "Rome": without a leading space, there is no " Rome".'
    )
    assert finder.find("token 6").part == "token_embedding"
    assert finder.find("position 3").part == "position_embedding"


def test_without_a_tokenizer_that_is_said(scan, volume):
    with pytest.raises(DisplayError, match=r"tokenizer\.json"):
        Finder(volume, scan.shapes).find('"Paris"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Type where to go"),
        ("foo", "Nothing here is called 'foo'"),
        ("h.3.mlp.c_fc.weigth[1, 2]", "Did you mean h.3.mlp.c_fc.weight"),
        ("h.3.mlp.c_fc.weight[1]", "has 2 numbers, not 1"),
        ("h.3.mlp.c_fc.weight[64, 2]", "axis 0 goes from 0 to 63"),
        ("h.3.mlp.c_fc.weight[a, 2]", "whole numbers"),
        ("L3.q[64, 0]", "channel goes from 0 to 63"),
        ("1 2", r"3 numbers \(section, channel, unit\), not 2"),
        ("9999 0 0", "no section 9999"),
        ("L30.q", "the layers are 0 to 11"),
        ("L3.qq", "Did you mean L3.q"),
        ("L5.H4", "has 0 to 3"),
        ("L3.N256", "has 0 to 255"),
        ("L3.H1.up", "has no heads"),
        ("L3.E1.N2", "has no experts"),
        ("L3.H1.N2", "two things at once"),
        ("token 99999", "There is no token 99999"),
        ('"zzz"', "not one token"),
    ],
)
def test_what_is_wrong_is_said(finder, text, words):
    with pytest.raises(DisplayError, match=words):
        finder.find(text)


def test_what_the_layout_does_not_show_is_said(scan):
    volume = scan.volume("tensor", tensor="wte.weight", exact=False)
    finder = Finder(volume, scan.shapes)
    assert finder.find("token 3").voxel[0] == 3
    for query in ("L3.q", "h.3.mlp.c_fc.weight[1, 2]"):
        with pytest.raises(LayoutError, match="tensor layout"):
            finder.find(query)


def test_heads_prefer_the_role_that_the_layout_shows(scan):
    volume = scan.volume("heads", role="k", exact=False)
    target = Finder(volume, scan.shapes).find("L5.H1")
    assert (target.part, target.box[:2]) == ("L5.k", ((5, 6), (1, 2)))


def test_circuits_have_heads_too(scan):
    volume = scan.volume("circuits", role="qk", exact=False)
    target = Finder(volume, scan.shapes).find("L5.H1")
    assert target.box == ((5, 6), (1, 2), (0, WIDTH), (0, WIDTH))


def test_in_the_cube_a_part_leads_to_its_middle(scan):
    volume = scan.volume("cube", exact=False)
    target = Finder(volume, scan.shapes).find("L3.o")
    assert target.box == tuple((v, v + 1) for v in target.voxel)
    assert volume.address(target.voxel).part == "L3.o"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("L3.N1", ["L3.N1", "L3.N10", "L3.N11"]),
        ("L3.h", ["L3.H0", "L3.H1", "L3.H2"]),
        ("l3.q", ["L3.q", "L3.q_bias"]),
        ("c_fc", ["h.0.mlp.c_fc.weight", "h.0.mlp.c_fc.bias", "h.1.mlp.c_fc.weight"]),
        ('"Par', ['"Paris"', '" Paris"']),
        ("h.3.mlp.c_fc.weight[1", []),
        ("", []),
    ],
)
def test_completion_offers_what_begins_so(finder, typed, expected):
    assert finder.complete(typed, 3)[: len(expected)] == expected


def test_every_completion_leads_somewhere(finder):
    for typed in ("L3", "L3.N2", "h.3", "norm", "embedding"):
        for query in finder.complete(typed):
            assert finder.find(query).part is not None


def test_the_examples_can_be_typed(finder):
    refused = []
    for query, _ in EXAMPLES:
        try:
            finder.find(query)
        except DisplayError as error:
            refused.append((query, str(error)))
    # This model has fewer channels, tokens and no experts, which is what is said.
    assert all("goes from" in why or "There is no" in why or "has no" in why for _, why in refused)


def test_voxels_are_plain_numbers(finder):
    target = finder.find("L3.q")
    assert all(type(v) is int for v in (*target.voxel, *np.ravel(target.box).tolist()))
