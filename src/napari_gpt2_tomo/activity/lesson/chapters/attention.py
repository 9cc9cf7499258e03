"""Chapter: one attention head, worked."""

import numpy as np

from ..attention_drawing import gallery, matrix
from ..drawing import bars
from ..heads import DIMS, KEYS, MASKED, TERMS, read_slots
from ..markup import Cell, aside, code, equation, figure, note, paragraphs, slot, table, token
from ..mathml import formula
from ..snippets import attention_snippet, view_snippet
from ..story import Story
from .chapter import Chapter, focus_token, norm_at_work, norm_name
from .chooser import chooser

__all__ = ["attention_chapter"]

D_HEAD = formula(r"d_\text{head}")
ALPHA = formula(r"\alpha")
GATHERED = formula(r"a_{ij}\, v_j")


def attention_chapter(story: Story) -> Chapter:
    """How a head lets a token gather from others."""
    heads, choice = story.heads, story.choice
    at = heads.layers.index(choice.layer)
    query, key = choice.focus - choice.first, choice.key - choice.first
    texts = read_slots(heads, story.labels, at, choice.head, query, key)

    def say(name: str, kind: str = "span") -> str:
        # Tokens stay in their own direction of writing.
        return slot(name, texts[name], "bdi" if name in ("query", "key") else kind)

    body = (
        paragraphs(_opening(story))
        + _before(story)
        + chooser(story)
        + "<h3>Queries, keys and values</h3>"
        + _projections(story)
        + "<h3>The pattern</h3>"
        + _pattern(story, texts)
        + f"<h3>One score by hand: {say('query')} at {say('query-at')} "
        f"looks at {say('key')} at {say('key-at')}</h3>"
        + _score(story, texts)
        + "<h3>Softmax: scores become shares</h3>"
        + _softmax(story, texts)
        + "<h3>Gathering values</h3>"
        + _values(story, texts)
        + "<h3>All heads at once</h3>"
        + _all_heads(story)
        + code(*attention_snippet(story))
        + paragraphs("The same head in napari, among its weights:")
        + code(*view_snippet(story))
    )
    brief = (
        f"In layer {choice.layer}, head {choice.head}, {focus_token(story)} gives {texts['share']} "
        f"of its attention to {token(story.tokens.labels[choice.key])}."
    )
    return Chapter("attention", "Attention: what to look at", body, brief)


def _opening(story: Story) -> str:
    past = (
        "itself and the tokens before it, never those after it, or there would be nothing to "
        "foresee"
        if story.causal
        else "every token of the text, before it and after it"
    )
    return (
        "So far each token was on its own. In attention tokens take up information from others. "
        f"Each of the {story.n_heads} heads of a layer does it independently: for every token it "
        f"decides how much to look at which tokens ({past}), and carries a small vector over from "
        "each in that measure."
    )


def _before(story: Story) -> str:
    """The norm before, with its real numbers."""
    norm = story.attention_norm
    if norm is None:
        return paragraphs(
            "In this family attention reads the stream as it is: the norms come after each sum, "
            "which a later chapter shows."
        )
    both = (
        " It is the same for the MLP, which works beside attention here."
        if story.scheme == "parallel"
        else ""
    )
    return paragraphs(
        "Before attention reads it, the vector of each token is brought to a common size by "
        f"{norm_name(norm.kind, article=True)}. The stream itself stays as it is; only what is "
        f"read from it is normalised.{both}"
    ) + aside(
        f"{norm_name(norm.kind)} before layer {story.choice.layer}, worked for "
        f"{focus_token(story)}",
        norm_at_work(norm, focus_token(story)),
    )


def _projections(story: Story) -> str:
    heads = story.heads
    source = "n_t" if story.attention_norm is not None else "x_t"
    shared = ""
    if heads.shared > 1:
        shared = (
            f"The {story.n_heads} query heads share {story.n_kv_heads} key and value heads, "
            f"{heads.shared} each (grouped-query attention): query head "
            f"{slot('head', str(story.choice.head))} reads key and value head "
            f"{slot('kv', str(story.choice.head // heads.shared))}."
        )
    normed = (
        "In this family queries and keys also go through a norm of their own here."
        if story.head_norm
        else ""
    )
    turned = (
        "Queries and keys are then turned by their positions, as the chapter before says; the "
        "numbers below are those after that."
        if story.positions.kind == "rotary"
        else ""
    )
    return (
        paragraphs(
            f"From what it reads, each head makes three short vectors of {story.d_head} numbers "
            "for every token, each by a matrix of its own: a <em>query</em> (what is this token "
            "looking for?), a <em>key</em> (what can it be found by?) and a <em>value</em> (what "
            "does it hand on?)."
        )
        + equation(
            rf"q_t = W_Q^\top {source} \qquad k_t = W_K^\top {source} \qquad v_t = W_V^\top "
            rf"{source}",
            f"{formula(source)} is the "
            f"{'normalised ' if story.attention_norm is not None else ''}stream of token "
            f"{formula('t')}, {story.channels:,} numbers"
            + (
                "; a bias is added to each where the family has one."
                if story.norm_kind == "layer"
                else "."
            ),
        )
        + paragraphs(normed, turned, shared)
    )


def _pattern(story: Story, texts: dict[str, str]) -> str:
    heads, choice = story.heads, story.choice
    at = heads.layers.index(choice.layer)
    query = choice.focus - choice.first
    pattern = heads.pattern[at, choice.head]
    labels = story.labels
    rows = figure(
        bars(
            labels,
            [float(x) if np.isfinite(x) else 0.0 for x in pattern[query]],
            [texts[f"row:{j}"] for j in range(len(labels))],
            "Attention of the chosen token to each token, as the row of the pattern",
            marked=[choice.key - choice.first],
            data="row",
        ),
        f"The row of {slot('query', texts['query'], 'bdi')}: where it looks. The shares are at "
        "most 100 % together.",
    )
    cut = (
        ""
        if len(labels) == len(story.tokens)
        else f" {len(labels)} of {len(story.tokens)} tokens are drawn, positions {choice.first} to "
        f"{choice.stop - 1}; what goes to others is told as a sum."
    )
    scores = heads.scores[at, choice.head]
    seen = (scores > MASKED).sum(-1)
    window = (
        f" In layer {choice.layer} a token sees no further back than {int(seen.max()) - 1} tokens: "
        "the others are masked."
        if story.causal and bool((seen < np.arange(1, len(seen) + 1)).any())
        else ""
    )
    return (
        figure(
            matrix(pattern, labels, query, choice.key - choice.first, story.causal),
            f"Layer {slot('layer', texts['layer'])}, head {slot('head', texts['head'])}. Each row "
            "is a token that looks, each column a token that is looked at; stronger is more "
            "attention. "
            + ("Above the diagonal lies the future, which nobody sees." if story.causal else "")
            + cut
            + window
            + '<span class="only-script" hidden> Point at a row to read it, click a cell to work '
            "it below.</span>",
        )
        + rows
    )


def _score(story: Story, texts: dict[str, str]) -> str:
    heads, choice = story.heads, story.choice
    rule = heads.rules[heads.layers.index(choice.layer)]
    if not rule.exact:
        return note(
            "How this family makes its scores of queries and keys is more than this page has a "
            "formula for (a cap, a window or a bias of its own). The scores below are those that "
            "the model had."
        )

    def cell(name: str) -> Cell:
        return Cell(texts[name], number=True, slot=name)

    shown = min(TERMS, story.d_head)
    rows: list[list[Cell | str]] = [
        [cell(f"{name}:{row}") for name in ("dim", "q", "k", "qk")] for row in range(shown)
    ]
    foot: list[list[Cell | str]] = []
    if story.d_head > shown:
        foot.append([Cell(f"the other {story.d_head - shown}", head=True), "", "", cell("qk:rest")])
    foot.append([Cell("sum", head=True), "", "", cell("qk:sum")])
    foot.append([Cell(f"× {rule.words}", head=True), "", "", cell("scaled")])
    alibi = ""
    if rule.slopes is not None:
        name = "slope × position of the key" if rule.absolute else "slope × (j − i)"
        foot.append([Cell(f"+ {name}", head=True), cell("slope"), cell("steps"), cell("bias")])
        alibi = (
            "Then the head's slope times the key's place is added: later keys are worth more, "
            "which is the same for the softmax as a price for each step back."
            if rule.absolute
            else "Then the head's slope times the distance is added: a price for each step back."
        )
    foot.append([Cell(f"score {formula('s_{ij}')}", head=True), "", "", cell("score")])
    latex = {
        f"1/√{story.d_head}": r"s_{ij} = \frac{q_i \cdot k_j}{\sqrt{d_\text{head}}} = "
        r"\frac{1}{\sqrt{d_\text{head}}} \sum_{c} q_{ic}\, k_{jc}",
        "1": r"s_{ij} = q_i \cdot k_j = \sum_{c} q_{ic}\, k_{jc}",
    }.get(rule.words, r"s_{ij} = \alpha \; q_i \cdot k_j = \alpha \sum_{c} q_{ic}\, k_{jc}")
    root = (
        f"{D_HEAD} = {story.d_head}. Without the root, scores would grow with the number of "
        "dimensions, and the softmax would give nearly everything to one token."
        if rule.words == f"1/√{story.d_head}"
        else "This family does not divide by the root of the head's size."
        if rule.words == "1"
        else f"{ALPHA} = {rule.words} in this layer."
    )
    return (
        paragraphs(
            "How well does a key fit a query? The two vectors are multiplied number by number and "
            "the products added up: the dot product, large where both point the same way."
        )
        + equation(latex, root)
        + paragraphs(alibi)
        + table(
            f"The {shown} largest products of query and key, by dimension"
            if story.d_head > shown
            else "Query and key, product by product",
            [">dimension", ">query", ">key", ">product"],
            rows,
            foot,
            marked=None,
        )
    )


def _softmax(story: Story, texts: dict[str, str]) -> str:
    heads, choice = story.heads, story.choice
    at = heads.layers.index(choice.layer)
    rows: list[list[Cell | str]] = [
        [
            Cell(_bdi(f"sm:{row}", texts)),
            *(
                Cell(texts[f"{n}:{row}"], number=True, slot=f"{n}:{row}")
                for n in ("at", "s", "e", "p")
            ),
        ]
        for row in range(min(KEYS, heads.n_tokens))
    ]
    foot: list[list[Cell | str]] = [
        [
            Cell("all others", head=True),
            "",
            "",
            Cell(texts["e:rest"], number=True, slot="e:rest"),
            Cell(texts["p:rest"], number=True, slot="p:rest"),
        ],
        [Cell("sum", head=True), "", "", Cell(texts["e:sum"], number=True, slot="e:sum"), "100 %"],
    ]
    row = heads.pattern[at, choice.head].sum(-1)
    sink = len(story.labels) == len(story.tokens) and bool((row < 0.999).any())
    sinks = (
        "In this family every head has a <em>sink</em>: a score of its own in the sum below the "
        "fraction that stands for no token. What it takes is counted with the others here, and "
        "goes nowhere."
        if sink
        else ""
    )
    mask = (
        "Scores to the future are replaced by −∞ beforehand; their powers are zero."
        if story.causal
        else ""
    )
    below = r"j' \le i" if story.causal else "j'"
    return (
        paragraphs(
            "Each score becomes a power of e, so that none is negative, and each power is divided "
            "by the sum of all: shares that make 100 %. A score higher by 1 gets 2.72 times the "
            "share."
        )
        + equation(
            rf"a_{{ij}} = \frac{{e^{{s_{{ij}} - m}}}}{{\sum_{{{below}}} e^{{s_{{ij'}} - m}}}}",
            f"{formula('m')} is the row's largest score, {slot('top', texts['top'])}: taking it "
            "off everywhere changes no share and keeps the powers small.",
        )
        + paragraphs(mask, sinks)
        + table(
            f"Softmax of the row of {_bdi('query', texts)}, the largest shares first",
            [
                "token looked at",
                ">position",
                f">score {formula('s_{ij}')}",
                f">power {formula('e^{s_{ij} - m}')}",
                ">share",
            ],
            rows,
            foot,
        )
    )


def _values(story: Story, texts: dict[str, str]) -> str:
    heads = story.heads
    dims = min(DIMS, story.d_head)
    rows: list[list[Cell | str]] = [
        [
            Cell(_bdi(f"vt:{row}", texts)),
            Cell(texts[f"vp:{row}"], number=True, slot=f"vp:{row}"),
            *(Cell(texts[f"v:{row}:{d}"], number=True, slot=f"v:{row}:{d}") for d in range(dims)),
        ]
        for row in range(min(KEYS, heads.n_tokens))
    ]
    foot: list[list[Cell | str]] = [
        [
            Cell("all others", head=True),
            "",
            *(Cell(texts[f"v:rest:{d}"], number=True, slot=f"v:rest:{d}") for d in range(dims)),
        ],
        [
            Cell(f"sum {formula('z_i')}", head=True),
            "",
            *(Cell(texts[f"z:{d}"], number=True, slot=f"z:{d}") for d in range(dims)),
        ],
    ]
    out = (
        f"The head's matrix {formula('W_O')} makes a vector of {story.channels:,} channels of "
        f"these {story.d_head} numbers, and that is what the head adds to the stream of "
        f"{_bdi('query', texts)}."
    )
    if "adds" in texts:
        out += f" It is {slot('adds', texts['adds'])} long."
    return (
        paragraphs("The values of the tokens are added up, each times its share:")
        + equation(
            r"z_i = \sum_j a_{ij}\, v_j",
            f"A row of the table is {GATHERED}, its first {dims} of {story.d_head} dimensions.",
        )
        + table(
            f"What {_bdi('query', texts)} gathers",
            ["from", ">share", *(f">dim. {d}" for d in range(dims))],
            rows,
            foot,
        )
        + paragraphs(out)
    )


def _bdi(name: str, texts: dict[str, str]) -> str:
    return slot(name, texts[name], "bdi")


def _all_heads(story: Story) -> str:
    return paragraphs(
        f"Layer {story.choice.layer} has {story.n_heads} heads and the model {story.n_layers} "
        f"layers: {story.n_heads * story.n_layers} patterns of the same text. Some look at the "
        "token before, some at the first token whatever it is (a place to rest), some at like "
        "tokens, many at nothing that has a name."
    ) + figure(
        gallery(story.every, story.choice.layer, story.choice.head),
        "Every head's pattern, a row of pictures for each layer; the framed one is worked above."
        '<span class="only-script" hidden> Click one to work it, where the page holds its '
        "layer.</span>",
        "wide",
    )
