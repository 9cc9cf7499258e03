"""Texts of every kind, with real tokenizers."""

import numpy as np
import pytest

from activity.running.families import network
from napari_gpt2_tomo.activity.record import Tokens
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.activity.running.pieces import bytes_shown
from napari_gpt2_tomo.activity.running.tokenizer import load_tokenizer
from napari_gpt2_tomo.base import TomoError
from real_data import real_data


@pytest.fixture(scope="module")
def stories():
    return LanguageModel.load(real_data("stories260K"))


@pytest.fixture(scope="module")
def letters():
    return LanguageModel.load(real_data("nano-gpt-sort"))


@pytest.fixture(scope="module")
def gpt2():
    return load_tokenizer(real_data("gpt2-attention-fp16"), 50257)


@pytest.fixture(scope="module")
def bert():
    return load_tokenizer(real_data("minilm-fp16"), 30522)


@pytest.fixture(scope="module")
def characters():
    return load_tokenizer(real_data("char-gpt2-series/step06000"), 65)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A model without a tokenizer."""
    return LanguageModel(network("gpt2"), tmp_path_factory.mktemp("bare"))


def test_byte_level_tokens_stand_as_in_the_text(gpt2):
    text = "The cat sat\non the Mat."
    tokens = gpt2.encode(text)
    assert tokens.strings[:3] == ("The", " cat", " sat")
    assert "".join(tokens.strings) == text
    assert tuple(text[a:b] for a, b in tokens.spans) == tokens.strings
    assert tokens.special == tokens.unknown == ()


def test_an_emoji_over_several_tokens_shows_its_bytes(gpt2):
    text = "Hi 🎉!"
    tokens = gpt2.encode(text)
    assert tokens.strings == ("Hi", " ⟨F0 9F⟩", "⟨8E⟩", "⟨89⟩", "!")
    assert tokens.spans[1:4] == ((2, 4), (3, 4), (3, 4))
    assert gpt2.decode(tokens.ids) == text
    assert all(tokens.labels)


def test_right_to_left_text_keeps_its_order(gpt2, stories):
    text = "שלום"
    tokens = gpt2.encode(text)
    assert gpt2.decode(tokens.ids) == text
    # The last letter is two tokens, each of one byte.
    assert tokens.strings == ("ש", "ל", "ו", "⟨D7⟩", "⟨9D⟩")
    starts = [start for start, _ in tokens.spans]
    assert starts == sorted(starts)
    # A vocabulary of 512 pieces has only the bytes.
    assert stories.tokens(text).strings[2:4] == ("⟨D7⟩", "⟨A9⟩")


def test_sentencepiece_has_its_begin_token_and_spaces(stories):
    tokens = stories.tokens("Once upon a time")
    assert tokens.strings == ("<s>", "Once", " upon", " a", " time")
    assert tokens.special == (0,)
    assert tokens.spans[0] == (0, 0)
    assert stories.tokenizer.decode(tokens.ids[1:]) == "Once upon a time"
    assert stories.tokenizer.string(int(tokens.ids[2])) == " upon"


@pytest.mark.parametrize("text", ["  two  spaces ", "one", " one", "a\nb"])
def test_the_space_that_a_tokenizer_puts_first_is_not_shown(stories, text):
    tokens = stories.tokens(text)
    assert "".join(tokens.strings[1:]) == text


def test_wordpiece_shows_the_text_itself(bert):
    tokens = bert.encode("Hello Wörldliness, of \U0001f9ff")
    assert tokens.strings[0] == "[CLS]"
    assert tokens.strings[-1] == "[SEP]"
    assert tokens.special == (0, len(tokens) - 1)
    assert tokens.strings[1] == "Hello"
    assert "".join(tokens.strings[2:4]).startswith("Wörld")
    assert tokens.unknown == (len(tokens) - 2,)
    assert tokens.strings[-2] == "\U0001f9ff"


def test_unknown_characters_are_listed_but_a_space_is_none(characters):
    tokens = characters.encode("O é O")
    assert tokens.unknown == (2,)
    assert tokens.strings[1] == " "
    assert characters.special == frozenset()


def test_a_plain_vocabulary_reads_letters_and_says_what_it_lacks(letters):
    assert letters.tokens("CAB").strings == ("C", "A", "B")
    assert letters.tokenizer.vocabulary == ("A", "B", "C")
    assert letters.tokenizer.find("BA") == (1, 0)
    with pytest.raises(TomoError, match="nothing for 'x', character 2"):
        letters.tokens("AxB")


def test_vocabularies_read_like_tokens(gpt2, stories, characters):
    for tokenizer, n_ids in ((gpt2, 50257), (stories.tokenizer, 512), (characters, 65)):
        assert len(tokenizer.vocabulary) == n_ids
        assert all(isinstance(string, str) for string in tokenizer.vocabulary)
    assert gpt2.vocabulary[262] == " the"
    assert gpt2.vocabulary[50256] == "<|endoftext|>"
    assert gpt2.find(" Paris") == (6342,)
    assert gpt2.string(50256) == "<|endoftext|>"
    assert stories.tokenizer.vocabulary[1] == "<s>"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", ""),
        ("é ö".encode(), "é ö"),
        (b" \xf0\x9f", " ⟨F0 9F⟩"),
        (b"\x8e\x89a", "⟨8E 89⟩a"),
        (b"a\xc3", "a⟨C3⟩"),
        (b"\xff\xfe", "⟨FF FE⟩"),
    ],
)
def test_broken_characters_show_as_bytes(data, shown):
    assert bytes_shown(data) == shown


def test_an_empty_text_is_the_begin_token_or_an_error(stories, letters, bare):
    assert stories.tokens("").strings == ("<s>",)
    assert stories.run("")["logits"].shape == (1, 512)
    for model in (letters, bare):
        with pytest.raises(TomoError, match="nothing to read"):
            model.tokens("")
    with pytest.raises(TomoError, match="nothing to read"):
        bare.run([])


def test_one_token_runs(stories, letters):
    activity = letters.run("A")
    assert activity["pattern"].shape == (3, 3, 1, 1)
    np.testing.assert_array_equal(activity["pattern"], 1)
    assert stories.run([1])["resid_post"].shape == (5, 1, 64)


def test_a_text_that_is_too_long_is_refused_or_cut(letters):
    text = "CABBACABBACABBAC"
    with pytest.raises(TomoError, match="16 tokens, 5 more"):
        letters.run(text)
    activity = letters.run(text, truncate=True)
    assert len(activity.tokens) == 11
    assert "".join(activity.tokens.strings) == text[5:]
    assert "first 5 of 16" in activity.notes[0]
    batch = letters.run_batch(["AB", text], truncate=True)
    assert not batch[0].notes
    np.testing.assert_allclose(batch[1]["logits"], activity["logits"], rtol=1e-4, atol=1e-4)


def test_cutting_keeps_what_the_tokenizer_added(stories):
    tokens = stories.tokens("a " * 600)
    kept, notes = stories._fitting(tokens, truncate=True)
    assert len(kept) == stories.sizes.context
    assert kept.strings[0] == "<s>"
    assert kept.special == (0,)
    assert kept.spans[-1] == tokens.spans[-1]
    assert notes


def test_without_a_tokenizer_ids_are_read(bare):
    assert bare.tokens("3, 1 4").ids.tolist() == [3, 1, 4]
    assert bare.tokens([3, 1]).strings == ("3", "1")
    assert bare.tokens(np.array([5])).ids.dtype == np.int64
    with pytest.raises(TomoError, match="no tokenizer, so it reads no words"):
        bare.tokens("hello")


@pytest.mark.parametrize("text", ["37", [-1], Tokens.of_ids([99])])
def test_ids_that_the_model_lacks(bare, text):
    with pytest.raises(TomoError, match="the tokens 0 to 36, there is no"):
        bare.tokens(text)


def test_a_folder_without_tokenizer_files_has_none(tmp_path):
    assert load_tokenizer(tmp_path, 10) is None


def test_what_is_asked_for_is_recorded_and_nothing_else(bare):
    activity = bare.run([3, 1, 4], ["scores", "resid_pre"])
    assert list(activity) == ["resid_pre", "scores"]
    assert list(bare.run([3, 1], "z")) == ["z"]
    with pytest.raises(TomoError, match="no probability that the router"):
        bare.run([3], ["router"])
    with pytest.raises(TomoError, match="no activity 'foo'"):
        bare.run([3], ["foo"])
    assert not {"scores", "head_out"} & set(bare.run([3]))
