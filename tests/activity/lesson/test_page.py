"""What a lesson's file holds, read without a browser."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from activity.lesson.conftest import HOSTILE
from activity.running.families import CONFIGS
from napari_gpt2_tomo.activity.lesson.chapters import write_chapters
from napari_gpt2_tomo.activity.lesson.look import make_page
from napari_gpt2_tomo.activity.lesson.markup import fixed, percent, significant
from napari_gpt2_tomo.activity.lesson.mathml import formula
from napari_gpt2_tomo.activity.lesson.write import tell
from napari_gpt2_tomo.activity.running.model import LanguageModel

WANTED = (
    "embed",
    "pos_embed",
    "resid_pre",
    "attn_out",
    "resid_mid",
    "mlp_out",
    "resid_post",
    "final",
    "q",
    "k",
    "v",
    "scores",
    "pattern",
    "z",
    "mlp_pre",
    "mlp_post",
    "logits",
)

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Read(HTMLParser):
    """A page's elements, checked to be closed in order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def having(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


VARIED = ("gpt2", "gptj", "llama", "bloom", "opt", "gemma2", "olmo2", "gpt_oss", "bert")
"""Families that differ in what their pages say."""


@pytest.mark.parametrize("family", VARIED)
def test_every_kind_of_family_makes_a_whole_page_in_order(family, told):
    text = make_page(told(family).story).render()
    page = Read(text)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    names = page.having("id")
    assert len(names) == len(set(names))
    links = [link for link in page.having("href") if link.startswith("#")]
    assert links
    assert {link[1:] for link in links} <= set(names)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert pictures
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    words = " ".join(page.words)
    assert "nan" not in re.findall(r"[a-z]+", words)
    assert "None" not in words
    assert len(text) < 400_000


def test_a_page_asks_for_nothing_and_runs_nothing_of_others(hostile):
    text = make_page(hostile).render()
    page = Read(text)
    assert not page.having("src")
    outside = [link for link in page.having("href") if not link.startswith(("#", "data:"))]
    assert not outside
    assert not [tag for tag, _ in page.tags if tag in ("b", "i", "iframe", "object", "embed")]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    words = "".join(page.words)
    for one in HOSTILE:
        assert one in words or one[:13] in words
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [one["type"] for one in scripts] == ["application/json", "text/plain", "module"]


def test_tokens_stand_in_their_own_direction(hostile):
    text = make_page(hostile).render()
    assert re.search(r"<bdi[^>]*>שלום</bdi>", text)
    assert re.search(r"<text[^>]*>שלום</text>", text)


def test_one_token_is_explained_as_far_as_it_goes(told):
    story = told("llama", ids=(3,)).story
    chapters = {chapter.key for chapter in write_chapters(story)}
    assert {"tokens", "position", "attention", "mlp", "prediction"} <= chapters
    assert not chapters & {"loss", "gradient"}
    words = " ".join(Read(make_page(story).render()).words)
    assert "nothing follows it" in words
    assert "turned by no angle" in words


@pytest.fixture(scope="module")
def long_model(tmp_path_factory):
    """A tiny GPT-2 with room for a longer text."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("gpt2", **CONFIGS["gpt2"] | {"max_position_embeddings": 200})
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    return LanguageModel(network, tmp_path_factory.mktemp("long") / "long")


def test_a_long_text_is_drawn_in_part_and_the_page_says_so(told, long_model):
    ids = tuple(np.random.default_rng(0).integers(2, 37, 32).tolist())
    short = told("gpt2", ids=ids).story
    assert (short.choice.first, short.choice.stop) == (0, 32)
    story = tell(long_model.run(ids * 5, what=WANTED))
    assert (story.choice.first, story.choice.stop) == (128, 160)
    text = make_page(story).render()
    words = " ".join(Read(text).words)
    assert "32 of 160 tokens are drawn" in words
    assert "and 40 more" in words
    assert len(text) < 600_000
    early = tell(long_model.run(ids * 5, what=WANTED), token=3, training=False)
    assert (early.choice.first, early.choice.stop) == (0, 32)
    assert "positions 0 to 31 of 159" in " ".join(Read(make_page(early).render()).words)


def test_formulas_are_those_of_the_family(told):
    def source(family):
        return " ".join(
            re.findall(
                r'application/x-tex">(.*?)</annotation>', make_page(told(family).story).render()
            )
        )

    gpt2, llama, bert = source("gpt2"), source("llama"), source("bert")
    assert r"\mu" in gpt2
    assert r"\mu" not in llama
    assert "0.044715" in gpt2
    assert r"W_\text{gate}" in llama
    assert r"W_\text{gate}" not in gpt2
    assert r"x_t = e_t + p_t" in gpt2
    assert r"\theta_i" in llama
    assert r"x' = \text{Norm}(x + \text{Attention}(x))" in bert
    assert "m_h" in source("bloom")
    assert r"\sqrt{d_\text{head}}" not in source("gpt_neo")
    assert r"\odot g" not in source("olmo").split(r"\text{id}")[1].split("W_Q")[0]


def test_formulas_are_mathml_that_keeps_its_source():
    made = formula(r"\frac{a}{b} < 1", block=True)
    assert "<mfrac>" in made
    assert 'display="block"' in made
    assert r"\frac{a}{b} &lt; 1</annotation>" in made


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (fixed(-1.23456), "−1.235"),
        (fixed(-0.0001), "0.000"),
        (fixed(float("-inf")), "−∞"),
        (significant(0.00012345), "0.0001234"),
        (significant(-12.3456), "−12.35"),
        (significant(1234567.0), "1.235 × 10⁶"),
        (significant(3.2e-9, 3), "3.20 × 10⁻⁹"),
        (significant(0.0), "0"),
        (percent(0.5372), "53.7 %"),
        (percent(0.0119), "1.19 %"),
        (percent(0.00012), "0.012 %"),
        (percent(3e-7), "< 0.0001 %"),
        (percent(0.0), "0 %"),
    ],
)
def test_numbers_are_written_for_people(made, text):
    assert made == text
