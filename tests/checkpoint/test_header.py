"""The header is read as strictly as the reference implementation reads it, and as safely.

The kinds of damage are those of the reference's own tests (``safetensors/src/tensor.rs``)
and of its README; the reference itself is asked wherever it has an answer.
"""

import json
import random
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors import SafetensorError, deserialize

from checkpoint.writer import Sample, safetensors_bytes, with_header
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.formats.header import Header, parse_header, read_header
from napari_gpt2_tomo.checkpoint.place import LocalPlace


def entry(dtype: str = "U8", shape: str = "[1]", offsets: str = "[0,1]", more: str = "") -> str:
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}{more}}}'


def tensor(**fields: str) -> str:
    return f'{{"a":{entry(**fields)}}}'


T = entry()
U64 = 2**64 - 1

VALID = {
    "no tensors": with_header("{}"),
    "scalar": with_header(tensor(dtype="I32", shape="[]", offsets="[0,4]"), b"\0" * 4),
    "matrix": with_header(tensor(dtype="I32", shape="[2,2]", offsets="[0,16]"), b"\0" * 16),
    "zero-size": with_header(tensor(dtype="I32", shape="[2,0]", offsets="[0,0]")),
    "zero-size between others": with_header(
        f'{{"z":{entry("F32", "[0]", "[1,1]")},"a":{T},"b":{entry(offsets="[1,2]")}}}', b"\0\0"
    ),
    "header in another order than the data": with_header(
        f'{{"b":{entry(offsets="[1,2]")},"a":{T}}}', b"\0\0"
    ),
    "white space after": with_header("{}\r \t\n"),
    "white space before, as writers pad to a page": with_header("\t\n{}\r "),
    "null metadata": with_header('{"__metadata__":null}'),
    "unknown field": with_header(tensor(more=',"extra":{"x":[1,{}]}'), b"\0"),
    "escaped names": with_header(f'{{"a\\n\\u003a\\ud83d\\ude00":{T}}}', b"\0"),
    "escaped field": with_header(tensor().replace("dtype", "\\u0064type"), b"\0"),
    "empty name": with_header(f'{{"":{T}}}', b"\0"),
    "colons everywhere": with_header(f'{{"__metadata__":{{"a:":":b:"}},"x:0":{T}}}', b"\0"),
    "huge dimension beside none": with_header(
        tensor(shape="[576460752303423488,0]", offsets="[0,0]")
    ),
    "half bytes that add up": with_header(tensor(dtype="F4", shape="[2,3]", offsets="[0,3]"),
                                          b"\0\0\0"),
}  # fmt: skip

INVALID = {
    # the length of the header
    "nothing": (b"", "empty"),
    "too few bytes for a length": (b"<\0\0", "only 3 bytes"),
    "header of no bytes": (with_header(""), "not JSON"),
    "header far too long": (with_header("{}", length=2**64 - 1), "more than 100000000"),
    "header just too long": (with_header("{}", length=100_000_001), "more than 100000000"),
    "header past the end": (with_header("", length=60), "after the end"),
    "header one byte past the end": (with_header("{}", length=3), "after the end"),
    # the text of the header
    "not UTF-8": (with_header(b"\xff"), "not UTF-8 at byte 0"),
    "UTF-8 of half a surrogate pair": (with_header(b'{"a\xed\xa0\x80":1}'), "not UTF-8"),
    "escape of half a surrogate pair": (with_header(f'{{"a\\ud800":{T}}}', b"\0"), "surrogate"),
    "byte order mark": (with_header(b"\xef\xbb\xbf{}"), "not JSON"),
    "cut": (with_header("{"), "not JSON"),
    "a list": (with_header("[]"), "not a JSON object"),
    "a number": (with_header("1"), "not a JSON object"),
    "null": (with_header("null"), "not a JSON object"),
    "zeros after": (with_header("{}\0"), "not JSON"),
    "text after": (with_header("{}x"), "not JSON"),
    "two objects": (with_header("{}{}"), "not JSON"),
    "trailing comma": (with_header(f'{{"a":{T},}}', b"\0"), "not JSON"),
    "line break in a name": (with_header(f'{{"a\n":{T}}}', b"\0"), "not JSON"),
    "leading zero": (with_header(tensor(shape="[01]"), b"\0"), "not JSON"),
    "NaN": (with_header(tensor(more=',"x":NaN'), b"\0"), "NaN"),
    "infinity": (with_header(tensor(more=',"x":-Infinity'), b"\0"), "Infinity"),
    "5000 digits": (with_header(tensor(shape=f"[{'9' * 5000}]"), b"\0"), "not JSON"),
    "nested 100000 deep": (with_header('{"a":' + "[" * 100_000), "nested|not JSON"),
    "objects nested 100000 deep": (with_header('{"a":' * 100_000), "nested|not JSON"),
    # metadata
    "metadata with a number": (with_header('{"__metadata__":{"a":1}}'), "no text, under 'a'"),
    "metadata with null": (with_header('{"__metadata__":{"a":null}}'), "no text"),
    "metadata with an object": (with_header('{"__metadata__":{"a":{}}}'), "no text"),
    "metadata as a list": (with_header('{"__metadata__":[]}'), "not an object"),
    "metadata as a tensor": (with_header(f'{{"__metadata__":{T}}}', b"\0"), "no text"),
    "metadata twice": (with_header('{"__metadata__":{},"__metadata__":{}}'), "occurs twice"),
    # fields
    "tensor twice, first empty": (with_header(f'{{"a":{{}},"a":{T}}}', b"\0"), "occurs twice"),
    "tensor twice, first a number": (with_header(f'{{"a":1,"a":{T}}}', b"\0"), "occurs twice"),
    "tensor null": (with_header('{"a":null}'), "'a' is not an object"),
    "tensor a text": (with_header('{"a":"b"}'), "not an object"),
    "no dtype": (with_header('{"a":{"shape":[1],"data_offsets":[0,1]}}', b"\0"), "no dtype"),
    "no shape": (with_header('{"a":{"dtype":"U8","data_offsets":[0,1]}}', b"\0"), "no shape"),
    "no offsets": (with_header('{"a":{"dtype":"U8","shape":[1]}}', b"\0"), "no data_offsets"),
    "field twice": (with_header(tensor(more=',"dtype":"U8"'), b"\0"), "'dtype' occurs twice"),
    "unknown type": (with_header(tensor(dtype="Q9"), b"\0"), "unknown element type 'Q9'"),
    "type in small letters": (with_header(tensor(dtype="u8"), b"\0"), "unknown element type"),
    "type a list": (with_header(tensor().replace('"U8"', "[1]"), b"\0"), "unknown element type"),
    "shape a number": (with_header(tensor(shape="1"), b"\0"), "not a list"),
    "shape an object": (with_header(tensor(shape='{"1":1}'), b"\0"), "not a list"),
    "shape a fraction": (with_header(tensor(shape="[1.0]"), b"\0"), "not made of sizes"),
    "shape with an exponent": (with_header(tensor(shape="[1e0]"), b"\0"), "not made of sizes"),
    "shape negative": (with_header(tensor(shape="[-1]"), b"\0"), "not made of sizes"),
    "shape two negatives": (with_header(tensor(shape="[-1,-1]"), b"\0"), "not made of sizes"),
    "shape true": (with_header(tensor(shape="[true]"), b"\0"), "not made of sizes"),
    "shape a text": (with_header(tensor(shape='["1"]'), b"\0"), "not made of sizes"),
    "shape nested": (with_header(tensor(shape="[[1]]"), b"\0"), "not made of sizes"),
    "dimension of 65 bits": (with_header(tensor(shape=f"[{U64 + 1},0]")), "not made of sizes"),
    "one offset": (with_header(tensor(offsets="[0]"), b"\0"), "not two numbers"),
    "three offsets": (with_header(tensor(offsets="[0,1,2]"), b"\0"), "not two numbers"),
    "offset a text": (with_header(tensor(offsets='"01"'), b"\0"), "no range"),
    "offset an object": (with_header(tensor(offsets='{"0":0,"1":1}'), b"\0"), "no range"),
    "offset negative": (with_header(tensor(offsets="[-1,0]"), b"\0"), "no range"),
    "offset a fraction": (with_header(tensor(offsets="[0,1.0]"), b"\0"), "no range"),
    "offset of 65 bits": (with_header(tensor(offsets=f"[{U64},{U64 + 1}]"), b"\0"), "no range"),
    # sizes
    "shape overflows": (
        with_header(tensor(dtype="I32", shape=f"[2,{U64 - 1}]", offsets="[0,16]"), b"\0" * 16),
        "too large"),
    "bytes overflow": (
        with_header(tensor(dtype="I32", shape=f"[2,{2**63 - 1}]", offsets="[0,16]"), b"\0" * 16),
        "takes 7"),
    "shape overflows before a zero": (
        with_header(tensor(shape=f"[{U64},2,0]", offsets="[0,0]")), "too large"),
    "too few bytes for the shape": (
        with_header(tensor(dtype="I32", shape="[2,2]", offsets="[0,4]"), b"\0" * 4), "takes 16"),
    "too many bytes for the shape": (
        with_header(tensor(offsets="[0,2]"), b"\0\0"), "has 2 bytes"),
    "end before start": (
        with_header(f'{{"a":{entry(shape="[0]", offsets="[0,0]")},'
                    f'"b":{entry(offsets="[1,0]")}}}', b"\0"), "no range"),
    "half a byte": (with_header(tensor(dtype="F4", shape="[3]", offsets="[0,2]"), b"\0\0"),
                    "whole byte"),
    # coverage
    "overlap": (with_header(f'{{"a":{T},"b":{T}}}', b"\0"), "begin at 0 instead of 1"),
    "ten names for the same bytes": (
        with_header(json.dumps({f"weight_{i}": {"dtype": "F32", "shape": [2, 2],
                                                "data_offsets": [0, 16]} for i in range(10)}),
                    b"\0" * 16), "begin at 0 instead of 16"),
    "hole at the start": (with_header(tensor(offsets="[1,2]"), b"\0\0"), "begin at 1 instead"),
    "hole between": (
        with_header(f'{{"a":{T},"b":{entry(offsets="[2,3]")}}}', b"\0\0\0"), "begin at 2"),
    "bytes appended": (with_header(tensor(), b"\0another file"), "fill 1 bytes, but 13 follow"),
    "bytes cut": (with_header(tensor()), "fill 1 bytes, but 0 follow"),
}  # fmt: skip

STRICTER = {
    # the reference's README forbids them, its parser takes the last
    "tensor twice": (with_header(f'{{"a":{T},"a":{T}}}', b"\0"), "'a' occurs twice"),
    "tensor twice, once escaped": (
        with_header(f'{{"a":{T},"\\u0061":{T}}}', b"\0"), "occurs twice"),
    "tensor twice and an escaped colon": (
        with_header(f'{{"x":{T},"x":{T},"\\u003a":{entry(offsets="[1,2]")}}}', b"\0\0"),
        "occurs twice"),
    "metadata key twice": (with_header('{"__metadata__":{"a":"1","a":"2"}}'), "occurs twice"),
    "unknown field twice": (with_header(tensor(more=',"x":1,"x":2'), b"\0"), "occurs twice"),
    # oddities of the reference's parser
    "tensor as a list": (with_header('{"a":["U8",[1],[0,1]]}', b"\0"), "not an object"),
    "type as an object": (
        with_header(tensor().replace('"U8"', '{"U8":null}'), b"\0"), "unknown element type"),
    # what numpy cannot hold
    "65 axes": (with_header(tensor(shape=f"[{'1,' * 64}1]"), b"\0"), "65 axes"),
    "none of a huge thing": (
        with_header(tensor(shape=f"[{2**63},0]", offsets="[0,0]")), "too large"),
    "no huge matrix": (
        with_header(tensor(shape=f"[0,{2**62},2]", offsets="[0,0]")), "too large"),
}  # fmt: skip


def reference_accepts(content: bytes) -> bool:
    try:
        deserialize(content)
    except SafetensorError:
        return False
    return True


@contextmanager
def small_memory(limit: int) -> Iterator[None]:
    """Assert that at most `limit` bytes were allocated at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def read(folder: Path, content: bytes) -> Header:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return read_header(LocalPlace(path.parent).source(path.name))


@pytest.mark.parametrize("content", VALID.values(), ids=VALID.keys())
def test_accepts_what_the_format_allows(tmp_path: Path, content: bytes) -> None:
    assert reference_accepts(content)
    header = read(tmp_path, content)
    tensors = dict(deserialize(content))
    assert {name: (e[0], list(e[1])) for name, e in header.entries.items()} == {
        name: (info["dtype"], info["shape"]) for name, info in tensors.items()
    }
    with open_checkpoint(tmp_path) as checkpoint:
        for name, lazy in checkpoint.items():
            if lazy.stored != "F4":  # Two share a byte, see the tests of the format.
                assert lazy[...].tobytes() == bytes(tensors[name]["data"])


@pytest.mark.parametrize(("content", "message"), INVALID.values(), ids=INVALID.keys())
def test_refuses_what_the_reference_refuses(tmp_path: Path, content: bytes, message: str) -> None:
    assert not reference_accepts(content)
    with small_memory(8_000_000), pytest.raises(CheckpointError, match=message) as error:
        read(tmp_path, content)
    assert str(tmp_path / "model.safetensors") in str(error.value)
    assert len(str(error.value)) < 700 + len(str(tmp_path))
    assert str(error.value).isprintable()


@pytest.mark.parametrize(("content", "message"), STRICTER.values(), ids=STRICTER.keys())
def test_refuses_a_little_more(tmp_path: Path, content: bytes, message: str) -> None:
    assert reference_accepts(content)
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path, content)


SMALL = safetensors_bytes(
    {
        "h.0.w": Sample.random("F32", (3, 5), 1),
        "h.0.b": Sample.random("BF16", (5,), 2),
        "empty": Sample.random("I64", (0, 2), 3),
    },
    metadata={"format": "pt", "note": "ä:{}"},
    pad=3,
)


def outcome(folder: Path, content: bytes) -> bool:
    """Whether the file opens and all of its tensors can be read; only our errors may occur."""
    path = folder / "model.safetensors"
    path.write_bytes(content)
    try:
        with open_checkpoint(path) as checkpoint:
            for lazy in checkpoint.values():
                assert lazy[...].shape == lazy.shape
            assert len(checkpoint.fingerprint) == 64
    except CheckpointError:
        return False
    return True


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    assert outcome(tmp_path, SMALL)
    with small_memory(4_000_000):
        for end in range(len(SMALL)):
            assert not outcome(tmp_path, SMALL[:end]), end


def test_flipped_bytes_are_refused_where_the_reference_refuses_them(tmp_path: Path) -> None:
    rng = random.Random(20240229)
    header_end = 8 + int.from_bytes(SMALL[:8], "little")
    refused = 0
    with small_memory(4_000_000):
        for _ in range(600):
            damaged = bytearray(SMALL)
            for _ in range(rng.choice((1, 1, 2, 5))):
                damaged[rng.randrange(header_end)] = rng.randrange(256)
            opened = outcome(tmp_path, bytes(damaged))
            refused += not opened
            assert not opened or reference_accepts(bytes(damaged))
    assert refused > 300


def test_swapped_tokens_are_refused_where_the_reference_refuses_them(tmp_path: Path) -> None:
    rng = random.Random(7)
    header_end = 8 + int.from_bytes(SMALL[:8], "little")
    text = SMALL[8:header_end].decode()
    tokens = re.findall(r'"[^"]*"|\d+|[^"\d]', text)
    extra = [*tokens, "null", "true", "-1", "0.5", "1e3", str(U64), str(U64 + 1), "[]", "{}", ":"]
    for _ in range(600):
        changed = list(tokens)
        for _ in range(rng.choice((1, 2, 3))):
            at = rng.randrange(len(changed))
            changed[at : at + rng.choice((0, 1))] = [rng.choice(extra)]
        content = with_header("".join(changed), SMALL[header_end:])
        assert outcome(tmp_path, content) <= reference_accepts(content)


def test_absurd_lengths_allocate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as file:
        file.write((99_000_000).to_bytes(8, "little") + b"{}")
        file.truncate(98_000_000)
    with small_memory(1_000_000), pytest.raises(CheckpointError, match="after the end"):
        read_header(LocalPlace(path.parent).source(path.name))


def test_a_header_of_many_tensors_is_read() -> None:
    entries = {
        f"model.layers.{i // 300}.mlp.experts.{i % 300}.gate_proj.weight": {
            "dtype": "BF16",
            "shape": [1408, 2048],
            "data_offsets": [i * 5767168, (i + 1) * 5767168],
        }
        for i in range(20_000)
    }
    text = json.dumps(entries).encode()
    parsed, _ = parse_header(text, 20_000 * 5767168, "test")
    assert len(parsed) == 20_000


def test_only_the_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 35], "data_offsets": [0, 1 << 37]}})
    with open(path, "wb") as file:
        file.write(with_header(header))
        file.truncate(8 + len(header) + (1 << 37))
    with small_memory(1_000_000), open_checkpoint(path) as checkpoint:
        assert checkpoint["a"].nbytes == 1 << 37
        assert checkpoint["a"][-3:].tolist() == [0, 0, 0]
        assert len(checkpoint.fingerprint) == 64
