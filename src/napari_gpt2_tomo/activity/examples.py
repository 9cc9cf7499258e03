"""Prompts to begin with, and what each of them shows."""

from dataclasses import dataclass

__all__ = ["PROMPTS", "Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt to begin with.

    Attributes
    ----------
    title
        A few words for a list.
    text
        The prompt.
    shows
        What to look at in it.
    """

    title: str
    text: str
    shows: str


PROMPTS: tuple[Example, ...] = (
    Example(
        "Who gets the drink",
        "When Mary and John went to the store, John gave a drink to",
        "The name that was not repeated comes next. In GPT-2 small a few heads of layers 7 to 10 "
        "look from the last token back to “Mary”.",
    ),
    Example(
        "The cat sat on the",
        "The cat sat on the",
        "Many words fit: look at the spread of the next token and at how late in the layers it "
        "is decided.",
    ),
    Example(
        "A pattern that repeats",
        "one seven blue lamp river fox one seven blue lamp river",
        "Induction: heads look at the token after the last occurrence of the present one, and "
        "“fox” follows.",
    ),
    Example(
        "A capital",
        "Paris is the capital of France. Rome is the capital of",
        "A fact that is asked for by its form; the lens shows in which layer it appears.",
    ),
    Example(
        "Arithmetic",
        "2 + 2 = 4\n3 + 5 = 8\n4 + 3 =",
        "Digits are tokens like any others: heads copy the form of the lines above.",
    ),
    Example(
        "Code",
        "def add(a, b):\n    return a + b\n\ndef subtract(a, b):\n    return a -",
        "Indentation and names: heads look at the definition above.",
    ),
    Example(
        "A story",
        "Once upon a time there was a little girl named Lily. She liked to",
        "For models of stories; the name is looked back at from every pronoun.",
    ),
    Example(
        "Deutsch",
        "Der Himmel ist blau und das Gras ist",
        "A language that a model may have seen little of: words fall into many tokens.",
    ),
    Example(
        "日本語",
        "猫が窓のそばで眠っている。",
        "Bytes: a character may be several tokens, each shown with the bytes that it holds.",
    ),
    Example(
        "العربية",
        "القطة تنام بجانب النافذة",
        "Text from right to left; tokens are numbered in reading order.",
    ),
    Example(
        "Emoji",
        "I love pizza 🍕 and cats 🐈\u200d⬛!",
        "One sign may be four tokens and more.",
    ),
    Example(
        "One token",
        "The",
        "Nothing to look back at: all attention is on the token itself.",
    ),
)
"""Every prompt, the most telling first."""
