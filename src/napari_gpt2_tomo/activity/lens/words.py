"""Names of tokens, and tokens by their names."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...base import TomoError
from ..record import Activity, Tokens

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["labels_of", "model_of", "position_of", "strings_of", "token_of"]


def model_of(activity: Activity, purpose: str) -> "LanguageModel":
    """The model of an activity.

    Parameters
    ----------
    activity
        What was measured.
    purpose
        What the model is needed for; begins the message.

    Raises
    ------
    TomoError
        The activity was stored without it.
    """
    if activity.model is None:
        raise TomoError(f"{purpose} needs the model {activity.source.name}: run it again.")
    return activity.model


def strings_of(activity: Activity, ids: Iterable[int]) -> tuple[str, ...]:
    """Strings of tokens; ids where neither a tokenizer nor the prompt knows them."""
    tokenizer = None if activity.model is None else activity.model.tokenizer
    if tokenizer is not None:
        return tuple(tokenizer.string(int(one)) for one in ids)
    known = dict(zip(activity.tokens.ids.tolist(), activity.tokens.strings, strict=True))
    return tuple(known.get(int(one), str(int(one))) for one in ids)


def labels_of(activity: Activity, ids: Iterable[int]) -> tuple[str, ...]:
    """`strings_of`, with white space made visible."""
    numbers = [int(one) for one in ids]
    return Tokens.of_ids(numbers, strings_of(activity, numbers)).labels


def token_of(activity: Activity, token: int | str) -> int:
    """Id of a token that a person named.

    Parameters
    ----------
    activity
        Says which model's tokens.
    token
        An id, its digits after ``#``, or the token's text. Both spellings are tried where a
        text has no leading space: as it is, and with one.

    Raises
    ------
    TomoError
        There is no such token, or the text is several tokens.
    """
    size = activity.source.sizes.vocab
    if isinstance(token, str):
        if token.startswith("#") and token[1:].isdecimal():
            token = int(token[1:])
        else:
            return _by_text(activity, token)
    if token < 0 or (size is not None and token >= size):
        raise TomoError(f"There is no token {token}; ids go from 0 to {(size or 1) - 1}.")
    return int(token)


def _by_text(activity: Activity, text: str) -> int:
    tokenizer = None if activity.model is None else activity.model.tokenizer
    if tokenizer is None:
        for place, string in enumerate(activity.tokens.strings):
            if string == text:
                return int(activity.tokens.ids[place])
        raise TomoError("There is no tokenizer here: name a token by its number, as #42.")
    # Asked of the vocabulary: a tokenizer may put a space of its own before a text.
    tries = [text] if text[:1].isspace() else [text, f" {text}"]
    for one in tries:
        if one in tokenizer.vocabulary:
            return tokenizer.vocabulary.index(one)
    ids = tokenizer.find(text)
    if not ids:
        raise TomoError("A token has at least one character.")
    pieces = " + ".join(labels_of(activity, ids))
    raise TomoError(f"{text!r} is no single token of {activity.source.name}; it is {pieces}.")


def position_of(activity: Activity, position: int) -> int:
    """A position in the text, counted from its end where it is negative.

    Raises
    ------
    TomoError
        The text has no such position.
    """
    count = len(activity.tokens)
    if not -count <= position < count:
        raise TomoError(f"There is no position {position}; the text has {count} tokens.")
    return position % count
