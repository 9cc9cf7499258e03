"""A file that breaks a rule of its format, as its parser says it."""

__all__ = ["CUT", "Malformed", "quoted"]

CUT = "It is damaged or incompletely downloaded; download or save it again."
"""What to do with most of them."""


class Malformed(Exception):
    """A rule of the format that is broken, and what to do. The reader adds the file's name."""

    def __init__(self, wrong: str, advice: str = CUT) -> None:
        super().__init__(f"{wrong}. {advice}")


def quoted(text: object) -> str:
    """`text` as it is safe and short enough to print."""
    shown = ascii(text)
    return shown if len(shown) <= 100 else f"{shown[:97]}…"
