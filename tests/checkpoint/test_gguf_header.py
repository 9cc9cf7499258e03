"""The header of a GGUF file is read without trust: clear errors, no large allocation."""

import random
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint.gguf_writer import ARRAY, STRING, Raw, field, file, tensor, text, u32, u64, whole
from checkpoint.test_header import small_memory
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.formats import gguf_cursor
from napari_gpt2_tomo.checkpoint.formats.gguf_cursor import Array, read_numbers, read_strings
from napari_gpt2_tomo.checkpoint.formats.gguf_header import Header, read_header
from napari_gpt2_tomo.checkpoint.place import LocalPlace

HUGE = 2**60
U64 = 2**64 - 1
T = tensor()
DATA = bytes(16)


def array(inner: int, count: int, body: bytes = b"") -> bytes:
    """An array that announces `count` elements."""
    return text("a") + u32(ARRAY) + u32(inner) + u64(count) + body


INVALID = {
    # the beginning
    "nothing": (b"", "empty"),
    "three bytes": (b"GGU", "does not begin with GGUF"),
    "another magic": (b"GGJT" + bytes(40), "does not begin with GGUF"),
    "only the magic": (b"GGUF", "only 4 bytes"),
    "cut in a count": (file()[:20], "only 20 bytes"),
    "version 0": (file(version=0), "version 0"),
    "version 1": (file(version=1), "version 1, from 2023"),
    "version of the future": (file(version=4), "version 4; this version reads 2 and 3"),
    "big-endian": (b"GGUF" + bytes([0, 0, 0, 3]) + bytes(40), "big-endian"),
    # counts
    "2^60 tensors": (file(n_tensors=HUGE), "announces 1152921504606846976 tensors"),
    "2^64 - 1 tensors": (file(n_tensors=U64), "announces"),
    "more tensors than fit": (file([], [T], DATA, n_tensors=4), "announces 4 tensors"),
    "2^60 fields": (file(n_fields=HUGE), "announces 1152921504606846976 metadata"),
    "2^64 - 1 fields": (file(n_fields=U64), "announces"),
    "a field less than announced": (file([field("a", 0, 1)], n_fields=2), "announces 2 metadata"),
    "a tensor less than announced": (file([], [T], n_tensors=2), "announces 2 tensors"),
    # texts
    "key of 2^60 bytes": (file([u64(HUGE) + b"a" * 30]), "key .* is 1152921504606846976 bytes"),
    "key of 2^16 bytes": (file([field("a" * 2**16, 0, 1)]), "key .* is 65536 bytes"),
    "key beyond the end": (file([u64(60000) + b"a" * 30]), "after the end of the file"),
    "key that is no text": (file([field(b"\xff\xfe", 0, 1)]), "not UTF-8"),
    "text of 2^60 bytes": (
        file([text("a") + u32(STRING) + u64(HUGE)]), "text of 'a' of 1152921504606846976 bytes"),
    "text of 2^64 - 1 bytes": (file([text("a") + u32(STRING) + u64(U64)]), "after the end"),
    "text one byte too long": (file([text("a") + u32(STRING) + u64(3) + b"ab"]), "after the end"),
    "name of 2^60 bytes": (file([], [u64(HUGE) + b"a" * 30]), "name of a tensor is 115"),
    "name that is no text": (file([], [tensor(b"\xc3")], DATA), "name of a tensor is not UTF-8"),
    # values
    "unknown type of a value": (file([text("a") + u32(13) + bytes(8)]), "unknown type 13"),
    "absurd type of a value": (file([text("a") + u32(2**32 - 1) + bytes(8)]), "unknown type"),
    "key twice": (file([field("a", 0, 1), field("a", 0, 2)]), "key 'a' occurs twice"),
    "array of 2^60 bytes": (file([array(0, HUGE)]), "1152921504606846976 bytes would end after"),
    "array of 2^61 doubles": (file([array(12, 2**61)]), "would end after the end"),
    "array of 2^60 texts": (file([array(STRING, HUGE)]), "announces 1152921504606846976 texts"),
    "texts that end early": (
        file([array(STRING, 4, text("a") * 3)], [T, T]), "after the end|UTF-8|announces|long"),
    "a text of an array of 2^60 bytes": (
        file([array(STRING, 2, u64(HUGE) + b"a" * 30)]), "text of the array 'a' of 115"),
    "array of arrays": (file([array(ARRAY, 1, u32(0) + u64(0))]), "'a' holds arrays"),
    "array of an unknown type": (file([array(77, 1, bytes(8))]), "unknown type 77"),
    "alignment 0": (file([field("general.alignment", 4, 0)]), "no power of two"),
    "alignment 24": (file([field("general.alignment", 4, 24)]), "no power of two"),
    "alignment as text": (file([field("general.alignment", STRING, "32")]), "no power of two"),
    "alignment as an array": (
        file([field("general.alignment", ARRAY, (4, [32]))]), "an array, which is no power"),
    "alignment true": (file([field("general.alignment", 7, True)]), "no power of two"),
    "alignment of 2^31": (
        file([field("general.alignment", 4, 2**31)], [T], DATA), "would end at"),
    # tensors
    "5 axes": (file([], [tensor(shape=(1, 1, 1, 1, 4))], DATA), "'a' has 5 axes"),
    "2^32 - 1 axes": (file([], [tensor(n_axes=2**32 - 1)], DATA), "4294967295 axes"),
    "length of 2^63": (file([], [tensor(shape=(2**63,))], DATA), "too large"),
    "lengths that overflow": (file([], [tensor(shape=(2**32, 2**32))], DATA), "too large"),
    "lengths that overflow to nothing": (
        file([], [tensor(shape=(2**33, 2**31, 4))], DATA), "too large"),
    "none of a huge thing": (file([], [tensor(shape=(2**62, 0))], DATA), "too large"),
    "rows of half a block": (file([], [tensor(shape=(2, 48), kind=2)], bytes(64)), "whole blocks"),
    "a value of blocks": (file([], [tensor(shape=(), kind=8)], bytes(64)), "whole blocks of 32"),
    "data that are not there": (file([], [T]), "would end at"),
    "data one byte short": (file([], [T], DATA[:-1]), "incompletely downloaded"),
    "2^50 values": (file([], [tensor(shape=(2**50,))], DATA), "would end at"),
    "offset of 2^60": (file([], [tensor(offset=HUGE)], DATA), "would end at"),
    "offset that overflows": (file([], [tensor(offset=U64 - 31)], DATA), "would end at"),
    "offset that is not aligned": (file([], [tensor(offset=4)], bytes(64)), "no multiple of 32"),
    "tensor twice": (
        file([], [tensor("a"), tensor("a", offset=32)], bytes(64)), "'a' occurs twice"),
    "two tensors in one place": (
        file([], [tensor("a"), tensor("b")], bytes(64)), "overlap"),
    "a tensor inside another": (
        file([], [tensor("a", (40,)), tensor("b", offset=64)], bytes(160)), "overlap"),
    "a tensor inside one that cannot be decoded": (
        file([], [tensor("a", (256,), 15), tensor("b", offset=64)], bytes(512)), "overlap"),
    "unknown type of all tensors": (file([], [tensor(kind=77)], DATA), "element type 77"),
    "removed type": (file([], [tensor(shape=(32,), kind=4)], bytes(64)), "element type 4"),
    "absurd type": (file([], [tensor(kind=2**32 - 1)], DATA), "element type 4294967295"),
}  # fmt: skip

VALID = {
    "no tensors": file(),
    "only metadata": file([field("a", 12, 0.5)]),
    "tensors in another order than their data": file(
        [], [tensor("b", offset=32), tensor("a")], bytes(48)
    ),
    "bytes between and after": file([], [tensor("a"), tensor("b", offset=128)], bytes(500)),
    "without values": file([], [tensor("a", (0,)), tensor("b", (4, 0, 3)), T], DATA)
    .replace(text("a"), text("x"), 1),
    "huge length beside none": file([], [tensor("a", (2**50, 0))]),
    "empty key and name": file([field("", 0, 1)], [tensor("")], DATA),
    "empty array": file([array(STRING, 0), field("b", 0, 1)], [T], DATA),
    "text that is no UTF-8": file([field("a", STRING, b"\xff")], [T], DATA),
}  # fmt: skip


def read(folder: Path, content: bytes) -> Header:
    path = folder / "a.gguf"
    path.write_bytes(content)
    return read_header(LocalPlace(folder).source(path.name))


@pytest.mark.parametrize(("content", "message"), INVALID.values(), ids=INVALID.keys())
def test_refuses_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with small_memory(4_000_000), pytest.raises(CheckpointError, match=message) as error:
        open_checkpoint(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 600 + len(str(tmp_path))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", VALID.values(), ids=VALID.keys())
def test_accepts_what_the_format_allows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with open_checkpoint(path) as checkpoint:
        for name, lazy in checkpoint.items():
            assert checkpoint[name][...].shape == lazy.shape


SMALL = whole(
    {
        "blk.0.w": Raw.random("Q4_K", (2, 256), 1),
        "blk.0.b": Raw.random("F32", (5,), 2),
        "empty": Raw.random("F16", (0, 2), 3),
        "c": Raw.random("BF16", (8,), 3),
    },
    {"general.architecture": "llama", "tokens": ["a", "", "ab" * 200], "n": [1, 2, 3]},
)
END = len(SMALL) - 16  # Padding follows the last tensor.


def outcome(folder: Path, content: bytes) -> bool:
    """Whether the file opens and all of its tensors can be read; only our errors may occur."""
    path = folder / "a.gguf"
    path.write_bytes(content)
    try:
        with open_checkpoint(path) as checkpoint:
            for lazy in checkpoint.values():
                assert lazy[...].shape == lazy.shape
            assert len(checkpoint.fingerprint) == 64
            assert checkpoint.vocabulary is None or len(checkpoint.vocabulary) < 10
    except CheckpointError:
        return False
    return True


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    assert outcome(tmp_path, SMALL)
    assert outcome(tmp_path, SMALL[:END])
    with small_memory(4_000_000):
        for end in range(END):
            assert not outcome(tmp_path, SMALL[:end]), end


def test_flipped_bytes_give_our_errors_or_a_file(tmp_path: Path) -> None:
    rng = random.Random(20240229)
    header_end = read(tmp_path, SMALL).length
    refused = 0
    with small_memory(8_000_000):
        for _ in range(500):
            damaged = bytearray(SMALL)
            for _ in range(rng.choice((1, 1, 2, 5))):
                damaged[rng.randrange(header_end)] = rng.choice((0, 1, 2, 8, 9, 255, 128))
            refused += not outcome(tmp_path, bytes(damaged))
    assert 150 < refused < 500


def test_absurd_lengths_in_a_large_file_allocate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    pieces = {
        "text": field("a", STRING, "")[:-8] + u64(2**40),
        "key": u64(2**40),
        "numbers": array(12, 2**37),
        "texts": array(STRING, 2**37, u64(2**39)),
        }  # fmt: skip
    files = [file([piece], n_tensors=1) for piece in pieces.values()]
    files += [file(n_tensors=2**17), file(n_fields=2**15), file(n_tensors=2**35)]
    for content in files:
        with open(path, "wb") as opened:
            opened.write(content)
            opened.truncate(2**42)  # Sparse: four terabytes that take no room.
        with small_memory(16_000_000), pytest.raises(CheckpointError):
            open_checkpoint(path)


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(
        st.one_of(
            st.text(max_size=12),
            st.binary(max_size=8),
            st.integers(0, 600).map(lambda n: "x" * n),
            st.sampled_from(["\0", "\0" * 9, "a\0b", ""]),
        ),
        max_size=60,
    ),
    window=st.sampled_from([16, 64, 300, 1 << 14]),
)
def test_arrays_of_texts_are_stepped_over_whatever_they_hold(
    tmp_path_factory: pytest.TempPathFactory, entries: Sequence[str | bytes], window: int
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    content = file([field("t", ARRAY, (STRING, entries)), field("after", 4, 77)], [T], DATA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf_cursor, "FIRST_WINDOW", window)
        patch.setattr(gguf_cursor, "LAST_WINDOW", window)
        header = read(folder, content)
    assert header.fields["after"] == 77
    found = header.fields["t"]
    assert isinstance(found, Array)
    source = LocalPlace(folder).source("a.gguf")
    expected = [e.decode("utf-8", "replace") if isinstance(e, bytes) else e for e in entries]
    assert read_strings(source, found) == expected
    assert read_strings(source, found, min(2, len(entries))) == expected[:2]


def test_numbers_of_every_type(tmp_path: Path) -> None:
    forms = {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?",
             10: "<u8", 11: "<i8", 12: "<f8"}  # fmt: skip
    fields = [field(f"{kind}", ARRAY, (kind, [0, 1, 3])) for kind in forms]
    header = read(tmp_path, file(fields))
    source = LocalPlace(tmp_path).source("a.gguf")
    for kind, dtype in forms.items():
        found = header.fields[f"{kind}"]
        assert isinstance(found, Array)
        values = read_numbers(source, found)
        assert values.dtype == np.dtype(dtype)
        assert np.array_equal(values, np.array([0, 1, 3], dtype))
        assert read_numbers(source, found, 1).shape == (1,)


def test_the_package_reads_the_same_header(tmp_path: Path) -> None:
    header = read(tmp_path, SMALL)
    reader = gguf.GGUFReader(tmp_path / "a.gguf")
    assert {one.name for one in reader.tensors} == set(header.entries)
    for one in reader.tensors:
        number, shape, start, stop = header.entries[one.name]
        assert number == int(one.tensor_type)
        assert shape == tuple(one.shape.tolist())[::-1]
        assert (start, stop - start) == (one.data_offset, one.n_bytes)
