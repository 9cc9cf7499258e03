"""Formulas that a browser sets by itself, without a network and without a script."""

from functools import cache

__all__ = ["formula"]


@cache
def formula(latex: str, block: bool = False) -> str:
    r"""A formula as MathML; write words as ``\text{…}`` and functions as ``\operatorname{…}``.

    Parameters
    ----------
    latex
        Ours, without dollar signs; it is kept in the formula, for those who copy it.
    block
        Whether it stands on a line of its own.
    """
    from latex2mathml.converter import convert

    from ...page import in_text

    made: str = convert(latex, display="block" if block else "inline")
    start, end = made.index("<mrow>"), made.rindex("</math>")
    source = f'<annotation encoding="application/x-tex">{in_text(latex)}</annotation>'
    return f"{made[:start]}<semantics>{made[start:end]}{source}</semantics></math>"
