"""Tokens by their text, whatever the tokenizer's spelling."""

import json

import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.vocabulary import Vocabulary

from ..real_data import real_data


def written(tmp_path, data, name="tokenizer.json"):
    path = tmp_path / name
    path.write_text(json.dumps(data, ensure_ascii=False) if not isinstance(data, str) else data)
    return path


BYTES = {"model": {"type": "BPE", "vocab": {"Ċ": 0, "Paris": 1, "ĠParis": 2, "Ã©": 3, "Ġthe": 4}}}
PIECES = {
    "model": {"type": "BPE", "vocab": {"<unk>": 0, "<0x0A>": 1, "▁Paris": 2, "ing": 3}},
    "added_tokens": [{"id": 9, "content": "<|end|>"}],
}
UNIGRAM = {"model": {"type": "Unigram", "vocab": [["<unk>", 0.0], ["▁a", -1.0], ["b", -2.0]]}}
WORDS = {"model": {"type": "WordPiece", "vocab": {"[CLS]": 0, "paris": 1, "##ing": 2, "ing": 3}}}


@pytest.mark.parametrize(
    ("data", "text", "token"),
    [
        (BYTES, "Paris", 1),
        (BYTES, " Paris", 2),
        (BYTES, "the", 4),
        (BYTES, "é", 3),
        (BYTES, "\n", 0),
        (PIECES, "Paris", 2),
        (PIECES, "\n", 1),
        (PIECES, "<|end|>", 9),
        (UNIGRAM, "a", 1),
        (UNIGRAM, "b", 2),
        (WORDS, "paris", 1),
        (WORDS, "Paris", 1),
        (WORDS, "ing", 3),
        (WORDS, "##ing", 2),
    ],
)
def test_a_token_is_found_as_people_spell_it(tmp_path, data, text, token):
    assert Vocabulary.read(written(tmp_path, data)).find(text).id == token


def test_it_says_which_of_several_was_taken(tmp_path):
    vocabulary = Vocabulary.read(written(tmp_path, BYTES))
    assert vocabulary.find("Paris").note == 'exactly "Paris"; " Paris" is token 2'
    assert vocabulary.find("the").note == 'with a leading space, there is no "the"'


def test_what_is_no_single_token_gets_suggestions(tmp_path):
    vocabulary = Vocabulary.read(written(tmp_path, BYTES))
    with pytest.raises(DisplayError, match=r'"Parisian" is not one token.*" Paris" \(2\)'):
        vocabulary.find("Parisian")


def test_plain_vocabularies_are_read_too(tmp_path):
    listed = Vocabulary.read(written(tmp_path, "[PAD]\nparis\n", "vocab.txt"))
    plain = Vocabulary.read(written(tmp_path, {"a": 0, "b": 7}, "vocab.json"))
    assert (listed.find("paris").id, plain.find("b").id) == (1, 7)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "b"}', '{"model": {"vocab": 3}}', '"x"'])
def test_a_damaged_file_is_an_error_with_its_name(tmp_path, text):
    with pytest.raises(DisplayError, match="tokenizer"):
        Vocabulary.read(written(tmp_path, text))


def test_an_unknown_format_says_what_to_do(tmp_path):
    with pytest.raises(DisplayError, match=r"put a tokenizer\.json"):
        Vocabulary.read(written(tmp_path, "x", "spiece.model"))


def test_gpt2s_paris():
    vocabulary = Vocabulary.read(real_data("gpt2-attention-fp16") / "tokenizer.json")
    assert len(vocabulary) == 50257
    assert vocabulary.find("Paris").id == 40313
    assert vocabulary.find(" Paris").id == 6342
    assert vocabulary.text(262) == " the"
