"""Code of the lesson that runs as it stands, and what it prints.

Each function gives the arguments of `markup.code`: source, language, label, printed text.
"""

import shlex

import numpy as np

from .rotary import Rotary
from .story import Gradient, Neuron, Story

__all__ = [
    "attention_snippet",
    "embedding_snippet",
    "gradient_snippet",
    "loss_snippet",
    "neuron_snippet",
    "position_snippet",
    "prediction_snippet",
    "session_snippet",
    "shell_snippet",
    "stream_snippet",
    "tokens_snippet",
    "view_snippet",
]

Snippet = tuple[str, str, str, str]

PRINTED = "np.set_printoptions(precision=4, suppress=True)"
"""What makes printed numbers short."""


def _start(story: Story) -> str:
    """The lines with which most begin: the model, and the text that it reads."""
    return (
        "import numpy as np\nimport napari_gpt2_tomo as tomo\n\n"
        f"{PRINTED}\n"
        f"model = tomo.language_model({_path(story.path)})\n"
        f"activity = model.run({_text(story)})\n"
    )


def _short_start(story: Story) -> str:
    """The same where no arrays are worked with."""
    return f"import napari_gpt2_tomo as tomo\n\nmodel = tomo.language_model({_path(story.path)})\n"


def _path(path: str) -> str:
    """A path as Python writes it, with forward slashes where that is the same."""
    return repr(path.replace("\\", "/") if ":" in path[:3] else path)


def _text(story: Story) -> str:
    if story.tokens.text is None:
        return repr(story.tokens.ids.tolist())
    return repr(story.tokens.text)


def _array(values: object) -> str:
    """What `print` shows of an array under `PRINTED`."""
    with np.printoptions(precision=4, suppress=True):
        return str(np.asarray(values, np.float32))


def _python(code: str, label: str, prints: str = "") -> Snippet:
    return code, "language-python", f"Python: {label}", prints


def tokens_snippet(story: Story) -> Snippet:
    """Tokens and ids."""
    code = _short_start(story) + (
        f"tokens = model.tokens({_text(story)})\n"
        "print(tokens.ids[:8].tolist())\nprint(tokens.strings[:8])\n"
    )
    prints = f"{story.tokens.ids[:8].tolist()}\n{story.tokens.strings[:8]}"
    return _python(code, "tokens of the text", prints)


def embedding_snippet(story: Story) -> Snippet:
    """Embedding of the followed token."""
    code = _start(story) + (
        f"t = {story.choice.focus}\n"
        'vector = activity["embed"][t]\n'
        'print(vector.shape, f"{np.linalg.norm(vector):.4f}")\n'
        "print(vector[:4])\n"
    )
    vector = story.embedding.vectors[story.choice.focus]
    norm = f"{story.embedding.norms[story.choice.focus]:.4f}"
    return _python(code, "embedding of one token", f"{vector.shape} {norm}\n{_array(vector[:4])}")


def position_snippet(story: Story) -> Snippet:
    """Positions in the family's own way."""
    positions, choice = story.positions, story.choice
    if positions.rotary is not None and positions.turned is not None:
        return _rotary(story, positions.rotary)
    if positions.vectors is not None and positions.vectors.shape[-1] == story.channels:
        code = _start(story) + (
            f"t = {choice.focus}\n"
            'position = activity["pos_embed"][t]\n'
            "print(position[:4])\n"
            'print((activity["embed"][t] + position)[:4])\n'
        )
        vector = positions.vectors[choice.focus]
        both = story.embedding.vectors[choice.focus] + vector
        return _python(code, "position vectors", f"{_array(vector[:4])}\n{_array(both[:4])}")
    code = _start(story) + 'print(activity["resid_pre"][0].shape)\n'
    return _python(code, "the stream before the first block", str(positions.stream.shape))


def _rotary(story: Story, rotary: Rotary) -> Snippet:
    choice, positions = story.choice, story.positions
    assert positions.turned is not None
    a, b = rotary.pairs[0].tolist()
    code = _start(story) + (
        f"layer, head, t = {choice.layer}, {choice.head}, {choice.focus}\n"
        f'q, turned = activity["q"][layer, head, t], activity["rot_q"][layer, head, t]\n'
        f"angle = t * {float(rotary.angles[0])!r}\n"
        f"a, b = q[{a}], q[{b}]\n"
        "new_a = a * np.cos(angle) - b * np.sin(angle)\n"
        "new_b = a * np.sin(angle) + b * np.cos(angle)\n"
        "print(np.array([new_a, new_b]))\n"
        f"print(turned[[{a}, {b}]])\n"
    )
    both = _array(positions.turned[choice.focus][[a, b]])
    return _python(code, "one pair of a query turned by its position", f"{both}\n{both}")


def attention_snippet(story: Story) -> Snippet:
    """One row of the pattern, by the rule of the family."""
    choice, heads = story.choice, story.heads
    at = heads.layers.index(choice.layer)
    rule = heads.rules[at]
    names = ("rot_q", "rot_k") if story.positions.kind == "rotary" else ("q", "k")
    row = heads.pattern[at, choice.head, choice.focus - choice.first]
    whole = choice.stop - choice.first == len(story.tokens)
    span = "" if whole else f"[{choice.first}:{choice.stop}]"
    if not rule.exact or (whole and row.sum() < 0.999):
        code = _start(story) + (
            f"layer, head, i = {choice.layer}, {choice.head}, {choice.focus}\n"
            f'print(activity["pattern"][layer, head, i]{span})\n'
        )
        return _python(code, "a row of the attention pattern", _array(row))
    group = f" // {heads.shared}" if heads.shared > 1 else ""
    seen = "[: i + 1]" if story.causal else ""
    slope = ""
    if rule.slopes is not None:
        slope = f"scores = scores + {float(rule.slopes[choice.head])!r} * {_place(rule.absolute)}\n"
    code = _start(story) + (
        f"layer, head, i = {choice.layer}, {choice.head}, {choice.focus}\n"
        f'q = activity["{names[0]}"][layer, head, i]\n'
        f'k = activity["{names[1]}"][layer, head{group}]{seen}\n'
        f"scores = k @ q{_scale(rule.words, rule.scale)}\n"
        f"{slope}"
        "shares = np.exp(scores - scores.max())\n"
        "shares = shares / shares.sum()\n"
        f"print(shares{span})\n"
        f'print(np.abs(shares - activity["pattern"][layer, head, i]{seen}).max() < 1e-3)\n'
    )
    shown = row[: choice.focus - choice.first + 1] if story.causal else row
    return _python(code, "a row of the attention pattern by hand", f"{_array(shown)}\nTrue")


def _place(absolute: bool) -> str:
    return "np.arange(len(k))" if absolute else "(np.arange(len(k)) - i)"


def _scale(words: str, scale: float) -> str:
    if words == "1":
        return ""
    if words.startswith("1/√"):
        return f" / np.sqrt({words.removeprefix('1/√')})"
    return f" * {scale!r}"


def neuron_snippet(story: Story, neuron: Neuron) -> Snippet:
    """One neuron, and the length of what it adds."""
    expert = "" if neuron.expert is None else f", expert={neuron.expert}"
    slot = ""
    if neuron.expert is not None:
        chosen = [number for number, _ in neuron.experts]
        slot = f", {chosen.index(neuron.expert)}"
    code = _start(story) + (
        f"layer, t, neuron = {neuron.layer}, {story.choice.focus}, {neuron.number}\n"
        f'value = activity["mlp_post"][layer, t{slot}, neuron]\n'
        f'added = model.weight("down", layer{expert})[:, neuron] * value\n'
        'print(f"{value:.4f} {np.linalg.norm(added):.4f}")\n'
        "print(added[:4])\n"
    )
    added = neuron.output * neuron.after
    prints = f"{neuron.after:.4f} {np.linalg.norm(added):.4f}\n{_array(added[:4])}"
    return _python(code, "what one neuron adds", prints)


def stream_snippet(story: Story) -> Snippet:
    """The sum of a block."""
    block = story.block
    sites = ("resid_pre", "attn_out", "mlp_out", "resid_post")
    code = _start(story) + (
        f"layer, t = {block.layer}, {story.choice.focus}\n"
        f"for site in {sites!r}:\n"
        "    print(site, activity[site][layer, t][:3])\n"
    )
    arrays = (block.before, block.attention, block.mlp, block.after)
    prints = "\n".join(f"{s} {_array(a[:3])}" for s, a in zip(sites, arrays, strict=True))
    return _python(code, "the sums of one block", prints)


def prediction_snippet(story: Story) -> Snippet:
    """The likeliest tokens."""
    prediction = story.prediction
    assert prediction is not None
    name = "model.tokenizer.string(int(i))" if story.has_tokenizer else "int(i)"
    code = _start(story) + (
        f"t = {story.choice.focus}\n"
        'logits = activity["logits"][t].astype(float)\n'
        "p = np.exp(logits - logits.max())\n"
        "p = p / p.sum()\n"
        "for i in np.argsort(-p)[:5]:\n"
        f'    print(repr({name}), f"{{p[i]:.4f}}")\n'
    )
    rows = (
        f"{(string if story.has_tokenizer else number)!r} {share:.4f}"
        for number, string, _, share in prediction.top[:5]
    )
    return _python(code, "the likeliest next tokens", "\n".join(rows))


def loss_snippet(story: Story) -> Snippet:
    """The mean loss."""
    loss = story.loss
    assert loss is not None
    code = _start(story) + (
        'logits = activity["logits"][:-1].astype(float)\n'
        "true = activity.tokens.ids[1:]\n"
        "logits = logits - logits.max(-1, keepdims=True)\n"
        "log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))\n"
        "losses = -log_p[np.arange(len(true)), true]\n"
        'print(f"{losses.mean():.4f} {np.exp(losses.mean()):.4f}")\n'
    )
    return _python(code, "the loss", f"{loss.mean:.4f} {np.exp(loss.mean):.4f}")


def gradient_snippet(story: Story, gradient: Gradient) -> Snippet:
    """The gradient and one step."""
    name, index = gradient.weight[:2]
    place = ", ".join(map(str, index))
    code = _short_start(story) + (
        f"text = {_text(story)}\n"
        f"before, after, norm = model.stepped_loss(text, {gradient.rate!r})\n"
        'print(f"{before:.4f} {after:.4f} {norm:.4f}")\n'
        f"slope = model.gradient(text, [{name!r}])[{name!r}]\n"
        f'print(f"{{slope[{place}]:.4f}}")\n'
    )
    numbers = (gradient.before, gradient.after, gradient.norm)
    first = " ".join(f"{one:.4f}" for one in numbers)
    return _python(code, "the gradient and one step", f"{first}\n{gradient.weight[3]:.4f}")


def session_snippet(story: Story) -> Snippet:
    """The activity, to go on with."""
    code = _start(story) + ("for name, array in activity.items():\n    print(name, array.shape)\n")
    return _python(code, "everything that was measured")


def view_snippet(story: Story) -> Snippet:
    """The head in napari."""
    choice = story.choice
    code = (
        "import napari\nimport napari_gpt2_tomo as tomo\n\n"
        f"viewer = tomo.view({_path(story.path)})\n"
        f'tomo.go_to(viewer, "L{choice.layer}.H{choice.head}")\n'
        "napari.run()\n"
    )
    return _python(code, "this head in napari")


def shell_snippet(story: Story) -> Snippet:
    """The command line."""
    return (
        f"napari-gpt2-tomo view {shlex.quote(story.path)}\n",
        "language-sh",
        "Shell: open the model",
        "",
    )
