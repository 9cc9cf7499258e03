"""The model tree: what it holds, and that nobody builds what nobody opens."""

import pytest

from napari_gpt2_tomo.anatomy.recognise import recognise
from napari_gpt2_tomo.display.queries import Finder
from napari_gpt2_tomo.display.tree import PACK, model_tree, search
from napari_gpt2_tomo.facade import Scan

WIDTH, MLP, EXPERTS, LAYERS, VOCABULARY = 64, 96, 8, 2, 70_000


@pytest.fixture(scope="module")
def scan(tiny_phantom):
    with Scan(tiny_phantom) as opened:
        yield opened


@pytest.fixture(scope="module")
def tree(scan):
    return model_tree(scan.anatomy, scan.name)


@pytest.fixture(scope="module")
def mixture():
    """Names and shapes of a mixture of experts with a large vocabulary."""
    shapes = {"model.embed_tokens.weight": (VOCABULARY, WIDTH), "model.norm.weight": (WIDTH,)}
    for i in range(LAYERS):
        at = f"model.layers.{i}"
        shapes |= {f"{at}.self_attn.{r}_proj.weight": (WIDTH, WIDTH) for r in "qkvo"}
        shapes[f"{at}.input_layernorm.weight"] = (WIDTH,)
        shapes[f"{at}.post_attention_layernorm.weight"] = (WIDTH,)
        shapes[f"{at}.block_sparse_moe.gate.weight"] = (EXPERTS, WIDTH)
        for e in range(EXPERTS):
            expert = f"{at}.block_sparse_moe.experts.{e}"
            shapes[f"{expert}.w1.weight"] = shapes[f"{expert}.w3.weight"] = (MLP, WIDTH)
            shapes[f"{expert}.w2.weight"] = (WIDTH, MLP)
    shapes["lm_head.weight"] = (VOCABULARY, WIDTH)
    return recognise(shapes, {"model_type": "mixtral", "num_attention_heads": 4})


def titles(node):
    return [child.title for child in node.children]


def below(node, *path):
    for title in path:
        node = next(child for child in node.children if child.title == title)
    return node


def leaves(node):
    return [n for n in node.walk() if n.kind == "part"]


def test_layers_hold_attention_and_mlp_and_those_their_parts(tree):
    assert titles(tree) == ["embeddings", *(f"layer {i}" for i in range(12)), "output"]
    assert titles(below(tree, "layer 3")) == ["attention", "MLP"]
    attention = titles(below(tree, "layer 3", "attention"))
    assert [t for t in attention if len(t) == 1] == ["Q", "K", "V", "O"]
    assert {"attn norm", "Q bias", "O bias"} <= set(attention)
    assert {"up", "up bias", "down", "mlp norm"} <= set(titles(below(tree, "layer 3", "MLP")))
    assert titles(below(tree, "layer 3", "attention", "K")) == [f"head {h}" for h in range(4)]


def test_every_part_is_in_the_tree_once_and_sizes_add_up(scan, tree, mixture):
    for anatomy, root in ((scan.anatomy, tree), (mixture, model_tree(mixture, "moe"))):
        names = [node.parts[0] for node in leaves(root)]
        assert sorted(names) == sorted(part.name for part in anatomy.parts)
        assert root.size == anatomy.n_parameters
        for node in root.walk():
            if node.kind in ("model", "layer"):
                assert node.size == sum(child.size for child in node.children)


def test_neurons_and_tokens_are_made_when_they_are_opened(mixture, monkeypatch):
    from napari_gpt2_tomo.display import tree as module

    made = []
    original = module._unit
    monkeypatch.setattr(module, "_unit", lambda part, i: made.append(i) or original(part, i))
    tokens = below(model_tree(mixture, "moe"), "embeddings", "token embedding")
    assert made == []
    assert len(tokens.children) == -(-VOCABULARY // PACK)
    last = tokens.children[-1]
    assert last.title == f"tokens {VOCABULARY // PACK * PACK}–{VOCABULARY - 1}"
    assert last.children[0].title == f"token {VOCABULARY // PACK * PACK}"
    assert len(made) == 1


def test_experts_stand_under_one_row(mixture):
    mlp = below(model_tree(mixture, "moe"), "layer 1", "MLP")
    experts = below(mlp, "experts")
    assert (experts.detail, len(experts.children)) == (f"{EXPERTS} experts", EXPERTS)
    assert titles(experts.children[3]) == ["gate", "up", "down"]
    assert "router" in titles(mlp)


def test_every_row_that_can_be_clicked_leads_to_its_place(scan, tree):
    volume = scan.volume("body", exact=False)
    finder = Finder(volume, scan.shapes)
    for node in tree.walk():
        if node.query:
            target = finder.find(node.query)
            assert target.part in node.parts
            for child in list(node.children)[:1]:
                inner = child.children[0] if child.kind == "pack" else child
                if inner.query and node.kind == "part":
                    assert finder.find(inner.query).part == node.parts[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attention L3 q", {"L3.q", "L3.q_bias"}),
        ("layer 3 k", {"L3.k", "L3.k_bias"}),
        ("L1 c_fc", {"L1.up", "L1.up_bias"}),
        ("h.1.mlp.c_fc", {"L1.up", "L1.up_bias"}),
        ("final", {"final_norm", "final_norm_bias"}),
        ("nothing like it", set()),
    ],
)
def test_search_finds_parts_by_all_words(tree, text, expected):
    assert {node.parts[0] for node in leaves(search(tree, text))} == expected


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("head 2 L3 q", ["L3.H2.q"]),
        ("h2 L3 attention", ["L3.H2.q", "L3.H2.k", "L3.H2.v", "L3.H2.o"]),
        ("neuron 200 L0", ["L0.N200.up", "L0.N200.down"]),
        ("token 300", ["token 300 in token_embedding"]),
        ("head 99", []),
        ("neuron 3 q", []),
    ],
)
def test_search_finds_heads_neurons_and_tokens_by_number(tree, text, queries):
    found = [child.query for node in leaves(search(tree, text)) for child in node.children]
    assert found == queries


def test_a_search_shows_a_bounded_number_of_matches(mixture):
    assert len(leaves(search(model_tree(mixture, "moe"), "experts", limit=7))) <= 7


def test_what_is_unknown_stands_at_the_end():
    shapes = {f"strange.{i}": (8, 8) for i in range(3)}
    root = model_tree(recognise(shapes), "strange")
    assert titles(root) == ["other tensors"]
    assert titles(root.children[0]) == list(shapes)
