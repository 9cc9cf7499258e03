"""Hostile pickles and archives: nothing runs, nothing large is allocated, the error is ours."""

import builtins
import io
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from checkpoint.test_header import small_memory
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.formats.malformed import Malformed
from napari_gpt2_tomo.checkpoint.formats.pickle_machine import Machine
from napari_gpt2_tomo.checkpoint.formats.pickle_objects import Instance, OutOfBytes

PROTO, STOP = b"\x80\x02", b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def name(module: str, function: str) -> bytes:
    return f"c{module}\n{function}\n".encode()


def storage(kind: str = "FloatStorage", key: str = "0", count: bytes = b"K\4") -> bytes:
    pid = b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + count + b"t"
    return pid + b"Q"


def tensor(offset: bytes = b"K\0", shape: bytes = b"K\4\x85", stride: bytes = b"K\1\x85") -> bytes:
    made = name("torch._utils", "_rebuild_tensor_v2")
    return made + b"(" + storage() + offset + shape + stride + b"\x89NtR"


def archive(data: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", data)
        for key, content in (storages if storages is not None else {"0": bytes(16)}).items():
            made.writestr(f"archive/data/{key}", content)
        made.writestr("archive/version", "3\n")
    return buffer.getvalue()


def opened(folder: Path, content: bytes) -> dict[str, Any]:
    path = folder / "model.pt"
    path.write_bytes(content)
    with open_checkpoint(path) as checkpoint:
        return {key: lazy[...] for key, lazy in checkpoint.items()}


def state(*more: bytes) -> bytes:
    return PROTO + b"}(" + text("w") + tensor() + b"".join(more) + b"u" + STOP


def test_what_the_tests_write_is_a_file_of_tensors(tmp_path: Path) -> None:
    assert opened(tmp_path, archive(state()))["w"].tolist() == [0, 0, 0, 0]


CALLS = {
    "os.system": name("posix", "system") + text("touch ran") + b"\x85R",
    "os.system by its own name": name("os", "system") + text("touch ran") + b"\x85R",
    "eval": name("builtins", "eval") + text("open('ran', 'w')") + b"\x85R",
    "eval of Python 2": name("__builtin__", "eval") + text("open('ran', 'w')") + b"\x85R",
    "getattr": name("builtins", "getattr") + name("os", "system") + text("x") + b"\x86R",
    "torch.hub": name("torch.hub", "load") + text("x/y") + text("z") + b"\x86R",
    "torch.load": name("torch", "load") + text("other.pt") + b"\x85R",
    "numpy's own pickles": name("numpy", "load") + text("x") + b"\x85R",
    "a name in two parts": text("os") + text("system") + b"\x93" + text("touch ran") + b"\x85R",
    "an attribute of a safe module": name("torch._utils", "os.system") + b")R",
    "an old instance": b"(" + text("touch ran") + b"ios\nsystem\n",
    "an old object": b"(" + name("os", "system") + text("touch ran") + b"o",
    "inside a tensor's arguments": (
        name("torch._utils", "_rebuild_parameter")
        + b"(" + name("os", "system") + text("touch ran") + b"\x85R\x88)tR"
    ),
    "a class that derives a tensor": (
        name("torch._tensor", "_rebuild_from_type_v2")
        + b"(" + name("os", "system") + name("os", "system") + text("touch ran") + b"\x85NtR"
    ),
    "a result that is called": name("collections", "OrderedDict") + b")R)R",
    "a text that is called": text("os.system") + b")R",
    "an extension": b"\x82\1",
    "a buffer outside": b"\x97",
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_call_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("it ran")

    for module, function in ((os, "system"), (builtins, "eval"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, function, forbidden)
    content = archive(state(text("x") + call))
    if b"_rebuild_from_type" in call:
        assert opened(tmp_path, content).keys() == {"w"}, "what would have to be called is missing"
    else:
        with pytest.raises(CheckpointError, match=r"model\.pt") as error:
            opened(tmp_path, content)
        assert len(str(error.value)) < 900
    assert not (tmp_path / "ran").exists()
    assert not {"torch", "torch.hub"} & (set(sys.modules) - before)


@pytest.mark.parametrize("call", ["os.system", "eval", "torch.hub", "an old instance"])
def test_the_wanted_name_and_the_way_out_are_said(tmp_path: Path, call: str) -> None:
    wanted = {"os.system": "posix.system", "eval": "builtins.eval", "torch.hub": "torch.hub.load"}
    with pytest.raises(CheckpointError, match=r"weights_only=False.*state_dict") as error:
        opened(tmp_path, archive(state(text("x") + CALLS[call])))
    assert wanted.get(call, "os.system") in str(error.value)


def test_instances_are_kept_as_names(tmp_path: Path) -> None:
    made = name("os", "system") + text("touch ran") + b"\x85\x81}" + text("a") + b"K\1sb"
    path = tmp_path / "model.pt"
    path.write_bytes(archive(state(text("x") + made)))
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["w"]
        assert any("os.system" in note for note in checkpoint.notes)


BOMBS: dict[str, Callable[[], bytes]] = {
    "a memo far away": lambda: PROTO + b"Nr\xff\xff\xff\xff" + STOP,
    "a memo that is not there": lambda: PROTO + b"j\xff\xff\xff\xff" + STOP,
    "bytes without end": lambda: PROTO + b"B\xff\xff\xff\xff" + STOP,
    "a text without end": lambda: PROTO + b"\x8d" + b"\xff" * 7 + b"\x7f" + STOP,
    "a text of negative length": lambda: PROTO + b"T\xff\xff\xff\xff" + STOP,
    "a frame without end": lambda: b"\x80\4\x95" + b"\xff" * 8,
    "an integer without end": lambda: PROTO + b"\x8b\xff\xff\xff\x7f" + STOP,
    "an integer of negative length": lambda: PROTO + b"\x8b\xff\xff\xff\xff" + STOP,
    "a huge integer": lambda: PROTO + b"\x8b\x40\x0d\x03\0" + b"\xff" * 200_000 + STOP,
    "many digits": lambda: PROTO + b"L" + b"9" * 100_000 + b"L\n" + STOP,
    "tuples of tuples as a key": lambda: (
        PROTO + b"}" + b")" + b"2\x86" * 60 + b"Ns" + STOP
    ),
    "mappings of mappings": lambda: (
        PROTO + b"}" + text("w") + tensor() + b"s"
        + b"".join(
            b"q" + bytes([i]) + b"0}(" + text("a") + b"h" + bytes([i])
            + text("b") + b"h" + bytes([i]) + b"u"
            for i in range(50)
        ) + STOP
    ),
    "a mapping in itself": lambda: PROTO + b"}q\0" + text("a") + b"h\0s" + STOP,
    "a list that is copied": lambda: (
        PROTO + b"](" + b"N" * 20_000 + b"eq\0" + name("builtins", "list") + b"q\1"
        + b"h\1h\0\x85R" * 20_000 + STOP
    ),
    "a mapping that is copied": lambda: (
        PROTO + b"](" + b"](K\1K\2e" * 5000 + b"eq\0" + name("collections", "OrderedDict")
        + b"q\1" + b"h\1h\0\x85R" * 20_000 + STOP
    ),
    "a call with many arguments": lambda: (
        PROTO + b"(" + b"N" * 50_000 + b"tq\0" + name("builtins", "list") + b"q\1"
        + b"h\1h\0R" * 20_000 + STOP
    ),
    "bytes that are encoded again": lambda: (
        PROTO + text("x" * 100_000) + b"q\0" + name("_codecs", "encode") + b"q\1"
        + b"h\1h\0\x85R" * 20_000 + STOP
    ),
    "long names": lambda: (
        PROTO + name("m" * 50_000, "x") + b"q\0" + b"h\0)\x810" * 20_000 + STOP
    ),
    "deep lists": lambda: PROTO + b"]" * 100_000 + b"a" * 99_999 + STOP,
    "nothing on the stack": lambda: PROTO + b"0" + STOP,
    "marks": lambda: PROTO + b"(" * 100_000 + STOP,
    "no end": lambda: PROTO + b"N" * 1000,
    "nothing": lambda: b"",
    "no tensors": lambda: PROTO + b"}" + STOP,
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_fizzle(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    content = archive(bomb())
    with small_memory(30_000_000), pytest.raises(CheckpointError, match=r"model\.pt") as error:
        opened(tmp_path, content)
    assert len(str(error.value)) < 900


TENSORS = {
    "beyond its storage": tensor(shape=b"K\5\x85"),
    "an offset beyond": tensor(offset=b"K\1"),
    "a stride beyond": tensor(stride=b"K\2\x85"),
    "a negative offset": tensor(offset=b"J\xff\xff\xff\xff"),
    "a negative stride": tensor(offset=b"K\3", stride=b"J\xff\xff\xff\xff\x85"),
    "a huge shape": tensor(shape=b"\x8a\x08" + b"\xff" * 7 + b"\x3f\x85"),
    "a huge stride": tensor(stride=b"\x8a\x08" + b"\xff" * 7 + b"\x3f\x85"),
    "a shape that is no number": tensor(shape=text("4") + b"\x85"),
    "a shape that is true": tensor(shape=b"\x88\x85"),
    "no strides": tensor(stride=b")"),
    "many axes": tensor(shape=b"(" + b"K\1" * 100 + b"t", stride=b"(" + b"K\1" * 100 + b"t"),
    "no storage": name("torch._utils", "_rebuild_tensor_v2") + b"(NK\0K\4\x85K\1\x85\x89NtR",
    "too few arguments": name("torch._utils", "_rebuild_tensor_v2") + b")R",
}


@pytest.mark.parametrize("made", TENSORS.values(), ids=TENSORS.keys())
def test_tensors_stay_inside_their_storage(tmp_path: Path, made: bytes) -> None:
    content = archive(PROTO + b"}" + text("w") + made + b"s" + STOP)
    with small_memory(2_000_000), pytest.raises(CheckpointError, match=r"model\.pt"):
        opened(tmp_path, content)


STORAGES = {
    "of another kind": storage("QuantumStorage"),
    "of no torch": storage().replace(b"ctorch\n", b"cother\n"),
    "of negative size": storage(count=b"J\xff\xff\xff\xff"),
    "that is no tuple": text("storage") + b"Q",
    "by a line": b"Pstorage\n",
}


@pytest.mark.parametrize("made", STORAGES.values(), ids=STORAGES.keys())
def test_storages_are_what_they_should_be(tmp_path: Path, made: bytes) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        opened(tmp_path, archive(PROTO + made + STOP))


def test_short_and_absent_storages(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="shorter"):
        opened(tmp_path, archive(state(), {"0": bytes(15)}))
    path = tmp_path / "absent.pt"
    path.write_bytes(archive(state(), {}))
    with open_checkpoint(path) as checkpoint:
        assert "not in" in checkpoint.missing["w"]


def test_damage_anywhere_is_our_error_or_other_values(tmp_path: Path) -> None:
    whole = archive(state(text("b") + tensor(), text("n") + b"K\1"))
    rng = random.Random(11)
    damaged = [whole[:end] for end in range(0, len(whole), 7)]
    for _ in range(400):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        damaged.append(bytes(changed))
    with small_memory(8_000_000):
        for content in damaged:
            with suppress(CheckpointError):
                opened(tmp_path, content)


# The machine alone


def run(data: bytes) -> Any:
    return Machine(data, {}, lambda identity: ("outside", identity)).run()


VALUES = (
    None, True, 0, -1, 255, 65536, -(2**31), 2**40, -(2**60), 2**300, 1.5, "", "ä\n", b"",
    b"\0\xff", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2]], {},
    {"a": {"b": 1}, 2: None}, ["x"] * 2000, {i: str(i) for i in range(2000)},
)  # fmt: skip


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_machine_reads_what_python_writes(protocol: int) -> None:
    for value in VALUES:
        if isinstance(value, bytes) and protocol < 3:
            continue  # They are written as a call.
        assert run(pickle.dumps(value, protocol)) == value


def test_sets_are_kept_as_lists_and_objects_as_names() -> None:
    assert sorted(run(pickle.dumps({3, 1, 2}, 4))) == [1, 2, 3]
    found = run(pickle.dumps(Path, 2)[:-1] + b")\x81}X\1\0\0\0aK\1sb.")
    assert isinstance(found, Instance)
    assert str(found.kind) in ("pathlib.Path", "pathlib._local.Path")
    assert found.state == {"a": 1}
    with pytest.raises(Malformed, match="call"):
        run(pickle.dumps(range(3), 2))
    with pytest.raises(OutOfBytes):
        run(pickle.dumps([1, 2], 2)[:-1])


# Archives


def patched(content: bytes, at: int, form: str, *values: int) -> bytes:
    data = struct.pack(form, *values)
    return content[:at] + data + content[at + len(data) :]


def hostile_archives() -> dict[str, bytes]:
    good = archive(state())
    end = good.rindex(b"PK\5\6")
    (directory,) = struct.unpack_from("<I", good, end + 16)
    second = good.index(b"PK\1\2", directory + 4)
    return {
        "no directory": good[:end],
        "a directory beyond the end": patched(good, end + 16, "<I", len(good)),
        "a huge directory": patched(good, end + 12, "<I", 0xFFFFFFF0),
        "another number of members": patched(good, end + 10, "<H", 2),
        "64 bits announced, none there": patched(good, end + 12, "<II", 0xFFFFFFFF, 0xFFFFFFFF),
        "members on top of each other": patched(good, second + 42, "<I", 0),
        "a member beyond the directory": patched(good, second + 42, "<I", len(good)),
        "a member of 64 bits without them": patched(good, second + 24, "<I", 0xFFFFFFFF),
        "two sizes": patched(good, second + 24, "<I", 15),
        "an unknown compression": patched(good, second + 10, "<H", 99),
        "encrypted": patched(good, second + 8, "<H", 1),
        "a bomb": patched(patched(good, second + 10, "<H", 8), second + 24, "<I", 0x7FFFFFFF),
        "no pickle": good.replace(b"data.pkl", b"data.pxl"),
        "names twice": archive(state(), {"0": bytes(16), "1": b""}).replace(b"data/1", b"data/0"),
    }


@pytest.mark.parametrize(("kind", "content"), hostile_archives().items())
def test_hostile_archives_are_refused(tmp_path: Path, kind: str, content: bytes) -> None:
    with small_memory(2_000_000), pytest.raises(CheckpointError, match=r"model\.pt"):
        opened(tmp_path, content)


def test_a_member_that_is_not_where_the_directory_says(tmp_path: Path) -> None:
    good = archive(state())
    local = good.index(b"PK\3\4", 4)
    with pytest.raises(CheckpointError, match="not where its directory says"):
        opened(tmp_path, patched(good, local, "<I", 0))
    with pytest.raises(CheckpointError, match="not where its directory says"):
        opened(tmp_path, patched(good, local + 28, "<H", 60_000))


def test_compressed_members_are_read_and_their_bombs_are_not(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", state())
        made.writestr("archive/data/0", struct.pack("<4f", 1, 2, 3, 4))
    assert opened(tmp_path, buffer.getvalue())["w"].tolist() == [1, 2, 3, 4]
    content = bytearray(buffer.getvalue())
    directory = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", directory + 4)
    struct.pack_into("<I", content, second + 24, 16_000)
    with small_memory(2_000_000), pytest.raises(CheckpointError, match="16000"):
        opened(tmp_path, bytes(content))


LARGE = """
from napari_gpt2_tomo.checkpoint import open_checkpoint
with open_checkpoint({path!r}) as checkpoint:
    tensor = checkpoint["w"]
    assert tensor.shape == (1 << 12, 900_000) and tensor.nbytes > 14_000_000_000
    assert (tensor[::512, 1000] == 0).all() and tensor[-1, -1] == 0
    assert len(checkpoint.fingerprint) == 64
    status = open("/proc/self/status").read()
    assert int(status.split("VmHWM:")[1].split()[0]) < 250_000, status
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sparse files, /proc")
@pytest.mark.parametrize("kind", ["pt", "npz"])
def test_14_gigabytes_take_no_memory(tmp_path: Path, kind: str) -> None:
    """A sparse file: sizes and places of 64 bits in the archive."""
    rows, columns = 1 << 12, 900_000
    shape = b"M\0\x10J" + columns.to_bytes(4, "little") + b"\x86"
    size = b"\x8a\x05" + (rows * columns).to_bytes(5, "little")
    made = name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage(count=size) + b"K\0"
    made += shape + b"J" + columns.to_bytes(4, "little") + b"K\1\x86\x89NtR"
    array = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns})}}".encode()
    path = tmp_path / f"large.{kind}"
    with zipfile.ZipFile(path, "w") as file:
        if kind == "pt":
            file.writestr("archive/data.pkl", PROTO + b"}" + text("w") + made + b"s" + STOP)
            member, head = "archive/data/0", b""
        else:
            member, head = "w.npy", b"\x93NUMPY\1\0" + len(array).to_bytes(2, "little") + array
        with file.open(zipfile.ZipInfo(member), "w", force_zip64=True) as opened:
            opened._fileobj.write(head)  # type: ignore[attr-defined]
            opened._fileobj.seek(4 * rows * columns, os.SEEK_CUR)  # type: ignore[attr-defined]
            length = len(head) + 4 * rows * columns
            opened._file_size = opened._compress_size = length  # type: ignore[attr-defined]
        file.writestr("archive/version", "3\n")
    subprocess.run([sys.executable, "-c", LARGE.format(path=str(path))], check=True)
