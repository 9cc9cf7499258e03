"""The header of a safetensors file, read as strictly as the reference implementation.

The file is an 8-byte little-endian length, that many bytes of JSON, and the data.
Format and rules: https://github.com/huggingface/safetensors (README, "Format", and
``SafeTensors::read_metadata``, ``Metadata::validate`` in ``safetensors/src/tensor.rs``).

Stricter than the reference are: duplicate keys, which its README disallows and its parser
lets pass; tensors written as arrays; sizes that no numpy array can have.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from ...base import CheckpointError
from ..dtypes import STORED_TYPES
from ..sniff import describe
from ..source import ByteSource

__all__ = ["Entry", "Header", "parse_header", "read_header"]

LENGTH_BYTES = 8
MAX_HEADER = 100_000_000
"""Bytes; the reference implementation's limit."""
MAX_U64 = 2**64 - 1
"""Sizes in the reference are 64-bit; a product beyond it is an overflow."""
MAX_EXTENT = 2**59
"""Elements of a tensor without any, its zeros left out: numpy counts 8 bytes of each in 63 bits."""
MAX_AXES = 64
"""The limit of numpy."""

_BITS = {name: stored.bits for name, stored in STORED_TYPES.items()}


# A plain tuple: headers of mixtures hold ten thousands of them.
Entry = tuple[str, tuple[int, ...], int, int]
"""A tensor of the header: element type, shape, first byte and end counted from `data_start`."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of one file says.

    Attributes
    ----------
    entries
        Tensors in the order of their data.
    metadata
        The free text under ``__metadata__``.
    data_start
        Byte of the file at which the data begin.
    """

    entries: dict[str, Entry]
    metadata: dict[str, str]
    data_start: int


def read_header(source: ByteSource) -> Header:
    """Read and check the header of a safetensors file; its data are not touched.

    Raises
    ------
    CheckpointError
        The file cannot be read or is not a valid safetensors file; says why.
    """
    start = source.bytes(0, LENGTH_BYTES)
    length = int.from_bytes(start, "little")
    _check_length(source, start, length)
    data_start = LENGTH_BYTES + length
    text = source.bytes(LENGTH_BYTES, data_start)
    entries, metadata = parse_header(text, source.size - data_start, str(source.path))
    return Header(entries, metadata, data_start)


def _check_length(source: ByteSource, start: bytes, length: int) -> None:
    path, size = source.path, source.size
    if size == 0:
        raise CheckpointError(f"{path} is empty (0 bytes); download or save it again.")
    if len(start) < LENGTH_BYTES:
        wrong = f"it has only {size} bytes"
    elif length > MAX_HEADER:
        wrong = f"its header would be {length} bytes long, more than {MAX_HEADER}"
    elif LENGTH_BYTES + length > size:
        wrong = f"its header of {length} bytes would end after the end of the file ({size} bytes)"
    else:
        return
    advice = (
        describe(source.bytes(0, 512))
        or "It is damaged, incompletely downloaded, or no safetensors file."
    )
    raise CheckpointError(f"{path} is not a safetensors file: {wrong}. {advice}")


def parse_header(
    text: bytes, data_size: int, where: str
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Tensors (in the order of their data) and metadata of a header.

    Parameters
    ----------
    text
        The JSON, possibly padded with white space.
    data_size
        Bytes of the file after the header, which the tensors must fill exactly.
    where
        The file's name, for messages.

    Raises
    ------
    CheckpointError
        The header breaks a rule of the format; says which.
    """
    try:
        tree, metadata = _parse_json(text)
        entries = [(name, _entry(name, info)) for name, info in tree.items()]
        entries.sort(key=_by_offset)
        end = 0
        for name, (_, _, start, stop) in entries:
            if start != end:
                _fail(f"the data of {_quoted(name)} begin at {start} instead of {end}", "gap")
            end = stop
        if end != data_size:
            _fail(f"its tensors fill {end} bytes, but {data_size} follow the header", "size")
    except _Malformed as error:
        raise CheckpointError(f"{where} is not a valid safetensors file: {error}") from None
    return dict(entries), metadata


class _Malformed(Exception):
    """A rule of the format that is broken, and what to do."""


_ADVICE = {
    "json": "The header is damaged; download or save the file again.",
    "entry": "The program that wrote it did not follow the format; save it again.",
    "gap": "Overlaps and holes are not allowed; save it again.",
    "size": "It is incompletely downloaded or has bytes appended; download it again.",
}


def _fail(wrong: str, advice: str = "entry") -> NoReturn:
    raise _Malformed(f"{wrong}. {_ADVICE[advice]}")


def _quoted(text: object) -> str:
    """`text` as it is safe and short enough to print."""
    shown = ascii(text)
    return shown if len(shown) <= 100 else f"{shown[:97]}…"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _fail(f"the key {_quoted(twice)} occurs twice")
    return found


# The hook that finds duplicate keys makes parsing several times slower, so it only
# runs when `_may_repeat` cannot exclude them.
_FAST = json.JSONDecoder(parse_constant=_refuse_constant)
_EXACT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)


def _parse_json(raw: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors of the header and its metadata, each key once."""
    try:
        text = raw.decode("utf-8")
        tree = _FAST.decode(text)
        if type(tree) is not dict:
            _fail("its header is not a JSON object", "json")
        if _may_repeat(text, tree):
            tree = _EXACT.decode(text)
    except UnicodeDecodeError as error:
        _fail(f"its header is not UTF-8 at byte {error.start}", "json")
    except RecursionError:
        _fail("its header is nested too deeply", "json")
    except ValueError as error:
        _fail(f"its header is not JSON ({_quoted(str(error))[1:-1]})", "json")
    metadata = tree.pop("__metadata__", None)
    if metadata is None:
        metadata = {}
    if type(metadata) is not dict:
        _fail("its __metadata__ is not an object")
    for key, value in metadata.items():
        if type(value) is not str:
            _fail(f"its __metadata__ has a value that is no text, under {_quoted(key)}")
    if "\\u" in text:
        try:
            "".join([*tree, *metadata, *metadata.values()]).encode()
        except UnicodeEncodeError:
            _fail("its header has half a surrogate pair", "json")
    return tree, metadata


def _may_repeat(text: str, tree: dict[str, Any]) -> bool:
    """Whether a key of the JSON `text` might occur twice; False is certain.

    Each key brings one colon, and the strings bring theirs. If the parsed tree
    explains all colons of the text, no key was overwritten by another.
    """
    if "\\u" in text:  # may hide a colon
        return True
    if set(map(type, tree.values())) != {dict}:
        return True
    colons = len(tree) + sum(map(len, tree.values()))
    metadata = tree.get("__metadata__", {})
    strings = [*tree, *metadata, *(text for text in metadata.values() if type(text) is str)]
    return text.count(":") != colons + "".join(strings).count(":")


def _by_offset(item: tuple[str, Entry]) -> tuple[int, int]:
    _, (_, _, start, stop) = item
    return start, stop


def _entry(name: str, info: Any) -> Entry:
    """Check one tensor of the header."""
    try:
        stored, shape = info["dtype"], info["shape"]
        start, stop = info["data_offsets"]
        bits = _BITS[stored]
    except (KeyError, TypeError, ValueError):
        _explain(name, info)
    if type(shape) is not list:
        _fail(f"the shape of {_quoted(name)} is not a list")
    count = 1
    for n in shape:
        if type(n) is not int or not 0 <= n <= MAX_U64:
            _fail(f"the shape of {_quoted(name)} is not made of sizes: {_quoted(shape)}")
        count *= n
        if count > MAX_U64:
            _fail(f"the shape of {_quoted(name)} is too large: {_quoted(shape)}")
    size, loose_bits = divmod(count * bits, 8)
    if type(start) is not int or type(stop) is not int or not 0 <= start <= stop <= MAX_U64:
        _fail(f"the data_offsets of {_quoted(name)} are no range of bytes")
    if loose_bits:
        _fail(f"{_quoted(name)} does not end with a whole byte: {stored} {_quoted(shape)}")
    if stop - start != size:
        _fail(
            f"{_quoted(name)} has {stop - start} bytes, but {stored} {_quoted(shape)} takes {size}"
        )
    if len(shape) > MAX_AXES:
        _fail(f"{_quoted(name)} has {len(shape)} axes; at most {MAX_AXES} can be read")
    if not count and math.prod(n for n in shape if n) > MAX_EXTENT:
        _fail(f"the shape of {_quoted(name)} is too large: {_quoted(shape)}")
    return stored, tuple(shape), start, stop


def _explain(name: str, info: Any) -> NoReturn:
    """Say why a tensor of the header could not even be taken apart."""
    if type(info) is not dict:
        _fail(f"the entry of {_quoted(name)} is not an object")
    for field in ("dtype", "shape", "data_offsets"):
        if field not in info:
            _fail(f"{_quoted(name)} has no {field}")
    stored = info["dtype"]
    if type(stored) is not str or stored not in STORED_TYPES:
        _fail(
            f"{_quoted(name)} has the unknown element type {_quoted(stored)}; "
            f"known are {', '.join(sorted(STORED_TYPES))}"
        )
    _fail(f"the data_offsets of {_quoted(name)} are not two numbers")
